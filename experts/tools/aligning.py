"""Brings a normal image onto an inspected one, so that the same place of both can be compared.

Parts that lie free are brought from frame to frame, others are taken as they lie. What is left of
an offset is found around the place itself, by the highest normalised cross-correlation of the ring
around it (Lewis, "Fast Normalized Cross-Correlation", 1995): what the place shows may be a defect,
so it has no say in where it belongs. Where nothing is alike, as on textures, no shift is better
than another.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from experts.decoder.framing import Framing, Placement, frame_of
from experts.images import Picture

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
Window = tuple[slice, slice]

# Of the image's longer side: so far off is looked for.
REACH = 0.05
# The coarse search takes so many steps to each side; the fine one looks a coarse step around.
STEPS = 8
# So many points of a ring tell as much as all of them.
MAX_POINTS = 4096
# A shift must be better than none by so much, and be a match at all.
WORTH_A_SHIFT = 0.05
ALIKE = 0.5
# In grey levels from 0 to 1: flat is like flat.
_NOISE = 0.02
# How alike turned and upright are is told on copies of at most this side.
_OUTLINE_PX = 128


class Shift(NamedTuple):
    """Where a place lies in another image.

    Attributes:
        y: Pixels farther down.
        x: Pixels farther right.
        likeness: Correlation of what lies around the place, −1 to 1.
    """

    y: int
    x: int
    likeness: float


def bring_onto(picture: Picture, normal: Picture, framing: Framing | None) -> ByteArray:
    """A normal image as it lies on an inspected one, uint8 of the latter's shape.

    Args:
        picture: The inspected one.
        normal: The normal one, of any size.
        framing: The frame of the line, if its parts lie free.
    """
    height, width = picture.size_HW
    if normal.size_HW != picture.size_HW:
        resized = Image.fromarray(normal.rgb_HW3).resize((width, height), Image.Resampling.BICUBIC)
        normal = replace(normal, rgb_HW3=np.asarray(resized))
    if framing is None:
        return normal.rgb_HW3
    own, other = frame_of(picture, framing), frame_of(normal, framing)
    if not (own.found and other.found):
        return normal.rgb_HW3
    upright = _carry(normal, own.placement, other.placement)
    if not framing.turned:
        return upright
    # Few outlines tell one end of a part from the other.
    half_turn = replace(other.placement, angle=other.placement.angle + math.pi)
    turned = _carry(normal, own.placement, half_turn)
    return max((upright, turned), key=lambda rgb_HW3: _likeness(picture.rgb_HW3, rgb_HW3))


def _carry(normal: Picture, own: Placement, other: Placement) -> ByteArray:
    """The pixels of a normal image, moved by what lies between two frames."""
    height, width = own.image_HW
    # Pillow maps corners of pixels, where the middle of pixel 0 is at 0.5.
    corners_32 = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    origin, along_x, along_y = other.to_image(own.to_frame(corners_32)) + 0.5
    (a, d), (b, e), (c, f) = along_x - origin, along_y - origin, origin
    levels = np.median(normal.rgb_HW3[[0, -1]].reshape(-1, 3), axis=0)
    moved = Image.fromarray(normal.rgb_HW3).transform(
        (width, height),
        Image.Transform.AFFINE,
        (a, b, c, d, e, f),
        Image.Resampling.BICUBIC,
        fillcolor=tuple(int(level) for level in levels),
    )
    return np.asarray(moved)


def _likeness(rgb_HW3: ByteArray, other_HW3: ByteArray) -> float:
    small: list[FloatArray] = []
    for pixels in (rgb_HW3, other_HW3):
        image = Image.fromarray(pixels).convert("L")
        image.thumbnail((_OUTLINE_PX, _OUTLINE_PX), Image.Resampling.BOX)
        small.append(np.asarray(image, np.float32).ravel() / np.float32(255))
    return float(_correlation(small[0], small[1]))


def find_shift(
    grey_HW: FloatArray, normal_HW: FloatArray, around_HW: BoolArray, place: Window
) -> Shift:
    """Where a place lies in a normal image, by what is around it.

    Args:
        grey_HW: float32 luma of the inspected image, 0 to 1.
        normal_HW: Of a normal one that was brought onto it.
        around_HW: bool, the pixels of the inspected one to go by.
        place: Rows and columns of the place itself, all of which the normal image must show.
    """
    y_N, x_N = np.nonzero(around_HW)
    if not len(y_N):
        return Shift(0, 0, 0.0)
    thin = math.ceil(len(y_N) / MAX_POINTS)
    points_N2 = np.stack([y_N, x_N], axis=1)[thin // 2 :: thin]
    reach = max(1, round(REACH * max(grey_HW.shape)))
    step = math.ceil(reach / STEPS)
    window = _window(points_N2, 2 * reach + 3 * step, grey_HW.shape)
    points_N2 = points_N2 - [window[0].start, window[1].start]
    grey, normal = grey_HW[window], normal_HW[window]
    steps = range(-(reach // step) * step, reach + 1, step)
    coarse = _inside([(y, x) for y in steps for x in steps], place, grey_HW.shape)
    # Between coarse steps, fine structure would be missed.
    blurred = [ndimage.gaussian_filter(image, (step - 1) / 2) for image in (grey, normal)]
    centre = _best(blurred[0], blurred[1], points_N2, coarse)
    fine = range(1 - step, step)
    near = [(centre.y + y, centre.x + x) for y in fine for x in fine]
    best = _best(grey, normal, points_N2, _inside(near, place, grey_HW.shape))
    still = _best(grey, normal, points_N2, [(0, 0)])
    return best if best.likeness > max(ALIKE, still.likeness + WORTH_A_SHIFT) else still


def _inside(
    shifts: list[tuple[int, int]], place: Window, shape: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The shifts after which a place still lies inside the image; to stay where it is does."""
    rows, columns = place
    return [
        (y, x)
        for y, x in shifts
        if -rows.start <= y <= shape[0] - rows.stop
        and -columns.start <= x <= shape[1] - columns.stop
    ]


