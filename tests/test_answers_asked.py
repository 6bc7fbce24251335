"""What a question is about where single words mislead, and what is answered then."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from experts.answers import HELP, NOTHING, Before, Known, Topic, read_question, tell
from experts.dialogue import MAX_QUESTION
from experts.evidence import Cause, Healed, TwinScore
from experts.knowledge.reading import parse_knowledge
from experts.tools import Call
from tests.claim_facts import ALPHA, CASES, PLAIN, knowledge_of, region_of

UNKNOWN = f"{NOTHING}\n{HELP}"
BOARDS = Path(__file__).parent.parent / "knowledge" / "printed_circuit_board.yaml"
REGIONS = CASES["three"]()[0].regions


def known_of(case: str) -> Known:
    inspection, knowledge = CASES[case]()
    return Known(inspection, knowledge, ALPHA)


def said(case: str, question: str, before: Before | None = None) -> str:
    known = known_of(case)
    asked = read_question(question, known.inspection.regions, before)
    return tell(asked, known, before.about if before else ()).text


@pytest.mark.parametrize(
    ("question", "topics"),
    [
        ("thank you, and is it big?", ["size"]),
        ("Danke, und was jetzt?", ["next"]),
        ("Thanks a lot! Why?", ["why"]),
        ("Thanks, that helped", ["thanks"]),
        ("Is the region long?", ["size"]),
        ("Is it too long?", ["rule"]),
        ("Who decides?", ["next"]),
        ("Who is responsible for the final decision?", ["next"]),
        ("Wer muss das prüfen?", ["next"]),
        ("Wer hat entschieden?", ["next"]),
        ("Who inspected it?", ["origin"]),
        ("When was it inspected?", ["origin"]),
        ("Wann wurde es geprüft?", ["origin"]),
        ("If it is not good, what now?", ["next"]),
        ("Was wäre, wenn die Stelle nicht da wäre?", ["healed"]),
        ("What is the area share of the defects?", ["share"]),
        ("How likely is it a defect?", ["odds"]),
        ("Is the first place responsible?", ["healed"]),
        ("How many normal images did you learn from?", ["learned"]),
        ("Wie viele Bilder kennst du?", ["learned"]),
        ("How many places are there?", ["count"]),
        ("How many scratches?", ["count"]),
        ("How many did you find?", ["count"]),
        ("How many pixels is it?", ["size"]),
        ("Would it be accepted if the first place were not there?", ["healed"]),
        ("Was passiert, wenn ich region-1 entferne?", ["healed"]),
        ("How much does it differ from the twin?", ["twin"]),
        ("Welcher Zwilling?", ["twin"]),
        ("What is the largest defect allowed?", ["rule"]),
        ("What's the worst that can happen?", ["background"]),
        ("Are both the same defect?", ["same"]),
        ("Sind beide gleich?", ["same"]),
        ("Kann es ein Haar sein?", ["kind"]),
        ("Could it be just dirt or a reflection?", ["kind"]),
        ("Can it be shipped?", ["verdict"]),
        ("Is there a defect?", ["verdict"]),
        ("Should I worry?", ["verdict"]),
        ("Give me a summary", ["summary"]),
        ("Fasse das zusammen", ["summary"]),
        ("How do I resolve it?", ["resolve"]),
        ("How likely is it that it is good?", ["odds"]),
    ],
)
def test_a_question_is_read_as_a_whole(question: str, topics: list[Topic]) -> None:
    assert list(read_question(question, REGIONS).topics) == topics


@pytest.mark.parametrize(
    "question",
    [
        "Who made this part?",
        "Wer hat das Teil hergestellt?",
        "How many pixels is the track?",
        "How often does this happen?",
        "Wie oft kommt das vor?",
        "How many defective tiles were there?",
        "Wer ist schuld?",
        "At which second did it stop?",
        "Is the longest side of the board measured?",
        "Can we repair it?",
        "Kann man das reparieren?",
    ],
)
def test_what_is_not_known_is_not_answered_by_something_else(question: str) -> None:
    assert said("three", question) == UNKNOWN


def test_what_might_have_become_of_the_part_is_of_the_verdict() -> None:
    for question in (
        "How close was it to being rejected?",
        "What is the probability that it is good?",
        "Would it be accepted if the first place were not there?",
        "Give me a summary",
        "How do I resolve it?",
    ):
        asked = read_question(question, REGIONS)
        assert asked.of_verdict, question
        assert asked.about_verdict, question
    assert not read_question("Where is it?", REGIONS).of_verdict


def test_how_often_is_answered_where_the_file_tells() -> None:
    asks = """
questions:
  - question: How often do pits come from the old press?
    answer: About twice in a shift.
