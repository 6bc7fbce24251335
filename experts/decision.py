"""The Decision Maker: the verdict as a function of p-value and clause checks, in code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experts.decoder.conformal import images_needed, percent, smallest_p_value
from experts.evidence import (
    AnomalyMap,
    ClauseCheck,
    Decision,
    Defect,
    Region,
    Step,
    TwinScore,
    Verdict,
)

_SEVERITY_RANK = {"minor": 0, "major": 1, "critical": 2}


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


class DecisionMaker:
    """Accepts, rejects or asks for a review.

    Args:
        alpha: The false-reject rate that the line promises.
        wording: How the line calls its parts.
        has_knowledge: Whether the line has a knowledge file.
        unlimited: Defects of that file without a limit: a region that may be one is not allowed.

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
        unlimited: frozenset[str] = frozenset(),
    ) -> None:
        self._alpha = alpha
        self._wording = wording
        self._has_knowledge = has_knowledge
        self._unlimited = unlimited

    def decide(
        self, anomaly: AnomalyMap, regions: Sequence[Region], checks: Sequence[ClauseCheck]
    ) -> tuple[Decision, Step]:
        """Give the verdict, and the step that says what it rests on."""
        broken = sorted((c for c in checks if not c.within), key=_gravity, reverse=True)
        verdict, text = self._weigh(anomaly, regions, checks, broken)
        decision = Decision(
            verdict=verdict,
            confidence=_confidence(verdict, anomaly.p_value, self._alpha),
            defects=() if verdict == "accept" else _defects(regions, checks),
            deciding_clause=broken[0].clause.id if broken and verdict == "reject" else None,
            reason=text,
        )
        cited = ["anomaly", *(r.id for r in regions), *(c.id for c in checks)]
        return decision, Step(looked_at="all evidence", found=text, evidence_ids=tuple(cited))

    def _weigh(
        self,
        anomaly: AnomalyMap,
        regions: Sequence[Region],
        checks: Sequence[ClauseCheck],
        broken: Sequence[ClauseCheck],
    ) -> tuple[Verdict, str]:
        if not is_suspicious(anomaly, self._alpha):
            return "accept", f"Accepted: {self._rank_in_words(anomaly)}."
        if anomaly.twin and anomaly.p_value > self._alpha and not is_beyond_all(anomaly):
            return self._weigh_twin(anomaly, anomaly.twin, regions, checks, broken)
        if not anomaly.part_found:
            rank = self._rank_in_words(anomaly)
            return "review", f"To review: nothing stands out from the background; the image {rank}."
        seen = f"{self._what(regions)} {self._rank_in_words(anomaly)}"
        if anomaly.p_value > self._alpha:
            n, needed = anomaly.calibration_size, images_needed(self._alpha)
            if n == 0:
                return "review", f"To review: {seen}."
            return "review", (
                f"To review: {seen}, but {n} normal {self._wording.parts} cannot promise fewer "
                f"false rejects than {percent(smallest_p_value(n))}; "
                f"for {percent(self._alpha)} enrol at least {needed}."
            )
        if not regions:
            return "review", f"To review: {seen}, but no single place stands out."
        if broken:
            return "reject", f"Rejected: {seen}; {_broken_in_words(broken[0])}."
        if unlimited := self._without_limit(regions):
            return "reject", f"Rejected: {seen}; {unlimited}."
        if checks:
            return "accept", f"Accepted: {seen}, but it is within every limit that may apply."
        why = "no limit allows it" if self._has_knowledge else "the line has no knowledge file"
        return "reject", f"Rejected: {seen}; {why}."

    def _weigh_twin(
        self,
        anomaly: AnomalyMap,
        twin: TwinScore,
        regions: Sequence[Region],
        checks: Sequence[ClauseCheck],
        broken: Sequence[ClauseCheck],
    ) -> tuple[Verdict, str]:
        seen = f"{self._what(regions)} differs from {twin.path.name}, which else shows the same"
        if checks and not broken and not self._without_limit(regions):
            return "accept", f"Accepted: {seen}, but it is within every limit that may apply."
        return "review", (
            f"To review: {seen}; {anomaly.calibration_size} normal {self._wording.parts} are too "
            "few to calibrate such differences, so the promise on false rejects does not cover "
            "them."
        )

    def _without_limit(self, regions: Sequence[Region]) -> str:
        """Which kind of which region no limit allows, in words; empty if there is none."""
        for region in regions:
            for name in region.kinds.names if region.kinds else ():
                if name in self._unlimited:
                    return f"no limit allows {name} ({region.id})"
        return ""

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
            alike = f"only {above}" if above else "none"
            return (
                f"differs from {anomaly.twin.path.name}, which else shows the same, as {alike} of "
                f"{normal} {'do' if above > 1 else 'does'} from another (p = {p:.2g})"
            )
        if is_beyond_all(anomaly):
            return f"scores beyond all {normal} (p = {p:.2g})"
        if p <= self._alpha:
            return f"scores beyond all but {above} of {normal} (p = {p:.2g})"
        return f"{above} of {normal} score at least as high (p = {p:.2g})"


def describe(region: Region) -> str:
    """A region in words: looks, size and place."""
    article = "an" if region.looks.startswith("odd") else "a"
    if region.length_mm is not None and region.width_mm is not None:
        size = f"{in_words(region.length_mm, 2)} × {in_words(region.width_mm, 2)} mm"
    else:
        size = f"{region.length_px:.0f} × {region.width_px:.0f} px"
    where = "in the" if region.place == "centre" else "at the"
    return f"{article} {region.looks} of about {size} {where} {region.place}"


def kinds_in_words(region: Region) -> str:
    """What kind a region is taken for, as it follows its description; empty if nothing tells."""
    if region.kinds is None:
        return ""
    if region.kinds.unknown:
        return "of no kind that was shown"
    verb = "taken for" if len(region.kinds.names) == 1 else "which may be"
    return f"{verb} {region.kinds.in_words}"


def in_words(value: float, digits: int) -> str:
    """A number with ``digits`` significant digits, and never an exponent for a large one."""
    return f"{value:.{digits}g}" if value < 10**digits else f"{value:.0f}"


def measured_in_words(check: ClauseCheck) -> str:
    """The measured value with its unit, and enough digits to tell it from the limit."""
    limit = f"{check.clause.maximum:g}"
    texts = (in_words(check.measured, digits) for digits in range(3, 9))
    shown = next((t for t in texts if t != limit or check.within), f"just over {limit}")
    return shown + check.clause.unit_in_words


def _broken_in_words(check: ClauseCheck) -> str:
    clause = check.clause
    if clause.maximum == 0:
        return f"clause `{clause.id}` allows none"
    measured = measured_in_words(check)
    return f"clause `{clause.id}` allows {clause.allows}, measured {measured}"


def _gravity(check: ClauseCheck) -> tuple[int, float]:
    over = check.measured / check.clause.maximum if check.clause.maximum else float("inf")
    return _SEVERITY_RANK[check.clause.severity], over


def _confidence(verdict: Verdict, p_value: float, alpha: float) -> float:
    if verdict == "reject":
        return alpha / (alpha + p_value)
    if verdict == "accept" and p_value > alpha:
        return p_value / (alpha + p_value)
    return 0.5


def _defects(regions: Sequence[Region], checks: Sequence[ClauseCheck]) -> tuple[Defect, ...]:
    names = tuple(dict.fromkeys(c.clause.defect for c in checks))
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
