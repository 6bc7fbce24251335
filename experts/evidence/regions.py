"""Places that stand out: what they measure, look like, and may be."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experts.evidence.base import Array, Evidence


class Traits(Evidence):
    """What a person would say of a region, and the numbers behind the words.

    Attributes:
        tone: Set against ``compared_with``.
        compared_with: The same place of an aligned normal image, or the region's surroundings.
        difference: Grey level inside less that of what it is compared with, −1 to 1.
        form: ``round`` or ``elongated``.
        elongation: Length divided by width, along the skeleton where that gives more.
        outline: ``smooth`` or ``ragged``.
        raggedness: Share of the area that changes when the outline is smoothed.
        situation: ``inside``, or ``at the edge`` of the image or of the part.
        edge_distance_px: From the region to that edge.
    """

    tone: Literal["darker than", "brighter than", "as bright as"]
    compared_with: Literal["reference", "surroundings"]
    difference: float
    form: Literal["round", "elongated"]
    elongation: float
    outline: Literal["smooth", "ragged"]
    raggedness: float
    situation: Literal["inside", "at the edge"]
    edge_distance_px: float

    @property
    def in_words(self) -> str:
        """For example ``darker than the reference, elongated, smooth, inside``."""
        seen = f"{self.tone} the {self.compared_with}"
        return f"{seen}, {self.form}, {self.outline}, {self.situation}"


class KindSet(Evidence):
    """The kinds of defect that a region may be of, among those that the line was shown.

    Attributes:
        names: The kinds that fit, likeliest first; none if it is of an unknown kind.
        probabilities: Of each kind, if it is one of them; they add up to 1.
        p_values: Conformal: how often a region of the kind is at least as strange.
        coverage: The share of regions of any of these kinds whose kind is among ``names``.
    """

    names: tuple[str, ...]
    probabilities: dict[str, float]
    p_values: dict[str, float]
    coverage: float

    @property
    def unknown(self) -> bool:
        """Whether none of the kinds fits."""
        return not self.names

    @property
    def in_words(self) -> str:
        """For example ``crack or scratch``, or ``unknown kind``."""
        return " or ".join(self.names) or "unknown kind"


class Region(Evidence):
    """One connected place that is unlike the normal images.

    Attributes:
        id: How steps cite it, for example ``region-1``; the strongest peak comes first.
        box_xyxy: Pixels: left, top, right, bottom; right and bottom are exclusive.
        mask: bool, the region inside its box, shape (bottom − top, right − left).
        area_px: Number of pixels.
        length_px: Maximum Feret diameter: the largest extent in any direction.
        width_px: Minimum Feret diameter: the smallest extent in any direction.
        skeleton_length_px: Of a line: its length along the skeleton, bends and all.
        mean_width_px: Of a line: its mean width along the skeleton.
        max_width_px: Of a line: its width at the widest place of the skeleton.
        peak_score: Highest map value inside.
        place: In words, for example ``top left``.
        looks: In words: ``dark``, ``bright`` or ``odd``, and ``spot``, ``line`` or ``area``.
        contrast: Grey level inside less that of the surrounding, −1 to 1.
        area_mm2: Area in mm², where the line has a scale.
        length_mm: Length in mm, where the line has a scale.
        width_mm: Width in mm, where the line has a scale.
        skeleton_length_mm: In mm, where the line has a scale.
        mean_width_mm: In mm, where the line has a scale.
        max_width_mm: In mm, where the line has a scale.
        traits: What a person would say of it.
        kinds: Which kinds of defect it may be, where the line was shown some.
    """

    id: str
    box_xyxy: tuple[int, int, int, int]
    mask: Array = Field(repr=False)
    area_px: int
    length_px: float
    width_px: float
    peak_score: float
    place: str
    looks: str
    contrast: float
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    skeleton_length_px: float | None = None
    mean_width_px: float | None = None
    max_width_px: float | None = None
    skeleton_length_mm: float | None = None
    mean_width_mm: float | None = None
    max_width_mm: float | None = None
    traits: Traits | None = None
    kinds: KindSet | None = None
