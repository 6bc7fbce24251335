"""The shape of a region: extents, the line along its middle, its outline and its traits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from experts.evidence import Traits

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Box = tuple[int, int, int, int]

# Larger masks are brought down to this before a skeleton is drawn, or an outline smoothed.
SKELETON_SIDE_PX = 256
OUTLINE_SIDE_PX = 64

# Wording only, no verdict rests on these: with less difference (of the grey range) a person sees
# neither darker nor brighter; twice as long as wide is elongated; a rim that moves by more than
# this share of the area when it is smoothed is ragged; this share of the shorter side is the edge.
VISIBLE_CONTRAST = 0.02
ELONGATED = 2
RAGGED = 0.1
EDGE_SHARE = 0.02

# A background is a level from which nearly all of the image's border differs by less than this.
_BACKGROUND_TOLERANCE = 0.05
_BACKGROUND_SHARE = 0.9
_PART_SIDE_PX = 256


class Centreline(NamedTuple):
    """The longest way along a region's skeleton.

    Attributes:
        length_px: From one end of the region to the other, along the curve.
        mean_width_px: Mean over the way.
        max_width_px: At the widest place.
    """

    length_px: float
    mean_width_px: float
    max_width_px: float


def extents(mask_HW: BoolArray) -> tuple[float, float]:
    """Maximum and minimum Feret diameter of a mask in pixels, to one degree.

    Unlike extents along the main axes, neither ever shrinks when the mask grows.
    """
    rows_N = np.flatnonzero(mask_HW.any(axis=1))
    first_N = mask_HW[rows_N].argmax(axis=1)
    last_N = mask_HW.shape[1] - 1 - mask_HW[rows_N, ::-1].argmax(axis=1)
    # The farthest pixel in any direction is the first or the last of its row.
    y_K, x_K = np.tile(rows_N, 2), np.concatenate([first_N, last_N])
    angles_A = np.radians(np.arange(180))
    along_AK = np.sin(angles_A)[:, None] * y_K + np.cos(angles_A)[:, None] * x_K
    extents_A = np.ptp(along_AK, axis=1) + 1  # a pixel is one pixel wide
    # Rounded, lest four pixels become 4.000000000000002 and break a limit of four.
    return round(float(extents_A.max()), 6), round(float(extents_A.min()), 6)


def centreline(mask_HW: BoolArray) -> Centreline:
    """Length and width of a mask along its skeleton.

    The skeleton is that of Zhang & Suen (1984); the way is the longest of the shortest ways
    between its pixels, so branches do not count and a closed ring counts half. Its length is that
    of Kimura, Kikuchi & Yamasaki (Plant and Soil 1999, eq. 3), because a sum of steps overrates
    slanted lines; the ends reach to the rim. Widths are twice the distance to the rim, right to
    within two pixels, of which a mask beyond ``SKELETON_SIDE_PX`` has fewer and larger ones.

    Args:
        mask_HW: bool, one connected region.
    """
    from skimage.morphology import skeletonize

    shrunk_HW, factor = _shrink(mask_HW, SKELETON_SIDE_PX)
    padded_HW = np.pad(shrunk_HW, 1)
    to_rim_HW = ndimage.distance_transform_edt(padded_HW) - 0.5
    way_N2 = _longest_way(skeletonize(padded_HW))
    ends_2 = to_rim_HW[way_N2[[0, -1], 0], way_N2[[0, -1], 1]]
    # A thinned skeleton may run a pixel beside the middle.
    radius_N = ndimage.maximum_filter(to_rim_HW, 3)[way_N2[:, 0], way_N2[:, 1]]
    diagonal = int((np.abs(np.diff(way_N2, axis=0)).sum(axis=1) == 2).sum())
    straight = len(way_N2) - 1 - diagonal
    along = np.hypot(diagonal, diagonal + straight / 2) + straight / 2
    return Centreline(
        length_px=float(along + ends_2.sum()) * factor,
        mean_width_px=float(2 * radius_N.mean()) * factor,
        max_width_px=float(2 * radius_N.max()) * factor,
    )


def _shrink(mask_HW: BoolArray, side: int) -> tuple[BoolArray, int]:
    """A mask of at most ``side`` pixels, and how many pixels became one; set if any of them is."""
    height, width = mask_HW.shape
    factor = -(-max(height, width) // side)
    padded_HW = np.pad(mask_HW, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded_HW.shape[0] // factor, padded_HW.shape[1] // factor
    blocks_HfWf = padded_HW.reshape(rows, factor, columns, factor)
    return np.asarray(blocks_HfWf.any(axis=(1, 3)), bool), factor


def _longest_way(skeleton_HW: BoolArray) -> NDArray[np.intp]:
    """The pixels (N, 2) of the longest shortest way: the farthest from the farthest from any."""
    pixels_P2 = np.argwhere(skeleton_HW)
    index_HW = np.full(skeleton_HW.shape, -1)
    index_HW[skeleton_HW] = np.arange(len(pixels_P2))
    starts, ends, steps = [], [], []
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):  # the skeleton never touches the border
        neighbour_P = index_HW[pixels_P2[:, 0] + dy, pixels_P2[:, 1] + dx]
        linked = np.flatnonzero(neighbour_P >= 0)
        starts.append(linked)
        ends.append(neighbour_P[linked])
        steps.append(np.full(len(linked), np.hypot(dy, dx)))
    links = (np.concatenate(steps), (np.concatenate(starts), np.concatenate(ends)))
    graph = sparse.csr_array(links, shape=(len(pixels_P2), len(pixels_P2)))
    first = int(_reached(csgraph.dijkstra(graph, directed=False, indices=0)).argmax())
    far_P, before_P = csgraph.dijkstra(
        graph, directed=False, indices=first, return_predecessors=True
    )
    way = [int(_reached(far_P).argmax())]
    while way[-1] != first:
        way.append(int(before_P[way[-1]]))
    return pixels_P2[way]


def _reached(distance_P: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(distance_P), distance_P, -1)


def raggedness(mask_HW: BoolArray) -> float:
    """Share of the area that changes when the outline is smoothed: 0.06 for a disk, 0 for a line.

    Smoothing blurs by a quarter of the largest inscribed radius, so that the measure does not
    depend on the size of the region or on the resolution.
    """
    shrunk_HW, _ = _shrink(mask_HW, OUTLINE_SIDE_PX)
    padded_HW = np.pad(shrunk_HW, 1 + max(shrunk_HW.shape) // 8)
    sigma = float(ndimage.distance_transform_edt(padded_HW).max()) / 4
    smooth_HW: BoolArray = (
        ndimage.gaussian_filter(padded_HW.astype(np.float32), sigma, truncate=3) > 0.5
    )
    return float((smooth_HW ^ padded_HW).sum() / padded_HW.sum())


def surroundings(box_xyxy: Box, size_HW: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a box with half its longer side around it, inside the image."""
    left, top, right, bottom = box_xyxy
    margin = max(right - left, bottom - top, 8) // 2
    rows = slice(max(top - margin, 0), min(bottom + margin, size_HW[0]))
    return rows, slice(max(left - margin, 0), min(right + margin, size_HW[1]))


