from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from experts.decoder.regions import measure_region
from experts.decoder.shape import (
    SKELETON_SIDE_PX,
    Centreline,
    centreline,
    contrast,
    edge_distance,
    elongation,
    extents,
    raggedness,
    surroundings,
    traits,
)
from experts.evidence import Traits

BoolArray = NDArray[np.bool_]

Y, X = np.mgrid[-60:61, -60:61]
RADIUS, TURN = np.hypot(Y, X), np.arctan2(Y, X)


def seen_as(
    mask: NDArray[np.bool_], box: tuple[int, int, int, int], *images: NDArray[np.float32]
) -> Traits:
    return traits(mask, box, elongation(extents(mask), centreline(mask)), *images)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_extents_of_a_turned_rectangle(angle: float) -> None:
    turn = math.radians(angle)
    along = X * math.cos(turn) + Y * math.sin(turn)
    across = -X * math.sin(turn) + Y * math.cos(turn)
    length, width = extents((abs(along) <= 40) & (abs(across) <= 8))
    assert length == pytest.approx(81, abs=2)
    assert width == pytest.approx(17, abs=2)


@pytest.mark.parametrize("seed", range(5))
def test_extents_equal_those_of_every_pixel_in_every_direction(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 11)) < 0.15
    spans = []
    for degree in range(180):
        turn = math.radians(degree)
        along = [x * math.cos(turn) + y * math.sin(turn) for y, x in np.argwhere(mask).tolist()]
        spans.append(max(along) - min(along) + 1)
    assert extents(mask) == pytest.approx((max(spans), min(spans)))


def test_one_pixel_is_one_by_one() -> None:
    assert extents(np.ones((1, 1), bool)) == (1.0, 1.0)
    assert centreline(np.ones((1, 1), bool)) == Centreline(1, 1, 1)


@pytest.mark.parametrize("angle", [0, 10, 22.5, 45, 70, 90])
def test_the_centreline_of_a_straight_bar(angle: float) -> None:
    turn = math.radians(angle)
    along = X * math.cos(turn) + Y * math.sin(turn)
    across = -X * math.sin(turn) + Y * math.cos(turn)
    line = centreline((abs(along) <= 45.01) & (abs(across) <= 3.01))
    assert line.length_px == pytest.approx(91, rel=0.06)
    assert line.mean_width_px == pytest.approx(6.5, abs=1.5)
    assert line.max_width_px == pytest.approx(6.5, abs=1.5)


def test_a_bent_crack_is_as_long_as_its_bend_not_as_its_chord() -> None:
    crack = (abs(RADIUS - 45) <= 2.5) & (Y <= 0)
    line = centreline(crack)
    assert extents(crack)[0] == pytest.approx(2 * 45, rel=0.08)
    assert line.length_px == pytest.approx(math.pi * 45, rel=0.05)
    assert line.mean_width_px == pytest.approx(5, abs=1)


def test_the_widest_place_of_a_crack() -> None:
    crack = (abs(Y) <= 1) & (abs(X) <= 50) | (RADIUS <= 6)
    line = centreline(crack)
    assert line.max_width_px == pytest.approx(12, abs=1)
    assert 3 <= line.mean_width_px < 5
    assert line.length_px == pytest.approx(101, abs=2)


def slow_length(mask: BoolArray) -> float:
    """Longest of all shortest ways between the pixels, each way's length by Kimura's formula."""
    places = [tuple(place) for place in np.argwhere(mask).tolist()]
    far: dict[tuple[int, int], tuple[float, int, int]] = {}
    for start in range(len(places)):
        best = {start: (0.0, 0, 0)}  # length, straight and diagonal steps
        todo = [start]
        while todo:
            here = min(todo, key=lambda index: best[index][0])
            todo.remove(here)
            for there, place in enumerate(places):
                dy, dx = abs(place[0] - places[here][0]), abs(place[1] - places[here][1])
                if max(dy, dx) != 1:
                    continue
                length, straight, diagonal = best[here]
                step = (length + math.hypot(dy, dx), straight + (dy + dx == 1), diagonal + dy * dx)
                if there not in best or step[0] < best[there][0] - 1e-9:
                    best[there] = step
                    todo.append(there)
        end = max(best, key=lambda index: best[index][0])
        far[(start, end)] = best[end]
    _, straight, diagonal = max(far.values())
    return math.hypot(diagonal, diagonal + straight / 2) + straight / 2 + 1


