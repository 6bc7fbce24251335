from __future__ import annotations

import numpy as np

from echo.training.hurried import HURRIED, hurried
from echo.training.wordings import phrases

OPENINGS, CLOSINGS = ("Hi,",), ("Thanks!",)
WORDING = "Where is the {defect} on this {part} exactly?"


def drawn(wording: str = WORDING, count: int = 400) -> list[str]:
    rng = np.random.default_rng(3)
    return [hurried(wording, rng, OPENINGS, CLOSINGS) for _ in range(count)]


def test_most_questions_stay_as_they_are() -> None:
    stayed = drawn().count(WORDING) / 400
    assert abs(stayed - (1 - HURRIED)) < 0.08


def test_every_way_is_taken_and_slots_stay_whole() -> None:
    found = set(drawn())
    assert f"Hi, {WORDING}" in found
    assert f"{WORDING} Thanks!" in found
    assert "where is the {defect} on this {part} exactly" in found
    slipped = {s for s in found if sorted(s) == sorted(WORDING) and s != WORDING}
    assert slipped
    for asked in found:
        assert asked.count("{defect}") == asked.count("{part}") == 1
    assert all(sum(a != b for a, b in zip(s, WORDING, strict=True)) == 2 for s in slipped)


def test_short_words_have_no_slips() -> None:
    found = set(drawn("Is it ok?"))
    assert found == {"Is it ok?", "Hi, Is it ok?", "Is it ok? Thanks!", "is it ok"}


def test_only_what_is_learned_from_is_hurried() -> None:
    assert phrases("train").openings
    assert phrases("train").closings
    assert phrases("dev").openings == phrases("dev").closings == ()
