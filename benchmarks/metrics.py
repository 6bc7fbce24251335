"""Metrics as pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.stats import rankdata


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: how often a defective part scores above a good one.

    Mann–Whitney U with ties counted half (Hanley & McNeil 1982).

    Args:
        labels: True for a defective part.
        scores: Higher is more anomalous.

    Raises:
        ValueError: If one of the two classes is missing.
    """
    defective = np.asarray(labels, bool)
    n_defective, n_good = _check_classes(defective)
    ranks = rankdata(np.asarray(scores, float))
    u = ranks[defective].sum() - n_defective * (n_defective + 1) / 2
    return float(u / (n_defective * n_good))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean precision over the defective parts, from the highest score down; ties count as one step.

    Args:
        labels: True for a defective part.
        scores: Higher is more anomalous.

    Raises:
        ValueError: If one of the two classes is missing.
    """
    true_K, false_K = _counts_by_threshold(labels, scores)
    found_K = np.diff(true_K, prepend=0) / true_K[-1]
    return float((found_K * true_K / (true_K + false_K)).sum())


def f1_max(labels: ArrayLike, scores: ArrayLike) -> float:
    """The highest F1 score that any threshold reaches: an upper bound that sees the labels.

    Args and errors are those of ``average_precision``.
    """
    true_K, false_K = _counts_by_threshold(labels, scores)
    return float((2 * true_K / (true_K + false_K + true_K[-1])).max())


def aupro(
    maps: Sequence[NDArray[np.float32]], masks: Sequence[NDArray[np.bool_]], limit: float = 0.3
) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate of ``limit``, 0 to 1.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (IJCV 2021), section 4.2: at every
    threshold the overlap of each connected defect counts alike, however small the defect is.

    Args:
        maps: float32 (H, W) scores of every image, good ones too.
        masks: bool (H, W), True where an image is defective.
        limit: Highest share of normal pixels taken for defective.

    Raises:
        ValueError: If there is no defective or no normal pixel.
    """
    scores = np.concatenate([m.ravel() for m in maps])
    shares = np.concatenate([_share_of_its_region(mask).ravel() for mask in masks])
    normal = shares == 0
    n_regions = round(float(shares.sum()))
    if not n_regions or not normal.any():
        raise ValueError("need defective and normal pixels")
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    fpr_K = np.cumsum(normal[order])[last_of_ties] / normal.sum()
    overlap_K = np.cumsum(shares[order])[last_of_ties] / n_regions
    fpr_K, overlap_K = np.append(0, fpr_K), np.append(0, overlap_K)
    inside = fpr_K <= limit
    fpr = np.append(fpr_K[inside], limit)
    overlap = np.append(overlap_K[inside], np.interp(limit, fpr_K, overlap_K))
    return float(np.trapezoid(overlap, fpr) / limit)


def _share_of_its_region(mask_HW: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each defective pixel one over the size of its 8-connected region, else 0."""
    labels_HW, _ = ndimage.label(mask_HW, structure=np.ones((3, 3)))
    sizes = np.bincount(labels_HW.ravel()).astype(float)
    shares = 1 / np.maximum(sizes, 1)
    shares[0] = 0
    return np.asarray(shares[labels_HW])


def _counts_by_threshold(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Defective and good parts at or above each distinct score, from the highest down."""
    defective = np.asarray(labels, bool)
    _check_classes(defective)
    values = np.asarray(scores, float)
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.append(np.diff(values[order]) != 0, True)
    true_K = np.cumsum(defective[order])[last_of_ties]
    false_K = np.cumsum(~defective[order])[last_of_ties]
    return true_K.astype(float), false_K.astype(float)


def _check_classes(defective: NDArray[np.bool_]) -> tuple[int, int]:
    n_defective, n_good = int(defective.sum()), int((~defective).sum())
    if not n_defective or not n_good:
        raise ValueError(f"need both classes, got {n_good} good and {n_defective} defective")
    return n_defective, n_good
