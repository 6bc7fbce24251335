"""What a conversation carries from one question to the next, where code answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from experts.answers import Known
from experts.dialogue import Answer
from experts.dialogue_partner import DialogueState, Partner
from experts.knowledge.reading import parse_knowledge
from experts.tools import Call
from experts.tools.lookup import lookup
from experts.tools.scene import Looked, Scene
from tests.claim_facts import ALPHA, CASES

BOARDS = Path(__file__).parent.parent / "knowledge" / "printed_circuit_board.yaml"


class NoTools:
    def use(self, call: Call, scene: Scene, number: int) -> Looked:
        raise AssertionError(call)


def answers(case: str, *questions: str) -> list[Answer]:
    """What code answers to one question after the other."""
    known = Known(*CASES[case](), ALPHA)
    partner = Partner(known, lambda: None, NoTools(), lambda: None, lambda: ())
    state: DialogueState = {}
    for question in questions:
        state = {**state, "question": question}
        state = {**state, **partner.recall(state)}
        state = {**state, **partner.answer(state)}
        state = {**state, **partner.check(state)}
        state = {**state, **partner.translate(state)}
    return [Answer.model_validate(turn) for turn in state["turns"]]


def test_thanks_interrupt_nothing() -> None:
    size, thanks, other = answers("three", "How big is region 2?", "Thanks!", "and it?")
    assert thanks.text == "You are welcome."
    assert other.text == size.text
    place = answers("three", "How big is region 2?", "Danke!", "und unten rechts?")[-1]
    assert place.text.startswith("region-3, a dark spot: 30 × 22 px")
    first = answers("three", "Thanks!", "and the top left?")[-1]
    assert first.text.startswith("region-1: a dark line")


def test_the_reason_of_the_verdict_is_told_once() -> None:
    first, again, why = answers("three", "Can it ship?", "Ist es wirklich Ausschuss?", "Why?")
    reason = CASES["three"]()[0].decision.reason
    assert reason in first.text
    assert again.text == "The verdict is reject."
    assert reason in why.text
    after = answers("three", "Where is region 1?", "Can it ship?")[-1]
    assert reason in after.text


def test_a_place_that_is_asked_about_is_not_lost() -> None:
    verdict, bottom = answers("three", "Can it ship?", "Is there anything at the bottom left?")
    assert "reject" in verdict.text
    assert bottom.text.startswith("Nothing stands out at the bottom left.")
    two = answers("three", "How big is region 1?", "not the first, the others")[-1]
    assert [line.split(",")[0] for line in two.text.splitlines()] == ["region-2", "region-3"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("Kurzschluss", "short"),
        ("Mausbisse", "mousebite"),
        ("eine Unterbrechung", "open"),
        ("Nadellöcher", "pinhole"),
    ],
)
def test_the_file_is_looked_up_in_german(asked: str, name: str) -> None:
    look = lookup(asked, parse_knowledge(BOARDS.read_bytes(), BOARDS), 1).look
    assert look.found.startswith(f"Of “{name}” the knowledge file says:")
