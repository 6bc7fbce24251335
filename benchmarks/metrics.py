"""Metrics as pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
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


def auroc_of_counts(good_K: ArrayLike, defective_K: ArrayLike) -> float:
    """``auroc`` of a histogram; what shares a bin counts as a tie.

    Args:
        good_K: How many good ones have each score, from the lowest score up.
        defective_K: How many defective ones have it.

    Raises:
        ValueError: If one of the two classes is missing.
    """
    good, defective = np.asarray(good_K, float), np.asarray(defective_K, float)
    if not good.any() or not defective.any():
        raise ValueError("need both classes")
    below_K = np.cumsum(good) - good / 2
    return float((defective * below_K).sum() / (good.sum() * defective.sum()))


def aupro_of_counts(normal_K: ArrayLike, overlap_K: ArrayLike, limit: float = 0.3) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate of ``limit``, 0 to 1.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (IJCV 2021), section 4.2: at every
    threshold the overlap of each connected defect counts alike, however small the defect is.

    Args:
        normal_K: How many normal pixels have each score, from the lowest score up.
        overlap_K: The same of defective pixels, each weighing one over the size of its region.
        limit: Highest share of normal pixels taken for defective.

    Raises:
        ValueError: If there is no defective or no normal pixel.
    """
    normal, overlap = np.asarray(normal_K, float)[::-1], np.asarray(overlap_K, float)[::-1]
    if not normal.any() or not overlap.any():
        raise ValueError("need defective and normal pixels")
    taken = (normal > 0) | (overlap > 0)
    fpr_K = np.append(0, np.cumsum(normal[taken]) / normal.sum())
    pro_K = np.append(0, np.cumsum(overlap[taken]) / overlap.sum())
    inside = fpr_K <= limit
    fpr = np.append(fpr_K[inside], limit)
    pro = np.append(pro_K[inside], np.interp(limit, fpr_K, pro_K))
    return float(np.trapezoid(pro, fpr) / limit)


def share_found(
    peaks: Sequence[float], false_peaks: Sequence[float], images: int, rate: float = 0.2
) -> float:
    """Share of defects that are found at the threshold with at most ``rate`` false blobs an image.

    All regions of all images stand against one threshold, the lowest that leaves so few false
    ones; among equal peaks none is let through.

    Args:
        peaks: Of each defect the highest peak of a region that hits it; −inf where none does.
        false_peaks: Peak of each region that touches no defect.
        images: How many images they come from, good ones too.
        rate: False blobs an image that are allowed.

    Raises:
        ValueError: If there is no defect.
    """
    if not len(peaks):
        raise ValueError("need at least one defect")
    allowed = int(rate * images + 1e-9)
    ordered = np.sort(np.asarray(false_peaks, float))[::-1]
    threshold = ordered[allowed] if len(ordered) > allowed else -np.inf
    return float((np.asarray(peaks, float) > threshold).mean())


def expected_calibration_error(
    right: ArrayLike, confidences: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> float:
    """How far confidences lie from the share that is right, 0 to 1, averaged over all of them.

    Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning"
    (AAAI 2015), with bins of about equal weight (Nguyen & O'Connor 2015); those with the same
    confidence share a bin.

    Args:
        right: Whether what was said is true.
        confidences: The probability that was given for it.
        weights: How much each counts; by default all alike.
        bins: How many there are at most.

    Raises:
        ValueError: If there is nothing, nothing counts, or a confidence is no probability.
    """
    bin_n, share_n = bins_of_equal_weight(confidences, weights, bins)
    gap_n = (np.asarray(right, bool) - np.asarray(confidences, float)) * share_n
    return float(np.abs(np.bincount(bin_n, gap_n)).sum())


def bins_of_equal_weight(
    confidences: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Put confidences into at most ``bins`` bins by their order, equal ones together.

    Returns:
        The number of each one's bin, and its share of all weight.

    Raises:
        ValueError: As ``expected_calibration_error``.
    """
    given = np.asarray(confidences, float)
    counts = np.ones_like(given) if weights is None else np.asarray(weights, float)
    if not counts.sum() > 0:
        raise ValueError("need something that counts")
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("need confidences between 0 and 1")
    _, level_n = np.unique(given, return_inverse=True)
    share_n = counts / counts.sum()
    share_L = np.bincount(level_n, share_n)
    # The middle of a level's weight tells its bin, so a heavy level gets one of its own.
    middle_L = np.cumsum(share_L) - share_L / 2
    bin_L = np.minimum((middle_L * bins + 1e-9).astype(np.intp), bins - 1)
    return bin_L[level_n], share_n


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
