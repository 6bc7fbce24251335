"""What every backend has in common, tried on the scripted one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel, ConfigDict

from experts.errors import MLLMAnswerError, MLLMUnavailableError
from experts.mllm import (
    Cost,
    Generation,
    Message,
    Question,
    ScriptedMLLM,
    assistant,
    system,
    user,
    with_question,
)
from experts.mllm.prompts import prompts
from experts.mllm.structured import read_object


class Finding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["crack", "pit"]
    count: int
    places: list[str] = []


VALID = '{"kind": "crack", "count": 2, "places": ["top {left}"]}'
EXPECTED = Finding(kind="crack", count=2, places=["top {left}"])


def said(text: str, finish: Literal["stop", "length"] = "stop") -> Generation:
    return Generation(text, finish, Cost(answer_tokens=7))


@pytest.mark.parametrize(
    "text",
    [
        VALID,
        f"  {VALID}\n",
        f"```json\n{VALID}\n```",
        f"Here it is:\n{VALID}\nI hope this helps.",
        f"<think>Perhaps {{this}}? Or {VALID}?</think>{VALID}",
        VALID.replace(", ", ",\n\t"),
        f"Thought aloud: {{}}</think>{VALID}",
    ],
)
def test_an_object_is_found_in_what_surrounds_it(text: str) -> None:
    assert read_object(said(text), Finding) == EXPECTED


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the answer holds no JSON object, expected one: ''"),
        ("I see a crack.", "the answer holds no JSON object, expected one: 'I see a crack.'"),
        (f"{VALID}\n{VALID}", "the answer holds 2 JSON objects, expected one: "),
        ('["crack", 2]', "the answer holds no JSON object, expected one: "),
        # What is whole inside of something broken is not the answer.
        ('{"found": {"kind": "crack", "count": 2}', "the answer is no valid JSON: "),
        (VALID[:-1], "the answer is no valid JSON: "),
        ('{"kind": "crack", "count": 2,}', "the answer is no valid JSON: "),
        ("{'kind': 'crack', 'count': 2}", "the answer is no valid JSON: "),
        ("{" * 100_000, "the answer is no valid JSON: "),
        ('{"kind": "crack", "count": 2, "count": 3}', "the answer has the key 'count' twice"),
        ('{"kind": "crack"}', "count: Field required (the answer was "),
        ('{"kind": "dent", "count": 2}', "kind: Input should be 'crack' or 'pit' (the answer"),
        ('{"kind": "crack", "count": "two"}', "count: Input should be a valid integer"),
        ('{"kind": "crack", "count": NaN}', "count: Input should be a finite number"),
        ('{"kind": "crack", "count": 2, "size": 1}', "size: Extra inputs are not permitted"),
        ('{"found": {"kind": "crack", "count": 2}}', "kind: Field required"),
    ],
)
def test_what_is_not_the_object_is_refused_with_the_reason(text: str, fault: str) -> None:
    with pytest.raises(MLLMAnswerError) as refused:
        read_object(said(text), Finding)
    assert str(refused.value).startswith(fault)
    assert len(str(refused.value)) < 300


def test_what_a_model_names_is_told_in_one_short_line() -> None:
    long = "n" * 9_000
    for text in (
        VALID.replace("count", "count\\n\\n"),
        VALID.replace("count", long),
        f'{{"{long}": 1, "{long}": 2}}',
    ):
        with pytest.raises(MLLMAnswerError, match=r"\A.{,400}\Z"):
            read_object(said(text), Finding)


def test_an_answer_that_was_cut_off_is_never_read() -> None:
    with pytest.raises(MLLMAnswerError, match="cut off after 7 tokens"):
        read_object(said(VALID, "length"), Finding)


@given(st.text())
def test_whatever_is_said_gives_an_object_or_a_sentence(text: str) -> None:
    outcome: Finding | str
    try:
        outcome = read_object(said(text), Finding)
    except MLLMAnswerError as error:
        outcome = str(error)
    assert isinstance(outcome, Finding) or "\n" not in outcome


def test_a_faulty_answer_is_mended_and_the_fault_is_told() -> None:
    model = ScriptedMLLM(["no idea", '{"kind": "dent", "count": 1}', VALID])
    filled = model.generate_json([user("What is it?")], Finding)
    assert (filled.value, filled.tries) == (EXPECTED, 3)
    first, second, third = (messages for messages, _ in model.asked)
    assert "JSON Schema" in str(first[0].content[-1])
    assert second[1] == assistant("no idea")
    assert "That is not valid: the answer holds no JSON object" in str(second[2].content[0])
    # Of all that went wrong only the last is shown.
    assert len(third) == 3
    assert "Input should be 'crack' or 'pit'" in str(third[2].content[0])
    assert filled.cost.answer_tokens > 3


def test_repairs_are_bounded_and_the_failure_is_clear() -> None:
    model = ScriptedMLLM(lambda *_: "no idea")
    with pytest.raises(MLLMAnswerError, match=r"\Ascripted: gave no valid Finding in 3 tries: "):
        model.generate_json([user("What is it?")], Finding)
    assert len(model.asked) == 3
    with pytest.raises(MLLMAnswerError, match="in 1 try: "):
        model.generate_json([user("What is it?")], Finding, max_repairs=0)


def test_a_failing_model_is_not_asked_for_repairs() -> None:
    model = ScriptedMLLM([MLLMUnavailableError("gone")])
    with pytest.raises(MLLMUnavailableError, match="gone"):
        model.generate_json([user("What is it?")], Finding)
    assert len(model.asked) == 1


@pytest.mark.parametrize("messages", [[], [user()], [user(), system()]])
def test_something_must_be_asked(messages: list[Message]) -> None:
    model = ScriptedMLLM(["A", "A", VALID])
    for ask in (
        lambda: model.generate(messages),
        lambda: model.choose(messages, "AB"),
        lambda: model.generate_json(messages, Finding),
    ):
        with pytest.raises(ValueError, match="messages must say or show something"):
            ask()


@pytest.mark.parametrize(
    "how", [{"max_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}]
)
def test_what_cannot_be_written_is_not_asked(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected max_tokens ≥ 1 and temperature ≥ 0, got "):
        ScriptedMLLM(["A"]).generate([user("What?")], **how)
    with pytest.raises(ValueError, match="expected max_repairs ≥ 0, got -1"):
        ScriptedMLLM(["A"]).generate_json([user("What?")], Finding, max_repairs=-1)


@pytest.mark.parametrize("options", [[], [""], ["A", " "], ["A", "B", "A"]])
def test_options_must_be_texts_that_differ(options: list[str]) -> None:
    with pytest.raises(ValueError, match="options to choose from must"):
        ScriptedMLLM(["A"]).choose([user("Which?")], options)


def test_a_script_names_an_option_or_gives_probabilities() -> None:
    model = ScriptedMLLM(["B", {"A": 1, "C": 3}])
    named = model.choose([user("Which?")], "ABC")
    assert (named.best, named.probabilities, named.from_logits) == ("B", (0, 1, 0), False)
    weighed = model.choose([user("Which?")], "ABC")
    assert (weighed.best, weighed.probabilities, weighed.from_logits) == (
        "C",
        (0.25, 0, 0.75),
        True,
    )
    assert [options for _, options in model.asked] == [("A", "B", "C")] * 2
    with pytest.raises(MLLMAnswerError, match="its script has ended"):
        model.choose([user("Which?")], "ABC")
    with pytest.raises(ValueError, match="'D'"):
        ScriptedMLLM(["D"]).choose([user("Which?")], "ABC")


def test_a_script_may_look_at_what_is_asked() -> None:
    def script(messages: Sequence[Message], options: tuple[str, ...]) -> str:
        return options[-1] if "last" in str(messages[-1].content[-1]) else options[0]

    questions = [Question("the first?", ("A", "B")), Question("the last?", ("A", "B", "C"))]
    choices = ScriptedMLLM(script).choose_each([system("Choose."), user("Look:")], questions)
    assert [choice.best for choice in choices] == ["A", "C"]
    assert ScriptedMLLM(script).choose_each([user("Look:")], []) == []


def test_a_script_is_written_like_a_model_writes() -> None:
    pieces: list[str] = []
    model = ScriptedMLLM(["a thin dark crack. It is long", "one two three", 'say "x"'])
    answer = model.generate([user("What?")], stop=["."], stream=pieces.append)
    assert answer.text == "".join(pieces) == "a thin dark crack"
    assert (answer.finish, answer.cost.answer_tokens) == ("stop", 4)
    cut = model.generate([user("What?")], max_tokens=2)
    assert (cut.text, cut.finish) == ("one two", "length")
    assert model.generate([user("What?")], max_tokens=2).finish == "stop"


def test_a_question_goes_into_the_last_turn_of_the_user() -> None:
    assert with_question([user("Look:")], "Well?") == (user("Look:", "Well?"),)
    asked = with_question([user("Look:"), assistant("Yes.")], "Well?")
    assert asked == (user("Look:"), assistant("Yes."), user("Well?"))
    assert with_question([], "Well?") == (user("Well?"),)


@pytest.mark.parametrize(
    ("role", "content", "said"),
    [
        ("operator", ("Look:",), "role must be one of .+, got 'operator'"),
        ("user", "Look:", "content must be a tuple, got str"),
        ("user", ("Look:", 3), "content must be texts and PIL images, got int"),
        ("user", (Image.new("I;16", (2, 2)),), "8 bits a channel, got one of mode 'I;16'; "),
        ("user", (Image.new("F", (2, 2)),), "8 bits a channel, got one of mode 'F'; convert it"),
    ],
)
def test_a_message_is_what_it_says(role: Any, content: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Message(role, content)


def test_costs_add_up() -> None:
    total = Cost(10, 4, 2, 0.5) + Cost(1, 1, 1, 0.25)
    assert total == Cost(11, 5, 3, 0.75)


def test_the_texts_are_whole() -> None:
    texts = prompts()
    assert texts.version >= 1
    assert texts.opinion.question.format(options="A. pit") != texts.opinion.question
    filled = texts.propose.question.format(product="nut", normal="Even.", defects="-", count=3)
    assert "{" not in filled
