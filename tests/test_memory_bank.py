"""The memory bank and its calibration, beside slow versions written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.conformal import p_value
from experts.decoder.coreset import greedy_coreset
from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.encoder import Features
from experts.decoder.fit import DecoderFit
from experts.decoder.memory_bank import (
    COMPONENTS,
    SCALES,
    VARIANCE,
    BankBuilder,
    MemoryBank,
    Projection,
    image_score,
    pool_patches,
)
from experts.decoder.model import DecoderModel
from experts.decoder.seed import seed_size
from experts.errors import EnrolError
from experts.images import Picture

FloatArray = NDArray[np.float32]


def normal_images(count: int, seed: int = 0, side: int = 5) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    tones = rng.gamma(2.0, size=(count, 1, 1, 1))
    return [(rng.normal(size=(side, side, 4)) * t).astype(np.float32) for t in tones]


def features_of(patches_HWC: FloatArray) -> Features:
    return Features(np.zeros(3, np.float32), patches_HWC, (16.0, 16.0), (15.0, 15.0))


def picture_of(patches_HWC: FloatArray) -> Picture:
    """A picture whose grey levels come from the patches, so that it is as normal as they are."""
    tone_HW = np.kron(patches_HWC[..., 0], np.ones((16, 16)))
    grey_HW = np.clip(128 + 20 * tone_HW, 0, 255).astype(np.uint8)
    return Picture("made", np.repeat(grey_HW[..., None], 3, axis=2))


def learn(images: list[FloatArray], alpha: float, size: int = 6_000) -> DecoderModel:
    with DecoderFit(len(images), alpha, size=size) as fit:
        for image in images:
            fit.add(features_of(image), picture_of(image).grey_HW)
        return fit.finish()


def slow_score(patch_scores: FloatArray) -> float:
    ordered = sorted(patch_scores.ravel().astype(float), reverse=True)
    count = max(1, round(0.01 * len(ordered)))
    return float(sum(ordered[:count]) / count)


def slow_pool(image: FloatArray, side: int) -> FloatArray:
    reach = side // 2
    pooled = [
        image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].mean((0, 1))
        for y in range(image.shape[0])
        for x in range(image.shape[1])
    ]
    return np.stack(pooled)


@pytest.mark.parametrize("side", [3, 16, 25])
def test_image_score_equals_sorting(side: int) -> None:
    scores = np.random.default_rng(side).random((side, side)).astype(np.float32)
    assert image_score(scores) == pytest.approx(slow_score(scores), rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (6, 5)])
def test_pooling_averages_the_neighbours_that_exist(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).normal(size=(*shape, 4)).astype(np.float32)
    for side in (1, 3, 5):
        assert pool_patches(image, side) == pytest.approx(slow_pool(image, side), abs=1e-6)


@pytest.mark.parametrize(("more", "side"), [(8, 3), (60, 1)])
def test_long_patches_are_brought_down_to_principal_components(more: int, side: int) -> None:
    rng = np.random.default_rng(2)
    channels = COMPONENTS + more
    images = [rng.normal(size=(12, 12, channels)).astype(np.float32) for _ in range(4)]
    projection = Projection.fit(side, images, channels)
    assert projection.basis_CK is not None
    pooled = np.concatenate([slow_pool(image, side) for image in images]).astype(float)
    _, lengths, rows = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    held = np.cumsum(lengths**2) / np.sum(lengths**2)
    kept = max(COMPONENTS, int(np.flatnonzero(held >= VARIANCE)[0]) + 1)
    assert (kept > COMPONENTS) == (more == 60)
    slow = (pooled[:144] - pooled.mean(axis=0)) @ rows.T
    projected = projection(images[0])
    assert np.abs(projected[:, :-1]) == pytest.approx(np.abs(slow[:, :kept]), abs=1e-3)
    outside = np.linalg.norm(slow[:, kept:], axis=1)
    assert projected[:, -1] == pytest.approx(outside, abs=1e-3)
    assert (projection.draw_inside(projected)[:, -1] == 0).all()
    assert Projection.fit(side, [], channels).basis_CK is None


def test_small_bank_keeps_every_patch_and_calibrates_by_leaving_one_out() -> None:
    images = normal_images(6, side=9)  # so large that all neighbourhoods differ
    model = learn(images, 0.2, size=10_000)
    total, alone = np.zeros((6, 81)), np.zeros((6, 81))
    for bank, side in zip(model.banks, SCALES, strict=True):
        pooled = [slow_pool(image, side) for image in images]
        assert bank.patches_MK.shape == (486, 4)
        assert np.sort(bank.patches_MK, axis=0) == pytest.approx(
            np.sort(np.concatenate(pooled), axis=0), abs=1e-6
        )
        for i, image in enumerate(pooled):
            others = np.concatenate([o for j, o in enumerate(pooled) if j != i]).astype(float)
            nearest = [float(((patch - others) ** 2).sum(axis=1).min()) for patch in image]
            total[i] += SCALES[side].weight * np.array(nearest)
            if side == 1:
                alone[i] = nearest
    # Without seed images the wider neighbourhood enters the map, but not the image's score.
    expected = [slow_score(row.astype(np.float32)) for row in alone]
    assert model.calibration.scores_n == pytest.approx(np.sort(expected), rel=1e-3)
    peaks = np.sort(total.max(axis=1))
    assert model.calibration.peaks_n == pytest.approx(peaks, rel=1e-3)
    assert model.statistics is None


def test_large_bank_is_core_plus_what_the_core_leaves_uncovered() -> None:
    images = normal_images(120)
    model = learn(images, 0.05, size=600)
    for bank in model.banks:
        check_large_bank(bank, images)
    assert len(model.calibration.scores_n) == 60


def check_large_bank(bank: MemoryBank, images: list[FloatArray]) -> None:
    pooled = [pool_patches(image, bank.projection.pool) for image in images]
    seeds = np.concatenate(pooled[:60])
    share = int(600 * SCALES[bank.projection.pool].share) // 120
    core = greedy_coreset(seeds, 60 * share)
    radius = core.distances[-1]
    expected = list(seeds[core.indices])
    for image in pooled[60:]:
        own: list[FloatArray] = []
        while len(own) < 4 * share:
            centres = np.stack([*seeds[core.indices], *own]).astype(float)
            gaps = ((image[:, None].astype(float) - centres) ** 2).sum(axis=2).min(axis=1)
            if gaps.max() <= radius:
                break
            own.append(image[gaps.argmax()])
        expected += own
    assert np.array_equal(bank.patches_MK, np.stack(expected))


def test_a_seed_image_is_left_out_with_what_it_gave() -> None:
    images = normal_images(4, seed=3)
    builder = BankBuilder(1, images, 4, fair_share=10)
    bank_MK = builder.bank().patches_MK
    own = pool_patches(images[1], 1)
    others = [row for row in bank_MK if not (np.abs(own - row).sum(axis=1) == 0).any()]
    slow = [min(float(((p - o).astype(float) ** 2).sum()) for o in others) for p in own]
    assert builder.leave_seed_out(1, builder.projection(images[1])) == pytest.approx(
        slow, rel=1e-3, abs=1e-4
    )


def test_copies_add_nothing_to_the_bank() -> None:
    model = learn([normal_images(1)[0]] * 7, 0.2)
    assert all(len(bank.patches_MK) <= 7 * 25 for bank in model.banks)
    large = learn([normal_images(1)[0]] * 120, 0.05)
    assert all(len(bank.patches_MK) <= 25 for bank in large.banks)


def test_too_few_images_are_refused() -> None:
    with DecoderFit(5, 0.2) as fit, pytest.raises(EnrolError, match="5 images"):
        fit.finish()


@pytest.mark.parametrize(
    ("count", "alpha", "seeds"),
    [
        (99, 0.05, 0),  # too few to spare any
        (100, 0.05, 50),
        (100, 0.01, 0),  # one left over is no core
        (150, 0.01, 51),  # no more than the promise allows
        (200, 0.001, 0),  # the promise is out of reach anyway
    ],
)
def test_images_that_seed(count: int, alpha: float, seeds: int) -> None:
    assert seed_size(count, alpha, 1_000) == seeds
    model = learn(normal_images(count, side=2), alpha, size=400)
    assert len(model.calibration.scores_n) == count - seeds
    assert all(len(bank.patches_MK) <= 4 * 400 for bank in model.banks)


def test_the_seed_fits_into_memory() -> None:
    assert seed_size(10_000, 0.05, 2**20) == 256
    assert seed_size(10_000, 0.05, 2**40) == 20


def test_decoder_scores_are_squared_distances_to_the_nearest_bank_patch() -> None:
    model = learn(normal_images(8), 0.2)
    query = normal_images(1, seed=9)[0]
    anomaly = AnomalyDecoder(model, 0.2, "test").decode(picture_of(query), features_of(query))
    slow = {}
    for bank in model.banks:
        pool = bank.projection.pool
        pooled = slow_pool(query, pool).astype(float)
        nearest = [min(float(np.sum((p - b) ** 2)) for b in bank.patches_MK) for p in pooled]
        slow[pool] = SCALES[pool].weight * np.array(nearest)
    both = np.sum(list(slow.values()), axis=0)
    assert anomaly.patch_scores_HW.ravel() == pytest.approx(both, rel=1e-3, abs=1e-4)
    assert anomaly.score == pytest.approx(slow[1].max(), rel=1e-3)
    assert anomaly.p_value == p_value(anomaly.score, model.calibration.scores_n)


@pytest.mark.parametrize(("count", "size"), [(19, 10_000), (110, 400)])
def test_promise_holds_on_fresh_normal_images(count: int, size: int) -> None:
    alpha, held_back, tested = 0.1, 0, 0
    for seed in range(40):
        images = normal_images(count + 20, seed=seed, side=4)
        decoder = AnomalyDecoder(learn(images[:count], alpha, size), alpha, "test")
        for image in images[count:]:
            anomaly = decoder.decode(picture_of(image), features_of(image))
            held_back += anomaly.p_value <= alpha
            tested += 1
    # Parts of one draw share a calibration, so the error is that of 40 draws of the rate.
    spread = np.sqrt(alpha * (1 - alpha) * (1 / tested + 1 / (40 * 0.5 * count)))
    assert held_back / tested <= alpha + 3 * spread


@pytest.mark.parametrize("count", [6, 105])
def test_the_same_images_give_the_same_model_and_it_survives_the_disk(count: int) -> None:
    images = normal_images(count)
    first, second = (learn(images, 0.1, size=300).to_tensors() for _ in range(2))
    again = DecoderModel.from_tensors(first).to_tensors()
    assert first.keys() == second.keys() == again.keys()
    for name, tensor in first.items():
        assert np.array_equal(tensor, second[name])
        assert np.array_equal(tensor, again[name])
