"""The text branch beside the memory banks, and alone, against slow versions from the equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.conformal import p_value
from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.encoder import Features
from experts.decoder.fit import DecoderFit
from experts.decoder.memory_bank import SCALES
from experts.decoder.model import DecoderModel
from experts.decoder.text import TextBranch
from experts.evidence import AnomalyMap
from experts.images import Picture
from tests.test_memory_bank import slow_pool, slow_score
from tests.test_text import abnormal_probability, unit

FloatArray = NDArray[np.float32]

LAYERS, SIDE, SIZE = 2, 4, 6
NORMAL_D, ABNORMAL_D = unit(np.random.default_rng(5), 2, SIZE)
BRANCH = TextBranch(NORMAL_D, ABNORMAL_D, 4.0)


def image(seed: int) -> Features:
    """Features of an image: each layer's part of a patch, and its place among texts, of length 1.

    Images scatter about a mean of their own, so that some are odder than others.
    """
    rng = np.random.default_rng(seed)
    spread = rng.gamma(2.0)
    layers = [unit_about(rng, np.ones(3), spread) for _ in range(LAYERS)]
    projected = [unit_about(rng, NORMAL_D, 0.1 * spread) for _ in range(LAYERS)]
    return Features(
        embedding_E=unit_about(rng, NORMAL_D, 0.1 * spread)[0, 0],
        patches_HWC=np.concatenate(layers, axis=2),
        stride_px=(16.0, 16.0),
        centre_px=(7.5, 7.5),
        projected_LHWD=np.stack(projected),
    )


def unit_about(rng: np.random.Generator, mean: NDArray[Any], spread: float) -> FloatArray:
    vectors = mean + spread * rng.normal(size=(SIDE, SIDE, len(mean)))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=2, keepdims=True), np.float32)


def picture_of(features: Features) -> Picture:
    """A picture whose grey levels come from the patches, so that it is as normal as they are."""
    grey_HW = np.clip(128 + 60 * np.kron(features.patches_HWC[..., 0], np.ones((16, 16))), 0, 255)
    return Picture("made", np.repeat(grey_HW.astype(np.uint8)[..., None], 3, axis=2))


def learn(
    images: Sequence[Features],
    alpha: float = 0.2,
    size: int = 6_000,
    earlier: DecoderModel | None = None,
) -> DecoderModel:
    with DecoderFit(len(images), alpha, size=size, text=BRANCH, earlier=earlier) as fit:
        for features in images:
            fit.add(features, picture_of(features).grey_HW)
        return fit.finish()


def decode(model: DecoderModel, features: Features, alpha: float = 0.2) -> AnomalyMap:
    return AnomalyDecoder(model, alpha, "test").decode(picture_of(features), features)


def slow_text(features: Features) -> tuple[FloatArray, float]:
    """AnomalyGPT eq. 1 over the layers' number, patch by patch, and WinCLIP's image score."""
    assert features.projected_LHWD is not None
    classes = (NORMAL_D, ABNORMAL_D, BRANCH.logit_scale)
    map_HW = np.zeros((SIDE, SIDE), np.float32)
    for row, column in np.ndindex(SIDE, SIDE):
        layers = features.projected_LHWD[:, row, column]
        map_HW[row, column] = np.mean([abnormal_probability(p_D, *classes) for p_D in layers])
    return map_HW, abnormal_probability(features.embedding_E, *classes)


def slow_distances(features: Features, others: Sequence[Features], pool: int) -> FloatArray:
    """Weighed squared distances to the nearest of all other patches, (P,)."""
    bank = np.concatenate([slow_pool(o.patches_HWC, pool) for o in others]).astype(float)
    patches = slow_pool(features.patches_HWC, pool)
    nearest = np.array([((p - bank) ** 2).sum(axis=1).min() for p in patches])
    return (SCALES[pool].weight * nearest).astype(np.float32)


def slow_few_shot(features: Features, others: Sequence[Features]) -> tuple[FloatArray, float]:
    """Map and score of texts and patches, each within 0 to 1."""
    text_HW, text_score = slow_text(features)
    largest = sum(4 * LAYERS * scale.weight for scale in SCALES.values())
    alone = slow_distances(features, others, 1)
    every = [slow_distances(features, others, pool) for pool in SCALES]
    patches = np.sum(every, axis=0) / largest
    score = slow_score(alone / (4 * LAYERS * SCALES[1].weight))
    return text_HW + patches.reshape(SIDE, SIDE), text_score + score


def test_few_images_add_the_texts_to_the_patches() -> None:
    images, query = [image(seed) for seed in range(7)], image(50)
    anomaly = decode(learn(images), query)
    map_HW, score = slow_few_shot(query, images)
    assert anomaly.patch_scores_HW == pytest.approx(map_HW, abs=1e-5)
    assert anomaly.patch_stride_px == query.stride_px
    assert anomaly.score == pytest.approx(score, abs=1e-5)
    text, patches = slow_text(query)[1], slow_score(slow_distances(query, images, 1))
    assert [c.name for c in anomaly.channels] == ["patches", "text"]
    assert [c.score for c in anomaly.channels] == pytest.approx([patches, text], abs=1e-4)
    assert {c.surprise for c in anomaly.channels} == {None}


def test_patches_that_could_not_differ_more_weigh_as_much_as_certain_texts() -> None:
    one = image(0)
    same_HWC = np.broadcast_to(one.patches_HWC[0, 0], one.patches_HWC.shape).copy()
    model = learn([with_patches(one, same_HWC), with_patches(image(1), same_HWC)])
    opposite = with_patches(image(2), -same_HWC)
    text_HW, text_score = slow_text(opposite)
    anomaly = decode(model, opposite)
    assert anomaly.patch_scores_HW - text_HW == pytest.approx(1, abs=1e-5)
    assert anomaly.score - text_score == pytest.approx(1, abs=1e-5)


def with_patches(features: Features, patches_HWC: FloatArray) -> Features:
    return Features(
        features.embedding_E, patches_HWC, (16.0, 16.0), (7.5, 7.5), features.projected_LHWD
    )


def test_few_images_are_calibrated_on_the_same_sum() -> None:
    images = [image(seed) for seed in range(6)]
    model = learn(images)
    left_out = [slow_few_shot(one, [o for o in images if o is not one]) for one in images]
    calibration = model.calibration
    assert calibration.scores_n == pytest.approx(sorted(score for _, score in left_out), abs=1e-5)
    maps = [map_HW for map_HW, _ in left_out]
    assert calibration.peaks_n == pytest.approx(sorted(m.max() for m in maps), abs=1e-5)
    tails = sorted(float(np.quantile(m, 0.99)) for m in maps)
    assert calibration.tails_n == pytest.approx(tails, abs=1e-5)
    # The same comes from the decoder itself, by lines that lack one image each.
    for one, (_, score) in zip(images, left_out, strict=True):
        alone = decode(learn([o for o in images if o is not one]), one)
        assert alone.score == pytest.approx(score, abs=1e-5)


def test_further_images_are_calibrated_with_the_line_s_own_texts() -> None:
    images = [image(seed) for seed in range(8)]
    model = learn(images[:6])
    grown = learn(images[6:], earlier=model)
    assert grown.text is model.text
    scores = [slow_few_shot(one, [o for o in images if o is not one])[1] for one in images[6:]]
    expected = np.sort([*model.calibration.scores_n, *scores])
    assert grown.calibration.scores_n == pytest.approx(expected, abs=1e-5)


def test_without_images_the_texts_stand_alone() -> None:
    model, query = learn([]), image(3)
    anomaly = decode(model, query)
    text_HW, text_score = slow_text(query)
    assert anomaly.patch_scores_HW == pytest.approx(text_HW, abs=1e-5)
    assert anomaly.score == pytest.approx(text_score, abs=1e-5)
    assert (anomaly.p_value, anomaly.calibration_size) == (1, 0)
    assert (anomaly.limit, anomaly.extent_limit) == (math.inf, math.inf)
    assert [c.name for c in anomaly.channels] == ["text"]
    assert anomaly.by_words_alone
    assert not decode(learn([image(0)]), query).by_words_alone


@pytest.fixture(scope="module")
def many() -> tuple[list[Features], DecoderModel]:
    images = [*(image(seed) for seed in range(119)), odd(119)]
    return images, learn(images, alpha=0.1, size=600)


def test_many_images_give_the_texts_a_tail_and_a_limit(
    many: tuple[list[Features], DecoderModel],
) -> None:
    images, model = many
    statistics = model.statistics
    assert statistics is not None
    seeds = [slow_text(features) for features in images[:60]]
    limit = max(map_HW.max() for map_HW, _ in seeds)
    assert statistics.text_limit == pytest.approx(limit, abs=1e-6)
    logs = np.log([score for _, score in seeds])
    median = np.median(logs)
    above = logs[logs >= median] - median
    assert statistics.tails[3].median_log == pytest.approx(median, abs=1e-4)
    assert statistics.tails[3].spread_log == pytest.approx(np.sqrt(np.mean(above**2)), rel=1e-3)


def odd(seed: int) -> Features:
    """An image that looks abnormal by words in one place, and as a whole."""
    features = image(seed)
    assert features.projected_LHWD is not None
    projected_LHWD = features.projected_LHWD.copy()
    projected_LHWD[:, 2, 1] = ABNORMAL_D
    return Features(ABNORMAL_D, features.patches_HWC, (16.0, 16.0), (7.5, 7.5), projected_LHWD)


def without_texts(model: DecoderModel) -> DecoderModel:
    """The same line as it is where the encoder knows no texts."""
    assert model.statistics is not None
    tensors = {k: t for k, t in model.to_tensors().items() if not k.startswith("text.")}
    tensors["tails"], tensors["limits"] = tensors["tails"][:3], tensors["limits"][:2]
    return DecoderModel.from_tensors(tensors)


@pytest.mark.parametrize("query", [image(500), odd(501), image(0)])
def test_many_images_add_what_the_texts_exceed_their_limit_by(
    many: tuple[list[Features], DecoderModel], query: Features
) -> None:
    images, model = many
    assert model.statistics is not None
    assert model.statistics.text_limit is not None
    # The fine texture of a seed image adds nothing, so both maps lie on the patches' grid.
    picture = picture_of(images[0])
    seen, plain = (
        AnomalyDecoder(m, 0.1, "test").decode(picture, query) for m in (model, without_texts(model))
    )
    text_HW, text_score = slow_text(query)
    assert [c.name for c in seen.channels] == ["patches", "texture", "overall", "text"]
    assert seen.channels[:3] == plain.channels
    excess = model.statistics.tails[3].excess(text_score)
    assert seen.score == pytest.approx(plain.score + excess, rel=1e-4)
    excess_HW = np.maximum(text_HW / model.statistics.text_limit - 1, 0)
    assert seen.patch_scores_HW - plain.patch_scores_HW == pytest.approx(excess_HW, abs=1e-4)
    if query.embedding_E is ABNORMAL_D:
        assert excess > 0
        assert np.flatnonzero(excess_HW).tolist() == [2 * SIDE + 1]
        assert seen.p_value == p_value(math.inf, model.calibration.scores_n)


def test_many_images_are_calibrated_as_the_decoder_scores(
    many: tuple[list[Features], DecoderModel],
) -> None:
    """Without the last image the line lacks just what that one brought."""
    images, model = many
    before = learn(images[:-1], alpha=0.1, size=600)
    for bank, smaller in zip(model.banks, before.banks, strict=True):
        assert np.array_equal(bank.patches_MK[: len(smaller.patches_MK)], smaller.patches_MK)
    last = decode(before, images[-1], alpha=0.1)
    assert closest(model.calibration.scores_n, last.score) < 1e-4
    peak = float(last.patch_scores_HW.max())
    assert closest(model.calibration.peaks_n, peak) < 1e-4


def closest(values_n: FloatArray, value: float) -> float:
    return float(np.abs(values_n - value).min())


@pytest.mark.parametrize(("count", "size", "draws"), [(19, 6_000, 25), (110, 200, 5)])
def test_the_promise_holds_beside_texts(count: int, size: int, draws: int) -> None:
    alpha, held_back, tested = 0.1, 0, 0
    for draw in range(draws):
        images = [image(1_000 * draw + i) for i in range(count + 20)]
        model = learn(images[:count], alpha, size)
        for features in images[count:]:
            held_back += decode(model, features, alpha).p_value <= alpha
            tested += 1
    # Parts of one draw share a calibration, so the error is that of all draws of the rate.
    spread = np.sqrt(alpha * (1 - alpha) * (1 / tested + 1 / (draws * 0.5 * count)))
    assert held_back / tested <= alpha + 3 * spread


@pytest.mark.parametrize("count", [0, 1, 5, 105])
def test_a_model_with_texts_survives_the_disk(count: int) -> None:
    model = learn([image(seed) for seed in range(count)], size=400)
    tensors = model.to_tensors()
    again = DecoderModel.from_tensors(tensors)
    assert {k: t.tobytes() for k, t in again.to_tensors().items()} == {
        k: t.tobytes() for k, t in tensors.items()
    }
    query = image(77)
    assert decode(again, query).model_dump_json() == decode(model, query).model_dump_json()


def test_a_model_of_nothing_is_refused() -> None:
    tensors = learn([]).to_tensors()
    with pytest.raises(KeyError, match=r"text\.normal"):
        DecoderModel.from_tensors({k: t for k, t in tensors.items() if k != "text.normal"})
