"""What is learned from a lesson: to write what is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from echo.training.packing import pack
from echo.training.reading import Row


class Losses(NamedTuple):
    """Of one lesson.

    Attributes:
        writing: Mean negative log-probability of a token of right answers, nats.
        chosen_right: For each question whose wrong options were read, too: whether the right one is
            the most probable.
    """

    writing: torch.Tensor
    chosen_right: tuple[bool, ...]


def losses(model: PreTrainedModel, rows: Sequence[Row]) -> Losses:
    """Read a lesson in one pass.

    Options are weighed as at work, by the mean log-probability of their tokens, see
    ``experts.mllm.local.weighing``.

    Args:
        model: The language model.
        rows: The lesson.
    """
    means = iter(_means(model, rows))
    scores = [torch.stack([next(means) for _ in row.branches]) for row in rows]
    writing = -torch.stack([of_row[0] for of_row in scores]).mean()
    return Losses(writing, tuple(int(s.argmax()) == 0 for s in scores if len(s) > 1))


def _means(model: PreTrainedModel, rows: Sequence[Row]) -> list[torch.Tensor]:
    """Mean log-probability of each branch's answer, in order."""
    packed = pack([branch for row in rows for branch in row.branches])
    device = model.device
    hidden_TE = model.get_base_model().model(
        input_ids=packed.ids_T[None].to(device),
        position_ids=packed.positions_T[None].to(device),
        attention_mask=packed.sees_TT[None, None].to(device),
        use_cache=False,
    ).last_hidden_state[0]  # fmt: skip
    # Only what foretells an answer goes through the largest matrix, and each place once.
    places_P, inverse = torch.unique(
        torch.cat([at for at, _ in packed.foretells]), return_inverse=True
    )
    logits_PV = model.get_output_embeddings()(hidden_TE[places_P.to(device)]).float()
    log_PV = F.log_softmax(logits_PV, dim=-1)
    answers = torch.cat([answer for _, answer in packed.foretells]).to(device)
    found = log_PV[inverse.to(device), answers]
    lengths = [len(answer) for _, answer in packed.foretells]
    return [part.mean() for part in torch.split(found, lengths)]
