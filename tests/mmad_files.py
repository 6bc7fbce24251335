"""A benchmark of a few questions in MMAD's format, and answers written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.mmad.data import QUESTIONS, Benchmark, Question, read_benchmark
from benchmarks.mmad.journal import ANSWERS, Answer, read_answers

YES_NO = {"A": "Yes.", "B": "No."}
FOUR = {"A": "One.", "B": "Two.", "C": "Three.", "D": "Four."}
Asked = Sequence[tuple[str, str]]

# What is asked of each image: the type of each question, and the letter that is right.
SMALL: Mapping[str, Asked] = {
    "Alpha/nut/test/good/0.png": [
        ("Anomaly Detection", "B"),
        ("Object Classification", "A"),
        ("Object Structure", "C"),
    ],
    "Alpha/nut/test/good/1.png": [("Anomaly Detection", "B"), ("Object Classification", "A")],
    "Alpha/nut/test/crack/0.png": [
        ("Anomaly Detection", "A"),
        ("Defect Classification", "B"),
        ("Defect Localization", "C"),
        ("Defect Description", "D"),
        ("Defect Analysis", "A"),
        ("Object Details", "B"),
    ],
    "Alpha/nut/test/crack/1.png": [
        ("Anomaly Detection", "A"),
        ("Defect Classification", "B"),
        ("Defect Localization", "C"),
    ],
    "Alpha/nut/test/crack/2.png": [("Anomaly Detection", "A")],
    "Beta/bolt/test/hole/0.png": [("Anomaly Detection", "A"), ("Defect Classification", "A")],
    "Beta/bolt/test/hole/1.png": [("Anomaly Detection", "A"), ("Defect Classification", "C")],
    "Gamma/pin/test/good/0.png": [("Anomaly Detection", "B"), ("Object Analysis", "D")],
}
# What a model wrote that chooses nothing.
REFUSAL = "Sorry, I cannot tell."
# Lines as they were written: the image, the number of the question, what was answered.
WRITTEN: Sequence[tuple[str, int, str | None]] = [
    ("Alpha/nut/test/good/0.png", 0, "B"),
    ("Alpha/nut/test/good/0.png", 1, None),  # a refusal
    ("Alpha/nut/test/good/0.png", 2, "C"),
    ("Alpha/nut/test/good/1.png", 0, "A"),  # a good part that is called defective
    ("Alpha/nut/test/good/1.png", 1, "B"),  # answered again below
    ("Alpha/nut/test/crack/0.png", 0, "A"),
    ("Alpha/nut/test/crack/0.png", 1, "B"),  # to another wording
    ("Alpha/nut/test/crack/0.png", 2, "E"),  # not offered
    ("Alpha/nut/test/crack/0.png", 3, "D"),
    # What comes of the crack (4) was not answered.
    ("Alpha/nut/test/crack/0.png", 5, "B"),
    ("Alpha/nut/test/crack/1.png", 0, None),
    ("Alpha/nut/test/crack/1.png", 1, "B"),
    ("Alpha/nut/test/crack/1.png", 2, "A"),
    ("Alpha/nut/test/crack/2.png", 0, "A"),
    ("Beta/bolt/test/hole/0.png", 0, "A"),
    ("Beta/bolt/test/hole/0.png", 1, "A"),
    ("Beta/bolt/test/hole/1.png", 0, "B"),
    ("Beta/bolt/test/hole/1.png", 1, "C"),
    ("Gamma/pin/test/good/0.png", 0, "B"),
    ("Gamma/pin/test/good/0.png", 1, "D"),
    ("Alpha/nut/test/good/1.png", 1, "A"),  # the last line counts
]
OTHER_WORDING = ("Alpha/nut/test/crack/0.png", 1)


def write_benchmark(root: Path, images: Mapping[str, Asked]) -> Benchmark:
    """Write ``mmad.json`` and the images, and read them."""
    entries = {}
    for name, asked in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
        entries[name] = {
            "conversation": [
                {
                    "type": kind,
                    "Question": f"{kind}?",
                    "Options": YES_NO if kind == "Anomaly Detection" else FOUR,
                    "Answer": right,
                }
                for kind, right in asked
            ]
        }
    (root / QUESTIONS).write_text(json.dumps(entries), encoding="utf-8")
    return read_benchmark(root)


def small_run(root: Path) -> tuple[Benchmark, dict[str, Answer]]:
    """The small benchmark, and the answers that were written by hand, as they are read."""
    benchmark = write_benchmark(root, SMALL)
    questions = {question.id: question for _, question in benchmark.questions}
    lines = []
    for name, number, letter in WRITTEN:
        question = questions[f"{name}#{number}"]
        asked = "0" * 16 if (name, number) == OTHER_WORDING else question.sha256
        lines.append(answer_to(question, letter, asked).model_dump_json() + "\n")
    (root / ANSWERS).write_text("".join(lines), encoding="utf-8")
    return benchmark, read_answers(root)


def answer_to(
    question: Question, letter: str | None, asked: str = "", raw: str | None = None
) -> Answer:
    """An answer as a run writes it, read from what a model wrote: by default the letter alone."""
    return Answer(
        id=question.id,
        asked=asked or question.sha256,
        options=question.options,
        answer=letter,
        raw=(letter or REFUSAL) if raw is None else raw,
        by="hand",
        seconds=0.0,
    )


def all_answered(benchmark: Benchmark, letters: Iterable[str | None]) -> dict[str, Answer]:
    """Answers to all questions, in their order."""
    pairs = zip(benchmark.questions, letters, strict=True)
    return {question.id: answer_to(question, letter) for (_, question), letter in pairs}
