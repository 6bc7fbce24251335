from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.descriptor import (
    ALIGNED,
    PARTS,
    Place,
    alignment,
    crop_window,
    describe_place,
    place_of_mask,
    place_of_region,
)
from experts.decoder.encoder import load_encoder
from experts.decoder.regions import find_regions, strongest_region
from experts.errors import ImageError
from experts.evidence import AnomalyMap
from experts.kinds import KindModel

Pixels = NDArray[np.uint8]

DARK, BRIGHT = 20, 230
# Of a descriptor's end: pieces that were dark and bright, what it became, share of the change.
PATTERN = slice(-PARTS[2], -1)


def board(seed: int = 0) -> Pixels:
    """Dark tracks on bright ground, 160 × 160: four upright ones and a wide one."""
    grey = np.full((160, 160), BRIGHT, np.uint8)
    for left in (10, 34, 58, 82):
        grey[8:152, left : left + 8] = DARK
    grey[8:152, 106:150] = DARK
    noisy = grey + np.random.default_rng(seed).integers(-8, 9, grey.shape)
    return np.repeat(noisy.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def changed(
    top: int, left: int, bottom: int, right: int, grey: int, seed: int = 1
) -> tuple[Pixels, Place]:
    """A board with a rectangle painted on it, and a mask drawn around that."""
    pixels = board(seed)
    pixels[top:bottom, left:right] = grey
    mask = np.zeros(pixels.shape[:2], bool)
    mask[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3] = True
    return pixels, place_of_mask(mask)


@pytest.mark.parametrize(
    ("rectangle", "grey", "pattern"),
    [
        ((70, 42, 76, 58), DARK, (-1, 1, -1)),  # joins two tracks, and cuts the ground in two
        ((70, 34, 78, 42), BRIGHT, (1, -1, 1)),  # cuts a track, and joins the ground
        ((70, 47, 75, 53), DARK, (1, 0, -1)),  # an island
        ((70, 124, 76, 130), BRIGHT, (0, 1, 1)),  # a hole
        ((70, 90, 76, 96), DARK, (0, 0, -1)),  # a bump
        ((70, 106, 76, 113), BRIGHT, (0, 0, 1)),  # a bite
    ],
    ids=["join", "cut", "island", "hole", "bump", "bite"],
)
def test_what_a_change_does_to_the_pattern(
    rectangle: tuple[int, int, int, int], grey: int, pattern: tuple[int, int, int]
) -> None:
    pixels, place = changed(*rectangle, grey)
    descriptor = describe_place(pixels, place, board(), load_encoder())
    assert tuple(descriptor[PATTERN].tolist()) == pattern
    # The numbers of the change itself: how much of the place changed.
    top, left, bottom, right = rectangle
    share = (bottom - top) * (right - left) / place.weight_HW.size
    assert np.exp(descriptor[-1]) == pytest.approx(share, rel=0.1)


def test_a_reference_that_is_not_aligned_tells_nothing_about_the_pattern() -> None:
    pixels, place = changed(70, 42, 76, 58, DARK)
    shifted = np.roll(board(), 11, axis=1)
    assert alignment(pixels, board()) > 0.9
    assert alignment(pixels, shifted) < ALIGNED
    descriptor = describe_place(pixels, place, shifted, load_encoder())
    assert not descriptor[-PARTS[2] :].any()


def test_equal_shading_is_no_alignment() -> None:
    y, _ = np.mgrid[:120, :120]
    rng = np.random.default_rng(0)
    images = [
        np.repeat((y + rng.normal(60, 5, y.shape)).astype(np.uint8)[:, :, None], 3, axis=2)
        for _ in range(2)
    ]
    assert abs(alignment(images[0], images[1])) < 0.2
    assert alignment(images[0], np.zeros_like(images[0])) == 0


def test_an_unchanged_place_differs_in_nothing() -> None:
    _, place = changed(70, 42, 76, 58, DARK)
    encoder = load_encoder()
    descriptor = describe_place(board(), place, board(), encoder)
    assert descriptor.dtype == np.float32
    assert len(descriptor) == 2 * encoder.patch_dim + sum(PARTS)
    assert not descriptor[encoder.patch_dim : 2 * encoder.patch_dim].any()
    assert not descriptor[-PARTS[2] :].any()


def test_a_reference_of_another_size_is_brought_to_that_of_the_image() -> None:
    pixels, place = changed(70, 42, 76, 58, DARK)
    large = np.repeat(np.repeat(board(), 2, axis=0), 2, axis=1)
    same = describe_place(pixels, place, board(), load_encoder())
    other = describe_place(pixels, place, large, load_encoder())
    assert other[PATTERN].tolist() == same[PATTERN].tolist()
    assert other == pytest.approx(same, abs=0.15)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((100, 100, 140, 120), (slice(80, 140), slice(90, 150))),
        ((0, 196, 40, 200), (slice(140, 200), slice(0, 60))),
        ((10, 10, 14, 14), (slice(0, 48), slice(0, 48))),
        ((0, 0, 300, 200), (slice(0, 200), slice(0, 300))),
    ],
)
def test_crops_lie_in_the_image(
    box: tuple[int, int, int, int], window: tuple[slice, slice]
) -> None:
    assert crop_window(box, (200, 300)) == window


