"""What is said of the verdict: why, by which rule, how sure, and what comes next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from experts.answers.known import RULES_LOST, Judged, Known, Told, rules_are_lost
from experts.clock import local_time
from experts.decoder.conformal import percent, smallest_p_value
from experts.evidence import Clause, ClauseCheck, Inspection, Region
from experts.wording import in_words, measured_in_words

# So many rules that do not hold are told with their figures, and so many are named in a list.
MAX_BROKEN, MAX_RULES = 3, 6


def verdict(known: Known, _regions: Sequence[Region]) -> Told:
    """The verdict, as it stands, and its reason."""
    after = next_step(known, ())
    told = why(known, ())
    return Told((*after.sentences, *told.sentences), told.evidence_ids)


def why(known: Known, _regions: Sequence[Region]) -> Told:
    """The reason, and the clause that decided."""
    decision = known.inspection.decision
    said, ids = [decision.reason], ["anomaly", *(r.id for r in known.inspection.regions)]
    if (check := _deciding(known)) is not None:
        said.append(computed(check))
        ids += [check.id]
    return Told(tuple(said), tuple(ids))


def next_step(known: Known, _regions: Sequence[Region]) -> Told:
    """What follows from the verdict, and what a person made of it since."""
    inspection, judged = known.inspection, known.judged
    said = f"The verdict is {inspection.verdict}"
    if judged is not None:
        return Told((f"{said}.", judged_in_words(judged)), ("decision",))
    if inspection.verdict == "review":
        said += ": a person must decide"
        said += f" (echo-iad review show {inspection.id})" if inspection.id else ""
    return Told((f"{said}.",), ("decision",))


def judged_in_words(judged: Judged) -> str:
    """Who found what, when and why; it stands beside the verdict, which stays."""
    found = {"accept": "accepted", "reject": "rejected"}[judged.verdict]
    reason = judged.reason.rstrip(".")
    return f"{judged.by} {found} it on {local_time(judged.time)}: “{reason}”."


def _deciding(known: Known) -> ClauseCheck | None:
    clause = known.inspection.decision.deciding_clause
    return next((c for c in known.inspection.clause_checks if c.clause.id == clause), None)


def computed(check: ClauseCheck) -> str:
    """A rule with its limit, what was measured, and how far that is beyond."""
    clause = check.clause
    what = f"`{clause.id}` ({clause.source}, line {clause.line})"
    measured = measured_in_words(check)
    said = f"Clause {what} allows{_of(clause)}: {clause.allows}; measured {measured}"
    if check.within:
        return f"{said}, within the limit."
    return f"{said}, not within the limit{_beyond(check)}."


def _beyond(check: ClauseCheck) -> str:
    """By how much a value is beyond its limit."""
    clause, by = check.clause, abs(check.measured - check.clause.limit)
    if clause.quantity in ("count", "score") or by == float("inf"):
        return ""
    side = "too little" if clause.is_lower else "over it"
    share = f", {in_words(check.measured / clause.limit, 3)} times it" if clause.limit else ""
    return f": {in_words(by, 3)}{clause.unit_in_words} {side}{share}"


def rule(known: Known, regions: Sequence[Region]) -> Told:
    """Which rule decided, what it would allow, and how far over its limit the part is."""
    inspection = known.inspection
    if inspection.sight.fault is not None:
        return Told((f"The rules cannot be applied: {inspection.sight.fault}.",))
    checks = inspection.clause_checks
    if not checks:
        return _all_rules(known)
    wanted = {region.id for region in regions}
    broken = [c for c in checks if not c.within and (not wanted or wanted & set(c.broken_by))]
    deciding = _deciding(known)
    if deciding is not None:
        broken = [deciding, *(c for c in broken if c is not deciding)]
    fine = [c for c in checks if c.within]
    # One clause that holds is worth telling only where it is asked for, or none is broken.
    shown = [*broken[:MAX_BROKEN], *(fine[: 0 if broken else MAX_BROKEN])]
    told = [computed(check) for check in shown]
    said = (
        [f"This clause decided. {told[0]}", *told[1:]]
        if deciding
        else ["No clause decided.", *told]
    )
    said += _others(broken[MAX_BROKEN:], fine[0 if broken else MAX_BROKEN :])
    return Told(tuple(said), tuple(c.id for c in (*broken, *fine)))


def _others(broken: Sequence[ClauseCheck], fine: Sequence[ClauseCheck]) -> list[str]:
    """How many more clauses were computed; each can be asked for by its name."""
    said = [f"{_clauses(broken)} not within the limit, too: {listed(broken)}."] if broken else []
    said += [f"{_clauses(fine)} within the limit: {listed(fine)}."] if fine else []
    return said


def _clauses(checks: Sequence[ClauseCheck]) -> str:
    return "1 more clause is" if len(checks) == 1 else f"{len(checks)} more clauses are"


def listed(checks: Sequence[ClauseCheck]) -> str:
    """The ids of clauses, the first ones of many."""
    names = ", ".join(f"`{check.clause.id}`" for check in checks[:MAX_RULES])
    more = len(checks) - MAX_RULES
    return f"{names} and {more} more" if more > 0 else names


def clauses_named(question: str, known: Known) -> Told | None:
    """What came of the clauses that a question names by their ids; ``None`` if it names none."""
    inspection = known.inspection
    clauses = known.knowledge.clauses if known.knowledge else _clauses_of(inspection)
    asked = question.casefold()
    named = [c for c in clauses if "." in c.id and _names(c.id.casefold(), asked)]
    if not named:
        return None
    checks = {check.clause.id: check for check in inspection.clause_checks}
    said = [
        computed(checks[clause.id]) if clause.id in checks else _not_computed(clause, inspection)
        for clause in named
    ]
    return Told(tuple(said), tuple(checks[c.id].id for c in named if c.id in checks))


def _names(clause: str, question: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(clause)}(?![\w]|\.\w)", question) is not None


def _clauses_of(inspection: Inspection) -> tuple[Clause, ...]:
    """Of rules that are lost, those that were computed."""
    return tuple(check.clause for check in inspection.clause_checks)


def _not_computed(clause: Clause, inspection: Inspection) -> str:
    said = f"Clause `{clause.id}` allows{_of(clause)}: {clause.allows}"
    if _keeps_checks(inspection):
        return f"{said}; it was not computed here."
    decided = " It decided." if clause.id == inspection.decision.deciding_clause else ""
    return f"{said}.{decided} What was measured for it was not stored."


def _keeps_checks(inspection: Inspection) -> bool:
    """Whether it would have clause checks if any were computed: Echos of before stored few."""
    return bool(inspection.steps)


def _of(clause: Clause) -> str:
    """What a clause is about, as it follows ``allows``."""
    of = f" of {clause.defect}" if clause.defect else ""
    return f"{of} in {clause.zone}" if clause.zone else of


def _all_rules(known: Known) -> Told:
    """What the rules allow, where there is nothing that was computed of them."""
    lost = rules_are_lost(known.inspection, known.knowledge)
    if known.knowledge is None and not lost:
        return Told(("The line has no knowledge file, so no rule allows anything.",), ("anomaly",))
    clauses = known.knowledge.clauses if known.knowledge else ()
    decided = known.inspection.decision.deciding_clause
    clauses = tuple(c for c in clauses if c.id == decided) or clauses
    said = [_why_no_checks(known.inspection), *([RULES_LOST] if lost else [])]
    said += [f"Clause `{c.id}` allows{_of(c)}: {c.allows}." for c in clauses[:MAX_RULES]]
    if len(clauses) > MAX_RULES:
        said.append(f"There are {len(clauses) - MAX_RULES} more clauses.")
    return Told(tuple(said), ("anomaly",))


def figures_lost(inspection: Inspection) -> tuple[str, ...]:
    """That nothing is known of the clause that decided but its name, where that is so."""
    decided = inspection.decision.deciding_clause
    if decided is None or decided in {check.clause.id for check in inspection.clause_checks}:
        return ()
    return (f"Clause `{decided}` decided. What was measured for it was not stored.",)


def _why_no_checks(inspection: Inspection) -> str:
    """Why there is no clause of which it can be said what was measured."""
    if lost := figures_lost(inspection):
        return lost[0]
    if inspection.verdict == "accept" and not inspection.regions:
        return "No clause was computed, since the part is clearly normal."
    if not _keeps_checks(inspection):
        return "No clause decided. What was measured for each was not stored."
    return "No clause could be computed."


def score(known: Known, _regions: Sequence[Region]) -> Told:
    """The score of the image, and how it ranks."""
    anomaly = known.inspection.anomaly
    said = f"Its anomaly score is {anomaly.score:.3g}; the higher, the more unusual."
    return Told((said, certainty(known, ()).sentences[0]), ("anomaly",))


def certainty(known: Known, _regions: Sequence[Region]) -> Told:
    """How unusual the part is, how sure the verdict, and what is promised."""
    inspection, alpha = known.inspection, known.alpha
    n, p = inspection.anomaly.calibration_size, inspection.anomaly.p_value
    if n == 0:
        said = ["There is no normal image to tell how unusual it is."]
    else:
        above = round(p * (n + 1)) - 1
        said = [
            f"p = {p:.2g}: {above or 'none'} of the {n} normal ones that it is compared with "
            f"{'ranks' if above == 1 else 'rank'} that high, and of good parts at most "
            f"{percent(p)} do in expectation."
        ]
    said.append(_confidence(inspection))
    if n and smallest_p_value(n) <= alpha * (1 + 1e-9):
        said.append(
            f"The line promises that at most {percent(alpha)} of its good parts are held back in "
            "expectation."
        )
    elif n:
        said.append(
            f"With {n} normal ones to compare with no less than {percent(smallest_p_value(n))} can "
            f"be promised, so {percent(alpha)} is not."
        )
    return Told(tuple(said), ("anomaly", "decision"))


def _confidence(inspection: Inspection) -> str:
    """The confidence, and what of."""
    decision = inspection.decision
    if decision.verdict == "review":
        return f"A person must decide, so the confidence is {decision.confidence:.2f}."
    return (
        f"The confidence that the verdict {decision.verdict} is right is {decision.confidence:.2f}."
    )
