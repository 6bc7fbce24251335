"""Where a mask's defect lies in words, and where that is left open, by rules written anew here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.mmad.making_places import drawn_apart, place_of, size_of

Mask = NDArray[np.bool_]
ROWS = (("Top left.", "Top.", "Top right."), ("Left.", "Center.", "Right."))
PLACES = (*ROWS, ("Bottom left.", "Bottom.", "Bottom right."))
ALL = [(r, c) for r in range(3) for c in range(3)]
BESIDE = {
    "Top left.": {"Top.", "Left."},
    "Top right.": {"Top.", "Right."},
    "Bottom left.": {"Bottom.", "Left."},
    "Bottom right.": {"Bottom.", "Right."},
}


def boxes(*corners: tuple[int, int, int, int], size: tuple[int, int] = (90, 120)) -> Mask:
    """Boxes (left, top, right, bottom) on an image of a height and a width."""
    mask_HW = np.zeros(size, bool)
    for left, top, right, bottom in corners:
        mask_HW[top:bottom, left:right] = True
    return mask_HW


@pytest.mark.parametrize(("row", "column"), ALL)
def test_a_spot_in_the_middle_of_each_cell(row: int, column: int) -> None:
    y, x = 30 * row + 15, 40 * column + 20
    place = place_of(boxes((x - 5, y - 5, x + 5, y + 5)))
    assert place is not None
    assert place.right == PLACES[row][column]
    # A cell away from the spot's own one begins 10 px or more from it; 1/12 is 7.5 and 10 px.
    everywhere = {name for names in PLACES for name in names}
    assert set(place.wrong) == everywhere - {place.right} - BESIDE.get(place.right, set())


@pytest.mark.parametrize(
    "mask_HW",
    [
        boxes(),
        boxes((0, 0, 120, 90)),
        boxes((0, 5, 120, 15)),  # a line along the top
        boxes((10, 10, 20, 20), (100, 70, 110, 80)),  # two corners
        boxes((35, 10, 47, 20)),  # across the border of two cells
        boxes((5, 5, 35, 25), (55, 40, 60, 50)),  # most of it in one, but another part elsewhere
        boxes((41, 31, 79, 59)),  # fills the centre, so that all else is near
    ],
    ids=["none", "everywhere", "line", "corners", "border", "second", "centre"],
)
def test_ambiguous_places_are_left_open(mask_HW: Mask) -> None:
    assert place_of(mask_HW) is None


def test_specks_of_the_drawing_are_no_second_place() -> None:
    spot = (5, 5, 25, 25)
    with_speck = place_of(boxes(spot, (110, 80, 112, 82)))
    assert with_speck is not None
    assert with_speck == place_of(boxes(spot))


def test_what_is_near_is_not_clearly_wrong() -> None:
    # At the upper right of the centre, 2 px from the cells above it and to its right.
    place = place_of(boxes((68, 32, 78, 42)))
    assert place is not None
    assert place.right == "Center."
    assert set(place.wrong) == {"Top left.", "Left.", "Bottom left.", "Bottom.", "Bottom right."}


@given(
    left=st.integers(0, 115),
    top=st.integers(0, 85),
    width=st.integers(1, 60),
    height=st.integers(1, 45),
)
def test_any_box_by_counting_pixels(left: int, top: int, width: int, height: int) -> None:
    mask_HW = boxes((left, top, min(left + width, 120), min(top + height, 90)))
    cells = {
        PLACES[r][c]: mask_HW[30 * r : 30 * r + 30, 40 * c : 40 * c + 40].sum() for r, c in ALL
    }
    place = place_of(mask_HW)
    if place is None:
        return
    assert cells[place.right] >= 0.7 * mask_HW.sum()
    assert len(place.wrong) >= 3
    # Not one pixel of the defect lies in a place that is called wrong.
    assert not any(cells[wrong] for wrong in place.wrong)


def test_no_option_is_part_of_another_where_that_can_be() -> None:
    wrong = ["Bottom.", "Bottom right.", "Right.", "Center.", "Bottom left."]
    assert drawn_apart("Top left.", wrong) == ["Bottom.", "Right.", "Center."]
    assert drawn_apart("Top.", wrong[:3]) == ["Bottom.", "Right.", "Bottom right."]


def test_sizes_in_words() -> None:
    def words(share: float) -> str | None:
        mask_N = np.zeros(10_000, bool)
        mask_N[: round(share * 10_000)] = True
        return size_of(mask_N.reshape(100, 100))

    named: dict[str, Callable[[float], bool]] = {
        "Less than a hundredth of the image.": lambda share: 0 < share < 0.01,
        "About a twentieth of the image.": lambda share: 0.03 < share < 0.08,
        "About a quarter of the image.": lambda share: 0.15 < share < 0.4,
        "More than half of the image.": lambda share: share > 0.5,
    }
    shares = (0.0, 0.001, 0.02, 0.05, 0.12, 0.25, 0.5, 0.8, 1.0)
    found = {share: words(share) for share in shares}
    assert [found[share] for share in (0.0, 0.02, 0.12, 0.5)] == [None] * 4
    for share in (0.001, 0.05, 0.25, 0.8, 1.0):
        name = found[share]
        assert name is not None
        assert named[name](share)
