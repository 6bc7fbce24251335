"""Evidence written by hand, for whoever decides on it: maps, regions, checks, and any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st

from experts.decision import DecisionMaker, Wording
from experts.evidence import (
    AnomalyMap,
    Clause,
    ClauseCheck,
    Decision,
    KindSet,
    Opinion,
    Quantity,
    Region,
    Unruled,
    Verdict,
)

Severity: TypeAlias = Literal["minor", "major", "critical"]
ALPHA = 0.05


def anomaly_of(above: int, normal: int = 99) -> AnomalyMap:
    """A map of an image that ``above`` of the normal images score at least as high as."""
    return AnomalyMap(
        patch_scores_HW=np.ones((4, 4), np.float32),
        patch_stride_px=(16.0, 16.0),
        patch_centre_px=(15.0, 15.0),
        image_size_HW=(64, 64),
        score=0.875,
        p_value=(1 + above) / (1 + normal),
        calibration_size=normal,
        limit=0.5,
        extent_limit=0.1,
        encoder="test",
    )


def region_of(number: int = 1, *, mm: float | None = None, place: str = "top left") -> Region:
    """A dark line of 20 × 4 px, each ``mm`` wide if there is a scale."""
    return Region(
        id=f"region-{number}",
        box_xyxy=(0, 0, 20, 4),
        mask=np.ones((4, 20), bool),
        area_px=80,
        length_px=20,
        width_px=4,
        peak_score=1.25,
        place=place,
        looks="dark line",
        contrast=-0.5,
        area_mm2=mm and 80 * mm**2,
        length_mm=mm and 20 * mm,
        width_mm=mm and 4 * mm,
    )


def named(region: Region, *names: str) -> Region:
    """The region, with the kinds that it may be of."""
    kinds = KindSet(names=names, probabilities={}, p_values={}, coverage=0.8)
    return region.model_copy(update={"kinds": kinds})


def check_of(
    name: str,
    measured: float,
    maximum: float,
    severity: Severity = "minor",
    unit: Literal["px", "mm"] = "px",
    defect: str = "crack",
    quantity: Quantity = "length",
) -> ClauseCheck:
    """What was measured on region-1, against at most ``maximum``."""
    clause = Clause(
        id=name,
        defect=defect,
        quantity=quantity,
        limit=maximum,
        unit=unit,
        severity=severity,
        source="knowledge.yaml",
        line=12,
    )
    within = measured <= maximum
    return ClauseCheck(
        id=f"clause:{name}",
        clause=clause,
        measured=measured,
        within=within,
        region_ids=("region-1",),
        broken_by=() if within else ("region-1",),
    )


def count_of(found: int, at_most: int) -> ClauseCheck:
    """So many regions were found, against at most so many."""
    clause = Clause(
        id="crack.any",
        defect="crack",
        quantity="count",
        limit=at_most,
        unit="",
        severity="critical",
        source="knowledge.yaml",
        line=12,
    )
    ids = tuple(f"region-{i + 1}" for i in range(found))
    return ClauseCheck(
        id="clause:crack.any",
        clause=clause,
        measured=found,
        within=found <= at_most,
        region_ids=ids,
        broken_by=() if found <= at_most else ids,
    )


def decide(
    anomaly: AnomalyMap,
    regions: list[Region] | None = None,
    checks: list[ClauseCheck] | None = None,
    unruled: list[Unruled] | None = None,
    *,
    has_knowledge: bool = True,
) -> Decision:
    """What follows for a solar cell."""
    maker = DecisionMaker(ALPHA, Wording("cell", "cells"), has_knowledge)
    return maker.decide(anomaly, regions or [], checks or [], unruled or [])[0]


def following(then: Verdict, note: str | None = None, name: str = "a") -> ClauseCheck:
    """A broken clause, and what it says shall follow."""
    check = check_of(name, 20, 5)
    return check.model_copy(
        update={"clause": check.clause.model_copy(update={"then": then, "note": note})}
    )


def opinion_of(shares: Mapping[str, float], **more: Any) -> Opinion:
    """What a model called tiny takes an image for, and what else is known of it."""
    known: dict[str, Any] = {
        "model": "tiny",
        "revision": "r1",
        "prompts_version": 1,
        "from_logits": True,
        "prompt_tokens": 1,
    }
    candidates, probabilities = tuple(shares), tuple(shares.values())
    return Opinion(candidates=candidates, probabilities=probabilities, **known | more)


anomalies = st.integers(1, 200).flatmap(
    lambda n: st.integers(0, n).map(lambda above: anomaly_of(above, n))
)
severities: list[Severity] = ["minor", "critical"]
maybe_checks = st.lists(
    st.builds(
        check_of,
        st.uuids().map(str),
        st.floats(0, 50),
        st.floats(0, 50),
        st.sampled_from(severities),
    ),
    max_size=4,
)
