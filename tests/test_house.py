"""The rules of the house that a program can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import echo

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "knowledge": {"knowledge"},
    "experts": {"experts", "knowledge"},
    "echo": {"echo", "experts", "knowledge"},
    "benchmarks": {"benchmarks", "echo", "experts", "knowledge"},
}
_COMMANDS_OF_BENCHMARKS = frozenset({"cli", "cli_bench", "cli_mmad", "cli_questions"})


def imports_of(path: Path, *, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_go_one_way(room: str) -> None:
    for path in sorted((ROOT / room).rglob("*.py")):
        # Commands of the command line may reach the benchmarks when they run.
        found = imports_of(
            path, top_level_only=path.parent.name == "echo" and path.stem in _COMMANDS_OF_BENCHMARKS
        )
        assert found <= ALLOWED[room], path


def test_exported_members() -> None:
    assert dir(echo) == sorted(echo.__all__)
    assert set(echo.__all__) - {"__version__"} == set(echo._HOME_OF)
    for name in echo.__all__:
        assert getattr(echo, name) is not None
    missing = "nothing"
    with pytest.raises(AttributeError, match="module 'echo' has no attribute 'nothing'"):
        getattr(echo, missing)


def test_importing_echo_loads_nothing_heavy() -> None:
    heavy = {"torch", "faiss", "langgraph", "numpy", "PIL", "pydantic"}
    code = f"import sys, echo; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
