"""What a difference from a twin makes of the verdict, and what the reason says of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from experts.answers.known import Known
from experts.answers.weighing import certainty
from experts.claims import Facts, check
from experts.decision import DecisionMaker, Wording
from experts.evidence import AnomalyMap, TwinScore
from experts.knowledge import Excerpt
from experts.reasoning import ReasoningExpert
from tests.claim_facts import inspection_of
from tests.findings import anomaly_of


def differing_by(p_value: float, *, calibrated: bool) -> AnomalyMap:
    twin = TwinScore(
        path=Path("board-7.png"),
        agreement=0.97,
        difference=0.9,
        limit=0.7,
        area=0.001,
        largest_area=math.inf,
        calibrated=calibrated,
        added=2.0,
    )
    above = round(100 * p_value) - 1
    return anomaly_of(above).model_copy(update={"score": 3.0, "twin": twin})


def test_what_is_not_calibrated_never_rejects_and_says_what_the_promise_leaves_out() -> None:
    maker = DecisionMaker(0.05, Wording("board", "boards"), has_knowledge=False)
    shown = differing_by(0.4, calibrated=False)
    decision, _ = maker.decide(shown, [], [])
    assert decision.verdict == "review"
    assert decision.reason == (
        "To review: the board as a whole differs from board-7.png, which else shows the same; "
        "99 normal boards are too few to calibrate such differences, so the promise on false "
        "rejects does not cover them."
    )
    assert shown.twin is not None
    rank = "Accepted: 39 of 99 normal boards score at least as high (p = 0.4)"
    aside = (
        "; it differs from board-7.png on 0.10% of the area, as normal images do that show "
        "different parts, so this does not count"
    )
    for change, more in (({"difference": 0.6}, ""), ({"largest_area": 0.001}, aside)):
        calm = shown.model_copy(update={"twin": shown.twin.model_copy(update=change)})
        accepted, _ = maker.decide(calm, [], [])
        assert (accepted.verdict, accepted.reason) == ("accept", f"{rank}{more}.")


@pytest.mark.parametrize(
    ("p_value", "alike", "words"),
    [
        (0.4, 2, "Accepted: 37 of 99 normal boards score at least as high; 2 more differ from "),
        (
            0.03,
            2,
            "scores beyond all 99 normal boards; 2 more differ from their twins, which ranks",
        ),
        (0.04, 1, "scores beyond all but 2 of 99 normal boards; 1 more differs from its twin, whi"),
    ],
)
def test_normal_images_that_rank_above_for_their_twins_are_told_apart(
    p_value: float, alike: int, words: str
) -> None:
    maker = DecisionMaker(0.05, Wording("board", "boards"), has_knowledge=False)
    plain = differing_by(p_value, calibrated=True).model_copy(
        update={"twin": None, "differing": alike}
    )
    assert words in maker.decide(plain, [], [])[0].reason


@pytest.mark.parametrize(
    ("above", "words", "step"),
    [
        (
            0,
            "more than any of 99 normal boards does from its twin (p = 0.01)",
            "none of the 99 normal ones differs from its twin and scores that high, so p = 0.01.",
        ),
        (
            1,
            "as much as only 1 of 99 normal boards does from its twin (p = 0.02)",
            "1 of the 99 normal ones differs from its twin and scores that high, so p = 0.02.",
        ),
        (
            2,
            "as much as only 2 of 99 normal boards do from their twins (p = 0.03)",
            "2 of the 99 normal ones differ from their twins and score that high, so p = 0.03.",
        ),
    ],
)
@pytest.mark.parametrize("differing", [0, 3])
def test_reason_step_and_answer_name_the_count_that_gives_p(
    above: int, words: str, step: str, differing: int
) -> None:
    shown = differing_by((above + 1) / 100, calibrated=True)
    # So many more normal boards differ from their twins, but less than this one does.
    shown = shown.model_copy(update={"differing": above + differing})
    maker = DecisionMaker(0.05, Wording("board", "boards"), has_knowledge=False)
    decision, _ = maker.decide(shown, [], [])
    assert decision.reason == (
        "To review: the board as a whole differs from board-7.png, which else shows the same, "
        f"{words}, but no single place stands out."
    )
    steps = ReasoningExpert(None).reason((), shown, (), (), Excerpt((), (), (), 0))
    assert any(one.found.endswith(step) for one in steps)
    inspection = inspection_of(shown)
    assert inspection.decision.reason.endswith(
        f"{words}, but no single place stands out.".replace("boards", "images")
    )
    said = certainty(Known(inspection, None, 0.05), ()).sentences[0]
    assert f": {above or 'none'} of the 99 normal ones that it is compared with rank" in said
    (checked,) = check(inspection.decision.reason, Facts.of(inspection, alpha=0.05)).sentences
    assert checked.said == inspection.decision.reason
