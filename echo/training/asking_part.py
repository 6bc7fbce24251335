"""Questions on the part as a whole: verdict, yes or no, what comes next, what nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from echo.training.lessons import Ask
from echo.training.pen import CHOOSES, Pen
from experts.answers.weighing import next_step
from experts.evidence import Verdict
from experts.mllm.nano.texts import texts
from experts.sheet import (
    ENDS,
    NOT_KNOWN,
    count_line,
    end_line,
    kind_line,
    normal_line,
    region_line,
    rule_lines,
    verdict_line,
)

# Of so many places an explanation tells.
MAX_TOLD = 3
# What "yes" means for each of these, by the verdict; a part that is held back is not shipped, but
# whether it is defective is not decided.
_YES: Mapping[str, frozenset[Verdict]] = {
    "defective": frozenset({"reject"}),
    "flawless": frozenset({"accept"}),
    "ship": frozenset({"accept"}),
    "hold_back": frozenset({"reject", "review"}),
    "scrap": frozenset({"reject"}),
    "look_again": frozenset({"review"}),
}
_OPEN = frozenset({"defective", "flawless"})
UNDECIDED = "Not decided"


def yes_or_no(topic: str) -> Callable[[Pen], Ask]:
    """A question that is answered by yes or no."""

    def ask(pen: Pen) -> Ask:
        verdict, end = pen.known.inspection.verdict, end_line(pen.known)
        is_open = topic in _OPEN and verdict == "review"
        said = "Yes" if verdict in _YES[topic] else "No"
        mmad = "presence" if topic == "defective" else None
        if pen.chance(CHOOSES):
            if is_open:
                return pen.choose(topic, UNDECIDED, ["Yes", "No"])
            other = "No" if said == "Yes" else "Yes"
            return pen.choose(topic, said, [other], mmad)
        text = f"That is not decided: {end}." if is_open else f"{said}, {end}."
        return pen.write(topic, text)

    return ask


def verdict(pen: Pen) -> Ask:
    """What the verdict is."""
    said = pen.known.inspection.verdict
    if pen.chance(CHOOSES):
        if pen.chance(0.5):
            return pen.choose("verdict", said, [v for v in ENDS if v != said])
        return pen.choose("verdict", ENDS[said], [end for v, end in ENDS.items() if v != said])
    return pen.write("verdict", verdict_line(pen.known))


def why(pen: Pen) -> Ask:
    """The reason."""
    return pen.write("why", f"Reason: {pen.known.inspection.decision.reason}")


def next_(pen: Pen) -> Ask:
    """What comes next."""
    return pen.write("next", next_step(pen.known, ()).sentences[0])


def unknown(pen: Pen) -> Ask:
    """What no sheet tells, also of a kind that it names."""
    file = pen.known.knowledge.file if pen.known.knowledge else None
    slots = {"defect": pen.pick(file.defects).name if file and file.defects else "crack"}
    if pen.chance(CHOOSES):
        others = [verdict_line(pen.known), count_line(pen.known.inspection.regions)]
        others += filter(None, [normal_line(pen.known)])
        return pen.choose("unknown", NOT_KNOWN, others, **slots)
    return pen.write("unknown", NOT_KNOWN, **slots)


def explain(pen: Pen) -> Ask:
    """The whole in a few sentences, asked for as in an inspection or in other words."""
    if pen.chance(0.5):
        return Ask("explain", texts().explain, explanation(pen))
    return pen.write("explain", explanation(pen))


def explanation(pen: Pen) -> str:
    """Verdict, places with their kinds, and the rule that decided."""
    known = pen.known
    end, inspection = end_line(known), known.inspection
    said = [f"{end[0].upper()}{end[1:]}."]
    for region in inspection.regions[:MAX_TOLD]:
        said.append(region_line(region))
        if region.kinds is not None and not region.kinds.unknown:
            said.append(kind_line(known, region))
    if not inspection.regions:
        said.append(count_line(()))
    if inspection.decision.deciding_clause is not None:
        said += rule_lines(known)[:1]
    return " ".join(said)
