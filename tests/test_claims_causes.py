"""What is said of causes, and of what became of places that were replaced, is in the evidence."""

from __future__ import annotations

import pytest

from experts.claims import Facts, check
from experts.evidence import Cause, Healed
from tests.claim_facts import ALPHA, CASES, WASHER, inspection_of, knowledge_of, region_of
from tests.claim_facts import anomaly_of as anomaly


def facts_after(after: float, p_after: float) -> Facts:
    """The case ``one``, of which the place was replaced; it stood out 2.5 times before."""
    inspection, knowledge = CASES["one"]()
    assert knowledge is not None
    cause = Cause(
        reference="ok_003.png",
        healed=(Healed(region_id="region-1", before=2.5, after=after),),
        p_before=0.01,
        p_after=p_after,
        alpha=ALPHA,
        score_before=0.875,
        score_after=0.4,
    )
    healed = inspection.model_copy(update={"cause": cause})
    return Facts.of(healed, knowledge.file, knowledge.clauses, ALPHA)


GONE, STAYS = facts_after(0.4, 0.6), facts_after(2.2, 0.01)


@pytest.mark.parametrize(
    ("text", "gone", "stays"),
    [
        ("The anomaly vanishes.", True, False),
        ("With region-1 replaced the anomaly disappears.", True, False),
        ("The anomaly does not vanish.", False, True),
        ("The anomaly persists.", False, True),
        ("With region-1 replaced it still stands out.", False, True),
        ("The anomaly weakens only slightly.", False, True),
        ("The anomaly hardly weakens.", False, True),
        ("Die Anomalie verschwindet.", True, False),
        ("Die Anomalie schwächt sich nur leicht ab.", False, True),
    ],
)
def test_what_became_of_a_place_is_what_was_measured(text: str, *, gone: bool, stays: bool) -> None:
    assert [check(text, facts).text == text for facts in (GONE, STAYS)] == [gone, stays]


@pytest.mark.parametrize("text", ["The anomaly vanishes.", "The anomaly persists."])
def test_what_was_not_tried_is_not_told(text: str) -> None:
    inspection, knowledge = CASES["one"]()
    assert knowledge is not None
    assert check(text, Facts.of(inspection, knowledge.file)).text == ""


CAUSES = (
    WASHER.replace("effect: Looks bad.", "effect: Looks bad.\n    cause: A loose conveyor.")
    .replace("synonyms: [dark spot]", "synonyms: [dark spot, oil stain]")
    .replace(
        "appearance: A small dark hole.",
        "appearance: A small dark hole.\n    cause: Stress when a worn gripper closes too hard.",
    )
)


def facts_with_causes(kind: str) -> Facts:
    knowledge = knowledge_of(CAUSES)
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line", kinds=(kind,))
    inspection = inspection_of(anomaly(0), [region], knowledge)
    return Facts.of(inspection, knowledge.file, knowledge.clauses, ALPHA)


@pytest.mark.parametrize(
    "text",
    [
        "The dark line at the top left is caused by a worn gripper.",
        "The dark line at the top left is due to the gripper.",
        "The dark line at the top left comes from stress when a gripper closes.",
    ],
)
def test_causes_are_those_of_a_kind_that_the_place_may_be(text: str) -> None:
    assert check(text, facts_with_causes("pit")).text == text
    assert check(text, facts_with_causes("scratch")).text == ""


@pytest.mark.parametrize(
    "text",
    [
        "The dark line at the top left is caused by a loose conveyor.",
        "The dark line at the top left is due to the weather.",
        "The dark line at the top left is due to the gripper of the camera.",
        "The dark line at the top left is caused by a worn conveyor.",
        "The dark line at the top left comes from the gripper in the line.",
        "It is a coffee stain.",
        "It is a pit from glue.",
    ],
)
def test_no_cause_comes_from_a_word_of_the_file_alone(text: str) -> None:
    assert check(text, facts_with_causes("pit")).text == ""


def test_names_of_kinds_may_name_a_substance() -> None:
    assert check("It is an oil stain.", facts_with_causes("pit")).text == "It is an oil stain."
