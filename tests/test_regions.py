from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from echo.inspector import Inspector
from echo.line import ProductLine
from experts.decoder.encoder import Features
from experts.decoder.regions import (
    MAX_REGIONS,
    find_regions,
    in_scale,
    marked_region,
    measure_region,
    place_in_words,
    spread,
    upsample,
)
from experts.evidence import AnomalyMap

FloatArray = NDArray[np.float32]


def anomaly_of(scores: FloatArray, limit: float, extent: float, stride: float = 1.0) -> AnomalyMap:
    height, width = scores.shape
    return AnomalyMap(
        patch_scores_HW=scores,
        patch_stride_px=(stride, stride),
        patch_centre_px=((stride - 1) / 2, (stride - 1) / 2),
        image_size_HW=(round(height * stride), round(width * stride)),
        score=1.0,
        p_value=0.01,
        calibration_size=99,
        limit=limit,
        extent_limit=extent,
        encoder="test",
    )


def slow_upsample(
    patches: FloatArray, size: tuple[int, int], stride: float, centre: float
) -> FloatArray:
    def at(row: float, column: float) -> float:
        rows, columns = patches.shape
        r = min(max((row - centre) / stride, 0), rows - 1)
        c = min(max((column - centre) / stride, 0), columns - 1)
        r0, c0 = min(int(r), rows - 2), min(int(c), columns - 2)
        fr, fc = r - r0, c - c0
        return float(
            patches[r0, c0] * (1 - fr) * (1 - fc)
            + patches[r0 + 1, c0] * fr * (1 - fc)
            + patches[r0, c0 + 1] * (1 - fr) * fc
            + patches[r0 + 1, c0 + 1] * fr * fc
        )

    return np.array([[at(y, x) for x in range(size[1])] for y in range(size[0])], np.float32)


@pytest.mark.parametrize(("stride", "centre"), [(4.0, 1.5), (4.7, 4.4), (3.0, 0.0)])
def test_upsampling_equals_bilinear_interpolation_by_hand(stride: float, centre: float) -> None:
    patches = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    fast = upsample(patches, (23, 31), (stride, stride), (centre, centre))
    assert fast == pytest.approx(slow_upsample(patches, (23, 31), stride, centre), abs=1e-5)


def test_a_peak_lands_where_its_patch_looks() -> None:
    patches = np.zeros((8, 8), np.float32)
    patches[2, 5] = 1
    scores = upsample(patches, (128, 128), (16.0, 16.0), (15.0, 15.0))
    assert divmod(int(scores.argmax()), 128) == (2 * 16 + 15, 5 * 16 + 15)


def flood(mask: NDArray[np.bool_], seed: tuple[int, int]) -> set[tuple[int, int]]:
    todo, found = [seed], set()
    while todo:
        y, x = todo.pop()
        if (y, x) in found or not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]):
            continue
        if mask[y, x]:
            found.add((y, x))
            todo += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return found


