"""Draws the zones of a line's rules onto one of its normal images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from echo import storage
from experts.decoder.framing import frame_of
from experts.evidence import Sight
from experts.images import Picture
from experts.knowledge.zones import corners_of

if TYPE_CHECKING:
    from echo.line import ProductLine
    from experts.knowledge import Knowledge

# The longer side of the drawing, so that names can be read.
SIDE_PX = 900
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324")


def write_zones(line: ProductLine, knowledge: Knowledge, out: Path) -> Path:
    """Draw all zones onto the line's first normal image, or onto a blank one.

    A part that lies free is shown in its frame, in which its zones are.

    Raises:
        OutputError: If the file cannot be written.
    """
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    if line.manifest.images:
        image = line.copy_of(0)
    if line.look.framing is not None:
        picture = Picture("the first image", np.asarray(image))
        image = Image.fromarray(frame_of(picture, line.look.framing).picture.rgb_HW3)
    factor = SIDE_PX / max(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)))
    sight = Sight.of_image((image.height, image.width))
    pen = ImageDraw.Draw(image)
    for number, zone in enumerate(knowledge.file.zones):
        colour = COLOURS[number % len(COLOURS)]
        corners_N2 = corners_of(zone, sight)
        points = [(float(x), float(y)) for x, y in np.vstack([corners_N2, corners_N2[:1]])]
        pen.line(points, fill=colour, width=3)
        name = f"{zone.name} ({zone.view})" if zone.view else zone.name
        x, y = corners_N2.min(axis=0)
        pen.text((float(x) + 6, float(y) + 6), name, fill=colour, font_size=18)
    raw = io.BytesIO()
    image.save(raw, "PNG")
    storage.write_bytes(out, raw.getvalue())
    return out