def place_mask(mask_HW: BoolArray, box_xyxy: Box, window: tuple[slice, slice]) -> BoolArray:
    """A region's mask, given in its box, in a window that holds the box."""
    rows, columns = window
    placed_HW = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    top, left = box_xyxy[1] - rows.start, box_xyxy[0] - columns.start
    placed_HW[top : top + mask_HW.shape[0], left : left + mask_HW.shape[1]] = mask_HW
    return placed_HW


def contrast(
    mask_HW: BoolArray,
    box_xyxy: Box,
    grey_HW: FloatArray,
    reference_HW: FloatArray | None = None,
) -> float:
    """Mean grey inside less that of the reference at the same place, −1 to 1.

    Without a reference, less that of the surroundings; 0 if there are none.

    Args:
        mask_HW: bool, the region inside its box.
        box_xyxy: Pixels.
        grey_HW: float32 luma of the image, 0 to 1.
        reference_HW: The same of an aligned normal image.
    """
    window = surroundings(box_xyxy, (grey_HW.shape[0], grey_HW.shape[1]))
    inside_HW = place_mask(mask_HW, box_xyxy, window)
    here_HW = grey_HW[window]
    if reference_HW is not None:
        return float(here_HW[inside_HW].mean() - reference_HW[window][inside_HW].mean())
    if inside_HW.all():
        return 0.0
    return float(here_HW[inside_HW].mean() - here_HW[~inside_HW].mean())


