"""Pixels and the bytes of files that hold them."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from experts.errors import ImageError
from experts.images import read_picture

SIDE = 32


def colours(height: int = SIDE, width: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


RGB = colours()
GREY = RGB[..., 0]


def encoded(pixels: NDArray[Any] | Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind)
    return stream.getvalue()


def assert_refused(source: Any, sentence: str) -> None:
    """The whole message is this sentence."""
    with pytest.raises(ImageError, match=rf"\A{re.escape(sentence)}\Z"):
        read_picture(source)
