"""Forms of anomalies: blots, splinters, strokes along ways; each as opacity, 0 to 1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from experts.simulating.canvas import FloatArray

Points = NDArray[np.float64]

# Waves around a blot's outline.
_WAVES = 7
# Ways are drawn by a point every half pixel, so that no gap shows.
_STEP_PX = 0.5
# Polygons are drawn to this fraction of a pixel, as a power of two.
_FRACTION_BITS = 4


def blot(
    size_HW: tuple[int, int],
    centre_xy: tuple[float, float],
    radii_px: tuple[float, float],
    rng: np.random.Generator,
    *,
    rough: float = 0.15,
    soft_px: float = 1.0,
) -> FloatArray:
    """A round form with an uneven outline, at any angle.

    Args:
        size_HW: Of the image.
        centre_xy: In pixels.
        radii_px: Of its two axes.
        rng: Draws the outline and the angle.
        rough: How much the outline wanders, in shares of the radius.
        soft_px: Over how many pixels it fades.
    """
    angle = rng.uniform(0, math.pi)
    u_HW, v_HW = turned_grid(size_HW, centre_xy, angle)
    u_HW, v_HW = u_HW / max(radii_px[0], 0.5), v_HW / max(radii_px[1], 0.5)
    waves = np.arange(2, 2 + _WAVES)
    heights = rng.normal(0, 1, _WAVES) / waves
    phases = rng.uniform(0, 2 * math.pi, _WAVES)
    around_HW = np.arctan2(v_HW, u_HW)
    wander_HW = sum(
        h * np.cos(k * around_HW + p) for k, h, p in zip(waves, heights, phases, strict=True)
    )
    inside_HW = 1 + rough * np.asarray(wander_HW) - np.hypot(u_HW, v_HW)
    fade = inside_HW * min(radii_px) / max(soft_px, 0.5)
    return np.asarray(np.clip(0.5 + fade, 0, 1), np.float32)


def turned_grid(
    size_HW: tuple[int, int], centre_xy: tuple[float, float], angle: float
) -> tuple[FloatArray, FloatArray]:
    """Each pixel's way from a centre, along a direction and across it, both (H, W)."""
    y_HW, x_HW = np.mgrid[: size_HW[0], : size_HW[1]].astype(np.float32)
    x_HW, y_HW = x_HW - centre_xy[0], y_HW - centre_xy[1]
    cos, sin = math.cos(angle), math.sin(angle)
    return (
        np.asarray(x_HW * cos + y_HW * sin, np.float32),
        np.asarray(y_HW * cos - x_HW * sin, np.float32),
    )


def splinter(
    size_HW: tuple[int, int],
    centre_xy: tuple[float, float],
    radius_px: float,
    rng: np.random.Generator,
) -> FloatArray:
    """A form with straight sides and sharp corners, as where something broke."""
    corners = int(rng.integers(5, 10))
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    reach = radius_px * rng.uniform(0.55, 1.0, corners)
    stretch = rng.uniform(0.6, 1.0)
    x = centre_xy[0] + reach * np.cos(angles)
    y = centre_xy[1] + reach * np.sin(angles) * stretch
    points = np.rint(np.stack([x, y], axis=1) * 2**_FRACTION_BITS).astype(np.int32)
    drawn_HW = np.zeros(size_HW, np.uint8)
    cv2.fillPoly(drawn_HW, [points], (255,), cv2.LINE_AA, _FRACTION_BITS)
    return np.asarray(drawn_HW / np.float32(255), np.float32)


def way(length_px: float, rng: np.random.Generator, *, bend: float, jag: float) -> Points:
    """A way that starts at the origin, float64 (N, 2) of (x, y).

    Args:
        length_px: Along the way.
        rng: Draws it.
        bend: By how much it turns evenly from one end to the other, at most, in radians.
        jag: By how much its direction changes every few pixels, in radians.
    """
    count = max(2, round(length_px / _STEP_PX))
    along_N = np.linspace(0, 1, count)
    heading_N = rng.uniform(0, 2 * math.pi) + rng.uniform(-bend, bend) * along_N
    if bend > 1:  # long bends swing back and forth
        heading_N += (
            bend / 2 * np.sin(2 * math.pi * (rng.uniform(0.5, 1.5) * along_N + rng.random()))
        )
    if jag > 0:
        corners = max(2, round(length_px / rng.uniform(3, 9)))
        turns = rng.normal(0, jag, corners)
        heading_N += turns[(along_N * (corners - 1e-6)).astype(int)]
    steps_N2 = _STEP_PX * np.stack([np.cos(heading_N), np.sin(heading_N)], axis=1)
    return np.asarray(np.cumsum(steps_N2, axis=0))


