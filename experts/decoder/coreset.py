"""Greedy k-centre selection: few patches such that every other has one of them nearby.

Sener & Savarese, "Active Learning for CNNs: A Core-Set Approach" (ICLR 2018), as PatchCore uses
it (Roth et al., CVPR 2022, algorithm 1): take the point farthest from all taken so far, again and
again. The selection here is the exact one, found lazily: a point's distance to the taken set only
shrinks, so a stale distance is an upper bound, and a point whose fresh distance beats the stale
ones of all others is the farthest without looking at those others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

# How many of the farthest points are brought up to date together. Speed only, not the result.
_FRONT = 1024
# So few that their distances to an image's patches stay in the cache. Speed only again.
CHUNK = 512

Advance = Callable[[float], object]


class Coreset(NamedTuple):
    """What was picked, in order.

    Attributes:
        indices: Of the picked points.
        distances: float32, squared distance of each to the nearest centre before it: the squared
            covering radius at that moment, never rising. Infinite for a first one without any.
    """

    indices: NDArray[np.intp]
    distances: NDArray[np.float32]


def squared_distances(
    points_NC: NDArray[np.float32], others_MC: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared Euclidean distance of every point to every other, (N, M), never negative."""
    norms_N = np.einsum("nc,nc->n", points_NC, points_NC)
    norms_M = np.einsum("mc,mc->m", others_MC, others_MC)
    # All matrix products go through torch: numpy's own threads would go on spinning for a while
    # after each, and take the cores away from the encoder's.
    distances: NDArray[np.float32] = torch.mm(
        torch.from_numpy(points_NC), torch.from_numpy(others_MC).T
    ).numpy()
    distances *= -2
    distances += norms_N[:, None]
    distances += norms_M[None, :]
    return np.maximum(distances, 0, out=distances)


@torch.inference_mode()
def nearest_distances(
    points_NC: NDArray[np.float32], others_MC: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distance of every point to the nearest of the others, (N,); at least one of them."""
    points, others = torch.from_numpy(points_NC), torch.from_numpy(others_MC)
    nearest_JN = torch.stack(
        [
            torch.addmm((chunk_mC**2).sum(dim=1), points, chunk_mC.T, alpha=-2).amin(dim=1)
            for chunk_mC in torch.split(others, CHUNK)
        ]
    )
    nearest_N = (nearest_JN.amin(dim=0) + (points**2).sum(dim=1)).clamp(min=0)
    return np.asarray(nearest_N.numpy(), np.float32)


def greedy_coreset(
    points_NC: NDArray[np.float32],
    size: int,
    centres_MC: NDArray[np.float32] | None = None,
    radius: float = -1.0,
    advance: Advance = lambda picked: None,
) -> Coreset:
    """Pick ``size`` points by greedy k-centre, fewer if they run out or all others are covered.

    Args:
        points_NC: float32 candidates.
        size: How many to pick.
        centres_MC: Centres taken before; without any, the point farthest from the mean is first.
        radius: A point no farther than this squared distance from a centre is covered.
        advance: Called with the number of points picked since the last call.
    """
    size = min(size, len(points_NC))
    picked: list[int] = []
    radii: list[float] = []
    if size == 0:
        return Coreset(np.empty(0, np.intp), np.empty(0, np.float32))
    if centres_MC is not None and len(centres_MC):
        bound_N = nearest_distances(points_NC, centres_MC)
    else:
        mean_1C = points_NC.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        picked.append(int(squared_distances(points_NC, mean_1C).argmax()))
        radii.append(float("inf"))
        bound_N = squared_distances(points_NC, points_NC[picked])[:, 0]
        advance(1)
    seen_N = np.full(len(points_NC), len(picked))  # how many picks each bound accounts for
    while len(picked) < size:
        front, floor = _farthest(bound_N)
        _refresh(points_NC, front, picked, bound_N, seen_N)
        wanted = size - len(picked)
        found, distances = _pick_certain(points_NC, front, (floor, radius), wanted, bound_N)
        picked += found
        radii += distances
        seen_N[front] = len(picked)
        advance(len(found))
        if floor <= radius and len(found) < wanted:
            break
    return Coreset(np.array(picked, np.intp), np.array(radii, np.float32))


def _farthest(bound_N: NDArray[np.float32]) -> tuple[NDArray[np.intp], float]:
    """The front, in index order so that ties go to the first, and the best bound outside it."""
    if len(bound_N) <= _FRONT:
        return np.arange(len(bound_N)), -1.0
    order = np.argpartition(-bound_N, _FRONT)
    return np.sort(order[:_FRONT]), float(bound_N[order[_FRONT:]].max())


def _refresh(
    points_NC: NDArray[np.float32],
    front: NDArray[np.intp],
    picked: list[int],
    bound_N: NDArray[np.float32],
    seen_N: NDArray[np.int_],
) -> None:
    stale = front[seen_N[front] < len(picked)]
    if len(stale):
        fresh = picked[int(seen_N[stale].min()) :]
        nearest = squared_distances(points_NC[stale], points_NC[fresh]).min(axis=1)
        bound_N[stale] = np.minimum(bound_N[stale], nearest)


def _pick_certain(
    points_NC: NDArray[np.float32],
    front: NDArray[np.intp],
    bounds: tuple[float, float],
    size: int,
    bound_N: NDArray[np.float32],
) -> tuple[list[int], list[float]]:
    """Pick from the front as long as its farthest is surely the farthest of all, and uncovered."""
    floor, radius = bounds
    front_FC = points_NC[front]
    distance_F = bound_N[front]
    picked: list[int] = []
    radii: list[float] = []
    while len(picked) < size:
        best = int(distance_F.argmax())
        if distance_F[best] < floor or distance_F[best] <= radius:
            break
        picked.append(int(front[best]))
        radii.append(float(distance_F[best]))
        nearest = squared_distances(front_FC, front_FC[best : best + 1])[:, 0]
        np.minimum(distance_F, nearest, out=distance_F)
    bound_N[front] = distance_F
    return picked, radii
