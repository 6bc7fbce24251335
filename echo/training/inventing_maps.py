"""How invented images compare with invented normal ones: ranks, p-values and twins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experts.decoder.conformal import images_needed
from experts.evidence import AnomalyMap, TwinScore

# As unusual as normal images seldom are; as they often are; beyond all, but of too few; beside
# none; without a part in sight; unlike its twin only, where this is not calibrated.
Rank = Literal["beyond", "normal", "few", "none", "no part", "twin"]

_MOST_IMAGES = 400
_BEYOND_ALL = 0.6
_HAS_TWIN = 0.15
_SET_ASIDE = 0.04
_OTHERS_DIFFER = 0.1
_FEW = 5


@dataclass(frozen=True)
class Ranked:
    """How an image compares with normal ones.

    Attributes:
        normal: How many these are.
        above: How many of them score at least as high.
        differing: How many of these do so because they differ from their twins.
        twin: The image that else shows the same, if there is one.
        rank: What it was drawn for.
    """

    normal: int
    above: int
    differing: int
    twin: TwinScore | None
    rank: Rank

    @property
    def p_value(self) -> float:
        """Conformal."""
        return (1 + self.above) / (1 + self.normal)


def draw_rank(rng: np.random.Generator, rank: Rank, alpha: float) -> Ranked:
    """Draw how an image compares with normal ones.

    Args:
        rng: The source of chance.
        rank: Whether it is unusual.
        alpha: The false-reject rate that the line promises.
    """
    least = images_needed(alpha)
    if rank == "none":
        return Ranked(0, 0, 0, None, rank)
    if rank == "few":
        return Ranked(int(rng.integers(min(3, least - 1), least)), 0, 0, None, rank)
    normal = int(rng.integers(least, max(_MOST_IMAGES, 2 * least)))
    held_back = math.floor(alpha * (normal + 1) + 1e-9)
    if rank in ("normal", "twin"):
        above = int(rng.integers(held_back, normal + 1))
        twin = _twin(rng, "uncalibrated") if rank == "twin" else None
        if twin is None and rng.random() < _SET_ASIDE:
            twin = _twin(rng, "set aside")
        return Ranked(normal, above, _differing(rng, min(above, _FEW)), twin, rank)
    above = 0 if rng.random() < _BEYOND_ALL else int(rng.integers(held_back))
    if rng.random() < _HAS_TWIN:
        return Ranked(normal, above, 0, _twin(rng, "decides"), rank)
    return Ranked(normal, above, _differing(rng, above), None, rank)


def _differing(rng: np.random.Generator, most: int) -> int:
    """How many normal images differ from their twins, in lines where some do."""
    return int(rng.integers(most + 1)) if rng.random() < _OTHERS_DIFFER else 0


def with_rank(anomaly: AnomalyMap, ranked: Ranked) -> AnomalyMap:
    """A map with its twin, and with limits only where there are images to set them by."""
    known: dict[str, Any] = {
        "differing": ranked.differing,
        "twin": ranked.twin,
        "part_found": ranked.rank != "no part",
    }
    if ranked.normal == 0:
        known |= {"limit": math.inf, "extent_limit": math.inf}
    return anomaly.model_copy(update=known)


def _twin(
    rng: np.random.Generator, how: Literal["decides", "uncalibrated", "set aside"]
) -> TwinScore:
    limit = float(rng.uniform(0.08, 0.2))
    area = float(rng.uniform(0.0005, 0.02))
    beyond = area / 2 if how == "set aside" else math.inf if how == "uncalibrated" else 0.1
    return TwinScore(
        path=Path(f"{int(rng.integers(1, 9999)):04d}_good.png"),
        agreement=float(rng.uniform(0.9, 0.99)),
        difference=float(rng.uniform(1.2, 4) * limit),
        limit=limit,
        area=area,
        largest_area=beyond,
        calibrated=how == "decides",
        added=0.0,
    )
