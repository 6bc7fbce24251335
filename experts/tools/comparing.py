"""Lays a place beside the same place of further normal images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experts.evidence import Look
from experts.tools.aligning import BoolArray, Window
from experts.tools.cropping import Crops, cut, ids_of
from experts.tools.places import Target, window_of
from experts.tools.scene import Equipment, Looked, Scene

# In grey levels from 0 to 1: a person sees no smaller difference.
VISIBLE = 0.02


def compare(target: Target, k: int, scene: Scene, gear: Equipment, number: int) -> Looked:
    """Lay a place beside that of the normal image that shows the same part, or of similar ones.

    Args:
        target: The place.
        k: Of how many, where they are similar ones.
        scene: The image.
        gear: What the line has.
        number: Of the look.
    """
    paths = gear.beside(scene, k)
    crops = cut(scene, target, paths, gear)
    own, *normal = gear.encoder.encode([crops.own, *crops.normal])
    alike = [float(own.embedding_E @ other.embedding_E) for other in normal]
    among = [
        float(one.embedding_E @ other.embedding_E)
        for i, one in enumerate(normal)
        for other in normal[:i]
    ]
    differences = _grey_differences(target, window_of(target, scene.picture.size_HW), crops)
    numbers = {"normal_images": float(len(normal))}
    for rank, (similarity, difference) in enumerate(zip(alike, differences, strict=True), start=1):
        numbers |= {f"similarity_{rank}": similarity, f"grey_difference_{rank}": difference}
    if among:
        numbers["similarity_among_normal"] = float(np.mean(among))
    look = Look(
        id=f"look-{number}",
        tool="compare",
        target=target.words,
        found=_found(target, gear.twin(scene), crops, alike, among, differences),
        numbers=numbers,
        evidence_ids=ids_of(target, scene, paths),
    )
    return Looked(look, tuple(crops.shown(target.words, len(normal))))


def _grey_differences(target: Target, window: Window, crops: Crops) -> list[float]:
    """Mean grey level of the place less that of the same place in each normal image, −1 to 1."""
    inside_HW = _inside(target, window)
    return [float((crops.own.grey_HW - other.grey_HW)[inside_HW].mean()) for other in crops.normal]


def _inside(target: Target, window: Window) -> BoolArray:
    """The place within its window, bool (H, W)."""
    rows, columns = window
    inside_HW = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    left, top, right, bottom = target.box_xyxy
    mask = target.region.mask if target.region else True
    inside_HW[
        top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
    ] = mask
    return inside_HW


def _found(
    target: Target,
    twin: Path | None,
    crops: Crops,
    alike: Sequence[float],
    among: Sequence[float],
    differences: Sequence[float],
) -> str:
    best = int(np.argmax(alike))
    same = ", which else shows the same," if twin is not None else ""
    found = (
        f"{target.begin} looks like the same place of {crops.names[0]}{same} by {alike[0]:.2f} of 1"
    )
    if len(alike) > 1:
        found = (
            f"{target.begin} looks most like the same place of {crops.names[best]}, by "
            f"{max(alike):.2f} of 1, and by {min(alike):.2f} at least like those of {len(alike)} "
            f"normal images; these look like each other by {np.mean(among):.2f}"
        )
    found += f". {_tone(differences)}"
    if not crops.native:
        found += " Of the normal photos only small copies are left; these were compared."
    return found


def _tone(differences: Sequence[float]) -> str:
    low, high = min(differences), max(differences)
    every = "it" if len(differences) == 1 else "all of them"
    span = _percents(low, high)
    if high < -VISIBLE:
        return f"In grey it is darker than {every} by {span}."
    if low > VISIBLE:
        return f"In grey it is brighter than {every} by {span}."
    if max(-low, high) <= VISIBLE:
        return "On average it is as bright as there."
    return f"On average its grey level differs from theirs by {low:+.0%} to {high:+.0%}."


def _percents(low: float, high: float) -> str:
    near, far = sorted((abs(low), abs(high)))
    return f"{far:.0%}" if f"{near:.0%}" == f"{far:.0%}" else f"{near:.0%} to {far:.0%}"
