from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, lists, tuples
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks.boxes import BoxCounts
from benchmarks.metrics import (
    auroc,
    average_precision,
    bins_of_equal_weight,
    expected_calibration_error,
    f1_max,
    share_found,
)
from benchmarks.pixels import PixelCounts
from experts.decoder.regions import measure_region
from experts.evidence import Region

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


def test_auroc_by_hand() -> None:
    assert auroc([0, 0, 1, 1], [1, 3, 2, 4]) == 0.75
    assert auroc([0, 1], [5, 5]) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auroc_equals_the_library_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random(200) < 0.3
    scores = np.round(rng.normal(size=200) + labels, 1)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@pytest.mark.parametrize("metric", [auroc, average_precision, f1_max])
def test_both_classes_are_needed(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="need both classes, got 2 good and 0 defective"):
        metric([0, 0], [1, 2])


def test_average_precision_and_f1_by_hand() -> None:
    # From the top: defective 1/1, good 1/2, defective 2/3.
    assert average_precision([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert f1_max([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx(2 * 2 / (2 * 2 + 1))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_and_f1_equal_the_library_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random(200) < 0.3
    scores = np.round(rng.normal(size=200) + labels, 1)
    precision, recall, _ = precision_recall_curve(labels, scores)
    best = max(2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True) if p + r)
    assert f1_max(labels, scores) == pytest.approx(best)
    assert average_precision(labels, scores) == pytest.approx(
        average_precision_score(labels, scores)
    )


def slow_aupro(maps: list[FloatArray], masks: list[BoolArray], limit: float) -> float:
    """Every threshold anew, every region on its own, and the area by thin strips."""
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [scores[labels == i + 1] for i in range(count)]
    normal = np.concatenate([s[~m] for s, m in zip(maps, masks, strict=True)])
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted({float(v) for m in maps for v in m.ravel()}, reverse=True):
        rates.append(float((normal >= threshold).mean()))
        overlaps.append(float(np.mean([(r >= threshold).mean() for r in regions])))
    strips = (np.arange(200_000) + 0.5) / 200_000 * limit
    return float(np.interp(strips, rates, overlaps).mean())


def counted(maps: list[FloatArray], masks: list[BoolArray]) -> PixelCounts:
    counts = PixelCounts()
    for scores, mask in zip(maps, masks, strict=True):
        counts.add(scores, mask)
    return counts


def some_masks(rng: np.random.Generator) -> list[BoolArray]:
    masks = [ndimage.binary_dilation(rng.random((12, 15)) < 0.02, iterations=2) for _ in range(3)]
    return [*masks, np.zeros((9, 9), bool)]


@pytest.mark.parametrize("seed", range(4))
def test_pixel_figures_equal_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = some_masks(rng)
    # Steps of 1/64, above and below zero, fit into the histogram's bins.
    exact = [np.round(64 * (rng.normal(size=mask.shape) + mask)) / 64 for mask in masks]
    maps = [scores.astype(np.float32) for scores in exact]
    labels = np.concatenate([m.ravel() for m in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    counts = counted(maps, masks)
    assert counts.auroc() == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert counts.aupro() == pytest.approx(slow_aupro(maps, masks, 0.3), abs=1e-4)
    assert counts.aupro(0.05) == pytest.approx(slow_aupro(maps, masks, 0.05), abs=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounding_of_pixel_scores_is_harmless_at_any_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    masks = some_masks(rng)
    maps = [(scale * (rng.random(m.shape) + 0.5 * m)).astype(np.float32) for m in masks]
    labels = np.concatenate([m.ravel() for m in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    counts = counted(maps, masks)
    assert counts.auroc() == pytest.approx(auroc(labels, scores), abs=1e-3)
    assert counts.aupro() == pytest.approx(slow_aupro(maps, masks, 0.3), abs=3e-3)


def test_pixel_figures_of_a_perfect_and_of_a_flat_map() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3:6, 3:6] = True
    mask[10, 10:18] = True
    perfect = counted([mask.astype(np.float32)], [mask])
    assert perfect.auroc() == 1
    assert perfect.aupro() == pytest.approx(1)
    flat = counted([np.zeros((20, 20), np.float32)], [mask])
    assert flat.auroc() == 0.5
    assert flat.aupro() == pytest.approx(0.15)
    clean = counted([np.ones((2, 2), np.float32)], [np.zeros((2, 2), bool)])
    with pytest.raises(ValueError, match="need defective and normal pixels"):
        clean.aupro()
    with pytest.raises(ValueError, match="need both classes"):
        clean.auroc()


def region(box_xyxy: tuple[int, int, int, int], peak: float) -> Region:
    """A region that fills the lower right triangle of its box."""
    left, top, right, bottom = box_xyxy
    y, x = np.mgrid[: bottom - top, : right - left]
    mask = y + x >= bottom - top - 1
    grey_HW = np.zeros((100, 100), np.float32)
    return measure_region("region-1", mask, (left, top), peak, grey_HW)


def test_boxes_by_hand() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:30, 20:30] = True
    mask[60:70, 60:70] = True
    nothing = np.zeros((100, 100), bool)
    counts = BoxCounts()
    # The first defect is hit twice, the best peak counts; the region at (80, 0) is false.
    counts.add([region((25, 25, 35, 35), 3), region((10, 10, 25, 25), 5)], mask)
    counts.add([region((80, 0, 90, 10), 4)], mask)
    for _ in range(3):
        counts.add([], nothing)
    # Five images allow one false blob: every peak counts, one of four defects is hit.
    assert counts.found() == 0.25
    counts.add([region((60, 55, 70, 70), 4.5), region((5, 80, 20, 95), 6)], mask)
    # Two false blobs, of which one is allowed: peaks above 4 count, 5 and 4.5, of six defects.
    assert counts.found() == pytest.approx(2 / 6)


def test_how_far_a_region_reaches() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:30, 20:30] = True

    def found(box_xyxy: tuple[int, int, int, int]) -> tuple[float, bool]:
        counts = BoxCounts()
        counts.add([region(box_xyxy, 1.0)], mask)
        return counts.found(), counts._false_peaks == [1.0]

    # The box ends at 17, exclusive; three pixels beside the defect begin at 17.
    assert found((8, 20, 18, 30)) == (1, False)
    assert found((7, 20, 17, 30)) == (0, True)
    # The empty corner of the triangle lies over the defect: neither hit nor false.
    assert found((28, 28, 60, 60)) == (0, False)


def test_share_found_by_hand() -> None:
    assert share_found([5, 3, -np.inf], [4, 2], images=5) == pytest.approx(2 / 3)
    assert share_found([5, 3, -np.inf], [4, 2], images=4) == pytest.approx(1 / 3)
    assert share_found([4, 4], [4], images=1) == 0  # equal to a false blob, so not let through
    assert share_found([1], [], images=1) == 1
    with pytest.raises(ValueError, match="need at least one defect"):
        share_found([], [1], images=1)


@given(
    hits=lists(integers(0, 9), min_size=1, max_size=8),
    false=lists(integers(0, 9), max_size=8),
    images=integers(1, 20),
)
def test_share_found_equals_a_sweep(hits: list[int], false: list[int], images: int) -> None:
    best = 0.0
    for threshold in range(11):
        if sum(peak >= threshold for peak in false) <= 0.2 * images:
            best = max(best, float(np.mean([peak >= threshold for peak in hits])))
    assert share_found(hits, false, images) == best


def test_calibration_error_by_hand() -> None:
    # Two bins: at 0.6 one of two is right, at 0.9 all are.
    assert expected_calibration_error([1, 0, 1, 1], [0.6, 0.6, 0.9, 0.9]) == pytest.approx(
        (0.1 + 0.1) / 2
    )
    # The one that is wrong counts three times: 0.25 are right at 0.6, two thirds of the weight.
    assert expected_calibration_error(
        [1, 0, 1, 1], [0.6, 0.6, 0.9, 0.9], [1, 3, 1, 1]
    ) == pytest.approx((0.35 * 4 + 0.1 * 2) / 6)
    assert expected_calibration_error([1, 1], [1, 1]) == 0
    assert expected_calibration_error([0, 0], [1, 1]) == 1


def test_calibration_error_within_a_bin_is_not_seen() -> None:
    # In one bin the two errors cancel, in two they do not.
    assert expected_calibration_error([1, 0], [0.4, 0.6], bins=1) == pytest.approx(0)
    assert expected_calibration_error([1, 0], [0.4, 0.6], bins=2) == pytest.approx(0.6)


def test_bins_have_about_equal_weight() -> None:
    bin_n, share_n = bins_of_equal_weight([0.1, 0.2, 0.3, 0.4], bins=2)
    assert bin_n.tolist() == [0, 0, 1, 1]
    assert share_n.tolist() == [0.25] * 4
    # What is equally confident stays together, however much it is.
    bin_n, _ = bins_of_equal_weight([0.9, 0.1, 0.9, 0.9, 0.5, 0.9], bins=3)
    assert bin_n.tolist() == [2, 0, 2, 2, 0, 2]
    bin_n, _ = bins_of_equal_weight([0.1, 0.5, 0.9], [8, 1, 1], bins=5)
    assert bin_n.tolist() == [2, 4, 4]


@given(
    lists(tuples(booleans(), floats(0, 1), floats(0.1, 10)), min_size=1, max_size=30),
    integers(1, 12),
)
def test_calibration_error_equals_the_definition(
    rows: list[tuple[bool, float, float]], bins: int
) -> None:
    right, confidences, weights = (np.array(column) for column in zip(*rows, strict=True))
    bin_n, share_n = bins_of_equal_weight(confidences, weights, bins)
    assert share_n.sum() == pytest.approx(1)
    assert bin_n.max() < bins
    assert (np.diff(bin_n[np.argsort(confidences)]) >= 0).all()
    error = 0.0
    for number in set(bin_n.tolist()):
        here = bin_n == number
        total = weights[here].sum()
        share_right = (weights * right)[here].sum() / total
        mean = (weights * confidences)[here].sum() / total
        error += abs(share_right - mean) * total / weights.sum()
    assert expected_calibration_error(right, confidences, weights, bins) == pytest.approx(error)
    assert 0 <= error <= 1 + 1e-9


def test_what_has_no_calibration_error() -> None:
    with pytest.raises(ValueError, match="need something that counts"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="need something that counts"):
        expected_calibration_error([1], [0.5], [0])
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="need confidences between 0 and 1"):
            expected_calibration_error([1], [bad])