def stroke(
    size_HW: tuple[int, int], points_N2: Points, radii_N: Points, strength_N: Points
) -> FloatArray:
    """A line along a way, of changing width and strength.

    Args:
        size_HW: Of the image.
        points_N2: Its middle, (x, y).
        radii_N: Half its width in pixels at each point.
        strength_N: Its opacity at each point, 0 to 1.
    """
    reach = math.ceil(float(radii_N.max())) + 1
    around = np.arange(-reach, reach + 1)
    offsets_K2 = np.stack(np.meshgrid(around, around), axis=-1).reshape(-1, 2)
    pixels_NK2 = np.rint(points_N2).astype(int)[:, None] + offsets_K2
    away_NK = np.hypot(*np.moveaxis(pixels_NK2 - points_N2[:, None], -1, 0))
    cover_NK = np.clip(radii_N[:, None] + 0.5 - away_NK, 0, 1) * strength_N[:, None]
    # Half a pixel's width covers half of it.
    cover_NK *= np.minimum(1, 2 * radii_N)[:, None]
    x_NK, y_NK = np.moveaxis(pixels_NK2, -1, 0)
    shown_NK = (x_NK >= 0) & (y_NK >= 0) & (x_NK < size_HW[1]) & (y_NK < size_HW[0])
    drawn_HW = np.zeros(size_HW, np.float32)
    np.maximum.at(drawn_HW, (y_NK[shown_NK], x_NK[shown_NK]), cover_NK[shown_NK])
    return drawn_HW


def uneven(count: int, rng: np.random.Generator, *, least: float, every: int) -> Points:
    """Values that wander between ``least`` and 1, (count,), anew about every so many."""
    knots = rng.uniform(least, 1, max(2, count // max(every, 1) + 2))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)


def tapered(count: int, share: float) -> Points:
    """1 in the middle, falling to 0 at both ends over a share of the length, (count,)."""
    along_N = np.linspace(0, 1, count)
    return np.clip(np.minimum(along_N, 1 - along_N) / max(share, 1e-6), 0, 1)


def clouds(size_HW: tuple[int, int], grain_px: float, rng: np.random.Generator) -> FloatArray:
    """Smooth noise of mean 0 and standard deviation 1."""
    rows, columns = (max(3, math.ceil(side / grain_px) + 2) for side in size_HW)
    coarse = rng.normal(size=(rows, columns)).astype(np.float32)
    fine = cv2.resize(coarse, (size_HW[1], size_HW[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((fine - fine.mean()) / max(float(fine.std()), 1e-6), np.float32)


def relief(height_HW: FloatArray, light: float) -> FloatArray:
    """How a form that stands out catches light from a direction (radians), −1 to 1.

    Slopes that face the light are bright, those behind are dark; a hollow is the reverse.
    """
    down_HW, right_HW = np.gradient(height_HW)
    slope_HW = right_HW * math.cos(light) + down_HW * math.sin(light)
    steepest = float(np.abs(slope_HW).max())
    return np.asarray(slope_HW / max(steepest, 1e-6), np.float32)


def shadow(cover_HW: FloatArray, light: float, reach_px: float) -> FloatArray:
    """The soft shadow that a form throws away from the light, without the form itself."""
    moved = np.array(
        [[1, 0, -reach_px * math.cos(light)], [0, 1, -reach_px * math.sin(light)]], np.float32
    )
    size = (cover_HW.shape[1], cover_HW.shape[0])
    thrown_HW = cv2.GaussianBlur(cv2.warpAffine(cover_HW, moved, size), (0, 0), reach_px / 2 + 0.5)
    return np.asarray(thrown_HW * (1 - cover_HW), np.float32)
