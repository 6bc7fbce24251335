"""Zones: named parts of an image in relative coordinates, and what lies in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon

from experts.evidence import Region, Sight
from experts.knowledge.schema import Zone

BoolArray = NDArray[np.bool_]


def corners_of(zone: Zone, sight: Sight) -> NDArray[np.float64]:
    """A zone's corners (x, y) in image pixels, (N, 2).

    Args:
        zone: In relative coordinates.
        sight: What these refer to in the image.
    """
    if zone.polygon is not None:
        shares_N2 = np.array(zone.polygon, float)
    else:
        left, top, right, bottom = zone.box or (0, 0, 1, 1)
        shares_N2 = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    origin, right_xy, down_xy = (np.array(corner) for corner in sight.corners_xy)
    axes_22 = np.stack([right_xy - origin, down_xy - origin])
    return np.asarray(shares_N2 @ axes_22 + origin)


def mask_of(zone: Zone, sight: Sight, size_HW: tuple[int, int]) -> BoolArray:
    """The pixels of an image whose centres lie in a zone, bool (H, W)."""
    corners_N2 = corners_of(zone, sight)
    mask_HW = np.zeros(size_HW, bool)
    mask_HW[polygon(corners_N2[:, 1], corners_N2[:, 0], size_HW)] = True
    return mask_HW


def touches(region: Region, zone_HW: BoolArray) -> bool:
    """Whether any pixel of a region lies in a zone."""
    return bool((_inside(region, zone_HW) & region.mask).any())


def lies_in(region: Region, zone_HW: BoolArray) -> bool:
    """Whether all pixels of a region lie in a zone."""
    return bool(_inside(region, zone_HW)[region.mask].all())


def distance_to_border(region: Region, zone_HW: BoolArray) -> float:
    """Pixels between a region and the border of a zone that it touches; 0 if it reaches it."""
    padded = np.pad(zone_HW, 1)
    distances_HW = ndimage.distance_transform_edt(padded)[1:-1, 1:-1] - 1
    inside = _inside(region, distances_HW)
    return max(0.0, float(inside[region.mask].min()))


def distance_to_edge(region: Region, size_HW: tuple[int, int]) -> float:
    """Pixels between a region and the edge of the image; 0 if it reaches it."""
    left, top, right, bottom = region.box_xyxy
    height, width = size_HW
    return float(min(left, top, width - right, height - bottom))


def _inside(region: Region, image_HW: NDArray[np.generic]) -> NDArray[np.generic]:
    left, top, right, bottom = region.box_xyxy
    return image_HW[top:bottom, left:right]
