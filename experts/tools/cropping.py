"""Cuts the same place out of an inspected image and of normal ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from experts.decoder.template import small_copy
from experts.images import Picture, read_picture
from experts.tools.aligning import BoolArray, Window, bring_onto, find_shift, moved
from experts.tools.drawing import enlarged
from experts.tools.places import Target, window_of
from experts.tools.scene import Equipment, Scene

# With fewer normal images nothing tells how they differ.
MIN_NORMAL = 3
# An offset is looked for by so much around a place, as a share of its sides.
AROUND = 0.5


class Crops(NamedTuple):
    """The same place of several images, in the pixels of the inspected one.

    Attributes:
        own: Of that one.
        normal: Of normal ones, in the order in which they were named.
        native: Whether these come from the files that were enrolled, or else from small copies.
    """

    own: Picture
    normal: tuple[Picture, ...]
    native: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Of the normal images."""
        return tuple(Path(crop.name).name for crop in self.normal)

    def shown(self, words: str, count: int = 1) -> list[tuple[str, Image.Image]]:
        """The place, then that of so many normal images, enlarged, each with a caption."""
        pairs = [(f"{words}, enlarged", self.own)]
        named = zip(self.names, self.normal, strict=True)
        pairs += [(f"the same place of the normal image {name}", crop) for name, crop in named]
        return [(c, enlarged(Image.fromarray(p.rgb_HW3))) for c, p in pairs[: 1 + count]]


def cut(scene: Scene, target: Target, paths: Sequence[Path], gear: Equipment) -> Crops:
    """The same place of the image and of normal ones, each where it lies in that one.

    An enlarged copy differs from a sharp photo everywhere. So where too few originals are left,
    all are reduced to such copies, the inspected one as well.

    Args:
        scene: The image.
        target: The place.
        paths: Of the normal images.
        gear: What the line has.

    Raises:
        LineError: If the line is damaged or was replaced since it was opened.
    """
    photos = [gear.photo(path) for path in paths]
    sharp = [photo.picture for photo in photos if photo.original]
    native = len(sharp) >= min(MIN_NORMAL, len(photos))
    normals = sharp if native else [_copied(photo.picture) for photo in photos]
    picture = scene.picture if native else _copied(scene.picture)
    window = window_of(target, picture.size_HW)
    around_HW = _around(scene, window)
    crops = []
    for normal in normals:
        brought = Picture(normal.name, bring_onto(picture, normal, gear.framing))
        shift = find_shift(picture.grey_HW, brought.grey_HW, around_HW, window)
        crops.append(Picture(normal.name, moved(brought.rgb_HW3, shift, window)))
    own = Picture(picture.name, np.ascontiguousarray(picture.rgb_HW3[window]))
    return Crops(own, tuple(crops), native)


def _around(scene: Scene, window: Window) -> BoolArray:
    """A place and what is around it, without what stands out, bool (H, W)."""
    around_HW = np.zeros(scene.picture.size_HW, np.bool_)
    margins = [round(AROUND * (span.stop - span.start)) for span in window]
    rows, columns = (
        slice(max(0, span.start - margin), span.stop + margin)
        for span, margin in zip(window, margins, strict=True)
    )
    around_HW[rows, columns] = True
    for region in scene.regions:
        left, top, right, bottom = region.box_xyxy
        around_HW[top:bottom, left:right] &= ~region.mask
    return around_HW


def _copied(picture: Picture) -> Picture:
    """A picture as a line's small copy shows it, in as many pixels as before."""
    copy = read_picture(small_copy(picture.rgb_HW3)).rgb_HW3
    height, width = picture.size_HW
    enlarged_HW3 = Image.fromarray(copy).resize((width, height), Image.Resampling.BICUBIC)
    return Picture(picture.name, np.asarray(enlarged_HW3))


def ids_of(target: Target, scene: Scene, paths: Sequence[Path]) -> tuple[str, ...]:
    """The evidence that a look rests on: the region, and the references that were used."""
    own = (target.region.id,) if target.region else ()
    return (*own, *(r.id for r in scene.references if r.path in paths))
