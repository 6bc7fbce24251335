from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedModel

from echo.training.packing import Branch, pack


@pytest.fixture(scope="module")
def model(nano_home: Path) -> PreTrainedModel:
    (folder,) = (path for path in (nano_home / "nano").iterdir() if path.is_dir())
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def branches() -> list[Branch]:
    """Two questions on one beginning, each with three answers, the first ones alike for a while."""
    draw = torch.Generator().manual_seed(3)

    def some(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(5, 40_000, (count,), generator=draw).tolist())

    beginning = some(20)
    rows = []
    for question in (some(5), some(9)):
        begin = len(beginning) + len(question)
        shared = some(2)
        answers = (some(4), (*shared, *some(1)), (*shared, *some(3)))
        rows += [Branch((*beginning, *question, *answer), begin) for answer in answers]
    return rows


def test_what_rows_share_is_in_the_tree_once() -> None:
    packed = pack(branches())
    assert len(packed.ids_T) == 20 + (5 + 4 + 2 + 1 + 3) + (9 + 4 + 2 + 1 + 3)
    assert packed.sees_TT.sum(1).tolist() == (packed.positions_T + 1).tolist()


def test_a_tree_gives_what_each_row_gives_alone(model: PreTrainedModel) -> None:
    rows = branches()
    packed = pack(rows)
    with torch.inference_mode():
        tree_TV = model(
            input_ids=packed.ids_T[None],
            position_ids=packed.positions_T[None],
            attention_mask=packed.sees_TT[None, None],
        ).logits[0]
        for row, (places, answer) in zip(rows, packed.foretells, strict=True):
            alone_TV = model(input_ids=torch.tensor(row.ids)[None]).logits[0]
            expected = alone_TV[row.begin - 1 : -1].log_softmax(-1)
            assert answer.tolist() == list(row.ids[row.begin :])
            torch.testing.assert_close(tree_TV[places].log_softmax(-1), expected, atol=2e-3, rtol=0)
