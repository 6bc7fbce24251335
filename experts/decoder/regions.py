"""From the patch scores to a map in image pixels, and from the map to measured regions."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from experts.decoder.encoder import Features
from experts.decoder.shape import (
    VISIBLE_CONTRAST,
    centreline,
    contrast,
    elongation,
    extents,
    traits,
)
from experts.evidence import AnomalyMap, Region

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_MEASURES = (
    "area_px",
    "length_px",
    "width_px",
    "skeleton_length_px",
    "mean_width_px",
    "max_width_px",
)

# More places than these nobody reads; the strongest are kept.
MAX_REGIONS = 20

# Wording only, no verdict rests on these: three times as long as wide is a line; half the image is
# no spot; places are the cells of a 3 × 3 grid, row by row.
PLACES = (
    *("top left", "top", "top right"),
    *("left", "centre", "right"),
    *("bottom left", "bottom", "bottom right"),
)
LINE_ELONGATION = 3
AREA_SHARE = 0.5


@lru_cache(maxsize=32)
def _interpolation(size: int, patches: int, stride: float, centre: float) -> torch.Tensor:
    """Matrix (size, patches) that interpolates linearly between patch centres, flat outside."""
    position = (np.arange(size) - centre) / stride
    position = position.clip(0, patches - 1)
    lower = np.minimum(position.astype(int), max(patches - 2, 0))
    weight = (position - lower).astype(np.float32)
    matrix = np.zeros((size, patches), np.float32)
    rows = np.arange(size)
    matrix[rows, lower] = 1 - weight
    if patches > 1:
        matrix[rows, lower + 1] = weight
    return torch.from_numpy(matrix)


def upsample(
    patch_scores_HW: FloatArray,
    image_size_HW: tuple[int, int],
    stride_px: tuple[float, float],
    centre_px: tuple[float, float],
) -> FloatArray:
    """Interpolate patch scores (h, w) linearly to image pixels (H, W), float32."""
    rows, columns = patch_scores_HW.shape
    vertical = _interpolation(image_size_HW[0], rows, stride_px[0], centre_px[0])
    horizontal = _interpolation(image_size_HW[1], columns, stride_px[1], centre_px[1])
    # In torch and not in numpy for the same reason as `squared_distances`.
    patches_hw = torch.tensor(patch_scores_HW, dtype=torch.float32)
    scores_HW = vertical @ patches_hw @ horizontal.T
    return np.asarray(scores_HW.numpy(), np.float32)


def spread(weight_HW: FloatArray, features: Features) -> FloatArray:
    """How much of a weight each patch accounts for, float32 (h, w): the transpose of ``upsample``.

    Args:
        weight_HW: float32, of the size of the image that the features were taken from.
        features: Their patches, stride and centre.
    """
    rows, columns, _ = features.patches_HWC.shape
    stride, centre = features.stride_px, features.centre_px
    vertical = _interpolation(weight_HW.shape[0], rows, stride[0], centre[0])
    horizontal = _interpolation(weight_HW.shape[1], columns, stride[1], centre[1])
    weights_hw = vertical.T @ torch.from_numpy(weight_HW) @ horizontal
    return np.asarray(weights_hw.numpy(), np.float32)


def find_regions(
    anomaly: AnomalyMap,
    grey_HW: FloatArray,
    mm_per_px: float | None = None,
    reference_HW: FloatArray | None = None,
) -> tuple[Region, ...]:
    """Regions of the map: each peak above ``limit``, with its surroundings.

    A region reaches from its peak down to half of it, but never below ``extent_limit``:
    hysteresis thresholding as in Canny (1986), with the limits from the calibration and the width
    at half maximum as its size. Weaker peaks inside a region belong to it, and so do its flanks:
    a further region must have a peak of its own to which its places lead uphill (watershed,
    Beucher & Lantuéjoul 1979, on the patch grid).

    Args:
        anomaly: The map and its limits.
        grey_HW: float32 luma of the image, 0 to 1, for each region's contrast.
        mm_per_px: Scale of the line, if it has one.
        reference_HW: Luma of an aligned normal image of the same size, for the regions' traits.

    Returns:
        Strongest peak first, at most ``MAX_REGIONS``.
    """
    if float(anomaly.patch_scores_HW.max()) <= anomaly.limit:
        return ()
    left_HW = anomaly.scores_HW
    basins = _basins(anomaly)
    regions: list[Region] = []
    for top in sorted(basins.peaks, key=lambda index: -left_HW.flat[index]):
        peak = float(left_HW.flat[top])
        if peak <= anomaly.limit or len(regions) == MAX_REGIONS:
            continue
        labels_HW, _ = ndimage.label(left_HW >= max(anomaly.extent_limit, peak / 2))
        label = int(labels_HW.flat[top])
        rows, columns = ndimage.find_objects(labels_HW)[label - 1]
        own_peaks = [index for index in basins.peaks if labels_HW.flat[index] == label]
        mask = labels_HW[rows, columns] == label
        left_HW[rows, columns][mask] = 0
        left_HW[basins.around(own_peaks)] = 0
        region_id = f"region-{len(regions) + 1}"
        corner = (columns.start, rows.start)
        regions.append(
            measure_region(region_id, mask, corner, peak, grey_HW, mm_per_px, reference_HW)
        )
    return tuple(regions)


def strongest_region(anomaly: AnomalyMap, grey_HW: FloatArray) -> Region | None:
    """The place that stands out most, whatever the limits; none on a map of zeros.

    For an image that is known to show a defect, though no mask tells where.
    """
    regions = _regions_above(float(anomaly.scores_HW.max()) / 2, anomaly, grey_HW)
    return regions[0] if regions else None


def marked_region(anomaly: AnomalyMap, grey_HW: FloatArray, mask_HW: BoolArray) -> Region | None:
    """The region that covers most of a drawn mask, whatever the limits; none if none touches it.

    Later images have no mask. So an example's mask says which region is meant, and the region,
    with the outline that the map gives, is what the later ones can be compared with.

    Args:
        anomaly: The map.
        grey_HW: float32 luma of the image, 0 to 1.
        mask_HW: bool, of the size of the image, not empty.
    """

    def covered(region: Region) -> int:
        left, top, right, bottom = region.box_xyxy
        return int((mask_HW[top:bottom, left:right] & region.mask).sum())

    regions = _regions_above(float(anomaly.scores_HW[mask_HW].max()) / 2, anomaly, grey_HW)
    best = max(regions, key=covered, default=None)
    return best if best is not None and covered(best) else None


def _regions_above(limit: float, anomaly: AnomalyMap, grey_HW: FloatArray) -> tuple[Region, ...]:
    lowered = {"limit": limit, "extent_limit": min(anomaly.extent_limit, limit)}
    return find_regions(anomaly.model_copy(update=lowered), grey_HW)


class _Basins(NamedTuple):
    """The local maxima of a map as flat pixel indices, and where each place leads uphill.

    Attributes:
        peaks: Flat pixel indices, rising.
        peak_of_hw: For each place of the grid the peak above it.
        rows_H: Each pixel row's nearest row of the grid.
        columns_W: The same of columns.
    """

    peaks: list[int]
    peak_of_hw: NDArray[np.intp]
    rows_H: NDArray[np.intp]
    columns_W: NDArray[np.intp]

    def around(self, peaks: list[int]) -> BoolArray:
        """The pixels (H, W) that lead uphill to any of some peaks."""
        leads_hw = np.isin(self.peak_of_hw, peaks)
        leads_HW: BoolArray = leads_hw[self.rows_H][:, self.columns_W]
        return leads_HW


def _basins(anomaly: AnomalyMap) -> _Basins:
    rows, columns = anomaly.patch_scores_HW.shape
    padded = np.pad(anomaly.patch_scores_HW, 1, constant_values=-np.inf)
    windows_hw33 = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    # The middle comes first, so that a plateau stays where it is.
    order = np.array([4, 0, 1, 2, 3, 5, 6, 7, 8])
    step_hw = order[windows_hw33.reshape(rows, columns, 9)[..., order].argmax(axis=2)]
    y_hw, x_hw = np.mgrid[:rows, :columns]
    uphill = ((y_hw + step_hw // 3 - 1) * columns + x_hw + step_hw % 3 - 1).ravel()
    while not np.array_equal(uphill, uphill[uphill]):
        uphill = uphill[uphill]
    pixel_y, rows_H = _pixels(anomaly, 0)
    pixel_x, columns_W = _pixels(anomaly, 1)
    peak_of_hw = pixel_y[uphill // columns] * anomaly.image_size_HW[1] + pixel_x[uphill % columns]
    peaks = np.unique(peak_of_hw).tolist()
    return _Basins(peaks, peak_of_hw.reshape(rows, columns), rows_H, columns_W)


def _pixels(anomaly: AnomalyMap, axis: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pixel nearest to each patch's centre along an axis, and each pixel's nearest patch."""
    size, patches = anomaly.image_size_HW[axis], anomaly.patch_scores_HW.shape[axis]
    stride, centre = anomaly.patch_stride_px[axis], anomaly.patch_centre_px[axis]
    pixel = np.rint(centre + stride * np.arange(patches)).clip(0, size - 1).astype(np.intp)
    nearest = np.rint((np.arange(size) - centre) / stride).clip(0, patches - 1).astype(np.intp)
    return pixel, nearest


