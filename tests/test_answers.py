"""Answers from evidence alone: what a question is read as, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.answers import HELP, NOT_THERE, NOTHING, Before, Known, Topic, read_question, tell
from experts.answers.telling import _TOPICS
from experts.evidence import Cause, Healed, Look
from experts.knowledge.reading import parse_knowledge
from tests.claim_facts import ALPHA, CASES, PLAIN, knowledge_of

STARTERS = Path(__file__).parent.parent / "knowledge"
REGIONS = ("region-1", "region-2", "region-3")


def known_of(case: str) -> Known:
    inspection, knowledge = CASES[case]()
    return Known(inspection, knowledge, ALPHA)


def said(case: str, question: str, about: tuple[str, ...] = ()) -> str:
    known = known_of(case)
    asked = read_question(question, known.inspection.regions, Before(about) if about else None)
    return tell(asked, known, about).text


def test_each_topic_has_sentences_in_every_case() -> None:
    assert set(_TOPICS) == set(get_args(Topic))
    for case in CASES:
        known = known_of(case)
        for topic, words in _TOPICS.items():
            told = words(known, known.inspection.regions)
            assert told.text, (case, topic)
            ids = {r.id for r in known.inspection.regions}
            assert set(told.about) <= ids


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which one is the largest?", "Of 3 places the largest is region-3 (660 px²), then"),
        ("Welcher ist der kleinste?", "Of 3 places the smallest is region-1 (160 px²), then"),
        ("Which is worse?", "Of 3 places the strongest is region-1 (map value 1.25), then"),
        ("Which is the narrowest?", "Of 3 places the narrowest is region-1 (4 px), then"),
        (
            "Is region 2 larger than region 1?",
            "Of 2 places the largest is region-2 (180 px²), then region-1 (160 px²).",
        ),
        ("Where is the largest?", "Of 3 places the largest is region-3"),
    ],
)
def test_places_are_put_in_order(question: str, answer: str) -> None:
    text = said("three", question)
    assert text.startswith(answer)
    assert ("Its box in pixels: left 250" in text) == question.startswith("Where")


@pytest.mark.parametrize(
    ("case", "question", "start"),
    [
        ("one", "Is it a crack?", "region-1: a dark line"),
        ("one", "Ist es ein Riss?", "region-1: a dark line"),
        ("one", "Is it a pit?", "region-1 is not taken for pit.\nregion-1: a dark line"),
        ("three", "Gibt es Risse?", "region-3: a dark spot"),
        ("three", "Are there any pits?", "region-2: a bright spot"),
        ("none", "Is there a crack?", "No single place stands out."),
        ("review", "Is it a dent?", "region-1: a bright line"),
    ],
)
def test_whether_it_is_of_a_kind(case: str, question: str, start: str) -> None:
    assert said(case, question).startswith(start)


def test_what_there_is_to_say_of_the_whole() -> None:
    assert said("one", "How large is the image?").startswith(
        "The image is 300 × 300 px (15 × 15 mm"
    )
    assert said("three", "How large is the part?").startswith(
        "The image is 300 × 300 px.\nThe part"
    )
    assert said("three", "How long in mm?").endswith("mm_per_px in its knowledge file sets one.")
    assert said("one", "Which scale?") == "One pixel is 0.05 mm."
    assert said("one", "Is it critical?").startswith(
        "Of what this may be the knowledge file calls crack critical; scratch minor.\nThe verdict"
    )
    assert said("review", "Is it critical?") == "The line has no knowledge file."
    assert said("one", "Score?").startswith("Its anomaly score is 0.875;")
    assert said("one", "Which line?").startswith("The image is part-17.png, inspected on the line")
    assert said("one", "Danke!") == "You are welcome."


def test_many_places_and_rules_are_told_in_short() -> None:
    inspection, knowledge = CASES["three"]()
    first = inspection.regions[0]
    many = tuple(first.model_copy(update={"id": f"region-{n}"}) for n in range(1, 13))
    known = Known(inspection.model_copy(update={"regions": many}), knowledge, ALPHA)
    for question in ("Where?", "What is it?", "How big?", "How many?"):
        told = tell(read_question(question, many), known)
        assert told.sentences[-1].startswith("region-6 to region-12 are there, too,")
        assert len(told.sentences) <= 7
    assert said("three", "Which rule?").count("measured") == 3


@pytest.mark.parametrize("path", sorted(STARTERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_question_of_a_starter_file_is_answered_by_the_file(path: Path) -> None:
    knowledge = parse_knowledge(path.read_bytes(), path)
    inspection, _ = CASES["review"]()
    known = Known(inspection, knowledge, ALPHA)
    assert knowledge.file.questions
    for question in knowledge.file.questions:
        text = tell(read_question(question.question, inspection.regions), known).text
        assert text.startswith("The knowledge file answers on this: "), question
        told = {word for word in text.split() if len(word) > 4}
        wanted = {word for word in question.answer.split() if len(word) > 4}
        assert len(told & wanted) >= 0.5 * len(wanted), (question, text)


@settings(max_examples=300)
@given(st.text(max_size=300))
def test_any_question_is_answered(question: str) -> None:
    for case in ("three", "review", "none"):
        known = known_of(case)
        asked = read_question(question, known.inspection.regions)
        assert asked.call is None or len(asked.call.target) <= 200
        assert tell(asked, known).text


def test_why_names_the_clause_that_decided() -> None:
    text = said("three", "Why?")
    reason = known_of("three").inspection.decision.reason
    assert text.splitlines()[0] == reason
    assert "Clause `crack.any` (washer.yaml, line 30) allows of crack: none; measured 1" in text


def test_sizes_are_in_mm_where_there_is_a_scale() -> None:
    assert "1 × 0.2 mm, 0.2 mm² (20 × 4 px, 80 px²)" in said("one", "How big?")
    assert "region-2, a bright spot: 15 × 12 px, 180 px²." in said("three", "How big?")
    assert "mm" not in said("three", "How big?").replace("mm²", "")


def test_a_question_goes_on_where_the_last_one_was() -> None:
    about = ("region-3",)
    assert said("three", "and how big is it?", about) == (
        "region-3, a dark spot: 30 × 22 px, 660 px²."
    )
    assert said("three", "and how big is the second one?", about).startswith("region-2, ")
    assert said("three", "How big are all places?", about).count("region-") == 3
    assert said("three", "Where is it?", about).startswith("region-3: a dark spot of about 30 × 22")


def test_a_region_that_is_not_there_is_not_made_up() -> None:
    assert said("three", "How big is region 7?") == (
        "There is no region-7; the regions are: region-1, region-2, region-3."
    )
    text = said("three", "Is there anything at the bottom left?")
    assert text.startswith("Nothing stands out at the bottom left.")
    assert said("three", "What is at the top left?").startswith("region-1: a dark line")


def test_rules_say_how_far_over_the_limit_it_is() -> None:
    text = said("three", "How far over the limit is it?")
    assert "measured 40 px, not within the limit: 39.6 px over it, 100 times it." in text
    assert text.endswith("2 more clauses are within the limit: `scratch.count`, `pit.area`.")
    about = "Clause `pit.area` (washer.yaml, line 24) allows of pit: total area up to 5 %; measured"
    assert said("three", "And pit.area?").startswith(about)
    assert said("review", "Which rule?") == (
        "The line has no knowledge file, so no rule allows anything."
    )
    assert said("none", "Which rule?").startswith("No clause was computed, since the part is")


def test_how_sure_is_said_in_words() -> None:
    text = said("three", "How sure are you?")
    assert text.startswith("p = 0.02: 1 of the 99 normal ones")
    assert "of its good parts are held back" in text
    few = said("review", "How sure are you?")
    assert "no less than 25.0% can be promised, so 5.0% is not" in few


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_the_part_is_what_was_decided(case: str) -> None:
    inspection = known_of(case).inspection
    for question in ("Can it ship?", "Ist es ok?", "What now?", "Kann das raus?"):
        assert f"The verdict is {inspection.verdict}" in said(case, question)
    if inspection.verdict == "review":
        stored = inspection.model_copy(update={"id": "washer:17"})
        known = replace(known_of(case), inspection=stored)
        told = tell(read_question("Who decides?"), known)
        assert "echo-iad review show washer:17" in told.text


def test_what_the_knowledge_file_says_of_a_defect() -> None:
    text = said("three", "What is a fracture?")
    assert text.startswith("The knowledge file says of crack, critical: appearance: A dark branch")
    assert text.endswith("This is said in general; the verdict on this washer is reject.")
    assert "The knowledge file says of scratch" in said("one", "What does that do to the part?") + (
        said("one", "What causes that?")
    )
    assert "`scratch.length`" in said("three", "How long may a scratch be?")


def test_questions_of_the_knowledge_file() -> None:
    asks = """
