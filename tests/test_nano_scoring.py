"""What counts as an answer, in the benchmark of conversations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.nano_dialogue import Guessing, answered
from benchmarks.nano_lines import invented
from benchmarks.nano_scoring import Wanted, first_told, says
from echo.training.asking import lesson
from echo.training.wordings import phrases
from experts.sheet import NO_PLACE, NOT_KNOWN

WORLDS = 40
NO_ANSWERS = (
    "xyzzy.",
    "region-1 and region-2 are another thing entirely.",
    "At least something of the part.",
    "The verdict.",
    "",
)


def every() -> Iterator[Wanted]:
    rng, said = np.random.default_rng(1), phrases("dev")
    for one in invented(WORLDS):
        for ask in lesson(one.known, one.line, 30, rng, said).asks:
            if not ask.wrong and ask.about != "explain":
                yield Wanted(ask.about, ask.answer, one.known.inspection.verdict)


def test_the_sentence_that_is_wanted_counts_and_others_do_not() -> None:
    about = set()
    for wanted in every():
        about.add(wanted.about)
        assert says(wanted.answer, wanted), wanted
        for text in NO_ANSWERS:
            assert not says(text, wanted), (text, wanted)
    assert len(about) > 25


@pytest.mark.parametrize(
    ("about", "answer", "right", "wrong"),
    [
        (
            "ship",
            "May it go on? No, the tile is rejected.",
            ["The verdict is reject.", "The verdict is reject.\nMay it go on? No, the tile is ..."],
            ["The verdict is reject.\nIs it good? No, it is rejected.", "The verdict is accept."],
        ),
        (
            "verdict",
            "The verdict on this tile is reject.",
            ["The verdict is reject.\nIs it good? No, it is rejected."],
            ["The verdict is review.", "It is bad."],
        ),
        ("where", "region-1 lies at the top left.", ["at the top left"], ["at the top", NO_PLACE]),
        (
            "where_region",
            "region-2 lies at the right.",
            ["region-1: a spot at the top.\nregion-2: a spot at the right."],
            [
                "region-1: a spot at the right.\nregion-2: a spot at the top.",
                "region-2 lies at the bottom right.",
                "region-2: a spot in the centre. Its box in pixels: left 1, top 2, right 3.",
            ],
        ),
        (
            "size",
            "region-1 is about 1.1 × 0.86 mm; region-2 is about 2 × 1 mm.",
            ["region-1, a spot: 1.1 × 0.86 mm, 1 mm².\nregion-2, a line: 2 × 1 mm."],
            ["region-1, a spot: 2 × 1 mm.\nregion-2, a line: 1.1 × 0.86 mm.", "2 × 1 mm"],
        ),
        ("looks", "region-1 is an odd line.", ["region-1: an odd line at the top."], ["a line"]),
        (
            "kind",
            "region-1 is taken for crack; The kind of region-2 is not known.",
            ["region-1: a line. It is taken for crack.\nregion-2: a spot of no kind known."],
            ["The kind of region-1 is not known; region-2 is taken for crack."],
        ),
        ("count", "At least 7 places stand out.", ["7 places stand out."], ["At least 3 places."]),
        (
            "measured",
            "Rule `pit.size`: allowed is at most 3, measured 5; beyond the limit.",
            ["Clause `pit.size` allows of pit: at most 3; measured 5, not within the limit."],
            ["Clause `pit.size` allows of pit: at most 3.", "measured 5"],
        ),
        (
            "cause_of",
            "Cause of pit: that is not known.",
            ["Cause of pit: that is not known.", "The file says nothing about what this may be."],
            ["The kind of region-1 is not known.", "Effect of pit: that is not known."],
        ),
        ("where", NO_PLACE, [NO_PLACE], ["Nothing stands out in the corners."]),
        ("count", "2 places stand out.", ["There are 2 places."], ["region-2", "12 places"]),
        (
            "kind",
            "region-1 is taken for crack.",
            ["It is taken for crack."],
            ["It is taken for cracked edge.", "Known kinds of defects: crack."],
        ),
        (
            "is_kind",
            "Is it pit? No: region-1 is taken for crack.",
            ["region-1 is taken for crack."],
            ["region-1 is taken for pit.", "not another"],
        ),
        (
            "limit_of",
            "Allowed of pit: at most 3; length up to 4 mm.",
            ["pit: length up to 4 mm; at most 3."],
            ["Allowed of pit: at most 3.", "Allowed of dent: at most 3; length up to 4 mm."],
        ),
        ("severity_of", "Severity of pit: minor.", ["of pit, minor:"], ["of dent, minor:", "pit"]),
        (
            "kinds_known",
            "Known kinds of defects: pit, crack.",
            ["crack and pit"],
            ["cracked pit", "pit", "defects"],
        ),
        (
            "unknown",
            NOT_KNOWN,
            [NOT_KNOWN],
            ["To review: the line has no knowledge file.", f"{NOT_KNOWN} It is big."],
        ),
    ],
)  # fmt: skip
def test_only_what_was_asked_for_counts(
    about: str, answer: str, right: list[str], wrong: list[str]
) -> None:
    wanted = Wanted(about, answer, "reject")
    assert [says(text, wanted) for text in right] == [True] * len(right)
    assert [says(text, wanted) for text in wrong] == [False] * len(wrong)


def test_the_verdict_that_comes_first_is_told() -> None:
    assert first_told("To review: below the score that rejects.") == "review"
    assert first_told("A crack.") is None


def test_who_guesses_gains_nothing_on_facts_and_places() -> None:
    told = answered(Guessing(), list(invented(8)))
    assert len(told) > 40
    facts = [right for row, right in told if row.about.endswith("_of") or row.about == "where"]
    assert facts
    assert sum(right.guessing for right in facts) <= sum(right.alone for right in facts)
