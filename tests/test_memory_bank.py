from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.conformal import p_value
from experts.decoder.coreset import greedy_coreset
from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.encoder import Features
from experts.decoder.memory_bank import build_bank, image_score

FloatArray = NDArray[np.float32]


def normal_images(count: int, seed: int = 0, side: int = 5) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    tones = rng.gamma(2.0, size=(count, 1, 1, 1))
    return [(rng.normal(size=(side, side, 4)) * t).astype(np.float32) for t in tones]


def slow_score(patch_scores: FloatArray) -> float:
    ordered = sorted(patch_scores.ravel().astype(float), reverse=True)
    count = max(1, round(0.01 * len(ordered)))
    return float(sum(ordered[:count]) / count)


@pytest.mark.parametrize("side", [3, 16, 25])
def test_image_score_equals_sorting(side: int) -> None:
    scores = np.random.default_rng(side).random((side, side)).astype(np.float32)
    assert image_score(scores) == pytest.approx(slow_score(scores), rel=1e-6)


def test_small_bank_keeps_every_patch_and_calibrates_by_leaving_one_out() -> None:
    images = normal_images(6)
    bank = build_bank(images, 0.2, size=10_000)
    assert sorted(map(tuple, bank.patches_MC.tolist())) == sorted(
        tuple(p) for image in images for p in image.reshape(-1, 4).tolist()
    )
    expected = []
    for i, image in enumerate(images):
        others = np.concatenate([o.reshape(-1, 4) for j, o in enumerate(images) if j != i])
        nearest = [
            min(float(np.sum((p.astype(float) - o) ** 2)) for o in others)
            for p in image.reshape(-1, 4)
        ]
        expected.append(slow_score(np.array(nearest, np.float32)))
    assert bank.calibration_scores_n == pytest.approx(np.sort(expected), rel=1e-4)


def test_large_bank_is_core_plus_what_the_core_leaves_uncovered() -> None:
    images = normal_images(120)
    bank = build_bank(images, 0.05, size=600, seed=3)
    order = np.random.default_rng(3).permutation(120)
    seeds = np.concatenate([images[i].reshape(-1, 4) for i in order[:60]])
    core = greedy_coreset(seeds, 300)
    radius = core.distances[-1]
    expected = list(seeds[core.indices])
    for image in (images[i].reshape(-1, 4) for i in order[60:]):
        own: list[FloatArray] = []
        while len(own) < 20:
            centres = np.stack([*seeds[core.indices], *own]).astype(float)
            gaps = ((image[:, None].astype(float) - centres) ** 2).sum(axis=2).min(axis=1)
            if gaps.max() <= radius:
                break
            own.append(image[gaps.argmax()])
        expected += own
    assert np.array_equal(bank.patches_MC, np.stack(expected))
    assert len(bank.calibration_scores_n) == 60


@pytest.mark.parametrize(
    ("count", "alpha", "calibration"),
    [
        (99, 0.05, 99),  # too few to spare any
        (100, 0.05, 50),
        (100, 0.01, 100),  # one left over is no core
        (150, 0.01, 99),  # no more than the promise allows
        (200, 0.001, 200),  # the promise is out of reach anyway
    ],
)
def test_images_that_calibrate(count: int, alpha: float, calibration: int) -> None:
    bank = build_bank(normal_images(count, side=2), alpha, size=400)
    assert len(bank.calibration_scores_n) == calibration
    assert len(bank.patches_MC) <= 4 * 400


def test_decoder_scores_are_squared_distances_to_the_nearest_bank_patch() -> None:
    images = normal_images(8)
    bank = build_bank(images, 0.2)
    query = normal_images(1, seed=9)[0]
    features = Features(np.zeros(3, np.float32), query, (16.0, 16.0), (15.0, 15.0))
    anomaly = AnomalyDecoder(bank, 0.2, "test").decode(features, (80, 80))
    slow = [
        min(float(np.sum((p.astype(float) - b) ** 2)) for b in bank.patches_MC)
        for p in query.reshape(-1, 4)
    ]
    assert anomaly.patch_scores_HW.ravel() == pytest.approx(slow, rel=1e-4, abs=1e-4)
    assert anomaly.score == pytest.approx(max(slow), rel=1e-4)
    assert anomaly.p_value == p_value(anomaly.score, bank.calibration_scores_n)


@pytest.mark.parametrize(("count", "size"), [(19, 10_000), (110, 400)])
def test_promise_holds_on_fresh_normal_images(count: int, size: int) -> None:
    alpha, held_back, tested = 0.1, 0, 0
    for seed in range(40):
        images = normal_images(count + 20, seed=seed, side=4)
        bank = build_bank(images[:count], alpha, size=size, seed=seed)
        decoder = AnomalyDecoder(bank, alpha, "test")
        for image in images[count:]:
            features = Features(np.zeros(3, np.float32), image, (16.0, 16.0), (15.0, 15.0))
            held_back += decoder.decode(features, (64, 64)).p_value <= alpha
            tested += 1
    # Parts of one draw share a calibration, so the error is that of 40 draws of the rate.
    spread = np.sqrt(alpha * (1 - alpha) * (1 / tested + 1 / (40 * 0.5 * count)))
    assert held_back / tested <= alpha + 3 * spread


def test_a_seed_gives_the_same_bank() -> None:
    images = normal_images(105)
    first, second = (build_bank(images, 0.1, size=300, seed=4) for _ in range(2))
    assert np.array_equal(first.patches_MC, second.patches_MC)
    assert np.array_equal(first.calibration_scores_n, second.calibration_scores_n)
