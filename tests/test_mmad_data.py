"""MMAD's questions are read as they are, and which images are normal is told by what is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.mmad.data import QUESTIONS, Benchmark, read_benchmark
from experts.errors import BenchmarkError
from tests.conftest import Command

# Neither the folder nor the file tells what is normal.
IMAGE = "Alpha/nut/test/0.png"
WHETHER = "Is there any defect in the object?"


def asked_of(root: Path, images: Mapping[str, list[tuple[str, list[str], int]]]) -> Benchmark:
    """The benchmark of these images, each with questions, their options and which is right."""
    entries = {}
    for name, questions in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
        entries[name] = {
            "conversation": [
                {
                    "Question": question,
                    "Answer": "ABCD"[right],
                    "Options": dict(zip("ABCD", options, strict=False)),
                    "type": "Anomaly Detection",
                }
                for question, options, right in questions
            ]
        }
    (root / QUESTIONS).write_text(json.dumps(entries), "utf-8")
    return read_benchmark(root)


@pytest.mark.parametrize(
    ("question", "normal", "defective"),
    [
        (WHETHER, "No.", "Yes."),
        (WHETHER, "There is no defect.", "There is a defect."),
        (WHETHER, "No, the object is normal.", "Yes, the object is damaged."),
        ("Is the product normal?", "Yes.", "No."),
        ("A photo is shown. Is the part free of defects? Answer at once.", "Yes.", "No."),
        ("What is the state of the object?", "It is normal.", "It is defective."),
        ("What is the state of the object?", "OK", "Not OK"),
        ("Is the object normal or abnormal?", "Normal.", "Abnormal."),
        ("Are there flaws?", "None.", "Yes."),
    ],
)
def test_what_is_right_tells_whether_an_image_is_normal(
    tmp_path: Path, question: str, normal: str, defective: str
) -> None:
    for options in ([normal, defective], [defective, normal]):
        for right in range(2):
            benchmark = asked_of(tmp_path, {IMAGE: [(question, options, right)]})
            assert benchmark.left_out == ()
            assert (IMAGE in benchmark.key.normal) == (options[right] == normal)


def test_a_question_whose_answer_says_neither_is_left_out(tmp_path: Path) -> None:
    odd = ("What colour is it?", ["Red.", "Blue."], 0)
    unsure = (WHETHER, ["Yes.", "No.", "Cannot tell."], 2)
    benchmark = asked_of(tmp_path, {IMAGE: [odd, unsure, (WHETHER, ["Yes.", "No."], 1)]})
    assert benchmark.left_out == (
        f"{IMAGE}#0: 'Red.' to 'What colour is it?' says neither defective nor normal",
        f"{IMAGE}#1: 'Cannot tell.' to '{WHETHER}' says neither defective nor normal",
    )
    assert benchmark.key.answers == {f"{IMAGE}#2": "B"}
    assert benchmark.key.normal == {IMAGE}


def test_a_question_is_kept_as_it_is(tmp_path: Path) -> None:
    benchmark = asked_of(tmp_path, {IMAGE: [(f" Look:\n  {WHETHER}\n", ["Yes.", "No."], 0)]})
    ((_, question),) = benchmark.questions
    assert question.text == f"Look:\n  {WHETHER}"


def test_an_unknown_object_is_named_also_beside_known_ones(tmp_path: Path, run: Command) -> None:
    names = (IMAGE, "Alpha/pin/test/0.png", "Beta/nut/test/0.png")
    asked_of(tmp_path, {name: [(WHETHER, ["Yes.", "No."], 0)] for name in names})
    for wanted, count in (("Alpha", 2), ("nut", 2), ("Alpha/nut", 1)):
        assert len(read_benchmark(tmp_path, [wanted]).queries) == count
    with pytest.raises(BenchmarkError, match=r"has no object 'Gamma', 'Beta/pin'; it has 'Alpha/n"):
        read_benchmark(tmp_path, ["Alpha", "Gamma", "Beta/pin"])
    chosen = ("--object", "pin", "--object", "nutt")
    result = run("bench", "mmad", tmp_path, "--out", tmp_path / "out", *chosen)
    assert result.code == 2
    assert "has no object 'nutt'; it has 'Alpha/nut', 'Alpha/pin', 'Beta/nut'" in result.err


def test_all_images_of_the_file_are_known(tmp_path: Path) -> None:
    names = [f"Alpha/nut/test/{number}.png" for number in range(4)]
    asked_of(tmp_path, {name: [(WHETHER, ["Yes.", "No."], 0)] for name in names})
    few = read_benchmark(tmp_path, limit=1)
    assert len(few.queries) == 1
    assert few.images == {tmp_path / name for name in names}
