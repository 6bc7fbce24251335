"""Options are weighed by evidence: each kind of question, and all that may be missing or odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.choosing import Grounds, weigh
from experts.choosing.likeness import likeness
from tests.claim_facts import SIZE_HW
from tests.grounds import EVERYTHING, FILE, KIND, KINDS, best

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
