"""What answers can rest on, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from experts.answers.words import stems
from experts.claims import Facts, check
from experts.evidence import Inspection, Look, Region
from experts.knowledge import Knowledge
from experts.knowledge.schema import DefectKnowledge


class Told(NamedTuple):
    """Sentences that code wrote.

    Attributes:
        sentences: In order.
        evidence_ids: What they rest on.
        about: Ids of the regions that they speak of.
    """

    sentences: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences as one text, each on a line of its own."""
        return "\n".join(self.sentences)


@dataclass(frozen=True)
class Known:
    """What is known of one inspection.

    Attributes:
        inspection: Its evidence.
        knowledge: The rules that it was judged by, if the line had any.
        alpha: The false-reject rate that the line promises.
        looks: Closer looks that were taken in the conversation.
    """

    inspection: Inspection
    knowledge: Knowledge | None
    alpha: float
    looks: tuple[Look, ...] = ()

    @cached_property
    def facts(self) -> Facts:
        """As sentences are checked against them."""
        if self.knowledge is None:
            return Facts.of(self.inspection, alpha=self.alpha)
        file, clauses = self.knowledge.file, self.knowledge.clauses
        return Facts.of(self.inspection, file, clauses, self.alpha)

    @cached_property
    def by_stems(self) -> tuple[tuple[DefectKnowledge, tuple[frozenset[str], ...]], ...]:
        """Each defect of the knowledge file, with the stems of each of its names."""
        defects = self.knowledge.file.defects if self.knowledge else []
        return tuple((d, tuple(stems(n) for n in (d.name, *d.synonyms))) for d in defects)

    def region(self, region_id: str) -> Region | None:
        """The region of that id, if there is one."""
        return next((r for r in self.inspection.regions if r.id == region_id), None)

    def quoted(self, text: str | None) -> str:
        """What of a text of the knowledge file may be said: nothing that gives another verdict."""
        return check(" ".join(text.split()), self.facts).text if text else ""

    def looked_up(self, look: Look) -> str:
        """What a closer look found; of what was looked up only what gives no other verdict."""
        return self.quoted(look.found) if look.tool == "lookup" else look.found
