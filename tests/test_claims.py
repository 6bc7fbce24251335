"""Texts about an inspection are checked against its evidence, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from echo import Inspector, ProductLine
from experts.answers import Known
from experts.claims import Checked, Facts, check
from experts.claims.facts import quote_key
from experts.claims.size_words import ORDERS, Order
from experts.knowledge import load_knowledge
from experts.sheet import normal_line, with_quotes
from experts.wording import describe
from tests.claim_facts import (
    CASES,
    WASHER,
    anomaly_of,
    facts_of,
    inspection_of,
    knowledge_of,
    region_of,
)
from tests.claim_sentences import CORRECTED, DROPPED, RIGHT, UNCHECKED, lines_of
from tests.conftest import bad_part, good_part

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
FACTS = {name: facts_of(name) for name in CASES}


def checked(case: str, text: str) -> Checked:
    return check(text, FACTS[case])


def test_the_table_is_long() -> None:
    tables = (RIGHT, CORRECTED, DROPPED, UNCHECKED)
    assert sum(len(list(lines_of(table))) for table in tables) >= 120


@pytest.mark.parametrize(("case", "text"), list(lines_of(RIGHT)))
def test_what_is_right_stays(case: str, text: str) -> None:
    found = checked(case, text)
    assert [(s.outcome, s.why) for s in found.sentences] == [("right", "")] * len(found.sentences)
    assert (found.text, found.faithfulness) == (text, 1.0)


@pytest.mark.parametrize(("case", "line"), list(lines_of(CORRECTED)))
def test_what_is_wrong_is_put_right_where_that_is_clear(case: str, line: str) -> None:
    text, said = line.split(" -> ")
    found = checked(case, text)
    assert (found.text, [s.outcome for s in found.sentences]) == (said, ["corrected"])
    assert found.sentences[0].why
    assert found.faithfulness == 0.0


@pytest.mark.parametrize(("case", "text"), list(lines_of(DROPPED)))
def test_what_is_wrong_or_in_doubt_is_left_out(case: str, text: str) -> None:
    found = checked(case, text)
    assert found.text == ""
    assert {s.outcome for s in found.sentences} == {"dropped"}
    assert all(s.said is None and s.why for s in found.sentences)


@pytest.mark.parametrize(("case", "text"), list(lines_of(UNCHECKED)))
def test_what_claims_nothing_stays(case: str, text: str) -> None:
    found = checked(case, text)
    assert found.text == text
    assert {s.outcome for s in found.sentences} == {"none"}
    assert found.faithfulness is None


@pytest.mark.parametrize("case", list(CASES))
def test_what_the_experts_say_themselves_always_stays(case: str) -> None:
    inspection, _ = CASES[case]()
    said = [inspection.decision.reason, *(step.found for step in inspection.steps)]
    for text in (*said, " ".join(said), "\n".join(f"- {text}" for text in said)):
        found = checked(case, text)
        assert found.text == text
        assert (found.count("dropped"), found.count("corrected")) == (0, 0)


@pytest.mark.parametrize("case", list(CASES))
def test_much_of_it_is_right_by_what_it_says_not_for_being_a_quotation(case: str) -> None:
    inspection, _ = CASES[case]()
    facts = replace(FACTS[case], quotes={})
    said = [s.found for s in inspection.steps if s.looked_at.startswith(("region-", "the image"))]
    for text in said:
        assert check(text, facts).text == text


def test_faithfulness_is_the_share_of_claims_that_were_right_as_they_came() -> None:
    found = checked(
        "one",
        "The surface is ground. The part is rejected. It is 3 mm long. This part is fine. "
        "It is dark.",
    )
    assert [s.outcome for s in found.sentences] == [
        "none",
        "right",
        "corrected",
        "dropped",
        "right",
    ]
    assert found.faithfulness == 2 / 4
    assert found.text == "The surface is ground. The part is rejected. It is 1 mm long. It is dark."
    assert (found.count("none"), found.count("right")) == (1, 2)
    assert checked("one", "").faithfulness is None


def test_lists_and_paragraphs_stay_what_they_are() -> None:
    text = (
        "# Result\n\nThe part is rejected,\nsince it has a dark line. All good!\n\n"
        "1. It lies at the top left.\n2. The part can be shipped.\n3. It is 20 px long.\n\n"
        "- Accept it.\n- Its area is 80 px². Let it pass.\n"
    )
    assert checked("one", text).text == (
        "# Result\n\nThe part is rejected,\nsince it has a dark line.\n\n"
        "1. It lies at the top left.\n3. It is 20 px long.\n\n"
        "- Its area is 80 px²."
    )


def test_an_object_of_several_lines_is_read_line_by_line() -> None:
    text = '{\n  "verdict": "accept",\n  "place": "top left",\n  "defects": 4\n}'
    assert checked("one", text).text == '{\n  "verdict": "reject",\n  "place": "top left",\n}'


def test_it_means_the_place_before_and_nothing_where_that_was_left_out() -> None:
    kept = "Region-2 lies in the centre. It is 15 px long."
    assert checked("three", kept).text == kept
    assert checked("three", "Region-2 is fine. It is 15 px long.").text == ""
    assert checked("three", "Region-2 lies in the centre. It is 40 px long.").text == kept


@pytest.mark.parametrize("path", sorted(KNOWLEDGE.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_starter_files_say_of_good_parts_stays_beside_every_verdict(path: Path) -> None:
    knowledge = load_knowledge(path)
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line")
    for inspection in (
        inspection_of(anomaly_of(0), [region], knowledge),
        inspection_of(anomaly_of(0, normal=3), [region], knowledge),
        inspection_of(anomaly_of(50), [], knowledge),
    ):
        facts = Facts.of(inspection, knowledge.file, knowledge.clauses)
        for text in (knowledge.file.normal, *(step.found for step in inspection.steps)):
            assert check(text, facts).text == text


def test_what_the_file_calls_normal_on_good_parts_stays_on_one_that_is_held_back() -> None:
    knowledge = load_knowledge(KNOWLEDGE / "magnetic_tile.yaml")
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line")
    inspection = inspection_of(anomaly_of(0), [region], knowledge)
    facts = Facts.of(inspection, knowledge.file, knowledge.clauses)

    def left(text: str) -> str:
        return check(text, replace(facts, quotes={quote_key(text): "evidence"})).text

    good = "A good tile: A piece of ferrite; printed numbers are normal."
    assert left(good) == good
    assert inspection.verdict == "reject"
    for wrong in (
        "This tile: Straight edges; printed numbers are normal.",
        "A good tile: Straight edges; this one is normal.",
        "A good tile: Straight edges; the tile is accepted.",
        "A good tile: Straight edges; the one you see is fine.",
        "A good tile: Straight edges; that one is fine.",
        "A good tile: Straight edges; yours is perfect.",
        "A good tile: Straight edges; everything here is fine.",
        "A good tile: Even grey; verdict: fine.",
        "A good tile: Even grey; result good.",
        "A good tile: Even grey; region-1 is normal.",
        "A good tile: Even grey; the rejected tile is good.",
        "A good tile: Even grey; what lies in front of you is perfect, too.",
    ):
        assert left(wrong) == "", wrong


@pytest.mark.parametrize("path", sorted(KNOWLEDGE.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_starter_files_say_of_good_parts_may_be_said_in_one_sentence(path: Path) -> None:
    knowledge = load_knowledge(path)
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line")
    inspection = inspection_of(anomaly_of(0), [region], knowledge)
    facts = Facts.of(inspection, knowledge.file, knowledge.clauses)
    said = normal_line(Known(inspection, knowledge, 0.05))
    assert said is not None
    assert check(said, with_quotes(facts, [said])).text == said


def test_rules_of_the_file_that_were_not_computed_may_be_named() -> None:
    knowledge = knowledge_of(WASHER)
    inspection = inspection_of(anomaly_of(59), [], knowledge)
    text = "Rule pit.size allows a diameter of 2 mm."
    with_rules = Facts.of(inspection, knowledge.file, knowledge.clauses)
    assert check(text, with_rules).sentences[0].outcome == "right"
    assert check(text, Facts.of(inspection, knowledge.file)).text == ""


def test_of_more_places_than_were_told_apart_no_number_is_certain() -> None:
    facts = replace(FACTS["three"], crowded=True)
    assert check("There are three places.", facts).text == ""
    assert check("There are at least three places.", facts).count("right") == 1


def test_a_region_of_no_kind_that_was_shown_is_of_none() -> None:
    knowledge = knowledge_of(WASHER)
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line", kinds=())
    facts = Facts.of(inspection_of(anomaly_of(0), [region], knowledge), knowledge.file)
    assert check("It is of unknown kind.", facts).count("right") == 1
    assert check("It is of no kind that was shown.", facts).count("right") == 1
    assert check("It may be a scratch.", facts).text == ""
    assert checked("one", "It is of unknown kind.").text == ""


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.measure} {order.sign}")
def test_all_words_that_put_places_in_order_are_read(order: Order) -> None:
    others = [other for other in ORDERS if other is not order]
    assert not any(order.all_most & other.all_most for other in others)
    for word in order.all_most:
        verdicts = {
            number: check(f"region-{number} is the {word}.", FACTS["three"]).text != ""
            for number in (1, 2, 3)
        }
        assert sum(verdicts.values()) == 1, (word, verdicts)


def test_a_real_inspection_can_be_told_in_its_own_words(washer_home: Path) -> None:
    line = ProductLine.load("washer", home=washer_home)
    for image, verdict in ((bad_part(9), "reject"), (good_part(99), "accept")):
        inspection = Inspector(line, keep=False).inspect(image)
        assert inspection.verdict == verdict
        facts = Facts.of(inspection, alpha=line.manifest.alpha)
        said = [inspection.decision.reason, *(step.found for step in inspection.steps)]
        for text in (*said, f"The verdict is {verdict}.", *map(describe, inspection.regions)):
            assert check(text, facts).text == text
        other = {"reject": "accept", "accept": "reject"}[verdict]
        assert check(f"The verdict is {other}.", facts).text == f"The verdict is {verdict}."
