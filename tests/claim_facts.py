"""Inspections whose facts sentences are checked against, made of real evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experts.claims import Facts
from experts.decision import DecisionMaker
from experts.evidence import (
    AnomalyMap,
    ClauseCheck,
    Inspection,
    KindSet,
    Opinion,
    Reference,
    Region,
    Sight,
    Step,
    Traits,
    Versions,
)
from experts.knowledge import Knowledge, KnowledgeGuide, Scene
from experts.knowledge.reading import parse_knowledge
from experts.opinion import opinion_step
from experts.reasoning import ReasoningExpert

ALPHA = 0.05
SIZE_HW = (300, 300)
WASHER = """
product: washer
aliases: [ring]
part: washer
parts: washers
normal: A bright ring with a clean edge and a round hole in the middle.
mm_per_px: 0.05
zones:
  - {name: rim, box: [0, 0, 1, 0.2]}
defects:
  - name: scratch
    synonyms: [score]
    appearance: A thin line.
    effect: Looks bad.
    severity: minor
    clauses:
      - {id: scratch.length, quantity: length, at_most: 0.4, unit: mm}
      - {id: scratch.count, quantity: count, at_most: 3}
  - name: pit
    synonyms: [dark spot]
    appearance: A small dark hole.
    severity: minor
    clauses:
      - {id: pit.size, quantity: diameter, at_most: 2, unit: mm}
      - {id: pit.area, quantity: total_area, at_most: 5, unit: "%", then: review, note: Ask Ann.}
  - name: crack
    synonyms: [fracture]
    appearance: A dark branching line.
    severity: critical
    clauses:
      - {id: crack.any, allowed: none}
