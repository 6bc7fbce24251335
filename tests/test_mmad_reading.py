"""The benchmark with a model that has no eyes: it reads a page, where code reads no question."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.mmad import bench
from benchmarks.mmad.bench import Settings
from benchmarks.mmad.data import QUESTIONS, read_benchmark
from benchmarks.mmad.journal import read_answers
from experts.decoder import efficientnet
from experts.mllm import Message, ScriptedMLLM
from tests.mmad_run import INPUT_AREA_PX, make_benchmark

HARDNESS = "Which number is painted on the crate behind the object?"
OPTIONS = {"A": "Nine.", "B": "Four.", "C": "Four.", "D": ""}


class Reader(ScriptedMLLM):
    """Notes what it is asked, and takes the first option."""

    sees = False

    def __init__(self) -> None:
        super().__init__(self._first, name="reader")

    def _first(self, _messages: Sequence[Message], options: tuple[str, ...]) -> str:
        return options[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "INPUT_AREA_PX", INPUT_AREA_PX)
        root = make_benchmark(tmp_path_factory.mktemp("mmad"))
    raw = json.loads((root / QUESTIONS).read_text("utf-8"))
    first = next(iter(raw))
    asked = {"Question": HARDNESS, "Options": OPTIONS, "Answer": "A", "type": "Object Details"}
    raw[first]["conversation"].append({**raw[first]["conversation"][0], **asked})
    (root / QUESTIONS).write_text(json.dumps({first: raw[first]}), "utf-8")
    return root


def test_only_what_code_cannot_read_is_asked(root: Path, tmp_path: Path) -> None:
    model = Reader()
    settings = Settings(lines=root / "lines", knowledge=root / "washer.yaml")
    bench.run(root, tmp_path, settings, model, Console(quiet=True))
    answers = read_answers(tmp_path / "echo")
    by = {a.by for a in answers.values()}
    assert "reader" in by
    assert by <= {"reader", "evidence", "knowledge"}
    # Where the file says nothing on the kind of defect, nothing but reading is left, too.
    assert 0 < len(model.asked) < len(answers)
    told = {
        "\n".join(str(part) for message in messages for part in message.content): options
        for messages, options in model.asked
    }
    assert all("The verdict on this" in page for page in told)
    ((_, options),) = ((page, options) for page, options in told.items() if HARDNESS in page)
    # Options that read alike are one to it, and an empty one is none.
    assert options == ("Nine.", "Four.")
    benchmark = read_benchmark(root)
    (number,) = (q.id for _, q in benchmark.questions if q.text == HARDNESS)
    answer = answers[number]
    assert answer.answer == "A"
    assert answer.probabilities == {"A": 1.0, "B": 0.0, "C": 0.0, "D": 0.0}


def test_without_an_expert_it_is_not_asked(root: Path, tmp_path: Path) -> None:
    model = Reader()
    lines = tmp_path / "lines"
    shutil.copytree(root / "lines", lines, dirs_exist_ok=True)
    settings = Settings(lines=lines, knowledge=root / "washer.yaml", ablations=True)
    bench.run(root, tmp_path / "out", settings, model, Console(quiet=True))
    ways = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert {"echo", "no-decoder"} <= ways
    alone = Reader()
    bench.run(
        root, tmp_path / "alone", replace(settings, ablations=False), alone, Console(quiet=True)
    )
    assert len(model.asked) == len(alone.asked)
