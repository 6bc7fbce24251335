"""What is wrong with a knowledge file, in words: what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from experts.knowledge.schema import (
    AT_LEAST,
    WITHOUT_UNIT,
    ClauseRule,
    DefectKnowledge,
    KnowledgeFile,
    PromptStates,
    Question,
    View,
    Zone,
)

_Model = TypeVar("_Model", bound=BaseModel)

# Keys and positions that lead to a field.
Place = tuple[str | int, ...]

_Point = tuple[float, ...]
_Side = tuple[_Point, _Point]

# Of the image; a smaller zone holds no pixel of most images.
MIN_AREA = 1e-5
# Of what came, so much is shown.
MAX_SHOWN = 60

_MODELS: dict[str, type[BaseModel]] = {
    "defects": DefectKnowledge,
    "clauses": ClauseRule,
    "views": View,
    "zones": Zone,
    "prompts": PromptStates,
    "questions": Question,
}


def in_words(value: Any) -> str:
    """What came, shortened."""
    try:
        shown = repr(value)
    except ValueError:
        # Python writes out no integer of more than 4,300 digits.
        return "a number that is far too long"
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 1]}…"


def explain(fault: dict[str, Any]) -> str:
    """One fault of a single field.

    Args:
        fault: As pydantic gives it.
    """
    kind, context = fault["type"], fault.get("ctx", {})
    got = f"got {in_words(fault['input'])}"
    if kind == "missing":
        field = fault["loc"][-1]
        return f"expected this field, got nothing; add '{field}:'"
    if kind == "extra_forbidden":
        field = in_words(fault["loc"][-1])
        return f"expected a known field, got {field}; {_other_field(fault['loc'])}"
    if kind == "literal_error":
        return f"expected {context['expected']}, {got}; {_other_value(fault)}"
    if kind in _PLAIN:
        expected, advice = _PLAIN[kind]
        return f"expected {expected.format(**context)}, {got}; {advice.format(**context)}"
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"{message.replace('input should be', 'expected')}, {got}; correct it"


# By pydantic's name of the fault: what was expected, and what to do.
_PLAIN = {
    "string_type": ("a text", "write one, in quotes if it looks like a number or a date"),
    "string_too_short": ("a text that is not empty", "write one, or remove the line"),
    "float_type": ("a number", "write it without quotes and unit"),
    "finite_number": ("a finite number", "write the number itself"),
    "greater_than": ("a number above {gt:g}", "correct it"),
    "greater_than_equal": ("a number from {ge:g} on", "correct it"),
    "less_than": ("a number below {lt:g}", "correct it"),
    "less_than_equal": ("a number up to {le:g}", "correct it"),
    "list_type": ("a list", "begin each entry with '- ', or write [one, two]"),
    "too_short": ("at least {min_length} entries", "add what is missing"),
    "too_long": ("at most {max_length} entries", "remove what is too much"),
    "model_type": ("fields such as 'id: …'", "write each as 'name: value'"),
    "model_attributes_type": ("fields such as 'id: …'", "write each as 'name: value'"),
    "invalid_key": ("a name before the colon", "write one, in quotes if it looks like a number"),
    "dict_type": ("fields such as 'id: …'", "write each as 'name: value'"),
}


def _other_field(place: Sequence[str | int]) -> str:
    model: type[BaseModel] = KnowledgeFile
    for key in place[:-1]:
        model = _MODELS.get(str(key), model)
    close = difflib.get_close_matches(str(place[-1]), model.model_fields, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"remove it, or use one of {', '.join(model.model_fields)}"


def _other_value(fault: dict[str, Any]) -> str:
    model = next((_MODELS[str(key)] for key in reversed(fault["loc"][:-1]) if key in _MODELS), None)
    field = model.model_fields.get(str(fault["loc"][-1])) if model else None
    allowed = _literals(field.annotation) if field else []
    close = difflib.get_close_matches(str(fault["input"]), allowed, n=1)
    return f"did you mean {close[0]!r}?" if close else "choose one of these"


def _literals(annotation: Any) -> list[str]:
    if isinstance(annotation, str):
        return [annotation]
    return [text for part in get_args(annotation) for text in _literals(part)]


def across_fields(file: KnowledgeFile) -> Iterator[tuple[Place, str]]:
    """All faults between fields: the place of each, and what is wrong and what to do."""
    yield from _names_taken_twice(file)
    for i, zone in enumerate(file.zones):
        for text in _faults_of_zone(zone, file):
            yield ("zones", i), f"{zone.name}: {text}"
    seen: set[str] = set()
    for place, rule in _rules(file):
        faults = _faults_of_rule(rule, file)
        if rule.id in seen:
            faults = ["this id is taken; give each clause its own", *faults]
        seen.add(rule.id)
        for text in faults:
            yield place, f"{rule.id}: {text}"


def _rules(file: KnowledgeFile) -> Iterator[tuple[Place, ClauseRule]]:
    for i, defect in enumerate(file.defects):
        for j, rule in enumerate(defect.clauses):
            yield ("defects", i, "clauses", j), rule
    for j, rule in enumerate(file.clauses):
        yield ("clauses", j), rule


def _names_taken_twice(file: KnowledgeFile) -> Iterator[tuple[Place, str]]:
    """Which name is which must be certain, in any case of letters."""
    named: tuple[tuple[str, Sequence[View | Zone | DefectKnowledge]], ...] = (
        ("views", file.views),
        ("zones", file.zones),
        ("defects", file.defects),
    )
    for field, entries in named:
        owners: dict[str, int] = {}
        for i, entry in enumerate(entries):
            for name in (entry.name, *getattr(entry, "synonyms", [])):
                owner = owners.setdefault(name.casefold(), i)
                if owner != i:
                    yield (
                        (field, i),
                        f"{name}: is a name of {entries[owner].name!r}, too; give each its own",
                    )


def _faults_of_zone(zone: Zone, file: KnowledgeFile) -> list[str]:
    faults = []
    if (zone.box is None) == (zone.polygon is None):
        got = "neither" if zone.box is None else "both"
        faults.append(f"expected a 'box:' or a 'polygon:', got {got}; give one of them")
    if zone.box is not None:
        left, top, right, bottom = zone.box
        if right <= left or bottom <= top:
            shown = ", ".join(f"{share:g}" for share in zone.box)
            faults.append(
                f"expected left, top, right, bottom, got {shown}; right must exceed left, "
                "and bottom top"
            )
    if zone.polygon is not None and (fault := _fault_of_polygon(zone.polygon)):
        faults.append(fault)
    if zone.view is not None and zone.view not in [view.name for view in file.views]:
        faults.append(_unknown("view", zone.view, [view.name for view in file.views]))
    return faults


def _fault_of_polygon(corners: Sequence[Sequence[float]]) -> str | None:
    sides = [(tuple(a), tuple(b)) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)]
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)
    if abs(doubled) < 2 * MIN_AREA:
        return "expected a polygon with an area, got one without; give its corners in order"
    if any(_cross(one, other) for i, one in enumerate(sides) for other in sides[i + 1 :]):
        return "expected a polygon, got one whose sides cross; give its corners in order"
    return None


def _cross(one: _Side, other: _Side) -> bool:
    """Whether two sides cross in their middles."""

    def turn(a: _Point, b: _Point, c: _Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    apart = turn(*one, other[0]) * turn(*one, other[1]) < 0
    return apart and turn(*other, one[0]) * turn(*other, one[1]) < 0


def _faults_of_rule(rule: ClauseRule, file: KnowledgeFile) -> list[str]:
    faults = []
    zones = [zone.name for zone in file.zones]
    if rule.zone is not None and rule.zone not in zones:
        faults.append(_unknown("zone", rule.zone, zones))
    limits = [name for name in ("at_most", "at_least") if getattr(rule, name) is not None]
    if rule.allowed is not None:
        given = [n for n in ("quantity", "unit", *limits) if getattr(rule, n) is not None]
        if given:
            faults.append(
                f"expected 'allowed: none' alone, got '{given[0]}:' too; remove one of the two"
            )
        return faults
    if rule.quantity is None:
        faults.append("expected 'allowed: none' or a 'quantity:', got neither; add one of them")
        return faults
    wanted, other = "at_most", "at_least"
    if rule.quantity in AT_LEAST:
        wanted, other = other, wanted
    if len(limits) == 2:
        faults.append(f"expected '{wanted}:' for {rule.quantity}, got both; remove '{other}:'")
    elif other in limits:
        faults.append(f"expected '{wanted}:' for {rule.quantity}, got '{other}:'; rename it")
    elif not limits:
        faults.append(f"expected a limit, got none; add '{wanted}:'")
    return faults + _faults_of_unit(rule, file)


def _faults_of_unit(rule: ClauseRule, file: KnowledgeFile) -> list[str]:
    if rule.quantity in WITHOUT_UNIT:
        if rule.unit is None:
            return []
        return [f"expected no unit for {rule.quantity}, got {rule.unit!r}; remove it"]
    if rule.unit is None:
        return [f"expected a unit for {rule.quantity}, got none; add 'unit: px', 'mm' or '%'"]
    if rule.unit != "mm" or file.mm_per_px is not None:
        return []
    without = [view.name for view in file.views if view.mm_per_px is None]
    if file.views and not without:
        return []
    where = f"the view {without[0]!r}" if without else "the top of the file"
    return [f"a limit in mm needs the scale; add 'mm_per_px:' at {where}, or use px or %"]


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"add it under '{what}s:'"
    return f"expected the name of a {what}, got {name!r}; {advice}"


def salvage(document: Any) -> KnowledgeFile:
    """What of a faulty document can be compared with the rest of it.

    In place of an entry that is at fault itself stands one that contradicts nothing.
    """
    views = [
        _valid(View, raw) or View.model_construct(name=_name(raw, i), mm_per_px=1.0)
        for i, raw in enumerate(_entries(document, "views"))
    ]
    zones = [
        _valid(Zone, raw) or Zone.model_construct(name=_name(raw, i), box=[0, 0, 1, 1])
        for i, raw in enumerate(_entries(document, "zones"))
    ]
    defects = [
        DefectKnowledge.model_construct(
            name=_name(raw, i),
            appearance="",
            severity="minor",
            synonyms=[text for text in _entries(raw, "synonyms") if isinstance(text, str)],
            clauses=_clauses_of(raw, str(i)),
        )
        for i, raw in enumerate(_entries(document, "defects"))
    ]
    # A scale that is at fault itself was meant to be one.
    scale = 1.0 if isinstance(document, dict) and document.get("mm_per_px") is not None else None
    return KnowledgeFile.model_construct(
        product="",
        normal="",
        mm_per_px=scale,
        views=views,
        zones=zones,
        defects=defects,
        clauses=_clauses_of(document, "file"),
    )


def _clauses_of(raw: Any, where: str) -> list[ClauseRule]:
    return [
        _valid(ClauseRule, entry) or ClauseRule.model_construct(id=f"{where}.{i}?", allowed="none")
        for i, entry in enumerate(_entries(raw, "clauses"))
    ]


def _valid(model: type[_Model], raw: Any) -> _Model | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _entries(raw: Any, field: str) -> list[Any]:
    found = raw.get(field) if isinstance(raw, dict) else None
    return found if isinstance(found, list) else []


def _name(raw: Any, number: int) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    return name.strip() if isinstance(name, str) and name.strip() else f"{number}?"
