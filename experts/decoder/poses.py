"""Turned and mirrored views of a few normal images, for parts that lie at any angle.

With few images a part is hardly ever seen at the query's angle. Views of the images at hand make up
for it, as in AnomalyDINO (Damm et al., WACV 2025), which turns its references; but a part that
always lies the same way loses by them, since what is wrong at its place may be right at another. So
the images are asked first: those of an aligned product match each other best as they are. The fresh
part is not asked, so the promise on false rejects is not exact there; see ``memory_bank``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experts.decoder.coreset import Advance
from experts.decoder.encoder import Encoder
from experts.images import Picture

FloatArray = NDArray[np.float32]

# More images than these show the part at enough angles themselves.
MAX_IMAGES = 16
# So many are asked; the others lie as these do.
ASKED = 6
TURN_DEGREES = 30
MAX_SIDE_PX = 1024
MAX_ASPECT = 4
# Of the pairs of images: if fewer match best as they are, the product is not aligned, or looks the
# same in other views. If still so many do, far more than chance would have at any angle, it is the
# latter. If as many match best mirrored as chance would have it, about a half, it has no hand.
ALIGNED_SHARE = 0.5
SYMMETRIC_SHARE = 0.25
MIRRORED_SHARE = 0.4


class View(NamedTuple):
    """How an image is looked at: turned counterclockwise about its centre, after mirroring."""

    degrees: int
    mirrored: bool


AS_IS = View(0, False)
TURNED = tuple(View(degrees, False) for degrees in range(0, 360, TURN_DEGREES))
ALL_VIEWS = TURNED + tuple(View(view.degrees, True) for view in TURNED)
# A part that was turned by its own axis may still lie the other way round, or on its other face.
HALF_TURN = (View(180, False),)
HALF_TURNS = tuple(View(degrees, mirrored) for mirrored in (False, True) for degrees in (0, 180))


def choose_views(
    pictures: Sequence[Picture],
    encoder: Encoder,
    advance: Advance = lambda done: None,
    possible: Sequence[View] = ALL_VIEWS,
) -> tuple[View, ...]:
    """The further views in which normal images shall be learned; none for an aligned product.

    Each image is compared place by place with every view of every other. A single image cannot
    tell, so it is turned.

    Args:
        pictures: Normal images.
        encoder: The line's encoder.
        advance: Called with 1 for each image that was looked at from all sides.
        possible: In which views the part may lie, as it is first.
    """
    if len(pictures) > MAX_IMAGES:
        return ()
    if any(view.degrees % 180 for view in possible) and any(map(_is_strip, pictures)):
        return ()
    unmirrored = tuple(view for view in possible if not view.mirrored)
    if len(pictures) == 1:
        return unmirrored[1:]
    pictures = pictures[:ASKED]
    upright = [
        patches for picture in pictures for patches in view_patches(picture, [AS_IS], encoder)
    ]
    views = []
    for picture in pictures:
        views.append(view_patches(picture, possible, encoder))
        advance(1)
    best = [
        _closest(upright[i], views[j])
        for i, j in permutations(range(len(pictures)), 2)
        if upright[i].shape == upright[j].shape
    ]
    as_is = sum(possible[index] == AS_IS for index in best)
    if as_is >= ALIGNED_SHARE * len(best):
        return ()
    if as_is >= SYMMETRIC_SHARE * len(best):
        return tuple(possible[index] for index in sorted(set(best)) if possible[index] != AS_IS)
    mirrored = sum(possible[index].mirrored for index in best)
    return tuple(possible if mirrored >= MIRRORED_SHARE * len(best) else unmirrored)[1:]


def view_patches(picture: Picture, views: Sequence[View], encoder: Encoder) -> list[FloatArray]:
    """Patch features (H, W, C) of each view of an image."""
    patches: list[FloatArray] = []
    picture = _reduced(picture) if len(views) else picture
    for start in range(0, len(views), encoder.batch_size):
        batch = [turned(picture, view) for view in views[start : start + encoder.batch_size]]
        patches += [features.patches_HWC for features in encoder.encode(batch)]
    return patches


def turned(picture: Picture, view: View) -> Picture:
    """A view of the same size; what comes in at the corners mirrors what is there."""
    rgb_HW3 = picture.rgb_HW3[:, ::-1] if view.mirrored else picture.rgb_HW3
    if view.degrees:
        height, width = picture.size_HW
        diagonal = math.hypot(height, width)
        pad_y, pad_x = (math.ceil((diagonal - side) / 2) for side in (height, width))
        wide = np.pad(rgb_HW3, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="symmetric")
        wide_image = Image.fromarray(wide).rotate(view.degrees, Image.Resampling.BILINEAR)
        rgb_HW3 = np.asarray(wide_image)[pad_y : pad_y + height, pad_x : pad_x + width]
    return replace(picture, rgb_HW3=np.ascontiguousarray(rgb_HW3))


def _is_strip(picture: Picture) -> bool:
    """Whether a turned view would mostly show what mirroring makes up."""
    return max(picture.size_HW) > MAX_ASPECT * min(picture.size_HW)


def _reduced(picture: Picture) -> Picture:
    """No larger than any encoder looks at, since turning a large image takes long."""
    height, width = picture.size_HW
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(picture.rgb_HW3).resize(size, Image.Resampling.BOX)
    return replace(picture, rgb_HW3=np.asarray(small))


def _closest(image_HWC: FloatArray, views: Sequence[FloatArray]) -> int:
    """Which view is nearest to an image, place by place; its own way wherever views are equal."""
    return int(np.argmin([((image_HWC - view_HWC) ** 2).mean() for view_HWC in views]))
