"""A contact sheet of simulated anomalies, each outlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experts.simulating.canvas import BoolArray, ByteArray

_CELL_PX = 200
_GAP_PX = 6
_TITLE_PX = 20
_PAPER = (245, 245, 245)
_INK = (30, 30, 30)
_OUTLINE = (230, 30, 30)
# Between an anomaly and its outline, so that its own rim is seen.
_AWAY_PX = 3


def contact_sheet(
    rows: Mapping[str, Sequence[tuple[ByteArray, BoolArray]]],
) -> ByteArray:
    """One row for each kind, under its name.

    Args:
        rows: By kind, images uint8 (H, W, 3) with their masks (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    columns = max((len(row) for row in rows.values()), default=0)
    row_px = _TITLE_PX + _CELL_PX + _GAP_PX
    width = columns * (_CELL_PX + _GAP_PX) + _GAP_PX
    sheet = Image.new("RGB", (max(width, 1), len(rows) * row_px + _GAP_PX), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (kind, row) in enumerate(rows.items()):
        top = number * row_px
        draw.text((_GAP_PX, top + 4), kind, _INK, ImageFont.load_default(13))
        for column, (image_HW3, mask_HW) in enumerate(row):
            left = _GAP_PX + column * (_CELL_PX + _GAP_PX)
            sheet.paste(Image.fromarray(outlined(image_HW3, mask_HW)), (left, top + _TITLE_PX))
    return np.asarray(sheet)


def outlined(image_HW3: ByteArray, mask_HW: BoolArray, side_px: int = _CELL_PX) -> ByteArray:
    """An image of at most that side, with a line around the mask a few pixels away."""
    height, width = mask_HW.shape
    scale = side_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    small_hw3 = np.array(Image.fromarray(image_HW3).resize(size, how))
    # The slightest touch counts, lest a thin line be lost.
    mask_hw = cv2.resize(mask_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    inner_hw, outer_hw = (
        cv2.dilate(mask_hw.astype(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8))
        for px in (_AWAY_PX, _AWAY_PX + 1)
    )
    small_hw3[(outer_hw > 0) & (inner_hw == 0)] = _OUTLINE
    return small_hw3
