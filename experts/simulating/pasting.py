"""Pieces of images at wrong places: pasted as they are, or blended in by Poisson image editing.

CutPaste: Li et al. (CVPR 2021). Blending: Pérez, Gangnet & Blake, "Poisson Image Editing" (SIGGRAPH
2003), as AnomalyGPT (AAAI 2024, section 3.2) makes its anomalies after NSA (Schlüter et al. 2022).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from experts.simulating.canvas import ByteArray, Canvas, FloatArray, mix
from experts.simulating.shapes import blot, splinter

# At the rim of what it blends in, OpenCV keeps the gradients of the image below for so many pixels.
_ERODED_PX = 3
# Blended in, a piece without any detail vanishes, so the best of several is taken.
_LOOKS = 8


def cut_paste(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A piece cut out and pasted elsewhere, turned; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    size = canvas.size(rng, 4, 0.33)
    form_HW = piece_form(canvas, at_xy, size, rng)
    piece_HW3 = piece(canvas, at_xy, rng).astype(np.float32)
    piece_HW3 = (piece_HW3 - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-12, 12)
    return mix(canvas.levels_HW3, piece_HW3 * canvas.tint(rng, 0.08), form_HW)


def poisson(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    """A piece from elsewhere, blended in so that no seam shows; levels (H, W, 3)."""
    at_xy = canvas.pick(rng)
    size = canvas.size(rng, 6, 0.4) + 2 * _ERODED_PX
    form_HW = (piece_form(canvas, at_xy, size, rng) > 0.5) & canvas.part_HW
    # Blending needs a rim of the image around all that it changes.
    form_HW[[0, 1, -2, -1]] = form_HW[:, [0, 1, -2, -1]] = False
    kernel = np.ones((2 * _ERODED_PX + 1, 2 * _ERODED_PX + 1), np.uint8)
    if not cv2.erode(form_HW.astype(np.uint8), kernel).any():
        return canvas.levels_HW3  # nothing would be left of it
    y_N, x_N = np.nonzero(form_HW)
    rows = slice(int(y_N.min()) - 1, int(y_N.max()) + 2)
    columns = slice(int(x_N.min()) - 1, int(x_N.max()) + 2)
    source_hw3 = np.ascontiguousarray(piece(canvas, at_xy, rng, _LOOKS)[rows, columns])
    form_hw = np.ascontiguousarray(form_HW[rows, columns]).astype(np.uint8) * 255
    height, width = form_hw.shape
    centre = columns.start + width // 2, rows.start + height // 2
    how = cv2.MIXED_CLONE if rng.random() < 0.3 else cv2.NORMAL_CLONE
    blended_HW3 = cv2.seamlessClone(source_hw3, canvas.rgb_HW3.copy(), form_hw, centre, how)
    return np.asarray(blended_HW3, np.float32)


def piece_form(
    canvas: Canvas, at_xy: tuple[int, int], size: float, rng: np.random.Generator
) -> FloatArray:
    """The outline of a piece: a bar, a blot or a splinter, as opacity (H, W)."""
    kind = rng.integers(3)
    if kind == 0:
        radii = size / 2, size / 2 * rng.uniform(0.3, 1.0)
        return blot(canvas.size_HW, at_xy, radii, rng, rough=0.2, soft_px=1.5)
    if kind == 1:
        return splinter(canvas.size_HW, at_xy, size / 2, rng)
    sides = size, max(size * rng.uniform(0.15, 0.8), 3)
    box = (at_xy, sides, float(rng.uniform(0, 180)))
    corners_42 = np.rint(cv2.boxPoints(box) * 16).astype(np.int32)
    drawn_HW = np.zeros(canvas.size_HW, np.uint8)
    cv2.fillPoly(drawn_HW, [corners_42], (255,), cv2.LINE_AA, 4)
    return np.asarray(drawn_HW / np.float32(255), np.float32)


def piece(
    canvas: Canvas, at_xy: tuple[int, int], rng: np.random.Generator, looks: int = 1
) -> ByteArray:
    """The other image, turned and moved so that another of its places lies at this one.

    Args:
        canvas: Has the other image.
        at_xy: Where the piece shall lie.
        rng: Draws the place.
        looks: Of so many places the one with most detail is taken.
    """
    height, width = canvas.other_HW3.shape[:2]
    places_L2 = (rng.uniform(0.1, 0.9, (looks, 2)) * [width, height]).astype(int)
    x, y = max(places_L2.tolist(), key=lambda xy: float(canvas.other_detail_HW[xy[1], xy[0]]))
    from_xy = float(x), float(y)
    turn = rng.choice([rng.uniform(20, 340), 90.0, 180.0])
    matrix_23 = cv2.getRotationMatrix2D(from_xy, float(turn), math.exp(rng.uniform(-0.3, 0.3)))
    matrix_23[:, 2] = matrix_23[:, 2] + np.array(at_xy) - from_xy
    moved_HW3 = cv2.warpAffine(
        canvas.other_HW3,
        matrix_23,
        (canvas.size_HW[1], canvas.size_HW[0]),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved_HW3, np.uint8)
