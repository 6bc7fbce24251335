from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from experts.errors import ImageError
from experts.simulating.canvas import Canvas, part_of, parts_lie_free
from experts.simulating.kinds import KINDS
from experts.simulating.pasting import poisson
from experts.simulating.preview import contact_sheet, outlined
from experts.simulating.simulate import SIMULATORS, VISIBLE_LEVELS, Simulated, simulate
from experts.simulating.words import in_words, region_of
from tests.conftest import good_part
from tests.pins import BACKGROUND, pin
from tests.pixels import colours


def board() -> NDArray[np.uint8]:
    """Black tracks on white, with nothing between, uint8 (120, 120, 3)."""
    grey_HW = np.full((120, 120), 255, np.uint8)
    grey_HW[:, 10:30] = grey_HW[:, 50:80] = grey_HW[90:110, 40:] = 0
    return np.repeat(grey_HW[:, :, None], 3, axis=2)


def plain(level: int = 128) -> NDArray[np.uint8]:
    return np.full((120, 160, 3), level, np.uint8)


GOOD = {
    "texture": good_part(1),
    "pin": pin(37).rgb_HW3,
    "board": board(),
    "plain": plain(),
    "colours": colours(64, 90),
    "small": good_part(2)[:24, :32].copy(),
}


def drawn(image: str, kind: str, seed: int = 0) -> Simulated:
    other_HW3 = GOOD["texture"] if image in {"plain", "small"} else None
    return simulate(GOOD[image], kind, np.random.default_rng(seed), other_HW3)


def difference(simulated: Simulated, good_HW3: NDArray[np.uint8]) -> NDArray[Any]:
    return np.asarray(np.abs(simulated.image_HW3.astype(int) - good_HW3).max(axis=2))


