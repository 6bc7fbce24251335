"""Whether the regions of inspections hit the defects, one by one.

A region hits a defect (an 8-connected part of the mask) if one of its own pixels lies within
``TOLERANCE_PX`` of it. It is a false blob if its whole box stays farther than that from every
defect. A region whose box reaches a defect that it does not hit counts neither way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.metrics import share_found
from experts.evidence import Region

# Masks are drawn by hand or as boxes: their edges are right to a few pixels.
TOLERANCE_PX = 3
_NEIGHBOURS = np.ones((3, 3), bool)


class BoxCounts:
    """Peaks of hits and of false blobs over many images."""

    def __init__(self) -> None:
        self._images = 0
        self._peaks: list[float] = []
        self._false_peaks: list[float] = []

    def add(self, regions: Sequence[Region], mask_HW: NDArray[np.bool_]) -> None:
        """Count one image: the regions of its inspection, and True where it is defective."""
        self._images += 1
        defects = _defects(mask_HW)
        peaks = np.full(len(defects), -np.inf)
        for region in regions:
            touched = [_touches(defect, region) for defect in defects]
            if not any(in_box for in_box, _ in touched):
                self._false_peaks.append(region.peak_score)
            hit = np.array([by_pixel for _, by_pixel in touched], bool)
            peaks[hit] = np.maximum(peaks[hit], region.peak_score)
        self._peaks += peaks.tolist()

    def found(self) -> float:
        """Share of defects found; see ``share_found``."""
        return share_found(self._peaks, self._false_peaks, self._images)


_Defect = tuple[NDArray[np.bool_], int, int]


def _defects(mask_HW: NDArray[np.bool_]) -> list[_Defect]:
    """Each defect grown by the tolerance: its mask, and the row and column of its corner."""
    labels_HW, _ = ndimage.label(mask_HW, structure=_NEIGHBOURS)
    defects = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels_HW), 1):
        part = np.pad(labels_HW[rows, columns] == number, TOLERANCE_PX)
        grown = ndimage.binary_dilation(part, _NEIGHBOURS, iterations=TOLERANCE_PX)
        defects.append((grown, rows.start - TOLERANCE_PX, columns.start - TOLERANCE_PX))
    return defects


def _touches(defect: _Defect, region: Region) -> tuple[bool, bool]:
    """Whether the region's box reaches the grown defect, and whether its own pixels do."""
    grown, top, left = defect
    x0, y0, x1, y1 = region.box_xyxy
    y_from, y_to = max(y0, top), min(y1, top + grown.shape[0])
    x_from, x_to = max(x0, left), min(x1, left + grown.shape[1])
    if y_from >= y_to or x_from >= x_to:
        return False, False
    shared = grown[y_from - top : y_to - top, x_from - left : x_to - left]
    pixels = region.mask[y_from - y0 : y_to - y0, x_from - x0 : x_to - x0]
    return bool(shared.any()), bool((shared & pixels).any())
