"""Lets a model write only what fits a schema, or given sentences, token by token, by llguidance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask
from pydantic import BaseModel

from experts.mllm.structured import closed_schema

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


# Small models go on with blanks for ever, where these are free.
# What the library does not know, such as sets, it leaves out; the rest of the schema still holds.
LAYOUT: JsonCompileOptions = {
    "lenient": True,
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}


class Grammars:
    """Makes constraints for one model.

    Args:
        tokenizer: Of the model.
        vocabulary: How many tokens it tells apart.
        ends: The tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: list[int]) -> None:
        self._tokenizer, self._vocabulary, self._ends = tokenizer, vocabulary, ends

    @cached_property
    def _tokens(self) -> Any:
        return from_tokenizer(self._tokenizer, self._vocabulary, self._ends or None)

    def of(self, schema: type[BaseModel], start: int) -> Constraint | None:
        """What holds a model to a schema; None if the library cannot.

        Args:
            schema: What the answer shall fit.
            start: How many tokens the prompt has.
        """
        grammar = LLMatcher.grammar_from_json_schema(closed_schema(schema), defaults=LAYOUT)
        matcher = LLMatcher(self._tokens, grammar)
        return None if matcher.is_error() else Constraint(matcher, start)

    def of_sentences(self, sentences: Sequence[str], *, many: bool) -> LLMatcher:
        """What follows where one of these sentences is said.

        Args:
            sentences: What may be said.
            many: Whether others may follow, with a blank between them.
        """
        said = " | ".join(json.dumps(sentence, ensure_ascii=False) for sentence in sentences)
        more = '(" " said)*' if many else ""
        grammar = LLMatcher.grammar_from_lark(f"start: said {more}\nsaid: {said}")
        return LLMatcher(self._tokens, grammar)


class Constraint:
    """Rules out every token that cannot go on to a valid object; one of a model's processors."""

    def __init__(self, matcher: LLMatcher, start: int) -> None:
        self._matcher, self._read = matcher, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Called before each token with all that was written."""
        for token in input_ids[0, self._read :].tolist():
            self._matcher.consume_token(token)
        self._read = input_ids.shape[1]
        may_V = allowed(self._matcher, scores.shape[1]).to(scores.device)
        return scores.masked_fill(~may_V, -torch.inf)


def allowed(matcher: LLMatcher, vocabulary: int) -> torch.Tensor:
    """Which tokens may come next, bool (vocabulary,).

    Args:
        matcher: Knows what came so far.
        vocabulary: How many tokens there are.
    """
    bits = allocate_token_bitmask(1, vocabulary)
    fill_next_token_bitmask(matcher, bits)
    shifts = torch.arange(32, dtype=torch.int32)
    return ((bits[0, :, None] >> shifts) & 1).flatten()[:vocabulary].bool()
