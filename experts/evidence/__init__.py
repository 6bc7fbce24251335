"""The types that experts hand each other: frozen, validated once, H before W, units in names.

Pixels are those of the upright input image (EXIF rotation applied), origin at its top left.
"""

from __future__ import annotations

from experts.evidence.base import Array, BoolArray, Evidence, FloatArray, Limit, Verdict
from experts.evidence.inspection import (
    NO_DEFECT,
    Decision,
    Defect,
    Explanation,
    Inspection,
    Machine,
    Opinion,
    Said,
    Standing,
    Step,
    Versions,
)
from experts.evidence.looks import Cause, Healed, Look, Tool
from experts.evidence.maps import AnomalyMap, ChannelScore, Reference, TwinScore
from experts.evidence.regions import KindSet, Region, Traits
from experts.evidence.rules import Clause, ClauseCheck, Quantity, Sight, Unruled

__all__ = [
    "NO_DEFECT",
    "AnomalyMap",
    "Array",
    "BoolArray",
    "Cause",
    "ChannelScore",
    "Clause",
    "ClauseCheck",
    "Decision",
    "Defect",
    "Evidence",
    "Explanation",
    "FloatArray",
    "Healed",
    "Inspection",
    "KindSet",
    "Limit",
    "Look",
    "Machine",
    "Opinion",
    "Quantity",
    "Reference",
    "Region",
    "Said",
    "Sight",
    "Standing",
    "Step",
    "Tool",
    "Traits",
    "TwinScore",
    "Unruled",
    "Verdict",
    "Versions",
]
