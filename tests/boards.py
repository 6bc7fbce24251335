"""Drawn circuit boards: parts that lie on each other where they are the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experts.images import Picture

ByteArray = NDArray[np.uint8]
GROUND, TRACK = 220, 20


def board(seed: int, side: int = 160) -> ByteArray:
    """Dark tracks and pads on a bright ground, uint8 (side, side)."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), GROUND, np.uint8)
    for _ in range(14):
        y, x = rng.integers(0, side - 20, 2)
        length = int(rng.integers(30, side))
        if rng.random() < 0.5:
            image[y : y + 8, x : x + length] = TRACK
        else:
            image[y : y + length, x : x + 8] = TRACK
    return image


def marked(number: int, side: int = 7) -> tuple[ByteArray, int, int]:
    """A board with a spot that belongs to no track, and where its centre is."""
    image = board(number)
    plain = ndimage.minimum_filter(image, 21, mode="constant") == GROUND  # not at the border
    y, x = (int(v) for v in np.argwhere(plain)[0])
    half = side // 2
    image[y - half : y + half + 1, x - half : x + half + 1] = TRACK
    return image, y, x


def picture(image: ByteArray) -> Picture:
    """A board as it is inspected."""
    return Picture("board", np.repeat(image[:, :, None], 3, axis=2))