def _window(points_N2: NDArray[np.intp], margin: int, shape: tuple[int, ...]) -> Window:
    """The points and so much around them, as far as there is an image."""
    first, last = points_N2.min(axis=0) - margin, points_N2.max(axis=0) + margin + 1
    rows, columns = (slice(max(0, int(a)), int(b)) for a, b in zip(first, last, strict=True))
    return slice(rows.start, min(rows.stop, shape[0])), slice(
        columns.start, min(columns.stop, shape[1])
    )


def _best(
    grey_HW: FloatArray,
    normal_HW: FloatArray,
    points_N2: NDArray[np.intp],
    shifts: list[tuple[int, int]],
) -> Shift:
    """The shift at which the points are most alike; of equally good ones the shortest."""
    own_N = grey_HW[points_N2[:, 0], points_N2[:, 1]]
    last_2 = np.array(normal_HW.shape) - 1
    found = []
    for y, x in sorted(shifts, key=lambda shift: (math.hypot(*shift), shift)):
        at_N2 = (points_N2 + np.array([y, x])).clip(0, last_2)
        found.append(Shift(y, x, _correlation(own_N, normal_HW[at_N2[:, 0], at_N2[:, 1]])))
    return max(found, key=lambda shift: shift.likeness)


def _correlation(own_N: FloatArray, other_N: FloatArray) -> float:
    own, other = own_N - own_N.mean(), other_N - other_N.mean()
    noise = _NOISE**2
    energy = ((own * own).mean() + noise) * ((other * other).mean() + noise)
    return float(((own * other).mean() + noise) / energy**0.5)


def moved(rgb_HW3: ByteArray, shift: Shift, window: Window) -> ByteArray:
    """A window of an image, taken where it lies after a shift; its rim goes on beyond its end."""
    height, width = rgb_HW3.shape[:2]
    rows = np.arange(window[0].start, window[0].stop) + shift.y
    columns = np.arange(window[1].start, window[1].stop) + shift.x
    return np.asarray(rgb_HW3[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)], np.uint8)
