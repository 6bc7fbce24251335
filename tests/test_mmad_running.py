"""Runs of the MMAD benchmark: what answers, what is seen of a question, and how a run goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from benchmarks.mmad import bench
from benchmarks.mmad.asking import prompts
from benchmarks.mmad.bench import Settings
from benchmarks.mmad.data import QUESTIONS, read_benchmark
from benchmarks.mmad.journal import ANSWERS, Journal, read_answers
from benchmarks.mmad.running import SETTINGS
from benchmarks.mmad.seeing import EXPERTS
from experts.decoder import efficientnet
from experts.errors import BenchmarkError, EchoError, MLLMAnswerError, MLLMError
from experts.mllm import Message, ScriptedMLLM
from experts.mllm.local import load
from tests.conftest import Command
from tests.mmad_run import CANARY, INPUT_AREA_PX, make_benchmark
from tests.tiny_models import build

QUIET = Console(quiet=True)
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "INPUT_AREA_PX", INPUT_AREA_PX)
        yield make_benchmark(tmp_path_factory.mktemp("mmad"))


@pytest.fixture(scope="module")
def settings(root: Path) -> Settings:
    return Settings(lines=root / "lines", knowledge=root / "washer.yaml")


@pytest.fixture(scope="module")
def whole(root: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by evidence alone that nothing broke off."""
    out = tmp_path_factory.mktemp("whole")
    bench.run(root, out, settings, None, QUIET)
    return out


def told(out: Path, way: str = "echo") -> Told:
    """The answers without their seconds, which differ from run to run."""
    answers = read_answers(out / way).values()
    return {a.id: {**a.model_dump(mode="json"), "seconds": 0} for a in answers}


def texts_of(model: ScriptedMLLM) -> list[str]:
    return [
        part
        for messages, options in model.asked
        for part in (*options, *(p for m in messages for p in m.content if isinstance(p, str)))
    ]


def says_a(_messages: Sequence[Message], options: tuple[str, ...]) -> str:
    return options[0] if options else "A"


def test_each_question_is_answered_by_evidence(root: Path, whole: Path) -> None:
    benchmark = read_benchmark(root)
    answers = read_answers(whole / "echo")
    assert answers.keys() == {question.id for _, question in benchmark.questions}
    for _, question in benchmark.questions:
        found = answers[question.id]
        assert found.answer in question.options
        assert found.probabilities is not None
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert found.by in ("evidence", "knowledge")
    summary = json.loads((whole / "summary.json").read_text("utf-8"))
    average = summary["average"]
    # Parts that differ as much as these are told apart, and so are their defects from good ones.
    assert average["Object Classification"] == 100
    assert average["Anomaly Detection"] > 80
    assert average["Defect Localization"] > 80
    written = {path.name for path in whole.iterdir() if path.is_file()}
    assert written >= {"summary.csv", "summary.md", "radar.png", "bars.png"}


def test_a_run_goes_on_after_a_torn_line(
    root: Path, settings: Settings, whole: Path, tmp_path: Path
) -> None:
    (tmp_path / "echo").mkdir()
    lines = (whole / "echo" / ANSWERS).read_bytes().splitlines(keepends=True)
    (tmp_path / "echo" / ANSWERS).write_bytes(b"".join(lines[:7]) + lines[7][:20])
    (tmp_path / "echo" / SETTINGS).write_bytes((whole / "echo" / SETTINGS).read_bytes())
    bench.run(root, tmp_path, settings, None, QUIET)
    assert told(tmp_path) == told(whole)
    after = (tmp_path / "echo" / ANSWERS).read_bytes().splitlines(keepends=True)
    assert after[:7] == lines[:7]
    assert len(after) == len(lines)


def test_several_workers_answer_the_same_and_nothing_twice(
    root: Path, settings: Settings, whole: Path, tmp_path: Path
) -> None:
    bench.run(root, tmp_path, replace(settings, workers=4), None, QUIET)
    assert told(tmp_path) == told(whole)
    assert len((tmp_path / "echo" / ANSWERS).read_bytes().splitlines()) == len(told(whole))


def test_killed_ten_times(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.mmad_run", str(root), str(out), "10", "3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment, timeout=300
    )
    kept = json.loads(done.stdout)["lines"]
    assert len(kept) == 10
    assert kept == sorted(kept)
    # Most were killed while they answered.
    assert len(set(kept)) > 4
    assert kept[-1] < len(told(out))
    assert told(out) == told(tmp_path / "whole")
    lines = (out / "echo" / ANSWERS).read_bytes().splitlines()
    assert len(lines) == len(told(out))