"""
PLAIN = WASHER.replace("mm_per_px: 0.05\n", "").replace("unit: mm", "unit: px")


def knowledge_of(text: str) -> Knowledge:
    return parse_knowledge(text.encode(), Path("washer.yaml"))


def anomaly_of(above: int, normal: int = 99, limit: float = 0.5) -> AnomalyMap:
    """A map of an image that ``above`` of the normal images score at least as high as."""
    return AnomalyMap(
        patch_scores_HW=np.ones((4, 4), np.float32),
        patch_stride_px=(75.0, 75.0),
        patch_centre_px=(37.0, 37.0),
        image_size_HW=SIZE_HW,
        score=0.875,
        p_value=(1 + above) / (1 + normal),
        calibration_size=normal,
        limit=limit,
        extent_limit=0.1,
        encoder="test",
    )


def region_of(
    number: int,
    box: tuple[int, int, int, int],
    place: str,
    looks: str,
    *,
    mm: float | None = None,
    kinds: tuple[str, ...] | None = None,
    traits: Traits | None = None,
) -> Region:
    """A box that is filled; its length and width are those of the box."""
    left, top, right, bottom = box
    long, wide = sorted((right - left, bottom - top), reverse=True)
    shares = {name: 1 / len(kinds) for name in kinds} if kinds else {}
    return Region(
        id=f"region-{number}",
        box_xyxy=box,
        mask=np.ones((bottom - top, right - left), bool),
        area_px=long * wide,
        length_px=long,
        width_px=wide,
        peak_score=1.25 / number,
        place=place,
        looks=looks,
        contrast=-0.5 if looks.startswith("dark") else 0.5,
        area_mm2=mm and long * wide * mm**2,
        length_mm=mm and long * mm,
        width_mm=mm and wide * mm,
        traits=traits,
        kinds=KindSet(names=kinds, probabilities=shares, p_values=shares, coverage=0.8)
        if kinds is not None
        else None,
    )


def inspection_of(
    anomaly: AnomalyMap,
    regions: Sequence[Region] = (),
    knowledge: Knowledge | None = None,
    opinion: Opinion | None = None,
    reference: str = "ok_003.png",
) -> Inspection:
    """What the experts say of some regions."""
    scale = knowledge.file.mm_per_px if knowledge else None
    sight = Sight.of_image(SIZE_HW, mm_per_px=scale)
    references = (
        Reference(
            id="reference-1",
            path=Path("good") / reference,
            thumbnail=Path("1.png"),
            similarity=0.934,
            rank=1,
        ),
    )
    checks: tuple[ClauseCheck, ...] = ()
    steps: tuple[Step, ...] = ()
    maker = DecisionMaker.by_rules(knowledge, ALPHA)
    if knowledge is not None and regions:
        guide = KnowledgeGuide(knowledge)
        checks, unruled, excerpt = guide.check(regions, Scene(SIZE_HW, sight, anomaly.limit))
        steps = ReasoningExpert(knowledge).reason(references, anomaly, regions, checks, excerpt)
    else:
        unruled = ()
    if opinion is not None:
        steps = (*steps, opinion_step(opinion, "This has no say in the verdict."))
    decision, closing = maker.decide(anomaly, regions, checks, unruled)
    return Inspection(
        image="part-17.png",
        size_HW=SIZE_HW,
        references=references,
        anomaly=anomaly,
        regions=tuple(regions),
        clause_checks=checks,
        steps=(*steps, *closing),
        decision=decision,
        opinion=opinion,
        sight=sight,
        versions=Versions(
            image_sha256="a",
            line="washer",
            line_sha256="b",
            knowledge_sha256=None,
            encoder="test",
            weights_sha256="c",
            echo="0.1.0",
        ),
        timings_ms={},
    )


TRAITS = Traits(
    tone="darker than",
    compared_with="reference",
    difference=-0.3,
    form="elongated",
    elongation=5.0,
    outline="smooth",
    raggedness=0.02,
    situation="inside",
    edge_distance_px=20.0,
)
OPINION = Opinion(
    model="tiny",
    revision="1",
    prompts_version=1,
    candidates=("scratch", "pit", "crack", "no defect", "other"),
    probabilities=(0.62, 0.1, 0.08, 0.2, 0.0),
    from_logits=True,
    prompt_tokens=10,
)


def one() -> tuple[Inspection, Knowledge | None]:
    """Rejected: one region in mm that may be a scratch or a crack."""
    knowledge = knowledge_of(WASHER)
    box, kinds = (20, 30, 40, 34), ("scratch", "crack")
    region = region_of(1, box, "top left", "dark line", mm=0.05, kinds=kinds, traits=TRAITS)
    return inspection_of(anomaly_of(0), [region], knowledge, OPINION), knowledge


def three() -> tuple[Inspection, Knowledge | None]:
    """Rejected: three regions of several kinds at different places, in px."""
    knowledge = knowledge_of(PLAIN)
    regions = [
        region_of(1, (20, 30, 60, 34), "top left", "dark line", kinds=("scratch",)),
        region_of(2, (140, 145, 155, 157), "centre", "bright spot", kinds=("pit",)),
        region_of(3, (250, 240, 280, 262), "bottom right", "dark spot", kinds=("pit", "crack")),
    ]
    return inspection_of(anomaly_of(1), regions, knowledge), knowledge


def none() -> tuple[Inspection, Knowledge | None]:
    """Accepted: nothing stands out."""
    knowledge = knowledge_of(WASHER)
    return inspection_of(anomaly_of(59), [], knowledge), knowledge


def review() -> tuple[Inspection, Knowledge | None]:
    """To review: too few normal images; one region, no rules, no scale."""
    region = region_of(1, (240, 140, 270, 146), "right", "bright line")
    return inspection_of(anomaly_of(0, normal=3), [region]), None


def within() -> tuple[Inspection, Knowledge | None]:
    """Accepted: one pit within its limits."""
    knowledge = knowledge_of(WASHER)
    box = (140, 240, 160, 258)
    region = region_of(1, box, "bottom", "dark spot", mm=0.05, kinds=("pit",))
    return inspection_of(anomaly_of(2), [region], knowledge), knowledge


CASES = {case.__name__: case for case in (one, three, none, review, within)}


def facts_of(case: str) -> Facts:
    inspection, knowledge = CASES[case]()
    if knowledge is None:
        return Facts.of(inspection, alpha=ALPHA)
    return Facts.of(inspection, knowledge.file, knowledge.clauses, ALPHA)
