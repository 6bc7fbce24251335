"""Tiny models behave as their families do, and how a model's memory may be used is pinned here."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import bitsandbytes
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import pad
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.utils import logging

from tests.tiny_families import WIDTH
from tests.tiny_models import FAMILIES, build
from tests.tiny_tokenizers import VOCABULARY

MEGABYTE = 1024**2
TOLERANCE = 1e-3
QUESTIONS = (
    "Which is the defect? A: a scratch B: a crack",
    "Where?",
    "Is there a dent?\nOr a hole?",
)
# A place for each token; the rest belongs to the images.
ALONG_TOKENS = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
COUNTS_TURNS = ("qwen2_5_vl", "qwen3_vl", "qwen3_5")
Inputs = dict[str, Any]


def noise(seed: int, height: int = 96, width: int = 128) -> Image.Image:
    pixels_HW3 = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels_HW3)


def turn(role: str, *parts: str) -> dict[str, Any]:
    """One turn; the text IMAGE stands for an image."""
    image = {"type": "image"}
    content = [image if part == "IMAGE" else {"type": "text", "text": part} for part in parts]
    return {"role": role, "content": content}


@dataclass(frozen=True)
class Tiny:
    """A model in float32 and its processor."""

    family: str
    folder: Path
    model: Any
    processor: Any

    def read(self, question: str, *images: Image.Image) -> Inputs:
        """What the model gets for a text and a question between and behind the images."""
        parts = [part for _ in images for part in ("IMAGE", "One image of the product.")]
        said = [turn("system", "You inspect products."), turn("user", *parts, question)]
        text = self.processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return dict(
            self.processor(
                text=text,
                images=list(images) or None,
                return_tensors="pt",
                add_special_tokens=False,
            )
        )

    def logits_LV(self, inputs: Inputs) -> Any:
        return self.model(**inputs).logits[0]

    def write(self, length: int = 8, **inputs: Any) -> list[int]:
        """Exactly ``length`` tokens, each the most probable one."""
        written = self.model.generate(
            **inputs, max_new_tokens=length, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        return [int(token) for token in written[0, -length:]]

    def forget(self) -> None:
        """Qwen keeps a count of the last prompt in the model, beside the cache."""
        if self.family in COUNTS_TURNS:
            self.model.model.rope_deltas = None


def part_of(inputs: Inputs, length: int) -> Inputs:
    """The first tokens, with all images."""
    return {k: v[:, :length] if k in ALONG_TOKENS else v for k, v in inputs.items()}


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tiny]:
    folder = build(request.param, tmp_path_factory.mktemp("tiny") / request.param)
    local = {"local_files_only": True}
    model = AutoModelForImageTextToText.from_pretrained(
        folder, use_safetensors=True, dtype=torch.float32, **local
    )
    with torch.inference_mode():
        yield Tiny(request.param, folder, model, AutoProcessor.from_pretrained(folder, **local))


@pytest.fixture
def shown(tiny: Tiny) -> list[Inputs]:
    """Three questions on the same two images."""
    tiny.forget()
    return [tiny.read(q, noise(0), noise(1, 64, 64)) for q in QUESTIONS]


@pytest.fixture
def whole(tiny: Tiny, shown: list[Inputs]) -> list[Any]:
    """What is said of each without any cache, logits (L, V)."""
    return [tiny.logits_LV(inputs) for inputs in shown]


def shared(shown: list[Inputs]) -> int:
    """How many tokens the questions begin with together."""
    rows = zip(*(inputs["input_ids"][0].tolist() for inputs in shown), strict=False)
    return next(place for place, tokens in enumerate(rows) if len(set(tokens)) > 1)


def differ(one: Any, other: Any) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


def test_a_folder_holds_what_a_hub_would(tiny: Tiny) -> None:
    names = {path.name for path in tiny.folder.iterdir()}
    assert names >= {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "chat_template.jinja",
    }
    assert sum(path.stat().st_size for path in tiny.folder.iterdir()) < 5 * MEGABYTE


def test_the_seed_decides_on_the_weights(tiny: Tiny, tmp_path: Path) -> None:
    weights = [
        (build(tiny.family, tmp_path / str(n), seed=seed) / "model.safetensors").read_bytes()
        for n, seed in enumerate((0, 1))
    ]
    assert weights[0] == (tiny.folder / "model.safetensors").read_bytes()
    assert weights[0] != weights[1]


def test_it_loads_without_a_word(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    logging.disable_progress_bar()
    _, info = AutoModelForImageTextToText.from_pretrained(
        tiny.folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    AutoProcessor.from_pretrained(tiny.folder, local_files_only=True)
    logging.enable_progress_bar()
    assert {kind: names for kind, names in info.items() if names} == {}
    assert capfd.readouterr().err == ""


def test_letters_are_one_token_each(tiny: Tiny) -> None:
    tokenizer = tiny.processor.tokenizer
    assert len(tokenizer) == VOCABULARY == tiny.model.config.get_text_config().vocab_size
    for letter in ascii_uppercase:
        for text in (letter, f" {letter}"):
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert len(ids) == 1
            assert tokenizer.decode(ids) == text
    text = "Is the defect on the image a scratch? é 漢 12\n\n{}"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert len(ids) < 0.7 * len(text.encode())


SAID = [turn("user", "IMAGE", "Good?", "IMAGE"), turn("assistant", "No."), turn("user", "Why?")]
QWEN_SEEN = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN_SAID = (
    f"<|im_start|>user\n{QWEN_SEEN}Good?{QWEN_SEEN}<|im_end|>\n"
    "<|im_start|>assistant\nNo.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
)
PROMPTS = {
    "qwen2_5_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    + QWEN_SAID
    + "<|im_start|>assistant\n",
    "qwen3_vl": f"{QWEN_SAID}<|im_start|>assistant\n",
    "qwen3_5": f"{QWEN_SAID}<|im_start|>assistant\n<think>\n",
    "smolvlm": "<|im_start|>User:<image>Good?<image><end_of_utterance>\n"
    "Assistant: No.<end_of_utterance>\nUser: Why?<end_of_utterance>\nAssistant:",
    "internvl": "<|im_start|>user\n<IMG_CONTEXT>\nGood?<IMG_CONTEXT>\n<|im_end|>\n"
    "<|im_start|>assistant\nNo.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "gemma3": "<bos><start_of_turn>user\n<start_of_image>Good?<start_of_image><end_of_turn>\n"
    "<start_of_turn>model\nNo.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n"
    "<start_of_turn>model\n",
}


def test_the_template_has_the_turns_of_the_family(tiny: Tiny) -> None:
    apply = tiny.processor.apply_chat_template
    prompt = apply(SAID, tokenize=False, add_generation_prompt=True)
    assert prompt == PROMPTS[tiny.family]
    begun = apply([*SAID, turn("assistant", "It")], tokenize=False, continue_final_message=True)
    between = {"smolvlm": " ", "qwen3_5": "\n</think>\n\n"}.get(tiny.family, "")
    assert begun == f"{prompt}{between}It"
    short = apply(SAID, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert short == prompt + ("\n</think>\n\n" if tiny.family == "qwen3_5" else "")


def test_what_the_system_says_comes_first(tiny: Tiny) -> None:
    said = [turn("system", "Be brief."), turn("user", "Why?")]
    text = tiny.processor.apply_chat_template(said, tokenize=False)
    heads = {
        "smolvlm": "<|im_start|>System: Be brief.<end_of_utterance>\nUser: Why?",
        "gemma3": "<bos><start_of_turn>user\nBe brief.\n\nWhy?<end_of_turn>\n",
    }
    chatml = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    assert text.startswith(heads.get(tiny.family, chatml))


def test_images_are_seen_and_answers_are_not_flat(tiny: Tiny, shown: list[Inputs]) -> None:
    last_V = tiny.logits_LV(shown[0])[-1]
    assert 2 < float(last_V.std()) < 6
    for first, second in ((2, 1), (0, 2)):
        other = tiny.read(QUESTIONS[0], noise(first), noise(second, 64, 64))
        assert other["input_ids"].equal(shown[0]["input_ids"])
        assert differ(tiny.logits_LV(other)[-1], last_V) > 0.1
    assert len(set(tiny.write(16, **shown[0]))) > 4


def test_it_runs_in_four_bits(tiny: Tiny) -> None:
    """Every linear layer but the last, here as on a graphics card."""
    plan = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForImageTextToText.from_pretrained(
        tiny.folder, local_files_only=True, quantization_config=plan, device_map="cpu"
    )
    linear = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    plain = [n for n, m in linear.items() if not isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert plain == ["lm_head"]
    sides = {side for m in linear.values() for side in (m.in_features, m.out_features)}
    assert {side for side in sides if side % WIDTH} <= {32}
    inputs = tiny.read(QUESTIONS[0], noise(0))
    last_V, exact_V = model(**inputs).logits[0, -1].float(), tiny.logits_LV(inputs)[-1]
    assert float(torch.corrcoef(torch.stack([last_V, exact_V]))[0, 1]) > 0.5
    assert Tiny(tiny.family, tiny.folder, model, tiny.processor).write(**inputs)


def test_the_rest_may_be_read_later_without_a_mask(
    tiny: Tiny, shown: list[Inputs], whole: list[Any]
) -> None:
    start = shared(shown)
    cache = tiny.model(**part_of(shown[0], start), use_cache=True).past_key_values
    kept = copy.deepcopy(cache)
    rest = shown[0]["input_ids"][:, start:]
    later = {"input_ids": rest, "past_key_values": cache}
    assert differ(tiny.logits_LV(later), whole[0][start:]) < TOLERANCE
    copied = {"input_ids": rest, "past_key_values": copy.deepcopy(kept)}
    assert differ(tiny.logits_LV(copied), whole[0][start:]) < TOLERANCE
    each = [tiny.model(input_ids=token[None], past_key_values=kept) for token in rest.T]
    one_by_one = torch.cat([output.logits[0] for output in each])
    assert differ(one_by_one, whole[0][start:]) < TOLERANCE


def test_several_endings_may_be_read_together(
    tiny: Tiny, shown: list[Inputs], whole: list[Any]
) -> None:
    """Padded at the right, without a mask; ``batch_repeat_interleave`` is not for every family."""
    start = shared(shown)
    cache = tiny.model(**part_of(shown[0], start), use_cache=True).past_key_values
    cache.reorder_cache(torch.zeros(len(shown), dtype=torch.long))
    rests = [inputs["input_ids"][0, start:] for inputs in shown]
    longest = max(map(len, rests))
    rows_BL = torch.stack([pad(rest, (0, longest - len(rest))) for rest in rests])
    logits_BLV = tiny.model(input_ids=rows_BL, past_key_values=cache).logits
    for logits_LV, rest, alone_LV in zip(logits_BLV, rests, whole, strict=True):
        assert differ(logits_LV[: len(rest)], alone_LV[start:]) < TOLERANCE


def test_only_a_state_of_fixed_size_cannot_be_repeated_in_place(
    tiny: Tiny, shown: list[Inputs]
) -> None:
    cache = tiny.model(**shown[0], use_cache=True).past_key_values
    if tiny.family == "qwen3_5":
        with pytest.raises(AttributeError, match="batch_repeat_interleave"):
            cache.batch_repeat_interleave(2)
    else:
        cache.batch_repeat_interleave(2)
        assert {layer.keys.shape[0] for layer in cache.layers} == {2}


def test_generation_goes_on_from_a_cache_without_images(tiny: Tiny, shown: list[Inputs]) -> None:
    alone = tiny.write(**shown[0])
    for start in (shared(shown), shown[0]["input_ids"].shape[1] - 1):
        cache = tiny.model(**part_of(shown[0], start), use_cache=True).past_key_values
        assert tiny.write(input_ids=shown[0]["input_ids"], past_key_values=cache) == alone


def test_a_second_image_may_be_read_later(
    tiny: Tiny, shown: list[Inputs], whole: list[Any]
) -> None:
    """Qwen must be told the places then, Gemma the kinds of all tokens, those in the cache too."""
    first = tiny.read("-", noise(0))
    start = shared([first, shown[0]])
    early = {k: v[:, :start] if k in ALONG_TOKENS else v for k, v in first.items()}
    late = {"input_ids": shown[0]["input_ids"][:, start:]}
    for name in shown[0].keys() - set(ALONG_TOKENS):
        # Images follow each other; SmolVLM counts its tiles along the second axis.
        axis = 1 if tiny.family == "smolvlm" else 0
        seen = first[name].shape[axis]
        late[name] = shown[0][name].narrow(axis, seen, shown[0][name].shape[axis] - seen)
    if tiny.family == "gemma3":
        late["token_type_ids"] = shown[0]["token_type_ids"]
    if tiny.family in COUNTS_TURNS:
        given = {k: shown[0][k] for k in ("input_ids", "image_grid_thw", "mm_token_type_ids")}
        places_3BL, _ = tiny.model.model.get_rope_index(**given)
        early["position_ids"] = places_3BL[..., :start]
        late["position_ids"] = places_3BL[..., start:]
        late["mm_token_type_ids"] = shown[0]["mm_token_type_ids"][:, start:]
    cache = tiny.model(**early, use_cache=True).past_key_values
    assert differ(tiny.logits_LV({**late, "past_key_values": cache}), whole[0][start:]) < TOLERANCE


def test_qwen_keeps_a_count_beside_the_cache(
    tiny: Tiny, shown: list[Inputs], whole: list[Any]
) -> None:
    """It is that of the last prompt with images: whoever keeps a cache must keep it, too."""
    start = shared(shown)
    cache = tiny.model(**part_of(shown[0], start), use_cache=True).past_key_values
    later = {"input_ids": shown[0]["input_ids"][:, start:]}
    count = getattr(tiny.model.model, "rope_deltas", None)
    tiny.model(**tiny.read("Another prompt", noise(3)))
    other = tiny.logits_LV({**later, "past_key_values": copy.deepcopy(cache)})
    if tiny.family not in COUNTS_TURNS:
        assert count is None
        assert differ(other, whole[0][start:]) < TOLERANCE
        return
    assert differ(other, whole[0][start:]) > 0.1
    tiny.model.model.rope_deltas = count
    assert differ(tiny.logits_LV({**later, "past_key_values": cache}), whole[0][start:]) < TOLERANCE
    tiny.forget()


def test_a_text_after_images_needs_the_count_forgotten(tiny: Tiny, shown: list[Inputs]) -> None:
    inputs = tiny.read("What is a defect?")
    alone_LV = tiny.logits_LV(inputs)
    tiny.model(**shown[0])
    start = alone_LV.shape[0] - 5

    def later() -> float:
        cache = tiny.model(**part_of(inputs, start), use_cache=True).past_key_values
        rest = {"input_ids": inputs["input_ids"][:, start:], "past_key_values": cache}
        return differ(tiny.logits_LV(rest), alone_LV[start:])

    assert (later() > 0.1) == (tiny.family in COUNTS_TURNS)
    tiny.forget()
    assert later() < TOLERANCE


BOUNDS: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": {"size": {"shortest_edge": 28**2, "longest_edge": 6 * 28**2}},
    "qwen3_vl": {"size": {"shortest_edge": 32**2, "longest_edge": 6 * 32**2}},
    "qwen3_5": {"size": {"shortest_edge": 32**2, "longest_edge": 6 * 32**2}},
    "smolvlm": {"size": {"longest_edge": 128}},
    "internvl": {"max_patches": 2},
    "gemma3": {"do_pan_and_scan": False},
}
# Fewest and most tokens of an image from 20 by 20 px to 600 by 800 px: as it is, and bounded.
TOKENS = {
    "qwen2_5_vl": ((4, 12), (1, 4)),
    "qwen3_vl": ((4, 12), (1, 4)),
    "qwen3_5": ((4, 12), (1, 4)),
    "smolvlm": ((52, 68), (20, 20)),
    "internvl": ((4, 20), (4, 4)),
    "gemma3": ((4, 4), (4, 4)),
}


def test_how_many_tokens_an_image_takes_can_be_bounded_for_each_call(tiny: Tiny) -> None:
    """SmolVLM enlarges the smallest image to its longest edge; Gemma makes all the same size."""
    text = tiny.processor.apply_chat_template([turn("user", "IMAGE", "Good?")], tokenize=False)
    pictures = [noise(0, 20, 20), noise(0, 600, 800)]

    def tokens(**bound: Any) -> tuple[int, ...]:
        read = [
            tiny.processor(text=text, images=[p], return_tensors="pt", images_kwargs=bound)
            for p in pictures
        ]
        image = tiny.model.config.image_token_id
        return tuple(sorted(int((inputs["input_ids"] == image).sum()) for inputs in read))

    assert (tokens(), tokens(**BOUNDS[tiny.family])) == TOKENS[tiny.family]
