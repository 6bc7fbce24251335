"""Limits of invented rules, set around what was measured, so that all verdicts come and are close.

A limit far from every measured value would teach to guess; the verdict itself stays with the
Decision Maker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np

from echo.training.inventing_cards import Card, Kind, Rule, draw_rule
from experts.evidence import Clause, Quantity, Region
from experts.knowledge import Knowledge, KnowledgeGuide, Scene
from experts.knowledge.schema import KnowledgeFile

# What a card's rules shall lead to.
Aim = Literal["broken", "doubtful", "noted", "held", "unruled"]

# Nobody invents more places on an image.
MAX_PLACES = 5

# How far a limit lies from what was measured, as a factor's logarithm.
_NEAR, _FAR = 0.04, 1.8
# Nobody asks for a margin so much wider than what is there.
_MARGIN = 2.0
_OTHERS_BROKEN = 0.4
# Of the shorter side of the image: the span of limits of what was not found.
_LENGTHS = (0.01, 0.3)
_SHARES_PERCENT = (0.1, 15.0)
_SCORES = (1.2, 6.0)
_LINE = 1


def draft(card: Card) -> Knowledge:
    """A card as knowledge, though its limits are open: what its rules measure can be computed."""
    defects = [{"name": kind.name, **kind.texts} for kind in card.kinds]
    file = KnowledgeFile.model_validate({**card.head, "defects": defects})
    return Knowledge(file, tuple(_clause(rule, kind) for rule, kind in card.all_rules))


def _clause(rule: Rule, kind: Kind | None) -> Clause:
    known: dict[str, Any] = {"unit": rule.unit, "severity": "major"}
    return Clause(
        id=rule.id,
        defect=kind.name if kind else None,
        zone=rule.zone,
        quantity=cast("Quantity", "count" if rule.quantity == "none" else rule.quantity),
        limit=0.0,
        source="card",
        line=_LINE,
        **known,
    )


def set_limits(card: Card, regions: Sequence[Region], scene: Scene, aim: Aim) -> None:
    """Set the limits of a card's rules, so that on these places they lead to what is aimed at.

    Args:
        card: Its rules are changed.
        regions: The places.
        scene: The image.
        aim: What shall come of it; where no rule applies it cannot.
    """
    rng = card.smith.rng
    found = KnowledgeGuide(draft(card)).check(regions, scene)
    if found.unruled and aim != "unruled":
        card.rules.append(draw_rule(card, "any", "count", [r.id for r in card.rules]))
        card.rules[-1].zone = None
        found = KnowledgeGuide(draft(card)).check(regions, scene)
    values = {c.clause.id: c.measured for c in found.checks if c.region_ids}
    concerned = [rule for rule, _ in card.all_rules if rule.id in values]
    for rule, _ in card.all_rules:
        if rule.id not in values:
            rule.limit = _usual(rule, scene, rng)
    culprit = concerned[rng.integers(len(concerned))] if concerned else None
    if culprit is not None:
        _lead(culprit, aim, card)
    for rule in concerned:
        breaks = rng.random() < _OTHERS_BROKEN and _may_break(rule, aim)
        if aim in ("broken", "doubtful", "noted") and rule is culprit:
            breaks = True
        (_break if breaks else _hold)(card, rule, values[rule.id])


def _lead(rule: Rule, aim: Aim, card: Card) -> None:
    """Let what follows from a rule be what is aimed at."""
    if aim == "broken":
        rule.then = "reject"
    elif aim == "doubtful":
        rule.then = "review"
    elif aim == "noted":
        rule.then, rule.note = "accept", card.smith.phrase("note")


def _may_break(rule: Rule, aim: Aim) -> bool:
    graver = {"broken": (), "doubtful": ("reject",)}.get(aim, ("reject", "review"))
    return rule.then not in graver


def _hold(card: Card, rule: Rule, value: float) -> None:
    """Set a limit that the value keeps; where none can be kept, the rule counts places instead."""
    rng = card.smith.rng
    if rule.quantity == "none":
        _count_instead(card, rule)
    elif rule.quantity == "distance_to_edge" and value == 0:
        _count_instead(card, rule)
        value = float(MAX_PLACES)
    if rule.quantity == "count":
        rule.limit = value + float(rng.integers(0, 4))
    elif rule.quantity == "distance_to_edge":
        rule.limit = _rounded(value / _factor(rng), math.floor)
    else:
        limit = _rounded(value * _factor(rng), math.ceil)
        # Nobody allows more than all of the image.
        rule.limit = min(limit, max(100.0, math.ceil(value))) if rule.unit == "%" else limit


def _count_instead(card: Card, rule: Rule) -> None:
    taken = {other.id for other, _ in card.all_rules}
    ids = (f"{rule.id.split('.')[0]}.{ending}" for ending in ("count", "number", "pieces", "most"))
    rule.id = next(name for name in ids if name not in taken)
    rule.quantity, rule.unit = "count", ""


def _break(card: Card, rule: Rule, value: float) -> None:
    """Set a limit that the value breaks."""
    rng = card.smith.rng
    if rule.quantity == "none":
        return
    if rule.quantity == "count":
        rule.limit = float(rng.integers(0, max(int(value), 1)))
        if rule.limit == 0:
            rule.quantity = "none"
    elif rule.quantity == "distance_to_edge":
        rule.limit = _rounded(max(value, 1.0) * min(_factor(rng), _MARGIN), math.ceil)
    else:
        rule.limit = _rounded(value / _factor(rng), math.floor)


def _factor(rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(_NEAR, _FAR))


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """A number with two digits that count, as people write limits."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{towards(value / step) * step:.2g}")


def _usual(rule: Rule, scene: Scene, rng: np.random.Generator) -> float:
    """A limit of what was not found on the image."""
    if rule.quantity in ("none", "count"):
        return float(rng.integers(1, 7))
    if rule.quantity == "score":
        return _rounded(_between(_SCORES, rng), round)
    if rule.unit == "%":
        return _rounded(_between(_SHARES_PERCENT, rng), round)
    scale = (scene.sight.mm_per_px or 1.0) if rule.unit == "mm" else 1.0
    length = _between(_LENGTHS, rng) * min(scene.size_HW) * scale
    return _rounded(max(length, scale) ** (2 if "area" in rule.quantity else 1), round)


def _between(span: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(span[0]), math.log(span[1])))
