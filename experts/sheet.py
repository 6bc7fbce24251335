"""An inspection on one page of plain sentences: what a small model reads before it is asked.

Beside it stands all that is right to say of the inspection; numbers, kinds and the verdict are
computed before (localisation apart from dialogue, as in EIAD). Each line is one sentence that
stands for itself and begins with what it is about, so that it can be found and quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal

from experts.answers import read_question
from experts.answers.known import Known
from experts.answers.weighing import next_step
from experts.claims import Facts
from experts.claims.facts import Source, quote_key
from experts.claims.text import sentences
from experts.evidence import Clause, ClauseCheck, Region, Verdict
from experts.knowledge.schema import DefectKnowledge
from experts.wording import article_of, describe, look_of, measured_in_words, size_of, where_of

# Among more places, rules and kinds of defects a small model loses its way.
MAX_PLACES = 5
MAX_RULES = 1
MAX_KINDS = 8
_VERDICT = re.compile(r"^The verdict on this .+ is (\w+)\.$", re.MULTILINE)
# "Is she all right?" and "Is it left to us?" name none.
_PLACE = re.compile(
    r"\bregion[- ]?\d|\b(top|bottom|upper|lower|left|right)[- ](left|right|edge|corner|half|side)\b"
    r"|\bin the (centre|center|middle)\b"
)
_KINDS = re.compile(r"^Known kinds of defects: (.+)\.$", re.MULTILINE)
NOTHING = "Nothing stands out on it."
NO_PLACE = "No single place stands out."
# With these begin the questions that answers of yes or no restate.
_ASKING = ("Is it ", "May it ", "Must ")
Deciding = Literal["defective", "flawless", "ship", "hold_back", "scrap", "look_again"]
# What is asked of a part as a whole, and of which verdicts the answer is yes; a part that waits for
# a person goes nowhere, but whether it is defective is not decided.
_DECIDING: dict[Deciding, tuple[str, frozenset[Verdict], bool]] = {
    "defective": ("Is it defective?", frozenset({"reject"}), True),
    "flawless": ("Is it good?", frozenset({"accept"}), True),
    "ship": ("May it go on?", frozenset({"accept"}), False),
    "hold_back": ("Must it be held back?", frozenset({"reject", "review"}), False),
    "scrap": ("Is it scrap?", frozenset({"reject"}), True),
    "look_again": ("Must a person look at it?", frozenset({"review"}), False),
}
NOT_KNOWN = "That is not known."
ENDS: dict[Verdict, str] = {
    "accept": "accepted", "reject": "rejected", "review": "held for a person to look at"
}  # fmt: skip


def sheet(known: Known) -> str:
    """The page on an inspection, a line for each thing that was found out.

    What the knowledge file says of kinds of defects is not on it: their names are, and by these it
    can be said, see ``sayable``.

    Args:
        known: What is known of the inspection.
    """
    return "\n".join(_lines(known))


def explaining(known: Known) -> list[str]:
    """Sentences of which an explanation can be made: how it ended, and what the page tells."""
    return [ended(known), *_lines(known)]


def ended(known: Known) -> str:
    """How it ended: ``The tile is rejected.``."""
    end = end_line(known)
    return f"{end[0].upper()}{end[1:]}."


def sayable(known: Known) -> list[str]:
    """All sentences that are right in answer to a question on an inspection.

    Those that say yes or no begin with the question that they answer, so that whoever chooses among
    them reads no more into a question than it asks.

    Args:
        known: What is known of it.
    """
    defects = kinds_told(known)
    said = chain(
        explaining(known),
        decided_lines(known).values(),
        chain.from_iterable(_of_all(line, known) for line in (where_line, size_line, look_line)),
        _of_all(lambda region: kind_line(known, region), known),
        (is_kind_line(known, defect.name) for defect in defects),
        chain.from_iterable(fact_lines(known, defect).values() for defect in defects),
        filter(None, (normal_line(known), known.inspection.decision.reason, next_line(known))),
        (NOT_KNOWN,),
    )
    return list(dict.fromkeys(map(_in_one_line, said)))


def restated(said: str, known: Known) -> tuple[str, str]:
    """What was said as the question that it restates, with a blank behind it, and the answer.

    Args:
        said: The question is empty if this is none of the sentences that begin with one.
        known: What is known of the inspection.
    """
    question, mark, answer = said.partition("? ")
    if not said.startswith(_ASKING) or not mark or said not in sayable(known):
        return "", said
    return f"{question}{mark}", answer


def with_quotes(facts: Facts, said: Sequence[str]) -> Facts:
    """Facts of which these sentences may be repeated word for word.

    Args:
        facts: What is known of the inspection.
        said: What can be said of it; only single sentences count.
    """
    lines = (line for line in said if len(sentences(line)) == 1)
    keys: dict[str, Source] = {quote_key(line): "evidence" for line in lines}
    return replace(facts, quotes={**facts.quotes, **keys})


def part_of(known: Known) -> str:
    """How sentences call the part."""
    return _in_one_line(known.knowledge.file.part) if known.knowledge is not None else "part"


def verdict_line(known: Known) -> str:
    """The verdict."""
    return f"The verdict on this {part_of(known)} is {known.inspection.verdict}."


def end_line(known: Known) -> str:
    """What becomes of the part: ``the tile is rejected``."""
    return f"the {part_of(known)} is {ENDS[known.inspection.verdict]}"


def read_verdict(page: str) -> Verdict | None:
    """The verdict that a page tells; ``None`` if it tells none."""
    found = _VERDICT.search(page)
    return next((verdict for verdict in ENDS if found and found[1] == verdict), None)


def names_found(question: str, page: str) -> bool:
    """Whether a question names a place, or a kind that the page knows, and asks for no verdict."""
    if read_question(question).of_verdict:
        return False
    known = _KINDS.search(page)
    kinds = re.split(r", | or | and \d+ more", known[1].casefold()) if known else []
    said = question.casefold()
    named = (re.search(rf"\b{re.escape(kind)}(?:s|es)?\b", said) for kind in kinds if kind)
    return _PLACE.search(said) is not None or any(named)


def decides(asked: Deciding, verdict: Verdict) -> bool | None:
    """Whether the answer is yes; ``None`` if that is not decided."""
    _, yes, is_open = _DECIDING[asked]
    return None if is_open and verdict == "review" else verdict in yes


def restatements() -> dict[Deciding, str]:
    """The questions of the part as a whole, in plain words."""
    return {asked: question for asked, (question, _, _) in _DECIDING.items()}


def decided_lines(known: Known) -> dict[Deciding, str]:
    """Yes or no to each question of the part as a whole, behind that question."""
    end, lines = end_line(known), dict[Deciding, str]()
    for asked, (question, _, _) in _DECIDING.items():
        is_so = decides(asked, known.inspection.verdict)
        said = {True: "Yes, ", False: "No, ", None: "That is not decided: "}[is_so]
        lines[asked] = f"{question} {said}{end}."
    return lines


def next_line(known: Known) -> str:
    """What comes next."""
    return next_step(known, ()).sentences[0]


def product_line(known: Known) -> str | None:
    """What the product is."""
    if known.knowledge is None:
        return None
    product = known.knowledge.file.product
    return f"The product is {article_of(product)} {product}."


def normal_line(known: Known) -> str | None:
    """What a good part looks like."""
    said = _in_one(known.quoted(known.knowledge.file.normal)) if known.knowledge else ""
    return f"A good {part_of(known)}: {said}." if said else None


def count_line(known: Known) -> str:
    """How many places stand out."""
    if not (regions := known.inspection.regions):
        return NOTHING if known.inspection.verdict == "accept" else NO_PLACE
    least = "At least " if known.facts.crowded else ""
    return f"{least}{len(regions)} place{' stands' if len(regions) == 1 else 's stand'} out."


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


def is_kind(known: Known, name: str) -> bool | None:
    """Whether a place is of a kind; ``None`` if that is not known."""
    regions = known.inspection.regions
    is_open = not regions and known.inspection.verdict != "accept"
    for region in regions:
        names = region.kinds.names if region.kinds is not None else ()
        if names == (name,):
            return True
        is_open = is_open or not names or name in names
    return None if is_open else False


def is_kind_line(known: Known, name: str) -> str:
    """Yes or no to the question whether a place is of a kind, behind that question."""
    said = {True: "Yes", False: "No", None: "Not known"}[is_kind(known, name)]
    regions = known.inspection.regions
    # The places that are of this kind are among those that are told.
    order = sorted(regions, key=lambda r: r.kinds is None or name not in r.kinds.names)
    lines = [kind_line(known, region) for region in order[:MAX_PLACES]]
    told = joined(lines) or count_line(known)
    return f"Is it {known.named(name)}? {said}: {told}"


def joined(lines: Sequence[str]) -> str:
    """Sentences as one."""
    return f"{'; '.join(line.rstrip('.') for line in lines)}." if lines else ""


def rule_lines(known: Known) -> list[str]:
    """The rule that decided, then others that do not hold, then those that do."""
    inspection = known.inspection
    deciding = inspection.decision.deciding_clause

    def importance(check: ClauseCheck) -> tuple[bool, bool, bool]:
        return check.clause.id != deciding, check.within, not check.region_ids

    return [_rule(check) for check in sorted(inspection.clause_checks, key=importance)[:MAX_RULES]]


def kinds_line(known: Known) -> str | None:
    """Which kinds of defects the knowledge file tells of."""
    names = [" or ".join(map(known.named, (d.name, *d.synonyms))) for d in kinds_told(known)]
    more = len(known.knowledge.file.defects) - len(names) if known.knowledge else 0
    rest = f" and {more} more" if more else ""
    return f"Known kinds of defects: {', '.join(names)}{rest}." if names else None


def kinds_told(known: Known) -> list[DefectKnowledge]:
    """The kinds of the knowledge file that are told: those found first, in the file's order."""
    defects = known.knowledge.file.defects if known.knowledge is not None else []
    found = {n for r in known.inspection.regions if r.kinds for n in r.kinds.names}
    first = sorted(defects, key=lambda defect: defect.name not in found)[:MAX_KINDS]
    return [defect for defect in defects if defect in first]


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
    return {what: f"{heads[what]}: {text or 'that is not known'}." for what, text in told.items()}


