"""An inspection on one page of plain sentences: what a small model reads before it is asked.

Whatever a model shall say stands here in words that it can repeat; numbers, kinds and the verdict
are computed before (localisation apart from dialogue, as in EIAD). Each line is one sentence that
stands for itself and begins with what it is about, so that it can be found and quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from experts.answers.known import Known
from experts.claims import Facts
from experts.claims.facts import Source, quote_key
from experts.claims.text import sentences
from experts.evidence import Clause, ClauseCheck, Region, Verdict
from experts.knowledge.relevance import Relevance
from experts.knowledge.schema import DefectKnowledge
from experts.wording import describe, look_of, measured_in_words, size_of, where_of

# Among more places, rules and kinds of defects a small model loses its way.
MAX_PLACES = 5
MAX_RULES = 3
MAX_KINDS = 8
NOTHING = "Nothing stands out on it."
NOT_KNOWN = "That is not known."
ENDS: dict[Verdict, str] = {
    "accept": "accepted", "reject": "rejected", "review": "held for a person to look at"
}  # fmt: skip


def sheet(known: Known, question: str = "") -> str:
    """The page on an inspection, a line for each thing that is known.

    Args:
        known: What is known of the inspection.
        question: Of long knowledge files the page tells what matters for it.
    """
    parts = (_of_part(known), _of_places(known), _of_rules(known), _of_file(known, question))
    return "\n".join(chain.from_iterable(parts))


def sayable(known: Known, page: str) -> list[str]:
    """All sentences that are right to say of an inspection: those of its page, and shorter ones.

    Args:
        known: What is known of it.
        page: Its page.
    """
    end, regions = end_line(known), known.inspection.regions[:MAX_PLACES]
    said = [f"{end[0].upper()}{end[1:]}.", f"Yes, {end}.", f"No, {end}.", NOT_KNOWN]
    said += [f"That is not decided: {end}."] if known.inspection.verdict == "review" else []
    said += page.splitlines()
    for region in regions:
        kind = kind_line(known, region)
        said += [where_line(region), size_line(region), look_line(region)]
        said += [f"Yes, {kind}", f"No, {kind}"] if "not known" not in kind else []
    if not regions:
        said.append(f"No, {NOTHING[0].lower()}{NOTHING[1:]}")
    return list(dict.fromkeys(said))


def with_quotes(facts: Facts, sheet_text: str) -> Facts:
    """Facts of which the lines of a sheet may be repeated word for word.

    Args:
        facts: What is known of the inspection.
        sheet_text: Its sheet.
    """
    lines = (line for line in sheet_text.splitlines() if len(sentences(line)) == 1)
    keys: dict[str, Source] = {quote_key(line): "evidence" for line in lines}
    return replace(facts, quotes={**facts.quotes, **keys})


def part_of(known: Known) -> str:
    """How sentences call the part."""
    return known.knowledge.file.part if known.knowledge is not None else "part"


def verdict_line(known: Known) -> str:
    """The verdict."""
    return f"The verdict on this {part_of(known)} is {known.inspection.verdict}."


def end_line(known: Known) -> str:
    """What becomes of the part: ``the tile is rejected``."""
    return f"the {part_of(known)} is {ENDS[known.inspection.verdict]}"


def product_line(known: Known) -> str | None:
    """What the product is."""
    if known.knowledge is None:
        return None
    product = known.knowledge.file.product
    return f"The product is {'an' if product[0].lower() in 'aeiou' else 'a'} {product}."


def normal_line(known: Known) -> str | None:
    """What a good part looks like."""
    said = _in_one(known.quoted(known.knowledge.file.normal)) if known.knowledge else ""
    return f"A good {part_of(known)}: {said}." if said else None


def count_line(regions: Sequence[Region]) -> str:
    """How many places stand out."""
    if not regions:
        return NOTHING
    return f"{len(regions)} place{' stands' if len(regions) == 1 else 's stand'} out."


def region_line(region: Region) -> str:
    """What a place looks like, its size and where it is."""
    return f"{region.id} is {describe(region)}."


def where_line(region: Region) -> str:
    """Where a place is."""
    return f"{region.id} lies {where_of(region)}."


def look_line(region: Region) -> str:
    """What a place looks like."""
    return f"{region.id} is {look_of(region)}."


def size_line(region: Region) -> str:
    """How large a place is."""
    return f"{region.id} is about {size_of(region)}."


def kind_line(known: Known, region: Region) -> str:
    """What kind a place is taken for; that a rule may apply to it tells no kind."""
    if region.kinds is None or region.kinds.unknown:
        return f"The kind of {region.id} is not known."
    verb = "is taken for" if len(region.kinds.names) == 1 else "may be"
    return f"{region.id} {verb} {' or '.join(map(known.named, region.kinds.names))}."


def rule_lines(known: Known) -> list[str]:
    """The rule that decided, then others that do not hold, then those that do."""
    inspection = known.inspection
    deciding = inspection.decision.deciding_clause

    def importance(check: ClauseCheck) -> tuple[bool, bool, bool]:
        return check.clause.id != deciding, check.within, not check.region_ids

    return [_rule(check) for check in sorted(inspection.clause_checks, key=importance)[:MAX_RULES]]


def kinds_line(known: Known) -> str | None:
    """Which kinds of defects the knowledge file tells of."""
    names = [known.named(d.name) for d in known.knowledge.file.defects] if known.knowledge else []
    return f"Known kinds of defects: {', '.join(names[:MAX_KINDS])}." if names else None


def fact_lines(known: Known, defect: DefectKnowledge) -> dict[str, str]:
    """What the knowledge file says of a kind of defect, a line for each thing, by its name."""
    name = known.named(defect.name)
    clauses = known.knowledge.clauses if known.knowledge else ()
    rules = [c for c in clauses if c.defect == defect.name]
    allowed = "; ".join(f"{c.allows}{_zone(c)}" for c in rules) or "none"
    told = {
        "names": ", ".join(map(known.named, defect.synonyms)),
        "looks": _in_one(known.quoted(defect.appearance)),
        "cause": _in_one(known.quoted(defect.cause)),
        "effect": _in_one(known.quoted(defect.effect)),
        "severity": defect.severity,
        "allowed": allowed,
    }
    heads = {
        "names": f"Other names of {name}", "looks": f"Looks of {name}", "cause": f"Cause of {name}",
        "effect": f"Effect of {name}", "severity": f"Severity of {name}",
        "allowed": f"Allowed of {name}",
    }  # fmt: skip
    return {what: f"{heads[what]}: {text}." for what, text in told.items() if text}


def _in_one(text: str) -> str:
    """A text as one sentence without its full stop, so that no part of it is quoted alone."""
    return "; ".join(text[span.start : span.end].rstrip(".!;") for span in sentences(text))


def _of_part(known: Known) -> Iterator[str]:
    yield from filter(None, (product_line(known), normal_line(known)))
    yield verdict_line(known)
    yield f"Reason: {known.inspection.decision.reason}"


def _of_places(known: Known) -> Iterator[str]:
    regions = known.inspection.regions
    yield count_line(regions)
    for region in regions[:MAX_PLACES]:
        yield region_line(region)
        yield kind_line(known, region)


def _of_rules(known: Known) -> Iterator[str]:
    yield from rule_lines(known)


def _rule(check: ClauseCheck) -> str:
    end = "within" if check.within else "beyond"
    about = f" for {check.clause.defect}" if check.clause.defect else ""
    return (
        f"Rule `{check.clause.id}`{about}: allowed is {check.clause.allows}{_zone(check.clause)}, "
        f"measured {measured_in_words(check)}; {end} the limit."
    )


def _zone(clause: Clause) -> str:
    return f" in {clause.zone}" if clause.zone else ""


def _of_file(known: Known, question: str) -> Iterator[str]:
    knowledge = known.knowledge
    if knowledge is None:
        return
    yield from filter(None, (kinds_line(known),))
    names = [defect.name for defect in knowledge.file.defects]
    excerpt = Relevance(knowledge).excerpt(names, known.inspection.regions, question=question)
    for defect in excerpt.defects[:MAX_KINDS]:
        yield from fact_lines(known, defect).values()
    for asked in excerpt.questions:
        if answer := _in_one(known.quoted(asked.answer)):
            yield f"On “{asked.question}” the file says: {answer}."
