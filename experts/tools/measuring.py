"""Tells all sizes of a place: its own, its distance to the edge and to the nearest other place."""

from __future__ import annotations

import math

from experts.evidence import Look, Region
from experts.tools.gaps import nearest_other
from experts.tools.places import Target, reaches
from experts.tools.scene import Looked, Scene
from experts.wording import in_words, times_in_words


def measure(target: Target, scene: Scene, number: int) -> Looked:
    """Measure a region, or say what stands out at a place.

    Args:
        target: The place.
        scene: The image.
        number: Of the look.
    """
    if target.region is not None:
        found, numbers = _of_region(target.region, scene)
        ids: tuple[str, ...] = (target.region.id,)
    else:
        found, numbers, ids = _of_place(target, scene)
    look = Look(
        id=f"look-{number}",
        tool="measure",
        target=target.words,
        found=found,
        numbers=numbers,
        evidence_ids=ids,
    )
    return Looked(look)


def _of_region(region: Region, scene: Scene) -> tuple[str, dict[str, float]]:
    scale = scene.sight.mm_per_px
    numbers: dict[str, float] = {
        "length_px": region.length_px,
        "width_px": region.width_px,
        "area_px": float(region.area_px),
        "contrast": region.contrast,
        **_times(region.peak_score, scene),
    }
    along = ("skeleton_length_px", "mean_width_px", "max_width_px")
    numbers |= {name: value for name in along if (value := getattr(region, name)) is not None}
    if region.traits is not None:
        numbers["edge_distance_px"] = region.traits.edge_distance_px
    other, distance = nearest_other(region, scene.regions)
    if other is not None:
        numbers["other_distance_px"] = distance
    if scale is not None:
        squared = {"area_px": "area_mm2"}
        numbers |= {
            squared.get(name, name.replace("_px", "_mm")): value
            * (scale**2 if name in squared else scale)
            for name, value in list(numbers.items())
            if name.endswith("_px")
        }
    return _in_words(region, numbers, other), numbers


def _in_words(region: Region, numbers: dict[str, float], other: Region | None) -> str:
    def size(name: str) -> str:
        told = f"{numbers[name]:.0f} px"
        exact = numbers.get(name.replace("_px", "_mm"))
        return told if exact is None else f"{told} ({in_words(exact, 3)} mm)"

    area = f"{region.area_px} px²"
    if "area_mm2" in numbers:
        area += f" ({in_words(numbers['area_mm2'], 3)} mm²)"
    told = [
        f"{region.id.capitalize()} is {size('length_px')} long and {size('width_px')} wide, "
        f"over {area}{_times_in_words(numbers)}."
    ]
    if "skeleton_length_px" in numbers:
        told.append(
            f"Along its middle it is {size('skeleton_length_px')} long, on average "
            f"{size('mean_width_px')} and at most {size('max_width_px')} wide."
        )
    tone = "darker" if region.contrast < 0 else "brighter"
    told.append(f"Inside it is {abs(region.contrast):.0%} {tone} than around it.")
    if "edge_distance_px" in numbers:
        told.append(f"It lies {size('edge_distance_px')} from the edge.")
    if other is not None:
        told.append(f"The nearest other place, {other.id}, is {size('other_distance_px')} away.")
    return " ".join(told)


def _times(score: float, scene: Scene) -> dict[str, float]:
    limit = scene.anomaly.limit
    return {"times": score / limit} if math.isfinite(limit) else {"map_value": score}


def _times_in_words(numbers: dict[str, float]) -> str:
    if "times" not in numbers:
        return f"; its map value is {numbers['map_value']:.3g}, with no normal image to compare"
    return f"; it stands out {times_in_words(numbers['times'])} times as far as normal images reach"


def _of_place(target: Target, scene: Scene) -> tuple[str, dict[str, float], tuple[str, ...]]:
    left, top, right, bottom = target.box_xyxy
    there = [region for region in scene.regions if reaches(region, target.box_xyxy)]
    highest = float(scene.anomaly.scores_HW[top:bottom, left:right].max())
    numbers = {"places": float(len(there)), **_times(highest, scene)}
    shows = ", ".join(region.id for region in there) or "no place that stands out"
    size = f"{right - left} × {bottom - top} px"
    found = f"{target.begin}, {size}, shows {shows}; "
    reached = (
        f"{times_in_words(numbers['times'])} times what normal images reach"
        if "times" in numbers
        else f"{highest:.3g}, with no normal image to compare"
    )
    found += f"its highest map value is {reached}."
    return found, numbers, ("anomaly", *(region.id for region in there))
