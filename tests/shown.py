"""Images and questions that tiny language models are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experts.mllm import Message, Question, system, user
from experts.mllm.local import LocalMLLM, load

OPTIONS = ("A", "no defect", "a crack in the surface", "B")
QUESTIONS = tuple(
    Question(f"Is there a {what} in the image?", OPTIONS[n % 2 :])
    for n, what in enumerate(("crack", "dent", "scratch on the left edge", "hole", "stain"))
)


def noise(seed: int, width: int = 90, height: int = 60) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def shown(seed: int = 0) -> tuple[Message, ...]:
    """A conversation with two images, before any question."""
    first, second = noise(seed), noise(seed + 1)
    content = ("The first image:", first, "The second image:", second, "There is a dark line.")
    return (system("You inspect industrial products."), user(*content))


def opened(folder: Path, **how: Any) -> LocalMLLM:
    """A tiny model, in bfloat16 unless told otherwise."""
    return load(folder, name=folder.name, revision="tiny", **{"precision": "bf16"} | how)


def conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as transformers takes them: neighbouring texts are joined by line breaks."""
    turns = []
    for m in messages:
        content: list[dict[str, str]] = []
        for part in m.content:
            if not isinstance(part, str):
                content.append({"type": "image"})
            elif content and content[-1]["type"] == "text":
                content[-1]["text"] += f"\n{part}"
            else:
                content.append({"type": "text", "text": part})
        turns.append({"role": m.role, "content": content})
    return turns


def images_of(messages: Sequence[Message]) -> list[Image.Image]:
    """All images of a conversation, in order."""
    return [part for m in messages for part in m.content if isinstance(part, Image.Image)]


def in_float32(folder: Path) -> LocalMLLM:
    """The model, such that what is compared differs by rounding errors only."""
    model = opened(folder)
    model._model.float()
    return model
