"""What the visual prefix is made of, taken from inspections of washers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from echo import ProductLine
from experts.knowledge import load_knowledge
from experts.mllm.nano.glimpse import Wording, glimpse, said, scaled
from experts.mllm.nano.prefix import CROP_SIDE, MAP_SIDE, PATCH_DIM, TOKENS, VisualPrefix
from experts.tools.scene import Equipment, Scene
from tests.conftest import bad_part, good_part
from tests.looks import gear_of, marked, scene_of
from tests.rule_files import SOLAR_CELL

TEXTS_2E = torch.zeros(2, 576)


@pytest.fixture(scope="module")
def washer(washer_home: Path) -> ProductLine:
    return ProductLine.load("washer", home=washer_home)


@pytest.fixture(scope="module")
def gear(washer: ProductLine) -> Equipment:
    return gear_of(washer)


@pytest.fixture(scope="module")
def bad(washer: ProductLine) -> Scene:
    return scene_of(washer, bad_part(100))


def test_a_defect_is_where_the_map_and_the_crop_are_hot(gear: Equipment, bad: Scene) -> None:
    inputs = glimpse(bad, gear, gear.encoder, TEXTS_2E)
    assert inputs.maps_N1HW.shape == (1, 1, MAP_SIDE, MAP_SIDE)
    assert inputs.seen_NSC.shape == inputs.normal_NSC.shape == (1, CROP_SIDE**2, PATCH_DIM)
    y, x = divmod(int(inputs.maps_N1HW.flatten().argmax()), MAP_SIDE)
    left, top, right, bottom = bad.regions[0].box_xyxy
    height, width = bad.picture.size_HW
    assert left <= (x + 0.5) / MAP_SIDE * width <= right
    assert top <= (y + 0.5) / MAP_SIDE * height <= bottom
    assert float(inputs.heat_NS.max()) == pytest.approx(float(inputs.maps_N1HW.max()))
    changed_S = (inputs.seen_NSC - inputs.normal_NSC).square().sum(dim=2)[0]
    hot_S = inputs.heat_NS[0] >= inputs.heat_NS[0].median()
    assert changed_S[hot_S].mean() > 2 * changed_S[~hot_S].mean()


def test_the_prefix_takes_it(gear: Equipment, bad: Scene) -> None:
    inputs = glimpse(bad, gear, gear.encoder, TEXTS_2E)
    assert VisualPrefix().eval()(inputs).shape == (1, TOKENS, 576)


def test_a_region_may_be_named(gear: Equipment, bad: Scene) -> None:
    elsewhere = marked(bad, (0, 0, 24, 24)).regions[0]
    inputs = glimpse(bad, gear, gear.encoder, TEXTS_2E, elsewhere)
    first = glimpse(bad, gear, gear.encoder, TEXTS_2E)
    assert torch.equal(inputs.maps_N1HW, first.maps_N1HW)
    assert float(inputs.heat_NS.max()) < float(first.heat_NS.max())


def test_a_good_part_is_cool(washer: ProductLine, gear: Equipment) -> None:
    good = scene_of(washer, good_part(100))
    assert good.regions == ()
    inputs = glimpse(good, gear, gear.encoder, TEXTS_2E)
    assert float(inputs.maps_N1HW.max()) <= 0


def test_the_map_counts_by_its_limit(bad: Scene) -> None:
    limit = bad.anomaly.limit
    ladder_HW = np.array([[0, limit / 16, limit / 2], [limit, 2 * limit, 8 * limit]], np.float32)
    anomaly = bad.anomaly.model_copy(
        update={
            "patch_scores_HW": ladder_HW,
            "patch_stride_px": (1.0, 1.0),
            "patch_centre_px": (0.0, 0.0),
            "image_size_HW": (2, 3),
        }
    )
    half, lowest, high = 0.5**0.5, 4 / 17**0.5, 3 / 10**0.5
    expected = np.array([[-lowest, -lowest, -half], [0, half, high]])
    assert scaled(anomaly) == pytest.approx(expected, abs=1e-4)
    unlimited = anomaly.model_copy(update={"limit": np.inf})
    assert float(scaled(unlimited).max()) == 0


def test_without_a_normal_image_nothing_differs(gear: Equipment, bad: Scene) -> None:
    alone = replace(bad, anomaly=bad.anomaly.model_copy(update={"twin": None}))
    inputs = glimpse(alone, replace(gear, extractor=None), gear.encoder, TEXTS_2E)
    assert torch.equal(inputs.seen_NSC, inputs.normal_NSC)


class Letters:
    """A tokenizer whose tokens are letters."""

    def __call__(self, texts: list[str], *, add_special_tokens: bool) -> dict[str, list[list[int]]]:
        assert not add_special_tokens
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def test_texts_are_the_means_of_their_words() -> None:
    words_VE = torch.arange(256)[:, None] * torch.tensor([1.0, -1.0])
    found_PE = Wording(Letters(), words_VE).embed(["a", "ac"])
    assert found_PE.tolist() == [[97, -97], [98, -98]]


def test_a_line_is_told_by_its_own_prompts() -> None:
    file = load_knowledge(SOLAR_CELL).file
    normal, abnormal = said(file.product, file)
    assert all(text.isascii() for text in normal)
    assert any("flawless solar cell" in text for text in normal)
    for defect in file.defects:
        assert any(defect.name in text for text in abnormal)
        assert not any(f"with {defect.name}" in text for text in normal)
    texts_2E = Wording(Letters(), torch.randn(1024, 8)).of(file.product, file)
    assert texts_2E.shape == (2, 8)
    assert not torch.equal(texts_2E[0], texts_2E[1])
