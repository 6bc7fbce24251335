"""What does not belong there: pieces of something else, particles and fibres."""

from __future__ import annotations

import math

import numpy as np

from experts.simulating.canvas import Canvas, FloatArray, mix
from experts.simulating.pasting import piece, piece_form
from experts.simulating.shapes import blot, relief, shadow, splinter, stroke, uneven, way


def foreign(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A particle or a piece of something else that lies on the part; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    light = rng.uniform(0, 2 * math.pi)
    if rng.random() < 0.5:
        return _particle(canvas, at_xy, light, rng)
    size = canvas.size(rng, 6, 0.3)
    form_HW = piece_form(canvas, at_xy, size, rng)
    # Of another material, which is lighter or darker and of other contrast.
    other_HW3 = piece(canvas, at_xy, rng).astype(np.float32)
    shift = canvas.shift(rng, at_xy, rng.uniform(0.3, 0.7))
    mean = float(other_HW3.mean())
    here = float(canvas.smooth_HW3[at_xy[1], at_xy[0]].mean())
    body_HW3 = (other_HW3 - mean) * rng.uniform(0.3, 1.2) + here + shift
    return _laid_on(canvas, body_HW3 * canvas.tint(rng, 0.25), form_HW, light, size / 12)


def _particle(
    canvas: Canvas, at_xy: tuple[int, int], light: float, rng: np.random.Generator
) -> FloatArray:
    radius = canvas.size(rng, 1.5, 0.06)
    if rng.random() < 0.5:
        form_HW = splinter(canvas.size_HW, at_xy, max(radius, 2), rng)
    else:
        radii = radius, radius * rng.uniform(0.4, 1.0)
        form_HW = blot(canvas.size_HW, at_xy, radii, rng, rough=0.3)
    shift = canvas.shift(rng, at_xy, rng.uniform(0.6, 1.0))
    lit_HW = np.asarray(shift + 0.35 * abs(shift) * relief(form_HW, light), np.float32)
    body_HW3 = canvas.cover(rng, np.ones_like(form_HW), lit_HW, grain=0.3)
    return _laid_on(canvas, body_HW3 * canvas.tint(rng, 0.3), form_HW, light, radius / 3)


def fibre(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A hair or thread, curled, of even width; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    points_N2 = way(canvas.size(rng, 12, 0.6), rng, bend=rng.uniform(1.2, 4), jag=0.0)
    points_N2 += np.array(at_xy) - points_N2.mean(axis=0)
    count = len(points_N2)
    width = canvas.size(rng, 1.1 * canvas.finest_px, 0.01)
    radii_N = width / 2 * uneven(count, rng, least=0.85, every=15)
    form_HW = stroke(canvas.size_HW, points_N2, radii_N, uneven(count, rng, least=0.75, every=25))
    shift = canvas.shift(rng, at_xy, rng.uniform(0.5, 0.9))
    body_HW3 = canvas.cover(rng, np.ones_like(form_HW), shift, grain=0.2)
    light = rng.uniform(0, 2 * math.pi)
    return _laid_on(
        canvas, body_HW3 * canvas.tint(rng, 0.3), 0.95 * form_HW, light, width / 3, dark=0.12
    )


def _laid_on(
    canvas: Canvas,
    body_HW3: FloatArray,
    form_HW: FloatArray,
    light: float,
    height_px: float,
    dark: float = 0.3,
) -> FloatArray:
    """Something on the part, with the shadow that it throws there."""
    thrown_HW = shadow(form_HW, light, min(max(height_px, 0.8), 6.0))
    shaded_HW3 = canvas.levels_HW3 * (1 - dark * thrown_HW[:, :, None])
    return mix(np.asarray(shaded_HW3, np.float32), np.asarray(body_HW3, np.float32), form_HW)
