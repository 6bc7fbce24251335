"""The command ``echo-iad teach``: thin, like those of ``echo.cli``."""

from __future__ import annotations

from typing import Annotated

import typer

from echo.cli_common import Home, say

EPILOG = "Example: echo-iad teach washer --kind crack photos/crack/*.png --masks masks/crack"


def teach(
    line: Annotated[str, typer.Argument(help="Name of the line.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Images of one kind of defect, 3 to 5 or more: files, a folder, ..."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="What this kind is called.")] = None,
    masks: Annotated[
        str | None,
        typer.Option(help="Folder of masks, IMAGE_mask.png or IMAGE.png; all but 0 is defective."),
    ] = None,
    forget: Annotated[
        str | None, typer.Option(help="Drop all examples of this kind instead.")
    ] = None,
    home: Home = None,
) -> None:
    """Show a line examples of a kind of defect, so that it can name what it finds."""
    from echo.line import ProductLine
    from echo.teaching import lesson_in_words
    from experts.images import find_images

    if (kind is None) == (forget is None) or bool(images or masks) != (kind is not None):
        raise typer.BadParameter("Give --kind and images, or --forget alone.")
    taught = ProductLine.load(line, home=home)
    if forget is not None:
        taught = taught.forget(forget)
    elif kind is not None:
        sources = [source for given in images or [] for source in find_images(given)]
        taught = taught.teach(kind, sources, masks)
    for sentence in lesson_in_words(taught):
        say(sentence)
