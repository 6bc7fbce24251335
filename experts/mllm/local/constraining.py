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
        return self._constraint(grammar, start)

    def of_sentences(self, sentences: Sequence[str], start: int) -> Constraint | None:
        """What holds a model to some of these sentences, one after the other with a blank between.

        Args:
            sentences: What may be said.
            start: How many tokens the prompt has.
        """
        said = " | ".join(json.dumps(sentence, ensure_ascii=False) for sentence in sentences)
        grammar = LLMatcher.grammar_from_lark(f'start: said (" " said)*\nsaid: {said}')
        return self._constraint(grammar, start)

    def _constraint(self, grammar: str, start: int) -> Constraint | None:
        matcher = LLMatcher(self._tokens, grammar)
        return None if matcher.is_error() else Constraint(matcher, start, self._vocabulary)


class Constraint:
    """Rules out every token that cannot go on to a valid object; one of a model's processors."""

    def __init__(self, matcher: LLMatcher, start: int, vocabulary: int) -> None:
        self._matcher, self._read = matcher, start
        self._bits = allocate_token_bitmask(1, vocabulary)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Called before each token with all that was written."""
        for token in input_ids[0, self._read :].tolist():
            self._matcher.consume_token(token)
        self._read = input_ids.shape[1]
        fill_next_token_bitmask(self._matcher, self._bits)
        shifts = torch.arange(32, dtype=torch.int32)
        allowed = ((self._bits[0, :, None] >> shifts) & 1).flatten()[: scores.shape[1]]
        return scores.masked_fill(allowed.to(scores.device) == 0, -torch.inf)
