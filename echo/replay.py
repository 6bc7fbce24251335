"""Tries other rules on the inspections that are stored: which verdicts would change?

Nothing is looked at again. What was measured stays; the rules are computed on it as in an
inspection, once as they are in force now and once as the new file has them. Where what was measured
does not suffice, that is said instead of guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from echo.history import History, learned_sha256
from echo.line import ProductLine
from echo.record import Record
from echo.rules import Rules
from experts.decision import DecisionMaker, is_suspicious
from experts.decoder.conformal import percent, room_for_twins
from experts.decoder.regions import MAX_REGIONS, in_scale
from experts.errors import HistoryError
from experts.evidence import AnomalyMap, Decision, Evidence, Inspection, Region, Sight, Verdict
from experts.knowledge import Knowledge, KnowledgeGuide, Scene


class Change(Evidence):
    """A stored inspection that the new rules would give another verdict.

    Attributes:
        image: Name of the image.
        time: When it was inspected, UTC.
        before: The verdict by the rules that are in force now.
        after: The verdict by the new ones.
        clause_before: The clause that decides now, if one does.
        clause_after: The clause that would decide.
        reason: Why, by the new rules, in one sentence.
    """

    image: str
    time: datetime
    before: Verdict
    after: Verdict
    clause_before: str | None
    clause_after: str | None
    reason: str


class Unclear(Evidence):
    """A stored inspection of which nothing tells the verdict.

    Attributes:
        image: Name of the image.
        time: When it was inspected, UTC.
        why: What is missing, what to do; the image is not named.
    """

    image: str
    time: datetime
    why: str


class Replay(Evidence):
    """What new rules would change. Of equal images only the newest inspection counts.

    Attributes:
        total: How many images there are stored inspections of.
        unchanged: How many of them would get the same verdict.
        changes: Those that would get another one, newest first.
        unclear: Those of which nothing tells, newest first.
        skipped: How many were made before the line itself changed: it was enrolled anew, taught,
            or extended since.
    """

    total: int
    unchanged: int
    changes: tuple[Change, ...]
    unclear: tuple[Unclear, ...]
    skipped: int


def replay(line: ProductLine, new: Knowledge) -> Replay:
    """Compute new rules and those in force on all inspections of a line that are stored.

    Args:
        line: The line, as it is now.
        new: The new rules.

    Raises:
        HistoryError: If what is stored cannot be read.
        LineError: If the line is damaged.
    """
    rules = Rules(line)
    rules.refresh()
    before, after = _Judge(line, rules.knowledge), _Judge(line, new)
    learned = learned_sha256(line.manifest)
    total, skipped = 0, 0
    changes: list[Change] = []
    unclear: list[Unclear] = []
    for record in History(line).newest():
        total += 1
        if record.learned_sha256 != learned:
            skipped += 1
            continue
        try:
            stored = record.inspection()
            change = _change(record, before.judge(record, stored), after.judge(record, stored))
        except (_NeedsNewLookError, HistoryError) as error:
            why = str(error).removeprefix(f"{record.image}: ")
            unclear.append(Unclear(image=record.image, time=record.time, why=why))
        else:
            changes += [change] if change else []
    return Replay(
        total=total,
        unchanged=total - skipped - len(changes) - len(unclear),
        changes=tuple(changes),
        unclear=tuple(unclear),
        skipped=skipped,
    )


def _change(record: Record, before: Decision, after: Decision) -> Change | None:
    if before.verdict == after.verdict:
        return None
    return Change(
        image=record.image,
        time=record.time,
        before=before.verdict,
        after=after.verdict,
        clause_before=before.deciding_clause,
        clause_after=after.deciding_clause,
        reason=after.reason,
    )


class _NeedsNewLookError(Exception):
    """What was measured does not suffice; its text says why."""


class _Judge:
    """Gives the verdict on stored inspections by one edition of the rules."""

    def __init__(self, line: ProductLine, knowledge: Knowledge | None) -> None:
        self._line = line
        self._alpha = line.manifest.alpha_by(knowledge)
        self._guide = KnowledgeGuide(knowledge) if knowledge else None
        self._maker = DecisionMaker.by_rules(knowledge, self._alpha)

    @cached_property
    def _limit(self) -> float:
        return self._line.decoder_for(self._alpha).limit

    def judge(self, record: Record, stored: Inspection) -> Decision:
        """The decision that an inspection of the same image would come to.

        Raises:
            _NeedsNewLookError: If what was measured does not suffice.
        """
        sight = self._sight(record, stored)
        anomaly = self._anomaly(record, stored.anomaly)
        if not is_suspicious(anomaly, self._alpha):
            return self._maker.decide(anomaly, (), ())[0]
        # The stronger come first, whatever the limit; a weaker one is no place of its own then.
        regions = [r for r in stored.regions if r.peak_score > anomaly.limit]
        decision = self._decide(stored, sight, anomaly, regions)
        # Further places never mend a reject.
        if decision.verdict != "reject" and not _are_all(record, stored, anomaly):
            raise _NeedsNewLookError(
                f"with an alpha of {percent(self._alpha)} other places may stand out than were "
                f"measured with {percent(record.alpha)}; inspect it again"
            )
        return decision

    def _sight(self, record: Record, stored: Inspection) -> Sight:
        corners_xy = stored.sight.corners_xy
        if self._guide is None:
            return Sight(corners_xy=corners_xy)
        view_named = self._guide.knowledge.view_named
        asked = record.asked if record.asked and view_named(record.asked) else None
        return self._guide.sight(record.image, corners_xy, asked)

    def _anomaly(self, record: Record, stored: AnomalyMap) -> AnomalyMap:
        """What the decoder would say for the alpha of these rules."""
        if self._alpha == record.alpha:
            return stored
        if self._line.manifest.framing is not None:
            raise _NeedsNewLookError(
                "the shape of places on a part that lies free depends on alpha; inspect it again"
            )
        self._check_twin(record, stored)
        return stored.model_copy(update={"limit": self._limit})

    def _check_twin(self, record: Record, stored: AnomalyMap) -> None:
        """Where twins are looked for, alpha decides which differences from them count."""
        if not self._line.manifest.twins:
            return
        n = stored.calibration_size
        same_room = room_for_twins(n, self._alpha) == room_for_twins(n, record.alpha)
        drawn = stored.twin is not None and stored.twin.stands_out
        if not same_room or (drawn and self._limit != stored.limit):
            raise _NeedsNewLookError(
                f"with an alpha of {percent(self._alpha)} other differences from a twin may count "
                f"than did with {percent(record.alpha)}; inspect it again"
            )

    def _decide(
        self,
        stored: Inspection,
        sight: Sight,
        anomaly: AnomalyMap,
        regions: Sequence[Region],
    ) -> Decision:
        heard = stored.opinion
        if self._guide is None:
            return self._maker.decide(anomaly, regions, (), opinion=heard)[0]
        scaled = [in_scale(region, sight.mm_per_px) for region in regions]
        found = self._guide.check(
            scaled, Scene(stored.size_HW, sight, anomaly.limit, len(regions) >= MAX_REGIONS)
        )
        return self._maker.decide(anomaly, scaled, found.checks, found.unruled, sight.fault, heard)[
            0
        ]


def _are_all(record: Record, stored: Inspection, anomaly: AnomalyMap) -> bool:
    """Whether an inspection would find no further places than are stored.

    Args:
        record: What is stored.
        stored: The same, read.
        anomaly: With the limit that would hold.
    """
    if not anomaly.part_found or float(anomaly.patch_scores_HW.max()) <= anomaly.limit:
        return True
    if not is_suspicious(stored.anomaly, record.alpha):
        return False
    return anomaly.limit >= stored.anomaly.limit or len(stored.regions) == MAX_REGIONS
