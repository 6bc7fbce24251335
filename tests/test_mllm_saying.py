"""Answers that are made of given sentences alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

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
    said = model.say([user(question)], SENTENCES, many=True, max_tokens=120).text
    every = "|".join(map(re.escape, SENTENCES))
    # Cut off at the longest length, the last sentence may have no end.
    whole = re.match(rf"(?:(?:{every})(?: |$))*", said)
    assert whole is not None
    rest = said[whole.end() :]
    assert said
    assert rest == "" or any(sentence.startswith(rest) for sentence in SENTENCES)


def test_a_single_sentence_is_said(model: LocalMLLM) -> None:
    said = model.say([user("Why?")], ["It is so."], max_tokens=12)
    assert (said.text, said.finish) == ("It is so.", "stop")


@pytest.mark.parametrize("sentences", [[], [" "], ["Twice.", "Twice."]])
def test_there_must_be_something_to_say(model: LocalMLLM, sentences: list[str]) -> None:
    with pytest.raises(ValueError, match="options to choose from must"):
        model.say([user("Why?")], sentences)


def test_others_write_freely_and_are_checked() -> None:
    scripted = ScriptedMLLM(["What I like."])
    assert scripted.say([user("Why?")], SENTENCES).text == "What I like."
    with pytest.raises(MLLMAnswerError):
        ScriptedMLLM([]).say([user("Why?")], SENTENCES)


def test_the_model_is_asked_only_where_sentences_differ(model: LocalMLLM) -> None:
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    hook = model._model.register_forward_hook(count)
    try:
        said = model.say([user("Where?")], SENTENCES[2:], many=True, max_tokens=200)
    finally:
        hook.remove()
    sentences = said.text.count("region-1")
    # One for the prompt; for each sentence where it lies and whether there is another one.
    assert passes <= 2 + 4 * sentences
    assert said.cost.answer_tokens > 3 * sentences


@pytest.mark.parametrize("question", ["Why?", "Where is it?", "Say something else."])
def test_one_sentence_is_enough(model: LocalMLLM, question: str) -> None:
    said = model.say([user(question)], SENTENCES)
    assert said.text in SENTENCES
    assert said.finish == "stop"


def test_what_takes_too_long_is_cut_off(model: LocalMLLM) -> None:
    said = model.say([user("Why?")], SENTENCES, max_tokens=2)
    assert said.finish == "length"
    assert any(sentence.startswith(said.text) for sentence in SENTENCES)


def test_the_more_probable_beginning_is_said(model: LocalMLLM) -> None:
    asked, sentences = [user("Is it so?")], ["Yes.", "No.", "Perhaps."]
    said = model.say(asked, sentences, max_tokens=1).text
    ids = [model._prompter.tokenizer.encode(s, add_special_tokens=False)[0] for s in sentences]
    prompt = model._prompter.read(asked)
    with torch.inference_mode():
        logits_V = model._model(input_ids=prompt.ids_T[None]).logits[0, -1]
    begins = {model._prompter.decode([i]): float(logits_V[i]) for i in ids}
    assert begins[said] == max(begins.values())