def edge_distance(mask_HW: BoolArray, box_xyxy: Box, grey_HW: FloatArray) -> float:
    """Pixels from a region to the nearest edge: of the image, and of the part if that shows.

    A part shows where the border of the image is a background of one grey level.

    Args:
        mask_HW: bool, the region inside its box.
        box_xyxy: Pixels.
        grey_HW: float32 luma of the image, 0 to 1.
    """
    left, top, right, bottom = box_xyxy
    height, width = grey_HW.shape
    to_border = float(min(left, top, width - right, height - bottom))
    step = -(-max(height, width) // _PART_SIDE_PX)
    part_hw = _part(grey_HW[::step, ::step])
    if part_hw is None:
        return to_border
    # Of a pixel of the part that touches the background the distance is 0.
    to_rim_hw = np.asarray(ndimage.distance_transform_edt(part_hw), np.float32) - part_hw
    y_N, x_N = np.nonzero(mask_HW)
    to_rim = to_rim_hw[(y_N + top) // step, (x_N + left) // step]
    return min(to_border, float(step * to_rim.min()))


def _part(grey_HW: FloatArray) -> BoolArray | None:
    """The part before a plain background; none where the border of the image is not plain."""
    border_N = np.concatenate([grey_HW[0], grey_HW[-1], grey_HW[:, 0], grey_HW[:, -1]])
    level = float(np.median(border_N))
    plain_N = np.abs(border_N - level) <= _BACKGROUND_TOLERANCE
    if plain_N.mean() < _BACKGROUND_SHARE:
        return None
    part_HW = ndimage.binary_fill_holes(np.abs(grey_HW - level) > _BACKGROUND_TOLERANCE)
    labels_HW, count = ndimage.label(part_HW)
    if count == 0:
        return None
    largest_HW: BoolArray = labels_HW == np.bincount(labels_HW.ravel())[1:].argmax() + 1
    return largest_HW


def traits(
    mask_HW: BoolArray,
    box_xyxy: Box,
    stretch: float,
    grey_HW: FloatArray,
    reference_HW: FloatArray | None = None,
) -> Traits:
    """What a person would say of a region, with the numbers behind.

    Args:
        mask_HW: bool, the region inside its box.
        box_xyxy: Pixels.
        stretch: Its ``elongation``.
        grey_HW: float32 luma of the image, 0 to 1.
        reference_HW: The same of an aligned normal image, if there is one.
    """
    difference = contrast(mask_HW, box_xyxy, grey_HW, reference_HW)
    ragged = raggedness(mask_HW)
    distance = edge_distance(mask_HW, box_xyxy, grey_HW)
    seen = abs(difference) >= VISIBLE_CONTRAST
    return Traits(
        tone=("darker than" if difference < 0 else "brighter than") if seen else "as bright as",
        compared_with="surroundings" if reference_HW is None else "reference",
        difference=difference,
        form="elongated" if stretch >= ELONGATED else "round",
        elongation=stretch,
        outline="ragged" if ragged > RAGGED else "smooth",
        raggedness=ragged,
        situation="at the edge" if distance <= EDGE_SHARE * min(grey_HW.shape) else "inside",
        edge_distance_px=distance,
    )


def elongation(feret_px: tuple[float, float], line: Centreline) -> float:
    """Length divided by width: straight across, or along the skeleton where that gives more."""
    return max(feret_px[0] / feret_px[1], line.length_px / line.mean_width_px)
