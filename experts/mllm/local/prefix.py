"""What a model has read already is not read again: snapshots of its cache behind the images.

The questions of one inspection begin alike: the images, then the evidence, then what is asked.
A snapshot is a copy of all that the model keeps of such a beginning. Copies also work for models
whose cache cannot be cut back (sliding windows, recurrent layers), and cost little beside reading.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, PreTrainedModel

from experts.mllm.local.prompting import PER_TOKEN, Prompt

# A shared beginning that is longer than the last snapshot by less is not worth another.
MIN_GAIN = 8


@dataclass(frozen=True)
class Snapshot:
    """All that a model keeps of a beginning.

    Attributes:
        ids_T: Its tokens.
        images: Digests of all images in it.
        cache: Keys and values, or states; never handed out, only copies of it.
        shifts: By how much the images in it move the positions of what follows (multimodal rotary
            embeddings), which the models that use these keep beside the cache.
    """

    ids_T: torch.Tensor
    images: tuple[str, ...]
    cache: Cache
    shifts: tuple[torch.Tensor | None, ...]

    def begins(self, prompt: Prompt, end: int) -> bool:
        """Whether the first ``end`` tokens of a prompt go on from here without further images."""
        n = len(self.ids_T)
        return (
            n <= end and self.images == prompt.images and torch.equal(self.ids_T, prompt.ids_T[:n])
        )


class Reader:
    """Reads prompts, each from where it departs from those before.

    Args:
        model: Whose forward pass it is.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._shifting = [m for m in model.modules() if hasattr(m, "rope_deltas")]
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._snapshots: list[Snapshot] = []
        self._last: Prompt | None = None

    def forget(self) -> None:
        """Drop all snapshots, and give back their memory."""
        self._snapshots, self._last = [], None

    def known(self, prompt: Prompt) -> int:
        """How many tokens of a prompt need not be read for it alone: those that others share."""
        here = [s for s in self._snapshots if s.begins(prompt, len(prompt.ids_T))]
        shared = shared_beginning(prompt, self._last) if self._last else 0
        return max([prompt.image_end, shared, *(len(s.ids_T) for s in here)])

    def read(self, prompt: Prompt, end: int) -> tuple[Cache | None, int]:
        """Read the first ``end`` tokens of a prompt, all of its images among them.

        Returns:
            A cache of one's own, None of no tokens; and how many of them were known before.
        """
        self._snapshots = [s for s in self._snapshots if s.begins(prompt, end)]
        known = len(self._snapshots[-1].ids_T) if self._snapshots else 0
        if not self._snapshots and prompt.image_end:
            cache = self._look(prompt)
            self._keep(prompt, prompt.image_end, cache)
        shared = min(end, shared_beginning(prompt, self._last)) if self._last else 0
        if shared >= self._position + MIN_GAIN:
            self._keep(prompt, shared, self._read_on(prompt, shared))
        self._last = prompt
        return self._read_on(prompt, end), known

    def step(self, cache: Cache | None, ids_NT: torch.Tensor, *, last: int = 1) -> Any:
        """Read on from a cache, which holds these tokens afterwards; all rows go on at its end.

        Returns:
            The model's output, with logits of at least the ``last`` tokens of each row: those of
            all tokens may take more memory than everything else.
        """
        keep = self._logits_of_last(last, ids_NT.shape[1])
        # No mask: what pads a row stands behind it, where nothing that counts can see it.
        return self._model(
            input_ids=ids_NT.to(self._model.device), past_key_values=cache, use_cache=True, **keep
        )

    def _logits_of_last(self, last: int, count: int) -> dict[str, torch.Tensor]:
        # By places: of a slice torch would copy the largest matrix for each row.
        return {"logits_to_keep": torch.arange(count - last, count)} if self._keeps_logits else {}

    @property
    def _position(self) -> int:
        return len(self._snapshots[-1].ids_T) if self._snapshots else 0

    def _look(self, prompt: Prompt) -> Cache:
        """Read up to the last image, with the image encoder."""
        self._shift([None] * len(self._shifting))
        device, dtype, end = self._model.device, self._model.dtype, prompt.image_end
        visual = {}
        for key, value in prompt.visual.items():
            value = value[:, :end] if key in PER_TOKEN else value
            visual[key] = value.to(device, dtype if value.is_floating_point() else None)
        keep = self._logits_of_last(1, end)
        ids_NT = prompt.ids_T[None, :end].to(device)
        return self._model(input_ids=ids_NT, use_cache=True, **visual, **keep).past_key_values

    def _read_on(self, prompt: Prompt, end: int) -> Cache | None:
        """A cache of the first ``end`` tokens, from the last snapshot on."""
        start, cache = self._position, None
        self._shift([None] * len(self._shifting))
        if self._snapshots:
            self._shift(self._snapshots[-1].shifts)
            cache = copy.deepcopy(self._snapshots[-1].cache)
        if end > start:
            ids_NT = prompt.ids_T[None, start:end]
            cache = self.step(cache, ids_NT).past_key_values
        return cache

    def _keep(self, prompt: Prompt, end: int, cache: Cache) -> None:
        """Take a snapshot; of the ones before only that behind the images stays."""
        shifts = tuple(module.rope_deltas for module in self._shifting)
        snapshot = Snapshot(prompt.ids_T[:end], prompt.images, cache, shifts)
        self._snapshots = [*self._snapshots[:1], snapshot]

    def _shift(self, shifts: Sequence[torch.Tensor | None]) -> None:
        for module, shift in zip(self._shifting, shifts, strict=True):
            module.rope_deltas = shift


def shared_beginning(prompt: Prompt, other: Prompt) -> int:
    """How many tokens two prompts share at their beginning."""
    if prompt.images != other.images:
        return 0
    n = min(len(prompt.ids_T), len(other.ids_T))
    differing = (prompt.ids_T[:n] != other.ids_T[:n]).nonzero()
    return int(differing[0]) if len(differing) else n
