"""Grounds that answers rest on, by hand: maps with peaks, places with traits, a knowledge file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experts.choosing import Grounds, Weighed
from experts.evidence import AnomalyMap, Region
from tests.claim_facts import SIZE_HW, TRAITS, WASHER, anomaly_of, knowledge_of, region_of

FILE = knowledge_of(WASHER).file
GIVEN = "There is a defect in the object. "
KIND = f"{GIVEN}What is the type of the defect?"
KINDS = ("Scratch.", "Pit.", "Crack.")
CELLS = (
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom",
    "bottom right",
)  # fmt: skip


def map_of(patch_scores_hw: Sequence[Sequence[float]], **changes: object) -> AnomalyMap:
    scores_hw = np.array(patch_scores_hw, np.float32)
    stride = (SIZE_HW[0] / scores_hw.shape[0], SIZE_HW[1] / scores_hw.shape[1])
    fields = {
        "patch_scores_HW": scores_hw,
        "patch_stride_px": stride,
        "patch_centre_px": (stride[0] / 2, stride[1] / 2),
    }
    return anomaly_of(0).model_copy(update=fields | changes)


def peaks_at(*cells: int) -> AnomalyMap:
    """A map of 9 × 15 patches that is 1 in the middle of some of the nine cells."""
    scores_hw = np.zeros((9, 15))
    for cell in cells:
        scores_hw[1 + 3 * (cell // 3), 2 + 5 * (cell % 3)] = 1
    return map_of(scores_hw.tolist())


def place_of(*, dark: bool, elongation: float, unlike: float = 1.0) -> Region:
    """A region beside its reference; ``unlike`` is the share of its surroundings it differs from.

    Its tone against the reference is half of the grey range.
    """
    difference = -0.5 if dark else 0.5
    traits = {"difference": difference, "elongation": elongation}
    region = region_of(1, (20, 30, 40, 34), "top left", "", traits=TRAITS.model_copy(update=traits))
    return region.model_copy(update={"contrast": unlike * difference})


def best(weighed: Weighed, options: Sequence[str]) -> str:
    """The option that wins; none but it is as probable."""
    order = np.argsort(weighed.probabilities)[::-1]
    assert weighed.probabilities[order[0]] > weighed.probabilities[order[1]]
    return options[int(order[0])]


EVERYTHING = Grounds(
    SIZE_HW,
    defective=0.8,
    anomaly=peaks_at(0),
    region=place_of(dark=True, elongation=5),
    products=("washer", "ring"),
    knowledge=FILE,
)
