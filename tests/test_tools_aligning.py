"""Normal images are brought onto inspected ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from experts.decoder.framing import Framing
from experts.images import Picture
from experts.tools.aligning import Shift, bring_onto, find_shift, moved
from experts.tools.healing import grown, heal
from tests.boards import board, picture
from tests.pins import framing_of_pins, pin

SIDE = 160
PLACE = (slice(60, 90), slice(70, 100))
AROUND = (slice(45, 105), slice(55, 115))


def ring() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    around_HW = np.zeros((SIDE, SIDE), np.bool_)
    around_HW[AROUND] = True
    around_HW[PLACE] = False
    return around_HW


def grey(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return picture(board(seed, SIDE)).grey_HW


@pytest.mark.parametrize("offset", [(0, 0), (3, -5), (-7, 2), (8, 8)])
def test_a_shift_is_found_by_what_lies_around(offset: tuple[int, int]) -> None:
    normal_HW = grey(1)
    own_HW = np.roll(normal_HW, (-offset[0], -offset[1]), (0, 1))
    own_HW[PLACE] = 0.5  # a defect has no say
    shift = find_shift(own_HW, normal_HW, ring(), PLACE)
    assert (shift.y, shift.x) == offset
    assert shift.likeness == pytest.approx(1, abs=1e-3)


def test_noise_is_not_shifted() -> None:
    rng = np.random.default_rng(0)
    own, other = rng.random((2, SIDE, SIDE), np.float32)
    shift = find_shift(own, other, ring(), PLACE)
    assert (shift.y, shift.x) == (0, 0)
    assert shift.likeness < 0.5


def test_a_place_at_the_border_is_taken_from_inside_the_image() -> None:
    normal_HW = grey(1)
    own_HW = np.roll(normal_HW, 4, 0)
    at_top = (slice(0, 30), slice(70, 100))
    around_HW = np.zeros((SIDE, SIDE), np.bool_)
    around_HW[:45, 55:115] = True
    around_HW[at_top] = False
    shift = find_shift(own_HW, normal_HW, around_HW, at_top)
    assert shift.y >= 0


def test_without_anything_around_a_place_stays_where_it_is() -> None:
    nothing_HW = np.zeros((SIDE, SIDE), np.bool_)
    assert find_shift(grey(1), grey(2), nothing_HW, PLACE) == (0, 0, 0.0)


def test_a_moved_window_goes_on_beyond_the_image() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    assert np.array_equal(moved(pixels, Shift(0, 0, 1.0), PLACE), pixels[PLACE])
    corner = (slice(0, 30), slice(SIDE - 30, SIDE))
    beyond = np.pad(pixels, ((5, 0), (0, 5), (0, 0)), mode="edge")[:30, -30:]
    assert np.array_equal(moved(pixels, Shift(-5, 5, 1.0), corner), beyond)


@pytest.fixture(scope="module")
def framing() -> Framing:
    return framing_of_pins()


@pytest.mark.parametrize("degrees", [0, 75, 180, 260])
def test_a_part_that_lies_free_is_turned_onto_another(framing: Framing, degrees: int) -> None:
    own, normal = pin(degrees, (-12, 9), seed=7), pin(20, (5, 5), seed=3)
    brought = bring_onto(own, normal, framing).astype(float)
    off_HW = np.abs(brought - own.rgb_HW3).max(axis=2)
    # But for edges, which fall between pixels.
    assert np.quantile(off_HW, 0.95) < 16
    assert np.quantile(np.abs(normal.rgb_HW3.astype(float) - own.rgb_HW3), 0.95) > 25


def test_a_smaller_copy_is_brought_to_the_same_size() -> None:
    own = picture(board(1, SIDE))
    copy = Picture("copy", np.ascontiguousarray(own.rgb_HW3[::2, ::2]))
    assert bring_onto(own, copy, None).shape == own.rgb_HW3.shape


def test_a_mask_grows_as_far_as_it_should() -> None:
    mask_HW = np.zeros((30, 40), np.bool_)
    mask_HW[0:3, 35:40] = True
    expected_HW = ndimage.distance_transform_edt(~mask_HW) <= 4.5
    assert np.array_equal(grown(mask_HW, 4.5), expected_HW)
    assert not grown(np.zeros((5, 5), np.bool_), 3).any()


def test_what_is_pasted_shows_no_seam_though_the_exposure_differs() -> None:
    smooth_HW = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, (SIDE, SIDE)), 6)
    levels_HW = 120 + 30 * smooth_HW / smooth_HW.std()
    slope_W = np.linspace(-15, 15, SIDE)
    own = picture(np.clip(levels_HW + slope_W, 0, 255).astype(np.uint8))
    normal = picture(np.clip(0.8 * levels_HW + 50, 0, 255).astype(np.uint8))
    mask_HW = np.zeros((SIDE, SIDE), np.bool_)
    mask_HW[PLACE] = True
    healed = heal(own, [normal], mask_HW, sight_px=10).picture.rgb_HW3.astype(float)
    off_HW = np.abs(healed - own.rgb_HW3).max(axis=2)
    assert off_HW.max() <= 6
    # What is far from the place stays as it is, bit by bit.
    assert not off_HW[~grown(mask_HW, 16)].any()


def test_the_most_alike_of_several_is_taken() -> None:
    mask_HW = np.zeros((SIDE, SIDE), np.bool_)
    mask_HW[PLACE] = True
    own = picture(board(1, SIDE))
    normals = [picture(board(seed, SIDE)) for seed in (2, 1, 3)]
    assert heal(own, normals, mask_HW, sight_px=10).number == 1


def test_all_of_an_image_can_be_replaced() -> None:
    mask_HW = np.ones((SIDE, SIDE), np.bool_)
    other = picture(board(2, SIDE))
    healed = heal(picture(board(1, SIDE)), [other], mask_HW, sight_px=10)
    assert np.array_equal(healed.picture.rgb_HW3, other.rgb_HW3)
