"""Rules as they are computed: clauses, what came of them, and how they look at an image."""

from __future__ import annotations

from typing import Any, Literal

from experts.evidence.base import Evidence, Limit, Verdict

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