def measure_region(
    region_id: str,
    mask_HW: BoolArray,
    corner_xy: tuple[int, int],
    peak_score: float,
    grey_HW: FloatArray,
    mm_per_px: float | None = None,
    reference_HW: FloatArray | None = None,
) -> Region:
    """Measure one region, given by its mask inside its box and the box's top left corner.

    A line has two lengths and two widths. Clauses are computed on Feret diameters, for a line as
    for a spot: they never shrink when the defect grows, so more defect never mends a clause. The
    length of a bent crack is that along its skeleton, 1.57 times its Feret diameter for a half
    circle; but it collapses when the bend fills up and the crack becomes an area, so no limit
    can rest on it alone. It stands beside, and so do the widths along the skeleton.
    """
    left, top = corner_xy
    box = (left, top, left + mask_HW.shape[1], top + mask_HW.shape[0])
    size_HW = (grey_HW.shape[0], grey_HW.shape[1])
    length, width = extents(mask_HW)
    line = centreline(mask_HW)
    seen = traits(mask_HW, box, elongation((length, width), line), grey_HW, reference_HW)
    measures: dict[str, float] = {
        "area_px": int(mask_HW.sum()),
        "length_px": length,
        "width_px": width,
    }
    if seen.elongation >= LINE_ELONGATION:
        measures["skeleton_length_px"] = line.length_px
        measures["mean_width_px"] = line.mean_width_px
        measures["max_width_px"] = line.max_width_px
    tone = contrast(mask_HW, box, grey_HW)
    return Region(
        id=region_id,
        box_xyxy=box,
        mask=mask_HW,
        peak_score=peak_score,
        place=place_in_words(box, size_HW),
        looks=_looks_in_words(tone, seen.elongation, length, size_HW),
        contrast=tone,
        traits=seen,
        **measures,
        **_in_mm(measures, mm_per_px),
    )


