"""An inspection on one page of plain sentences: what a small model reads before it is asked.

Whatever a model shall say stands here in words that it can repeat; numbers, kinds and the verdict
are computed before (localisation apart from dialogue, as in EIAD).
"""

from __future__ import annotations

from collections.abc import Iterator

from experts.answers.known import Known
from experts.evidence import Clause, ClauseCheck, Region
from experts.knowledge.relevance import Relevance
from experts.knowledge.schema import DefectKnowledge
from experts.wording import describe, measured_in_words

# Among more places, rules and kinds of defects a small model loses its way.
MAX_PLACES = 5
MAX_RULES = 3
MAX_KINDS = 8
NO_KIND = "its kind is not known"
NOTHING = "Nothing stands out on it."


def sheet(known: Known, question: str = "") -> str:
    """The page on an inspection, a line for each thing that is known.

    Args:
        known: What is known of the inspection.
        question: Of long knowledge files the page tells what matters for it.
    """
    return "\n".join(
        (*_of_part(known), *_of_places(known), *_of_rules(known), *_of_file(known, question))
    )


def _of_part(known: Known) -> Iterator[str]:
    decision = known.inspection.decision
    part = "part"
    if known.knowledge is not None:
        file = known.knowledge.file
        part = file.part
        yield f"The product is a {file.product}. A good {part}: {known.quoted(file.normal)}"
    yield f"The verdict on this {part} is {decision.verdict}. Reason: {decision.reason}"


def _of_places(known: Known) -> Iterator[str]:
    regions = known.inspection.regions
    if not regions:
        yield NOTHING
        return
    yield f"{len(regions)} {'place stands' if len(regions) == 1 else 'places stand'} out."
    for region in regions[:MAX_PLACES]:
        yield f"{region.id} is {describe(region)}; {kind_on_sheet(known, region)}."


def kind_on_sheet(known: Known, region: Region) -> str:
    """What kind a region is taken for, by examples; that a rule may apply tells no kind."""
    if region.kinds is None or region.kinds.unknown:
        return NO_KIND
    verb = "it is taken for" if len(region.kinds.names) == 1 else "it may be"
    return f"{verb} {' or '.join(map(known.named, region.kinds.names))}"


def _of_rules(known: Known) -> Iterator[str]:
    """The rule that decided, then others that do not hold, then those that do."""
    inspection = known.inspection
    deciding = inspection.decision.deciding_clause
    checks = sorted(
        inspection.clause_checks,
        key=lambda c: (c.clause.id != deciding, c.within, not c.region_ids),
    )
    for check in checks[:MAX_RULES]:
        yield _rule(check)


def _rule(check: ClauseCheck) -> str:
    end = "this holds" if check.within else "this is broken"
    return (
        f"Rule `{check.clause.id}`{_of(check.clause)}: allowed is {check.clause.allows}, measured "
        f"{measured_in_words(check)}; {end}."
    )


def _of(clause: Clause) -> str:
    about = f" for {clause.defect}" if clause.defect else ""
    return f"{about} in {clause.zone}" if clause.zone else about


def _of_file(known: Known, question: str) -> Iterator[str]:
    knowledge = known.knowledge
    if knowledge is None:
        return
    names = [defect.name for defect in knowledge.file.defects]
    excerpt = Relevance(knowledge).excerpt(names, known.inspection.regions, question=question)
    for defect in excerpt.defects[:MAX_KINDS]:
        yield " ".join(_of_kind(known, defect))
    for asked in excerpt.questions:
        if answer := known.quoted(asked.answer):
            yield f"{asked.question} {answer}"


def _of_kind(known: Known, defect: DefectKnowledge) -> Iterator[str]:
    """What the knowledge file says of a kind of defect."""
    also = f" (or {', '.join(map(known.named, defect.synonyms))})" if defect.synonyms else ""
    yield f"{known.named(defect.name)}{also}, {defect.severity}."
    for what, text in (
        ("Looks", defect.appearance), ("Cause", defect.cause), ("Effect", defect.effect)
    ):  # fmt: skip
        if said := known.quoted(text):
            yield f"{what}: {said}"
    clauses = known.knowledge.clauses if known.knowledge else ()
    rules = [c for c in clauses if c.defect == defect.name]
    allowed = "; ".join(f"{c.allows}{_of(c).removeprefix(f' for {c.defect}')}" for c in rules)
    yield f"Allowed: {allowed or 'none'}."
