"""The visual prefix: its tokens, and what each of them may depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from experts.mllm.nano.prefix import (
    BASE_TOKENS,
    EMBEDDING_RMS,
    LOOKS,
    MAP_TOKENS_SIDE,
    TOKENS,
    WIDTH,
    PrefixInputs,
    VisualPrefix,
)
from tests.prefix_inputs import PATCH_DIM, drawn_inputs

MAP = slice(BASE_TOKENS, BASE_TOKENS + MAP_TOKENS_SIDE**2)
SEEN = slice(MAP.stop, MAP.stop + LOOKS)
NORMAL = slice(SEEN.stop, SEEN.stop + LOOKS)
DIFFERENCE = slice(NORMAL.stop, NORMAL.stop + LOOKS)


@pytest.fixture
def prefix() -> VisualPrefix:
    torch.manual_seed(0)
    return VisualPrefix(PATCH_DIM).eval()


@pytest.fixture
def inputs() -> PrefixInputs:
    return drawn_inputs([0, 4, 8])


@torch.inference_mode()
def tokens(prefix: VisualPrefix, inputs: PrefixInputs) -> Tensor:
    found_NTE: Tensor = prefix(inputs)
    return found_NTE


def changed(before_NTE: Tensor, after_NTE: Tensor) -> list[int]:
    return torch.nonzero((before_NTE - after_NTE).abs().amax(dim=(0, 2)) > 1e-6)[:, 0].tolist()


def test_it_is_small_and_gives_at_most_sixteen_tokens() -> None:
    assert TOKENS <= 16
    assert sum(p.numel() for p in VisualPrefix().parameters()) <= 1_500_000


def test_tokens_are_as_large_as_words(prefix: VisualPrefix, inputs: PrefixInputs) -> None:
    found_NTE = tokens(prefix, inputs)
    assert found_NTE.shape == (3, TOKENS, WIDTH)
    rms_NT = found_NTE.square().mean(dim=2).sqrt()
    assert ((rms_NT > EMBEDDING_RMS / 2) & (rms_NT < EMBEDDING_RMS * 2)).all()


def test_base_tokens_are_the_same_for_all(prefix: VisualPrefix, inputs: PrefixInputs) -> None:
    base_NTE = tokens(prefix, inputs)[:, :BASE_TOKENS]
    assert torch.equal(base_NTE, base_NTE[:1].expand_as(base_NTE))


def test_the_map_reaches_its_own_tokens_alone(prefix: VisualPrefix, inputs: PrefixInputs) -> None:
    other = replace(inputs, maps_N1HW=inputs.maps_N1HW.flip(2))
    assert changed(tokens(prefix, inputs), tokens(prefix, other)) == list(range(TOKENS))[MAP]


def test_texts_choose_what_of_the_crop_passes(prefix: VisualPrefix, inputs: PrefixInputs) -> None:
    other = replace(inputs, texts_N2E=inputs.texts_N2E.flip(2))
    assert changed(tokens(prefix, inputs), tokens(prefix, other)) == list(range(MAP.stop, TOKENS))


def test_a_crop_that_is_as_normal_gives_no_view_to_the_texts(
    prefix: VisualPrefix, inputs: PrefixInputs
) -> None:
    same = replace(inputs, normal_NSC=inputs.seen_NSC)
    found_NTE = tokens(prefix, same)
    views_NTE = found_NTE[:, DIFFERENCE.stop :]
    assert torch.allclose(views_NTE, views_NTE[:1].expand_as(views_NTE), atol=1e-6)
    assert not torch.allclose(found_NTE[0, SEEN], found_NTE[1, SEEN], atol=1e-3)


def test_samples_do_not_mix(prefix: VisualPrefix, inputs: PrefixInputs) -> None:
    alone_NTE = torch.cat([tokens(prefix, inputs[torch.tensor([i])]) for i in range(3)])
    assert torch.allclose(tokens(prefix, inputs), alone_NTE, atol=1e-5)


def test_stacked_inputs_are_those_of_the_parts(inputs: PrefixInputs) -> None:
    stacked = PrefixInputs.stack([inputs[torch.tensor([2])], inputs[torch.tensor([0, 1])]])
    assert len(stacked) == 3
    assert torch.equal(stacked.heat_NS, inputs.heat_NS[[2, 0, 1]])
    assert torch.equal(stacked.texts_N2E, inputs.texts_N2E[[2, 0, 1]])
