"""Scores answers: a pure pass over the key and what was answered.

By the benchmark's definition: a subtask's score on a dataset is the share of its questions that is
answered right; that of Anomaly Detection is the mean of the shares on normal and on defective
images. A dataset's average is the mean of its subtasks, and every overall figure is the mean over
the datasets. What is not answered as it was asked counts as wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from benchmarks.mmad.counted import counted_by_the_benchmark
from benchmarks.mmad.data import SUBTASKS, Benchmark, Question, Subtask
from benchmarks.mmad.intervals import Floats, interval, resample
from benchmarks.mmad.journal import Answer

AVERAGE = "Average"
MEANS = (*SUBTASKS, AVERAGE)
DETECTION = ("Recall", "Precision", "F1", "Overkill", "Miss")
COLUMNS = (*MEANS, *DETECTION)
# Names of the classes, in the order of their axis.
CLASSES = ("normal", "defective")
DRAWS = 1000

Outcome = Literal[
    "right", "wrong", "names no option", "not offered", "other wording", "not answered"
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Denominator:
    """Of how many questions figures can be taken.

    Attributes:
        asked: All that the benchmark asks; the figures here are taken of these.
        answered: Those whose answer names one of their options.
        counted_by_the_benchmark: Those of which its own script would have taken its figures.
    """

    asked: int
    answered: int
    counted_by_the_benchmark: int

    def __add__(self, other: Denominator) -> Denominator:
        return Denominator(
            self.asked + other.asked,
            self.answered + other.answered,
            self.counted_by_the_benchmark + other.counted_by_the_benchmark,
        )


@dataclass(frozen=True)
class Row:
    """The scores on one dataset, or over all.

    Attributes:
        figures: Percent, by ``COLUMNS``; ``None`` for what is not asked, and, without normal or
            without defective images, for what needs them.
        intervals: 95 % confidence, percent, by ``COLUMNS``; ``None`` where there is no figure.
        denominators: By subtask, of those that are asked.
        counts: How many questions had each outcome.
        images: How many there are of each class.
    """

    figures: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    denominators: Mapping[Subtask, Denominator]
    counts: Mapping[Outcome, int]
    images: Mapping[str, int]

    @property
    def denominator(self) -> Denominator:
        """Of all its subtasks together."""
        return sum(self.denominators.values(), Denominator(0, 0, 0))


@dataclass(frozen=True)
class Scores:
    """The scores of a run.

    Attributes:
        average: Over all datasets, each counting alike; what is counted is summed up.
        datasets: By their names, in the order of the benchmark.
        foreign: Answers to questions that are not asked here; they count nowhere.
        left_out: Questions of the benchmark that cannot be asked.
    """

    average: Row
    datasets: Mapping[str, Row]
    foreign: int = 0
    left_out: int = 0

    @property
    def not_answered(self) -> int:
        """Questions without any answer; a run that has some is not finished."""
        return self.average.counts["not answered"]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know, one sentence each."""
        return (*self._notes_on_answers(), *self._notes_on_datasets())

    def _notes_on_answers(self) -> list[str]:
        asked, counts = self.average.denominator.asked, self.average.counts
        told: Mapping[Outcome, str] = {
            "not answered": "the run is not finished, and these count as wrong",
            "names no option": "these count as wrong",
            "not offered": "these answers name an option that there is not, and count as wrong",
            "other wording": "these answers are to another wording, and count as wrong",
        }
        notes = [f"{n}: {counts[n]} of {asked}; {so}." for n, so in told.items() if counts[n]]
        if self.foreign:
            notes.append(f"answers to questions that are not asked here: {self.foreign}.")
        if self.left_out:
            notes.append(f"questions that cannot be asked and count nowhere: {self.left_out}.")
        return notes

    def _notes_on_datasets(self) -> list[str]:
        notes = []
        for name, row in self.datasets.items():
            seen = [which for which in CLASSES if row.images[which]]
            if len(seen) == 1 and row.figures[SUBTASKS[0]] is not None:
                notes.append(
                    f"{name}: {SUBTASKS[0]} is asked of {seen[0]} images only, and is the share "
                    "of these."
                )
            if absent := [subtask for subtask in SUBTASKS if row.figures[subtask] is None]:
                notes.append(f"{name}: does not ask {', '.join(absent)}; its average is without.")
        return notes


def score(
    benchmark: Benchmark, answers: Mapping[str, Answer], draws: int = DRAWS, seed: int = 0
) -> Scores:
    """Score answers.

    Args:
        benchmark: What is asked, and the key.
        answers: By the id of their question; their order does not matter.
        draws: How often the images are drawn anew for the confidence intervals: within each
            dataset, the normal and the defective ones each by themselves.
        seed: Of these draws.
    """
    tallies: dict[str, _Tally] = {}
    counted = counted_by_the_benchmark(benchmark, answers)
    for query in benchmark.queries:
        tally = tallies.setdefault(query.dataset, _Tally())
        tally.begin_image(query.name not in benchmark.key.normal)
        for question in query.questions:
            outcome = judge(question, answers.get(question.id), benchmark.key.answers[question.id])
            tally.add(question.subtask, outcome, question.id in counted)
    known = {question.id for _, question in benchmark.questions}
    rows, average = _rows(tallies, draws, np.random.default_rng(seed))
    return Scores(average, rows, len(answers.keys() - known), len(benchmark.left_out))


