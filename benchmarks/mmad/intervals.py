"""Confidence intervals by bootstrap over images, whose questions are right or wrong together.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), the percentile method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
# So many images are drawn at a time, which bounds the memory.
_AT_ONCE = 4_000_000


def resample(counts_NC: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Sums over as many images as there are, drawn again and again with replacement.

    Args:
        counts_NC: What is counted of each image.
        draws: How often.
        random: Draws the images.

    Returns:
        The sums, (draws, C).
    """
    images = len(counts_NC)
    if images == 0:
        return np.zeros((draws, counts_NC.shape[1]))
    rows = max(1, _AT_ONCE // images)
    parts = [min(rows, draws - start) for start in range(0, draws, rows)]
    return np.concatenate([_times_drawn(images, n, random) @ counts_NC for n in parts])


def _times_drawn(images: int, draws: int, random: np.random.Generator) -> Floats:
    """How often each image was drawn, (draws, images)."""
    drawn = random.integers(0, images, (draws, images)) + images * np.arange(draws)[:, None]
    times = np.bincount(drawn.ravel(), minlength=draws * images)
    return times.reshape(draws, images).astype(np.float64)


def interval(figures_DX: Floats) -> Floats:
    """The bounds between which ``LEVEL`` of all draws lie.

    A draw that lacks a figure (NaN) is left out of it: few images are asked of a rare subtask, and
    sometimes none of them is drawn.

    Returns:
        Lower and upper bounds, (2, X); NaN where no draw has the figure.
    """
    bounds_2X = np.full((2, *figures_DX.shape[1:]), np.nan)
    known_X = ~np.isnan(figures_DX).all(axis=0)
    tails = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    bounds_2X[:, known_X] = np.nanpercentile(figures_DX[:, known_X], tails, axis=0)
    return bounds_2X