def walk_uphill(scores: FloatArray, y: int, x: int) -> tuple[int, int]:
    while True:
        around = [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        inside = [(r, c) for r, c in around if 0 <= r < len(scores) and 0 <= c < len(scores[0])]
        best = max(inside, key=lambda place: scores[place])
        if scores[best] <= scores[y, x]:
            return y, x
        y, x = best


def slow_regions(scores: FloatArray, limit: float, extent: float) -> list[set[tuple[int, int]]]:
    left = scores.copy()
    every = [(y, x) for y in range(len(scores)) for x in range(len(scores[0]))]
    peak_of = {place: walk_uphill(scores, *place) for place in every}
    regions: list[set[tuple[int, int]]] = []
    for peak in sorted(set(peak_of.values()), key=lambda place: -scores[place]):
        if left[peak] > limit:
            pixels = flood(left >= max(extent, left[peak] / 2), peak)
            regions.append(pixels)
            for place in every:
                if place in pixels or peak_of[place] in pixels:
                    left[place] = 0
    return regions[:MAX_REGIONS]


@pytest.mark.parametrize("seed", range(8))
def test_regions_equal_flood_filling_from_each_peak_and_walking_uphill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.random((6, 6)).astype(np.float32) ** 3
    scores = upsample(coarse, (36, 36), (6.0, 6.0), (2.5, 2.5))
    regions = find_regions(anomaly_of(scores, 0.4, 0.25), np.zeros((36, 36), np.float32))
    expected = slow_regions(scores, 0.4, 0.25)
    assert len(regions) == len(expected) > 0
    for region, pixels in zip(regions, expected, strict=True):
        left, top = region.box_xyxy[:2]
        assert {(int(y) + top, int(x) + left) for y, x in np.argwhere(region.mask)} == pixels
        assert region.area_px == len(pixels)


def test_the_flanks_of_a_peak_are_no_region_of_their_own() -> None:
    y, x = np.mgrid[:60, :60]
    high = 10 * np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / 60)
    low = 3 * np.exp(-((y - 45) ** 2 + (x - 45) ** 2) / 20)
    scores = (high + low).astype(np.float32)
    first, second = find_regions(anomaly_of(scores, 1.0, 0.5), np.zeros((60, 60), np.float32))
    assert (first.peak_score, second.peak_score) == pytest.approx((10, 3), abs=0.01)
    assert all(abs(edge - 45) < 8 for edge in second.box_xyxy)


def test_nothing_above_the_limit_is_no_region() -> None:
    scores = np.full((10, 10), 0.5, np.float32)
    assert find_regions(anomaly_of(scores, 0.5, 0.1), scores) == ()


def test_a_map_full_of_peaks_keeps_the_strongest() -> None:
    scores = np.zeros((40, 40), np.float32)
    scores[::2, ::2] = np.linspace(1, 2, 400).reshape(20, 20)
    regions = find_regions(anomaly_of(scores, 0.5, 0.1), scores)
    peaks = [r.peak_score for r in regions]
    assert len(regions) == MAX_REGIONS
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] == pytest.approx(2)


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((0, 0, 10, 10), "top left"),
        ((45, 45, 55, 55), "centre"),
        ((90, 45, 100, 55), "right"),
        ((0, 90, 10, 100), "bottom left"),
        ((45, 0, 55, 10), "top"),
    ],
)
def test_places(box: tuple[int, int, int, int], place: str) -> None:
    assert place_in_words(box, (100, 100)) == place


def test_measures_in_mm_and_contrast() -> None:
    grey = np.full((50, 50), 0.8, np.float32)
    grey[20:24, 10:30] = 0.3
    region = measure_region("region-1", np.ones((4, 20), bool), (10, 20), 1.0, grey, mm_per_px=0.5)
    diagonal = math.hypot(19, 3) + 1
    assert region.length_px == pytest.approx(diagonal, abs=0.01)
    assert region.length_mm == pytest.approx(diagonal / 2, abs=0.01)
    assert (region.width_px, region.width_mm) == (4, 2)
    assert (region.area_px, region.area_mm2) == (80, 20)
    assert region.contrast == pytest.approx(-0.5)
    assert region.looks == "dark line"
    assert region.place == "centre"


def test_another_scale_is_as_if_it_had_been_measured_so() -> None:
    grey_HW = np.zeros((60, 60), np.float32)
    scales = (None, 0.1, 0.25)
    for mask_HW in (np.ones((2, 40), bool), np.ones((9, 8), bool)):
        regions = [measure_region("region-1", mask_HW, (3, 5), 2.0, grey_HW, s) for s in scales]
        for old in regions:
            for new, scale in zip(regions, scales, strict=True):
                assert in_scale(old, scale).model_dump_json() == new.model_dump_json()
    assert regions[0].skeleton_length_px is None


@pytest.mark.parametrize(
    ("grey", "size_HW", "looks"),
    [
        (0.3, (4, 20), "dark line"),
        (0.8, (8, 12), "bright spot"),
        (0.51, (8, 12), "odd spot"),
        (0.3, (30, 40), "dark area"),
    ],
)
def test_looks(grey: float, size_HW: tuple[int, int], looks: str) -> None:
    height, width = size_HW
    image = np.full((50, 50), 0.5, np.float32)
    image[5 : 5 + height, 5 : 5 + width] = grey
    region = measure_region("region-1", np.ones(size_HW, bool), (5, 5), 1.0, image)
    assert region.looks == looks


