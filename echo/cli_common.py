"""What the files of commands share: options that several have, and how they speak."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from experts.plain_text import plain

Home = Annotated[
    Path | None,
    typer.Option(help="Where lines are kept; by default $ECHO_IAD_HOME or ~/.echo-iad."),
]
Mllm = Annotated[
    str | None,
    typer.Option(
        help="Language model: none, nano, auto, a name that `echo-iad models` lists, a folder, or "
        "http://HOST:PORT/v1#MODEL; by default what is set.",
        metavar="SETTING",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

# Of images that something is said of at once, so many are named.
MAX_NAMED = 3
STYLES = {"accept": "green", "review": "yellow", "reject": "red"}


def cell(text: str) -> str:
    """Text of others in a table: plain, and no markup."""
    return escape(plain(text))


def say(sentence: str) -> None:
    """Print a sentence of the command's result."""
    Console().print(plain(sentence), highlight=False, markup=False)


def say_aside(text: str) -> None:
    """Print on the error stream what is not the command's result."""
    Console(stderr=True).print(plain(text), highlight=False, markup=False, soft_wrap=True)


def listed(names: Sequence[str]) -> str:
    """The first names of several that something is said of, and how many more there are."""
    if len(names) <= MAX_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} more"


def complain(error: str | Exception) -> None:
    """Say on the error stream what went wrong, in one line."""
    typer.echo(f"echo-iad: {plain(str(error))}", err=True)


def image_sources(images: list[str]) -> list[Any]:
    """What the images named on a command line are: each file, and those of folders and patterns.

    Raises:
        ImageError: If a folder or a pattern holds none.
    """
    from experts.images import find_images

    found: list[Any] = []
    for image in images:
        # A single file is left to the command, which names it if it is missing or bad.
        is_many = Path(image).is_dir() or any(c in image for c in "*?[")
        found += find_images(image) if is_many and not Path(image).is_file() else [image]
    return found
