"""The command ``echo-iad which``: thin, like those of ``echo.cli``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from echo.cli_common import Home, Json, cell, complain, image_sources, say_aside

if TYPE_CHECKING:
    from experts.lines import LineGuess

EPILOG = "Example: echo-iad which belt/*.png"


def which(
    images: Annotated[
        list[str], typer.Argument(help="Images to ask about: files, folders or patterns.")
    ],
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Say which line each image is of; exit code 0: all fit one, 1: some do not, 2: failed."""
    from echo.inspector import Failure
    from echo.progress import Progress
    from echo.which import LineFinder

    sources = image_sources(images)
    finder = LineFinder.open(home)
    for sentence in finder.left_out:
        say_aside(f"Left out: {sentence}")
    table = Table("image", "line", "similarity", "p", "reason")
    failed = refused = False
    with Progress() as bars, bars.task("Comparing", len(sources)) as advance:
        for result in finder.which_many(sources):
            if as_json:
                typer.echo(result.model_dump_json())
            if isinstance(result, Failure):
                failed = True
                complain(result.error)
            else:
                refused |= result.best is None
                _add_row(table, result)
            advance(1)
    if table.row_count and not as_json:
        Console().print(table)
    if failed or refused:
        raise typer.Exit(2 if failed else 1)


def _add_row(table: Table, guess: LineGuess) -> None:
    nearest = guess.matches[0]
    line = f"[green]{guess.best}[/]" if guess.best else "[yellow]none[/]"
    name = cell(Path(guess.image).name)
    figures = f"{nearest.similarity:.3f}", f"{nearest.p_value:.2g}"
    table.add_row(name, line, *figures, guess.reason)
