"""The schema of a knowledge file: what a factory knows of a product, and its rules.

People write these files, so each field says in one sentence what belongs there; editors show it
beside the field, see ``knowledge/schema.json``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from experts.evidence import Quantity

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Unit = Literal["px", "mm", "%"]
Severity = Literal["minor", "major", "critical"]
Consequence = Literal["reject", "review", "accept"]
# Of the width and the height of what the zone lies in.
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]

# These count or compare, so they have no unit.
WITHOUT_UNIT = frozenset({"count", "score"})
# Of these, too little breaks a clause; of all others too much.
AT_LEAST = frozenset({"distance_to_edge"})


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ClauseRule(_Strict):
    """One rule: `allowed: none`, or a limit over a measured quantity, and what follows."""

    id: Text = Field(description="A name for the rule, unique in the file, for example pit.size.")
    zone: Text | None = Field(
        default=None, description="Only places that touch this zone count; else the whole image."
    )
    allowed: Literal["none"] | None = Field(
        default=None, description="none: not one such place is allowed; needs no quantity."
    )
    quantity: Quantity | None = Field(
        default=None,
        description="What is measured. count and total_area are of all places in the image; length "
        "is the largest, width the smallest extent in any direction; diameter is that of a circle "
        "of the same area; distance_to_edge is that to the edge of the zone or else of the image; "
        "score says how many times more a place stands out than any of normal images.",
    )
    at_most: Number | None = Field(default=None, description="The largest value that is fine.")
    at_least: Number | None = Field(
        default=None, description="The smallest value that is fine; for distance_to_edge."
    )
    unit: Unit | None = Field(
        default=None,
        description="px, mm (an area is in mm²; needs the scale), or % of the zone's or the "
        "image's area, and for lengths of the image's longer side.",
    )
    then: Consequence = Field(
        default="reject", description="What follows beyond the limit; accept only adds the note."
    )
    note: Text | None = Field(default=None, description="What the verdict shall say then.")


class DefectKnowledge(_Strict):
    """One kind of defect."""

    name: Text = Field(description="What people call it.")
    synonyms: list[Text] = Field(default=[], description="Other names.")
    appearance: Text = Field(description="What it looks like: shape, tone, where it lies.")
    cause: Text | None = Field(default=None, description="Where it comes from.")
    effect: Text | None = Field(default=None, description="What it does to the part.")
    severity: Severity = Field(description="How much it matters.")
    clauses: list[ClauseRule] = Field(
        default=[], description="How much of it is allowed. Without any, none is."
    )


class View(_Strict):
    """One way in which photos are taken."""

    name: Text = Field(description="For example top.")
    match: Text | None = Field(
        default=None, description="Pattern of the file names of its photos, for example '*_top.*'."
    )
    mm_per_px: Scale | None = Field(
        default=None, description="Millimetres per pixel, if not that at the top of the file."
    )
    normal: Text | None = Field(default=None, description="What a good part looks like here.")


class Zone(_Strict):
    """A part of the image that rules can name."""

    name: Text = Field(description="For example bearing surface.")
    view: Text | None = Field(default=None, description="The view that it belongs to.")
    box: Annotated[list[Share], Field(min_length=4, max_length=4)] | None = Field(
        default=None, description="Left, top, right, bottom, each from 0 to 1."
    )
    polygon: (
        Annotated[
            list[Annotated[list[Share], Field(min_length=2, max_length=2)]],
            Field(min_length=3, max_length=100),
        ]
        | None
    ) = Field(default=None, description="Corners [x, y], each from 0 to 1.")


class PromptStates(_Strict):
    """States of the product in words, for encoders that know texts (CLIP)."""

    normal: list[Text] = Field(default=[], description="For example 'washer with a clean edge'.")
    abnormal: list[Text] = Field(default=[], description="For example 'washer with a dark pit'.")


class Question(_Strict):
    """What operators often ask."""

    question: Text
    answer: Text


class KnowledgeFile(_Strict):
    """What a factory knows of a product, and its rules."""

    model_config = ConfigDict(title="Echo knowledge file")

    product: Text = Field(description="What the images show, for example solar cell.")
    aliases: list[Text] = Field(default=[], description="Other names of the product.")
    part: Text = Field(default="image", description="What sentences call one of them.")
    parts: Text = Field(default="images", description="What sentences call many of them.")
    normal: Text = Field(description="What a good part looks like.")
    alpha: Annotated[float, Field(ge=1e-6, lt=1, allow_inf_nan=False)] | None = Field(
        default=None, description="Highest rate of good parts that may be held back; else 0.05."
    )
    mm_per_px: Scale | None = Field(default=None, description="Millimetres per pixel.")
    views: list[View] = Field(default=[], description="If photos are taken in several ways.")
    zones: list[Zone] = Field(default=[], description="Parts of the image that rules can name.")
    defects: list[DefectKnowledge] = Field(default=[], description="What can go wrong.")
    clauses: list[ClauseRule] = Field(
        default=[], description="Rules for every place that stands out, whatever it is."
    )
    prompts: PromptStates = Field(
        default=PromptStates(), description="Texts for the CLIP branch; used at enrolment."
    )
    questions: list[Question] = Field(default=[], description="What operators often ask.")


def json_schema() -> dict[str, Any]:
    """The schema as JSON Schema, which editors complete and check with."""
    schema = KnowledgeFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
