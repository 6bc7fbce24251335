"""Drawn pins: parts that lie free before a plain background."""

import numpy as np
from PIL import Image, ImageDraw

from experts.decoder.framing import Framing, choose_framing
from experts.images import Picture, read_picture

SIZE_PX = 240
BACKGROUND, PART, HEAD = (200, 205, 190), (70, 80, 90), (130, 60, 60)


def pin(degrees: float, shift_xy: tuple[int, int] = (0, 0), seed: int = 0) -> Picture:
    """A bar with a wider head at its left end, turned counterclockwise on a plain background."""
    big = Image.new("RGB", (4 * SIZE_PX, 4 * SIZE_PX), BACKGROUND)
    draw = ImageDraw.Draw(big)
    draw.rectangle((260, 440, 700, 520), fill=PART)
    draw.rectangle((260, 380, 340, 580), fill=HEAD)
    moved = (-4 * shift_xy[0], -4 * shift_xy[1])
    turned = big.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=BACKGROUND)
    turned = turned.transform(
        turned.size,
        Image.Transform.AFFINE,
        (1, 0, moved[0], 0, 1, moved[1]),
        fillcolor=BACKGROUND,
    )
    rgb = np.asarray(turned.reduce(4), np.float64)
    noise = np.random.default_rng(seed).normal(0, 2, rgb.shape)
    return read_picture(np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8))


def framing_of_pins() -> Framing:
    """How pins are found, by four of them that lie in different ways."""
    pins = [pin(angle, (3 * i, -2 * i), i) for i, angle in enumerate((10, 130, 250, -40))]
    framing = choose_framing(pins)
    assert framing is not None
    return framing
