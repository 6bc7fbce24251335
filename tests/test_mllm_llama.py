"""A language model behind a real llama.cpp server, beside the same weights in transformers."""

from __future__ import annotations

import importlib
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

import pytest
import torch
from pydantic import BaseModel, Field
from transformers import AutoModelForCausalLM, AutoTokenizer

from experts.errors import MLLMAnswerError, MLLMUnavailableError
from experts.mllm import Message, system, user
from experts.mllm.server import ServerMLLM, breaker
from experts.mllm.server.choice import ballot
from tests.llama_server import GGUF, MODEL, model_folder, serving_llama

KEY = "sk-echo-llama"
GRASS = (user("What colour is grass? Write one sentence."),)
# llama.cpp also rounds what flows between the layers, which transformers does not.
NATS = 0.25


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_llama(KEY) as llama:
        yield llama.url


@pytest.fixture
def model(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerMLLM]:
    monkeypatch.setattr(breaker, "_breakers", {})
    monkeypatch.setenv("ECHO_IAD_MLLM_KEY", KEY)
    found = ServerMLLM(url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def reference() -> tuple[Any, Any]:
    """Tokenizer and model of transformers, from the same file, each weight as its full number."""
    folder = str(model_folder())
    gguf = importlib.import_module("gguf")
    with pytest.MonkeyPatch.context() as patch:
        # Else the head of the file is taken apart three times, and a map made for each weight.
        for name in ("GGUFReader", "get_tensor_name_map"):
            patch.setattr(gguf, name, cache(getattr(gguf, name)))
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
        loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    return tokenizer, loaded.eval()


def test_it_says_who_it_is(model: ServerMLLM, url: str) -> None:
    model.check()
    assert model.name == f"{MODEL} @ {url}/v1"
    assert model.revision == "134515008 parameters in 96576768 bytes"


def test_a_stream_is_the_whole(model: ServerMLLM) -> None:
    pieces: list[str] = []
    whole = model.generate(GRASS, max_tokens=24)
    streamed = model.generate(GRASS, max_tokens=24, stream=pieces.append)
    assert "".join(pieces) == streamed.text == whole.text != ""
    assert len(pieces) > 3
    assert streamed.finish == whole.finish
    assert streamed.cost.answer_tokens == whole.cost.answer_tokens > 0
    assert 0 < streamed.cost.cached_tokens < streamed.cost.prompt_tokens == whole.cost.prompt_tokens


def test_an_answer_ends_by_itself_or_is_cut_off(model: ServerMLLM) -> None:
    whole = model.generate(GRASS, max_tokens=200)
    assert whole.finish == "stop"
    cut = model.generate(GRASS, max_tokens=3)
    assert (cut.finish, cut.cost.answer_tokens) == ("length", 3)
    assert whole.text.startswith(cut.text)


def test_a_stop_text_ends_an_answer(model: ServerMLLM) -> None:
    whole = model.generate(GRASS, max_tokens=24).text
    word = whole.split()[3]
    pieces: list[str] = []
    for stream in (None, pieces.append):
        stopped = model.generate(GRASS, max_tokens=24, stop=[word], stream=stream)
        assert (stopped.text, stopped.finish) == (whole[: whole.index(word)], "stop")
    assert "".join(pieces) == whole[: whole.index(word)]


def test_a_seed_repeats_what_was_drawn(model: ServerMLLM) -> None:
    drawn = [
        model.generate(GRASS, max_tokens=16, temperature=1.5, seed=seed).text
        for seed in (1, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


LETTERS = tuple("ABCDEFGHIJKLMNOPQRST")
CASES: dict[str, tuple[Sequence[Message], tuple[str, ...]]] = {
    "letters": ((user("Grass is A: red, B: green, C: blue. Answer with a letter."),), LETTERS[:3]),
    "texts": (GRASS, ("red", "green", "blue", "it is too dark to see any colour")),
    "in several parts": (
        (system("You are brief."), user("Look.", "Is the part good?")),
        ("good", "bad"),
    ),
    "many": ((user("Name a letter."),), LETTERS),
}


@pytest.mark.parametrize("case", CASES)
def test_letters_are_as_probable_as_the_weights_say(
    case: str, model: ServerMLLM, reference: tuple[Any, Any]
) -> None:
    messages, options = CASES[case]
    chosen = model.choose(messages, options)
    assert chosen.from_logits
    assert math.fsum(chosen.probabilities) == pytest.approx(1)
    tokens_V = next_tokens(reference, ballot(messages, options).messages)
    names = ballot(messages, options).names
    tokenizer = reference[0]
    found = []
    for name, weight in zip(names, chosen.probabilities, strict=True):
        tokens = [tokenizer.encode(text, add_special_tokens=False) for text in (name, f" {name}")]
        assert [len(ids) for ids in tokens] == [1, 1]
        found.append((weight, [float(tokens_V[ids[0]]) for ids in tokens]))
    # What is not among the most probable 20 is not weighed but bounded.
    least = 1.3 * float(tokens_V.topk(20).values[-1])
    seen = [(weight, sum(expected)) for weight, expected in found if max(expected) > least]
    assert len(seen) >= 2
    total, expected_total = (math.fsum(column) for column in zip(*seen, strict=True))
    for weight, expected in seen:
        assert math.log(weight / total) == pytest.approx(
            math.log(expected / expected_total), abs=NATS
        )


def next_tokens(reference: tuple[Any, Any], messages: Sequence[Message]) -> torch.Tensor:
    """The probability of each token as the first of the answer, (V,)."""
    tokenizer, loaded = reference
    conversation = [
        {"role": message.role, "content": "\n".join(str(part) for part in message.content)}
        for message in messages
    ]
    prompt = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.inference_mode():
        return torch.as_tensor(loaded(ids).logits[0, -1].double().softmax(-1))


def test_more_options_than_letters_are_asked_for(model: ServerMLLM) -> None:
    options = tuple(f"zone {n}" for n in range(40))
    chosen = model.choose([user("Which zone?")], options)
    assert not chosen.from_logits
    assert sorted(chosen.probabilities)[-2:] == [0.0, 1.0]


class Finding(BaseModel):
    kind: Literal["scratch", "pit", "stain"]
    where: str = Field(min_length=1, max_length=20)
    count: int = Field(ge=1, le=9)


def test_a_schema_is_filled_in_at_once(model: ServerMLLM) -> None:
    """So small a model would not manage it alone."""
    filled = model.generate_json([user("The photo shows two pits on the left.")], Finding)
    assert filled.tries == 1
    assert model._session.lacks == frozenset()


def test_several_inspectors_share_a_server(model: ServerMLLM) -> None:
    asked = [(user(f"Part {n} is A: good, B: bad. Answer with a letter."),) for n in range(12)]
    alone = [model.choose(messages, ("A", "B")).probabilities[0] for messages in asked]
    gate = threading.Barrier(4)

    def inspect(first: int) -> list[float]:
        gate.wait()
        rows = asked[first::4]
        return [model.choose(messages, ("A", "B")).probabilities[0] for messages in rows]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(inspect, range(4)))
    for first in range(4):
        assert together[first] == pytest.approx(alone[first::4], abs=0.02)


def test_a_key_that_is_missing(model: ServerMLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECHO_IAD_MLLM_KEY")
    with pytest.raises(MLLMUnavailableError) as caught:
        model.generate(GRASS)
    assert str(caught.value).endswith(
        ": answered HTTP 401: 'Invalid API Key'; put the key that it asks for into the environment "
        "variable ECHO_IAD_MLLM_KEY"
    )


def test_a_question_that_is_too_long(model: ServerMLLM) -> None:
    with pytest.raises(MLLMAnswerError, match=r"HTTP 400: 'request \(\d+ tokens\) exceeds the av"):
        model.generate([user("long " * 5000)])


def test_a_server_that_dies_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_breakers", {})
    monkeypatch.setenv("ECHO_IAD_MLLM_KEY", KEY)
    pieces: list[str] = []
    with serving_llama(KEY) as llama:

        def give(piece: str) -> None:
            pieces.append(piece)
            llama.process.kill()

        model = ServerMLLM(llama.url)
        with pytest.raises(MLLMUnavailableError, match="cut the connection in the middle of its"):
            model.generate(GRASS, max_tokens=500, stream=give)
        assert pieces
        with pytest.raises(MLLMUnavailableError, match="refused the connection"):
            model.generate(GRASS)
        model.close()
