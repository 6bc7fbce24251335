"""The language model reads a page with the visual prefix in front of it, or the page alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.nano_places import Kept
from benchmarks.nano_prefix_lm import OPTIONS, Reader, _behind, page_of
from experts.mllm.nano.base import unpacked
from experts.mllm.nano.prefix import VisualPrefix
from experts.mllm.nano.pretraining import ATTRIBUTES
from tests.prefix_inputs import drawn_inputs


@pytest.fixture(scope="module")
def kept() -> Kept:
    """One place that lies at the top, small and dark, whose map is drawn."""
    inputs = drawn_inputs([1])
    labels_NA = torch.tensor([[1, 1, 0, 2, 0]])
    measured_NM = torch.tensor([[-5.0, -3.0, -4.0, 1.0, -0.2, 0.2, 0.1, 0.3, 0.2, 0.5]])
    flagged_N = torch.tensor([True])
    return Kept(inputs, labels_NA, labels_NA, torch.tensor([1]), measured_NM, flagged_N)


def test_all_tokens_see_what_stands_in_front() -> None:
    sees_TT = torch.tensor([[True, False, False], [True, True, False], [True, False, True]])
    wide_TT = _behind(sees_TT, 2)
    assert wide_TT[2:, :2].all()
    assert wide_TT[:2, :2].tolist() == [[True, False], [True, True]]
    assert not wide_TT[:2, 2:].any()
    assert torch.equal(wide_TT[2:, 2:], sees_TT)


def test_the_page_says_what_code_reads(kept: Kept) -> None:
    page = page_of(kept, 0)
    assert page.startswith("region-1 lies at the top. It is small, darker than its surroundings")
    assert "its length is 2.7 times its width" in page


@torch.no_grad()
def test_only_with_the_prefix_it_matters_what_is_seen(kept: Kept, nano_home: Path) -> None:
    torch.manual_seed(0)
    base, prefix = unpacked(nano_home), VisualPrefix(kept.inputs.seen_NSC.shape[2]).eval()
    elsewhere = kept._replace(inputs=replace(kept.inputs, maps_N1HW=-kept.inputs.maps_N1HW))
    for reader, matters in ((Reader(base, None), False), (Reader(base, prefix), True)):
        reader.model.eval()
        first, second = (reader.scores(seen, 0, OPTIONS) for seen in (kept, elsewhere))
        assert [len(scores) for scores in first] == [len(options) for options in OPTIONS]
        assert len(first) == len(ATTRIBUTES)
        assert torch.cat(first).isfinite().all()
        assert (not torch.equal(torch.cat(first), torch.cat(second))) is matters
