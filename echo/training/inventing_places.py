"""Invented places: masks drawn by chance and measured as real ones are, and maps that show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from echo.training.inventing_cards import FORMS, Form
from experts.decoder.regions import measure_region
from experts.evidence import AnomalyMap, KindSet, Region

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

# Grey levels of the picture that places are drawn into; a texture of such contrast is no plain
# background, so that no part is looked for in it.
_GREY = 0.5
_GRAIN = 0.12
_GRAIN_SIDE_PX = 64
# Of the shorter side of the image: how long and how wide places of a form are.
_LENGTHS: dict[Form, tuple[float, float]] = {
    "spot": (0.02, 0.12), "line": (0.12, 0.7), "area": (0.3, 0.95), "edge": (0.04, 0.25)
}  # fmt: skip
_WIDTHS: dict[Form, tuple[float, float]] = {
    "spot": (0.6, 1.0), "line": (0.02, 0.2), "area": (0.35, 1.0), "edge": (0.3, 0.9)
}  # fmt: skip
_MIN_PX = 3
# How often another place is tried where one lies already.
_TRIES = 12


class Blot(NamedTuple):
    """A place as it is drawn.

    Attributes:
        mask: bool, inside of its box.
        corner_xy: Of the box.
    """

    mask: BoolArray
    corner_xy: tuple[int, int]


def draw_size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of an image in pixels."""
    side = int(rng.choice([128, 200, 224, 256, 300, 320, 400, 480, 512, 640, 800]))
    other = side if rng.random() < 0.5 else int(side * rng.uniform(0.5, 1))
    return (side, other) if rng.random() < 0.5 else (other, side)


