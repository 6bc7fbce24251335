"""Between yes and no: the model tells what is asked, and code what the answer is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from experts.evidence import Verdict
from experts.mllm.base import Question
from experts.mllm.local.model import LocalMLLM
from experts.mllm.nano.model import NanoMLLM
from experts.mllm.nano.texts import on_sheet, with_options
from experts.sheet import ENDS, read_verdict

ASKED = {
    "Is it defective?": {"accept": "No", "reject": "Yes"},
    "Is this one good?": {"accept": "Yes", "reject": "No", "review": "No"},
    "May it be shipped?": {"accept": "Yes", "reject": "No", "review": "No"},
    "Must we hold it back?": {"accept": "No", "reject": "Yes", "review": "Yes"},
}


def page(verdict: Verdict) -> str:
    return f"The product is a spigot ring.\nThe verdict on this ring is {verdict}."


@pytest.mark.parametrize("verdict", ENDS)
@pytest.mark.parametrize("options", [("Yes", "No"), ("No.", "Yes."), ("no", "YES")])
def test_yes_and_no_are_the_decision_makers(
    nano: NanoMLLM, verdict: Verdict, options: tuple[str, ...]
) -> None:
    asked = {question: right[verdict] for question, right in ASKED.items() if verdict in right}
    questions = [Question(question, options) for question in asked]
    for choice, right in zip(
        nano.choose_each(on_sheet(page(verdict)), questions), asked.values(), strict=True
    ):
        assert choice.options == options
        assert sum(choice.probabilities) == pytest.approx(1)
        assert choice.best.rstrip(".").casefold() == right.casefold()


def weighed(nano: NanoMLLM, text: str, question: str) -> tuple[float, ...]:
    """As any options are: no verdict says which is right."""
    options = ("Yes", "No")
    asked = with_options(on_sheet(text, question), options)
    ((choice),) = LocalMLLM._choose(nano, [(asked, options)])
    return choice.probabilities


@pytest.mark.parametrize("text", ["No sheet at all.", "The verdict on this ring is perhaps."])
def test_without_a_verdict_it_is_asked_as_for_any_options(nano: NanoMLLM, text: str) -> None:
    choice = nano.choose(on_sheet(text, "Is it round?"), ["Yes", "No"])
    assert choice.probabilities == pytest.approx(weighed(nano, text, "Is it round?"), abs=0.05)


@pytest.mark.parametrize(
    "question",
    ["Is region-1 a bright area?", "Does it lie at the bottom right?", "Any pits?", "A CRACK?"],
)
@pytest.mark.parametrize("verdict", ENDS)
def test_what_names_a_place_or_a_kind_is_not_decided_by_the_verdict(
    nano: NanoMLLM, verdict: Verdict, question: str
) -> None:
    text = f"{page(verdict)}\nKnown kinds of defects: crack or split, pit."
    choice = nano.choose(on_sheet(text, question), ["Yes", "No"])
    assert choice.probabilities == pytest.approx(weighed(nano, text, question), abs=0.05)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A ring.\nThe verdict on this ring is review.\nMore.", "review"),
        ("He said: The verdict on this ring is accept.", None),
        ("The verdict on this ring is fine.", None),
        ("", None),
    ],
)
def test_the_verdict_is_read_off_the_page(text: str, verdict: Verdict | None) -> None:
    assert read_verdict(text) == verdict


def test_several_questions_at_once_are_those_one_by_one(nano: NanoMLLM) -> None:
    questions: Sequence[Question] = [
        Question("Is it defective?", ("Yes", "No")),
        Question("What is the product?", ("ring", "lens", "cup")),
        Question("May it go out?", ("No", "Yes")),
    ]
    together = nano.choose_each(on_sheet(page("reject")), questions)
    for question, choice in zip(questions, together, strict=True):
        alone = nano.choose(on_sheet(page("reject"), question.text), question.options)
        assert choice.best == alone.best
        assert choice.probabilities == pytest.approx(alone.probabilities, abs=0.05)
