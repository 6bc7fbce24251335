"""Where a defect lies and how large it is, in words, by its mask, where that leaves no doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.mmad.making_texts import texts, words_of

BoolArray = NDArray[np.bool_]

# The image is parted into 3 × 3 cells, as Echo's own places in words are.
CELLS = 3
# At least so much of the defect's area must lie in the cell that names its place.
SHARE = 0.7
# Parts of a mask below this share of its area are specks of the drawing, no places of their own.
SPECK = 0.05
# A place is clearly wrong where its cell is farther than this from the defect, as a share of the
# image's width and height: a quarter of a cell.
MARGIN = 1 / 12
# So many clearly wrong places are needed.
WRONG = 3
# Top left is at the top, and at the left, too: what a corner (row, column) could also be called.
_ALSO = {(r, c): ((r, 1), (1, c)) for r in (0, 2) for c in (0, 2)}
_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Place:
    """A place in words.

    Attributes:
        right: Where the defect lies.
        wrong: Where it clearly does not; at least three.
    """

    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class _Box:
    """Left, top, right and bottom as shares of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column of the cell that its centre lies in."""
        return _cell(self.top + self.bottom, 2), _cell(self.left + self.right, 2)

    def is_near(self, cell: tuple[int, int]) -> bool:
        """Whether a cell is no farther away than the margin."""
        top, left = (index / CELLS for index in cell)
        beside = left > self.right + MARGIN or left + 1 / CELLS < self.left - MARGIN
        above = top > self.bottom + MARGIN or top + 1 / CELLS < self.top - MARGIN
        return not (beside or above)


def place_of(mask_HW: BoolArray) -> Place | None:
    """The place that a mask lies in clearly; ``None`` if it could be called otherwise.

    It is clear where all of these hold for one of the nine cells:

    - at least ``SHARE`` of the defect's area lies in it;
    - the centre of the box around the defect lies in it, and so does its centre of gravity;
    - so do the centres of all its connected parts, specks left aside: defects in two places have
      no one place.

    Clearly wrong are the cells that the box does not come near, without those whose name is part of
    the right one. Where there are fewer than ``WRONG``, the place is not asked.

    Args:
        mask_HW: bool, of the size of the image.
    """
    parts = _parts(mask_HW)
    if not parts:
        return None
    area_33 = _area_by_cell(mask_HW)
    row, column = divmod(int(area_33.argmax()), CELLS)
    box = _Box(
        min(part.left for part in parts),
        min(part.top for part in parts),
        max(part.right for part in parts),
        max(part.bottom for part in parts),
    )
    centres = {box.cell, _centre_of_gravity(mask_HW), *(part.cell for part in parts)}
    if area_33.max() < SHARE * area_33.sum() or centres != {(row, column)}:
        return None
    also = ((row, column), *_ALSO.get((row, column), ()))
    cells = [divmod(number, CELLS) for number in range(CELLS**2)]
    wrong = tuple(_name(cell) for cell in cells if cell not in also and not box.is_near(cell))
    return Place(_name((row, column)), wrong) if len(wrong) >= WRONG else None


def size_of(mask_HW: BoolArray) -> str | None:
    """How large a defect is beside its image, in words; ``None`` if it could be called otherwise.

    Args:
        mask_HW: bool, of the size of the image.
    """
    share = float(mask_HW.mean())
    sizes = (size.words for size in texts().sizes if size.at_least <= share < size.below)
    return next(sizes, None) if share else None


def drawn_apart(right: str, wrong: Sequence[str]) -> list[str]:
    """Three wrong places in the order given, best none whose name is part of another option's.

    A right "top left" never stands beside "top". If a wrong one did, that would give it away.
    """
    kept: list[str] = []
    for place in wrong:
        if not any(_are_nested(place, other) for other in (right, *kept)):
            kept.append(place)
    return [*kept, *(place for place in wrong if place not in kept)][:WRONG]


def _are_nested(one: str, other: str) -> bool:
    return words_of(one) <= words_of(other) or words_of(other) <= words_of(one)


def _name(cell: tuple[int, int]) -> str:
    return texts().places[cell[0] * CELLS + cell[1]]


def _cell(position: float, size: float) -> int:
    return min(int(position / size * CELLS), CELLS - 1)


def _centre_of_gravity(mask_HW: BoolArray) -> tuple[int, int]:
    rows, columns = np.nonzero(mask_HW)
    height, width = mask_HW.shape
    return _cell(float(rows.mean()) + 0.5, height), _cell(float(columns.mean()) + 0.5, width)


def _area_by_cell(mask_HW: BoolArray) -> NDArray[np.intp]:
    """How many pixels of the mask lie in each cell, (3, 3); a pixel lies where its centre does."""
    rows, columns = np.nonzero(mask_HW)
    height, width = mask_HW.shape
    cell_N = (2 * rows + 1) * CELLS // (2 * height) * CELLS + (2 * columns + 1) * CELLS // (
        2 * width
    )
    return np.bincount(cell_N, minlength=CELLS**2)


def _parts(mask_HW: BoolArray) -> list[_Box]:
    """The boxes around the connected parts of a mask, without specks."""
    labels_HW, _ = ndimage.label(mask_HW, _EIGHT_NEIGHBOURS)
    area = np.bincount(labels_HW.ravel())[1:]
    height, width = mask_HW.shape
    return [
        _Box(x.start / width, y.start / height, x.stop / width, y.stop / height)
        for (y, x), pixels in zip(ndimage.find_objects(labels_HW), area, strict=True)
        if pixels >= SPECK * area.sum()
    ]
