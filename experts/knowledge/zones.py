"""Zones: named parts of an image in relative coordinates, and what lies in them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experts.evidence import Region, Sight
from experts.knowledge.schema import Zone

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


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


def mask_of(zone: Zone, sight: Sight, box_xyxy: tuple[int, int, int, int]) -> BoolArray:
    """The pixels of a box whose centres lie in a zone, bool (H, W) of the box.

    By the even-odd rule, row by row: between the first and the second crossing, the third and the
    fourth, and so on.
    """
    left, top, right, bottom = box_xyxy
    height, width = bottom - top, right - left
    corners_N2 = corners_of(zone, sight) - [left, top]
    crossings_HW = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(corners_N2, np.roll(corners_N2, -1, axis=0), strict=True):
        low, high = sorted((y0, y1))
        rows = np.arange(max(0, math.ceil(low)), min(height, math.ceil(high)))
        if len(rows):
            x = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
            columns = np.ceil(x).clip(0, width).astype(int)
            np.add.at(crossings_HW, (rows, columns), 1)
    return np.asarray(crossings_HW.cumsum(axis=1)[:, :width] % 2 == 1)


def touches(region: Region, zone: Zone, sight: Sight) -> bool:
    """Whether any pixel of a region lies in a zone."""
    return bool((mask_of(zone, sight, region.box_xyxy) & region.mask).any())


def lies_in(region: Region, zones: Iterable[Zone], sight: Sight) -> bool:
    """Whether all pixels of a region lie in some of the zones."""
    left = region.mask.copy()
    for zone in zones:
        left &= ~mask_of(zone, sight, region.box_xyxy)
    return not left.any()


def area_px(zone: Zone, sight: Sight) -> float:
    """The area of a zone in pixels of the image."""
    x_N, y_N = corners_of(zone, sight).T
    return abs(float(x_N @ np.roll(y_N, -1) - y_N @ np.roll(x_N, -1))) / 2


def distance_to_border(region: Region, zone: Zone, sight: Sight) -> float:
    """Pixels between a region and the border of a zone that it touches; 0 if it reaches it."""
    if not lies_in(region, [zone], sight):
        return 0.0
    left, top = region.box_xyxy[:2]
    rim_HW = region.mask & ~ndimage.binary_erosion(region.mask)
    rows_K, columns_K = np.nonzero(rim_HW)
    pixels_K2 = np.stack([columns_K + left, rows_K + top], axis=1).astype(float)
    corners_N2 = corners_of(zone, sight)
    sides = zip(corners_N2, np.roll(corners_N2, -1, axis=0), strict=True)
    nearest = min(float(_distances(pixels_K2, start, end).min()) for start, end in sides)
    # From the pixel's rim, not from its centre.
    return max(0.0, nearest - 0.5)


def _distances(
    points_K2: FloatArray, start_xy: FloatArray, end_xy: FloatArray
) -> NDArray[np.float64]:
    """Of points to a line between two others, (K,)."""
    along_2 = end_xy - start_xy
    length = float(along_2 @ along_2)
    shares_K = ((points_K2 - start_xy) @ along_2 / length).clip(0, 1) if length else 0.0
    feet_K2 = start_xy + np.multiply.outer(shares_K, along_2)
    return np.asarray(np.hypot(*(points_K2 - feet_K2).T))


def distance_to_edge(region: Region, size_HW: tuple[int, int]) -> float:
    """Pixels between a region and the edge of the image; 0 if it reaches it."""
    left, top, right, bottom = region.box_xyxy
    height, width = size_HW
    return float(min(left, top, width - right, height - bottom))
