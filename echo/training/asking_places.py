"""Questions on what stands out: where, how large, what it looks like, how many, of what kind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from echo.training.lessons import Ask
from echo.training.pen import CHOOSES, FOREIGN, Pen
from experts.answers.known import Known
from experts.decoder.regions import PLACES
from experts.evidence import Region
from experts.sheet import (
    MAX_PLACES,
    NOT_KNOWN,
    count_line,
    is_kind_line,
    joined,
    kind_line,
    kinds_told,
    look_line,
    rule_lines,
    size_line,
    where_line,
)
from experts.sheet import is_kind as is_of_kind
from experts.wording import look_of, size_of

_LOOKS = tuple(
    f"{'an' if tone == 'odd' else 'a'} {tone} {form}"
    for tone, form in product(("dark", "bright", "odd"), ("line", "spot", "area"))
)
KIND_NOT_KNOWN = "Not known"


def on_places(topic: str, line: Callable[[Region], str]) -> Callable[[Pen], Ask | None]:
    """A question on all places, or on one that it names; with options on one alone."""
    short = _SHORT[topic]

    def ask(pen: Pen) -> Ask | None:
        regions = pen.known.inspection.regions[:MAX_PLACES]
        if not regions:
            return pen.write(topic, count_line(pen.known))
        named = pen.chance(0.4)
        asked, slots = (f"{topic}_region", {}) if named else (topic, {})
        if named:
            region = pen.pick(regions)
            regions, slots = (region,), {"region": region.id}
        if len(regions) == 1 and pen.chance(CHOOSES):
            return pen.choose(
                asked,
                short(regions[0]),
                _others(pen, topic),
                None if named else _MMAD[topic],
                **slots,
            )
        return pen.write(asked, joined(list(map(line, regions))), **slots)

    return ask


def _others(pen: Pen, topic: str) -> list[str]:
    if topic == "where":
        return list(PLACES)
    if topic == "looks":
        return list(_LOOKS)
    unit = "px" if all(r.length_mm is None for r in pen.known.inspection.regions) else "mm"
    sizes = [size_of(region) for region in pen.known.inspection.regions]
    drawn = ((pen.pick(range(3, 300)), pen.pick(range(2, 90))) for _ in range(4))
    return sizes + [f"{max(pair)} × {min(pair)} {unit}" for pair in drawn]


_SHORT: dict[str, Callable[[Region], str]] = {
    "where": lambda region: region.place,
    "looks": look_of,
    "size": size_of,
}
_MMAD = {"where": "place", "looks": "appearance", "size": "size"}
where = on_places("where", where_line)
looks = on_places("looks", look_line)
size = on_places("size", size_line)


def count(pen: Pen) -> Ask:
    """How many places stand out."""
    regions = pen.known.inspection.regions
    if pen.chance(CHOOSES):
        return pen.choose("count", str(len(regions)), [str(n) for n in range(8)])
    return pen.write("count", count_line(pen.known))


def any_place(pen: Pen) -> Ask:
    """Whether anything stands out."""
    return pen.write("any_place", count_line(pen.known))


def kind(pen: Pen) -> Ask:
    """Of what kind the places are."""
    regions = pen.known.inspection.regions[:MAX_PLACES]
    if not regions:
        return pen.write("kind", count_line(pen.known))
    named, slots = pen.chance(0.4), {}
    if named:
        regions = (pen.pick(regions),)
        slots = {"region": regions[0].id}
    topic = "kind_region" if named else "kind"
    if len(regions) == 1 and pen.chance(CHOOSES):
        kinds = regions[0].kinds
        if kinds is None or kinds.unknown:
            return pen.choose(topic, KIND_NOT_KNOWN, _names(pen.known), **slots)
        if len(kinds.names) == 1:
            others = [*_names(pen.known), KIND_NOT_KNOWN]
            return pen.choose(topic, kinds.names[0], others, None if named else "kind", **slots)
    return pen.write(topic, joined([kind_line(pen.known, region) for region in regions]), **slots)


def is_kind(pen: Pen) -> Ask | None:
    """Whether it is a certain kind, now and then one that the knowledge file does not have."""
    if not (names := _names(pen.known)):
        return None
    if pen.chance(FOREIGN):
        name = pen.no_kind()
        return pen.write("is_kind", _instead_of(pen.known, name), defect=name)
    name, regions = pen.pick(names), pen.known.inspection.regions
    if regions and regions[0].kinds and regions[0].kinds.names and pen.chance(0.5):
        name = regions[0].kinds.names[0]
    return pen.write("is_kind", is_kind_line(pen.known, name), defect=name)


def _instead_of(known: Known, name: str) -> str:
    """What is said of a kind that the file does not have: what it is, if that is known."""
    if is_of_kind(known, name) is None:
        return NOT_KNOWN
    regions = known.inspection.regions[:MAX_PLACES]
    return joined([kind_line(known, region) for region in regions]) or count_line(known)


def rule(pen: Pen) -> Ask:
    """Which rule decided."""
    return pen.write("rule", _deciding(pen.known))


def measured(pen: Pen) -> Ask:
    """What was measured against it."""
    return pen.write("measured", _deciding(pen.known))


def _deciding(known: Known) -> str:
    decision = known.inspection.decision
    if decision.deciding_clause is not None:
        return rule_lines(known)[0]
    return decision.reason


def _names(known: Known) -> list[str]:
    return [d.name for d in kinds_told(known)]
