"""Questions on what the knowledge file says: of kinds of defects by name, and of good parts."""

from __future__ import annotations

from collections.abc import Callable

from echo.training.lessons import Ask
from echo.training.pen import CHOOSES, FOREIGN, Pen
from experts.knowledge.schema import DefectKnowledge
from experts.sheet import NOT_KNOWN, fact_lines, kinds_line, kinds_told, normal_line, product_line

# What each of these asks for, by its name on the sheet.
_FACTS = {
    "appearance_of": "looks",
    "cause_of": "cause",
    "effect_of": "effect",
    "severity_of": "severity",
    "limit_of": "allowed",
    "synonym_of": "names",
}
_OF_FOUND = {"cause": "cause", "effect": "effect", "severity": "severity"}


def fact_of(topic: str) -> Callable[[Pen], Ask | None]:
    """A question on a kind of defect that it names."""
    what = _FACTS[topic]

    def ask(pen: Pen) -> Ask | None:
        defects = kinds_told(pen.known)
        if not defects or pen.chance(FOREIGN):
            return pen.write(topic, NOT_KNOWN, defect=pen.no_kind())
        defect = pen.pick(defects)
        name = pen.pick((defect.name, defect.name, *defect.synonyms))
        if topic == "synonym_of":
            name = defect.name
        return _fact(pen, topic, what, defect, name)

    return ask


def fact_of_found(topic: str) -> Callable[[Pen], Ask | None]:
    """A question on the kind of what was found, if one kind alone was."""
    what = _OF_FOUND[topic]

    def ask(pen: Pen) -> Ask | None:
        regions = pen.known.inspection.regions
        names = {name for r in regions for name in (r.kinds.names if r.kinds else ())}
        if len(regions) != 1 or len(names) != 1:
            return pen.write(topic, NOT_KNOWN) if regions and not names else None
        found = [d for d in kinds_told(pen.known) if d.name in names]
        return _fact(pen, topic, what, found[0]) if found else None

    return ask


def _fact(pen: Pen, topic: str, what: str, defect: DefectKnowledge, name: str = "") -> Ask:
    slots = {"defect": name} if name else {}
    # Benchmarks ask of what was found, and name no kind.
    mmad = None if name or topic not in ("cause", "effect") else topic
    return pen.write(topic, fact_lines(pen.known, defect)[what], mmad, **slots)


def normal(pen: Pen) -> Ask:
    """What a good part looks like."""
    return pen.write("normal", normal_line(pen.known) or NOT_KNOWN, "normal")


def product(pen: Pen) -> Ask:
    """What the product is."""
    line = product_line(pen.known)
    if line is not None and pen.known.knowledge is not None and pen.chance(CHOOSES):
        return pen.choose("product", pen.known.knowledge.file.product, _PRODUCTS, "product")
    return pen.write("product", line or NOT_KNOWN)


def kinds_known(pen: Pen) -> Ask:
    """Which kinds of defects the file has."""
    return pen.write("kinds_known", kinds_line(pen.known) or NOT_KNOWN)


_PRODUCTS = (
    "gear wheel", "spark plug", "glass vial", "bearing ring", "ceramic mug", "brake disc",
    "plastic lid", "aluminium profile", "rubber seal", "steel spring", "circuit breaker",
    "paper cup", "lens", "spoon",
)  # fmt: skip
