"""What a model in this process writes, against transformers without any cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from pydantic import BaseModel, Field

from experts.errors import MLLMAnswerError
from experts.mllm import Message, assistant, user, with_question
from experts.mllm.local import LocalMLLM
from experts.mllm.local.listening import Listener
from tests.shown import OPTIONS, conversation, images_of, in_float32, shown
from tests.tiny_models import FAMILIES


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tiny_model: Callable[[str], Path]) -> LocalMLLM:
    return in_float32(tiny_model(request.param))


def uncached(model: LocalMLLM, messages: Sequence[Message], tokens: int) -> str:
    """What the model writes when it reads everything anew for each token."""
    processor, images = model._prompter._processor, images_of(messages)
    prompt = processor.apply_chat_template(
        conversation(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    bounds = model._prompter._bounded(images)
    batch = processor(
        text=prompt, images=images, return_tensors="pt", add_special_tokens=False, **bounds
    )
    n, ids_NT = batch["input_ids"].shape[1], batch.pop("input_ids")
    per_token = [key for key in ("token_type_ids", "mm_token_type_ids") if key in batch]
    for _ in range(tokens):
        for module in model._model.modules():
            if hasattr(module, "rope_deltas"):
                module.rope_deltas = None
        # What was written is text.
        longer = {
            key: torch.nn.functional.pad(batch[key], (0, ids_NT.shape[1] - n)) for key in per_token
        }
        mask = torch.ones_like(ids_NT)
        with torch.inference_mode():
            logits = model._model(
                **{**batch, **longer, "attention_mask": mask}, input_ids=ids_NT, use_cache=False
            ).logits.clone()
            # No image stands behind a placeholder that is written.
            logits[..., model._prompter.image_tokens] = -torch.inf
        ids_NT = torch.cat([ids_NT, logits[:, -1:].argmax(-1)], dim=1)
        if int(ids_NT[0, -1]) in model._ends:
            break
    return model._prompter.decode(ids_NT[0, n:].tolist())


def test_what_is_written_is_what_an_uncached_model_writes(model: LocalMLLM) -> None:
    messages = with_question(shown(), "What do you see?")
    expected = uncached(model, messages, 12)
    model.close()
    fresh = model.generate(messages, max_tokens=12)
    model.choose(with_question(shown(), "Is it good?"), OPTIONS)
    model.choose(with_question(shown(3), "Is it good?"), OPTIONS)
    again = model.generate(messages, max_tokens=12)
    assert fresh.text == again.text == expected != ""
    # A conversation that goes on is read from where it went on.
    more = (*messages, assistant(fresh.text), user("And where?"))
    reply = model.generate(more, max_tokens=12)
    assert reply.cost.cached_tokens > fresh.cost.prompt_tokens - 60
    assert reply.text == uncached(model, more, 12)


def test_a_stream_brings_the_whole(model: LocalMLLM) -> None:
    pieces: list[str] = []
    answer = model.generate(
        with_question(shown(), "What do you see?"), max_tokens=20, stream=pieces.append
    )
    assert "".join(pieces) == answer.text
    assert len(pieces) > 1
    assert answer.finish in {"stop", "length"}
    assert 1 <= answer.cost.answer_tokens <= 20
    assert answer.cost.seconds > 0


def test_a_stop_text_ends_the_answer(model: LocalMLLM) -> None:
    messages = with_question(shown(), "What do you see?")
    free = model.generate(messages, max_tokens=20)
    # Across tokens, wherever they are.
    end = free.text[4:7]
    pieces: list[str] = []
    answer = model.generate(messages, max_tokens=20, stop=[end, "never"], stream=pieces.append)
    assert answer.text == free.text[: free.text.index(end)] == "".join(pieces)
    assert answer.finish == "stop"
    assert answer.cost.answer_tokens < free.cost.answer_tokens


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ((), "aé ok.é"),
        (("aé",), ""),
        (("é ok",), "a"),
        (("k.é", "ok.x"), "aé o"),
        (("b",), "aé ok.é"),
    ],
)
def test_letters_that_come_byte_by_byte_are_handed_on_whole(
    stop: tuple[str, ...], text: str
) -> None:
    pieces: list[str] = []
    listener = Listener(lambda ids: bytes(ids).decode(errors="replace"), 0, stop, pieces.append)
    written = list("aé ok.é".encode())
    for n in range(len(written)):
        if listener(torch.tensor([written[: n + 1]]), None)[0]:
            break
    listener.finish()
    assert listener.text == "".join(pieces) == text
    assert listener.stopped is (text != "aé ok.é")


def test_what_was_handed_on_stays_as_it_was() -> None:
    pieces: list[str] = []
    # As tokenizers that fall back on bytes show "r" as soon as an odd one follows it.
    shown = iter(["r", "\ufffd\ufffd", "\ufffd\ufffd."])
    listener = Listener(lambda _: next(shown), 0, (), pieces.append)
    for n in range(3):
        listener(torch.zeros(1, n + 1), None)
    listener.finish()
    assert listener.text == "".join(pieces) == "r\ufffd."


def test_draws_are_seeded(model: LocalMLLM) -> None:
    messages = with_question(shown(), "What do you see?")
    state = torch.random.get_rng_state()
    texts = [
        model.generate(messages, max_tokens=10, temperature=2.0, seed=seed).text
        for seed in (1, 1, 2, 3)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1
    assert torch.equal(torch.random.get_rng_state(), state)
    greedy = [model.generate(messages, max_tokens=10, seed=seed).text for seed in (1, 2)]
    assert greedy[0] == greedy[1]


class Finding(BaseModel):
    kind: Literal["crack", "pit", "scratch"]
    sure: bool
    places: tuple[Literal["left", "right"], Literal["top", "bottom"]]
    # What constrains the model does not know sets.
    seen: set[Literal["left", "right"]] = Field(max_length=2)


class Told(BaseModel):
    text: str


def test_what_is_filled_in_fits_its_schema(model: LocalMLLM) -> None:
    messages = with_question(shown(), "What do you see?")
    # No model of random weights would come upon this by chance.
    filled = model.generate_json(messages, Finding, max_tokens=120, max_repairs=0)
    assert isinstance(filled.value, Finding)
    assert filled.tries == 1
    other = model.generate_json(with_question(shown(4), "And this?"), Finding, max_tokens=120)
    assert isinstance(other.value, Finding)


def test_an_object_that_does_not_end_is_a_failure(model: LocalMLLM) -> None:
    with pytest.raises(MLLMAnswerError, match=r"gave no valid Told in 2 tries: .+ cut off after 5"):
        model.generate_json(shown(), Told, max_tokens=5, max_repairs=1)
