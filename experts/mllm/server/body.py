"""Conversations as an OpenAI-compatible server takes them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from experts.mllm.base import Content, Message
from experts.mllm.content import joined, reduced

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
        parts = list(joined(message.content))
        # Some templates take a turn without images only as one text.
        if not parts or (len(parts) == 1 and isinstance(parts[0], str)):
            return {"role": message.role, "content": parts[0] if parts else ""}
        return {"role": message.role, "content": [self._part(part) for part in parts]}

    def _part(self, part: Content) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        return {"type": "image_url", "image_url": {"url": self._url(part)}}

    def _url(self, image: Image.Image) -> str:
        if id(image) not in self._written:
            self._written[id(image)] = image, data_url(reduced(image, self._max_pixels))
        return self._written[id(image)][1]


def data_url(image: Image.Image) -> str:
    """The image as a text that stands for a file, without what the camera wrote beside it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
