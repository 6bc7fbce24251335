"""Invented knowledge files: products, kinds of defects and rules that no factory has.

What a defect looks like, where it comes from and what it does is drawn by chance, so nothing but
the card tells it. Limits are set later, see ``echo.training.inventing_limits``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from echo.training.inventing_words import Wordsmith, families, made_up, plural
from experts.answers.words import stems
from experts.claims.words import listed

Form = Literal["spot", "line", "area", "edge"]
FORMS: tuple[Form, ...] = ("spot", "line", "area", "edge")

# Products that the model is judged on, or that knowledge files come with, and what is wrong with
# the former (the four lines that are left out of training): none of these may be invented.
TAKEN = listed(
    """
    tile board cell cloth textile fabric solar pcb bottle cable capsule carpet grid hazelnut nut
    leather hide pill tablet screw toothbrush brush transistor wood zipper zip blowhole pore crack
    split break chipping fray stain uneven open short bridge mousebite nick spur protrusion copper
    island pinhole void fracture knot local global soiling
    """
)
HOW_MANY_KINDS = {2: 0.2, 3: 0.25, 4: 0.2, 5: 0.15, 6: 0.1, 7: 0.1}
_SEVERITIES = ("minor", "major", "critical")
# Ids of rules by what they measure.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "none": ("any", "none", "never"),
    "count": ("count", "number", "pieces"),
    "length": ("length", "long", "reach"),
    "width": ("width", "breadth"),
    "diameter": ("diameter", "size", "dia"),
    "area": ("area", "size", "patch"),
    "total_area": ("total", "sum", "cover"),
    "distance_to_edge": ("edge", "distance", "margin"),
    "score": ("score", "strength"),
}
_QUANTITIES = tuple(_SUFFIXES)
_HOW_OFTEN = (0.18, 0.18, 0.18, 0.08, 0.1, 0.12, 0.09, 0.04, 0.03)


@dataclass
class Rule:
    """A rule whose limit may still be open.

    Attributes:
        id: Unique in its card.
        quantity: What is measured; ``none`` allows nothing.
        unit: Empty for ``none``, counts and scores.
        zone: Where it counts; ``None`` for everywhere.
        then: What follows beyond the limit.
        note: What the verdict says then.
        limit: At most, or for distances at least.
    """

    id: str
    quantity: str
    unit: str = ""
    zone: str | None = None
    then: str = "reject"
    note: str | None = None
    limit: float = 0.0


@dataclass
class Kind:
    """A kind of defect, with what of it shows on an image.

    Attributes:
        name: Of it.
        form: Of its places.
        texts: Its other fields, as in the file.
        rules: Its rules.
    """

    name: str
    form: Form
    texts: dict[str, Any]
    rules: list[Rule] = field(default_factory=list)


@dataclass
class Card:
    """A knowledge file in the making.

    Attributes:
        head: Product, part, parts, normal and the other fields of the file itself.
        kinds: Its kinds of defects.
        rules: Those for any place.
        questions: Pairs of question and answer.
        smith: Words of this factory, for more texts.
    """

    head: dict[str, Any]
    kinds: list[Kind]
    rules: list[Rule]
    questions: list[tuple[str, str]]
    smith: Wordsmith

    @property
    def all_rules(self) -> list[tuple[Rule, Kind | None]]:
        """All rules in file order, with the kind that each is about."""
        own: list[tuple[Rule, Kind | None]] = [(r, kind) for kind in self.kinds for r in kind.rules]
        return own + [(rule, None) for rule in self.rules]

    @property
    def zone_names(self) -> list[str]:
        """How its zones are called."""
        return [zone["name"] for zone in self.head.get("zones", ())]


def draw_card(smith: Wordsmith) -> Card:
    """Invent a knowledge file; its rules have no limits yet.

    Args:
        smith: Words of the factory, and the source of chance.
    """
    product, noun, part = _product(smith)
    smith = smith.knowing(
        noun=noun, part=part, parts=plural(part), material=smith.phrase("material")
    )
    head = {"product": product, **_aliases(smith, part), "part": part, "parts": plural(part)}
    head |= {"normal": smith.phrase("normal"), **_extras(smith)}
    names = _Names(smith)
    many = int(smith.rng.choice(list(HOW_MANY_KINDS), p=list(HOW_MANY_KINDS.values())))
    kinds = [names.kind() for _ in range(many)]
    card = Card(head, kinds, [], list(_questions(smith)), smith)
    for kind in kinds:
        kind.rules = _rules(card, names.slug(kind.name), (0.12, 0.45, 0.3, 0.13))
    card.rules = _rules(card, "any", (0.7, 0.22, 0.08, 0.0))
    return card


def _product(smith: Wordsmith) -> tuple[str, str, str]:
    """The name of a product, its noun, and what sentences call a part."""
    noun = smith.phrase("noun")
    word = invented_word(smith)
    style = smith.rng.random()
    if style < 0.35:
        product = f"{smith.phrase('modifier')} {noun}"
    elif style < 0.75:
        product = f"{word} {noun}"
    elif style < 0.85:
        product = f"{smith.phrase('modifier')} {word}"
        noun = word
    else:
        product = noun = word
    part = smith.phrase("generic_part") if smith.chance(0.15) else noun.split()[-1]
    return product, noun, part


def _aliases(smith: Wordsmith, part: str) -> dict[str, Any]:
    return {"aliases": [f"{invented_word(smith)} {part}"]} if smith.chance(0.3) else {}


def _extras(smith: Wordsmith) -> dict[str, Any]:
    """Fields that only some files have."""
    extras: dict[str, Any] = {}
    if smith.chance(0.15):
        extras["alpha"] = (0.01, 0.02, 0.03, 0.1)[smith.rng.integers(4)]
    if smith.chance(0.4):
        extras["mm_per_px"] = float(f"{10 ** smith.rng.uniform(-2.3, 0):.2g}")
    if smith.chance(0.35):
        names = {smith.phrase("zone_name") for _ in range(1 + int(smith.rng.integers(2)))}
        extras["zones"] = [{"name": name, "box": _box(smith)} for name in sorted(names)]
    return extras


def _box(smith: Wordsmith) -> list[float]:
    left, top = smith.rng.uniform(0, 0.45, 2)
    right, bottom = smith.rng.uniform(0.55, 1, 2)
    return [round(float(share), 2) for share in (left, top, right, bottom)]


def _questions(smith: Wordsmith) -> Iterator[tuple[str, str]]:
    asked = set()
    for _ in range(smith.rng.choice(4, p=(0.4, 0.25, 0.2, 0.15))):
        question, answer = smith.phrase("asked").split(" => ")
        if question not in asked:
            yield question, answer
        asked.add(question)


def invented_word(smith: Wordsmith) -> str:
    """A made-up word that is no name which training must not know."""
    while (word := made_up(smith)) in TAKEN:
        pass
    return word


def no_kind(rng: np.random.Generator, known: Collection[str]) -> str:
    """A name like those of kinds of defects, but of none of these, nor of a sort of them.

    Args:
        rng: Draws it.
        known: Names that it must not be; "dented" and "dent ring" are not told apart from "dent".
    """
    among = list(families().values())
    names = _Names(Wordsmith(rng, among[int(rng.integers(len(among)))]), known)
    # Some words have no stem, as they are another language's "say".
    taken = [one for name in known if (one := stems(name))]
    while True:
        name = names.fresh(FORMS[int(rng.integers(len(FORMS)))])
        own = stems(name)
        if own and not any(own <= one or one <= own for one in taken):
            return name


class _Names:
    """Kinds of defects whose names and ids differ from each other."""

    def __init__(self, smith: Wordsmith, known: Collection[str] = ()) -> None:
        self._smith = smith
        self._names = set(known)
        self._slugs: dict[str, str] = {}

    def kind(self) -> Kind:
        """One more kind of defect."""
        smith = self._smith
        form = FORMS[smith.rng.integers(4)]
        name = self.fresh(form)
        texts: dict[str, Any] = {}
        if smith.chance(0.35):
            texts["synonyms"] = [self.fresh(form) for _ in range(1 + smith.chance(0.3))]
        texts["appearance"] = smith.sentence(f"{form}_appearance")
        if smith.chance(0.9):
            texts["cause"] = smith.sentence("caused")
        if smith.chance(0.9):
            texts["effect"] = smith.sentence("effect")
        texts["severity"] = _SEVERITIES[smith.rng.integers(3)]
        return Kind(name, form, texts)

    def slug(self, name: str) -> str:
        """What ids of rules on a kind begin with."""
        words = name.replace("-", "_").split()
        for slug in (words[-1], words[0], "_".join(words)):
            if slug not in self._slugs.values():
                break
        self._slugs[name] = slug
        return slug

    def fresh(self, form: Form) -> str:
        """A name that did not come yet."""
        while True:
            name = self._name(form)
            if not (set(name.split()) & TAKEN or name in self._names):
                self._names.add(name)
                return name

    def _name(self, form: Form) -> str:
        smith, style = self._smith, self._smith.rng.random()
        if style < 0.2:
            return invented_word(smith)
        if style < 0.35:
            return f"{invented_word(smith)} {smith.phrase(f'{form}_noun')}"
        if style < 0.55:
            return f"{smith.phrase('defect_word')} {smith.phrase(f'{form}_noun')}"
        if style < 0.7:
            return smith.phrase(f"plain_{form}")
        if style < 0.9 or not self._names:
            return smith.phrase("ordinary")
        # Names that begin alike are told apart by reading on.
        first = smith.rng.choice(sorted(self._names)).split()[0]
        return f"{first} {smith.phrase(f'{form}_noun')}"


def _rules(card: Card, slug: str, how_many: Sequence[float]) -> list[Rule]:
    rng = card.smith.rng
    count = rng.choice(4, p=how_many)
    if slug == "any":
        chosen = rng.permutation(["count", "total_area", "area", "length"])[:count]
    else:
        chosen = rng.choice(_QUANTITIES, size=count, replace=False, p=_HOW_OFTEN)
    if "none" in chosen:
        chosen = chosen[chosen == "none"]
    rules: list[Rule] = []
    for quantity in map(str, chosen):
        rules.append(draw_rule(card, slug, quantity, [rule.id for rule in rules]))
    return rules


def draw_rule(card: Card, slug: str, quantity: str, taken: Sequence[str] = ()) -> Rule:
    """A rule on a quantity, without its limit.

    Args:
        card: Whose rule it is.
        slug: What its id begins with.
        quantity: What it measures.
        taken: Ids that others have.
    """
    smith = card.smith
    endings = _SUFFIXES[quantity]
    ids = [f"{slug}.{ending}" for ending in (endings[smith.rng.integers(len(endings))], *endings)]
    rule = Rule(next(name for name in ids if name not in taken), quantity)
    if quantity not in ("none", "count", "score"):
        units = ["px", "%", *(["mm"] * 4 if "mm_per_px" in card.head else ["px"])]
        rule.unit = units[smith.rng.integers(len(units))]
    if card.zone_names and smith.chance(0.25):
        rule.zone = card.zone_names[smith.rng.integers(len(card.zone_names))]
    if quantity != "none" and smith.chance(0.25):
        rule.then = "review" if smith.chance(0.8) else "accept"
    if smith.chance(0.2 if rule.then == "reject" else 0.7):
        rule.note = smith.phrase("note")
    return rule


def written(card: Card) -> str:
    """A card as the text of a knowledge file."""
    lines = list(_fields(card.head, ""))
    lines.append("\ndefects:")
    for kind in card.kinds:
        lines += _entry({"name": kind.name, **kind.texts}, "  ")
        lines += _clauses(kind.rules, "    ")
    lines += _clauses(card.rules, "")
    if card.questions:
        lines.append("\nquestions:")
    for question, answer in card.questions:
        lines += _entry({"question": question, "answer": answer}, "  ")
    return "\n".join(lines) + "\n"


def _clauses(rules: Sequence[Rule], indent: str) -> Iterator[str]:
    if rules:
        yield f"{indent}clauses:"
    for rule in rules:
        yield from _entry(_as_clause(rule), f"{indent}  ")


def _as_clause(rule: Rule) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": rule.id, "zone": rule.zone}
    if rule.quantity == "none":
        fields["allowed"] = "none"
    else:
        bound = "at_least" if rule.quantity == "distance_to_edge" else "at_most"
        limit = int(rule.limit) if rule.limit == int(rule.limit) else rule.limit
        fields |= {"quantity": rule.quantity, bound: limit, "unit": rule.unit or None}
    fields["then"] = None if rule.then == "reject" else rule.then
    return fields | {"note": rule.note}


def _entry(fields: dict[str, Any], indent: str) -> Iterator[str]:
    for number, line in enumerate(_fields(fields, "")):
        yield f"{indent}{'  ' if number else '- '}{line}"


def _fields(fields: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        if name in ("zones", "views"):
            yield f"\n{name}:"
            for entry in value:
                yield from _entry(entry, "  ")
        elif value is not None:
            # What is JSON is YAML, too, and quotes make a text of whatever it is.
            yield f"{indent}{name}: {json.dumps(value)}"


def factory(rng: Any) -> Wordsmith:
    """The words of a factory of any family."""
    kinds = list(families().values())
    return Wordsmith(rng, kinds[rng.integers(len(kinds))])
