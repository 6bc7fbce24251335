"""How far places lie from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from experts.evidence import Region


def gap_px(one: Region, other: Region) -> float:
    """How many pixels lie between two regions; 0 if they touch."""
    return _beyond(cKDTree(_outline(one)), other)


def nearest_other(region: Region, regions: Sequence[Region]) -> tuple[Region | None, float]:
    """The region that is nearest to one, and how many pixels lie between the two."""
    others = [other for other in regions if other.id != region.id]
    if not others:
        return None, math.inf
    tree = cKDTree(_outline(region))
    gaps = [_beyond(tree, other) for other in others]
    nearest = int(np.argmin(gaps))
    return others[nearest], gaps[nearest]


def _beyond(tree: cKDTree, other: Region) -> float:
    # Neighbouring pixels have centres one pixel apart, and nothing between them.
    return max(0.0, float(tree.query(_outline(other))[0].min()) - 1)


def _outline(region: Region) -> NDArray[np.float64]:
    """Pixels (N, 2) of a region's rim, as (y, x) of the image."""
    padded = np.pad(region.mask, 1)
    rim = padded & ~ndimage.binary_erosion(padded)
    left, top = region.box_xyxy[:2]
    return np.asarray(np.argwhere(rim[1:-1, 1:-1]) + np.array([top, left]), float)