def _in_one(text: str) -> str:
    """A text as one sentence without its full stop, so that no part of it is quoted alone."""
    return "; ".join(text[span.start : span.end].rstrip(".!;") for span in sentences(text))


def _lines(known: Known) -> list[str]:
    lines = chain(_of_part(known), _of_places(known), _of_rules(known))
    return list(map(_in_one_line, lines))


def _in_one_line(text: str) -> str:
    """Names of a knowledge file may have line breaks; what follows one is no line of evidence."""
    return " ".join(text.split())


def _of_part(known: Known) -> Iterator[str]:
    yield from filter(None, (product_line(known),))
    yield verdict_line(known)


def _of_places(known: Known) -> Iterator[str]:
    regions = known.inspection.regions
    yield count_line(known)
    for region in regions[:MAX_PLACES]:
        yield region_line(region)
        yield kind_line(known, region)


def _of_rules(known: Known) -> Iterator[str]:
    yield from rule_lines(known)
    yield from filter(None, (kinds_line(known),))


def _of_all(line: Callable[[Region], str], known: Known) -> Iterator[str]:
    """What is said of each place, and of all of them at once."""
    lines = [line(region) for region in known.inspection.regions[:MAX_PLACES]]
    yield from lines
    if len(lines) > 1:
        yield joined(lines)


def _rule(check: ClauseCheck) -> str:
    end = "within" if check.within else "beyond"
    about = f" for {check.clause.defect}" if check.clause.defect else ""
    return (
        f"Rule `{check.clause.id}`{about}: allowed is {check.clause.allows}{_zone(check.clause)}, "
        f"measured {measured_in_words(check)}; {end} the limit."
    )


def _zone(clause: Clause) -> str:
    return f" in {clause.zone}" if clause.zone else ""
