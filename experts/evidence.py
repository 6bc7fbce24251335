"""The types that experts hand each other: frozen, validated once, H before W, units in names.

Pixels are those of the upright input image (EXIF rotation applied), origin at its top left.
"""

from __future__ import annotations

import base64
import math
import zlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Verdict = Literal["accept", "reject", "review"]
Quantity = Literal[
    "count",
    "length",
    "width",
    "diameter",
    "area",
    "total_area",
    "distance_to_edge",
    "score",
]


def _array_to_json(array: NDArray[Any]) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "zlib_base64": base64.b64encode(packed).decode("ascii"),
    }


def _array_from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    raw = zlib.decompress(base64.b64decode(value["zlib_base64"]))
    return np.frombuffer(raw, dtype=value["dtype"]).reshape(value["shape"])


def _read_only(array: Any) -> Any:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"expected a numpy array, got {type(array).__name__}")
    view = array.view()
    view.flags.writeable = False
    return view


Array = Annotated[
    NDArray[Any],
    BeforeValidator(lambda value: _read_only(_array_from_json(value))),
    PlainSerializer(_array_to_json, return_type=dict, when_used="json"),
]


# JSON knows no infinity and says null.
Limit = Annotated[float, BeforeValidator(lambda value: math.inf if value is None else value)]