"""
    inspection, _ = CASES["three"]()
    known = Known(inspection, knowledge_of(PLAIN + asks), ALPHA)
    text = tell(read_question("How often do they come from the old press?"), known).text
    assert text.startswith("The knowledge file answers on this: About twice in a shift.")


@pytest.mark.parametrize(
    ("question", "numbers", "place"),
    [
        ("Where is the largest track?", (), ""),
        ("the longest side of the board", (), ""),
        ("zoom in on the largest dark spot", (3,), ""),
        ("Where is the longest scratch?", (1,), ""),
        ("Wo ist der größte Fehler?", (3,), ""),
        ("Which is the most suspicious place?", (1,), ""),
        ("What was done in the second step?", (), ""),
        ("How long was the first inspection?", (), ""),
        ("no 2 boards are alike, right?", (), ""),
        ("The verdict is accept, right?", (), ""),
        ("What is at the top, right?", (), "the top right"),
        ("the second one?", (2,), ""),
    ],
)
def test_what_points_at_no_place(question: str, numbers: tuple[int, ...], place: str) -> None:
    asked = read_question(question, REGIONS)
    assert (asked.numbers, asked.place) == (numbers, place)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("largest", "largest biggest greatest größte groesste"),
        ("smallest", "smallest tiniest kleinste"),
        ("longest", "longest längste laengste"),
        ("widest", "widest thickest breiteste dickste"),
        ("narrowest", "narrowest thinnest schmalste dünnste"),
        ("strongest", "strongest worst stärkste schlimmste auffälligste"),
        ("weakest", "weakest mildest schwächste harmloseste"),
    ],
)
def test_orders_are_read_in_both_languages(order: str, words: str) -> None:
    for word in words.split():
        rank = read_question(f"Which one is the {word}?", REGIONS).rank
        assert rank is not None, word
        assert (rank.called, rank.picks) == (order, True), word
    compared = read_question("Is region 1 greater or region 2?", REGIONS).rank
    assert compared is not None
    assert not compared.picks


@pytest.mark.parametrize(
    "word",
    ["they the same ", "how many x ", "if a b ", "wenn das ", "no 2 ", "danke, ", "which second ",
     "clos", "apart ", "is it ", ", right", "wie viele bild "],
)  # fmt: skip
def test_long_questions_are_read_in_no_time(word: str) -> None:
    text = word * (MAX_QUESTION // len(word))
    begun = time.perf_counter()
    read_question(text, REGIONS)
    assert time.perf_counter() - begun < 2


def test_thanks_are_not_what_is_asked_next() -> None:
    before = Before(("region-1",), ("thanks",))
    asked = read_question("and the top right?", REGIONS, before)
    assert (asked.topics, asked.place) == (("where",), "the top right")


def test_a_complete_question_does_not_go_on() -> None:
    before = Before(("region-1",), ("verdict",))
    for question in ("Is there anything at the bottom?", "Is there a defect in the centre?"):
        assert read_question(question, REGIONS, before).topics == ("where",), question
    assert read_question("Which is closest to the edge?", REGIONS, before).topics == ("edge",)
    for question in ("and at the bottom?", "what about the second one?", "the top left?"):
        asked = read_question(question, REGIONS, Before(("region-1",), ("size",)))
        assert asked.topics == ("size",), question


def test_the_other_one_is_what_was_not_spoken_of() -> None:
    two = REGIONS[:2]
    before = Before(("region-1",), ("size",))
    for question in ("And now the other one", "Und die andere?", "not the first, the other"):
        asked = read_question(question, two, before)
        assert (asked.numbers, asked.topics) == ((2,), ("size",)), question
    assert read_question("the others?", REGIONS, before).numbers == (2, 3)
    assert read_question("what about the other two?", REGIONS).numbers == (2, 3)
    assert read_question("On the other hand, why?", two, before).numbers == ()
    assert read_question("Are there any other places?", two, before).topics == ("count",)


def test_the_reason_is_told_once() -> None:
    known = known_of("three")
    first = said("three", "Can it ship?")
    assert known.inspection.decision.reason in first
    again = said("three", "Is it ok?", Before(topics=("verdict",), reason_told=True))
    assert again == "The verdict is reject."
    assert known.inspection.decision.reason in said("three", "Why?", Before(reason_told=True))


def test_whether_places_are_of_one_kind() -> None:
    assert said("three", "Are they the same?").splitlines() == [
        "They are not taken for the same.",
        "region-1 is taken for scratch.",
        "region-2 is taken for pit.",
        "region-3 may be pit or crack.",
    ]
    inspection, knowledge = CASES["three"]()
    one = region_of(1, (0, 0, 9, 4), "top left", "dark line", kinds=("pit",))
    other = one.model_copy(update={"id": "region-2"})
    both = Known(inspection.model_copy(update={"regions": (one, other)}), knowledge, ALPHA)
    told = tell(read_question("Are both the same defect?", (one, other)), both).text
    assert told.startswith("They are taken for the same.\n")
    unsure = REGIONS[1:]
    asked = read_question("Sind beide gleich?", unsure)
    left = Known(inspection.model_copy(update={"regions": unsure}), knowledge, ALPHA)
    assert tell(asked, left).text.startswith("They may be of the same kind; nothing tells")


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Ist es ein Mausbiss?", "mousebite"),
        ("Ist es ein Kurzschluss?", "short"),
        ("Ist die Leiterbahn unterbrochen?", "open"),
        ("Ist das ein Dorn?", "spur"),
        ("Gibt es Nadellöcher?", "pinhole"),
    ],
)
def test_kinds_are_asked_for_in_german(question: str, named: str) -> None:
    inspection, _ = CASES["three"]()
    region = region_of(1, (0, 0, 9, 4), "top left", "dark line", kinds=(named,))
    shown = inspection.model_copy(update={"regions": (region,)})
    known = Known(shown, parse_knowledge(BOARDS.read_bytes(), BOARDS), ALPHA)
    text = tell(read_question(question, (region,)), known).text
    assert text.startswith("region-1: a dark line of about 9 × 4 px at the top left.")
    assert text.endswith(f"It is taken for {named}.")
    other = region_of(1, (0, 0, 9, 4), "top left", "dark line", kinds=("spurious copper",))
    lacks = Known(shown.model_copy(update={"regions": (other,)}), known.knowledge, ALPHA)
    text = tell(read_question(question, (other,)), lacks).text
    assert text.startswith(f"region-1 is not taken for {named}.")


def test_a_kind_that_the_file_lacks_is_said_to_be_none_of_it() -> None:
    for question in ("Ist es ein Mausbiss?", "Kann es ein Haar sein?", "Gibt es Beulen?"):
        text = said("three", question)
        assert "is no kind of defect that the knowledge file names.\nregion-1 is" in text, question
    assert said("none", "Gibt es Kratzer?") == (
        "No single place stands out. Nothing is taken for scratch."
    )
    assert said("review", "Gibt es Kratzer?").startswith("region-1: a bright line")


def test_what_a_twin_is_and_how_far_it_differs() -> None:
    known = known_of("three")
    twin = TwinScore(
        path=Path("good/ok_007.png"),
        agreement=0.99,
        difference=0.86,
        limit=0.2,
        area=0.01,
        largest_area=0.1,
        calibrated=True,
        added=1.0,
    )
    anomaly = known.inspection.anomaly.model_copy(update={"twin": twin})
    laid = Known(known.inspection.model_copy(update={"anomaly": anomaly}), None, ALPHA)
    text = tell(read_question("What is a twin?"), laid).text
    assert text.startswith("A twin is an enrolled normal image that shows the same")
    assert "It was laid over ok_007.png, from which it differs by 86%" in text
    assert text.endswith("That difference counts.")
    assert said("three", "Which twin?").endswith("This image has none.")


def test_how_many_normal_images_there_were() -> None:
    text = said("three", "How many normal images did you learn from?")
    assert text == "Its score was compared with those of 99 normal images of the line."


def test_what_was_not_tried_is_said_with_how_to_try_it() -> None:
    text = said("three", "Would it be accepted if the first place were not there?")
    assert text.endswith("inspect the image with echo-iad inspect --causes.")


def test_what_still_stands_out_reads_so() -> None:
    inspection, knowledge = CASES["one"]()
    healed = (Healed(region_id="region-1", before=1.2, after=1.004),)
    cause = Cause(
        reference="ok_003.png",
        healed=healed,
        p_before=0.01,
        p_after=0.02,
        alpha=0.05,
        score_before=0.9,
        score_after=0.8,
    )
    known = Known(inspection.model_copy(update={"cause": cause}), knowledge, ALPHA)
    text = tell(read_question("And without it?", inspection.regions), known).text
    assert "it still stands out" in text
    assert "1.004 times after" in text


def test_how_a_review_is_resolved() -> None:
    inspection, knowledge = CASES["review"]()
    known = Known(inspection.model_copy(update={"id": "washer:17"}), knowledge, ALPHA)
    text = tell(read_question("How do I resolve it?"), known).text
    assert "echo-iad review resolve washer:17 accept|reject --by NAME --reason TEXT" in text


def test_where_the_map_is_highest_though_nothing_stands_out() -> None:
    text = said("none", "What was the most suspicious place?")
    assert text.startswith("No single place stands out.\nThe map is highest at the top left: 2.0")


def test_the_whole_image_is_compared() -> None:
    before = Before(("region-2",))
    whole = read_question("Compare the whole image with 2 others", REGIONS, before).call
    assert whole == Call(tool="compare", target="the whole image", k=2)
    one = read_question("compare it with another image", REGIONS, before).call
    assert one == Call(tool="compare", target="region-2")
