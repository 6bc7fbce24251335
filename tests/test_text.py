from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.clip import OpenClipEncoder
from experts.decoder.encoder import Features
from experts.decoder.text import TextBranch
from experts.errors import WeightsError
from experts.images import read_picture
from experts.knowledge import KnowledgeFile
from experts.prompts import ABNORMAL_STATES, NORMAL_STATES, TEMPLATES, Prompts, prompts_for
from tests.clip_models import VIT, write_model

FloatArray = NDArray[np.float32]

WASHER = KnowledgeFile.model_validate(
    {
        "product": "washer",
        "normal": "A bright ring. The edge is clean.",
        "defects": [
            {
                "name": "pit",
                "synonyms": ["hole"],
                "appearance": "A small dark hole.",
                "effect": "Corrodes.",
                "severity": "minor",
            },
            {
                "name": "hole",
                "appearance": "LED light shines through.",
                "effect": "Leaks.",
                "severity": "major",
            },
        ],
    }
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> OpenClipEncoder:
    return OpenClipEncoder(str(write_model(tmp_path_factory.mktemp("text") / "vit", VIT)))


def unit(rng: np.random.Generator, *shape: int) -> FloatArray:
    x = rng.normal(size=shape)
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), np.float32)


def features_of(
    rng: np.random.Generator, layers: int, height: int, width: int, size: int
) -> Features:
    return Features(
        embedding_E=unit(rng, size),
        patches_HWC=unit(rng, height, width, 7),
        stride_px=(16.0, 16.0),
        centre_px=(7.5, 7.5),
        projected_LHWD=unit(rng, layers, height, width, size),
    )


