"""Replaces places of an image by what a normal image shows there, without a seam.

Whatever the seam shows would be a defect to the decoder. So the contrast of a patch is brought to
that of the ring around its place, and what it still differs by on the ring is spread smoothly over
the place and taken off: the membrane of Pérez, Gangnet & Blake, "Poisson Image Editing" (SIGGRAPH
2003), interpolated by the pull-push of Gortler et al., "The Lumigraph" (SIGGRAPH 1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experts.images import Picture
from experts.tools.aligning import BoolArray, FloatArray, Shift, Window, find_shift, moved

# In units of what the encoder sees at once: so far a place is replaced around its mask, so wide is
# the ring that patches are fitted to, and so wide the zone in which they fade out.
GROWN, RING, FADING = 1.0, 1.0, 0.5
# A patch is not made more contrasty than so many times, nor less.
MAX_GAIN = 2.0
# Steps on the ring count up to so many times their median.
OUTLIER = 3.0
# In grey levels of 255: a ring that is flatter than this tells little of contrast.
_FLAT = 8.0
# Of the level that is asked for at a pixel of the ring, so much comes from the ring itself and the
# rest from around it: else the noise of single pixels would go on into the place.
_OWN_SHARE = 0.5


class Healing(NamedTuple):
    """An image with places replaced.

    Attributes:
        picture: What it shows now.
        number: Which of the normal images it was taken from.
    """

    picture: Picture
    number: int


class _Hole(NamedTuple):
    """A connected place that is to be replaced.

    Attributes:
        place: Its rows and columns.
        window: Those of all that is touched.
        inside_HW: bool, the place inside the window.
        ring_HW: bool, what patches are fitted to, inside the window.
        fade_HW: float32, how much of the patch is shown inside the window, 0 to 1.
    """

    place: Window
    window: Window
    inside_HW: BoolArray
    ring_HW: BoolArray
    fade_HW: FloatArray


def grown(mask_HW: BoolArray, by_px: float) -> BoolArray:
    """A mask and all that is within so many pixels of it, bool (H, W)."""
    grown_HW = np.zeros_like(mask_HW)
    rows, columns = np.nonzero(mask_HW.any(axis=1))[0], np.nonzero(mask_HW.any(axis=0))[0]
    if len(rows):
        reach = math.ceil(by_px)
        window = (
            slice(max(0, rows[0] - reach), rows[-1] + 1 + reach),
            slice(max(0, columns[0] - reach), columns[-1] + 1 + reach),
        )
        grown_HW[window] = ndimage.distance_transform_edt(~mask_HW[window]) <= by_px
    return grown_HW


def heal(
    picture: Picture, normals: Sequence[Picture], mask_HW: BoolArray, sight_px: float
) -> Healing:
    """Replace all that a mask marks by what one of the normal images shows there.

    It is taken from the one that is most alike around the places.

    Args:
        picture: The image.
        normals: Normal images that were brought onto it, at least one.
        mask_HW: bool, what is replaced, and a little around it.
        sight_px: How much the encoder sees at once.
    """
    holes = list(_holes(mask_HW, sight_px))
    areas = [int(hole.inside_HW.sum()) for hole in holes]
    shifts = [[_shift(picture, normal, hole) for hole in holes] for normal in normals]
    likeness = [
        sum(area * shift.likeness for area, shift in zip(areas, row, strict=True)) for row in shifts
    ]
    best = int(np.argmax(likeness))
    rgb_HW3 = picture.rgb_HW3.astype(np.float32)
    for hole, shift in zip(holes, shifts[best], strict=True):
        patch_HW3 = moved(normals[best].rgb_HW3, shift, hole.window).astype(np.float32)
        own_HW3 = rgb_HW3[hole.window]
        fitted_HW3 = _fitted(patch_HW3, own_HW3, hole.ring_HW)
        fade_HW1 = hole.fade_HW[..., None]
        rgb_HW3[hole.window] = own_HW3 * (1 - fade_HW1) + fitted_HW3 * fade_HW1
    healed = np.clip(np.rint(rgb_HW3), 0, 255).astype(np.uint8)
    return Healing(Picture(picture.name, healed), best)


def _holes(mask_HW: BoolArray, sight_px: float) -> list[_Hole]:
    replaced_HW = grown(mask_HW, GROWN * sight_px)
    labels_HW, _ = ndimage.label(replaced_HW)
    ring_px, fading_px = max(3.0, RING * sight_px), max(1.0, FADING * sight_px)
    margin = math.ceil(max(ring_px, fading_px)) + 1
    holes = []
    for label, place in enumerate(ndimage.find_objects(labels_HW), start=1):
        rows, columns = (
            slice(max(0, span.start - margin), min(size, span.stop + margin))
            for span, size in zip(place, mask_HW.shape, strict=True)
        )
        window = (rows, columns)
        inside_HW = labels_HW[window] == label
        others_HW = replaced_HW[window] & ~inside_HW
        away_HW = ndimage.distance_transform_edt(~inside_HW)
        ring_HW = (away_HW > 0) & (away_HW <= ring_px) & ~others_HW
        fade_HW = np.where(others_HW, 0, np.clip(1 - away_HW / fading_px, 0, 1))
        holes.append(_Hole(place, window, inside_HW, ring_HW, fade_HW.astype(np.float32)))
    return holes


def _shift(picture: Picture, normal: Picture, hole: _Hole) -> Shift:
    around_HW = np.zeros(picture.size_HW, np.bool_)
    around_HW[hole.window] = hole.ring_HW
    return find_shift(picture.grey_HW, normal.grey_HW, around_HW, hole.place)


def _fitted(patch_HW3: FloatArray, own_HW3: FloatArray, ring_HW: BoolArray) -> FloatArray:
    """A patch in the contrast of the ring around its place, and without a step to it."""
    if not ring_HW.any():  # all of the image is replaced
        return patch_HW3
    own_N3, patch_N3 = own_HW3[ring_HW], patch_HW3[ring_HW]
    gain_3 = np.hypot(own_N3.std(axis=0), _FLAT) / np.hypot(patch_N3.std(axis=0), _FLAT)
    gain_3 = gain_3.clip(1 / MAX_GAIN, MAX_GAIN)
    matched_HW3 = own_N3.mean(axis=0) + gain_3 * (patch_HW3 - patch_N3.mean(axis=0))
    step_HW3 = own_HW3 - matched_HW3
    # No two edges fall on the same pixels: what is far off the usual is that, and no exposure.
    most_3 = OUTLIER * np.median(np.abs(step_HW3[ring_HW]), axis=0)
    step_HW3 = np.where(ring_HW[..., None], step_HW3.clip(-most_3, most_3), 0)
    membrane_HW3 = _pull_push(step_HW3.astype(np.float64), ring_HW.astype(np.float64))
    return np.asarray(matched_HW3 + membrane_HW3, np.float32)


def _pull_push(
    sums_HWC: NDArray[np.float64], weights_HW: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values everywhere, smooth, from values at some places, float64 (H, W, C).

    Args:
        sums_HWC: Values times their weights.
        weights_HW: 0 where nothing is known; not 0 everywhere.
    """
    known_HW1 = np.maximum(weights_HW, 1e-9)[..., None]
    if min(weights_HW.shape) == 1 or bool((weights_HW > 0).all()):
        mean_C = sums_HWC.sum(axis=(0, 1)) / weights_HW.sum()
        return np.where(weights_HW[..., None] > 0, sums_HWC / known_HW1, mean_C)
    coarse_hwC = _pull_push(_halved(sums_HWC), _halved(weights_HW))
    height, width = weights_HW.shape
    cells = np.meshgrid((np.arange(height) - 0.5) / 2, (np.arange(width) - 0.5) / 2, indexing="ij")
    around_HWC = np.stack(
        [
            ndimage.map_coordinates(channel_hw, cells, order=1, mode="nearest")
            for channel_hw in np.moveaxis(coarse_hwC, -1, 0)
        ],
        axis=-1,
    )
    share_HW1 = _OWN_SHARE * np.minimum(weights_HW, 1)[..., None]
    return np.asarray(around_HWC * (1 - share_HW1) + share_HW1 * sums_HWC / known_HW1)


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over squares of two by two, of (H, W) or (H, W, C)."""
    height, width = values.shape[:2]
    rest = [(0, 0)] * (values.ndim - 2)
    even = np.pad(values, [(0, height % 2), (0, width % 2), *rest])
    return np.asarray(even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
