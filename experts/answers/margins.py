"""What is said of how near a verdict came to another: p against alpha, measured against limits."""

from __future__ import annotations

from collections.abc import Sequence

from experts.answers.known import Known, Told
from experts.answers.weighing import MAX_BROKEN, computed, listed, next_step
from experts.evidence import ClauseCheck, Region
from experts.wording import in_words


def margin(known: Known, regions: Sequence[Region]) -> Told:
    """Which clauses do not hold and by how much, or how near the nearest came; and p."""
    checks, asked = known.inspection.clause_checks, {region.id for region in regions}
    broken = [c for c in checks if not c.within and (not asked or asked & set(c.broken_by))]
    said = [computed(check) for check in broken[:MAX_BROKEN]]
    if more := broken[MAX_BROKEN:]:
        said.append(f"Not within the limit are also {listed(more)}.")
    if not checks and (clause := known.inspection.decision.deciding_clause) is not None:
        said.append(f"Clause `{clause}` decided.")
    # A clause that nothing was measured for has no place that came near its limit.
    held = (c for c in checks if c.within and c.clause.limit and c.region_ids)
    near = sorted(held, key=_room)
    if near and not broken:
        said.append(f"The nearest to its limit: {computed(near[0])} {_left(near[0])}")
    said += [_p_against_alpha(known), *next_step(known, ()).sentences]
    ids = (c.id for c in (*broken, *(near[:1] if not broken else ())))
    return Told(tuple(said), ("anomaly", *ids))


def _room(check: ClauseCheck) -> float:
    """How far a value is from its limit, as a share of it."""
    return abs(check.measured - check.clause.limit) / check.clause.limit


def _left(check: ClauseCheck) -> str:
    by = in_words(abs(check.measured - check.clause.limit), 3)
    return f"That leaves {by}{check.clause.unit_in_words}."


def _p_against_alpha(known: Known) -> str:
    anomaly, alpha = known.inspection.anomaly, known.alpha
    if anomaly.calibration_size == 0:
        return "There is no normal image to tell how unusual it is."
    return f"Its p-value is {anomaly.p_value:.2g}; up to {alpha:g} a part counts as unusual."


def odds(known: Known, _regions: Sequence[Region]) -> Told:
    """How probable it is that the part is good, where the verdict says so or denies it."""
    decision = known.inspection.decision
    if decision.verdict == "review":
        said = "How probable it is that the part is good cannot be told: a person must decide."
        return Told((said, *next_step(known, ()).sentences), ("decision",))
    right = decision.confidence
    good = right if decision.verdict == "accept" else 1 - right
    said = (
        f"The probability that the part is good is {good:.2f}, as if good and defective parts "
        "came equally often."
    )
    return Told((said, *next_step(known, ()).sentences), ("decision",))


def resolve(known: Known, _regions: Sequence[Region]) -> Told:
    """How a person judges the part."""
    stored = known.inspection.id
    how = (
        f"echo-iad review resolve {stored} accept|reject --by NAME --reason TEXT"
        if stored
        else "echo-iad review resolve, once the inspection is stored"
    )
    said = (*next_step(known, ()).sentences, f"Who judges the part says so with: {how}.")
    return Told(said, ("decision",))
