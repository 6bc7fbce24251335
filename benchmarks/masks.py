"""Reading the masks that mark defects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experts.errors import ImageError


def read_masks(masks: Sequence[Path], image: Path, size_HW: tuple[int, int]) -> NDArray[np.bool_]:
    """The union of an image's masks, bool (H, W): True wherever one is not zero.

    Args:
        masks: The files; none for a good image.
        image: Whose masks they are, for the error.
        size_HW: Of the upright image in pixels.

    Raises:
        ImageError: If a mask cannot be read or is not of the image's size.
    """
    union_HW = np.zeros(size_HW, bool)
    for path in masks:
        mask_HW = _read(path)
        if mask_HW.shape != size_HW:
            raise ImageError(
                f"{path}: the mask is {mask_HW.shape[0]} × {mask_HW.shape[1]} px, but {image} is "
                f"{size_HW[0]} × {size_HW[1]} px; masks must be of the image's size"
            )
        union_HW |= mask_HW
    return union_HW


def _read(path: Path) -> NDArray[np.bool_]:
    try:
        with Image.open(path) as image:
            # Transparency marks nothing; numbers of a palette are kinds of defects, 0 is none.
            colourless = {"LA": "L", "PA": "P", "RGBA": "RGB"}.get(image.mode, image.mode)
            pixels = np.asarray(image.convert(colourless))
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(
            f"{path}: the mask cannot be read ({error}); export it again as PNG"
        ) from error
    return np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0, bool)
