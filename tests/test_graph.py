from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from echo.graph_picture import NAMES, Name, draw, graph_of
from tests.conftest import Command

ALWAYS: dict[Name, set[tuple[str, str]]] = {
    "inspection": {
        ("__start__", "reference"),
        ("reference", "decode"),
        ("knowledge", "reason"),
        ("look", "think"),
        ("explain", "__end__"),
    },
    "review": {("__start__", "ask"), ("ask", "write"), ("write", "__end__")},
    "dialogue": {
        ("__start__", "recall"),
        ("look", "answer"),
        ("check", "translate"),
        ("translate", "__end__"),
    },
}
CHOSEN: dict[Name, set[tuple[str, str]]] = {
    "inspection": {
        ("decode", "knowledge"),
        ("decode", "decide"),
        ("reason", "cause"),
        ("reason", "decide"),
        ("cause", "think"),
        ("cause", "decide"),
        ("think", "think"),
        ("think", "look"),
        ("think", "decide"),
        ("decide", "explain"),
        ("decide", "__end__"),
    },
    "review": set(),
    "dialogue": {("recall", "look"), ("recall", "answer"), ("answer", "look"), ("answer", "check")},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_is_the_one_of_the_design(name: Name) -> None:
    edges = graph_of(name).edges
    assert {(e.source, e.target) for e in edges if not e.conditional} == ALWAYS[name]
    assert {(e.source, e.target) for e in edges if e.conditional} == CHOSEN[name]


def test_the_design_at_the_top_of_its_file_names_every_node() -> None:
    import echo.graph

    _, drawing, _ = (echo.graph.__doc__ or "").split("\n\n", 2)
    nodes = set(graph_of("inspection").nodes) - {"__start__", "__end__"}
    assert nodes <= set(re.findall(r"\w+", drawing))


def test_a_graph_can_be_read_and_looked_at(run: Command, tmp_path: Path) -> None:
    shown = run("graph")
    assert shown.code == 0
    assert "decode -.-> knowledge;" in shown.out
    assert "knowledge --> reason;" in shown.out
    path = tmp_path / "graph.png"
    assert run("graph", "dialogue", "--out", path).out == f"Drawn: {path}\n"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 100
    assert draw("dialogue") == path.read_bytes()
    assert run("graph", "wiring").code == 2
    unwritable = run("graph", "--out", tmp_path / "no" / "graph.png")
    assert unwritable.code == 2
    assert unwritable.err.startswith(f"echo-iad: {tmp_path / 'no'}")
