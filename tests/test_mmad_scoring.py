"""Scores of MMAD beside those computed by hand, and what holds for any answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mmad.counted import counted_by_the_benchmark
from benchmarks.mmad.data import SUBTASKS, Benchmark
from benchmarks.mmad.intervals import interval, resample
from benchmarks.mmad.journal import Answer
from benchmarks.mmad.scoring import COLUMNS, OUTCOMES, Denominator, Row, Scores, score
from tests.mmad_files import SMALL, all_answered, answer_to, small_run, write_benchmark

NOTHING: dict[str, float | None] = dict.fromkeys(COLUMNS)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benchmark, dict[str, Answer]]:
    return small_run(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def scores(small: tuple[Benchmark, dict[str, Answer]]) -> Scores:
    return score(*small)


def check(row: Row, expected: dict[str, float | None]) -> None:
    assert row.figures == pytest.approx(NOTHING | expected)


def test_a_dataset_with_every_odd_case(scores: Scores) -> None:
    check(
        scores.datasets["Alpha"],
        {
            # Normal: 1 of 2. Defective: 2 of 3, the refusal is wrong. (1/2 + 2/3) / 2.
            "Anomaly Detection": 700 / 12,
            # The answer to another wording is wrong, the other one right.
            "Defect Classification": 50,
            # E is not offered, A is wrong.
            "Defect Localization": 0,
            "Defect Description": 100,
            # Its only question was not answered.
            "Defect Analysis": 0,
            # A refusal, and a line that was written again.
            "Object Classification": 50,
            # Object Structure and Object Details, both right.
            "Object Analysis": 100,
            # (58 1/3 + 50 + 0 + 100 + 0 + 50 + 100) / 7
            "Average": (700 / 12 + 300) / 7,
            # Two of three defective images, and one of two normal ones, are called defective.
            "Recall": 200 / 3,
            "Precision": 200 / 3,
            # 2 · 2 / (2 · 2 + 1 + 1)
            "F1": 200 / 3,
            "Overkill": 50,
            "Miss": 100 / 3,
        },
    )


def test_a_dataset_without_normal_images(scores: Scores) -> None:
    # One of two is found; nothing tells of normal images, nor of precision.
    check(
        scores.datasets["Beta"],
        {
            "Anomaly Detection": 50,
            "Defect Classification": 100,
            "Average": 75,
            "Recall": 50,
            "Miss": 50,
        },
    )


def test_a_dataset_without_defective_images(scores: Scores) -> None:
    check(
        scores.datasets["Gamma"],
        {"Anomaly Detection": 100, "Object Analysis": 100, "Average": 100, "Overkill": 0},
    )


def test_the_average_is_the_mean_of_the_datasets_that_ask(scores: Scores) -> None:
    check(
        scores.average,
        {
            "Anomaly Detection": (700 / 12 + 50 + 100) / 3,
            "Defect Classification": (50 + 100) / 2,
            "Defect Localization": 0,
            "Defect Description": 100,
            "Defect Analysis": 0,
            "Object Classification": 50,
            "Object Analysis": (100 + 100) / 2,
            # Of the datasets' averages, not of the seven above.
            "Average": ((700 / 12 + 300) / 7 + 75 + 100) / 3,
            "Recall": (200 / 3 + 50) / 2,
            "Precision": 200 / 3,
            "F1": 200 / 3,
            "Overkill": (50 + 0) / 2,
            "Miss": (100 / 3 + 50) / 2,
        },
    )


def test_denominators(scores: Scores) -> None:
    # The benchmark's script reads an option out of both refusals. The first cracked nut, one of
    # whose questions was not answered, is not in its list.
    assert scores.datasets["Alpha"].denominators == {
        "Anomaly Detection": Denominator(5, 4, 4),
        "Defect Classification": Denominator(2, 1, 1),
        "Defect Localization": Denominator(2, 1, 1),
        "Defect Description": Denominator(1, 1, 0),
        "Defect Analysis": Denominator(1, 0, 0),
        "Object Classification": Denominator(2, 1, 2),
        "Object Analysis": Denominator(2, 2, 1),
    }
    assert scores.average.denominator == Denominator(15 + 4 + 2, 10 + 4 + 2, 9 + 4 + 2)
    # Right: eight in Alpha, three in Beta, two in Gamma. Wrong: two in Alpha, one in Beta.
    assert dict(scores.average.counts) == dict(zip(OUTCOMES, (13, 3, 2, 1, 1, 1), strict=True))
    assert scores.average.images == {"normal": 3, "defective": 5}


def test_notes_tell_what_the_figures_do_not(scores: Scores) -> None:
    assert scores.not_answered == 1
    assert scores.notes == (
        "not answered: 1 of 21; the run is not finished, and these count as wrong.",
        "names no option: 2 of 21; these count as wrong.",
        "not offered: 1 of 21; these answers name an option that there is not, and count as wrong.",
        "other wording: 1 of 21; these answers are to another wording, and count as wrong.",
        "Beta: Anomaly Detection is asked of defective images only, and is the share of these.",
        "Beta: does not ask Defect Localization, Defect Description, Defect Analysis, "
        "Object Classification, Object Analysis; its average is without.",
        "Gamma: Anomaly Detection is asked of normal images only, and is the share of these.",
        "Gamma: does not ask Defect Classification, Defect Localization, Defect Description, "
        "Defect Analysis, Object Classification; its average is without.",
    )


def test_answers_to_other_questions_count_nowhere(
    small: tuple[Benchmark, dict[str, Answer]], scores: Scores
) -> None:
    benchmark, answers = small
    stranger = next(iter(answers.values())).model_copy(update={"id": "Delta/x/0.png#0"})
    found = score(benchmark, answers | {stranger.id: stranger})
    assert found == replace(scores, foreign=1)
    assert "answers to questions that are not asked here: 1." in found.notes


def test_questions_that_cannot_be_asked_are_told(tmp_path: Path) -> None:
    image = {"Alpha/nut/test/good/0.png": [("Anomaly Detection", "B"), ("Object Colour", "A")]}
    found = score(write_benchmark(tmp_path, image), {})
    assert found.average.denominator.asked == 1
    assert "questions that cannot be asked and count nowhere: 1." in found.notes


letters = st.lists(
    st.sampled_from(["A", "B", "C", "D", "E", "F", None]),
    min_size=(number := sum(map(len, SMALL.values()))),
    max_size=number,
)


@given(letters, st.randoms(use_true_random=False))
def test_any_answers(
    small: tuple[Benchmark, dict[str, Answer]], given_letters: list[str | None], random: Random
) -> None:
    benchmark, _ = small
    answers = all_answered(benchmark, given_letters)
    found = score(benchmark, answers, draws=20)
    for row in (found.average, *found.datasets.values()):
        for name, figure in row.figures.items():
            if figure is not None and (bounds := row.intervals[name]) is not None:
                assert 0 <= figure <= 100
                assert 0 <= bounds[0] <= bounds[1] <= 100
    shuffled = random.sample(sorted(answers), len(answers))
    assert score(benchmark, {i: answers[i] for i in shuffled}, draws=20) == found


@given(letters)
def test_the_benchmarks_own_count_beside_its_walk(
    small: tuple[Benchmark, dict[str, Answer]], given_letters: list[str | None]
) -> None:
    benchmark, _ = small
    chosen = {
        # With probabilities a letter was chosen, and nothing is read from a text.
        identifier: answer.model_copy(update={"probabilities": {"A": 1.0}})
        for identifier, answer in all_answered(benchmark, given_letters).items()
    }
    walked = [(question.id, chosen[question.id].answer) for _, question in benchmark.questions]
    counted = set()
    # Taking out of a list what the loop over it holds is the fault that is counted here.
    for entry in walked:
        if entry[1] not in {"A", "B", "C", "D", "E"}:
            walked.remove(entry)
            continue
        counted.add(entry[0])
    assert counted_by_the_benchmark(benchmark, chosen) == counted


TEXTS = [
    # The article, and a letter that is not offered, are letters to it.
    ("A crack is visible.", True),
    ("E", True),
    ("The answer is B because A is empty.", True),
    # Nothing but small letters: the option that is spelt most like it.
    ("b", True),
    ("Sorry, there is no clear sign of it.", True),
    ("", True),
    ("fourth", True),
    # Spelt most like the sixth option, which is none of its letters.
    ("sixth", False),
    ("B, not the sixth", True),
]
SIX = dict(zip("ABCDEF", ("first", "second", "third", "fourth", "fifth", "sixth"), strict=True))


@pytest.mark.parametrize(("raw", "counts"), TEXTS)
def test_a_text_is_counted_as_the_benchmarks_script_reads_it(
    tmp_path: Path, raw: str, counts: bool
) -> None:
    image = {"Alpha/nut/test/good/0.png": [("Object Analysis", "A"), ("Object Analysis", "B")]}
    benchmark = write_benchmark(tmp_path, image)
    (query,) = benchmark.queries
    questions = tuple(replace(question, options=SIX) for question in query.questions)
    benchmark = replace(benchmark, queries=(replace(query, questions=questions),))
    first, second = questions
    answers = {first.id: answer_to(first, None, raw=raw), second.id: answer_to(second, "B")}
    # What is not counted takes the answer behind it along.
    assert counted_by_the_benchmark(benchmark, answers) == (
        {first.id, second.id} if counts else frozenset()
    )


@pytest.mark.parametrize("raw", [None, "no answer: the server is busy"])
def test_an_image_that_is_not_answered_whole_is_not_counted(
    small: tuple[Benchmark, dict[str, Answer]], raw: str | None
) -> None:
    benchmark, _ = small
    right = [benchmark.key.answers[question.id] for _, question in benchmark.questions]
    answers = all_answered(benchmark, right)
    everything = counted_by_the_benchmark(benchmark, answers)
    query = benchmark.queries[0]
    last = query.questions[-1]
    if raw is None:
        del answers[last.id]
    else:
        answers[last.id] = answer_to(last, None, raw=raw)
    left = counted_by_the_benchmark(benchmark, answers)
    assert everything - left == {question.id for question in query.questions}


def test_right_answers_give_the_best_of_everything(
    small: tuple[Benchmark, dict[str, Answer]],
) -> None:
    benchmark, _ = small
    right = [benchmark.key.answers[question.id] for _, question in benchmark.questions]
    found = score(benchmark, all_answered(benchmark, right))
    for name in COLUMNS:
        best = 0 if name in ("Overkill", "Miss") else 100
        assert found.average.figures[name] == best
        assert found.average.intervals[name] == (best, best)
    only_notes_on_datasets = [
        note for note in found.notes if not note.startswith(("Beta", "Gamma"))
    ]
    assert only_notes_on_datasets == []


def many(copies: int) -> Mapping[str, list[tuple[str, str]]]:
    return {f"Alpha/nut/test/good/{i}.png": [("Object Analysis", "A")] * copies for i in range(400)}


def test_intervals_are_those_of_the_binomial(tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path, many(1))
    found = score(benchmark, all_answered(benchmark, "AAAB" * 100))
    bounds = found.average.intervals["Object Analysis"]
    # 75 % ± 1.96 √(0.75 · 0.25 / 400); a thousand draws tell the ends of it to about ± 0.3.
    half = 196 * (0.75 * 0.25 / 400) ** 0.5
    assert bounds == pytest.approx((75 - half, 75 + half), abs=0.75)


def test_more_questions_on_the_same_images_make_no_interval_narrower(tmp_path: Path) -> None:
    one = write_benchmark(tmp_path / "one", many(1))
    three = write_benchmark(tmp_path / "three", many(3))
    few = score(one, all_answered(one, "AAAB" * 100))
    more = score(three, all_answered(three, "AAAAAAAAABBB" * 100))
    assert few.average.figures == more.average.figures
    assert few.average.intervals == more.average.intervals


def test_each_draw_has_as_many_images_as_there_are() -> None:
    counts_NC = np.array([[1.0, 0.0], [1.0, 2.0], [1.0, 5.0]])
    drawn = resample(counts_NC, 5000, np.random.default_rng(0))
    assert (drawn[:, 0] == 3).all()
    assert set(drawn[:, 1]) == {a + b + c for a in (0, 2, 5) for b in (0, 2, 5) for c in (0, 2, 5)}
    # Three standard errors: the variance of one image is 38/9.
    assert drawn[:, 1].mean() == pytest.approx(7, abs=3 * (3 * 38 / 9 / 5000) ** 0.5)


def test_draws_that_lack_a_figure_are_left_out_of_its_interval() -> None:
    figures_DX = np.array([[1.0, np.nan, np.nan], [2.0, 7.0, np.nan], [3.0, np.nan, np.nan]])
    low, high = interval(figures_DX)
    assert (low[:2].tolist(), high[:2].tolist()) == ([1.05, 7.0], [2.95, 7.0])
    assert np.isnan([low[2], high[2]]).all()


def test_columns_are_the_benchmarks() -> None:
    detection = ("Recall", "Precision", "F1", "Overkill", "Miss")
    assert (*SUBTASKS, "Average", *detection) == COLUMNS