class Evidence(BaseModel):
    """Base of all evidence: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Reference(Evidence):
    """One of the most similar normal images of the line.

    Attributes:
        id: How steps cite it, for example ``reference-1``.
        path: The file it was enrolled from.
        thumbnail: The line's own copy, which stays when the original is moved.
        similarity: Cosine similarity of the global embeddings, −1 to 1.
        rank: 1 for the most similar.
    """

    id: str
    path: Path
    thumbnail: Path
    similarity: float
    rank: int


class ChannelScore(Evidence):
    """What one channel of the decoder says of the whole image.

    Attributes:
        name: ``patches``, ``texture``, ``overall`` or ``text``.
        score: Higher is more anomalous; the unit is the channel's own.
        surprise: −log of the share of normal images that score higher, by the line's seed images;
            ``None`` for a line without.
    """

    name: str
    score: float
    surprise: float | None


class TwinScore(Evidence):
    """How the image differs from the enrolled image that lies exactly on it.

    Attributes:
        path: The file that the other image was enrolled from.
        agreement: Correlation of the two, a defect aside; 1 at most.
        difference: The largest of any place, in units of the line's grey range.
        limit: What a change in exposure may do at most.
        area: Share of the image that differs by more than half of that.
        largest_area: From this share on normal images differ that lie on each other, though they
            show different parts, this image and those whose twin it would be among them; infinite
            if too few do to tell.
        calibrated: Whether the p-value takes the difference into account; else there are too few
            normal images for that.
        added: What the difference adds to the image's score.
    """

    path: Path
    agreement: float
    difference: float
    limit: float
    area: float
    largest_area: Limit
    calibrated: bool
    added: float

    @property
    def stands_out(self) -> bool:
        """Whether the difference counts."""
        return self.difference > self.limit and self.area < self.largest_area

    @property
    def decides(self) -> bool:
        """Whether the p-value is that of the difference."""
        return self.stands_out and self.calibrated


class AnomalyMap(Evidence):
    """How unlike the normal images each place of the picture is.

    Attributes:
        patch_scores_HW: float32, one score per place on a grid: a squared feature distance, in
            units of its limit where the line has tails of its channels. Beside texts it is brought
            to the span 0 to 1, and the probability that the place looks abnormal is added to it.
        patch_stride_px: Size of the grid's step in image pixels, (vertical, horizontal).
        patch_centre_px: Centre of the first place in image pixels, (vertical, horizontal).
        image_size_HW: Size of the input image in pixels.
        score: Image level, higher is more anomalous.
        p_value: Conformal: how often a normal part stands out as much.
        channels: What the score is fused from.
        calibration_size: How many normal images the p-value is taken against.
        differing: How many of these differ from their twins so that it counts; they rank above all
            that do not.
        limit: The patch score that only ``alpha`` of normal images reach anywhere; infinite where
            there is none to compare with.
        extent_limit: The patch score below which no region extends: one normal patch in a
            hundred exceeds it; infinite as ``limit``.
        encoder: Name of the encoder that made the features.
        twin: Where an enrolled image lies exactly on this one.
        part_found: Whether a part stands out from the background, for a line whose parts lie free.
    """

    patch_scores_HW: Array
    patch_stride_px: tuple[float, float]
    patch_centre_px: tuple[float, float]
    image_size_HW: tuple[int, int]
    score: float
    p_value: float
    channels: tuple[ChannelScore, ...] = ()
    calibration_size: int
    differing: int = 0
    limit: Limit
    extent_limit: Limit
    encoder: str
    twin: TwinScore | None = None
    part_found: bool = True

    @property
    def score_alone(self) -> float:
        """The score without what the twin adds."""
        return self.score - (self.twin.added if self.twin else 0.0)

    @property
    def by_words_alone(self) -> bool:
        """Whether the image was compared with texts only, since no normal image was enrolled."""
        return [channel.name for channel in self.channels] == ["text"]

    @property
    def scores_HW(self) -> FloatArray:
        """The patch scores brought to image pixels by linear interpolation, float32.

        Made anew at each access, since a map of a large image is larger than all the rest.
        """
        from experts.decoder.regions import upsample

        return upsample(
            self.patch_scores_HW, self.image_size_HW, self.patch_stride_px, self.patch_centre_px
        )


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


class Clause(Evidence):
    """One rule of a line's knowledge file.

    Attributes:
        id: Unique in its file, for example ``crack.any``.
        defect: Name of the defect it is about; ``None``: whatever it is.
        zone: Only places that touch it count; ``None``: the whole image.
        quantity: What is measured.
        limit: The largest value that is still allowed, for ``distance_to_edge`` the smallest; 0
            with ``count`` allows none.
        unit: Lengths in ``px`` or ``mm``, areas in their squares, or ``%``; empty for a count and
            a score.
        severity: From the defect.
        then: What follows beyond the limit.
        note: What the verdict shall say then.
        source: Knowledge file.
        line: Line of the clause in that file, from 1.
    """

    id: str
    defect: str | None
    zone: str | None = None
    quantity: Quantity
    limit: float
    unit: Literal["", "px", "mm", "%"]
    severity: Literal["minor", "major", "critical"]
    then: Verdict = "reject"
    note: str | None = None
    source: str
    line: int

    @property
    def is_lower(self) -> bool:
        """Whether too little breaks it."""
        return self.quantity == "distance_to_edge"

    @property
    def unit_in_words(self) -> str:
        """The unit as it follows a number: `` mm²``; empty for a count."""
        if self.quantity == "score":
            return " times what normal images reach"
        squared = "area" in self.quantity and self.unit in ("px", "mm")
        return f" {self.unit}{'²' if squared else ''}" if self.unit else ""

    @property
    def allows(self) -> str:
        """The limit in words, for example ``at most 3``, ``none`` or ``length up to 5 px``."""
        if self.quantity == "count":
            return "none" if self.limit == 0 else f"at most {self.limit:g}"
        bound = "from" if self.is_lower else "up to"
        words = self.quantity.replace("_", " ")
        until = " on" if self.is_lower else ""
        return f"{words} {bound} {self.limit:g}{self.unit_in_words}{until}"


class ClauseCheck(Evidence):
    """A clause computed on the measured regions.

    Attributes:
        id: How steps cite it, for example ``clause:crack.any``.
        clause: The rule.
        measured: The value, in the clause's unit.
        within: Whether the limit holds.
        region_ids: The regions it was measured on.
        broken_by: Those of them that break it; all of them, where it is their sum or number that
            does.
        or_more: Whether there may be more places than were told apart, so that a sum or a number
            is at least the value and never holds.
    """

    id: str
    clause: Clause
    measured: Limit
    within: bool
    region_ids: tuple[str, ...]
    broken_by: tuple[str, ...]
    or_more: bool = False


class Unruled(Evidence):
    """What no clause says anything about, so it is not allowed.

    Attributes:
        region_id: The place.
        defect: What it may be; ``None``: whatever the file has.
        zones: Where there are clauses for it; the place reaches beyond.
    """

    region_id: str
    defect: str | None
    zones: tuple[str, ...]


class Sight(Evidence):
    """How the rules look at an image.

    Attributes:
        view: Which of the line's views it is, if there are several.
        mm_per_px: Its scale, if that is known.
        corners_xy: What relative coordinates refer to: its top left, top right and bottom left
            corner in image pixels. The image, or the frame of a part that lies free.
        fault: Why the rules cannot be computed on it, if they cannot.
    """

    view: str | None = None
    mm_per_px: float | None = None
    corners_xy: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    fault: str | None = None

    @classmethod
    def of_image(cls, size_HW: tuple[int, int], **known: Any) -> Sight:
        """Of an image as it is; pixel 0 has its centre at 0."""
        height, width = size_HW
        left, top = -0.5, -0.5
        corners = ((left, top), (left + width, top), (left, top + height))
        return cls(corners_xy=corners, **known)


class Step(Evidence):
    """One step of the reasoning.

    Attributes:
        looked_at: What was examined.
        found: What came of it, in one sentence.
        evidence_ids: The evidence that the finding rests on.
    """

    looked_at: str
    found: str
    evidence_ids: tuple[str, ...]


class Defect(Evidence):
    """One defect of a decision.

    Attributes:
        name: Of the kind that it is taken for, or that of the knowledge file where only one
            fits; else ``unknown``.
        candidates: All kinds that it may be of those that were shown, or else all names of the
            knowledge file that it may be.
        region_id: Where it is; ``None`` where no single place stands out.
        check_ids: The clause checks that it was judged by.
    """

    name: str
    candidates: tuple[str, ...]
    region_id: str | None
    check_ids: tuple[str, ...]


class Decision(Evidence):
    """The verdict and what it rests on.

    Attributes:
        verdict: ``accept``, ``reject`` or ``review`` (a person should look).
        confidence: 0.5 where the p-value equals alpha, rising to 1 away from it: alpha /
            (alpha + p) for a rejected part, p / (alpha + p) for an accepted one. A measure of
            distance, not a probability. 0.5 where the clauses or a person must decide.
        defects: Empty for an accepted part.
        deciding_clause: Id of the clause that decided, if one did.
        reason: One sentence for a person.
    """

    verdict: Verdict
    confidence: float
    defects: tuple[Defect, ...]
    deciding_clause: str | None
    reason: str


class Versions(Evidence):
    """The hashes and versions that let an inspection be replayed.

    Attributes:
        image_sha256: Of the decoded pixels, shape and all.
        line: Name of the product line.
        line_sha256: Of the line's manifest.
        knowledge_sha256: Of the knowledge file, if the line has one.
        encoder: Name of the encoder.
        weights_sha256: Of the encoder's weights.
        echo: Version of Echo.
    """

    image_sha256: str
    line: str
    line_sha256: str
    knowledge_sha256: str | None
    encoder: str
    weights_sha256: str
    echo: str


class Inspection(Evidence):
    """Everything that Echo found out about one image.

    Attributes:
        image: Name of the file, or how the image was given (``array``, ``bytes``).
        size_HW: Of the upright image, in pixels.
        references: Most similar normal images, best first.
        anomaly: Map, score and p-value.
        regions: Strongest first; empty for a clearly normal image.
        clause_checks: Rules that were computed on the regions.
        steps: The reasoning, in order.
        decision: Verdict and reason.
        sight: How the rules looked at it.
        faults: What else went wrong, each in one sentence, such as an edit of the rules that has
            mistakes.
        versions: Hashes and versions.
        timings_ms: Milliseconds per stage; the only field that differs between two runs.
    """

    image: str
    size_HW: tuple[int, int]
    references: tuple[Reference, ...]
    anomaly: AnomalyMap
    regions: tuple[Region, ...]
    clause_checks: tuple[ClauseCheck, ...]
    steps: tuple[Step, ...]
    decision: Decision
    sight: Sight
    faults: tuple[str, ...] = ()
    versions: Versions
    timings_ms: dict[str, float]

    @property
    def verdict(self) -> Verdict:
        """Shorthand for ``decision.verdict``."""
        return self.decision.verdict
