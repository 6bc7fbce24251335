"""Answers that are made of given sentences alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from experts.errors import MLLMAnswerError
from experts.mllm import ScriptedMLLM, user
from experts.mllm.local import LocalMLLM, load

SENTENCES = (
    "The part is rejected.",
    'Rule `pit.size`: allowed is "none"; 7 × 2 mm \\ measured.',
    "region-1 lies at the top left.",
    "region-1 lies at the top.",
)


@pytest.fixture(scope="module")
def model(tiny_model: Callable[[str], Path]) -> LocalMLLM:
    return load(tiny_model("qwen2_5_vl"), name="tiny", revision="0", precision="bf16")


@pytest.mark.parametrize("question", ["Why?", "Where is it?", "Say something else."])
def test_random_weights_say_nothing_else(model: LocalMLLM, question: str) -> None:
    said = model.say([user(question)], SENTENCES, max_tokens=120).text
    every = "|".join(map(re.escape, SENTENCES))
    # Cut off at the longest length, the last sentence may have no end.
    whole = re.match(rf"(?:(?:{every})(?: |$))*", said)
    assert whole is not None
    rest = said[whole.end() :]
    assert said
    assert rest == "" or any(sentence.startswith(rest) for sentence in SENTENCES)


def test_a_single_sentence_is_said(model: LocalMLLM) -> None:
    said = model.say([user("Why?")], ["It is so."], max_tokens=12).text
    assert said.startswith("It is so.")


@pytest.mark.parametrize("sentences", [[], [" "], ["Twice.", "Twice."]])
def test_there_must_be_something_to_say(model: LocalMLLM, sentences: list[str]) -> None:
    with pytest.raises(ValueError, match="options to choose from must"):
        model.say([user("Why?")], sentences)


def test_others_write_freely_and_are_checked() -> None:
    scripted = ScriptedMLLM(["What I like."])
    assert scripted.say([user("Why?")], SENTENCES).text == "What I like."
    with pytest.raises(MLLMAnswerError):
        ScriptedMLLM([]).say([user("Why?")], SENTENCES)
