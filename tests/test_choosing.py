"""Options are weighed by evidence: each kind of question, and all that may be missing or odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.choosing import Grounds, Weighed, weigh
from experts.choosing.likeness import likeness
from experts.choosing.traits import described, shown
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

# Presence


@pytest.mark.parametrize(
    ("question", "options", "bad"),
    [
        ("Is there any defect in the object?", ("Yes.", "No."), 0),
        ("Is there any defect in the object?", ("No.", "Yes."), 1),
        ("Is the object normal?", ("Yes.", "No."), 1),
        ("Is the object free of defects?", ("Yes.", "No."), 1),
        ("What is the state of the object?", ("Normal.", "Abnormal."), 1),
        ("Which is true?", ("No defect.", "There is a defect."), 1),
        ("Ist das Teil fehlerfrei?", ("Ja.", "Nein."), 1),
    ],
)
def test_presence_follows_the_probability(question: str, options: Sequence[str], bad: int) -> None:
    found = [weigh(question, options, Grounds(SIZE_HW, defective=p)) for p in np.linspace(0, 1, 11)]
    assert all(low.probabilities[bad] < up.probabilities[bad] for low, up in pairwise(found))
    assert best(found[0], options) != options[bad] == best(found[-1], options)
    assert found[0].evidence_ids == ("anomaly", "decision")


def test_options_that_say_the_same_share_it() -> None:
    options = ("Yes.", "Yes, a defect.", "No.", "Cannot tell.")
    weighed = weigh("Is there a defect?", options, Grounds(SIZE_HW, defective=0.8))
    first, second, no, unsaid = weighed.probabilities
    assert first == second == pytest.approx(0.41 / 1.04)
    assert unsaid == pytest.approx(0.01 / 1.04)
    assert no == pytest.approx(0.21 / 1.04)


# Places


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


# Kinds


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


# Products and good parts


def test_the_product_is_the_one_whose_name_is_alike() -> None:
    options = ("A steel screw.", "A washer (metal ring).", "A leather sheet.", "A bottle.")
    weighed = weigh("What kind of product is displayed in the image?", options, EVERYTHING)
    assert best(weighed, options) == options[1]
    assert weighed.evidence_ids == ("reference-1",)


def test_a_good_part_is_as_the_file_says() -> None:
    options = ("A woven cloth.", "A round hole.", "A green board.", "A wooden plank.")
    weighed = weigh("What is in the middle of the object?", options, EVERYTHING)
    assert best(weighed, options) == "A round hole."
    assert weighed.evidence_ids == ("knowledge",)


# What is missing or odd

QUESTIONS = (
    ("Is there any defect in the object?", ("Yes.", "No.")),
    ("Where is the defect?", ("Left.", "Right.", "Top.")),
    (KIND, KINDS),
    ("What is the appearance of the defect?", ("A dark line.", "A white dot.", "A hole.")),
    ("What is the effect of the defect?", ("It leaks.", "It breaks.")),
    ("What is the cause of the defect?", ("Dust.", "Heat.", "A blow.")),
    ("What kind of product is shown in the image?", ("A washer.", "A nut.")),
    ("What colour is the object?", ("Grey.", "Green.", "Blue.")),
    ("How many defects are there?", ("One.", "Two.")),
)


@pytest.mark.parametrize(("question", "options"), QUESTIONS)
def test_nothing_known_tells_nothing(question: str, options: Sequence[str]) -> None:
    weighed = weigh(question, options, Grounds(SIZE_HW))
    assert weighed.probabilities == (1 / len(options),) * len(options)
    assert weighed.evidence_ids == ()


def test_texts_like_none_of_the_known_tell_nothing() -> None:
    options = ("Qqqq.", "Zzzz.")
    for question in (KIND, "What is the effect of the defect?", "What is the object made of?"):
        weighed = weigh(question, options, Grounds(SIZE_HW, products=("washer",), knowledge=FILE))
        assert weighed.probabilities == (0.5, 0.5)
        assert weighed.evidence_ids == ()


def test_options_that_tell_no_looks_rest_on_nothing_without_a_file() -> None:
    place = Grounds(SIZE_HW, region=EVERYTHING.region)
    for question in (KIND, "What is the effect of the defect?"):
        weighed = weigh(question, ("Qqqq.", "Zzzz."), place)
        assert weighed.probabilities == (0.5, 0.5)
        assert weighed.evidence_ids == ()


def test_there_must_be_something_to_choose_from() -> None:
    with pytest.raises(ValueError, match="nothing to choose"):
        weigh(KIND, (), EVERYTHING)


WORDS = st.sampled_from(
    [
        "Yes.",
        "No.",
        "Normal.",
        "defect",
        "left",
        "top",
        "center",
        "edge",
        "scattered",
        "crack",
        "Scratch",
        "washer",
        "hole",
        "dark",
        "line",
        "where",
        "what",
        "type",
        "effect",
        "is",
        "?",
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=7).map(" ".join), st.just(""))


@given(
    question=st.one_of(TEXTS, st.sampled_from([question for question, _ in QUESTIONS])),
    options=st.lists(TEXTS, min_size=1, max_size=6),
    repeated=st.booleans(),
    defective=st.none() | st.floats(0, 1),
    known=st.booleans(),
    kinds=st.none() | st.dictionaries(st.sampled_from(["pit", "crack", "burr"]), st.floats(0, 1)),
)
def test_probabilities_add_up(
    question: str,
    options: list[str],
    repeated: bool,
    defective: float | None,
    known: bool,
    kinds: dict[str, float] | None,
) -> None:
    options = options * 2 if repeated else options
    basis = EVERYTHING if known else Grounds(SIZE_HW)
    found = weigh(question, options, replace(basis, defective=defective, kinds=kinds))
    assert len(found.probabilities) == len(options)
    assert sum(found.probabilities) == pytest.approx(1)
    assert all(0 < p <= 1 for p in found.probabilities)
    same: dict[str, float] = {}
    for option, probability in zip(options, found.probabilities, strict=True):
        assert same.setdefault(option, probability) == pytest.approx(probability)


def test_likeness_is_a_cosine() -> None:
    texts = ("A thin crack.", "cracks", "Risse", "Riß", "", "?", "with the")
    alike = likeness(texts, texts)
    assert np.allclose(alike, alike.T)
    assert (alike >= 0).all()
    assert (alike <= 1 + 1e-9).all()
    assert np.allclose(np.diag(alike), [1, 1, 1, 1, 0, 0, 0])
    assert alike[0, 1] > 0.3
    assert alike[1, 2] == 0
    assert likeness(texts, ()).shape == (7, 0)
    assert likeness((), texts).shape == (0, 7)


def test_a_can_is_a_product() -> None:
    can, bottle = likeness(["A can.", "A bottle."], ["drink can"])[:, 0]
    assert can > 0.3 > bottle


def test_a_rare_word_says_more_than_a_common_one() -> None:
    rare, common = likeness(["grommet", "surface"], ["A grommet on a surface."])[:, 0]
    assert rare > common > 0
