"""Writes an answer of given sentences; a model is asked only where these differ.

Between two such places what comes next is certain: it is read in one pass, not token by token.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from llguidance import LLMatcher
from transformers import Cache

from experts.errors import MLLMAnswerError
from experts.mllm.local.constraining import allowed
from experts.mllm.local.prefix import Reader


class Spoken(NamedTuple):
    """What was said.

    Attributes:
        ids: Tokens, without the one that ends the answer.
        ended: Whether it came to its end.
    """

    ids: list[int]
    ended: bool


def say(
    reader: Reader,
    cache: Cache | None,
    last_id: int,
    matcher: LLMatcher,
    ends: Collection[int],
    max_tokens: int,
) -> Spoken:
    """Take the most probable sentences, one after the other, until the model ends.

    Args:
        reader: Of the model.
        cache: All of the prompt but its last token.
        last_id: That token.
        matcher: What may follow.
        ends: The tokens that end an answer.
        max_tokens: So many at most.

    Raises:
        MLLMAnswerError: If nothing may follow, or the model gives no numbers.
    """
    said: list[int] = []
    unread = [last_id]
    while len(said) < max_tokens and not matcher.is_stopped():
        output = reader.step(cache, torch.tensor([unread]))
        cache, logits_V = output.past_key_values, output.logits[0, -1].float()
        may_V = allowed(matcher, len(logits_V)).to(logits_V.device)
        if not may_V.any() or logits_V.isnan().any():
            raise MLLMAnswerError("finds no sentence to say; take another model")
        token = int(logits_V.masked_fill(~may_V, -torch.inf).argmax())
        matcher.consume_token(token)
        certain = [] if matcher.is_stopped() else matcher.compute_ff_tokens()
        matcher.consume_tokens(certain)
        unread = [token, *certain]
        said += unread
    if len(said) > max_tokens:
        return Spoken(said[:max_tokens], ended=False)
    # Where nothing else may follow, no token says that this is the end.
    return Spoken([token for token in said if token not in ends], matcher.is_stopped())