def judge(question: Question, answer: Answer | None, right: str) -> Outcome:
    """What became of a question whose right letter is ``right``."""
    if answer is None:
        return "not answered"
    if answer.asked != question.sha256:
        return "other wording"
    if answer.answer is None:
        return "names no option"
    if answer.answer not in question.options:
        return "not offered"
    return "right" if answer.answer == right else "wrong"


class _Tally:
    """Counts what became of the questions of one dataset."""

    def __init__(self) -> None:
        # One row an image: how many it is asked of each subtask, then how many of them are right.
        self.images: tuple[list[list[float]], list[list[float]]] = ([], [])
        self.outcomes: Counter[Outcome] = Counter()
        self.denominators: dict[Subtask, Denominator] = {}

    def begin_image(self, defective: bool) -> None:
        """What is added from now on belongs to a new image."""
        self._image = [0.0] * (2 * len(SUBTASKS))
        self.images[defective].append(self._image)

    def add(self, subtask: Subtask, outcome: Outcome, counted: bool) -> None:
        """Count a question."""
        place = SUBTASKS.index(subtask)
        self._image[place] += 1
        self._image[len(SUBTASKS) + place] += outcome == "right"
        self.outcomes[outcome] += 1
        one = Denominator(1, outcome in ("right", "wrong"), counted)
        self.denominators[subtask] = self.denominators.get(subtask, Denominator(0, 0, 0)) + one

    def sums(self, draws: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Sums over the images, (1, classes, 2 × subtasks), and over drawn ones, (draws, …)."""
        classes = [np.array(rows, float).reshape(-1, 2 * len(SUBTASKS)) for rows in self.images]
        drawn = [resample(counts_NC, draws, random) for counts_NC in classes]
        return np.stack([c.sum(axis=0) for c in classes])[None], np.stack(drawn, axis=1)

    def row(self, figures_K: Floats, bounds_2K: Floats) -> Row:
        """All that is known of the dataset."""
        images = {name: len(rows) for name, rows in zip(CLASSES, self.images, strict=True)}
        denominators = {s: self.denominators[s] for s in SUBTASKS if s in self.denominators}
        counts = {outcome: self.outcomes[outcome] for outcome in OUTCOMES}
        return Row(*_named(figures_K, bounds_2K), denominators, counts, images)


def _rows(
    tallies: Mapping[str, _Tally], draws: int, random: np.random.Generator
) -> tuple[dict[str, Row], Row]:
    """The row of each dataset, and the one over all."""
    rows, figures, drawn = {}, [], []
    whole = _Tally()
    for name, tally in tallies.items():
        own_1CS, drawn_DCS = tally.sums(draws, random)
        figures.append(figures_of(own_1CS)[0])
        drawn.append(figures_of(drawn_DCS))
        rows[name] = tally.row(figures[-1], interval(drawn[-1]))
        whole.outcomes += tally.outcomes
        for subtask, one in tally.denominators.items():
            before = whole.denominators.get(subtask, Denominator(0, 0, 0))
            whole.denominators[subtask] = before + one
        for all_images, images in zip(whole.images, tally.images, strict=True):
            all_images += images
    bounds = interval(_mean(np.stack(drawn), axis=0))
    return rows, whole.row(_mean(np.stack(figures), axis=0), bounds)


def figures_of(sums_XCS: Floats) -> Floats:
    """All figures, in percent.

    Args:
        sums_XCS: Numbers of questions, (…, classes, 2 × subtasks): asked, then right.

    Returns:
        (…, K), by ``COLUMNS``; NaN where there is none. Precision and F1 need images of both
        classes. Where no image is called defective, precision is 0, as in the benchmark.
    """
    asked, right = np.split(sums_XCS, 2, axis=-1)
    subtasks = _share(right.sum(axis=-2), asked.sum(axis=-2))
    detected = _share(right[..., 0], asked[..., 0])  # (…, classes)
    subtasks[..., 0] = _mean(detected, axis=-1)
    (normal, defective), (well, found) = (np.moveaxis(a[..., 0], -1, 0) for a in (asked, right))
    called = found + normal - well
    both = (normal > 0) & (defective > 0)
    precision = np.where(both, _share(found, np.maximum(called, 1)), np.nan)
    f1 = np.where(both, _share(2 * found, called + defective), np.nan)
    specificity, recall = np.moveaxis(detected, -1, 0)
    others = [_mean(subtasks, axis=-1), recall, precision, f1, 100 - specificity, 100 - recall]
    return np.concatenate([subtasks, np.stack(others, axis=-1)], axis=-1)


def _share(part: Floats, whole: Floats) -> Floats:
    """Percent; NaN of nothing."""
    share = np.full(part.shape, np.nan)
    np.divide(100 * part, whole, out=share, where=whole > 0)
    return share


def _mean(values: Floats, axis: int) -> Floats:
    """Mean of those that there are; NaN if there are none."""
    known = ~np.isnan(values)
    number = known.sum(axis)
    mean = np.full(number.shape, np.nan)
    np.divide(np.where(known, values, 0).sum(axis), number, out=mean, where=number > 0)
    return mean


def _named(
    figures_K: Floats, bounds_2K: Floats
) -> tuple[dict[str, float | None], dict[str, tuple[float, float] | None]]:
    figures: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    for name, figure, low, high in zip(COLUMNS, figures_K, *bounds_2K, strict=True):
        figures[name] = None if np.isnan(figure) else float(figure)
        intervals[name] = None if np.isnan(low) else (float(low), float(high))
    return figures, intervals
