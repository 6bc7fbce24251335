"""Draws one anomaly of a kind onto a normal image, with the mask of all that changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from experts.errors import ImageError
from experts.simulating import folds, foreign, lines, pasting, rims, spots
from experts.simulating.canvas import BoolArray, ByteArray, Canvas, FloatArray, part_of
from experts.simulating.kinds import KINDS as KINDS
from experts.simulating.words import in_words, region_of

Simulator = Callable[[Canvas, np.random.Generator], FloatArray]

SIMULATORS: dict[str, Simulator] = {
    "chip": rims.chip,
    "crack": lines.crack,
    "cut_paste": pasting.cut_paste,
    "fibre": foreign.fibre,
    "fold": folds.fold,
    "foreign": foreign.foreign,
    "missing": rims.missing,
    "pit": spots.pit,
    "poisson": pasting.poisson,
    "scratch": lines.scratch,
    "stain": spots.stain,
}

# A pixel that differs by fewer levels of 255 looks as before, and is left as it was.
VISIBLE_LEVELS = 6
# A mask has at least so many pixels, and covers at most that share of the part.
LEAST_PX = 4
_MOST_SHARE = 1 / 3
# The mean difference in the mask, at least, in units of the image's own grain.
_LEAST_OVER_NOISE = 0.75
# What is seen by its tone alone must stand out from the texture: its summed difference, in units of
# what the grain gives on as many pixels. White noise needs 5 (Rose 1948), and grain is coarser.
_TONAL = frozenset({"crack", "fibre", "pit", "scratch", "stain"})
_LEAST_OVER_TEXTURE = 9.0
# Changed specks far from the rest, where a mark fades out, are left as they were.
_SPECK_SHARE = 0.02
# Holes in a mask up to that share of its area are of the anomaly, too.
_HOLE_SHARE = 0.04
# Not every draw shows: a dark crack may fall onto something dark.
_DRAWS = 60


@dataclass(frozen=True)
class Simulated:
    """A normal image with an anomaly.

    Attributes:
        image_HW3: uint8; as the normal image wherever the mask is not set.
        mask_HW: bool, not empty: the pixels that visibly changed, and small gaps among them.
        kind: One of ``KINDS``.
        box_xyxy: Of the mask, in pixels; the right and lower sides are outside.
        words: What it looks like, where and how large it is.
    """

    image_HW3: ByteArray
    mask_HW: BoolArray
    kind: str
    box_xyxy: tuple[int, int, int, int]
    words: str


def simulate(
    image_HW3: ByteArray,
    kind: str,
    rng: np.random.Generator,
    other_HW3: ByteArray | None = None,
    part_HW: BoolArray | None = None,
) -> Simulated:
    """Draw an anomaly; the same image, kind and state of ``rng`` give the same one.

    Args:
        image_HW3: uint8, of a normal part; is not changed.
        kind: One of ``KINDS``.
        rng: Draws all about it.
        other_HW3: uint8, another image that pieces are taken from; by default the same.
        part_HW: Where the part is, if that is known; else it is looked for.

    Raises:
        ImageError: If nothing of this kind would show on the image.
        KeyError: If there is no such kind.
    """
    simulator = SIMULATORS[kind]
    other_HW3 = image_HW3 if other_HW3 is None else other_HW3
    canvas = Canvas(image_HW3, other_HW3, part_of(image_HW3) if part_HW is None else part_HW)
    for _ in range(_DRAWS):
        drawn_HW3 = _levelled(canvas, simulator(canvas, rng))
        mask_HW = _visible(canvas, drawn_HW3)
        if _shows(canvas, drawn_HW3, mask_HW, kind):
            return told(np.where(mask_HW[:, :, None], drawn_HW3, image_HW3), mask_HW, kind)
    raise ImageError(f"no {kind} would be seen on the image; leave this kind out")


def told(image_HW3: ByteArray, mask_HW: BoolArray, kind: str) -> Simulated:
    """An image with its anomaly, measured and put into words."""
    region = region_of(image_HW3, mask_HW)
    words = in_words(region, (mask_HW.shape[0], mask_HW.shape[1]))
    return Simulated(image_HW3, mask_HW, kind, region.box_xyxy, words)


def _levelled(canvas: Canvas, drawn_HW3: FloatArray) -> ByteArray:
    """As pixels; of two levels if the image is."""
    if canvas.is_two_levels:
        low, high = canvas.range
        changed_HW = np.abs(drawn_HW3 - canvas.levels_HW3).max(axis=2) >= VISIBLE_LEVELS
        level_HW = np.where(drawn_HW3.mean(axis=2) > (low + high) / 2, high, low)
        drawn_HW3 = np.where(changed_HW[:, :, None], level_HW[:, :, None], canvas.levels_HW3)
    return np.clip(np.rint(drawn_HW3), 0, 255).astype(np.uint8)


def _difference(canvas: Canvas, drawn_HW3: ByteArray) -> FloatArray:
    """The largest of the channels' differences at each pixel."""
    return np.asarray(np.abs(drawn_HW3 - canvas.levels_HW3).max(axis=2), np.float32)


def _visible(canvas: Canvas, drawn_HW3: ByteArray) -> BoolArray:
    """The pixels of the part that visibly changed, without specks and small gaps."""
    seen_HW = (_difference(canvas, drawn_HW3) >= VISIBLE_LEVELS) & canvas.part_HW
    if not canvas.is_two_levels:
        seen_HW = _closed(seen_HW) & canvas.part_HW
    labels_HW, areas = _pieces(seen_HW)
    return np.asarray((areas >= max(2, _SPECK_SHARE * areas.max(initial=0)))[labels_HW])


def _closed(seen_HW: BoolArray) -> BoolArray:
    """Without the gaps and holes where texture happens to be as before."""
    padded_HW = np.pad(seen_HW.astype(np.uint8), 2)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    closed_HW = cv2.morphologyEx(padded_HW, cv2.MORPH_CLOSE, disk)[2:-2, 2:-2] > 0
    labels_HW, areas = _pieces(~closed_HW)
    is_hole = areas <= max(4, _HOLE_SHARE * float(closed_HW.sum()))
    is_hole[0] = False
    return np.asarray(closed_HW | is_hole[labels_HW])


def _pieces(mask_HW: BoolArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The connected pieces of a mask by number from 1 on, (H, W), and the area of each; 0 is 0."""
    _, labels_HW = cv2.connectedComponents(mask_HW.astype(np.uint8), connectivity=8)
    areas = np.bincount(labels_HW.ravel())
    areas[0] = 0
    return np.asarray(labels_HW, np.int32), areas


def _shows(canvas: Canvas, drawn_HW3: ByteArray, mask_HW: BoolArray, kind: str) -> bool:
    """Whether a person would see it, and it is not larger than defects are."""
    area = int(mask_HW.sum())
    if not LEAST_PX <= area <= max(LEAST_PX, _MOST_SHARE * float(canvas.part_HW.sum())):
        return False
    away_N3 = (drawn_HW3 - canvas.levels_HW3)[mask_HW]
    if kind in _TONAL:
        summed = abs(float(away_N3.mean(axis=1).sum()))
        if summed < _LEAST_OVER_TEXTURE * canvas.noise * math.sqrt(area):
            return False
    mean = float(np.abs(away_N3).max(axis=1).mean())
    return mean >= max(1.5 * VISIBLE_LEVELS, _LEAST_OVER_NOISE * canvas.noise)