def abnormal_probability(
    embedding_D: FloatArray, normal_D: FloatArray, abnormal_D: FloatArray, scale: float
) -> float:
    """The softmax of both logits, written out."""
    logits = [
        scale * sum(float(a) * float(b) for a, b in zip(embedding_D, text_D, strict=True))
        for text_D in (normal_D, abnormal_D)
    ]
    exponentials = [math.exp(logit - max(logits)) for logit in logits]
    return exponentials[1] / sum(exponentials)


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 1, 1), (2, 6, 2)])
def test_map_and_score_follow_the_equations(scale: float, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    features = features_of(rng, *shape, size=16)
    normal_D, abnormal_D = unit(rng, 2, 16)
    patch_scores_HW, score, compared = TextBranch(normal_D, abnormal_D, scale).decode(features)
    layers, height, width = shape
    assert compared == layers
    assert features.projected_LHWD is not None
    for row in range(height):
        for column in range(width):
            total = 0.0
            for layer in range(layers):
                patch_D = features.projected_LHWD[layer, row, column]
                total += abnormal_probability(patch_D, normal_D, abnormal_D, scale)
            assert patch_scores_HW[row, column] == pytest.approx(total / layers, abs=1e-5)
    assert patch_scores_HW.dtype == np.float32
    assert patch_scores_HW.shape == (height, width)
    expected = abnormal_probability(features.embedding_E, normal_D, abnormal_D, scale)
    assert score == pytest.approx(expected, abs=1e-5)


def test_scores_stay_within_0_and_1_where_an_exponential_would_not() -> None:
    normal_D, abnormal_D = np.eye(2, dtype=np.float32)
    projected_LHWD = np.stack([normal_D, abnormal_D])[None, None]
    features = Features(abnormal_D, projected_LHWD[0], (1.0, 1.0), (0.0, 0.0), projected_LHWD)
    scores = TextBranch(normal_D, abnormal_D, 1e4).decode(features)
    assert scores.patch_scores_HW.tolist() == [[0.0, 1.0]]
    assert scores.score == 1.0


def test_a_class_is_the_mean_of_its_prompts(encoder: OpenClipEncoder) -> None:
    prompts = prompts_for("washer", WASHER)
    branch = TextBranch.from_prompts(encoder, prompts)
    assert branch.logit_scale == pytest.approx(1 / 0.07)
    for texts, class_D in zip(prompts, (branch.normal_D, branch.abnormal_D), strict=True):
        total_D = np.zeros(32)
        for text in texts:
            embedding_D = encoder.encode_texts([text])[0].astype(np.float64)
            total_D += embedding_D / math.sqrt(float(embedding_D @ embedding_D))
        mean_D = total_D / len(texts)
        assert class_D == pytest.approx(mean_D / np.linalg.norm(mean_D), abs=1e-5)
    turned = Prompts(prompts.normal[::-1], prompts.abnormal[::-1])
    other = TextBranch.from_prompts(encoder, turned)
    assert branch.normal_D == pytest.approx(other.normal_D, abs=1e-5)
    assert branch.abnormal_D == pytest.approx(other.abnormal_D, abs=1e-5)


def test_a_picture_goes_all_the_way(encoder: OpenClipEncoder) -> None:
    branch = TextBranch.from_prompts(encoder, prompts_for("washer"))
    rng = np.random.default_rng(3)
    pictures = [
        read_picture(rng.integers(0, 255, size, np.uint8)) for size in [(64, 64, 3), (50, 150, 3)]
    ]
    scores = [branch.decode(features) for features in encoder.encode(pictures)]
    assert [s.patch_scores_HW.shape for s in scores] == [(4, 4), (2, 7)]
    for found in scores:
        assert ((found.patch_scores_HW > 0) & (found.patch_scores_HW < 1)).all()
        assert 0 < found.score < 1
    # What is stored of a branch decodes alike.
    stored = TextBranch(branch.normal_D.copy(), branch.abnormal_D.copy(), branch.logit_scale)
    assert stored.decode(encoder.encode(pictures[:1])[0]).score == scores[0].score


def test_the_image_s_class_is_that_of_open_clip_s_own_logits(encoder: OpenClipEncoder) -> None:
    """With one prompt a class, the score is what the model itself says of image and texts."""
    import torch

    texts = ["a photo of a washer.", "a photo of a damaged washer."]
    branch = TextBranch.from_prompts(encoder, Prompts((texts[0],), (texts[1],)))
    picture = read_picture(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    features = encoder.encode([picture])[0]
    logits = encoder.logit_scale * encoder.encode_texts(texts) @ features.embedding_E
    expected = float(torch.softmax(torch.from_numpy(logits), dim=0)[1])
    assert branch.decode(features).score == pytest.approx(expected, abs=1e-5)


def test_features_beside_the_texts_are_refused() -> None:
    normal_D, abnormal_D = np.eye(2, dtype=np.float32)
    features = Features(normal_D, np.zeros((1, 1, 2), np.float32), (1.0, 1.0), (0.0, 0.0))
    with pytest.raises(WeightsError, match="patches have no place in the space of texts; take an"):
        TextBranch(normal_D, abnormal_D, 1.0).decode(features)


def test_prompts_are_every_state_in_every_template() -> None:
    prompts = prompts_for("solar cell")
    assert len(TEMPLATES) == len(set(TEMPLATES)) == 22
    assert len(prompts.normal) == len(set(prompts.normal)) == len(NORMAL_STATES) * 22 == 154
    assert len(prompts.abnormal) == len(set(prompts.abnormal)) == len(ABNORMAL_STATES) * 22 == 110
    assert "a photo of a solar cell." in prompts.normal
    assert "a blurry photo of the solar cell without damage." in prompts.normal
    assert "a photo of the small flawless solar cell." in prompts.normal
    assert "a close-up photo of a damaged solar cell." in prompts.abnormal
    assert "a photo of the solar cell with flaw for anomaly detection." in prompts.abnormal
    assert not [p for p in (*prompts.normal, *prompts.abnormal) if "[" in p]


def states_of(prompts: Sequence[str]) -> list[str]:
    start, end = "a photo of a ", " for visual inspection."
    return [p[len(start) : -len(end)] for p in prompts if p.startswith(start) and p.endswith(end)]


def test_knowledge_adds_its_own_states_once() -> None:
    prompts, plain = prompts_for("washer", WASHER), prompts_for("washer")
    assert states_of(prompts.normal)[len(states_of(plain.normal)) :] == [
        "washer, a bright ring",
        "washer, the edge is clean",
    ]
    assert states_of(prompts.abnormal)[len(states_of(plain.abnormal)) :] == [
        "washer with pit",
        "washer with hole",
        "washer with a small dark hole",
        "washer with LED light shines through",
    ]


def test_a_product_s_name_is_taken_literally() -> None:
    prompts = prompts_for("[c] [o] part")
    assert "a photo of a [c] [o] part." in prompts.normal


def test_the_project_s_own_knowledge_makes_prompts(encoder: OpenClipEncoder) -> None:
    from experts.knowledge import load_knowledge

    root = Path(__file__).parent.parent
    file = load_knowledge(root / "knowledge" / "solar_cell.yaml").file
    prompts = prompts_for(file.product, file)
    assert "a photo of the solar cell with microcrack." in prompts.abnormal
    assert np.isfinite(TextBranch.from_prompts(encoder, prompts).abnormal_D).all()
