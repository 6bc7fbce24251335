"""Folds: the surface is pushed together along a line."""

from __future__ import annotations

import math

import cv2
import numpy as np

from experts.simulating.canvas import Canvas, FloatArray
from experts.simulating.shapes import turned_grid


def fold(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A ridge with a lit and a dark side, its surroundings drawn towards it; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    length = canvas.size(rng, 10, 0.5)
    width = min(canvas.size(rng, 1.0, 0.013), length / 8)
    angle = rng.uniform(0, math.pi)
    along_HW, across_HW = turned_grid(canvas.size_HW, at_xy, angle)
    waves = rng.uniform(0.5, 1.2) * 2 * math.pi / length
    sway_HW = rng.uniform(0, 0.12) * length * np.sin(waves * along_HW + rng.uniform(0, 6))
    side_HW = (across_HW - sway_HW + float(sway_HW[at_xy[1], at_xy[0]])) / width
    # It rises from nothing at one end and falls to nothing at the other.
    ends_HW = np.clip(1 - (2 * along_HW / length) ** 2, 0, 1) ** 0.7
    ridge_HW = np.exp(-(side_HW**2) / 2) * ends_HW
    pull_HW = rng.uniform(0.8, 1.6) * width * side_HW * ridge_HW
    y_HW, x_HW = np.mgrid[: canvas.size_HW[0], : canvas.size_HW[1]].astype(np.float32)
    drawn_HW3 = cv2.remap(
        canvas.levels_HW3,
        np.asarray(x_HW - math.sin(angle) * pull_HW, np.float32),
        np.asarray(y_HW + math.cos(angle) * pull_HW, np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    shift = canvas.shift(rng, at_xy, rng.uniform(0.25, 0.55))
    lit_HW = math.sqrt(math.e) * side_HW * ridge_HW - 0.35 * np.exp(-4 * side_HW**2) * ends_HW
    return np.asarray(drawn_HW3 + shift * lit_HW[:, :, None], np.float32)
