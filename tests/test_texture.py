"""The channels beside the bank, and their fusion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from experts.decoder.fusion import Tail, fuse
from experts.decoder.texture import (
    BOXES,
    CELL_PX,
    CELL_STRIDE_PX,
    MAX_AREA_PX,
    FineTexture,
    Overall,
    band_energies,
    moments,
    shrink,
)

FloatArray = NDArray[np.float32]


def cloth(seed: int, side: int = 96) -> FloatArray:
    return np.random.default_rng(seed).normal(0.5, 0.1, size=(side, side)).astype(np.float32)


def slow_energies(grey: FloatArray) -> FloatArray:
    levels = [grey.astype(float)]
    for box in BOXES:
        padded = np.pad(levels[-1], box // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (box, box))
        levels.append(windows.mean(axis=(2, 3)))
    bands = np.abs(np.array(levels[:-1]) - np.array(levels[1:]))
    starts = range(0, grey.shape[0] - CELL_PX + 1, CELL_STRIDE_PX)
    cells = [
        [bands[:, y : y + CELL_PX, x : x + CELL_PX].mean(axis=(1, 2)) for x in starts]
        for y in starts
    ]
    return np.log(np.array(cells) + 1 / 1024).astype(np.float32)


def test_band_energies_equal_the_slow_version() -> None:
    grey = cloth(0, 40)
    assert band_energies(grey) == pytest.approx(slow_energies(grey), abs=1e-3)


def test_texture_scores_are_mahalanobis_distances() -> None:
    energies = [band_energies(cloth(seed)) for seed in range(6)]
    cells = np.concatenate([e.reshape(-1, len(BOXES)) for e in energies]).astype(float)
    inverse = np.linalg.inv(np.cov(cells.T))
    off = cells[:5] - cells.mean(axis=0)
    slow = [float(o @ inverse @ o) for o in off]
    scores = FineTexture.fit(energies).scores(energies[0]).ravel()[:5]
    assert scores == pytest.approx(slow, rel=0.01)


def test_a_loose_thread_stands_out_where_it_is() -> None:
    texture = FineTexture.fit([band_energies(cloth(seed)) for seed in range(8)])
    faulty = cloth(99)
    faulty[60:70, 20:30] += np.indices((10, 10)).sum(axis=0) % 2 * 0.8
    found = texture.decode(faulty)
    y, x = np.unravel_index(found.scores_HW.argmax(), found.scores_HW.shape)
    assert abs(found.centre_px[0] + y * found.stride_px[0] - 65) <= CELL_PX / 2
    assert abs(found.centre_px[1] + x * found.stride_px[1] - 25) <= CELL_PX / 2
    assert found.scores_HW.max() > 3 * texture.decode(cloth(98)).scores_HW.max()


@pytest.mark.parametrize("shape", [(4, 300), (700, 2000), (12, 12), (1, 1)])
def test_any_size_has_cells(shape: tuple[int, int]) -> None:
    texture = FineTexture.fit([band_energies(cloth(0))])
    grey = np.full(shape, 0.5, np.float32)
    shrunk = shrink(grey)
    assert shrunk.size <= max(MAX_AREA_PX * 1.01, CELL_PX * max(shape))
    assert np.isfinite(texture.decode(grey).scores_HW).all()


def test_overall_finds_a_shift_that_no_single_patch_shows() -> None:
    rng = np.random.default_rng(0)

    def image(shift: float) -> FloatArray:
        return (rng.normal(size=(300, 5)) + shift).astype(np.float32)

    model = Overall.fit(np.stack([moments(image(0)) for _ in range(80)]))
    normal = [model.score(moments(image(0))) for _ in range(40)]
    shifted = [model.score(moments(image(0.3))) for _ in range(40)]
    assert min(shifted) > max(normal)
    assert np.mean(normal) == pytest.approx(10, rel=0.3)  # as many as there are moments


def test_surprise_is_minus_the_log_of_the_tail_of_a_log_normal_law() -> None:
    scores = np.exp(np.random.default_rng(1).normal(2, 0.5, size=20_000)).astype(np.float32)
    tail = Tail.fit(scores)
    for z in (0.0, 1.0, 3.0, 6.0):
        expected = -math.log(norm.sf(z))
        assert tail.surprise(math.exp(2 + 0.5 * z)) == pytest.approx(expected, rel=0.05)


def test_a_channel_is_silent_up_to_the_second_most_surprising_seed_image() -> None:
    calm = Tail.fit(np.linspace(1, 2, 50).astype(np.float32))
    rough = Tail.fit(np.array([*np.linspace(1, 2, 48), 50, 60], np.float32))
    assert calm.silence == pytest.approx(math.log(51))
    assert rough.silence == pytest.approx(rough.surprise(50))
    assert rough.excess(50) == 0 < rough.excess(9_000)
    assert fuse((calm, rough), (1.5, 50)) == calm.surprise(1.5)
    assert fuse((calm, rough), (1.5, 9_000)) == calm.surprise(1.5) + rough.excess(9_000)


def test_equal_scores_are_not_taken_for_certainty() -> None:
    tail = Tail.fit(np.zeros(30, np.float32))
    assert tail.surprise(0.0) == pytest.approx(math.log(2))
    assert math.isfinite(tail.surprise(1e9))
