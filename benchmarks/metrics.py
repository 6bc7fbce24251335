"""Metrics as pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
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
    n_defective, n_good = int(defective.sum()), int((~defective).sum())
    if not n_defective or not n_good:
        raise ValueError(f"need both classes, got {n_good} good and {n_defective} defective")
    ranks = rankdata(np.asarray(scores, float))
    u = ranks[defective].sum() - n_defective * (n_defective + 1) / 2
    return float(u / (n_defective * n_good))
