"""Scratches and cracks."""

from __future__ import annotations

import numpy as np

from experts.simulating.canvas import Canvas, FloatArray
from experts.simulating.shapes import Points, stroke, tapered, uneven, way


def scratch(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """One to four nearly straight grooves, with a thrown-up rim beside them; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    length = canvas.size(rng, 8, 0.5)
    middle_N2 = way(length, rng, bend=0.5, jag=0.02)
    middle_N2 += np.array(at_xy) - middle_N2.mean(axis=0)
    across_2 = _across(middle_N2)
    width = canvas.size(rng, canvas.finest_px, 0.009)
    shift = canvas.shift(rng, at_xy, rng.uniform(0.35, 0.8))
    groove_HW = np.zeros(canvas.size_HW, np.float32)
    rim_HW = groove_HW.copy()
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 4]))):
        count = len(middle_N2)
        strength_N = tapered(count, rng.uniform(0.1, 0.4)) * uneven(count, rng, least=0.4, every=20)
        radii_N = width / 2 * (0.5 + 0.5 * strength_N)
        line_N2 = middle_N2 + rng.normal(0, 4 * width) * across_2
        groove_HW = np.maximum(groove_HW, stroke(canvas.size_HW, line_N2, radii_N, strength_N))
        beside_N2 = line_N2 + width * across_2
        beside_HW = stroke(canvas.size_HW, beside_N2, radii_N / 2, 0.5 * strength_N)
        rim_HW = np.maximum(rim_HW, beside_HW)
    # Pressed-up material is of the other tone.
    rim_HW = rim_HW * (1 - groove_HW) * float(rng.random() < 0.6)
    drawn_HW3 = canvas.cover(rng, 0.85 * groove_HW, shift, grain=0.6)
    return np.asarray(drawn_HW3 - 0.6 * shift * rim_HW[:, :, None], np.float32)


def _across(points_N2: Points) -> Points:
    along_2 = points_N2[-1] - points_N2[0]
    return np.array([-along_2[1], along_2[0]]) / max(float(np.hypot(*along_2)), 1e-6)


def crack(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A fine wandering gap that thins out and branches; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    length = canvas.size(rng, 12, 0.6)
    trunk_N2 = way(length, rng, bend=0.6, jag=rng.uniform(0.3, 0.6))
    trunk_N2 += np.array(at_xy) - trunk_N2.mean(axis=0)
    width = canvas.size(rng, 0.8 * canvas.finest_px, 0.007)
    drawn_HW = _gap(canvas, rng, trunk_N2, width, thins_from=0.5)
    for _ in range(int(rng.integers(0, 1 + min(4, int(length // 12))))):
        start = int(rng.uniform(0.15, 0.85) * len(trunk_N2))
        branch_N2 = way(length * rng.uniform(0.15, 0.45), rng, bend=0.4, jag=0.45)
        branch_N2 = _turned_to(branch_N2, trunk_N2, start, rng) + trunk_N2[start]
        branch_HW = _gap(canvas, rng, branch_N2, width * rng.uniform(0.5, 0.8), thins_from=0.2)
        drawn_HW = np.maximum(drawn_HW, branch_HW)
    shift = canvas.shift(rng, at_xy, rng.uniform(0.45, 0.9), dark=0.9)
    return canvas.cover(rng, 0.9 * drawn_HW, shift, grain=0.3)


def _gap(
    canvas: Canvas, rng: np.random.Generator, points_N2: Points, width: float, thins_from: float
) -> FloatArray:
    count = len(points_N2)
    along_N = np.linspace(0, 1, count)
    thin_N = 1 - 0.75 * np.clip((along_N - thins_from) / (1 - thins_from), 0, 1)
    radii_N = width / 2 * thin_N * uneven(count, rng, least=0.6, every=8)
    strength_N = np.sqrt(thin_N) * uneven(count, rng, least=0.7, every=12)
    return stroke(canvas.size_HW, points_N2, np.maximum(radii_N, 0.35), strength_N)


def _turned_to(branch_N2: Points, trunk_N2: Points, start: int, rng: np.random.Generator) -> Points:
    """A branch that leaves the trunk at an acute angle, to one side."""
    ahead_2 = trunk_N2[min(start + 6, len(trunk_N2) - 1)] - trunk_N2[max(start - 6, 0)]
    wanted = np.arctan2(ahead_2[1], ahead_2[0]) + rng.choice([-1, 1]) * rng.uniform(0.35, 1.1)
    turn = wanted - np.arctan2(branch_N2[-1, 1], branch_N2[-1, 0])
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(branch_N2 @ np.array([[cos, sin], [-sin, cos]]))
