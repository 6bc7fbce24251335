"""Invented worlds: products that nobody ever saw, with knowledge file, inspection and verdict.

A model that reads these must read: neither the names nor what is said of them stands anywhere else.
All that is computed on a real image is computed here by the same code: places are measured, rules
are checked, steps and verdict come from the experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from echo.training.inventing_cards import Form, Kind, draw_card, factory, invented_word, written
from echo.training.inventing_limits import Aim, draft, set_limits
from echo.training.inventing_maps import Rank, draw_rank, with_rank
from echo.training.inventing_opinions import contesting
from echo.training.inventing_places import (
    anomaly_of,
    draw_places,
    draw_size,
    map_of,
    measured,
)
from experts.answers import Known
from experts.decision import DecisionMaker, is_suspicious
from experts.evidence import (
    AnomalyMap,
    Inspection,
    KindSet,
    Opinion,
    Reference,
    Region,
    Sight,
    Step,
    Verdict,
    Versions,
)
from experts.knowledge import Excerpt, Findings, Knowledge, KnowledgeGuide, Scene
from experts.knowledge.reading import parse_knowledge
from experts.reasoning import ReasoningExpert

ALPHA = 0.05


class Plan(NamedTuple):
    """What an invented inspection is about.

    Attributes:
        verdict: What it comes to.
        weight: How often it comes.
        rank: How the image compares with normal ones.
        places: Whether places stand out.
        aim: What the rules lead to; ``None`` for a line that has no knowledge file.
        kinds: What is known of the places' kinds; ``None`` for whatever.
        fault: Whether nothing tells which view the image shows.
        contested: Whether a language model takes the part for a good one.
    """

    verdict: Verdict
    weight: float
    rank: Rank = "beyond"
    places: bool = True
    aim: Aim | None = "broken"
    kinds: str | None = None
    fault: bool = False
    contested: bool = False


PLANS = (
    Plan("reject", 30),
    Plan("reject", 8, kinds="unknown"),
    Plan("reject", 9, aim="unruled"),
    Plan("reject", 8, aim=None),
    Plan("review", 10, aim="doubtful"),
    Plan("review", 3, rank="few"),
    Plan("review", 1, rank="none", places=False),
    Plan("review", 3, places=False),
    Plan("review", 1, rank="no part", places=False),
    Plan("review", 1, rank="twin"),
    Plan("review", 1, fault=True),
    Plan("review", 1, contested=True),
    Plan("accept", 14, rank="normal", places=False),
    Plan("accept", 9, aim="held", kinds="named"),
    Plan("accept", 2, aim="noted", kinds="named"),
)  # fmt: skip
# Of lines whose plan does not say so these have no knowledge file, if no rule matters.
_NO_FILE = 0.12
_HAS_VIEWS = 0.05
_HAS_NAMER = 0.6
_PLACES = (1, 2, 3, 4, 5)
_HOW_MANY = (0.5, 0.24, 0.13, 0.08, 0.05)
# Of kinds that are told: of none, of one, of two of the file, or of one that it does not have.
_KINDS = (0.2, 0.5, 0.27, 0.03)
_AS_ITS_KIND = 0.75


def invent(rng: np.random.Generator) -> Known:
    """Invent a product line and an inspection of one of its parts.

    Args:
        rng: The source of chance; the same gives the same.
    """
    weights = np.array([plan.weight for plan in PLANS])
    plan = PLANS[rng.choice(len(PLANS), p=weights / weights.sum())]
    while True:
        known = _World(rng, plan).known()
        if known is not None and known.inspection.verdict == plan.verdict:
            return known


@dataclass
class _Shot:
    """An image with its places.

    Attributes:
        name: Of the file.
        anomaly: Its map.
        regions: What stands out.
        scene: As the rules see it.
    """

    name: str
    anomaly: AnomalyMap
    regions: tuple[Region, ...]
    scene: Scene


class _World:
    """One product line in the making."""

    def __init__(self, rng: np.random.Generator, plan: Plan) -> None:
        self._rng = rng
        self._plan = plan
        self._card = draw_card(factory(rng))
        free = not plan.places and not plan.fault
        self._has_file = plan.aim is not None and not (free and self._chance(_NO_FILE))
        self._line = invented_word(self._card.smith)
        if plan.aim == "unruled":
            self._forget_rules()

    def known(self) -> Known | None:
        """What is known of the inspection; nothing if its places found no room."""
        card, rng, plan = self._card, self._rng, self._plan
        alpha = card.head.get("alpha", ALPHA) if self._has_file else ALPHA
        shot = self._shot(alpha)
        if plan.places and not shot.regions:
            return None
        knowledge = None
        if self._has_file:
            set_limits(card, shot.regions, shot.scene, plan.aim or "held")
            knowledge = parse_knowledge(written(card).encode(), Path(f"{self._line}.yaml"))
        opinion = None
        if plan.contested:
            names = [kind.name for kind in card.kinds]
            opinion = contesting(rng, invented_word(card.smith), names, alpha)
        inspection = _inspect(rng, shot, knowledge, alpha, self._line, opinion)
        return Known(inspection, knowledge, alpha)

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def _forget_rules(self) -> None:
        """Let there be a kind of defect that no rule is about."""
        self._card.rules = []
        self._card.kinds[0].rules = []

    def _shot(self, alpha: float) -> _Shot:
        rng, plan = self._rng, self._plan
        name = self._name()
        size_HW = draw_size(rng)
        count = int(rng.choice(_PLACES, p=_HOW_MANY)) if plan.places else 0
        kinds: list[KindSet | None] = [None] * count
        if self._shows_kinds():
            kinds = [self._kind() if i else self._first_kind() for i in range(count)]
        sight = self._sight(name, size_HW)
        forms = [self._form_of(kind) for kind in kinds]
        grey_HW, blots = draw_places(rng, size_HW, forms)
        limit = float(f"{rng.uniform(0.2, 3):.3g}")
        peaks = sorted((limit * np.exp(rng.uniform(0.05, 2, len(blots)))).tolist(), reverse=True)
        regions = measured(grey_HW, blots, peaks, sight.mm_per_px, kinds[: len(blots)])
        scores_HW = map_of(rng, size_HW, blots, peaks, limit)
        rank = draw_rank(rng, plan.rank, alpha)
        anomaly = with_rank(anomaly_of(scores_HW, size_HW, limit, rank.p_value, rank.normal), rank)
        return _Shot(name, anomaly, regions, Scene(size_HW, sight, limit))

    def _name(self) -> str:
        number = int(self._rng.integers(1, 9999))
        views = self._plan.fault or self._chance(_HAS_VIEWS)
        if views and self._has_file:
            looks = ("top", "side") if self._chance(0.5) else ("front", "back")
            self._card.head["views"] = [{"name": n, "match": f"*_{n}.*"} for n in looks]
            if not self._plan.fault:
                return f"{self._line}_{number:04d}_{looks[0]}.png"
        return (f"{self._line}_{number:04d}.png", f"IMG_{number:04d}.jpg", f"{number:05d}.bmp")[
            self._rng.integers(3)
        ]

    def _sight(self, name: str, size_HW: tuple[int, int]) -> Sight:
        whole = Sight.of_image(size_HW)
        if not self._has_file:
            return whole
        return KnowledgeGuide(draft(self._card)).sight(name, whole.corners_xy, None)

    def _shows_kinds(self) -> bool:
        told = self._plan.kinds is not None or self._plan.aim == "unruled"
        return self._chance(0.85 if told else _HAS_NAMER)

    def _form_of(self, kind: KindSet | None) -> Form | None:
        """The form of a place: mostly that of its kind."""
        named = kind.names[0] if kind and kind.names else None
        form = next((k.form for k in self._card.kinds if k.name == named), None)
        return form if self._chance(_AS_ITS_KIND) else None

    def _first_kind(self) -> KindSet:
        if self._plan.kinds == "unknown":
            return self._told(())
        if self._plan.aim == "unruled":
            return self._told(self._card.kinds[:1])
        return self._kind()

    def _kind(self) -> KindSet:
        """What a place is taken for."""
        rng, kinds = self._rng, self._card.kinds
        how = rng.choice(4, p=_KINDS)
        if self._plan.kinds == "named":
            how = 1 + (how == 2)
        if how == 3:
            return self._told((), foreign=invented_word(self._card.smith))
        chosen = rng.choice(len(kinds), size=how, replace=False)
        return self._told([kinds[i] for i in chosen])

    def _told(self, kinds: Sequence[Kind], foreign: str | None = None) -> KindSet:
        names = (foreign,) if foreign else tuple(kind.name for kind in kinds)
        others = [kind.name for kind in self._card.kinds if kind.name not in names]
        shares = np.sort(self._rng.dirichlet(np.ones(len(names) + len(others))))[::-1]
        p_values = np.round(self._rng.uniform(0.21, 1, len(names)), 2).tolist()
        return KindSet(
            names=names,
            probabilities=dict(zip((*names, *others), shares.tolist(), strict=True)),
            p_values=dict(zip(names, p_values, strict=True)),
            coverage=0.8,
        )


def _inspect(
    rng: np.random.Generator,
    shot: _Shot,
    knowledge: Knowledge | None,
    alpha: float,
    line: str,
    opinion: Opinion | None,
) -> Inspection:
    """Let the experts judge an image, along the edges of ``echo.graph``."""
    scene, anomaly = shot.scene, shot.anomaly
    references = _references(rng, line, anomaly)
    found = Findings((), (), Excerpt((), (), (), 0))
    steps: tuple[Step, ...] = ()
    if is_suspicious(anomaly, alpha):
        if knowledge is not None:
            found = KnowledgeGuide(knowledge).check(shot.regions, scene)
        reasoner = ReasoningExpert(knowledge)
        view = scene.sight.view
        steps = reasoner.reason(
            references, anomaly, shot.regions, found.checks, found.excerpt, view
        )
    maker = DecisionMaker.by_rules(knowledge, alpha)
    decision, closing = maker.decide(
        anomaly, shot.regions, found.checks, found.unruled, scene.sight.fault, opinion
    )
    return Inspection(
        image=shot.name,
        size_HW=scene.size_HW,
        references=references,
        anomaly=anomaly,
        regions=shot.regions,
        clause_checks=found.checks,
        steps=(*steps, *closing),
        decision=decision,
        opinion=opinion,
        sight=scene.sight,
        versions=_versions(rng, line, knowledge is not None),
        timings_ms={},
    )


def _references(rng: np.random.Generator, line: str, anomaly: AnomalyMap) -> tuple[Reference, ...]:
    """The most similar normal images; first the twin, if there is one."""
    count = min(3, max(1, anomaly.calibration_size))
    similar = np.sort(rng.uniform(0.8, 0.99, count))[::-1]
    names = [f"good_{int(rng.integers(1, 999)):03d}.png" for _ in range(count)]
    if anomaly.twin is not None:
        names[0] = anomaly.twin.path.name
    return tuple(
        Reference(
            id=f"reference-{rank}",
            path=Path(line) / name,
            thumbnail=Path(f"{rank}.png"),
            similarity=float(share),
            rank=rank,
        )
        for rank, (name, share) in enumerate(zip(names, similar, strict=True), 1)
    )


def _versions(rng: np.random.Generator, line: str, has_file: bool) -> Versions:
    hashes = [rng.bytes(32).hex() for _ in range(4)]
    return Versions(
        image_sha256=hashes[0],
        line=line,
        line_sha256=hashes[1],
        knowledge_sha256=hashes[2] if has_file else None,
        encoder="invented",
        weights_sha256=hashes[3],
        echo="invented",
    )
