"""A sentence on an anomaly, measured on its mask by the code that measures found regions."""

from __future__ import annotations

import numpy as np
from PIL import Image

from experts.decoder.regions import measure_region
from experts.evidence import Region
from experts.simulating.canvas import BoolArray, ByteArray

# Of the image's shorter side: lines that are not wider are thin, spots that are not longer small.
_THIN_SHARE = 0.012
_SMALL_SHARE = 0.06
_THIN_PX = 3.0


def region_of(image_HW3: ByteArray, mask_HW: BoolArray) -> Region:
    """The anomaly as a region.

    Args:
        image_HW3: uint8, with the anomaly.
        mask_HW: bool, not empty.
    """
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    inner_hw = mask_HW[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    grey_HW = np.asarray(Image.fromarray(image_HW3).convert("L"), np.float32) / np.float32(255)
    return measure_region("region-1", inner_hw, (left, top), 1.0, grey_HW)


def in_words(region: Region, size_HW: tuple[int, int]) -> str:
    """For example ``a thin dark line at the top left, about 40 × 3 px``."""
    length, width = region.length_px, region.width_px
    shorter = min(size_HW)
    how = ""
    if region.skeleton_length_px is not None and region.mean_width_px is not None:
        # Thinned, a straight line is a little shorter than from tip to tip.
        length, width = max(length, region.skeleton_length_px), region.mean_width_px
        how = "thin " if width <= max(_THIN_SHARE * shorter, _THIN_PX) else ""
    elif length <= _SMALL_SHARE * shorter:
        how = "small "
    looks = f"{how}{region.looks}"
    article = "an" if looks[0] in "aeiou" else "a"
    where = "in the centre" if region.place == "centre" else f"at the {region.place}"
    return f"{article} {looks} {where}, about {length:.0f} × {max(width, 1):.0f} px"
