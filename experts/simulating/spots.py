"""Pits and stains."""

from __future__ import annotations

import math

import numpy as np

from experts.simulating.canvas import Canvas, FloatArray, blur
from experts.simulating.shapes import blot, clouds, relief

# Standard deviation of a texture, in levels of 255, in which fine shades are lost.
_COARSE = 12.0


def pit(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """One small hollow or a few, dark, with the far wall lit; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    radius = canvas.size(rng, 1.5 * canvas.finest_px, 0.05)
    light = rng.uniform(0, 2 * math.pi)
    hollow_HW = np.zeros(canvas.size_HW, np.float32)
    for number in range(int(rng.choice([1, 1, 1, 2, 3, 5]))):
        away_2 = rng.normal(0, 4 * radius, 2) * (number > 0)
        own = radius * (1.0 if number == 0 else rng.uniform(0.4, 0.9))
        radii = own, own * rng.uniform(0.55, 1.0)
        centre = at_xy[0] + away_2[0], at_xy[1] + away_2[1]
        one_HW = blot(canvas.size_HW, centre, radii, rng, rough=0.25, soft_px=1 + own / 3)
        hollow_HW = np.maximum(hollow_HW, one_HW)
    shift = canvas.shift(rng, at_xy, rng.uniform(0.5, 1.0), dark=0.85)
    deep_HW = blur(hollow_HW, max(radius / 3, 0.6))
    walls_HW = relief(deep_HW, light) * hollow_HW
    shade_HW = np.asarray(shift * (0.55 + 0.45 * deep_HW) - 0.4 * abs(shift) * walls_HW, np.float32)
    return canvas.cover(rng, 0.95 * hollow_HW, shade_HW, grain=0.5)


def stain(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A veil through which the texture shows, often with a stronger rim; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    radius = canvas.size(rng, 3, 0.17)
    radii = radius, radius * rng.uniform(0.45, 1.0)
    rough = rng.uniform(0.15, 0.4)
    soft = max(1.0, radius * rng.uniform(0.05, 0.3))
    form_HW = blot(canvas.size_HW, at_xy, radii, rng, rough=rough, soft_px=soft)
    patchy_HW = 1 + 0.18 * clouds(canvas.size_HW, max(radius / 2.5, 6), rng)
    inner_HW = blur(form_HW, max(radius / 5, 0.8))
    # Dried drops are strongest near their rim, where nothing coarser hides that.
    ring = rng.choice([0.0, 0.5, 0.9]) * (canvas.noise <= _COARSE and not canvas.is_two_levels)
    veil_HW = form_HW * (1 - ring * inner_HW**2) * patchy_HW
    shift = canvas.shift(
        rng, at_xy, rng.uniform(0.25, 0.6) + min(canvas.noise / 200, 0.15), dark=0.7
    )
    here = max(float(canvas.smooth_HW3[at_xy[1], at_xy[0]].mean()), 1.0)
    veil_HW3 = veil_HW[:, :, None] * canvas.tint(rng, 0.35)
    if shift < 0:
        # It swallows a share of the light, so that texture keeps its relative contrast.
        return np.asarray(canvas.levels_HW3 * (1 + shift / here * veil_HW3), np.float32)
    dulled_HW3 = canvas.levels_HW3 - 0.4 * canvas.grain_HW3 * form_HW[:, :, None]
    return np.asarray(dulled_HW3 + shift * veil_HW3, np.float32)
