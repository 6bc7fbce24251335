"""The Decision Maker: the verdict as a function of p-value and clause checks, in code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from experts.confidence import Confidence
from experts.decoder.conformal import images_needed, percent, smallest_p_value
from experts.evidence import (
    AnomalyMap,
    ClauseCheck,
    Decision,
    Defect,
    Opinion,
    Region,
    Step,
    TwinScore,
    Unruled,
    Verdict,
)
from experts.opinion import opinion_in_words, opinion_step
from experts.standing import CONTESTS, contests, standing_in_words
from experts.wording import (
    broken_in_words,
    describe,
    kinds_in_words,
    set_aside_in_words,
    unruled_in_words,
)

if TYPE_CHECKING:
    from experts.knowledge import Knowledge

_SEVERITY_RANK = {"minor": 0, "major": 1, "critical": 2}
_GRAVITY: dict[Verdict, int] = {"accept": 0, "review": 1, "reject": 2}


@dataclass(frozen=True)
class Wording:
    """How a line calls its parts in sentences: one ``cell``, many ``cells``."""

    part: str = "image"
    parts: str = "images"


def is_beyond_all(anomaly: AnomalyMap) -> bool:
    """Whether the image scores higher than every normal image."""
    return anomaly.p_value <= smallest_p_value(anomaly.calibration_size) * (1 + 1e-9)


def is_suspicious(anomaly: AnomalyMap, alpha: float) -> bool:
    """Whether the image deserves regions, clauses and reasoning.

    So it does if its p-value is at most alpha, or if it scores beyond every normal image and
    there are too few of them for its p-value to get that low, or if it differs from its twin.
    """
    return anomaly.p_value <= alpha or is_beyond_all(anomaly) or _differs_from_twin(anomaly)


def _differs_from_twin(anomaly: AnomalyMap) -> bool:
    return anomaly.twin is not None and anomaly.twin.stands_out


class _Seen(NamedTuple):
    """What a decision rests on.

    Attributes:
        anomaly: Map, score and p-value.
        regions: Places that stand out.
        checks: Clauses that may apply.
        broken: Those of them that do not hold, the gravest first.
        unruled: What no clause says anything about.
        fault: Why the rules cannot be computed.
    """

    anomaly: AnomalyMap
    regions: Sequence[Region]
    checks: Sequence[ClauseCheck]
    broken: Sequence[ClauseCheck]
    unruled: Sequence[Unruled]
    fault: str | None


class _Ruled(NamedTuple):
    """A verdict, its reason, and the id of the clause that decided, if one did."""

    verdict: Verdict
    text: str
    clause: str | None = None


class DecisionMaker:
    """Accepts, rejects or asks for a review.

    Args:
        alpha: The false-reject rate that the line promises.
        wording: How the line calls its parts.
        has_knowledge: Whether the line has a knowledge file.
        confidence: How probable it is that a verdict is right, by what people judged so far.

    All parts that are not accepted have p ≤ alpha, unless there are too few normal images to
    promise alpha at all; then nothing is rejected and what scores beyond them goes to review. Where
    they are too few to calibrate a difference from a twin, it goes to review whatever its p, which
    the promise does not cover.
    """

    def __init__(
        self,
        alpha: float,
        wording: Wording,
        has_knowledge: bool,
        confidence: Confidence | None = None,
    ) -> None:
        self._alpha = alpha
        self._confidence = confidence or Confidence()
        self._wording = wording
        self._has_knowledge = has_knowledge

    @classmethod
    def by_rules(
        cls, knowledge: Knowledge | None, alpha: float, confidence: Confidence | None = None
    ) -> DecisionMaker:
        """For a line with these rules, or with none."""
        if knowledge is None:
            return cls(alpha, Wording(), has_knowledge=False, confidence=confidence)
        wording = Wording(knowledge.file.part, knowledge.file.parts)
        return cls(alpha, wording, has_knowledge=True, confidence=confidence)

    def decide(
        self,
        anomaly: AnomalyMap,
        regions: Sequence[Region],
        checks: Sequence[ClauseCheck],
        unruled: Sequence[Unruled] = (),
        fault: str | None = None,
        opinion: Opinion | None = None,
    ) -> tuple[Decision, tuple[Step, ...]]:
        """Give the verdict, and the steps that say what it rests on.

        Args:
            anomaly: Map, score and p-value.
            regions: Places that stand out.
            checks: Clauses that may apply.
            unruled: What no clause says anything about.
            fault: Why the rules cannot be computed; then a person shall look.
            opinion: What a language model takes the image for. It may send a part to review that
                the numbers would reject, or accept as within its tolerances, and never do more.
        """
        broken = sorted((c for c in checks if not c.within), key=_gravity, reverse=True)
        seen = _Seen(anomaly, regions, checks, broken, unruled, fault)
        by_numbers = self._weigh(seen)
        verdict, text, clause = self._hear(by_numbers, opinion)
        decision = Decision(
            verdict=verdict,
            confidence=self._confidence.of(
                verdict,
                anomaly.p_value,
                anomaly.calibration_size,
                by_rules=clause is not None or self._is_tolerated(anomaly, verdict),
            ),
            defects=() if verdict == "accept" else _defects(regions, checks),
            deciding_clause=clause,
            reason=text,
        )
        cited = ["anomaly", *(r.id for r in regions), *(c.id for c in checks)]
        if opinion is None:
            return decision, (_closing(text, cited),)
        heard = opinion_step(opinion, self._standing_in_words(by_numbers.verdict, opinion))
        return decision, (heard, _closing(text, [*cited, "opinion"]))

    def _is_tolerated(self, anomaly: AnomalyMap, verdict: Verdict) -> bool:
        return verdict == "accept" and is_suspicious(anomaly, self._alpha)

    def _hear(self, ruled: _Ruled, opinion: Opinion | None) -> _Ruled:
        """The verdict by the numbers, or a review where the opinion contests it."""
        standing = opinion.standing if opinion else None
        if (
            opinion is None
            or standing is None
            or not contests(ruled.verdict, standing, self._alpha)
        ):
            return ruled
        seen = f"{opinion.model} takes it for {opinion_in_words(opinion)}"
        why = standing_in_words(ruled.verdict, standing, self._alpha).removeprefix(CONTESTS)
        measured = f"{ruled.text[0].lower()}{ruled.text[1:].rstrip('.')}"
        text = f"To review: two sides differ. By the numbers it is {measured}. But {seen}; {why}."
        return _Ruled("review", text, ruled.clause)

    def _standing_in_words(self, verdict: Verdict, opinion: Opinion) -> str:
        if opinion.standing is None:
            return "This has no say in the verdict."
        if verdict == "review":
            return "A person decides anyway."
        return f"{standing_in_words(verdict, opinion.standing, self._alpha)}."

    def _weigh(self, seen: _Seen) -> _Ruled:
        anomaly = seen.anomaly
        if not is_suspicious(anomaly, self._alpha):
            aside = set_aside_in_words(anomaly.twin) if anomaly.twin else ""
            return _Ruled("accept", f"Accepted: {self._rank_in_words(anomaly)}{aside}.")
        if anomaly.twin and anomaly.p_value > self._alpha and not is_beyond_all(anomaly):
            return self._weigh_twin(seen, anomaly.twin)
        if not anomaly.part_found:
            why = (
                f"nothing stands out from the background; the image {self._rank_in_words(anomaly)}"
            )
            return _Ruled("review", f"To review: {why}.")
        what = f"{self._what(seen.regions)} {self._rank_in_words(anomaly)}"
        if anomaly.p_value > self._alpha:
            return _Ruled("review", f"To review: {what}{self._too_few(anomaly.calibration_size)}.")
        if not seen.regions:
            return _Ruled("review", f"To review: {what}, but no single place stands out.")
        return self._apply_rules(seen, what)

    def _too_few(self, n: int) -> str:
        if n == 0:
            return ""
        return (
            f", but {n} normal {self._wording.parts} cannot promise fewer false rejects than "
            f"{percent(smallest_p_value(n))}; for {percent(self._alpha)} enrol at least "
            f"{images_needed(self._alpha)}"
        )

    def _apply_rules(self, seen: _Seen, what: str) -> _Ruled:
        """The strictest consequence of what is broken or not ruled at all."""
        if not self._has_knowledge:
            return _Ruled("reject", f"Rejected: {what}; the line has no knowledge file.")
        if seen.fault is not None:
            why = f"the rules cannot be applied: {seen.fault}"
            return _Ruled("review", f"To review: {what}; {why}.")
        then = seen.broken[0].clause.then if seen.broken else "accept"
        if then != "reject" and (seen.unruled or not seen.checks):
            return _Ruled("reject", f"Rejected: {what}; {unruled_in_words(seen.unruled)}.")
        if then == "accept":
            return _Ruled("accept", f"Accepted: {what}, but {_fine_in_words(seen)}.")
        begin = "Rejected" if then == "reject" else "To review"
        text = f"{begin}: {what}; {broken_in_words(seen.broken[0], seen.checks)}."
        return _Ruled(then, text, seen.broken[0].clause.id)

    def _weigh_twin(self, seen: _Seen, twin: TwinScore) -> _Ruled:
        name = twin.path.name
        what = f"{self._what(seen.regions)} differs from {name}, which else shows the same"
        then = seen.broken[0].clause.then if seen.broken else "accept"
        if seen.checks and then == "accept" and not seen.unruled:
            return _Ruled("accept", f"Accepted: {what}, but {_fine_in_words(seen)}.")
        return _Ruled(
            "review",
            f"To review: {what}; {seen.anomaly.calibration_size} normal {self._wording.parts} are "
            "too few to calibrate such differences, so the promise on false rejects does not cover "
            "them.",
        )

    def _what(self, regions: Sequence[Region]) -> str:
        if not regions:
            return f"the {self._wording.part} as a whole"
        others = len(regions) - 1
        asides = [kinds_in_words(regions[0])] if regions[0].kinds else []
        if others:
            asides.append(f"with {others} more {'place' if others == 1 else 'places'}")
        return ", ".join([describe(regions[0]), *asides]) + ("," if asides else "")

    def _rank_in_words(self, anomaly: AnomalyMap) -> str:
        n, p = anomaly.calibration_size, anomaly.p_value
        if n == 0:
            enrolled = "no normal image" if anomaly.by_words_alone else "a single image"
            return f"has nothing to be compared with, since {enrolled} was enrolled"
        normal = f"{n} normal {self._wording.parts}"
        above = round(p * (n + 1)) - 1
        if anomaly.twin is not None and anomaly.twin.decides:
            return f"{self._differs_in_words(anomaly.twin, above, normal)} (p = {p:.2g})"
        # Those that differ from their twins rank above, whatever they score.
        others = above - anomaly.differing
        aside = ""
        if anomaly.differing:
            verb = "differs from its twin" if anomaly.differing == 1 else "differ from their twins"
            aside = f"; {anomaly.differing} more {verb}, which ranks above"
        if is_beyond_all(anomaly) or (p <= self._alpha and not others):
            return f"scores beyond all {normal}{aside} (p = {p:.2g})"
        if p <= self._alpha:
            return f"scores beyond all but {others} of {normal}{aside} (p = {p:.2g})"
        return f"{others} of {normal} score at least as high{aside} (p = {p:.2g})"

    def _differs_in_words(self, twin: TwinScore, above: int, normal: str) -> str:
        """How far it differs from its twin; so many normal images do so as much, which gives p."""
        words = f"differs from {twin.path.name}, which else shows the same,"
        if not above:
            return f"{words} more than any of {normal} does from its twin"
        do = "do from their twins" if above > 1 else "does from its twin"
        return f"{words} as much as only {above} of {normal} {do}"


def _fine_in_words(seen: _Seen) -> str:
    """Why what stands out is accepted, with the notes of clauses that only ask for one."""
    fine = "it is within every limit that may apply"
    if not seen.broken:
        return fine
    notes = "; ".join(broken_in_words(check, ()) for check in seen.broken)
    return f"it is within every limit that rejects it; {notes}"


def _closing(text: str, cited: Sequence[str]) -> Step:
    return Step(looked_at="all evidence", found=text, evidence_ids=tuple(cited))


def _gravity(check: ClauseCheck) -> tuple[int, int, float]:
    clause, measured = check.clause, check.measured
    part, whole = (clause.limit, measured) if clause.is_lower else (measured, clause.limit)
    over = part / whole if whole else float("inf")
    return _GRAVITY[clause.then], _SEVERITY_RANK[clause.severity], over


def _defects(regions: Sequence[Region], checks: Sequence[ClauseCheck]) -> tuple[Defect, ...]:
    names = tuple(dict.fromkeys(c.clause.defect for c in checks if c.clause.defect is not None))
    if not regions:
        return (Defect(name=_only(names), candidates=names, region_id=None, check_ids=()),)
    return tuple(_defect(region, names, checks) for region in regions)


def _defect(region: Region, names: tuple[str, ...], checks: Sequence[ClauseCheck]) -> Defect:
    kinds = region.kinds
    candidates = names if kinds is None or kinds.unknown else kinds.names
    return Defect(
        # Of no kind that was shown it is not the only one of the file either.
        name="unknown" if kinds is not None and kinds.unknown else _only(candidates),
        candidates=candidates,
        region_id=region.id,
        check_ids=tuple(c.id for c in checks if region.id in c.region_ids),
    )


def _only(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else "unknown"
