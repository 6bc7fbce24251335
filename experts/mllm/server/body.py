"""Conversations as an OpenAI-compatible server takes them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from experts.mllm.base import Content, Message

# The lightest compression takes a third of the usual one's time and a tenth more bytes.
PNG_LEVEL = 1


class Writer:
    """Writes conversations that have images in common; an image is encoded once.

    Images travel as PNG: a defect may be a few pixels large, and JPEG invents and hides such.

    Args:
        max_pixels: Larger images are shrunk to this area, keeping their shape.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        # Images are kept beside their texts, as an id may be given anew to another one.
        self._written: dict[int, tuple[Image.Image, str]] = {}

    def messages(self, conversation: Sequence[Message]) -> list[dict[str, Any]]:
        """The field ``messages``; texts and images stand in their order."""
        return [self._message(message) for message in conversation]

    def _message(self, message: Message) -> dict[str, Any]:
        texts = [part for part in message.content if isinstance(part, str)]
        # Some templates take a system's or an assistant's turn only as one text.
        if len(texts) == len(message.content) and (len(texts) <= 1 or message.role != "user"):
            return {"role": message.role, "content": "\n".join(texts)}
        return {"role": message.role, "content": [self._part(part) for part in message.content]}

    def _part(self, part: Content) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        return {"type": "image_url", "image_url": {"url": self._url(part)}}

    def _url(self, image: Image.Image) -> str:
        if id(image) not in self._written:
            # Colours of a palette can only be mixed once they stand for themselves.
            plain = image if image.mode in {"L", "RGB"} else image.convert("RGB")
            self._written[id(image)] = image, data_url(shrunk(plain, self._max_pixels))
        return self._written[id(image)][1]


def shrunk(image: Image.Image, max_pixels: int) -> Image.Image:
    """The image, made smaller if it has more pixels than allowed; each side keeps at least one."""
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    short = max(1, math.floor(min(width, height) * scale))
    long = max(1, min(math.floor(max(width, height) * scale), max_pixels // short))
    size = (long, short) if width >= height else (short, long)
    return image.resize(size, Image.Resampling.LANCZOS)


def data_url(image: Image.Image) -> str:
    """The image as a text that stands for a file, without what the camera wrote beside it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
