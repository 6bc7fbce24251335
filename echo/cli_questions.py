"""The command ``echo-iad bench make-questions``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from echo.cli_common import Json, cell, listed, say, say_aside

if TYPE_CHECKING:
    from benchmarks.mmad.making import Made, MadeObject

EPILOG = "Example: echo-iad bench make-questions DATA --object bottle --knowledge rules/bottle.yaml"


def make_questions(
    root: Annotated[
        Path,
        typer.Argument(help="An object in the layout of MVTec AD with masks, or a tree of such."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file; by default mmad.json two folders above the objects' own, where "
            "`echo-iad bench mmad` looks for it."
        ),
    ] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option(help="Your knowledge file, or a folder of them; they go before Echo's own."),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option("--object", help="Only this object or data set; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a file that this command did not write.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make questions in MMAD's format from your own labelled images."""
    from benchmarks.mmad import making
    from benchmarks.mmad.data import QUESTIONS
    from benchmarks.mmad.making_knowledge import Library
    from benchmarks.mmad.making_tree import read_tree

    tree = read_tree(root, objects or [])
    path = out or tree.base / QUESTIONS
    making.check_overwrites_own(path, force=force)
    made = making.make_questions(tree, Library(knowledge), seed)
    making.write_questions(made, path)
    if as_json:
        result = {"file": str(path), "root": str(tree.base), "objects": _rows(made)}
        typer.echo(json.dumps(result, indent=1))
    else:
        _print(made, path)
    for part in made.objects:
        _warn(part)
    if path.resolve() != (tree.base / QUESTIONS).resolve():
        say_aside(
            f"Paths of images in it are below {tree.base}: to ask the questions, put it there as "
            f"{QUESTIONS}."
        )


def _rows(made: Made) -> dict[str, Any]:
    return {
        part.name: {
            "images": part.images,
            "defective": part.defective,
            "questions": dict(part.questions),
            "knowledge": None if part.knowledge is None else str(part.knowledge),
            "masks_that_mark_nothing": part.no_mark,
        }
        for part in made.objects
    }


def _print(made: Made, path: Path) -> None:
    from benchmarks.mmad.data import SUBTASKS

    table = Table("object", "images", "defective", "questions", "knowledge file")
    for part in made.objects:
        counts = (part.images, part.defective, part.questions.total())
        known = part.knowledge.name if part.knowledge else "none"
        table.add_row(cell(part.name), *map(str, counts), cell(known))
    Console().print(table)
    asked = sum((part.questions for part in made.objects), Counter[str]())
    by_subtask = ", ".join(f"{subtask} {asked[subtask]:,}" for subtask in SUBTASKS)
    say(f"Wrote {path}: {asked.total():,} questions. {by_subtask}.")


def _warn(part: MadeObject) -> None:
    if part.no_mark:
        say_aside(
            f"{part.name}: no place is asked of {listed(part.no_mark)}, whose masks mark nothing."
        )
    if part.knowledge is None:
        say_aside(
            f"{part.name}: no knowledge file fits, so effects and the normal appearance are not "
            "asked. Name yours by --knowledge; begin one with: echo-iad knowledge new NAME"
        )
