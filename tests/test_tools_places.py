"""Places in words, English and German."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.decoder.regions import place_in_words
from experts.tools.places import box_of, fold, in_words, numbers_in

SIZE_HW = (90, 120)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("top left", "the top left"),
        ("Upper-Left corner", "the top left"),
        ("the upper edge", "the top edge"),
        ("am oberen Rand", "the top edge"),
        ("Oberkante", "the top edge"),
        ("oben links", "the top left"),
        ("unten", "the bottom"),
        ("rechte untere Ecke", "the bottom right"),
        ("left-hand side", "the left edge"),
        ("middle right", "the right centre"),
        ("the middle", "the centre"),
        ("in der Mitte", "the centre"),
        ("bottom centre", "the bottom centre"),
        ("the whole picture", "the whole image"),
        ("überall", "the whole image"),
        ("banana", None),
        ("from left to right", None),
        ("untersuche das", None),
    ],
)
def test_a_place_is_understood(asked: str, words: str | None) -> None:
    assert in_words(fold(asked)) == words


def test_each_place_that_regions_are_told_by_is_found_again() -> None:
    for y in (15, 45, 75):
        for x in (20, 60, 100):
            place = place_in_words((x, y, x, y), SIZE_HW)
            words = in_words(fold(place))
            assert words is not None
            left, top, right, bottom = box_of(words, SIZE_HW)
            assert left <= x < right
            assert top <= y < bottom


def test_an_edge_is_narrower_than_a_third() -> None:
    assert box_of("the top", SIZE_HW) == (0, 0, 120, 30)
    assert box_of("the top edge", SIZE_HW) == (0, 0, 120, 15)
    assert box_of("the bottom right", SIZE_HW) == (80, 60, 120, 90)
    assert box_of("the left centre", SIZE_HW) == (0, 30, 40, 60)
    assert box_of("the centre", SIZE_HW) == (40, 30, 80, 60)
    assert box_of("the whole image", SIZE_HW) == (0, 0, 120, 90)


@given(
    words=st.sampled_from(["the top left", "the bottom edge", "the centre", "the right centre"]),
    size_HW=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_a_box_is_never_empty(words: str, size_HW: tuple[int, int]) -> None:
    left, top, right, bottom = box_of(words, size_HW)
    assert 0 <= left < right <= size_HW[1]
    assert 0 <= top < bottom <= size_HW[0]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("region-2", [2]),
        ("Bereich 2 und 3", [2, 3]),
        ("Is defect 1 larger than region 2?", [1, 2]),
        ("regions 1 and 3", [1, 3]),
        ("2", [2]),
        ("the defect 2.5 mm from here", []),
        ("no 5 mm pits", []),
        ("more than 3 places", []),
    ],
)
def test_numbers_of_regions_are_understood(asked: str, numbers: list[int]) -> None:
    assert numbers_in(asked) == numbers
