"""Answers on places by their words, on distances between them, and on how near a limit was."""

from __future__ import annotations

import pytest

from experts.answers import Known, read_question, tell
from experts.evidence import Region, Traits
from experts.tools.gaps import gap_px, nearest_other
from tests.claim_facts import ALPHA, CASES, region_of


def known_of(case: str) -> Known:
    inspection, knowledge = CASES[case]()
    return Known(inspection, knowledge, ALPHA)


def said(case: str, question: str) -> str:
    known = known_of(case)
    return tell(read_question(question, known.inspection.regions), known).text


def with_regions(*regions: Region) -> Known:
    inspection, knowledge = CASES["three"]()
    return Known(inspection.model_copy(update={"regions": regions}), knowledge, ALPHA)


def traits_of(edge_distance_px: float) -> Traits:
    return Traits(
        tone="darker than",
        compared_with="surroundings",
        difference=-0.2,
        form="round",
        elongation=1,
        outline="smooth",
        raggedness=0,
        situation="at the edge" if edge_distance_px < 5 else "inside",
        edge_distance_px=edge_distance_px,
    )


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Is the top left okay?", "region-1: a dark line"),
        ("Is the left edge okay?", "region-1: a dark line"),
        ("Ist unten rechts alles in Ordnung?", "region-3: a dark spot"),
        ("Is the bottom left fine?", "Nothing stands out at the bottom left."),
        ("Are the edges good?", "Nothing stands out at the edge."),
        ("Is the centre ok?", "region-2: a bright spot"),
    ],
)
def test_what_stands_out_at_a_place_comes_before_the_verdict(question: str, found: str) -> None:
    first, *others, last = said("three", question).splitlines()
    assert first.startswith(found)
    assert (others, last) == ([], "The verdict is reject.")


def test_an_edge_is_any_side_of_the_image_or_the_part() -> None:
    inner = region_of(1, (100, 100, 120, 120), "centre", "dark spot", traits=traits_of(100))
    outer = region_of(2, (40, 100, 60, 120), "left", "dark spot", traits=traits_of(2))
    known = with_regions(inner, outer)
    for question in ("Liegt der Fehler am Rand?", "Is there anything at the edge?"):
        told = tell(read_question(question, (inner, outer)), known)
        assert told.about == ("region-2",), question
    touching = region_of(1, (0, 100, 20, 120), "left", "dark spot")
    known = with_regions(touching)
    assert "region-1:" in tell(read_question("Was ist am Rand?", (touching,)), known).text
    # How far it is to the edge is asked of the region.
    assert read_question("How far is it from the edge?", (touching,)).place == ""


def test_corners_are_four() -> None:
    told = said("three", "Is there anything in the corners?")
    assert "region-1:" in told
    assert "region-3:" in told
    assert "region-2:" not in told


def test_how_far_places_lie_from_each_other() -> None:
    assert said("three", "How far is region-1 from region-2?") == (
        "Between region-1 and region-2 there are 137 px."
    )
    for question in ("measure the distance between region 1 and region 2", "How far apart are 1?"):
        assert "Between region-1 and region-2 there are 137 px." in said("three", question)
    nearest = said("three", "How far apart are the places?").splitlines()
    assert nearest[0].startswith("Between region-2 and region-3 there are 127 px")
    assert len(nearest) == 3
    assert said("one", "How far apart are the two places?").startswith("Only region-1 stands out")
    assert said("none", "Wie weit liegen sie auseinander?") == "No single place stands out."
    assert read_question("Apart from that, is it ok?").topics == ("verdict",)


def test_gaps_are_those_of_the_nearest_pixels() -> None:
    one = region_of(1, (0, 0, 10, 10), "top left", "dark spot")
    right = region_of(2, (13, 0, 20, 10), "top", "dark spot")
    below = region_of(3, (0, 10, 10, 20), "left", "dark spot")
    assert (gap_px(one, right), gap_px(one, below)) == (3.0, 0.0)
    assert nearest_other(one, (one, right, below)) == (below, 0.0)
    assert nearest_other(one, (one,)) == (None, float("inf"))
    told = tell(read_question("How far apart are 1 and 3?", (one, below)), with_regions(one, below))
    assert told.text == "Between region-1 and region-3 there is nothing: they touch."


def test_how_far_places_lie_from_sides_and_the_centre() -> None:
    nearest = "Of 3 places region-1 lies nearest to the edge, region-2 farthest from it."
    assert said("three", "Which is closest to the edge?").startswith(nearest)
    assert "region-1 lies 20 px from the left, 30 px from the top, 240 px from the right" in said(
        "three", "How far is the first one from the left edge?"
    )
    centre = said("three", "How far is it from the centre?")
    assert centre.startswith("Of 3 places region-2 lies nearest to the centre, region-1 farthest")
    assert "(7 mm) from the left" in said("within", "Which is nearest to the edge?")


def test_places_that_lie_equally_near_are_not_put_in_order() -> None:
    left = region_of(1, (0, 100, 20, 120), "left", "dark spot")
    top = region_of(2, (100, 0, 120, 20), "top", "dark spot")
    asked = read_question("Which is closest to the edge?", (left, top))
    text = tell(asked, with_regions(left, top)).text
    assert text.startswith("All 2 places lie equally near to the edge.")


def test_how_much_of_the_image_is_affected() -> None:
    for question in (
        "What percentage of the tile is defective?",
        "Wie viel Prozent ist betroffen?",
        "How much of the part is affected?",
    ):
        text = said("three", question)
        assert text.startswith("The 3 places together cover 1.1 % of the image (1000 px²)."), text
    assert said("none", "How much of the part is affected?") == "No single place stands out."


def test_how_near_another_verdict_was() -> None:
    broken = said("three", "What would it take to pass?")
    assert broken.startswith("Clause `scratch.length`")
    assert broken.count("not within the limit") == 3
    assert "Its p-value is 0.02; up to 0.05 a part counts as unusual." in broken
    assert broken.endswith("The verdict is reject.")
    one = said("three", "How close is region 1 to the limit?")
    assert "`scratch.length`" in one
    assert "`pit.size`" not in one
    near = said("within", "How close was it to being rejected?")
    assert near.startswith("The nearest to its limit: Clause `pit.size`")
    assert "That leaves 0.93 mm." in near
    assert near.endswith("The verdict is accept.")
    known = known_of("within")
    checks = tuple(c.model_copy(update={"region_ids": ()}) for c in known.inspection.clause_checks)
    nowhere = known.inspection.model_copy(update={"regions": (), "clause_checks": checks})
    asked = read_question("How close was it to being rejected?")
    text = tell(asked, Known(nowhere, known.knowledge, ALPHA)).text
    assert text.startswith("Its p-value is 0.03;")
    assert said("none", "War das knapp?").startswith("Its p-value is 0.6;")


def test_the_confidence_says_what_of() -> None:
    assert "The confidence that the verdict reject is right is 0.89." in said("three", "How sure?")
    assert "so the confidence is 0.50" in said("review", "How sure are you?")
    good = {case: said(case, "What is the probability that it is good?") for case in CASES}
    assert good["none"].startswith("The probability that the part is good is 0.83")
    assert good["three"].startswith("The probability that the part is good is 0.11")
    assert good["review"].startswith("How probable it is that the part is good cannot be told")
