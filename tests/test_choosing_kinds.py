"""Which kind of defect it is, by how the place looks and what is known of each kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experts.choosing import Grounds, weigh
from experts.choosing.likeness import likeness
from experts.choosing.traits import described, shown
from tests.claim_facts import SIZE_HW, TRAITS, WASHER, knowledge_of, region_of
from tests.grounds import EVERYTHING, FILE, GIVEN, KIND, KINDS, best, place_of


@pytest.mark.parametrize(
    ("dark", "elongation", "kind"),
    [(False, 6, "Scratch."), (True, 1.2, "Pit."), (True, 6, "Crack.")],
)
def test_the_kind_follows_tone_and_form(dark: bool, elongation: float, kind: str) -> None:
    text = WASHER.replace("A thin line.", "A thin bright line.")
    region = place_of(dark=dark, elongation=elongation)
    grounds = Grounds(SIZE_HW, region=region, knowledge=knowledge_of(text).file)
    weighed = weigh(KIND, KINDS, grounds)
    assert best(weighed, KINDS) == kind
    assert weighed.evidence_ids == ("knowledge", "region-1")


@pytest.mark.parametrize(
    ("unlike", "expected"),
    [
        (0.97, "A speck that touches no track."),
        (0.6, "A thorn that sticks out of a track."),
        (0.35, "A bridge between two tracks."),
    ],
)
def test_looks_tell_how_a_place_stands_to_its_surroundings(unlike: float, expected: str) -> None:
    options = (
        "A bridge between two tracks.", "A thorn that sticks out of a track.",
        "A speck that touches no track.",
    )  # fmt: skip
    region = place_of(dark=True, elongation=2.5, unlike=unlike)
    weighed = weigh(f"{GIVEN}What does it look like?", options, Grounds(SIZE_HW, region=region))
    assert weighed.about == "appearance"
    assert weighed.evidence_ids == ("region-1",)
    assert best(weighed, options) == expected


def test_surroundings_tell_nothing_without_a_reference() -> None:
    beside = TRAITS.model_copy(update={"compared_with": "surroundings"})
    region = region_of(1, (0, 0, 9, 3), "top left", "", traits=beside)
    assert set(shown(region, 300 * 300)) == {"tone", "form", "extent"}


def test_a_region_without_traits_is_told_by_its_sizes() -> None:
    region = region_of(1, (0, 0, 100, 2), "top", "dark line")
    assert shown(region, 300 * 300) == {"tone": 1, "form": 1, "extent": -1}


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("A dark thorn that sticks out of a track into the white ground.", 1),
        ("A white gap in a dark track.", -1),
        ("A small pit with a dark floor.", 1),
        ("A flat patch, darker than the bright surface.", 1),
        ("It is dark and bright.", 0),
        ("", 0),
    ],
)
def test_the_tone_of_a_text_is_not_that_of_what_lies_around(text: str, tone: int) -> None:
    assert described(text)["tone"] == tone


def test_examples_override_looks() -> None:
    round_and_dark = replace(EVERYTHING, region=place_of(dark=True, elongation=1))
    assert best(weigh(KIND, KINDS, round_and_dark), KINDS) == "Pit."
    for name, option in zip(("scratch", "pit", "fracture"), KINDS, strict=True):
        taught = replace(round_and_dark, kinds={name: 0.9})
        assert best(weigh(KIND, KINDS, taught), KINDS) == option


def test_kinds_that_only_examples_tell_of_are_known_by_name() -> None:
    taught = Grounds(SIZE_HW, region=EVERYTHING.region, kinds={"burr": 0.7, "dent": 0.3})
    weighed = weigh(KIND, ("Dent.", "Burr.", "Hole."), taught)
    assert best(weighed, ("Dent.", "Burr.", "Hole.")) == "Burr."
    assert weighed.evidence_ids == ("region-1",)
    beside_file = replace(taught, knowledge=FILE)
    assert best(
        weigh(KIND, ("Dent.", "Burr.", "Pit."), beside_file), ("Dent.", "Burr.", "Pit.")
    ) == ("Burr.")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("What is the appearance of the defect?", "appearance"),
        ("What is the effect of the defect?", "effect"),
        ("What is the cause of the defect?", "cause"),
    ],
)
@pytest.mark.parametrize("kind", ["scratch", "pit", "crack"])
def test_what_is_said_of_a_kind_is_told_by_the_file(asked: str, text: str, kind: str) -> None:
    texts = {
        "scratch": ("A thin line.", "It is ugly to see.", "A careless hand."),
        "pit": ("A small round hole.", "Grease gathers there.", "Gas in the melt."),
        "crack": ("A branching fissure.", "It tears under load.", "Tension while cooling."),
    }
    defects = [
        defect.model_copy(
            update=dict(zip(("appearance", "effect", "cause"), texts[defect.name], strict=True))
        )
        for defect in FILE.defects
    ]
    file = FILE.model_copy(update={"defects": defects})
    options = [said[("appearance", "effect", "cause").index(text)] for said in texts.values()]
    weighed = weigh(asked, options, Grounds(SIZE_HW, knowledge=file, kinds={kind: 1.0}))
    assert weighed.about == text
    assert weighed.evidence_ids == ("knowledge",)
    assert best(weighed, options) == options[list(texts).index(kind)]


def test_an_option_that_fits_all_kinds_alike_tells_of_none() -> None:
    effects = ("The ring is ugly to see.", "The ring holds grease.", "The ring tears.")
    defects = [
        defect.model_copy(update={"effect": effect})
        for defect, effect in zip(FILE.defects, effects, strict=True)
    ]
    file = FILE.model_copy(update={"defects": defects})
    options = ("The ring.", "It makes all look quite ugly.")
    grounds = Grounds(SIZE_HW, knowledge=file, kinds={"scratch": 1.0})
    assert likeness(options[:1], effects[:1]) > likeness(options[1:], effects[:1])
    assert best(weigh("What is the effect of the defect?", options, grounds), options) == options[1]


def test_what_is_asked_for_counts_more_than_what_else_is_said() -> None:
    told = {"effect": "Grease gathers there.", "cause": "A careless hand."}
    file = FILE.model_copy(update={"defects": [FILE.defects[0].model_copy(update=told)]})
    options = ("Grease is lost.", "Careless people.")
    asked = ("What is the effect of the defect?", "What is the cause of the defect?")
    known = Grounds(SIZE_HW, knowledge=file)
    assert [best(weigh(question, options, known), options) for question in asked] == list(options)


def test_reasoning_may_be_left_out() -> None:
    weighed = weigh(KIND, KINDS, replace(EVERYTHING, weighs=False))
    assert weighed.evidence_ids == ("knowledge",)