def in_scale(region: Region, mm_per_px: float | None) -> Region:
    """A region that was measured before, as another scale gives its lengths and its area in mm."""
    measures = {name: getattr(region, name) for name in _MEASURES}
    known = {name: value for name, value in measures.items() if value is not None}
    without = dict.fromkeys(_in_mm(dict.fromkeys(_MEASURES, 0.0), 1.0))
    return region.model_copy(update={**without, **_in_mm(known, mm_per_px)})


def _in_mm(measures: dict[str, float], mm_per_px: float | None) -> dict[str, float]:
    if mm_per_px is None:
        return {}
    lengths = {
        name.replace("_px", "_mm"): pixels * mm_per_px
        for name, pixels in measures.items()
        if name != "area_px"
    }
    return {"area_mm2": measures["area_px"] * mm_per_px**2, **lengths}


def place_in_words(box_xyxy: tuple[int, int, int, int], size_HW: tuple[int, int]) -> str:
    """Where a box's centre lies on a 3 × 3 grid: ``top left`` … ``centre`` … ``bottom right``."""
    height, width = size_HW
    x = (box_xyxy[0] + box_xyxy[2]) / 2 / width
    y = (box_xyxy[1] + box_xyxy[3]) / 2 / height
    return PLACES[3 * min(int(y * 3), 2) + min(int(x * 3), 2)]


def _looks_in_words(
    contrast: float, elongation: float, length: float, size_HW: tuple[int, int]
) -> str:
    tone = "odd"
    if abs(contrast) >= VISIBLE_CONTRAST:
        tone = "dark" if contrast < 0 else "bright"
    if elongation >= LINE_ELONGATION:
        return f"{tone} line"
    return f"{tone} {'area' if length >= AREA_SHARE * min(size_HW) else 'spot'}"
