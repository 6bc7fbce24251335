"""What the files of commands share: options that several have, and how they speak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Home = Annotated[
    Path | None,
    typer.Option(help="Where lines are kept; by default $ECHO_IAD_HOME or ~/.echo-iad."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

STYLES = {"accept": "green", "review": "yellow", "reject": "red"}


def say(sentence: str) -> None:
    """Print a sentence of the command's result."""
    Console().print(sentence, highlight=False, markup=False)


def say_aside(text: str) -> None:
    """Print on the error stream, as it is, what is not the command's result."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)
