"""The graphs of Echo as LangGraph sees them: as Mermaid text, or drawn."""

from __future__ import annotations

import io
from typing import Any, Literal, cast, get_args

from langchain_core.runnables.graph import Graph
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experts.errors import OutputError

Name = Literal["inspection", "review", "dialogue"]
NAMES: tuple[Name, ...] = get_args(Name)

# Drawn below the node that it leads back to; all others follow each other.
_ASIDE = "look"
_NODE, _EDGE, _CHOICE = "#1b4965", "#555555", "#c8553d"


def known(name: str) -> Name:
    """The graph of that name.

    Raises:
        OutputError: If there is none.
    """
    for one in NAMES:
        if one == name:
            return one
    raise OutputError(f"{name!r} is no graph; expected {', '.join(NAMES)}")


def graph_of(name: Name) -> Graph:
    """A graph with its nodes and edges; no line is needed, as nothing runs."""
    nobody: Any = None
    if name == "inspection":
        from echo.graph import build_graph

        return build_graph(cast(Any, nobody)).get_graph()
    if name == "review":
        from echo.review import build_review

        return build_review(nobody).compile().get_graph()
    from echo.dialogue import build_dialogue

    return build_dialogue(nobody, None).get_graph()


def draw(name: Name) -> bytes:
    """A graph as a PNG file: what always follows in grey, what is chosen in red."""
    graph = graph_of(name)
    places = _places(graph)
    width = max(x for x, _ in places.values())
    figure = Figure(figsize=(1.5 * width + 2, 3), layout="constrained")
    axes = figure.subplots()
    for edge in graph.edges:
        _arrow(axes, places[edge.source], places[edge.target], chosen=edge.conditional)
    for node, (x, y) in places.items():
        ends = node.startswith("__")
        box = {
            "boxstyle": "round,pad=0.5",
            "facecolor": "white" if ends else _NODE,
            "edgecolor": _NODE,
        }
        colour = _NODE if ends else "white"
        axes.text(x, y, node.strip("_"), color=colour, ha="center", va="center", bbox=box, size=10)
    axes.set_xlim(-0.6, width + 0.6)
    axes.set_ylim(-1.3, 1.0)
    axes.set_axis_off()
    axes.set_title(f"{name}: grey always follows, red is chosen", fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _places(graph: Graph) -> dict[str, tuple[float, float]]:
    """Nodes in the order in which they are added, from left to right; those aside below."""
    order = [node for node in graph.nodes if node not in (_ASIDE, "__end__")]
    places = {node: (float(x), 0.0) for x, node in enumerate([*order, "__end__"])}
    for edge in graph.edges:
        if edge.source == _ASIDE:
            places[_ASIDE] = (places[edge.target][0], -1.0)
    return places


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, chosen: bool
) -> None:
    """Straight to the neighbour, in an arc over whatever lies between."""
    colour = _CHOICE if chosen else _EDGE
    if start == end:
        x, y = start
        loop = {"arrowstyle": "-|>", "color": colour, "connectionstyle": "arc3,rad=-1.2"}
        axes.annotate("", (x + 0.16, y + 0.16), (x - 0.16, y + 0.16), arrowprops=loop)
        return
    steps = end[0] - start[0]
    bend = 0.0 if abs(steps) <= 1 and start[1] == end[1] else 0.25 if start[1] == end[1] else 0.15
    style = {
        "arrowstyle": "-|>",
        "color": colour,
        "connectionstyle": f"arc3,rad={-bend if steps > 0 else bend}",
        "shrinkA": 34 if start[1] == end[1] else 18,
        "shrinkB": 34 if start[1] == end[1] else 18,
    }
    axes.annotate("", end, start, arrowprops=style)
