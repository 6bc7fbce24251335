"""How well maps mark defects, over any number of images in a few megabytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.metrics import aupro_of_counts, auroc_of_counts

# Of a float32: sign, exponent and 11 bits of the mantissa.
_KEY_BITS = 20


class PixelCounts:
    """Histograms of the pixels of many maps.

    Every pixel of every image counts, at the image's own size. Only the scores are rounded: two
    whose relative difference is below 1/2048 may count as equal, and of equal ones half counts.
    """

    def __init__(self) -> None:
        self._normal_K = np.zeros(2**_KEY_BITS)
        self._defective_K = np.zeros(2**_KEY_BITS)
        self._overlap_K = np.zeros(2**_KEY_BITS)

    def add(self, scores_HW: NDArray[np.float32], mask_HW: NDArray[np.bool_]) -> None:
        """Count one image: its map, and True where it is defective."""
        keys_HW = _keys(scores_HW)
        np.add.at(self._normal_K, keys_HW[~mask_HW], 1)
        if mask_HW.any():
            np.add.at(self._defective_K, keys_HW[mask_HW], 1)
            np.add.at(self._overlap_K, keys_HW[mask_HW], _shares(mask_HW)[mask_HW])

    def auroc(self) -> float:
        """Pixel AUROC; see ``auroc_of_counts``."""
        return auroc_of_counts(self._normal_K, self._defective_K)

    def aupro(self, limit: float = 0.3) -> float:
        """AUPRO; see ``aupro_of_counts``."""
        return aupro_of_counts(self._normal_K, self._overlap_K, limit)


def _keys(scores_HW: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The leading bits of each score as numbers that are ordered like the scores.

    The bits of floats above zero are; those below zero, all bits turned, come in front.
    """
    # Adding zero makes +0 of −0.
    bits = (np.ascontiguousarray(scores_HW, np.float32) + np.float32(0)).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return np.asarray(ordered >> (32 - _KEY_BITS), np.uint32)


def _shares(mask_HW: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each defective pixel one over the size of its 8-connected region, else 0."""
    labels_HW, _ = ndimage.label(mask_HW, structure=np.ones((3, 3)))
    sizes = np.bincount(labels_HW.ravel()).astype(float)
    shares = 1 / np.maximum(sizes, 1)
    shares[0] = 0
    return np.asarray(shares[labels_HW])
