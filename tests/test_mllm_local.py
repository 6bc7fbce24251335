"""A model in this process, against what transformers says of the same model without any cache."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import BaseModel, Field

from experts.errors import MLLMAnswerError, MLLMUnavailableError
from experts.mllm import Message, Question, assistant, system, user, with_question
from experts.mllm.content import reduced
from experts.mllm.local import LocalMLLM, load
from experts.mllm.local.listening import Listener
from tests.tiny_models import FAMILIES, build

OPTIONS = ("A", "no defect", "a crack in the surface", "B")
QUESTIONS = tuple(
    Question(f"Is there a {what} in the image?", OPTIONS[n % 2 :])
    for n, what in enumerate(("crack", "dent", "scratch on the left edge", "hole", "stain"))
)

# What a family's template writes between "Assistant:" and the answer.
SPACING = {"smolvlm": " "}


def noise(seed: int, width: int = 90, height: int = 60) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def shown(seed: int = 0) -> tuple[Message, ...]:
    first, second = noise(seed), noise(seed + 1)
    content = ("The first image:", first, "The second image:", second, "There is a dark line.")
    return (system("You inspect industrial products."), user(*content))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")

    def folder(family: str) -> Path:
        path = root / family
        if not path.exists():
            build(family, path)
        return path

    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, folders: Callable[[str], Path]) -> LocalMLLM:
    """In float32, so that what is compared differs by rounding errors only."""
    model = opened(folders(request.param))
    model._model.float()
    return model


def opened(folder: Path, **how: Any) -> LocalMLLM:
    return load(folder, name=folder.name, revision="tiny", **{"precision": "bf16"} | how)


def conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    turns = []
    for m in messages:
        content: list[dict[str, str]] = []
        for part in m.content:
            if not isinstance(part, str):
                content.append({"type": "image"})
            elif content and content[-1]["type"] == "text":
                content[-1]["text"] += f"\n{part}"
            else:
                content.append({"type": "text", "text": part})
        turns.append({"role": m.role, "content": content})
    return turns


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


def images_of(messages: Sequence[Message]) -> list[Image.Image]:
    return [part for m in messages for part in m.content if isinstance(part, Image.Image)]


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


def test_large_images_are_reduced_to_a_budget(folders: Callable[[str], Path]) -> None:
    image = noise(0, 1200, 300)
    assert reduced(image, 90_000).size == (600, 150)
    assert reduced(image, 10**6).size == image.size
    assert reduced(noise(0, 3000, 2), 100).size == (100, 1)
    # What is transparent lies on white, as in an inspection.
    clear = reduced(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 10**6)
    assert (clear.mode, clear.getpixel((0, 0))) == ("RGB", (255, 255, 255))
    for family in FAMILIES:
        lengths = [
            len(opened(folders(family), max_pixels=n)._prompter.read([user(image)]).ids_T)
            for n in (30_000, 2_000)
        ]
        # Some take all images to one size.
        assert lengths[1] < lengths[0] or family in {"gemma3", "internvl"}


@pytest.mark.parametrize("precision", ["nf4", "int8"])
def test_quantized_models_do_the_same(folders: Callable[[str], Path], precision: str) -> None:
    for family in FAMILIES:
        model = opened(folders(family), precision=precision)
        whole_model = opened(folders(family))
        kinds = {type(module).__name__ for module in model._model.modules()}
        assert {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[precision] in kinds
        messages = with_question(shown(), QUESTIONS[0].text)
        choices = [m.choose(messages, OPTIONS) for m in (model, whole_model)]
        assert choices[0].probabilities != choices[1].probabilities
        again = model.choose_each(shown(), QUESTIONS)[0]
        # Eight bits are rounded by what stands in a row beside each other.
        assert again.probabilities == pytest.approx(choices[0].probabilities, abs=0.1)
        assert model.generate(messages, max_tokens=4).cost.answer_tokens > 0


def test_layers_that_cannot_be_quantized_on_a_processor_stay_whole(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder = shutil.copytree(folders("qwen2_5_vl"), tmp_path / "odd")
    config = AutoConfig.from_pretrained(folder)
    # As 3,420 in the image encoder of Qwen2.5-VL: neither whole blocks nor rows by 32.
    config.vision_config.intermediate_size = 80
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config).bfloat16().save_pretrained(folder)
    image = noise(5)
    features = []
    for precision in ("bf16", "nf4"):
        model = opened(folder, precision=precision)._model
        batch = opened(folder)._prompter.read([user(image)]).visual
        with torch.inference_mode():
            seen = model.get_image_features(
                batch["pixel_values"].bfloat16(), batch["image_grid_thw"]
            )
        features.append(torch.cat(list(seen.pooler_output)).float())
    plain = {type(m) for n, m in model.named_modules() if n.endswith((".down_proj", ".up_proj"))}
    assert len(plain) == 2
    # NF4 costs a tenth of a layer's output; scales of other blocks cost a quarter and more.
    error = (features[1] - features[0]).norm() / features[0].norm()
    assert error < 0.2


def test_threads_share_a_model(folders: Callable[[str], Path]) -> None:
    model = opened(folders("qwen2_5_vl"))
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


def test_a_model_that_breaks_down_says_so_and_goes_on(folders: Callable[[str], Path]) -> None:
    model = opened(folders("smolvlm"))
    expected = model.choose(shown(), OPTIONS).probabilities

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    handle = model._model.lm_head.register_forward_pre_hook(fail)
    said = r"smolvlm: broke down \(RuntimeError: CUDA error: .+\); take another model"
    for ask in (lambda: model.choose(shown(5), OPTIONS), lambda: model.generate(shown(6))):
        with pytest.raises(MLLMUnavailableError, match=said):
            ask()
    handle.remove()
    assert model.choose(shown(), OPTIONS).probabilities == expected


def test_what_is_no_number_is_no_answer(folders: Callable[[str], Path]) -> None:
    model = opened(folders("smolvlm"))

    def overflow(_: object, __: object, logits_NTV: torch.Tensor) -> torch.Tensor:
        return logits_NTV * torch.nan

    model._model.lm_head.register_forward_hook(overflow)
    with pytest.raises(MLLMAnswerError, match="smolvlm: weighs its answers with what is no number"):
        model.choose(shown(), OPTIONS)


def test_what_stream_raises_reaches_its_author(folders: Callable[[str], Path]) -> None:
    class EnoughError(Exception):
        pass

    def stop(_: str) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        opened(folders("smolvlm")).generate(shown(), max_tokens=8, stream=stop)


def spoilt(folder: Path, target: Path, how: str) -> Path:
    shutil.copytree(folder, target)
    weights = target / "model.safetensors"
    if how == "no weights":
        weights.unlink()
    elif how == "pickled weights":
        weights.unlink()
        torch.save({}, target / "pytorch_model.bin")
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "lacking weights":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        del tensors[next(name for name in sorted(tensors) if "mlp" in name)]
        save_file(tensors, weights, metadata={"format": "pt"})
    elif how == "no template":
        (target / "chat_template.jinja").unlink()
    elif how == "broken configuration":
        (target / "config.json").write_text("{")
    elif how == "no configuration":
        (target / "config.json").unlink()
    elif how == "unknown architecture":
        (target / "config.json").write_text('{"model_type": "none_such"}')
    return target


@pytest.mark.parametrize(
    "how",
    [
        "no weights",
        "pickled weights",
        "cut weights",
        "lacking weights",
        "no template",
        "broken configuration",
        "no configuration",
        "unknown architecture",
    ],
)
def test_a_folder_that_is_no_model_is_told_in_a_sentence(
    folders: Callable[[str], Path], tmp_path: Path, how: str
) -> None:
    folder = spoilt(folders("qwen2_5_vl"), tmp_path / "model", how)
    with pytest.raises(MLLMUnavailableError) as failed:
        opened(folder)
    sentence = str(failed.value)
    assert str(folder) in sentence
    assert "; " in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600