@pytest.mark.parametrize("seed", range(6))
def test_the_way_equals_the_longest_shortest_way_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((14, 30), bool)
    row = 6
    for column in range(2, 28):  # a thin crack that wanders, and a branch of it
        mask[row, column] = True
        row = int(np.clip(row + rng.integers(-1, 2), 2, 11))
    fork = int(np.flatnonzero(mask[:, 14])[0])
    mask[min(fork + 2, 13) : min(fork + 2, 13) + 1, 15] = True
    mask[min(fork + 1, 13), 14 + (seed % 2)] = True
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    thin = labels == labels[fork, 14]
    assert centreline(thin).length_px == pytest.approx(slow_length(thin), rel=0.04)


def test_a_large_mask_measures_like_the_small_one() -> None:
    crack = (abs(RADIUS - 45) <= 4) & (Y <= 0)
    large = np.kron(crack, np.ones((8, 8), bool))
    assert max(large.shape) > SKELETON_SIDE_PX
    for small, big in zip(centreline(crack), centreline(large), strict=True):
        assert big / 8 == pytest.approx(small, rel=0.1)


def test_elongation_is_straight_across_or_along_the_bend() -> None:
    assert elongation((20, 4), Centreline(9, 3, 4)) == 5
    assert elongation((20, 15), Centreline(40, 5, 6)) == 8


SMOOTH = {
    "disk": RADIUS < 40,
    "square": (abs(X) < 30) & (abs(Y) < 30),
    "line": (abs(X) < 50) & (Y == 0),
    "ellipse": (X / 50) ** 2 + (Y / 15) ** 2 < 1,
    "bend": (abs(RADIUS - 45) < 6) & (Y < 0),
}
RAGGED = {
    "star": 40 * (0.8 + 0.2 * np.cos(12 * TURN)) > RADIUS,
    "torn": ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, RADIUS.shape), 2) * 40
    > RADIUS - 40,
}


@pytest.mark.parametrize(
    ("mask", "outline"),
    [*((mask, "smooth") for mask in SMOOTH.values()), *((m, "ragged") for m in RAGGED.values())],
    ids=[*SMOOTH, *RAGGED],
)
def test_outlines(mask: BoolArray, outline: str) -> None:
    grey = np.zeros(mask.shape, np.float32)
    assert seen_as(mask, (0, 0, 121, 121), grey).outline == outline


def slow_raggedness(mask: BoolArray) -> float:
    """Blur by summing over every pixel; the radius from the distances to every pixel outside."""
    pad = 1 + max(mask.shape) // 8
    padded = np.pad(mask, pad)
    inside, outside = np.argwhere(padded), np.argwhere(~padded)
    apart = np.linalg.norm(inside[:, None] - outside[None], axis=2)
    sigma = apart.min(axis=1).max() / 4
    changed = 0
    for place in itertools.product(range(padded.shape[0]), range(padded.shape[1])):
        squared = ((np.argwhere(np.ones_like(padded)) - place) ** 2).reshape(-1, 2)
        near = np.abs(np.argwhere(np.ones_like(padded)) - place).max(axis=1) <= int(3 * sigma + 0.5)
        weight = np.exp(-squared.sum(axis=1) / (2 * sigma**2)) * near
        blurred = weight[padded.ravel()].sum() / weight.sum()
        changed += (blurred > 0.5) != padded[place]
    return changed / int(mask.sum())