@pytest.mark.parametrize("stride", [4.0, 4.7])
def test_spreading_a_weight_is_the_transpose_of_upsampling(stride: float) -> None:
    rng = np.random.default_rng(0)
    patches, weight = rng.random((5, 7)), rng.random((23, 31))
    features = Features(
        np.zeros(1, np.float32), np.zeros((5, 7, 1), np.float32), (stride,) * 2, (1.5,) * 2
    )
    spread_out = spread(weight.astype(np.float32), features)
    up = upsample(patches.astype(np.float32), (23, 31), (stride,) * 2, (1.5,) * 2)
    assert (spread_out * patches).sum() == pytest.approx((up * weight).sum(), rel=1e-4)
    assert spread_out.sum() == pytest.approx(weight.sum(), rel=1e-4)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    """Of a line of large parts: stripes, shading and noise, 512 × 512."""
    home = tmp_path_factory.mktemp("large")
    parts = [large_part(seed) for seed in range(20)]
    return Inspector(ProductLine.enroll("large", parts, home=home, progress=False))


def large_part(seed: int, defect: str = "") -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:512, :512]
    shade = Image.fromarray(rng.normal(0, 8, (16, 16)).astype(np.float32))
    grey = 140 + 25 * np.sin(x * 2 * np.pi / 64) + rng.normal(0, 3, x.shape)
    grey += np.asarray(shade.resize((512, 512), Image.Resampling.BICUBIC))
    if defect == "blot":
        grey[(y - 320) ** 2 + (x - 330) ** 2 <= 64**2] = 15
    if defect == "bent crack":
        grey[(abs(np.hypot(y - 300, x - 256) - 150) < 10) & (y < 300)] = 15
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("defect", ["blot", "bent crack"])
def test_regions_hold_when_the_resolution_changes(inspector: Inspector, defect: str) -> None:
    """Area to 10 %, lengths to 6 %, box to 1 % of the image, for the strongest region."""
    image = Image.fromarray(large_part(100, defect))
    expected = inspector.inspect(image).regions[0]
    for factor in (0.5, 2):
        size = round(512 * factor)
        resized = image.resize((size, size), Image.Resampling.BICUBIC)
        region = inspector.inspect(resized).regions[0]
        assert region.area_px / factor**2 == pytest.approx(expected.area_px, rel=0.1)
        assert region.length_px / factor == pytest.approx(expected.length_px, rel=0.06)
        assert region.width_px / factor == pytest.approx(expected.width_px, rel=0.06)
        edges = [edge / factor for edge in region.box_xyxy]
        assert edges == pytest.approx(expected.box_xyxy, abs=0.01 * 512)
        assert (region.place, region.looks) == (expected.place, expected.looks)
        if defect == "bent crack":
            assert region.skeleton_length_px is not None
            assert expected.skeleton_length_px is not None
            along = region.skeleton_length_px / factor
            assert along == pytest.approx(expected.skeleton_length_px, rel=0.06)
            assert along > 1.1 * region.length_px / factor


def test_a_mask_marks_the_region_that_it_covers_most() -> None:
    scores = np.zeros((20, 30), np.float32)
    scores[3:7, 3:7] = 9
    scores[12:16, 10:14] = 1.5
    scores[12:16, 20:26] = 2
    grey = np.zeros(scores.shape, np.float32)
    anomaly = anomaly_of(scores, 5, 4)
    mask = np.zeros(scores.shape, bool)
    mask[10:18, 13:22] = True
    region = marked_region(anomaly, grey, mask)
    assert region is not None
    assert region.box_xyxy == (20, 12, 26, 16)
    mask[10:18, 10:22] = True
    region = marked_region(anomaly, grey, mask)
    assert region is not None
    assert region.box_xyxy == (10, 12, 14, 16)
    assert marked_region(anomaly, grey, scores == 0) is None
    assert marked_region(anomaly_of(scores * 0, 5, 4), grey, mask) is None