def test_each_kind_has_its_simulator() -> None:
    assert tuple(SIMULATORS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", GOOD)
def test_the_mask_is_what_visibly_changed(image: str, kind: str) -> None:
    before_HW3 = GOOD[image].copy()
    for seed in range(3):
        simulated = drawn(image, kind, seed)
        assert np.array_equal(GOOD[image], before_HW3)
        mask_HW, away_HW = simulated.mask_HW, difference(simulated, before_HW3)
        assert simulated.image_HW3.dtype == np.uint8
        assert mask_HW.any()
        assert not away_HW[~mask_HW].any()
        assert mask_HW.sum() <= max(4, part_of(before_HW3).sum() / 3)
        # Not visible are gaps of two pixels and holes, no more.
        seen_HW = np.pad(away_HW >= VISIBLE_LEVELS, 2)
        closed_HW = ndimage.binary_closing(seen_HW)
        filled_HW = ndimage.binary_fill_holes(closed_HW | _rim(seen_HW))[2:-2, 2:-2]
        assert not (mask_HW & ~filled_HW).any()
        assert away_HW[mask_HW].mean() >= VISIBLE_LEVELS
        left, top, right, bottom = simulated.box_xyxy
        inside_HW = np.zeros_like(mask_HW)
        inside_HW[top:bottom, left:right] = True
        assert not (mask_HW & ~inside_HW).any()
        assert mask_HW[top].any()
        assert mask_HW[bottom - 1].any()


def _rim(seen_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The image's border as if it were seen, so that what it closes off is a hole."""
    rim_HW = np.zeros_like(seen_HW)
    rim_HW[[1, -2]] = rim_HW[:, [1, -2]] = True
    return rim_HW


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same(kind: str) -> None:
    first, again, other = (drawn("texture", kind, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image_HW3, again.image_HW3)
    assert (first.words, first.box_xyxy, first.kind) == (again.words, again.box_xyxy, kind)
    assert not np.array_equal(first.mask_HW, other.mask_HW)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_part_that_lies_free_nothing_is_drawn_beside_it(kind: str) -> None:
    part_HW = part_of(GOOD["pin"])
    assert 0.05 < part_HW.mean() < 0.2
    for seed in range(5):
        assert not (drawn("pin", kind, seed).mask_HW & ~part_HW).any()


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_two_levels_stays_so(kind: str) -> None:
    assert set(np.unique(drawn("board", kind).image_HW3)) == {0, 255}


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_image_stays_grey(kind: str) -> None:
    image_HW3 = drawn("texture", kind).image_HW3
    assert (image_HW3 == image_HW3[:, :, :1]).all()


def test_sizes_go_from_tiny_to_a_third_of_the_part() -> None:
    for kind in ("cut_paste", "crack", "stain", "scratch", "fibre"):
        lengths = [region_length(drawn("texture", kind, seed)) for seed in range(30)]
        assert min(lengths) <= 12, kind
        assert max(lengths) >= 96 / 4, kind


def region_length(simulated: Simulated) -> float:
    return region_of(simulated.image_HW3, simulated.mask_HW).length_px


def test_cracks_and_fibres_are_lines() -> None:
    for kind in ("crack", "fibre", "scratch"):
        lines = sum("line" in drawn("plain", kind, seed).words for seed in range(20))
        assert lines >= 14, kind
    dark = sum("dark" in drawn("plain", "crack", seed).words for seed in range(20))
    assert dark >= 14


def test_chips_are_at_the_edge_of_the_part() -> None:
    rim_HW = part_of(GOOD["pin"]) & ~ndimage.binary_erosion(part_of(GOOD["pin"]), iterations=2)
    for seed in range(10):
        assert (drawn("pin", "chip", seed).mask_HW & rim_HW).any()
        left, top, right, bottom = drawn("texture", "chip", seed).box_xyxy
        assert min(left, top, 96 - right, 96 - bottom) <= 1


def test_where_a_piece_is_missing_the_background_shows() -> None:
    for seed in range(8):
        simulated = drawn("pin", "missing", seed)
        inner_HW = ndimage.binary_erosion(simulated.mask_HW, iterations=2)
        if not inner_HW.any():
            continue
        before_N3, now_N3 = (i[inner_HW] for i in (GOOD["pin"], simulated.image_HW3))
        # In the shadow of the edge it is darker than elsewhere.
        away = np.abs(now_N3 - np.array(BACKGROUND)).mean()
        assert away < np.abs(before_N3 - np.array(BACKGROUND)).mean() / 2


def test_texture_shows_through_a_stain() -> None:
    def grain(levels_HW3: NDArray[np.uint8]) -> NDArray[Any]:
        grey_HW = levels_HW3.mean(axis=2)
        return np.asarray(grey_HW - ndimage.gaussian_filter(grey_HW, 2))

    for seed in range(10):
        stained = drawn("texture", "stain", seed)
        inner_HW = ndimage.binary_erosion(stained.mask_HW, iterations=2)
        if inner_HW.sum() >= 30:
            below_N, seen_N = (grain(i)[inner_HW] for i in (GOOD["texture"], stained.image_HW3))
            assert np.corrcoef(below_N, seen_N)[0, 1] > 0.7


def test_what_is_blended_in_stays_in_its_place() -> None:
    """OpenCV places pieces by their middle; one pixel off, it would change what is around."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        part_HW = np.zeros((96, 96), np.bool_)
        left, top = rng.integers(2, 40, 2)
        part_HW[top : top + rng.integers(12, 50), left : left + rng.integers(12, 50)] = True
        canvas = Canvas(good_part(1), colours(96, 96), part_HW)
        changed_HW = (poisson(canvas, rng) != canvas.levels_HW3).any(axis=2)
        # The outermost pixels of what it blends in are as they were.
        assert not (changed_HW & ~ndimage.binary_erosion(part_HW, np.ones((3, 3)))).any()


def test_blending_leaves_no_seam_where_pasting_does() -> None:
    """A flat piece with other levels vanishes when it is blended in."""
    canvas = Canvas(plain(100), plain(180), np.ones((120, 160), np.bool_))
    pasted = simulate(plain(100), "cut_paste", np.random.default_rng(0), plain(180))
    assert difference(pasted, plain(100)).max() > 50
    blended_HW3 = poisson(canvas, np.random.default_rng(0))
    assert np.abs(blended_HW3 - 100).max() <= 1


def test_what_would_not_be_seen_is_refused() -> None:
    with pytest.raises(ImageError, match=r"\Ano poisson would be seen on the image; leave this"):
        simulate(plain(), "poisson", np.random.default_rng(0))
    with pytest.raises(KeyError):
        simulate(plain(), "smell", np.random.default_rng(0))


def test_a_flake_is_no_part() -> None:
    flaked_HW3 = plain(200)
    flaked_HW3[50:62, 70:84] = 40
    assert part_of(flaked_HW3).all()
    assert parts_lie_free([pin(10).rgb_HW3, pin(50).rgb_HW3])
    assert not parts_lie_free([pin(10).rgb_HW3, plain()])


def test_words_are_measured_on_the_mask() -> None:
    image_HW3, mask_HW = plain(), np.zeros((120, 160), np.bool_)
    mask_HW[20:23, 10:50] = True
    image_HW3[mask_HW] = 40

    def words() -> str:
        return in_words(region_of(image_HW3, mask_HW), (120, 160))

    assert words() == "a thin dark line at the top left, about 40 × 3 px"
    mask_HW[:] = False
    mask_HW[55:67, 74:86] = True
    image_HW3[mask_HW] = 230
    assert words() == "a bright spot in the centre, about 17 × 12 px"
    image_HW3[mask_HW] = 128
    assert words() == "an odd spot in the centre, about 17 × 12 px"
    mask_HW[:] = False
    mask_HW[110, 150] = True
    assert words() == "a small odd spot at the bottom right, about 1 × 1 px"


def test_the_preview_outlines_each_mask() -> None:
    simulated = drawn("texture", "missing", 3)
    shown_hw3 = outlined(simulated.image_HW3, simulated.mask_HW, 96)
    red_hw = (shown_hw3 == (230, 30, 30)).all(axis=2)
    assert red_hw.any()
    assert not (red_hw & simulated.mask_HW).any()
    near_hw = ndimage.binary_dilation(simulated.mask_HW, np.ones((9, 9)))
    assert not (red_hw & ~near_hw).any()
    row = [(simulated.image_HW3, simulated.mask_HW)]
    one, two = contact_sheet({"missing": row}), contact_sheet({"missing": row, "pit": row * 2})
    assert two.shape[0] > one.shape[0]
    assert two.shape[1] > one.shape[1]
