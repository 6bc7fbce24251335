"""The command that shows the graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from echo.cli_common import say

EPILOG = "Example: echo-iad graph --out graph.png"


def graph(
    name: Annotated[
        str, typer.Argument(help="inspection, review or dialogue.", metavar="[NAME]")
    ] = "inspection",
    out: Annotated[
        Path | None, typer.Option(help="Draw it into this PNG file instead.", metavar="FILE.png")
    ] = None,
) -> None:
    """Show a graph as LangGraph runs it: as Mermaid text, which Markdown viewers draw, or drawn."""
    from echo.graph_picture import draw, graph_of, known
    from echo.storage import write_bytes

    chosen = known(name)
    if out is None:
        typer.echo(graph_of(chosen).draw_mermaid())
        return
    write_bytes(out, draw(chosen))
    say(f"Drawn: {out}")
