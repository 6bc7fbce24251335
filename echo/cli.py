"""The command ``echo-iad``: thin; every command calls the API and prints.

Exit codes: 0 all is well (all accepted), 1 something is rejected or to review, 2 the command
itself failed.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from echo import (
    cli_ask,
    cli_graph,
    cli_inspect,
    cli_lines,
    cli_replay,
    cli_teach,
    cli_which,
)
from echo.cli_bench import bench
from echo.cli_common import Home, Json, cell, complain, say
from echo.cli_knowledge import knowledge as knowledge_commands
from echo.cli_models import models
from echo.cli_review import review
from echo.cli_train import train
from experts.errors import EchoError, LineError

if TYPE_CHECKING:
    from echo.line import BrokenLine, ProductLine

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Inspect industrial products from images, on your own machine.",
)
app.add_typer(bench, name="bench")
app.add_typer(knowledge_commands, name="knowledge")
app.add_typer(models, name="models")
app.add_typer(review, name="review")
app.add_typer(train, name="train")
app.command(epilog=cli_inspect.EPILOG)(cli_inspect.inspect)
app.command(epilog=cli_teach.EPILOG)(cli_teach.teach)
app.command(epilog="Example: echo-iad add washer photos/more")(cli_lines.add)
app.command(epilog="Example: echo-iad remove washer 0017.png")(cli_lines.remove)
app.command(epilog="Example: echo-iad audit washer --out audit")(cli_lines.audit)
app.command(epilog=cli_which.EPILOG)(cli_which.which)
app.command(epilog=cli_ask.EPILOG)(cli_ask.ask)
app.command(epilog=cli_graph.EPILOG)(cli_graph.graph)
app.command(epilog=cli_replay.HISTORY_EPILOG)(cli_replay.history)
app.command(epilog=cli_replay.REPLAY_EPILOG)(cli_replay.replay)


def main() -> int:
    """Run the command line; every error ends with exit code 2, known ones become one line."""
    import warnings

    from PIL import Image

    # Pillow's size limit is an error here, never a warning on the user's screen.
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        app()
    except EchoError as error:
        complain(error)
        return 2
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except Exception:
        traceback.print_exc()
        typer.echo(
            "echo-iad: this is a fault of echo-iad; please report it with the lines above, "
            "the command and what `echo-iad doctor` prints",
            err=True,
        )
        return 2
    return 0


@app.command(epilog="Example: echo-iad enroll washer photos/good --knowledge knowledge/washer.yaml")
def enroll(
    name: Annotated[str, typer.Argument(help="Name of the line.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Images of good parts: a folder, a pattern, or files. Without any, an open_clip "
            "model goes by words alone and sends every part to review."
        ),
    ] = None,
    knowledge: Annotated[Path | None, typer.Option(help="The line's knowledge file.")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="Highest false-reject rate allowed; else the knowledge file's, or 0.05."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="timm:MODEL[@FOLDER], open_clip:ARCH/TAG or open_clip:FOLDER; by default the "
            "embedded."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of seed images.", min=0)] = 0,
    audit: Annotated[
        bool, typer.Option("--audit", help="Say which images are suspicious or nearly the same.")
    ] = False,
    out: cli_lines.AuditOut = None,
    home: Home = None,
) -> None:
    """Learn a product line from images of good parts."""
    from echo.line import ProductLine
    from experts.decoder.encoder import DEFAULT_ENCODER
    from experts.images import find_images

    if out is not None and not audit:
        raise typer.BadParameter("Give --out with --audit only.")
    if audit and not images:
        raise typer.BadParameter("Give --audit with images only.")
    sources = [source for given in images or [] for source in find_images(given)]
    old = _line_of(name, home)
    line = ProductLine.enroll(
        name,
        sources if images else None,
        knowledge,
        alpha=alpha,
        encoder=encoder or DEFAULT_ENCODER,
        seed=seed,
        home=home,
    )
    _tell_of(line)
    if old and old.kinds:
        say(f"Of the old line these kinds are lost, teach them again: {', '.join(old.kinds)}.")
    if old and old.language_revision:
        cli_lines.tell_lost_adapters(name)
    if audit:
        cli_lines.show_audit(line, out)
    say(f"Next: echo-iad inspect {name} IMAGE...")


def _tell_of(line: ProductLine) -> None:
    """Say what a line was learned from, what it promises, and what of its images did not serve."""
    manifest = line.manifest
    from_ = f"from {len(manifest.images)} images" if manifest.images else "without images"
    say(f"Enrolled {line.name} {from_}: {line.promise}.")
    if copies := manifest.copies:
        what = "1 copy of another image was" if copies == 1 else f"{copies} copies of others were"
        say(f"{what} left out.")
    if without := [Path(i.path).name for i in manifest.images if not i.part_found]:
        say(
            f"No part stands out from the background of {', '.join(without)}; nothing was learned "
            "from it, but a missing part counts as less unusual: leave it out."
        )


def _line_of(name: str, home: Path | None) -> ProductLine | None:
    """The line of that name, if there is one that opens."""
    from echo.line import ProductLine

    try:
        return ProductLine.load(name, home=home)
    except LineError:
        return None


@app.command(epilog="Example: echo-iad lines --json")
def lines(home: Home = None, as_json: Json = False) -> None:
    """List the enrolled lines, and what is wrong with those that cannot be opened."""
    from echo.line import ProductLine

    rows = [_line_row(line) for line in ProductLine.survey(home=home)]
    if as_json:
        _print_json(rows)
        return
    if not rows:
        say("No line is enrolled. Begin with: echo-iad enroll NAME FOLDER")
        return
    has_own = any(row.get("nano") for row in rows)
    table = Table("line", "images", "knowledge", "promise", "kinds", *["own nano"] * has_own)
    for row in rows:
        if "error" in row:
            table.add_row(cell(row["name"]), "–", "–", f"[red]{cell(row['error'])}[/]", "–")
        else:
            known = "yes" if row["knowledge"] else "no"
            kinds = ", ".join(f"{kind} {count}" for kind, count in row["kinds"].items())
            cells = (row["name"], str(row["images"]), known, row["promise"], cell(kinds) or "–")
            table.add_row(*cells, *[row["nano"] or "–"] * has_own)
    _out().print(table)


def _line_row(line: ProductLine | BrokenLine) -> dict[str, Any]:
    from echo.line import BrokenLine

    if isinstance(line, BrokenLine):
        return {"name": line.name, "folder": str(line.folder), "error": line.error}
    return {
        "name": line.name,
        "images": len(line.manifest.images),
        "alpha": line.alpha,
        "encoder": line.manifest.encoder,
        "knowledge": line.knowledge_sha256 is not None,
        "promise": line.promise,
        "kinds": line.kinds,
        "nano": line.language_revision,
        "folder": str(line.folder),
    }


@app.command(epilog="Example: echo-iad doctor")
def doctor(home: Home = None, as_json: Json = False) -> None:
    """Say what is installed, what would be used, and what to do about each gap."""
    from echo.doctor import examine

    findings = examine(home)
    if as_json:
        _print_json([f.model_dump() for f in findings])
    else:
        table = Table("", "what", "found", "what to do")
        for f in findings:
            mark = "[green]ok[/]" if f.ok else "[red]gap[/]"
            table.add_row(mark, cell(f.subject), cell(f.found), cell(f.remedy))
        _out().print(table)
    if not all(f.ok for f in findings):
        raise typer.Exit(1)


@app.command(epilog="Example: echo-iad demo --out demo-report")
def demo(
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("demo-report"),
    home: Home = None,
) -> None:
    """Enrol solar cells, inspect cells never seen before, and write a report."""
    from benchmarks.demo import run_demo

    run_demo(out, home=home, console=_out(), table=cli_inspect.results_table)


def _out() -> Console:
    return Console()


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))


if __name__ == "__main__":
    sys.exit(main())
