"""How ``echo-iad knowledge diff`` prints what new rules would change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from echo.cli_common import STYLES, say

if TYPE_CHECKING:
    from echo.replay import Replay
    from experts.evidence import Verdict

# Of images that share a fault, so many are named.
MAX_NAMED = 3


def show_replay(replay: Replay, *, as_json: bool = False) -> None:
    """Print what would change, and what cannot be told, for people or for programs."""
    if as_json:
        typer.echo(replay.model_dump_json(indent=1))
        return
    if replay.changes:
        Console().print(_table(replay))
    for sentence in sentences(replay):
        say(sentence)


def sentences(replay: Replay) -> list[str]:
    """The replay in words; what would change comes first."""
    if not replay.total:
        return ["No inspection of this line is stored, so there is nothing to try the rules on."]
    counts = Counter(f"{change.before} -> {change.after}" for change in replay.changes)
    listed = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    told = f"{len(replay.changes)} of {_stored(replay.total)} would change"
    said = [f"{told}: {listed}." if listed else f"{told}."]
    for why, images in _by_reason(replay).items():
        said.append(f"Of {_listed(images)} it cannot be told: {why}.")
    if replay.skipped:
        verb = "was" if replay.skipped == 1 else "were"
        said.append(
            f"{replay.skipped} of them {verb} made before the line was enrolled anew, extended or "
            "taught, and left out."
        )
    return said


def _table(replay: Replay) -> Table:
    table = Table("image", "when", "now", "then", "because")
    for change in replay.changes:
        when = change.time.astimezone().strftime("%Y-%m-%d %H:%M")
        name, reason = escape(Path(change.image).name), escape(change.reason)
        table.add_row(name, when, _styled(change.before), _styled(change.after), reason)
    return table


def _styled(verdict: Verdict) -> str:
    return f"[{STYLES[verdict]}]{verdict}[/]"


def _stored(count: int) -> str:
    return "1 stored inspection" if count == 1 else f"{count} stored inspections"


def _by_reason(replay: Replay) -> dict[str, list[str]]:
    images: dict[str, list[str]] = {}
    for unclear in replay.unclear:
        images.setdefault(unclear.why, []).append(Path(unclear.image).name)
    return images


def _listed(images: list[str]) -> str:
    if len(images) <= MAX_NAMED:
        return ", ".join(images)
    return f"{', '.join(images[:MAX_NAMED])} and {len(images) - MAX_NAMED} more"
