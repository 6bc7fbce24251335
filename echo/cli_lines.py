"""The commands ``echo-iad add``, ``remove`` and ``audit``: thin, like those of ``echo.cli``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from echo.cli_common import Home, Json, say, say_aside

if TYPE_CHECKING:
    from echo.line import ProductLine

Name = Annotated[str, typer.Argument(help="Name of the line.")]
AuditOut = Annotated[Path | None, typer.Option(help="Draw the audit into this folder.")]


def add(
    line: Name,
    images: Annotated[
        list[str], typer.Argument(help="Images of good parts: a folder, a pattern, or files.")
    ],
    home: Home = None,
) -> None:
    """Extend a line by further images of good parts."""
    from echo.line import ProductLine
    from experts.images import find_images

    old = ProductLine.load(line, home=home)
    new = old.add([source for given in images for source in find_images(given)])
    count = len(new.manifest.images) - len(old.manifest.images)
    what = "1 image" if count == 1 else f"{count} images"
    say(f"Added {what}, so {line} has {len(new.manifest.images)}: {new.promise}.")
    if copies := new.manifest.copies - old.manifest.copies:
        verb = "1 copy was" if copies == 1 else f"{copies} copies were"
        say(f"{verb} left out.")


def remove(
    line: Name,
    images: Annotated[
        list[str],
        typer.Argument(help="Each as its path, its file name, or the number that audit gives."),
    ],
    home: Home = None,
) -> None:
    """Take images out of a line, with all that was learned from them."""
    from echo.line import ProductLine

    old = ProductLine.load(line, home=home)
    new = old.remove(images)
    count = len(old.manifest.images) - len(new.manifest.images)
    what = "1 image" if count == 1 else f"{count} images"
    say(f"Removed {what}, so {line} has {len(new.manifest.images)}: {new.promise}.")
    if old.kinds:
        say(f"These kinds are lost, teach them again: {', '.join(old.kinds)}.")
    if old.language_revision:
        tell_lost_adapters(line)


def tell_lost_adapters(line: str) -> None:
    """Say that the language model is no longer the one that was trained for a line."""
    say(f"Its own language model is lost, train it again: echo-iad train nano --line {line}")


def audit(
    line: Name,
    out: AuditOut = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Say which images of a line are suspicious or nearly the same, and what more would bring."""
    from echo.line import ProductLine

    show_audit(ProductLine.load(line, home=home), out, as_json=as_json)


def show_audit(line: ProductLine, out: Path | None, *, as_json: bool = False) -> None:
    """Print the audit of a line, and draw it if a folder is given."""
    from echo.audit_sheet import write_audit

    found = line.audit()
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        for sentence in found.sentences:
            say(sentence)
    if out is not None:
        path = write_audit(found, line, out)
        say_aside(f"Audit: {path}")
