from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.evidence import Standing, Verdict
from experts.standing import contests, standing, standing_in_words

ALPHA = 0.05
opinions = st.floats(0, 1)
many = st.lists(opinions, max_size=60)
verdicts: st.SearchStrategy[Verdict] = st.sampled_from(["accept", "reject", "review"])


def test_by_hand() -> None:
    found = standing(0.6, good=[0.9, 0.8, 0.5], defective=[0.1, 0.2, 0.7, 0.3])
    assert found == Standing(good=3, defective=4, p_if_good=2 / 4, p_if_defective=2 / 5)


def test_ties_count_against_the_opinion() -> None:
    found = standing(0.5, good=[0.5] * 3, defective=[0.5] * 4)
    assert (found.p_if_good, found.p_if_defective) == (1, 1)


def test_without_judged_parts_nothing_is_known() -> None:
    found = standing(0.5, [], [])
    assert (found.p_if_good, found.p_if_defective) == (1, 1)
    assert not contests("reject", found, ALPHA)


@given(st.lists(st.one_of(opinions, st.just(math.nan)), min_size=19, max_size=40), verdicts)
def test_what_is_no_number_never_contests(others: list[float], verdict: Verdict) -> None:
    assert not contests(verdict, standing(math.nan, others, others), ALPHA)
    spoilt = [math.nan] * len(others)
    assert not contests(verdict, standing(0.5, spoilt, spoilt), ALPHA)


def test_one_more_judged_part_gives_it_a_say() -> None:
    for judged, says in ((18, False), (19, True)):
        best = standing(0.9, good=[], defective=[0.1] * judged)
        assert contests("reject", best, ALPHA) is says
        worst = standing(0.1, good=[0.9] * judged, defective=[])
        assert contests("accept", worst, ALPHA) is says


def test_each_verdict_has_its_own_ground() -> None:
    good, defective = [0.8] * 30, [0.2] * 30
    looks_good, looks_bad = standing(0.9, good, defective), standing(0.1, good, defective)
    assert contests("reject", looks_good, ALPHA)
    assert not contests("accept", looks_good, ALPHA)
    assert contests("accept", looks_bad, ALPHA)
    assert not contests("reject", looks_bad, ALPHA)


@given(opinions, many, many, st.floats(0.001, 0.6))
def test_a_review_is_never_contested(
    opinion: float, good: list[float], defective: list[float], alpha: float
) -> None:
    found = standing(opinion, good, defective)
    assert not contests("review", found, alpha)
    assert standing_in_words("review", found, alpha) == ""


@given(opinions, opinions, many, many)
def test_the_better_a_part_looks_the_less_defective_it_is(
    one: float, other: float, good: list[float], defective: list[float]
) -> None:
    worse, better = (standing(x, good, defective) for x in sorted((one, other)))
    assert better.p_if_defective <= worse.p_if_defective
    assert better.p_if_good >= worse.p_if_good
    for found in (worse, better):
        assert 1 / (len(good) + 1) <= found.p_if_good <= 1
        assert 1 / (len(defective) + 1) <= found.p_if_defective <= 1


@given(opinions, many, many, verdicts, st.floats(0.001, 0.6))
def test_words_agree_with_the_rule(
    opinion: float, good: list[float], defective: list[float], verdict: Verdict, alpha: float
) -> None:
    found = standing(opinion, good, defective)
    words = standing_in_words(verdict, found, alpha)
    assert words.startswith("It contests the verdict:") == contests(verdict, found, alpha)


# Opinions of a model that tells the two apart, and of one that always says nearly the same.
@pytest.mark.parametrize("digits", [12, 1])
@pytest.mark.parametrize(("judged", "alpha"), [(19, 0.05), (30, 0.05), (60, 0.1), (7, 0.2)])
def test_right_verdicts_are_contested_no_more_often_than_alpha(
    judged: int, alpha: float, digits: int
) -> None:
    rng = np.random.default_rng(judged)
    draws = 4000
    good = np.round(rng.beta(4, 2, (draws, judged + 1)), digits)
    defective = np.round(rng.beta(2, 4, (draws, judged + 1)), digits)
    rejected = accepted = 0
    for good_n, defective_n in zip(good.tolist(), defective.tolist(), strict=True):
        one = standing(defective_n[0], good_n[1:], defective_n[1:])
        rejected += contests("reject", one, alpha)
        other = standing(good_n[0], good_n[1:], defective_n[1:])
        accepted += contests("accept", other, alpha)
    # Four standard errors: one run in ten thousand would exceed them.
    limit = alpha + 4 * math.sqrt(alpha * (1 - alpha) / draws)
    assert rejected / draws <= limit
    assert accepted / draws <= limit
    if digits > 1:  # Without ties the promise is kept as closely as so many parts can.
        closest = math.floor(alpha * (judged + 1) + 1e-9) / (judged + 1)
        assert rejected / draws == pytest.approx(closest, abs=0.02)


def test_a_random_model_has_no_say_beyond_alpha_on_wrong_verdicts_either() -> None:
    rng = np.random.default_rng(0)
    draws = 4000
    wrong = 0
    for opinion, *others in rng.random((draws, 41)).tolist():
        # A good part that was rejected: nothing in the opinions tells so.
        wrong += contests("reject", standing(opinion, others[:20], others[20:]), ALPHA)
    assert wrong / draws <= ALPHA + 4 * math.sqrt(ALPHA * (1 - ALPHA) / draws)
    # The promise is kept as closely as twenty judged parts can.
    assert wrong / draws == pytest.approx(1 / 21, abs=0.015)


def test_a_model_that_tells_them_apart_finds_wrong_verdicts() -> None:
    good, defective = [0.6 + i / 100 for i in range(30)], [0.1 + i / 100 for i in range(30)]
    assert all(contests("reject", standing(x, good, defective), ALPHA) for x in good)
    assert all(contests("accept", standing(x, good, defective), ALPHA) for x in defective)


@pytest.mark.parametrize(
    ("verdict", "found", "words"),
    [
        (
            "reject",
            standing(0.9, [], [0.1] * 4),
            "It has no say in the verdict: 19 judged defective parts are needed, 4 are there",
        ),
        (
            "accept",
            standing(0.9, [0.3], []),
            "It has no say in the verdict: 19 judged good parts are needed, 1 is there",
        ),
        (
            "reject",
            standing(0.5, [], [0.1] * 38 + [0.9]),
            "It contests the verdict: 1 of 39 parts judged defective looks at least as good to it "
            "(p = 0.05)",
        ),
        (
            "reject",
            standing(0.9, [], [0.1] * 19),
            "It contests the verdict: none of 19 parts judged defective look at least as good to "
            "it (p = 0.05)",
        ),
        (
            "accept",
            standing(0.5, [0.1] * 3 + [0.9] * 17, []),
            "It does not contest the verdict: 3 of 20 parts judged good look at least as bad to it "
            "(p = 0.19)",
        ),
    ],
)
def test_in_words(verdict: Verdict, found: Standing, words: str) -> None:
    assert standing_in_words(verdict, found, ALPHA) == words
