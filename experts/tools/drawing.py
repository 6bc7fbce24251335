"""Crops as people and models can see them."""

from __future__ import annotations

from PIL import Image

# Models see little in small images; larger ones than this cost them much and show no more.
MIN_SIDE_PX, MAX_SIDE_PX = 336, 1024


def enlarged(image: Image.Image) -> Image.Image:
    """Scaled so that the longer side has enough pixels to be seen, and not too many."""
    longer = max(image.size)
    scale = min(max(longer, MIN_SIDE_PX), MAX_SIDE_PX) / longer
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS)
