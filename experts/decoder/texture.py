"""What a patch bank is blind to: faults of single threads, and a shift of the whole image.

Two Gaussian models of normal images, fitted on the seed images alone, so that their scores may be
calibrated on all others: ``FineTexture`` of the energy in two high-pass bands around each place
(Laplacian pyramid of Burt & Adelson 1983, with box filters), and ``Overall`` of the mean and the
deviation of the patch features of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]

# A texture is looked at in full resolution up to this size; a larger image is scaled down to it.
MAX_AREA_PX = 512 * 512
# The bands lie between the picture and its means over these squares.
BOXES = (3, 7)
# Cells overlap by half.
CELL_STRIDE_PX = 6
CELL_PX = 2 * CELL_STRIDE_PX
# One grey level of 256 over a whole cell's quarter: below it a band holds nothing but rounding.
_ENERGY_FLOOR = 1 / 1024


@dataclass(frozen=True)
class TextureMap:
    """Fine scores of one image.

    Attributes:
        scores_HW: float32, squared Mahalanobis distance of each cell.
        stride_px: Step from cell to cell in image pixels, (vertical, horizontal).
        centre_px: Centre of the first cell in image pixels.
    """

    scores_HW: FloatArray
    stride_px: tuple[float, float]
    centre_px: tuple[float, float]


@dataclass(frozen=True)
class FineTexture:
    """Gaussian model of the logarithms of the band energies of normal cells.

    Attributes:
        mean_B: float32, one per band.
        precision_BB: float32, inverse covariance.
    """

    mean_B: FloatArray
    precision_BB: FloatArray

    @classmethod
    def fit(cls, energies: list[FloatArray]) -> FineTexture:
        """Fit on ``band_energies`` of normal images, (h, w, B) each."""
        cells_NB = np.concatenate([e.reshape(-1, e.shape[-1]) for e in energies]).astype(float)
        covariance_BB = np.cov(cells_NB.T) + 1e-6 * np.eye(cells_NB.shape[1])
        precision_BB = np.linalg.inv(covariance_BB).astype(np.float32)
        return cls(cells_NB.mean(axis=0).astype(np.float32), precision_BB)

    def scores(self, energies_hwB: FloatArray) -> FloatArray:
        """Squared Mahalanobis distance of each cell, float32 (h, w)."""
        off_hwB = energies_hwB - self.mean_B
        scores_hw = np.einsum("hwb,bc,hwc->hw", off_hwB, self.precision_BB, off_hwB)
        return np.asarray(scores_hw, np.float32)

    def decode(self, grey_HW: FloatArray) -> TextureMap:
        """Score an image, float32 luma 0 to 1."""
        shrunk_hw = shrink(grey_HW)
        scale_y = grey_HW.shape[0] / shrunk_hw.shape[0]
        scale_x = grey_HW.shape[1] / shrunk_hw.shape[1]
        centre = (CELL_PX - 1) / 2
        return TextureMap(
            self.scores(band_energies(shrunk_hw)),
            (CELL_STRIDE_PX * scale_y, CELL_STRIDE_PX * scale_x),
            (centre * scale_y, centre * scale_x),
        )


def shrink(grey_HW: FloatArray) -> FloatArray:
    """The image itself, or scaled down to ``MAX_AREA_PX`` by area; at least a cell on each side."""
    height, width = grey_HW.shape
    scale = min(1.0, (MAX_AREA_PX / (height * width)) ** 0.5)
    size = (max(round(height * scale), CELL_PX), max(round(width * scale), CELL_PX))
    if size == (height, width):
        return grey_HW
    # A copy, since torch wants to be allowed to write.
    image = torch.tensor(grey_HW)[None, None]
    mode = "area" if scale < 1 else "bilinear"
    return np.asarray(F.interpolate(image, size, mode=mode)[0, 0].numpy(), np.float32)


def band_energies(grey_HW: FloatArray) -> FloatArray:
    """Logarithm of the mean amplitude of each band in overlapping cells, float32 (h, w, B)."""
    level_HW = grey_HW
    bands: list[FloatArray] = []
    for box in BOXES:
        # A running sum along rows, then along columns: its cost does not grow with the box.
        mean_HW = ndimage.uniform_filter(level_HW, box, mode="mirror")
        bands.append(_cell_means(np.abs(level_HW - mean_HW)))
        level_HW = mean_HW
    energies_hwB = np.log(np.stack(bands, axis=-1) + _ENERGY_FLOOR)
    return np.asarray(energies_hwB, np.float32)


def _cell_means(band_HW: FloatArray) -> FloatArray:
    """Means over cells that overlap by half: of four blocks each, float32 (h, w)."""
    rows, columns = (side // CELL_STRIDE_PX for side in band_HW.shape)
    whole_HW = band_HW[: rows * CELL_STRIDE_PX, : columns * CELL_STRIDE_PX]
    blocks_hw = whole_HW.reshape(rows, CELL_STRIDE_PX, columns, CELL_STRIDE_PX).mean(axis=(1, 3))
    cells_hw = blocks_hw[:-1, :-1] + blocks_hw[:-1, 1:] + blocks_hw[1:, :-1] + blocks_hw[1:, 1:]
    return np.asarray(cells_hw / 4, np.float32)


@dataclass(frozen=True)
class Overall:
    """Gaussian model of whole images: mean and deviation of their projected patches.

    Attributes:
        mean_D: float32.
        precision_DD: float32, inverse of the covariance as Ledoit & Wolf (2004) shrink it.
    """

    mean_D: FloatArray
    precision_DD: FloatArray

    @classmethod
    def fit(cls, moments_ND: FloatArray) -> Overall:
        """Fit on ``moments`` of normal images."""
        from sklearn.covariance import LedoitWolf

        # In units of each number's own deviation, so that the shrinkage treats all alike.
        scale_D = moments_ND.std(axis=0).astype(float) + 1e-9
        fitted = LedoitWolf(store_precision=True).fit(moments_ND / scale_D)
        precision_DD = fitted.precision_ / scale_D[:, None] / scale_D[None, :]
        mean_D = fitted.location_ * scale_D
        return cls(mean_D.astype(np.float32), precision_DD.astype(np.float32))

    def score(self, moments_D: FloatArray) -> float:
        """Squared Mahalanobis distance."""
        off_D = torch.from_numpy(moments_D - self.mean_D)
        return max(float(off_D @ torch.from_numpy(self.precision_DD) @ off_D), 0.0)


def moments(patches_PK: FloatArray) -> FloatArray:
    """Mean and standard deviation of an image's patches, float32 (2K,)."""
    return np.concatenate([patches_PK.mean(axis=0), patches_PK.std(axis=0)])