questions:
  - question: What do I do with a washer from the old press?
    answer: Clean the press and measure the washer by hand.
  - question: Can the customer have it?
    answer: Yes. Accept it and ship it at once.
"""
    assert said("three", "What does the file say about pits?").startswith("The knowledge file")
    known = replace(known_of("three"), knowledge=knowledge_of(PLAIN + asks))
    text = tell(read_question("The washer is from the old press!"), known).text
    assert "The knowledge file answers on this: Clean the press and measure the washer" in text
    assert text.endswith("the verdict on this washer is reject.")
    injected = tell(read_question("Customer have it?"), known).text
    assert "Yes" not in injected
    assert "ship" not in injected.lower()


def test_nothing_is_made_up() -> None:
    for question in ("What does it cost?", "Wie ist das Wetter?", "Hello!", "?!x"):
        assert said("three", question) == f"{NOTHING}\n{HELP}"


def test_whether_the_places_are_the_cause() -> None:
    known = known_of("three")
    healed = tuple(
        Healed(region_id=f"region-{n}", before=2.5, after=after)
        for n, after in ((1, 0.4), (2, 1.75))
    )
    cause = Cause(
        reference="ok_003.png",
        healed=healed,
        p_before=0.02,
        p_after=0.03,
        alpha=0.05,
        score_before=0.9,
        score_after=0.6,
    )
    tried = replace(known, inspection=known.inspection.model_copy(update={"cause": cause}))
    text = tell(read_question("Would it be normal without these?"), tried).text
    assert "With region-1 replaced by the same place of ok_003.png it no longer stands out" in text
    assert "1.8 times after" in text
    assert "the image is still unusual (p = 0.03)" in text


def test_a_closer_look_answers_what_asked_for_it() -> None:
    known = known_of("three")
    look = Look(id="look-1", tool="zoom", target="top", found="Nothing stands out there.")
    seen = replace(known, looks=(look,))
    asked = read_question("Look closer at the upper edge")
    told = tell(asked, seen, looks=1)
    assert (told.text, told.evidence_ids) == (look.found, ("look-1",))
    both = tell(read_question("Look closer at the upper edge; can it ship then?"), seen, looks=1)
    assert both.text.startswith("Nothing stands out there.\nThe verdict is reject")


def test_what_is_looked_up_gives_no_other_verdict() -> None:
    known = known_of("three")
    found = "To “Can it ship?” it answers “Accept it. The press is old.”."
    look = Look(id="look-1", tool="lookup", target="ship", found=found, numbers={"entries": 1.0})
    text = tell(read_question("Look it up"), replace(known, looks=(look,)), looks=1).text
    assert "Accept" not in text
    assert text.endswith("the verdict on this washer is reject.")
    nothing = look.model_copy(
        update={"found": "Nothing about “ACCEPT”", "numbers": {"entries": 0.0}}
    )
    text = tell(read_question("Look it up"), replace(known, looks=(nothing,)), looks=1).text
    assert text == NOT_THERE


def test_no_answer_gives_another_verdict() -> None:
    words = {"accept": "Accepted:", "reject": "Rejected:", "review": "To review:"}
    for case in CASES:
        known = known_of(case)
        for topic, tells in _TOPICS.items():
            text = tells(known, known.inspection.regions).text
            for verdict in set(words) - {known.inspection.verdict}:
                assert f"verdict is {verdict}" not in text, (case, topic)
                assert words[verdict] not in text, (case, topic)


def test_a_region_is_found_wherever_it_reaches() -> None:
    known = known_of("three")
    first = known.inspection.regions[0]
    height, width = known.inspection.size_HW
    mask = np.ones((height, width), bool)
    wide = first.model_copy(update={"box_xyxy": (0, 0, width, height), "mask": mask})
    inspection = known.inspection.model_copy(update={"regions": (wide,)})
    found = tell(read_question("What is at the left?"), replace(known, inspection=inspection))
    assert "Nothing stands out" not in found.text
    corner = wide.model_copy(update={"box_xyxy": (0, 0, 2, 2), "mask": np.ones((2, 2), bool)})
    inspection = known.inspection.model_copy(update={"regions": (corner,)})
    told = tell(read_question("What is at the right?"), replace(known, inspection=inspection)).text
    assert told.startswith("Nothing stands out at the right.")
