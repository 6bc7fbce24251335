"""What answers can rest on, and what comes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

from experts.answers.topics import topics_of
from experts.answers.words import stems
from experts.claims import Facts, check
from experts.claims.text import fold
from experts.evidence import Inspection, Look, Region
from experts.knowledge import Knowledge
from experts.knowledge.schema import DefectKnowledge

NOT_THERE = "The knowledge file says nothing of that."
NO_FILE = "The line has no knowledge file."
RULES_LOST = "The rules that it was judged by are not kept any more."
_QUOTED = re.compile("“([^”]*)”")


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


class Judged(NamedTuple):
    """What a person found who looked at the part.

    Attributes:
        verdict: Theirs.
        by: Who.
        reason: Why, in their words.
        time: When.
    """

    verdict: Literal["accept", "reject"]
    by: str
    reason: str
    time: datetime


@dataclass(frozen=True)
class Known:
    """What is known of one inspection.

    Attributes:
        inspection: Its evidence.
        knowledge: The rules that it was judged by, if the line had any and they are kept.
        alpha: The false-reject rate that the line promises.
        looks: Closer looks that were taken in the conversation.
        time: When it was made, if that was stored.
        judged: What the last person found who judged the part, if one did.
    """

    inspection: Inspection
    knowledge: Knowledge | None
    alpha: float
    looks: tuple[Look, ...] = ()
    time: datetime | None = None
    judged: Judged | None = None

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

    @property
    def without_file(self) -> str:
        """Why there is no knowledge file to answer from, in a sentence."""
        return RULES_LOST if rules_are_lost(self.inspection, self.knowledge) else NO_FILE

    def region(self, region_id: str) -> Region | None:
        """The region of that id, if there is one."""
        return next((r for r in self.inspection.regions if r.id == region_id), None)

    def candidates(self, region: Region) -> tuple[str, ...]:
        """The kinds of defect that a region may be; empty if nothing tells."""
        if region.kinds is not None and region.kinds.names:
            return region.kinds.names
        defects = self.inspection.decision.defects
        said = next((d.candidates for d in defects if d.region_id == region.id), ())
        if said:
            return said
        checks = (c for c in self.inspection.clause_checks if region.id in c.region_ids)
        return tuple(dict.fromkeys(c.clause.defect for c in checks if c.clause.defect))

    def named(self, name: str) -> str:
        """The name of a kind, marked as one if it reads like a statement on the part."""
        return f"“{name}”" if "verdict" in topics_of(fold(name).text) else name

    def quoted(self, text: str | None) -> str:
        """What of a text of the knowledge file may be said: nothing that gives another verdict."""
        return check(" ".join(text.split()), self.facts).text if text else ""

    def looked_up(self, look: Look) -> str:
        """What a closer look found; of what was looked up only what gives no other verdict."""
        if look.tool != "lookup":
            return look.found
        if rules_are_lost(self.inspection, self.knowledge):
            return RULES_LOST
        if look.numbers.get("entries") == 0:
            return NOT_THERE
        return _QUOTED.sub(lambda found: f"“{self._harmless(found[1])}”", look.found)

    def _harmless(self, text: str) -> str:
        return text if text in self._names else self.quoted(text) or "…"

    @cached_property
    def _names(self) -> frozenset[str]:
        """How things are called in the knowledge file; names say nothing of the part."""
        if self.knowledge is None:
            return frozenset()
        file = self.knowledge.file
        return frozenset(
            (file.part, *(defect.name for defect in file.defects), *(z.name for z in file.zones))
        )


def rules_are_lost(inspection: Inspection, knowledge: Knowledge | None) -> bool:
    """Whether it was judged by rules of which nothing tells any more what they said."""
    return knowledge is None and inspection.versions.knowledge_sha256 is not None
