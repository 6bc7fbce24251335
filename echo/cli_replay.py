"""The commands on stored inspections, and what ``echo-iad knowledge diff`` says of them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from echo.cli_common import STYLES, Home, Json, Mllm, cell, listed, say
from echo.cli_tables import REASON, Listing
from experts.clock import local_time

if TYPE_CHECKING:
    from echo.again import Replayed
    from echo.record import Record
    from echo.replay import Replay
    from experts.evidence import Verdict

HISTORY_EPILOG = "Example: echo-iad history washer --verdict reject"
REPLAY_EPILOG = "Example: echo-iad replay washer:17"


def history(
    line: Annotated[str, typer.Argument(help="Name of the line.")],
    limit: Annotated[int, typer.Option(help="List so many at most.", min=1)] = 20,
    verdict: Annotated[
        str | None, typer.Option(help="List only accept, reject or review.", metavar="VERDICT")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="List only an image of this name.", metavar="NAME")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List the stored inspections of a line, newest first."""
    from echo.history import archive_of

    if verdict is not None and verdict not in STYLES:
        raise typer.BadParameter(f"{verdict!r}: expected {', '.join(STYLES)}")
    found = archive_of(line, home).listed(verdict, image)
    records = list(islice(found, limit))
    if as_json:
        typer.echo(json.dumps([_record_row(record) for record in records], indent=1))
        return
    if not records:
        only = " of this kind" if verdict or image else ""
        say(f"No inspection{only} of line {line} is stored.")
        return
    listing = Listing("id", "time", "image", "verdict", REASON)
    for record in records:
        name, reason = cell(Path(record.image).name), cell(record.reason)
        listing.add(record.id, local_time(record.time), name, _styled(record.verdict), reason)
    listing.show()
    if next(found, None):
        say(f"There are more; list them: --limit {10 * limit}")
    say(f"Next: echo-iad replay {records[0].id}")


def _record_row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "time": record.time.isoformat(),
        "image": record.image,
        "verdict": record.verdict,
        "reason": record.reason,
        "image_sha256": record.image_sha256,
        "view": record.asked,
        "alpha": record.alpha,
        "learned_sha256": record.learned_sha256,
        "knowledge_sha256": record.knowledge_sha256,
    }


def replay(
    id: Annotated[
        str, typer.Argument(help="The inspection, LINE:NUMBER, as history and inspect show it.")
    ],
    image: Annotated[
        Path | None, typer.Option(help="Where the image is, if not where it was.")
    ] = None,
    mllm: Mllm = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Inspect an image again: exit code 0: the same, bit by bit, 1: not, or inputs have changed."""
    from echo.again import replay_inspection

    replayed = replay_inspection(id, image, home, mllm=mllm)
    if as_json:
        typer.echo(replayed.model_dump_json(indent=1))
    else:
        for sentence in replayed_sentences(replayed):
            say(sentence)
    if not replayed.reproduced:
        raise typer.Exit(1)


def replayed_sentences(replayed: Replayed) -> list[str]:
    """What came of replaying an inspection: what changed first, then the verdict, then notes."""
    head = f"{replayed.id} ({Path(replayed.image).name}, {local_time(replayed.time)})"
    inputs = [_sentence(changed.sentence) for changed in replayed.changed]
    notes = [_sentence(note) for note in replayed.notes]
    if replayed.reproduced:
        return [f"{head}: reproduced: the same verdict, {replayed.before}, bit by bit.", *notes]
    count = "an input has" if len(inputs) == 1 else f"{len(inputs) or 'no'} inputs have"
    return [f"{head}: {count} changed since.", *inputs, _outcome(replayed), *notes]


def _outcome(replayed: Replayed) -> str:
    before, after = replayed.before, replayed.after
    if after is None:
        return f"The verdict was {before}; the image {replayed.reason}."
    if not replayed.differences:
        return f"The result is the same nevertheless: {before}, bit by bit."
    if before != after:
        return f"The verdict was {before} then and is {after} now: {replayed.reason}"
    count = len(replayed.differences)
    values = "1 value differs" if count == 1 else f"{count} values differ"
    # A hash of an array tells people nothing.
    told = [d for d in replayed.differences if not d.field.endswith("sha256")]
    first = (told or replayed.differences)[0]
    such = f"{values}, such as {first.field}: {first.before} then, {first.after} now"
    return f"The verdict is the same, {before}, but {such}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


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
    how = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    told = f"{len(replay.changes)} of {_stored(replay.total)} would change"
    said = [f"{told}: {how}." if how else f"{told}."]
    for why, images in _by_reason(replay).items():
        said.append(f"Of {listed(images)} it cannot be told: {why}.")
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
        name, reason = cell(Path(change.image).name), cell(change.reason)
        verdicts = _styled(change.before), _styled(change.after)
        table.add_row(name, local_time(change.time), *verdicts, reason)
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
