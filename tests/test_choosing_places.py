"""Where a defect is, by the map: whatever words name the places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from experts.choosing import Grounds, weigh
from experts.evidence import AnomalyMap
from tests.claim_facts import SIZE_HW
from tests.grounds import CELLS, EVERYTHING, GIVEN, best, map_of, peaks_at


@pytest.mark.parametrize(
    "wording",
    [
        "{}.",
        "{}",
        "On the {} side of the bottle opening.",
        "In the {} part of the image",
        "The defect is at the {}.",
    ],
)
@pytest.mark.parametrize("cell", range(9))
def test_the_place_of_the_peak_wins(cell: int, wording: str) -> None:
    options = [wording.format(place) for place in CELLS]
    weighed = weigh(
        f"{GIVEN}Where is the defect?", options, Grounds(SIZE_HW, anomaly=peaks_at(cell))
    )
    assert weighed.about == "place"
    assert weighed.evidence_ids == ("anomaly",)
    assert best(weighed, options) == options[cell]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((0,), "Top left."),
        ((8,), "Bottom right."),
        ((0, 8), "Top left and bottom right."),
        (range(9), "Scattered across the surface."),
    ],
)
def test_joined_places_win_where_all_are_anomalous(cells: Sequence[int], expected: str) -> None:
    options = (
        "Top left.", "Bottom right.", "Top left and bottom right.", "Scattered across the surface.",
    )  # fmt: skip
    weighed = weigh("Where is the defect?", options, Grounds(SIZE_HW, anomaly=peaks_at(*cells)))
    assert best(weighed, options) == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((4,), "In the center."),
        ((2,), "At the edge."),
        ((2, 4), "At the edge and near the center."),
    ],
)
def test_an_edge_that_has_no_side_is_all_around(cells: Sequence[int], expected: str) -> None:
    scores_hw = np.array(peaks_at(*cells).patch_scores_HW)
    options = ("In the center.", "At the edge.", "At the edge and near the center.")
    # Within a sixth of the image's size.
    scores_hw[0, 14] = scores_hw[1, 12]
    weighed = weigh(
        "Where is the defect?", options, Grounds(SIZE_HW, anomaly=map_of(scores_hw.tolist()))
    )
    assert best(weighed, options) == expected


def test_an_option_without_a_place_is_the_least_probable() -> None:
    options = ("On the label.", "On the left.", "On the right.")
    weighed = weigh("Where is the defect?", options, Grounds(SIZE_HW, anomaly=peaks_at(3)))
    assert best(weighed, options) == "On the left."
    assert weighed.probabilities[0] <= min(weighed.probabilities[1:])
    nowhere = weigh("Where is the defect?", ("The label.", "The cap."), EVERYTHING)
    assert nowhere.probabilities == (0.5, 0.5)
    assert nowhere.evidence_ids == ()


@pytest.mark.parametrize(
    "anomaly",
    [
        peaks_at(0).model_copy(update={"limit": np.inf, "extent_limit": np.inf}),
        peaks_at(0).model_copy(update={"extent_limit": 1e30}),
        map_of((np.array(peaks_at(0).patch_scores_HW) * 1e30).tolist()),
    ],
)
def test_limits_and_scores_may_be_extreme(anomaly: AnomalyMap) -> None:
    options = [f"{place}." for place in CELLS]
    assert best(weigh("Where is it?", options, Grounds(SIZE_HW, anomaly=anomaly)), options) == (
        "top left."
    )


@pytest.mark.parametrize("limit", [0.0, 0.5, np.inf])
def test_a_map_without_a_peak_tells_no_side(limit: float) -> None:
    constant = map_of(np.ones((6, 6)).tolist(), limit=limit, extent_limit=limit)
    weighed = weigh("Where is it?", ("Left.", "Right."), Grounds(SIZE_HW, anomaly=constant))
    assert weighed.probabilities == pytest.approx((0.5, 0.5))


def test_a_single_patch_lies_in_the_middle() -> None:
    options = [f"{place}." for place in CELLS]
    weighed = weigh("Where is it?", options, Grounds(SIZE_HW, anomaly=map_of([[2.0]])))
    assert best(weighed, options) == "center."