def test_no_answer_reaches_who_answers(root: Path, settings: Settings, tmp_path: Path) -> None:
    model = ScriptedMLLM(says_a)
    bench.run(root, tmp_path, replace(settings, ablations=True, shots=2), model, QUIET)
    texts = texts_of(model)
    assert len(texts) > 100
    assert not [text for text in texts if CANARY in text.casefold() or str(root) in text]
    assert not [text for text in texts if "mask" in text.casefold()]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "echo", "plain", "no-reference", "no-decoder", "no-knowledge", "no-reasoning", "no-decision"
    }  # fmt: skip
    assert "no-decoder" in (tmp_path / "comparison.md").read_text("utf-8")


def test_a_model_alone_is_asked_as_the_benchmark_asks(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    model = ScriptedMLLM(lambda _, options: options[0] if options else "(B) because it is")
    bench.run(root, tmp_path, replace(settings, limit=1), model, QUIET)
    plain = read_answers(tmp_path / "plain").values()
    assert {answer.answer for answer in plain} == {"B"}
    assert {answer.raw for answer in plain} == {"(B) because it is"}
    (asked,) = next(m for m, options in model.asked if not options and "question list" in str(m))
    texts = [part for part in asked.content if isinstance(part, str)]
    words = prompts().plain
    assert texts[:4] == [
        words.instruction,
        words.directly,
        words.templates.format(count=1),
        words.query,
    ]
    question = next(q for _, q in read_benchmark(root).questions)
    first = f"A. {question.options['A']}\nB. "
    assert texts[5].startswith(f"Question: {question.text} \n{first}")
    kinds = [type(part).__name__ for part in asked.content]
    assert [kind != "str" for kind in kinds] == [False, False, False, True, False, True] + [
        False
    ] * 2
    assert isinstance(asked.content[3], Image.Image)


def test_a_model_that_says_nothing_is_wrong_and_told(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    def fails(_messages: Sequence[Message], options: tuple[str, ...]) -> str | MLLMError:
        return options[0] if options else MLLMAnswerError("it said nothing")

    scores = bench.run(root, tmp_path, replace(settings, limit=2), ScriptedMLLM(fails), QUIET)
    assert {answer.answer for answer in read_answers(tmp_path / "plain").values()} == {None}
    assert scores["plain"].average.figures["Average"] == 0
    assert (scores["echo"].average.figures["Object Classification"] or 0) >= 0


def told_by(model: ScriptedMLLM) -> list[str]:
    """All that Echo told a model beside the question itself, a text for each time it was asked."""
    return [
        "\n".join(p for m in messages for p in m.content[:-1] if isinstance(p, str))
        for messages, options in model.asked
        if options and messages[0].role == "system"
    ]


@pytest.mark.parametrize(
    ("left_out", "unsaid"),
    [
        ("reference", ["ring washer", "similar", "normal image", "Decision"]),
        ("decoder", ["p = ", "region-", "probability", "stands out", "score", "Decision"]),
        ("knowledge", ["clause", "ring washer", "flat ring", "Rust", "Decision"]),
        ("reasoning", ["the surroundings", "what is normal:"]),
        ("decision", ["Decision", "Rejected", "verdict"]),
    ],
)
def test_nothing_of_an_expert_that_is_left_out_is_told(
    root: Path, settings: Settings, tmp_path: Path, left_out: str, unsaid: list[str]
) -> None:
    model, whole = ScriptedMLLM(says_a), ScriptedMLLM(says_a)
    few = replace(settings, limit=6, objects=("washer",))
    without = frozenset(expert for expert in EXPERTS if expert != left_out)
    bench.run(root, tmp_path / "a", replace(few, experts=without), model, QUIET)
    bench.run(root, tmp_path / "b", few, whole, QUIET)
    texts, all_texts = told_by(model), told_by(whole)
    assert texts
    assert not [word for word in unsaid for text in texts if word in text]
    # All of it is told where the expert is asked.
    assert any(word in text for word in unsaid for text in all_texts)


def test_a_question_without_an_answer_keeps_no_other_from_being_answered(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    def fails_at_kinds(
        messages: Sequence[Message], options: tuple[str, ...]
    ) -> str | MLLMAnswerError:
        if "Deep pit" in str(messages[-1].content[-1]):
            return MLLMAnswerError("it said maybe")
        return options[0] if options else "A"

    few = replace(settings, objects=("washer",))
    bench.run(root, tmp_path, few, ScriptedMLLM(fails_at_kinds), QUIET)
    answers = read_answers(tmp_path / "echo").values()
    failed = [answer for answer in answers if answer.answer is None]
    assert failed
    assert all(a.raw == "no answer: it said maybe" and a.probabilities is None for a in failed)
    assert len(answers) == sum(1 for _ in read_benchmark(root, ["washer"]).questions)


def test_a_small_model_of_the_real_architecture(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    model = load(build("smolvlm", tmp_path / "model"), name="tiny", revision="1", precision="bf16")
    out = tmp_path / "out"
    bench.run(root, out, replace(settings, limit=1, experts=frozenset({"decoder"})), model, QUIET)
    by_model = [a for a in read_answers(out / "echo").values() if a.by == model.name]
    assert by_model
    for answer in by_model:
        assert answer.probabilities is not None
        assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_run_with_other_settings_is_not_gone_on_with(
    root: Path, settings: Settings, whole: Path
) -> None:
    others = replace(settings, experts=frozenset({"decoder"}))
    with pytest.raises(BenchmarkError, match=r"other settings \(experts: .*give another --out"):
        bench.run(root, whole, others, None, QUIET)


def test_an_image_that_cannot_be_read_keeps_no_other_from_being_answered(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    copied = tmp_path / "root"
    shutil.copytree(root, copied, ignore=shutil.ignore_patterns("lines"))
    first = read_benchmark(copied).queries[0]
    first.path.write_bytes(b"no image")
    with pytest.raises(BenchmarkError, match="1 images could not be inspected"):
        bench.run(copied, tmp_path / "out", settings, None, QUIET)
    answered = read_answers(tmp_path / "out" / "echo")
    asked = {question.id for _, question in read_benchmark(copied).questions}
    assert asked - answered.keys() == {question.id for question in first.questions}
    assert json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["finished"] is False


def test_two_runs_do_not_write_to_one_file(root: Path, settings: Settings, whole: Path) -> None:
    with Journal(whole / "echo"), pytest.raises(BenchmarkError, match="another run writes to it"):
        bench.run(root, whole, settings, None, QUIET)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (QUESTIONS, "{", "is not JSON"),
        (QUESTIONS, "[]", "expected questions by the path"),
        ("other.json", "{}", "cannot be read"),
        (QUESTIONS, '{"VisA/candle/test/bad/0.JPG": {"conversation": []}}', "no question"),
    ],
)
def test_data_that_are_none(
    tmp_path: Path, run: Command, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    result = run("bench", "mmad", tmp_path, "--out", tmp_path / "out", "--lines", tmp_path / "l")
    assert result.code == 2
    assert said in result.err
    assert "jiang-cc/MMAD" in result.err or said == "no question"


def test_missing_images_are_named_with_where_to_get_them(root: Path, tmp_path: Path) -> None:
    entry = next(iter(json.loads((root / QUESTIONS).read_text("utf-8")).values()))
    path = tmp_path / QUESTIONS
    path.write_text(json.dumps({"VisA/candle/test/bad/0.JPG": entry}), "utf-8")
    with pytest.raises(BenchmarkError, match=r"VisA: 1 images .*amazon-science/spot-diff"):
        read_benchmark(tmp_path)


def test_the_command(root: Path, settings: Settings, run: Command, tmp_path: Path) -> None:
    common = ("--out", tmp_path, "--object", "grid", "--limit", "2")
    given = ("--lines", settings.lines, "--knowledge", root / "washer.yaml", "--line", "given")
    result = run("bench", "mmad", root, *common, *given, "--experts", "reference,decoder")
    assert result.code == 0, result.err
    assert "the runner" in result.out
    again = run("bench", "mmad-score", root, *common)
    assert again.code == 0
    assert "Object Classification" in again.out
    for wrong in (("--experts", "oracle"), ("--templates", "best"), ("--line", "seen")):
        refused = run("bench", "mmad", root, *common, *wrong)
        assert refused.code == 2


def test_score_without_a_run(root: Path, tmp_path: Path) -> None:
    with pytest.raises(EchoError, match="has no run of this benchmark"):
        bench.score_again(root, tmp_path, [], None, QUIET)
