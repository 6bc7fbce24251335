"""What broke off: chips at the part's edge, and whole pieces that are missing."""

from __future__ import annotations

import math

import numpy as np

from experts.simulating.canvas import BoolArray, Canvas, FloatArray, mix
from experts.simulating.shapes import blot, clouds, shadow, splinter

# A part that fills the image shows nothing of what is behind it; mostly that is dark.
_DARK_BEHIND = 0.85
_NO_ROOM = 50.0


def chip(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A piece broken off at the edge, with a fracture face beside the gap; levels (H, W, 3)."""
    at_xy = canvas.pick(rng, canvas.edge_HW)
    radius = canvas.size(rng, 3, 0.2)
    broken_HW = splinter(canvas.size_HW, at_xy, radius, rng)
    gap_HW = splinter(canvas.size_HW, at_xy, radius * rng.uniform(0.5, 0.9), rng) * broken_HW
    shift = canvas.shift(rng, at_xy, rng.uniform(0.3, 0.7))
    coarse_HW = clouds(canvas.size_HW, max(radius / 4, 1.5), rng)
    face_HW = np.asarray(shift * (1 + 0.3 * coarse_HW), np.float32)
    drawn_HW3 = canvas.cover(rng, 0.9 * broken_HW, face_HW)
    return mix(drawn_HW3, behind(canvas, rng), gap_HW)


def missing(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A piece of the part is not there, what is behind it shows instead; levels (H, W, 3)."""
    gone_among_HW = _figure(canvas)
    at_xy = canvas.pick(rng, gone_among_HW)
    radius = canvas.size(rng, 3, 0.17)
    if rng.random() < 0.5:
        radii = radius, radius * rng.uniform(0.5, 1.0)
        gone_HW = blot(canvas.size_HW, at_xy, radii, rng, rough=0.1)
    else:
        gone_HW = splinter(canvas.size_HW, at_xy, radius, rng)
    gone_HW = gone_HW * gone_among_HW
    behind_HW3 = behind(canvas, rng)
    # The edge of the part throws a shadow on what is behind.
    thrown_HW = shadow(1 - gone_HW, rng.uniform(0, 2 * math.pi), min(max(radius / 6, 1.0), 4.0))
    behind_HW3 = behind_HW3 * (1 - 0.35 * thrown_HW[:, :, None])
    return mix(canvas.levels_HW3, behind_HW3, np.asarray(gone_HW, np.float32))


def _figure(canvas: Canvas) -> BoolArray:
    """What can be missing: the part; of an image of two levels, what is of the rarer one."""
    if not (canvas.is_two_levels and canvas.fills):
        return canvas.part_HW
    bright_HW = canvas.grey_HW > sum(canvas.range) / 2
    return np.asarray(~bright_HW if bright_HW.mean() >= 0.5 else bright_HW)


def behind(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """What shows where a piece of the part is gone, levels (H, W, 3).

    The background where there is one; the commoner level of an image of two; else a level darker or
    brighter than all of the part.
    """
    if not canvas.fills:
        return _background(canvas, rng)
    low, high = canvas.range
    if canvas.is_two_levels:
        rare_HW = _figure(canvas)
        level = float(np.median(canvas.grey_HW[~rare_HW])) if not rare_HW.all() else high
        return np.full_like(canvas.levels_HW3, level)
    apart = max(0.1 * (high - low), 30.0)
    is_dark = rng.random() < _DARK_BEHIND
    if high - low < apart:  # on a plain part there must be room for it
        is_dark = high > _NO_ROOM and (is_dark or low > 255 - _NO_ROOM)
    level = low - apart if is_dark else high + apart
    plain_HW3 = np.clip(level, 6, 249) + 0.25 * canvas.moved_grain(rng)
    return np.asarray(plain_HW3, np.float32)


def _background(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """The plane, in place and colour, that the background spans, with the background's noise."""
    height, width = canvas.size_HW
    y_HW, x_HW = np.mgrid[:height, :width].astype(np.float32)
    plane_HW3 = np.stack([np.ones_like(x_HW), x_HW / width, y_HW / height], axis=-1)
    seen_HW = ~canvas.part_HW
    seen_N3, levels_N3 = plane_HW3[seen_HW], canvas.levels_HW3[seen_HW]
    fit_33 = np.linalg.lstsq(seen_N3, levels_N3, rcond=None)[0]
    left_N3 = levels_N3 - seen_N3 @ fit_33
    # The part's own shadow is no noise.
    left_N3 = np.clip(left_N3, *np.quantile(left_N3, [0.05, 0.95]))
    noise_HW3 = left_N3[rng.integers(len(left_N3), size=(height, width))]
    return np.asarray(plane_HW3 @ fit_33 + noise_HW3, np.float32)
