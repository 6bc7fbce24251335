"""What a message holds, brought into the form in which every model is shown it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from PIL import Image

from experts.mllm.base import Content


def joined(content: Sequence[Content]) -> Iterator[Content]:
    """Neighbouring texts as one, each on lines of its own.

    Templates put nothing between them: sentences would run together, and two harmless texts could
    make a control text.
    """
    for is_text, parts in itertools.groupby(content, key=lambda part: isinstance(part, str)):
        if is_text:
            yield "\n".join(map(str, parts))
        else:
            yield from parts


def reduced(image: Image.Image, max_pixels: int) -> Image.Image:
    """An image in grey or in colours, what is transparent on white, within a budget.

    Args:
        image: It is never enlarged.
        max_pixels: So many pixels at most; the shape is kept, but each side has at least one.
    """
    if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    # Colours of a palette can only be mixed once they stand for themselves.
    if image.mode not in {"L", "RGB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    short = max(1, math.floor(min(width, height) * scale))
    long = max(1, min(math.floor(max(width, height) * scale), max_pixels // short))
    size = (long, short) if width >= height else (short, long)
    return image.resize(size, Image.Resampling.LANCZOS)
