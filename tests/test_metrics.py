from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks.metrics import aupro, auroc, average_precision, f1_max

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


@pytest.mark.parametrize("seed", range(4))
def test_aupro_equals_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = [ndimage.binary_dilation(rng.random((12, 15)) < 0.02, iterations=2) for _ in range(3)]
    masks.append(np.zeros((9, 9), bool))
    maps = [np.round(rng.random(m.shape) + 0.5 * m, 2).astype(np.float32) for m in masks]
    assert aupro(maps, masks) == pytest.approx(slow_aupro(maps, masks, 0.3), abs=1e-3)


def test_aupro_of_a_perfect_and_of_a_flat_map() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3:6, 3:6] = True
    mask[10, 10:18] = True
    assert aupro([mask.astype(np.float32)], [mask]) == pytest.approx(1)
    assert aupro([np.ones((20, 20), np.float32)], [mask]) == pytest.approx(0.15)
    with pytest.raises(ValueError, match="need defective and normal pixels"):
        aupro([np.ones((2, 2), np.float32)], [np.zeros((2, 2), bool)])
