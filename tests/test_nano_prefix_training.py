"""Pretraining of the visual prefix: labels from masks, symmetries, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from echo.training.prefix_training import (
    SYMMETRIES,
    Places,
    PrefixRecipe,
    classify,
    pretrain,
    turned,
)
from experts.decoder.regions import PLACES, place_in_words
from experts.errors import ImageError
from experts.mllm.nano.prefix import CROP_SIDE, TOKENS, WIDTH
from experts.mllm.nano.pretraining import (
    ATTRIBUTES,
    FORMS,
    SIZES,
    TONES,
    UNKNOWN,
    Attributes,
    Heads,
    heads_loss,
    truth_of,
)
from tests.prefix_inputs import drawn_inputs


def truth(box_xyxy: tuple[int, int, int, int], level: float = 0.2) -> Attributes:
    """Of a box in an image of 100 × 200 pixels with a level of its own."""
    left, top, right, bottom = box_xyxy
    mask_HW = np.zeros((100, 200), np.bool_)
    mask_HW[top:bottom, left:right] = True
    grey_HW = np.where(mask_HW, level, 0.5).astype(np.float32)
    return truth_of(mask_HW, grey_HW, np.full_like(grey_HW, 0.5))


@pytest.mark.parametrize(
    ("box", "place", "size", "form"),
    [
        ((2, 2, 8, 8), "top left", "tiny", "round"),
        ((95, 45, 107, 57), "centre", "small", "round"),
        ((150, 80, 190, 84), "bottom right", "small", "line"),
        ((10, 40, 50, 60), "left", "medium", "elongated"),
        ((60, 0, 140, 60), "top", "large", "round"),
    ],
)
def test_labels_are_read_off_the_mask(
    box: tuple[int, int, int, int], place: str, size: str, form: str
) -> None:
    found = truth(box)
    assert (PLACES[found.place], SIZES[found.size], FORMS[found.elongation]) == (place, size, form)
    assert found.kind == UNKNOWN


@pytest.mark.parametrize(
    ("level", "tone"), [(0.3, "darker than"), (0.7, "brighter than"), (0.51, "as bright as")]
)
def test_tones_are_those_beside_the_normal_image(level: float, tone: str) -> None:
    assert TONES[truth((20, 20, 40, 40), level).contrast] == tone


def test_only_the_largest_part_of_a_mask_counts() -> None:
    mask_HW = np.zeros((90, 90), np.bool_)
    mask_HW[0:3, 0:3] = mask_HW[70:80, 70:80] = True
    grey_HW = np.zeros((90, 90), np.float32)
    assert PLACES[truth_of(mask_HW, grey_HW, None).place] == "bottom right"
    with pytest.raises(ImageError, match="marks no pixel"):
        truth_of(np.zeros_like(mask_HW), grey_HW, None)


def test_places_count_as_their_words_do() -> None:
    centres = [(x, y) for y in (15, 45, 75) for x in (15, 45, 75)]
    words = [place_in_words((x, y, x + 1, y + 1), (90, 90)) for x, y in centres]
    assert words == list(PLACES)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_label_moves_with_the_image(symmetry: tuple[bool, bool, bool]) -> None:
    inputs = drawn_inputs(list(range(9)))
    labels_NA = torch.zeros(9, len(ATTRIBUTES), dtype=torch.int64)
    labels_NA[:, 0] = torch.arange(9)
    moved, labels_NA = turned(inputs, labels_NA, symmetry)
    thirds_N33 = torch.nn.functional.adaptive_avg_pool2d(moved.maps_N1HW, 3)[:, 0]
    assert torch.equal(thirds_N33.flatten(1).argmax(dim=1), labels_NA[:, 0])
    assert sorted(labels_NA[:, 0].tolist()) == list(range(9))


def test_crops_turn_as_their_maps_do() -> None:
    inputs = drawn_inputs([0])
    row_S = torch.arange(CROP_SIDE).repeat_interleave(CROP_SIDE)
    inputs = replace(inputs, heat_NS=row_S[None].float())
    labels_NA = torch.zeros(1, len(ATTRIBUTES), dtype=torch.int64)
    upside_down, _ = turned(inputs, labels_NA, (False, False, True))
    assert torch.equal(upside_down.heat_NS[0], row_S.flip(0).float())
    transposed, _ = turned(inputs, labels_NA, (True, False, False))
    assert torch.equal(transposed.heat_NS[0].view(CROP_SIDE, CROP_SIDE)[0], row_S[::CROP_SIDE])


@torch.inference_mode()
def test_unknown_labels_train_nothing() -> None:
    torch.manual_seed(0)
    heads = Heads(2).eval()
    logits = heads(torch.randn(2, TOKENS, WIDTH))
    known = torch.zeros(2, len(ATTRIBUTES), dtype=torch.int64)
    partly = known.clone()
    partly[1, 4] = UNKNOWN
    more = float(heads_loss(logits, known) - heads_loss(logits, partly))
    kinds_NK = logits[4].log_softmax(dim=1)
    assert more == pytest.approx(float(kinds_NK[0, 0] - kinds_NK[:, 0].mean()), abs=1e-5)


def places(count: int, seed: int) -> Places:
    """Whose map tells where they lie and whose crop tells their kind; all else is one class."""
    generator = torch.Generator().manual_seed(seed)
    cells_N = torch.randint(9, (count,), generator=generator)
    labels_NA = torch.zeros(count, len(ATTRIBUTES), dtype=torch.int64)
    labels_NA[:, 0] = cells_N
    labels_NA[:, 4] = torch.randint(2, (count,), generator=generator)
    inputs = drawn_inputs(cells_N.tolist(), seed)
    sign_N = labels_NA[:, 4].float() * 2 - 1
    seen_NSC = inputs.normal_NSC + sign_N[:, None, None] * torch.tensor([1.0, -1, 0, 0, 0, 0])
    prompts_PE = torch.randn(6, WIDTH, generator=generator)
    return Places(replace(inputs, seen_NSC=seen_NSC), labels_NA, prompts_PE, prompts_PE.flip(0))


def test_it_learns_where_the_map_is_high_and_how_the_crop_differs() -> None:
    recipe = PrefixRecipe(epochs=6, batch=16)
    losses: list[float] = []
    prefix, heads = pretrain(
        [places(120, 1), places(72, 2)], 2, recipe, lambda _, loss: losses.append(loss)
    )
    assert losses[-1] < losses[0] / 2
    asked = places(60, 3)
    told_NA = classify(prefix, heads, asked.inputs)
    right_A = (told_NA == asked.labels_NA).float().mean(dim=0)
    assert right_A[ATTRIBUTES.index("place")] > 0.8
    assert right_A[ATTRIBUTES.index("kind")] > 0.9


def test_a_seed_gives_the_same_weights_again() -> None:
    recipe = PrefixRecipe(epochs=1, batch=8, seed=5)
    first, again = (pretrain([places(16, 1)], 2, recipe)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
