"""What is known of one inspection, laid out so that sentences can be compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from experts.claims.text import fold
from experts.evidence import Cause, Clause, Inspection, Verdict
from experts.knowledge import KnowledgeFile

Words = tuple[str, ...]
Values = tuple[float, ...]
# Who said a sentence that is quoted word for word.
Source = Literal["evidence", "knowledge"]


@dataclass(frozen=True)
class PlaceFacts:
    """One region, as sentences speak of it.

    Attributes:
        id: For example ``region-1``.
        place: In words, for example ``top left``.
        centre_xy: Of its box, as shares of the image.
        tones: Of ``dark``, ``bright`` and ``odd`` those that may be said.
        forms: Of ``line``, ``spot``, ``area``, ``round``, ``elongated``, ``ragged`` and ``smooth``.
        looks: In words, for example ``dark line``.
        at_edge: Whether it lies at the edge of the image or the part, if that was measured.
        compared_with: What its tone is set against.
        kinds: The defects that it may be, by the names of the knowledge file.
        unknown: Whether it is of no kind that was shown.
        lengths_px: By role, such as ``length`` or ``width``.
        area_px: Number of pixels.
        area_share: Of the image.
        numbers: Plain ones, by role.
    """

    id: str
    place: str
    centre_xy: tuple[float, float]
    tones: frozenset[str]
    forms: frozenset[str]
    looks: str
    at_edge: bool | None
    compared_with: frozenset[str]
    kinds: tuple[str, ...]
    unknown: bool
    lengths_px: Mapping[str, Values]
    area_px: float
    area_share: float
    numbers: Mapping[str, Values]

    @property
    def row(self) -> str:
        """``top``, ``bottom``, or empty between them."""
        return next((word for word in ("top", "bottom") if word in self.place.split()), "")

    @property
    def column(self) -> str:
        """``left``, ``right``, or empty between them."""
        return next((word for word in ("left", "right") if word in self.place.split()), "")


class KindWords(NamedTuple):
    """What the knowledge file says of one kind of defect, in words as they are compared.

    Attributes:
        appearance: How it looks.
        thing: Of these, what it is said to be: "a small dark hole" of "a small dark hole in …".
        cause: Where it comes from.
        effect: What it does.
    """

    appearance: Words
    thing: Words
    cause: Words
    effect: Words


@dataclass(frozen=True)
class LimitFacts:
    """One rule, and what came of it.

    Attributes:
        id: Of the clause.
        defect: Whose rule it is; ``None``: whatever it is.
        quantity: What is measured.
        limit: In ``unit``.
        unit: ``px``, ``mm``, ``%`` or empty.
        power: 2 for an area in px or mm.
        measured: ``None`` where the rule was not computed on this image.
        within: Likewise.
        place_ids: The regions that it was measured on.
    """

    id: str
    defect: str | None
    quantity: str
    limit: float
    unit: str
    power: int
    measured: float | None
    within: bool | None
    place_ids: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What is known of one inspection.

    Attributes:
        verdict: The verdict.
        suspicious: Whether the image stands out from the normal ones at all.
        places: The regions, strongest first.
        crowded: Whether there may be more of them than were told apart.
        defects: How many the decision names.
        limits: The rules.
        kinds: Words of each name and synonym of a defect, with its name in the knowledge file.
        normal_words: Words with which the knowledge file describes a good part.
        part_words: How one part is called.
        parts_words: How many are called.
        numbers: Numbers of the whole image, by role.
        mm_per_px: The scale, if there is one.
        names: Of files, models and the like; what is in them is no claim.
        opinion: What a language model takes the image for, with the probability of each.
        quotes: Folded sentences of the evidence and the knowledge file.
        words: All those of the knowledge file.
        told: What the knowledge file says of each kind, by its name there.
        seen: Words with which the evidence tells what was found on this image.
        healed: What became of the image without its places; ``None`` if that was not tried.
    """

    verdict: Verdict
    suspicious: bool
    places: tuple[PlaceFacts, ...]
    crowded: bool
    defects: int
    limits: tuple[LimitFacts, ...]
    kinds: Mapping[Words, str]
    normal_words: frozenset[str]
    part_words: frozenset[str]
    parts_words: frozenset[str]
    numbers: Mapping[str, Values]
    mm_per_px: float | None
    names: tuple[str, ...]
    opinion: Mapping[str, float]
    quotes: Mapping[str, Source]
    words: frozenset[str]
    told: Mapping[str, KindWords]
    seen: frozenset[str]
    healed: Cause | None

    @property
    def held_back(self) -> bool:
        """Whether the part is rejected, or waits for a person."""
        return self.verdict != "accept"

    @cached_property
    def kinds_told(self) -> tuple[KindWords, ...]:
        """What the knowledge file says of the kinds that the places may be."""
        names = dict.fromkeys(name for place in self.places for name in place.kinds)
        return tuple(self.told[name] for name in names if name in self.told)

    @cached_property
    def clause_ids(self) -> dict[str, str]:
        """Ids of clauses by how they are compared."""
        return {fold(limit.id).text: limit.id for limit in self.limits}

    @cached_property
    def folded_names(self) -> frozenset[str]:
        """Names as they are compared; what could be a number or a word is none."""
        folded = (" ".join(fold(name).text.split()) for name in self.names)
        return frozenset(
            name
            for name in folded
            if any(c.isalpha() for c in name) and not name.replace(" ", "").isalpha()
        )

    @classmethod
    def of(
        cls,
        inspection: Inspection,
        knowledge: KnowledgeFile | None = None,
        clauses: Sequence[Clause] = (),
        alpha: float | None = None,
    ) -> Facts:
        """What is known of an inspection.

        Args:
            inspection: Its evidence.
            knowledge: Of the line.
            clauses: Rules of the line; those that were not computed may be named, too.
            alpha: The rate that the line promises; else that of the knowledge file.
        """
        from experts.claims.gathering import gather

        return gather(inspection, knowledge, clauses, alpha)


def words_of(text: str) -> Words:
    """The words of a name as they are compared."""
    spaced = "".join(c if c.isalnum() else " " for c in fold(text).text)
    return tuple(spaced.split())


def quote_key(sentence: str) -> str:
    """A sentence as it is looked up among the quotes."""
    return " ".join(fold(sentence).text.split()).rstrip(".")
