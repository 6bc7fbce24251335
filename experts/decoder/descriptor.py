"""A region as a vector: what the encoder sees in it, its shape, its tone, and what it changes.

The parts of a descriptor stand one after the other; ``PARTS`` gives the sizes of the measured ones,
before them stand two of the encoder's: the patch features inside the region, and those less the
features at the same place of a normal image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from experts.decoder.encoder import Encoder, Features
from experts.decoder.regions import spread
from experts.decoder.shape import (
    Box,
    centreline,
    edge_distance,
    extents,
    raggedness,
    surroundings,
)
from experts.errors import ImageError
from experts.evidence import AnomalyMap, Region
from experts.images import Picture

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Window = tuple[slice, slice]

# Lengths of the measured parts: shape, tone, pattern.
PARTS = (9, 5, 4)

# A crop shows the region with half its length around it, and never so little that it is a blur.
CROP_SCALE = 1.5
MIN_CROP_PX = 48
# A region reaches down to half its peak, but what it is shows where the map is highest: in the top
# twentieth of the image, or the top tenth of a region that is weaker than that.
FOCUS_OF_IMAGE = 0.05
FOCUS_OF_REGION = 0.1
# From this correlation of details on, a normal image shows the same thing at the same place.
ALIGNED = 0.5
_OVERVIEW_PX = 256
# Specks smaller than this share of the largest change are noise, not pieces of the pattern.
_SPECK_SHARE = 0.1
_PATTERN_MARGIN_PX = 4


class Place(NamedTuple):
    """Where to look: weights inside a box.

    Attributes:
        weight_HW: float32, 0 to 1, not all 0; for a drawn mask simply the mask.
        box_xyxy: Pixels: left, top, right, bottom; right and bottom are exclusive.
    """

    weight_HW: FloatArray
    box_xyxy: Box


def place_of_mask(mask_HW: BoolArray) -> Place:
    """The largest connected part of a drawn mask.

    Args:
        mask_HW: bool, of the size of the image.

    Raises:
        ImageError: If the mask is empty.
    """
    if not mask_HW.any():
        raise ImageError("the mask marks no pixel; mark the defect, or leave the mask out")
    labels_HW, _ = ndimage.label(mask_HW, np.ones((3, 3)))
    largest = int(np.bincount(labels_HW.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(labels_HW)[largest]
    weight_HW = (labels_HW[rows, columns] == largest + 1).astype(np.float32)
    return Place(weight_HW, (columns.start, rows.start, columns.stop, rows.stop))


def place_of_region(region: Region, anomaly: AnomalyMap) -> Place:
    """The heart of a region: where the map exceeds nearly all of the image, weighted by how far.

    Args:
        region: As found on the map.
        anomaly: The map.
    """
    left, top, right, bottom = region.box_xyxy
    scores_HW = anomaly.scores_HW[top:bottom, left:right]
    inside = scores_HW[region.mask]
    level = min(
        np.quantile(anomaly.patch_scores_HW, 1 - FOCUS_OF_IMAGE),
        np.quantile(inside, 1 - FOCUS_OF_REGION),
    )
    weight_HW = np.where(region.mask, np.maximum(scores_HW - level, 0), 0)
    if not weight_HW.any():  # a plateau
        weight_HW = region.mask.astype(np.float32)
    weight_HW = (weight_HW / weight_HW.max()).astype(np.float32)
    y_N, x_N = np.nonzero(weight_HW)
    rows, columns = slice(y_N.min(), y_N.max() + 1), slice(x_N.min(), x_N.max() + 1)
    box = (left + columns.start, top + rows.start, left + columns.stop, top + rows.stop)
    return Place(weight_HW[rows, columns], (int(box[0]), int(box[1]), int(box[2]), int(box[3])))


def describe_place(
    rgb_HW3: Pixels, place: Place, reference_HW3: Pixels, encoder: Encoder
) -> FloatArray:
    """Describe a place of an image in numbers that tell kinds of defects apart.

    The place is cut out of both images and encoded at the encoder's own size. Grey differences
    and changes of the pattern count only where the reference is aligned, pixel by pixel, with the
    image; that is measured.

    Args:
        rgb_HW3: uint8 image.
        place: Where the defect is.
        reference_HW3: uint8, the most similar normal image or the aligned template; another size
            is brought to that of the image.
        encoder: The line's encoder, of patch dimension C.

    Returns:
        float32, 2 · C + sum(``PARTS``) numbers.
    """
    size_HW = (rgb_HW3.shape[0], rgb_HW3.shape[1])
    reference_HW3 = _resize(reference_HW3, size_HW)
    window = crop_window(place.box_xyxy, size_HW)
    crops = [Picture("place", rgb_HW3[window]), Picture("reference", reference_HW3[window])]
    weight_HW = _within(place, window)
    seen_C, normal_C = (_mean_inside(f, weight_HW) for f in encoder.encode(crops))
    grey_HW, normal_HW = _grey(rgb_HW3), _grey(reference_HW3)
    aligned = alignment(rgb_HW3, reference_HW3) >= ALIGNED
    parts = [
        seen_C,
        seen_C - normal_C,
        _shape(place, grey_HW),
        _tone(place, grey_HW, normal_HW if aligned else None),
        _pattern(place, grey_HW, normal_HW) if aligned else np.zeros(PARTS[2]),
    ]
    return np.concatenate(parts).astype(np.float32)


def descriptor_size(encoder: Encoder) -> int:
    """How many numbers ``describe_place`` gives with an encoder."""
    return 2 * encoder.patch_dim + sum(PARTS)


def crop_window(box_xyxy: Box, size_HW: tuple[int, int]) -> Window:
    """Rows and columns of the square crop around a box, moved and cut to lie in the image."""
    left, top, right, bottom = box_xyxy
    side = max(CROP_SCALE * max(right - left, bottom - top), MIN_CROP_PX)

    def span(low: int, high: int, size: int) -> slice:
        length = min(round(side), size)
        start = round(min(max((low + high - length) / 2, 0), size - length))
        return slice(start, start + length)

    return span(top, bottom, size_HW[0]), span(left, right, size_HW[1])


def alignment(rgb_HW3: Pixels, reference_HW3: Pixels) -> float:
    """Correlation of the details of two images, −1 to 1; 0 where one has none.

    Details are what a blur removes, so equal shading alone does not count as alignment.
    """
    detail_HW, other_HW = _details(rgb_HW3), _details(reference_HW3)
    energy = float((detail_HW**2).sum()) * float((other_HW**2).sum())
    return float((detail_HW * other_HW).sum()) / energy**0.5 if energy > 0 else 0.0


def _details(rgb_HW3: Pixels) -> FloatArray:
    image = Image.fromarray(rgb_HW3).convert("L")
    image.thumbnail((_OVERVIEW_PX, _OVERVIEW_PX))
    grey_HW = np.asarray(image, np.float32)
    return np.asarray(grey_HW - ndimage.gaussian_filter(grey_HW, _OVERVIEW_PX / 85), np.float32)


def _resize(rgb_HW3: Pixels, size_HW: tuple[int, int]) -> Pixels:
    if rgb_HW3.shape[:2] == size_HW:
        return rgb_HW3
    image = Image.fromarray(rgb_HW3).resize((size_HW[1], size_HW[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _grey(rgb_HW3: Pixels) -> FloatArray:
    return Picture("", rgb_HW3).grey_HW


def _within(place: Place, window: Window) -> FloatArray:
    rows, columns = window
    weight_HW = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    top, left = place.box_xyxy[1] - rows.start, place.box_xyxy[0] - columns.start
    height, width = place.weight_HW.shape
    weight_HW[top : top + height, left : left + width] = place.weight_HW
    return weight_HW


def _mean_inside(features: Features, weight_HW: FloatArray) -> FloatArray:
    weight_hw = spread(weight_HW, features)
    return np.asarray(
        np.tensordot(weight_hw / weight_hw.sum(), features.patches_HWC, 2), np.float32
    )


def _shape(place: Place, grey_HW: FloatArray) -> FloatArray:
    """Size, elongation, width, distance to the edge, outline and direction of the place."""
    mask_HW = place.weight_HW > 0
    area_px = grey_HW.size
    length, width = extents(mask_HW)
    line = centreline(mask_HW)
    spread_22 = np.cov(np.argwhere(mask_HW).T, bias=True) + np.eye(2) / 12  # a pixel's own
    (across, along), axes_22 = np.linalg.eigh(spread_22)
    # Of the doubled angle, because a line has no head.
    y, x = axes_22[:, 1]
    direction = np.array([y * y - x * x, 2 * y * x]) * (along - across) / (along + across)
    return np.array(
        [
            np.log(mask_HW.sum() / area_px),
            np.log(length / width),
            np.log(line.length_px / line.mean_width_px),
            np.log(line.max_width_px / area_px**0.5),
            (edge_distance(mask_HW, place.box_xyxy, grey_HW) / area_px**0.5) ** 0.5,
            raggedness(mask_HW),
            mask_HW.mean(),
            *direction,
        ],
        np.float32,
    )


def _tone(place: Place, grey_HW: FloatArray, normal_HW: FloatArray | None) -> FloatArray:
    """Grey level against the surroundings and, if given, against the aligned reference."""
    window = surroundings(place.box_xyxy, (grey_HW.shape[0], grey_HW.shape[1]))
    inside_HW = _within(place, window) > 0
    around_HW = inside_HW if inside_HW.all() else ~inside_HW
    inside, around = grey_HW[window][inside_HW], grey_HW[window][around_HW]
    change = inside - (inside if normal_HW is None else normal_HW[window][inside_HW])
    return np.array(
        [
            inside.mean() - around.mean(),
            inside.std() - around.std(),
            change.mean(),
            np.abs(change).mean(),
            inside.mean(),
        ],
        np.float32,
    )


def _pattern(place: Place, grey_HW: FloatArray, normal_HW: FloatArray) -> FloatArray:
    """What the largest change does to the two-tone pattern of image and aligned reference.

    Returns:
        How many dark and how many bright pieces there are more around the change than in the
        reference (joining two makes −1, an island +1), −1 or 1 for what became dark or bright,
        and the logarithm of the change's share of the place; all 0 where nothing changed.
    """
    from skimage.filters import threshold_otsu

    level = threshold_otsu((normal_HW * 255).astype(np.uint8)) / 255
    window = surroundings(place.box_xyxy, (grey_HW.shape[0], grey_HW.shape[1]))
    bright_HW, was_HW = grey_HW[window] > level, normal_HW[window] > level
    inside_HW = _within(place, window) > 0
    labels_HW, count = ndimage.label((bright_HW ^ was_HW) & inside_HW, np.ones((3, 3)))
    if count == 0:
        return np.zeros(PARTS[2], np.float32)
    sizes = np.bincount(labels_HW.ravel())[1:]
    largest = int(sizes.argmax())
    rows, columns = ndimage.find_objects(labels_HW)[largest]
    near = (_widen(rows), _widen(columns))
    became_bright = bright_HW[near][labels_HW[near] == largest + 1].mean() > 0.5
    speck = _SPECK_SHARE * sizes[largest]
    dark = _pieces(~bright_HW[near], speck) - _pieces(~was_HW[near], speck)
    bright = _pieces(bright_HW[near], speck) - _pieces(was_HW[near], speck)
    return np.array(
        [
            np.clip(dark, -2, 2),
            np.clip(bright, -2, 2),
            1 if became_bright else -1,
            np.log(sizes[largest] / inside_HW.sum()),
        ],
        np.float32,
    )


def _widen(span: slice) -> slice:
    return slice(max(span.start - _PATTERN_MARGIN_PX, 0), span.stop + _PATTERN_MARGIN_PX)


def _pieces(mask_HW: BoolArray, speck: float) -> int:
    labels_HW, _ = ndimage.label(mask_HW)
    return int((np.bincount(labels_HW.ravel())[1:] >= speck).sum())
