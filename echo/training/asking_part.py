"""Questions on the part as a whole: verdict, yes or no, what comes next, what nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from echo.training.lessons import Ask
from echo.training.pen import CHOOSES, Pen
from experts.answers.known import Known
from experts.mllm.nano.texts import texts
from experts.sheet import (
    ENDS,
    NOT_KNOWN,
    Deciding,
    count_line,
    decided_lines,
    kind_line,
    next_line,
    region_line,
    rule_lines,
    verdict_line,
)

# Of so many places an explanation tells.
MAX_TOLD = 3


def yes_or_no(topic: Deciding) -> Callable[[Pen], Ask]:
    """A question that is answered by yes or no, behind what it asks in plain words."""

    def ask(pen: Pen) -> Ask:
        mmad = "presence" if topic == "defective" else None
        return pen.write(topic, decided_lines(pen.known)[topic], mmad)

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
    return pen.write("why", pen.known.inspection.decision.reason)


def next_(pen: Pen) -> Ask:
    """What comes next."""
    return pen.write("next", next_line(pen.known))


def unknown(pen: Pen) -> Ask:
    """What no sheet tells, also of a kind that it names."""
    file = pen.known.knowledge.file if pen.known.knowledge else None
    slots = {"defect": pen.pick(file.defects).name if file and file.defects else "crack"}
    if pen.chance(CHOOSES):
        others = [verdict_line(pen.known), count_line(pen.known)]
        return pen.choose("unknown", NOT_KNOWN, others, **slots)
    return pen.write("unknown", NOT_KNOWN, **slots)


def explain(pen: Pen) -> Ask:
    """The whole in a few sentences, asked for as in an inspection or in other words."""
    ask = pen.write("explain", explanation(pen.known))
    return replace(ask, question=texts().explain if pen.chance(0.5) else ask.question, many=True)


def explanation(known: Known) -> str:
    """Places with their kinds, and the rule that decided; how it ended is said by code."""
    inspection, said = known.inspection, list[str]()
    for region in inspection.regions[:MAX_TOLD]:
        said += [region_line(region), kind_line(known, region)]
    if not inspection.regions:
        said.append(count_line(known))
    if inspection.decision.deciding_clause is not None:
        said += rule_lines(known)[:1]
    return " ".join(said)
