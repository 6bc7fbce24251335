"""Listens to a model while it writes: hands on what is certain, and ends it at a stop text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


class Listener:
    """Collects what a model writes; one of its stopping criteria.

    Args:
        decode: The text of tokens.
        start: How many tokens the prompt has.
        stop: Texts that end the answer.
        stream: Called with each piece that can no longer change.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        start: int,
        stop: Sequence[str],
        stream: Callable[[str], None] | None,
    ) -> None:
        self._decode = decode
        self._start = start
        self._stop = [text for text in stop if text]
        self._stream = stream
        self._handed_on = ""
        self.text = ""
        self.stopped = False
        # By ``stream``: this ends the answer, and is no fault of the model.
        self.raised: Exception | None = None

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: Any) -> torch.Tensor:
        """Called by the model after each token."""
        text = self._decode(input_ids[0, self._start :].tolist())
        # Bytes that make no letter after all can spoil the ones before them; what was said stays.
        text = self._handed_on + text[len(self._handed_on) :]
        ends = [text.index(end) for end in self._stop if end in text]
        self.stopped = bool(ends)
        self.text = text[: min(ends)] if ends else text
        if not ends:
            self._hand_on(self.text[: len(self.text) - self._uncertain(self.text)])
        return torch.tensor([self.stopped or bool(self.raised)], device=input_ids.device)

    def finish(self) -> None:
        """Hand on what was held back; called once, at the end."""
        self._hand_on(self.text)

    def _hand_on(self, text: str) -> None:
        piece, self._handed_on = text[len(self._handed_on) :], text
        if self._stream is None or self.raised or not piece:
            return
        try:
            self._stream(piece)
        except Exception as error:
            self.raised = error

    def _uncertain(self, text: str) -> int:
        """How many letters at the end may still change or become part of a stop text."""
        # A letter of several bytes shows as this until all of them are there.
        whole = text.rstrip("\ufffd")
        begun = (
            n
            for end in self._stop
            for n in range(1, min(len(end), len(whole) + 1))
            if whole.endswith(end[:n])
        )
        return len(text) - len(whole) + max(begun, default=0)
