"""The embedded model as one backend of the protocol."""

from __future__ import annotations

from collections.abc import Sequence

from experts.mllm.base import Choice, Message
from experts.mllm.local.model import LocalMLLM
from experts.mllm.nano.texts import with_options


class NanoMLLM(LocalMLLM):
    """Reads and puts in words what experts found; it sees no images and draws no conclusions.

    ``choose`` lists the options behind the question and weighs their texts: letters mean nothing to
    a model of this size.
    """

    sees = False

    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        return super()._choose([(with_options(m, options), options) for m, options in asked])
