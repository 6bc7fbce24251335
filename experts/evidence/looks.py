"""What a closer look found, and what becomes of an anomaly once its place is made normal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experts.evidence.base import Evidence, Limit

Tool = Literal["zoom", "compare", "measure", "lookup"]


class Look(Evidence):
    """A closer look that was taken on request.

    Attributes:
        id: How steps cite it, for example ``look-1``.
        tool: ``zoom``: the place scored again at native resolution; ``compare``: beside further
            references; ``measure``: its sizes and distances; ``lookup``: words in the knowledge.
        target: The id of a region, or a place in words such as ``top left``; empty for ``lookup``,
            and where nothing was meant that is there.
        found: What came of it, in sentences that code wrote.
        numbers: What was measured, by role (``times``, ``length_px``, ...).
        evidence_ids: The evidence that it rests on.
    """

    id: str
    tool: Tool
    target: str
    found: str
    numbers: dict[str, float] = Field(default_factory=dict)
    evidence_ids: tuple[str, ...] = ()


class Healed(Evidence):
    """What became of one place.

    Attributes:
        region_id: The place.
        before: Its highest map value, in units of what normal images reach.
        after: The same, once the place shows what a normal image shows there.
    """

    region_id: str
    before: float
    after: float

    @property
    def stays(self) -> bool:
        """Whether it still stands out, so that what is seen there is not the cause."""
        return self.after > 1.0


class Cause(Evidence):
    """Whether the regions are why the image is unusual: they are replaced and it is scored again.

    Attributes:
        reference: Name of the normal image that was pasted from.
        healed: What became of each place.
        p_before: The image's p-value.
        p_after: The p-value with all places replaced at once.
        alpha: The rate at which an image counts as unusual.
        score_before: The image's score.
        score_after: The score with all places replaced; infinite if it cannot be told.
    """

    reference: str
    healed: tuple[Healed, ...]
    p_before: float
    p_after: float
    alpha: float
    score_before: float
    score_after: Limit

    @property
    def explains(self) -> bool:
        """Whether the image is no longer unusual without the places."""
        return self.p_after > self.alpha
