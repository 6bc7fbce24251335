"""Questions: what they are read as, in English and German."""

from __future__ import annotations

import pytest

from experts.answers import Before, Known, Topic, read_question, tell
from experts.tools import Call
from tests.claim_facts import ALPHA, CASES

REGIONS = ("region-1", "region-2", "region-3")


@pytest.mark.parametrize(
    ("topic", "questions"),
    [
        ("why", ["Why?", "Warum wurde das Teil abgelehnt?", "How come?", "Explain", "Wieso?"]),
        ("where", ["Where is it?", "Wo liegt der Fehler?", "An welcher Stelle?", "Which side?"]),
        ("kind", ["What is it?", "What kind of defect?", "Was ist das?", "Welcher Fehler?"]),
        ("size", ["How big is it?", "Wie groß ist es?", "WIE GROSS?", "How long and wide?"]),
        ("count", ["How many?", "Wie viele Fehler sind es?", "Any more?", "Anzahl?"]),
        ("rule", ["Which clause?", "Welche Regel?", "What is allowed?", "Was wäre erlaubt?"]),
        ("severity", ["Is it critical?", "How bad is it?", "Ist das schlimm?"]),
        ("scale", ["How long in mm?", "Wie lang ist es in Millimetern?", "Which scale?"]),
        ("image", ["How large is the image?", "What is the surface area of the part?",
                   "Wie groß ist das Teil?"]),
        ("score", ["What is the score?", "Score?"]),
        ("time", ["How long did it take?", "Wie lange hat das gedauert?"]),
        ("origin", ["Which line was that?", "Welche Linie?", "Which encoder?"]),
        ("thanks", ["Thanks!", "Danke schön", "Thank you"]),
        ("certainty", ["How sure are you?", "Wie sicher ist das?", "p-value?",
                       "How unusual?", "What does p mean?"]),
        ("reference", ["Compared with what?", "Womit verglichen?", "Which reference?"]),
        ("steps", ["What did you do?", "Was hast du gemacht?", "Which steps?"]),
        ("next", ["What now?", "Was soll ich tun?", "What should I do?", "Wer entscheidet das?"]),
        ("background", ["What causes that?", "Was macht das?", "Ursache?", "What happens then?"]),
        ("healed", ["What if it were gone?", "And without the scratch?", "Und ohne die Stelle?"]),
        ("opinion", ["What does the language model think?", "Was meint das Modell?"]),
        ("normal", ["What is normal?", "What should it look like?", "Was ist normal?"]),
        (
            "verdict",
            ["Can it ship?", "Is it ok?", "Is this part good?", "Kann ich das ausliefern?",
             "Ist das Teil in Ordnung?", "Darf das raus?", "Verdict?", "ＯＫ?", "May it leave?",
             "Is it defective?", "Taugt das? Ist es gut?"],
        ),
    ],
)  # fmt: skip
def test_what_a_question_is_about(topic: Topic, questions: list[str]) -> None:
    for question in questions:
        assert topic in read_question(question).topics, question


@pytest.mark.parametrize(
    ("question", "topics"),
    [
        ("What was it compared with?", ["reference"]),
        ("What would a good part look like?", ["normal"]),
        ("What happens without it?", ["healed"]),
        ("Was sagt das Modell?", ["opinion"]),
        ("How long did it take?", ["time"]),
        ("What does p mean?", ["certainty"]),
        ("Is it below the limit?", ["rule"]),
        ("Compare region 1 with region 2", ["kind", "size"]),
    ],
)
def test_what_a_question_is_not_about(question: str, topics: list[str]) -> None:
    asked = read_question(question)
    assert (list(asked.topics), asked.call) == (topics, None)


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("Look closer at the upper edge", ("zoom", "the top edge")),
        ("Look closer at the whole image", ("zoom", "the whole image")),
        ("Schau dir die obere Kante näher an", ("zoom", "the top edge")),
        ("zoom in on the second one", ("zoom", "region-2")),
        ("Can you look at the lower left corner more closely?", ("zoom", "the bottom left")),
        ("take a second look", ("zoom", "region-1")),
        ("Vergleiche Region 3 mit anderen", ("compare", "region-3")),
        ("and compare it", ("compare", "region-1")),
        ("Measure the thing in the middle", ("measure", "the centre")),
        ("Wie weit ist es vom Rand entfernt?", ("measure", "region-1")),
        ("What does the knowledge file say about pits?", ("lookup", "pits")),
        ("Was steht in der Wissensdatei über Kratzer?", ("lookup", "Kratzer")),
        ("How far is it from the edge?", ("measure", "region-1")),
        ("Zoom auf Bereich 2", ("zoom", "region-2")),
        ("Look closer at the upper right corner of region 2", ("zoom", "region-2")),
        ("What did you compare it with?", None),
        ("Is that right?", None),
        ("Why?", None),
    ],
)
def test_which_closer_look_is_asked_for(question: str, call: tuple[str, str] | None) -> None:
    found = read_question(question, before=Before(("region-1",))).call
    assert (found and (found.tool, found.target)) == call


@pytest.mark.parametrize(
    ("question", "k"),
    [
        ("compare it with 5 others", 5),
        ("Vergleiche es mit zwei anderen", 2),
        ("compare region 1 with 900 others", 5),
        ("compare it", 3),
    ],
)
def test_with_how_many_it_is_compared(question: str, k: int) -> None:
    call = read_question(question, before=Before(REGIONS)).call
    assert call == Call(tool="compare", target="region-1", k=k)


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("zoom in on the largest", (3,)),
        ("Wo ist der kleinste?", (1,)),
        ("How wide is the longest one?", (1,)),
        ("Is region 2 larger than region 1?", (2, 1)),
        ("Is it larger than allowed?", ()),
        ("Region 2 no longer stands out?", (2,)),
        ("Bereich 3?", (3,)),
        ("and defect 2?", (2,)),
    ],
)
def test_which_regions_are_meant(question: str, numbers: tuple[int, ...]) -> None:
    inspection, _ = CASES["three"]()
    assert read_question(question, inspection.regions).numbers == numbers


def test_a_question_without_a_topic_asks_what_was_asked_before() -> None:
    inspection, knowledge = CASES["three"]()
    known = Known(inspection, knowledge, ALPHA)
    regions = known.inspection.regions
    size = Before(REGIONS[:1], ("size",))
    for question in ("the second one?", "das zweite?", "and region 2?", "Und Bereich 2?"):
        asked = read_question(question, regions, size)
        assert tell(asked, known, size.about).text.startswith("region-2, a bright spot: 15 × 12")
    assert read_question("and at the left?", regions, size).topics == ("size",)
    assert read_question("and it?", regions, size).topics == ("size",)
    zoomed = read_question("and the third?", regions, Before(REGIONS[:1], (), "zoom"))
    assert zoomed.call == Call(tool="zoom", target="region-3")
    # What names something else, or asks something itself, does not go on.
    assert read_question("Does the old press matter?", regions, size).topics == ("background",)
    assert read_question("Is this washer from the old press?", regions, size).topics == ()
    assert read_question("Why the second one?", regions, size).topics == ("why",)
    assert read_question("the second one?", regions).topics == ("kind",)
