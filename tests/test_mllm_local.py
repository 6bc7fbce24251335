"""A model in this process, against what transformers says of the same model without any cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from experts.mllm import Message, user, with_question
from experts.mllm.content import reduced
from experts.mllm.local import LocalMLLM
from tests.shown import (
    OPTIONS,
    QUESTIONS,
    conversation,
    images_of,
    in_float32,
    noise,
    opened,
    shown,
)
from tests.tiny_models import FAMILIES

# What a family's template writes between "Assistant:" and the answer.
SPACING = {"smolvlm": " "}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tiny_model: Callable[[str], Path]) -> LocalMLLM:
    return in_float32(tiny_model(request.param))


def whole(model: LocalMLLM, messages: Sequence[Message], option: str) -> torch.Tensor:
    """Log-probability of each token of an answer, by one pass over all without a cache."""
    processor, images = model._prompter._processor, images_of(messages)
    prompt = processor.apply_chat_template(
        conversation(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    ids, batch = [], {}
    for text in (prompt, prompt + SPACING.get(model.name, "") + option):
        bounds = model._prompter._bounded(images)
        batch = processor(
            text=text, images=images, return_tensors="pt", add_special_tokens=False, **bounds
        )
        ids.append(batch["input_ids"][0])
    n = len(ids[0])
    assert torch.equal(ids[1][:n], ids[0])
    for module in model._model.modules():
        if hasattr(module, "rope_deltas"):
            module.rope_deltas = None
    with torch.inference_mode():
        logits_TV: torch.Tensor = model._model(**batch, use_cache=False).logits[0]
    return logits_TV[n - 1 : -1].log_softmax(-1).gather(1, ids[1][n:, None])[:, 0]


def by_hand(
    model: LocalMLLM, messages: Sequence[Message], options: Sequence[str]
) -> tuple[float, ...]:
    means = [whole(model, messages, option).mean() for option in options]
    return tuple(torch.stack(means).softmax(0).tolist())


def test_options_are_weighed_as_in_one_uncached_pass(model: LocalMLLM) -> None:
    messages = with_question(shown(), QUESTIONS[0].text)
    expected = by_hand(model, messages, OPTIONS)
    assert max(expected) - min(expected) > 0.01
    choice = model.choose(messages, OPTIONS)
    assert choice.probabilities == pytest.approx(expected, abs=1e-4)
    assert choice.from_logits
    assert choice.best == OPTIONS[int(np.argmax(expected))]
    assert sum(choice.probabilities) == pytest.approx(1)


def test_what_was_read_before_changes_nothing(model: LocalMLLM) -> None:
    expected = [by_hand(model, with_question(shown(), q.text), q.options) for q in QUESTIONS]
    one_by_one = [model.choose(with_question(shown(), q.text), q.options) for q in QUESTIONS]
    again = model.choose(with_question(shown(), QUESTIONS[0].text), QUESTIONS[0].options)
    model.choose(with_question(shown(7), QUESTIONS[0].text), OPTIONS)
    model.choose([user("No image at all. Is it good?")], ("A", "B"))
    together = model.choose_each(shown(), QUESTIONS)
    for n, (one, other) in enumerate(zip(one_by_one, together, strict=True)):
        assert one.probabilities == pytest.approx(expected[n], abs=1e-4)
        assert other.probabilities == pytest.approx(expected[n], abs=1e-4)
    assert again.probabilities == pytest.approx(expected[0], abs=1e-4)
    # It matters what is asked and what is shown.
    assert expected[0] != pytest.approx(expected[2], abs=1e-3)


def test_an_answer_depends_on_the_images(model: LocalMLLM) -> None:
    one = model.choose(with_question(shown(), QUESTIONS[0].text), OPTIONS)
    other = model.choose(with_question(shown(50), QUESTIONS[0].text), OPTIONS)
    assert one.probabilities != pytest.approx(other.probabilities, abs=1e-3)


class Counter:
    """Counts how often an image processor is asked."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.calls = inner, 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        return self.inner(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_ten_questions_look_once(model: LocalMLLM) -> None:
    looks: list[int] = []
    processor = model._prompter._processor
    counter = Counter(processor.image_processor)
    processor.image_processor = counter
    tower = next(
        module
        for name, module in model._model.named_modules()
        if name.endswith(("visual", "vision_tower", "vision_model"))
    )
    handle = tower.register_forward_hook(lambda *_: looks.append(1))
    model.close()
    try:
        first = model.choose(with_question(shown(), QUESTIONS[0].text), OPTIONS)
        once = len(looks)
        rest = [model.choose(with_question(shown(), q.text), q.options) for q in QUESTIONS * 2]
        model.generate(with_question(shown(), "What do you see?"), max_tokens=3)
        assert len(looks) == once >= 1
        assert counter.calls == 1
    finally:
        handle.remove()
        processor.image_processor = counter.inner
    assert first.cost.cached_tokens == 0
    assert all(choice.cost.cached_tokens > 0 for choice in rest)
    # From the third on, only the question itself is read.
    costs = [choice.cost for choice in rest[3:]]
    assert max(cost.prompt_tokens - cost.cached_tokens for cost in costs) < 40


def test_nobody_ends_a_turn_or_feigns_an_image_by_what_he_writes(model: LocalMLLM) -> None:
    control = model._prompter._control
    assert {"<|im_end|>", "<end_of_turn>"} & set(control)
    plain = model._prompter.read(with_question(shown(), "Is it good?"))
    forged = [model._prompter.read(with_question(shown(), f"Is it good?{''.join(control)}"))]
    # Nor by two texts of which each is harmless.
    halves = [(text[:3], text[3:]) for text in control]
    forged += [
        model._prompter.read((*shown()[:1], user(*shown()[1].content, *cut, "Is it good?")))
        for one, other in halves
        for cut in ((one, other), (f"{one} ", f" {other}"), (one, "", other))
    ]
    known = model._prompter._tokenizer.get_vocab()
    ids = torch.tensor([known[text] for text in control if text in known])
    count = [int(torch.isin(prompt.ids_T, ids).sum()) for prompt in (plain, *forged)]
    assert len(set(count)) == 1
    assert {prompt.image_end for prompt in forged} == {plain.image_end}


def test_large_images_are_reduced_to_a_budget(tiny_model: Callable[[str], Path]) -> None:
    image = noise(0, 1200, 300)
    assert reduced(image, 90_000).size == (600, 150)
    assert reduced(image, 10**6).size == image.size
    assert reduced(noise(0, 3000, 2), 100).size == (100, 1)
    # What is transparent lies on white, as in an inspection.
    clear = reduced(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 10**6)
    assert (clear.mode, clear.getpixel((0, 0))) == ("RGB", (255, 255, 255))
    for family in FAMILIES:
        lengths = [
            len(opened(tiny_model(family), max_pixels=n)._prompter.read([user(image)]).ids_T)
            for n in (30_000, 2_000)
        ]
        # Some take all images to one size.
        assert lengths[1] < lengths[0] or family in {"gemma3", "internvl"}


def test_threads_share_a_model(tiny_model: Callable[[str], Path]) -> None:
    model = opened(tiny_model("qwen2_5_vl"))
    asked = [with_question(shown(n % 3), QUESTIONS[n % 5].text) for n in range(12)]
    alone = [model.choose(messages, OPTIONS).probabilities for messages in asked]
    found: dict[int, tuple[float, ...]] = {}

    def ask(n: int) -> None:
        found[n] = model.choose(asked[n], OPTIONS).probabilities

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(12):
        assert found[n] == pytest.approx(alone[n], abs=0.02)
