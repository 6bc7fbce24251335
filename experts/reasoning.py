"""The Reasoning Expert, working from evidence alone: each step cites what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from experts.decoder.conformal import percent
from experts.evidence import AnomalyMap, Clause, ClauseCheck, Reference, Region, Step, TwinScore
from experts.knowledge import Excerpt, Knowledge, worth_a_step
from experts.wording import (
    describe,
    kinds_in_words,
    measured_in_words,
    set_aside_in_words,
    times_in_words,
)


class ReasoningExpert:
    """Observes the normal, compares, examines each region and the clauses, in that order."""

    def __init__(self, knowledge: Knowledge | None) -> None:
        self._knowledge = knowledge

    def reason(
        self,
        references: Sequence[Reference],
        anomaly: AnomalyMap,
        regions: Sequence[Region],
        checks: Sequence[ClauseCheck],
        excerpt: Excerpt,
        view: str | None = None,
    ) -> tuple[Step, ...]:
        """Return the steps, without the verdict.

        Args:
            references: Most similar normal images.
            anomaly: Map, score and p-value.
            regions: Places that stand out.
            checks: Clauses that may apply.
            excerpt: What of the knowledge file matters here; of the other clauses only those that
                do not hold get a step of their own.
            view: Which of the line's views the image shows, if it has several.
        """
        steps = [self._observe_normal(references, view), _compare(references, anomaly)]
        if anomaly.twin is not None:
            steps.append(_lay_over(anomaly.twin))
        steps += [_examine(region, anomaly) for region in regions]
        # Of what was measured on no place there is nothing to tell but that it holds.
        told = [c for c in worth_a_step(checks, excerpt) if c.region_ids or not c.within]
        steps += [_weigh_clause(check) for check in told]
        if others := [check for check in checks if check not in told]:
            steps.append(_hold(others, more=bool(told)))
        return tuple(steps)

    def _observe_normal(self, references: Sequence[Reference], view: str | None) -> Step:
        found = "No normal image was enrolled."
        if references:
            nearest = references[0]
            found = (
                f"The most similar normal image is {nearest.path.name} "
                f"(similarity {nearest.similarity:.2f})."
            )
        normal = f" {self._knowledge.file.normal}" if self._knowledge else ""
        seen = self._knowledge.view_named(view) if self._knowledge and view else None
        if seen is not None and seen.normal:
            normal += f" From {seen.name}: {seen.normal}"
        return Step(
            looked_at="what is normal",
            found=found + normal,
            evidence_ids=tuple(r.id for r in references),
        )


def _compare(references: Sequence[Reference], anomaly: AnomalyMap) -> Step:
    if anomaly.by_words_alone:
        return Step(
            looked_at="the image beside what words say",
            found=f"It scores {anomaly.score_alone:.3f} between normal (0) and defective (1) "
            "by words alone; no normal image tells how high good ones score.",
            evidence_ids=("anomaly",),
        )
    return Step(
        looked_at="the image beside the normal images",
        found=f"It scores {anomaly.score_alone:.3f}; {_rank(anomaly)}, so "
        f"p = {anomaly.p_value:.2g}.",
        evidence_ids=("anomaly", *(r.id for r in references)),
    )


def _rank(anomaly: AnomalyMap) -> str:
    n, above = anomaly.calibration_size, round(anomaly.p_value * (anomaly.calibration_size + 1)) - 1
    if anomaly.twin is not None and anomaly.twin.decides:
        rank = f"{above} of" if above else "none of"
        verb = (
            "differ from their twins and score" if above > 1 else "differs from its twin and scores"
        )
        return f"{rank} the {n} normal ones {verb} that high"
    others = above - anomaly.differing
    rank = f"{others} of" if others else "none of"
    words = f"{rank} the {n} normal ones {'score' if others > 1 else 'scores'} that high"
    if anomaly.differing:
        verb = "differs from its twin" if anomaly.differing == 1 else "differ from their twins"
        words += f" and {anomaly.differing} more {verb}, which ranks above"
    return words


def _lay_over(twin: TwinScore) -> Step:
    more = "more" if twin.difference > twin.limit else "no more"
    found = (
        f"It differs by {twin.difference:.0%} of the grey range at most, {more} than the "
        f"{twin.limit:.0%} that a change in exposure may do"
    )
    return Step(
        looked_at=f"the image laid over {twin.path.name}",
        found=f"{found}{set_aside_in_words(twin)}.",
        evidence_ids=("anomaly",),
    )


def _examine(region: Region, anomaly: AnomalyMap) -> Step:
    text = describe(region)
    found = (
        f"{text[0].upper()}{text[1:]}; its peak is "
        f"{times_in_words(region.peak_score / anomaly.limit)} times what normal images reach."
    )
    if region.traits:
        found += f" It is {region.traits.in_words}."
    return Step(
        looked_at=region.id,
        found=found + _name(region),
        evidence_ids=(region.id, "anomaly"),
    )


def _name(region: Region) -> str:
    if region.kinds is None:
        return ""
    kinds = kinds_in_words(region).removeprefix("which ")
    if region.kinds.unknown or len(region.kinds.names) == 1:
        kinds = f"is {kinds}"
    return (
        f" It {kinds}; of places of the kinds that were shown at least "
        f"{percent(region.kinds.coverage)} have their own kind named."
    )


def _weigh_clause(check: ClauseCheck) -> Step:
    clause = check.clause
    return Step(
        looked_at=f"clause {clause.id} ({clause.source}, line {clause.line})",
        found=f"{_condition(clause)}: allowed is {clause.allows}, measured "
        f"{measured_in_words(check)}; {'within' if check.within else 'not within'} the limit.",
        evidence_ids=(check.id, *check.region_ids),
    )


def _hold(checks: Sequence[ClauseCheck], *, more: bool) -> Step:
    """That clauses hold of which nothing else is told, beside others or alone."""
    count = f"{len(checks)} more" if more else f"{len(checks)}"
    return Step(
        looked_at="all other clauses" if more else "all clauses",
        found=f"{count} {'clause holds' if len(checks) == 1 else 'clauses hold'}.",
        evidence_ids=tuple(check.id for check in checks),
    )


def _condition(clause: Clause) -> str:
    what = f"If this is {clause.defect}" if clause.defect else "Whatever this is"
    return f"{what} in {clause.zone}" if clause.zone else what
