from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.coreset import Coreset, greedy_coreset, squared_distances


def slow_greedy(
    points: NDArray[np.float32], size: int, centres: NDArray[np.float32]
) -> tuple[list[int], list[float]]:
    """Greedy k-centre by its definition, in float64: every distance anew for every pick."""
    taken = [c.astype(float) for c in centres]
    picked: list[int] = []
    radii: list[float] = []
    while len(picked) < size:
        gaps = [min((np.sum((p - t) ** 2) for t in taken), default=np.inf) for p in points]
        if not taken:
            gaps = [float(np.sum((p - points.mean(axis=0)) ** 2)) for p in points]
        best = int(np.argmax(gaps))
        radii.append(gaps[best] if taken else np.inf)
        picked.append(best)
        taken.append(points[best].astype(float))
    return picked, radii


def check(core: Coreset, expected: tuple[list[int], list[float]]) -> None:
    indices, radii = expected
    assert core.indices.tolist() == indices
    assert core.distances == pytest.approx(np.array(radii), rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_centres", [0, 3])
def test_lazy_selection_equals_the_definition(seed: int, n_centres: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(120, 6)).astype(np.float32)
    centres = rng.normal(size=(n_centres, 6)).astype(np.float32)
    check(greedy_coreset(points, 25, centres), slow_greedy(points, 25, centres))


def test_lazy_selection_is_exact_when_the_front_is_smaller_than_the_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("experts.decoder.coreset._FRONT", 16)
    points = np.random.default_rng(1).normal(size=(400, 5)).astype(np.float32)
    none = np.empty((0, 5), np.float32)
    check(greedy_coreset(points, 60), slow_greedy(points, 60, none))


@pytest.mark.parametrize("front", [16, 1024])
def test_a_radius_ends_the_selection_where_all_is_covered(
    front: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experts.decoder.coreset._FRONT", front)
    rng = np.random.default_rng(4)
    points = rng.normal(size=(200, 4)).astype(np.float32)
    centres = rng.normal(size=(3, 4)).astype(np.float32)
    whole = greedy_coreset(points, 80, centres)
    radius = float(whole.distances[30])
    covered = greedy_coreset(points, 80, centres, radius)
    assert covered.indices.tolist() == whole.indices[whole.distances > radius].tolist()
    assert len(covered.indices) == 30


def test_progress_adds_up_to_the_size() -> None:
    points = np.random.default_rng(2).normal(size=(2000, 4)).astype(np.float32)
    counts: list[float] = []
    greedy_coreset(points, 300, advance=counts.append)
    assert sum(counts) == 300


def test_more_than_there_is_gives_every_point_once() -> None:
    points = np.random.default_rng(3).normal(size=(10, 3)).astype(np.float32)
    assert sorted(greedy_coreset(points, 50).indices.tolist()) == list(range(10))


def test_identical_points_do_not_hang() -> None:
    assert len(greedy_coreset(np.ones((50, 3), np.float32), 7).indices) == 7


def test_squared_distances_by_hand() -> None:
    points = np.array([[0, 0], [3, 4]], np.float32)
    others = np.array([[0, 0], [3, 0], [0, 4]], np.float32)
    assert squared_distances(points, others).tolist() == [[0, 9, 16], [25, 16, 9]]
