"""The embedded model as one backend of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from experts.mllm.base import MLLM, Choice, Message
from experts.mllm.local.model import LocalMLLM
from experts.mllm.nano.prompting import TextPrompter
from experts.mllm.nano.texts import with_options


class NanoMLLM(LocalMLLM):
    """Reads and puts in words what experts found; it sees no images and draws no conclusions.

    ``choose`` lists the options behind the question and weighs their texts: letters mean nothing to
    a model of this size.
    """

    sees = False

    @cached_property
    def aside(self) -> MLLM:
        """The same weights with a memory of their own, so that the page that was read stays."""
        prompter = TextPrompter(self._prompter.tokenizer)
        return NanoMLLM(self._model, prompter, name=self.name, revision=self.revision)

    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        return super()._choose([(with_options(m, options), options) for m, options in asked])
