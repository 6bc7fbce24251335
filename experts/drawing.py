"""Evidence as pictures: the anomaly map over the image, a place beside the same normal place."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from experts.evidence import AnomalyMap


def heat(anomaly: AnomalyMap, rgb_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in grey with its map in colours over it, uint8 (H, W, 3).

    Nothing below the extent limit, yellow at the limit, red at twice the limit and beyond. Without
    limits the colours span the map: nothing at its lowest place, red at its highest.

    Args:
        anomaly: The map.
        rgb_HW3: The upright image, uint8.
    """
    scores_HW = anomaly.scores_HW
    begin, yellow, red = anomaly.extent_limit, anomaly.limit, 2 * anomaly.limit
    if not math.isfinite(yellow):
        begin, red = float(scores_HW.min()), float(scores_HW.max())
        yellow = (begin + red) / 2
    strength = _ramp(scores_HW, begin, yellow) * 0.6
    redness = _ramp(scores_HW, yellow, red)
    colour = np.concatenate(
        [np.full_like(redness, 255), 220 * (1 - redness), 30 * np.ones_like(redness)], axis=2
    )
    grey = rgb_HW3.mean(axis=2, keepdims=True)
    blended: NDArray[np.uint8] = (grey * (1 - strength) + colour * strength).astype(np.uint8)
    return blended


def _ramp(scores_HW: NDArray[np.float32], start: float, end: float) -> NDArray[np.float32]:
    """From 0 at the start to 1 at the end, (H, W, 1)."""
    level_HW = (scores_HW - start) / max(end - start, 1e-6)
    return np.asarray(np.clip(level_HW, 0, 1)[..., None], np.float32)