def test_the_place_of_a_mask_is_its_largest_part() -> None:
    mask = np.zeros((30, 40), bool)
    mask[2:4, 2:4] = True
    mask[10:15, 20:28] = True
    mask[15, 28] = True  # touches at a corner
    place = place_of_mask(mask)
    assert place.box_xyxy == (20, 10, 29, 16)
    assert place.weight_HW.sum() == 41


def test_an_empty_mask_is_refused_in_words() -> None:
    with pytest.raises(ImageError, match="the mask marks no pixel; mark the defect"):
        place_of_mask(np.zeros((30, 40), bool))


def map_of(scores: NDArray[np.float32]) -> AnomalyMap:
    return AnomalyMap(
        patch_scores_HW=scores,
        patch_stride_px=(1.0, 1.0),
        patch_centre_px=(0.0, 0.0),
        image_size_HW=(scores.shape[0], scores.shape[1]),
        score=1.0,
        p_value=0.01,
        calibration_size=99,
        limit=1.0,
        extent_limit=0.5,
        encoder="test",
    )


def test_the_place_of_a_region_is_where_the_map_is_highest() -> None:
    y, x = np.mgrid[:60, :60]
    scores = (3 * np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 200)).astype(np.float32)
    anomaly = map_of(scores)
    (region,) = find_regions(anomaly, np.zeros((60, 60), np.float32))
    place = place_of_region(region, anomaly)
    level = np.quantile(scores, 0.95)
    level = min(level, np.quantile(scores[scores >= 1.5], 0.9))
    expected = np.where(scores >= 1.5, np.maximum(scores - level, 0), 0)
    expected /= expected.max()
    left, top, right, bottom = place.box_xyxy
    found = np.zeros_like(scores)
    found[top:bottom, left:right] = place.weight_HW
    assert found == pytest.approx(expected, abs=1e-5)
    assert place.weight_HW.any(axis=0).all()
    assert place.weight_HW.any(axis=1).all()


def test_a_plateau_counts_as_a_whole() -> None:
    scores = np.zeros((40, 40), np.float32)
    scores[10:20, 10:30] = 2
    anomaly = map_of(scores)
    (region,) = find_regions(anomaly, scores)
    place = place_of_region(region, anomaly)
    assert place.box_xyxy == (10, 10, 30, 20)
    assert (place.weight_HW == 1).all()


def test_the_strongest_region_is_found_below_every_limit() -> None:
    y, x = np.mgrid[:40, :40]
    scores = np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 30).astype(np.float32) / 10
    anomaly = map_of(scores)
    assert find_regions(anomaly, scores) == ()
    region = strongest_region(anomaly, scores)
    assert region is not None
    assert region.peak_score == pytest.approx(0.1)
    assert region.area_px == (scores >= 0.05).sum()
    assert strongest_region(map_of(np.zeros_like(scores)), scores) is None


def test_three_examples_of_each_kind_name_new_ones() -> None:
    """Blots, bright lines and torn corners on speckle, without any aligned reference."""
    rng = np.random.default_rng(0)

    def part() -> Pixels:
        return rng.normal(130, 12, (128, 128, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)

    def show(kind: str) -> tuple[Pixels, NDArray[np.bool_]]:
        pixels = part()
        y, x = np.mgrid[:128, :128] - rng.integers(35, 93, (2, 1, 1))
        slant = rng.uniform(-0.4, 0.4)
        mask = {
            "blot": y**2 + x**2 < rng.integers(8, 14) ** 2,
            "scratch": (abs(y - slant * x) < 2) & (abs(x) < 30),
            "chip": (y + x) > 100,
        }[kind]
        if kind == "chip":
            corner = np.add(*np.mgrid[:128, :128])
            mask = corner < rng.integers(25, 45)
        pixels[mask] = 240 if kind == "scratch" else 20
        return pixels, mask

    encoder = load_encoder()
    kinds = ["blot", "chip", "scratch"]
    names = [kind for kind in kinds for _ in range(5)]
    shown = [show(name) for name in names]
    normal = part()
    found = np.stack([describe_place(p, place_of_mask(m), normal, encoder) for p, m in shown])
    example = np.arange(len(names)) % 5 < 3
    model = KindModel.fit(
        found[example], [n for n, is_one in zip(names, example, strict=True) if is_one]
    )
    for descriptor, name in zip(found[~example], np.array(names)[~example], strict=True):
        assert next(iter(model.predict(descriptor).probabilities)) == name