def draw_places(
    rng: np.random.Generator, size_HW: tuple[int, int], forms: Sequence[Form | None]
) -> tuple[FloatArray, list[Blot]]:
    """A picture with places in it, and the places.

    Args:
        rng: The source of chance.
        size_HW: Of the picture.
        forms: Of each place; ``None`` for any.

    Returns:
        Grey levels (H, W) from 0 to 1, and a place for each form that found room.
    """
    grain = rng.uniform(-_GRAIN, _GRAIN, (_GRAIN_SIDE_PX, _GRAIN_SIDE_PX)).astype(np.float32)
    height, width = size_HW
    repeats = (-(-height // _GRAIN_SIDE_PX), -(-width // _GRAIN_SIDE_PX))
    grey_HW = np.tile(grain, repeats)[:height, :width] + np.float32(_GREY)
    taken_HW = np.zeros(size_HW, bool)
    blots = []
    for form in forms:
        blot = _place(rng, taken_HW, form or FORMS[rng.integers(4)])
        if blot is not None:
            blots.append(blot)
            window = _window(blot)
            taken_HW[window] |= blot.mask
            grey_HW[window][blot.mask] += _tone(rng)
    return grey_HW.clip(0, 1), blots


def _tone(rng: np.random.Generator) -> float:
    """How much brighter a place is than what is around it; some are neither."""
    return 0.0 if rng.random() < 0.15 else float(rng.uniform(0.06, 0.38) * rng.choice([-1, 1]))


def _window(blot: Blot) -> tuple[slice, slice]:
    left, top = blot.corner_xy
    rows, columns = blot.mask.shape
    return slice(top, top + rows), slice(left, left + columns)


def _place(rng: np.random.Generator, taken_HW: BoolArray, form: Form) -> Blot | None:
    """A place of a form where none is yet; nothing if there is no room."""
    for _ in range(_TRIES):
        mask = _mask(rng, form, min(taken_HW.shape))
        free_y, free_x = taken_HW.shape[0] - mask.shape[0], taken_HW.shape[1] - mask.shape[1]
        if free_y < 0 or free_x < 0:
            continue
        left, top = int(rng.integers(free_x + 1)), int(rng.integers(free_y + 1))
        if form == "edge" and rng.random() < 0.6:
            left, top = ((0, top), (free_x, top), (left, 0), (left, free_y))[rng.integers(4)]
        blot = Blot(mask, (left, top))
        if not taken_HW[_window(blot)].any():
            return blot
    return None


def _mask(rng: np.random.Generator, form: Form, side_px: int) -> BoolArray:
    """A connected mask, cropped to its box."""
    low, high = np.log(_LENGTHS[form])
    length = max(float(np.exp(rng.uniform(low, high))) * side_px, _MIN_PX)
    width = max(rng.uniform(*_WIDTHS[form]) * length, _MIN_PX)
    mask = _curve(rng, length, width) if form == "line" else _star(rng, length, width)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.asarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _star(rng: np.random.Generator, length: float, width: float) -> BoolArray:
    """A turned ellipse whose outline swings in and out."""
    # The outline swings out by half at most.
    reach = int(0.75 * length) + 2
    y_HW, x_HW = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    turn = rng.uniform(0, np.pi)
    along_HW = (x_HW * np.cos(turn) + y_HW * np.sin(turn)) / (length / 2)
    across_HW = (y_HW * np.cos(turn) - x_HW * np.sin(turn)) / (width / 2)
    angle_HW = np.arctan2(across_HW, along_HW)
    swing_HW = np.zeros(angle_HW.shape)
    for waves in range(2, 7):
        swing_HW += rng.uniform(0, 0.1) * np.cos(waves * angle_HW + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.hypot(along_HW, across_HW) <= 1 + swing_HW)


def _curve(rng: np.random.Generator, length: float, width: float) -> BoolArray:
    """A bent line of a width."""
    share_N = np.linspace(-0.5, 0.5, 2 * int(length) + 2)
    bend = rng.uniform(-0.25, 0.25) * length
    x_N = share_N * length
    y_N = bend * np.cos(np.pi * share_N) + rng.uniform(0, 0.05) * length * np.sin(
        rng.uniform(3, 20) * share_N
    )
    turn, reach = rng.uniform(0, np.pi), int(length + width) + 2
    columns_N = np.rint(x_N * np.cos(turn) - y_N * np.sin(turn)).astype(int) + reach
    rows_N = np.rint(x_N * np.sin(turn) + y_N * np.cos(turn)).astype(int) + reach
    radius = max(width / 2, 0.5)
    span = int(radius)
    dy, dx = np.mgrid[-span : span + 1, -span : span + 1]
    near = np.hypot(dy, dx) <= radius
    mask = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    rows_NK, columns_NK = rows_N[:, None] + dy[near], columns_N[:, None] + dx[near]
    inside = (rows_NK >= 0) & (columns_NK >= 0)
    inside &= (rows_NK < len(mask)) & (columns_NK < len(mask))
    mask[rows_NK[inside], columns_NK[inside]] = True
    return mask


def measured(
    grey_HW: FloatArray,
    blots: Sequence[Blot],
    peaks: Sequence[float],
    mm_per_px: float | None,
    kinds: Sequence[KindSet | None],
) -> tuple[Region, ...]:
    """The places as the decoder measures them, each with the kinds that it may be of.

    Args:
        grey_HW: The picture.
        blots: The places.
        peaks: Highest map value of each, falling.
        mm_per_px: The scale, if there is one.
        kinds: Of each; ``None`` for a line that was shown none.
    """
    regions = []
    for number, (blot, peak, kind) in enumerate(zip(blots, peaks, kinds, strict=True), 1):
        region = measure_region(
            f"region-{number}", blot.mask, blot.corner_xy, peak, grey_HW, mm_per_px
        )
        regions.append(region.model_copy(update={"kinds": kind}))
    return tuple(regions)


def map_of(
    rng: np.random.Generator,
    size_HW: tuple[int, int],
    blots: Sequence[Blot],
    peaks: Sequence[float],
    limit: float,
) -> FloatArray:
    """Patch scores (h, w) that show places: below the limit aside of them, and their peaks there.

    Patches are those of ``stride_of``.
    """
    stride = stride_of(size_HW)
    rows, columns = size_HW[0] // stride, size_HW[1] // stride
    scores_HW = rng.uniform(0.05, 0.4, (rows, columns)).astype(np.float32) * np.float32(limit)
    for blot, peak in zip(blots, peaks, strict=True):
        y_K, x_K = (np.nonzero(blot.mask)[i] + blot.corner_xy[1 - i] for i in (0, 1))
        touched = (y_K // stride).clip(0, rows - 1), (x_K // stride).clip(0, columns - 1)
        scores_HW[touched] = np.maximum(scores_HW[touched], np.float32(0.7 * peak))
        middle = len(y_K) // 2
        scores_HW[touched[0][middle], touched[1][middle]] = peak
    return scores_HW


def stride_of(size_HW: tuple[int, int]) -> int:
    """Size of the grid's step in pixels."""
    return max(8, min(size_HW) // 32)


def anomaly_of(
    scores_HW: FloatArray, size_HW: tuple[int, int], limit: float, p_value: float, normal: int
) -> AnomalyMap:
    """The map around patch scores.

    Args:
        scores_HW: See ``map_of``.
        size_HW: Of the image.
        limit: What normal images reach.
        p_value: Of the image.
        normal: How many images it is compared with.
    """
    stride = stride_of(size_HW)
    return AnomalyMap(
        patch_scores_HW=scores_HW,
        patch_stride_px=(stride, stride),
        patch_centre_px=((stride - 1) / 2, (stride - 1) / 2),
        image_size_HW=size_HW,
        score=float(scores_HW.max()),
        p_value=p_value,
        calibration_size=normal,
        limit=limit,
        extent_limit=limit / 2,
        encoder="invented",
    )