def test_raggedness_equals_blurring_by_hand() -> None:
    mask = np.random.default_rng(1).random((15, 18)) < 0.6
    mask[4:11, 4:14] = True
    assert raggedness(mask) == pytest.approx(slow_raggedness(mask), abs=0.01)


def test_surroundings_stay_inside_the_image() -> None:
    assert surroundings((10, 20, 30, 24), (100, 100)) == (slice(10, 34), slice(0, 40))
    assert surroundings((0, 96, 4, 100), (100, 100)) == (slice(92, 100), slice(0, 8))


def test_contrast_by_hand() -> None:
    grey = np.full((40, 40), 0.5, np.float32)
    grey[10:14, 10:14] = 0.2
    normal = np.full((40, 40), 0.3, np.float32)
    mask, box = np.ones((4, 4), bool), (10, 10, 14, 14)
    assert contrast(mask, box, grey) == pytest.approx(-0.3)
    assert contrast(mask, box, grey, normal) == pytest.approx(-0.1)
    assert contrast(np.ones((40, 40), bool), (0, 0, 40, 40), grey) == 0


def test_distance_to_the_edge_of_the_image_where_the_border_is_not_plain() -> None:
    grey = np.random.default_rng(0).random((60, 80)).astype(np.float32)
    assert edge_distance(np.ones((5, 5), bool), (20, 30, 25, 35), grey) == 20
    assert edge_distance(np.ones((5, 5), bool), (20, 52, 25, 57), grey) == 3


def test_distance_to_the_edge_of_a_part_before_a_plain_background() -> None:
    grey = np.full((121, 121), 0.9, np.float32)
    grey[RADIUS <= 40] = 0.3
    grey[55:58, 60 + 30 : 60 + 33] = 0.9  # a hole is no background
    assert edge_distance(np.ones((3, 3), bool), (59, 59, 62, 62), grey) == pytest.approx(38, abs=2)
    assert edge_distance(np.ones((3, 3), bool), (90, 55, 93, 58), grey) == pytest.approx(7, abs=2)
    assert seen_as(np.ones((3, 3), bool), (97, 59, 100, 62), grey).situation == "at the edge"


def test_traits_in_words() -> None:
    grey = np.random.default_rng(0).normal(0.6, 0.1, (121, 121)).astype(np.float32)
    grey[(abs(X) < 30) & (abs(Y) < 3)] = 0.1
    mask = np.ones((5, 59), bool)
    seen = seen_as(mask, (31, 58, 90, 63), grey)
    assert seen.in_words == "darker than the surroundings, elongated, smooth, inside"
    seen = seen_as(mask, (31, 58, 90, 63), grey, np.zeros((121, 121), np.float32))
    assert seen.in_words == "brighter than the reference, elongated, smooth, inside"
    seen = seen_as(mask, (0, 58, 59, 63), grey, grey)
    assert seen.in_words == "as bright as the reference, elongated, smooth, at the edge"
    assert seen_as(RADIUS < 20, (0, 0, 121, 121), grey).form == "round"


def test_a_bent_line_is_measured_along_its_skeleton_beside_its_extents() -> None:
    crack = (abs(RADIUS - 45) <= 2.5) & (Y <= 0)
    grey = np.where(crack, 0.2, 0.6).astype(np.float32)
    region = measure_region("region-1", crack, (0, 0), 1.0, grey, mm_per_px=0.1)
    line = centreline(crack)
    assert region.looks == "dark line"
    assert (region.length_px, region.width_px) == extents(crack)
    assert region.skeleton_length_px == line.length_px
    assert (region.mean_width_px, region.max_width_px) == line[1:]
    in_mm = (region.skeleton_length_mm, region.mean_width_mm, region.max_width_mm)
    assert in_mm == pytest.approx(tuple(value / 10 for value in line))


def test_a_spot_has_no_skeleton() -> None:
    disk = RADIUS <= 30
    region = measure_region("region-1", disk, (0, 0), 1.0, np.zeros(disk.shape, np.float32), 0.1)
    assert region.skeleton_length_px is None
    assert region.max_width_mm is None
