"""A model of the shape of Qwen2.5-VL with random weights, as a hub would hold it.

Weights do not matter for time and memory, and these need no download. The architecture is the real
one; the vocabulary is as large as the real one's, while the tokenizer knows a few words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    PreTrainedTokenizerFast,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
NAMES = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% for p in m.content %}{% if p.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ p.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHARD_BYTES = 4 * 2**30
# As a trained model's: neither dies out nor overflows on the way through the layers.
DEVIATION = 0.02


def write_random_model(config: dict[str, Any], words: list[str], folder: Path) -> None:
    """Write configuration, processor and safetensors in bfloat16.

    Args:
        config: Of Qwen2.5-VL, as the catalogue has it.
        words: Texts whose words shall be about one token each.
        folder: Is made; it takes two bytes a parameter.
    """
    folder.mkdir(parents=True)
    tokenizer = _tokenizer(words)
    ids = tokenizer.convert_tokens_to_ids
    configuration = AutoConfig.for_model(
        config["model_type"],
        **{key: value for key, value in config.items() if key != "model_type"},
        dtype="bfloat16",
        bos_token_id=None,
        eos_token_id=ids("<|im_end|>"),
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(configuration)
    model.generation_config.eos_token_id = ids("<|im_end|>")
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    configuration.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    _write_weights(model, folder)


def _tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=alphabet, special_tokens=[*SPECIAL], show_progress=False
    )
    tokenizer.train_from_iterator(words * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **NAMES,
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_bos_token": "<|vision_start|>",
            "vision_eos_token": "<|vision_end|>",
        },
    )


def _write_weights(model: Any, folder: Path) -> None:
    """Shard by shard, so that no more than one is in memory."""
    names: dict[str, str] = {}
    shards = list(_shards(model.state_dict()))
    for n, shard in enumerate(shards, 1):
        file = f"model-{n:05d}-of-{len(shards):05d}.safetensors"
        generator = torch.Generator().manual_seed(n)
        tensors = {name: _weights(name, like, generator) for name, like in shard.items()}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        names |= dict.fromkeys(shard, file)
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _shards(tensors: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    shard: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if shard and size + 2 * tensor.numel() > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += 2 * tensor.numel()
    yield shard


def _weights(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if like.ndim == 1:
        is_scale = name.endswith("weight")
        return torch.full(like.shape, float(is_scale), dtype=torch.bfloat16)
    # Drawing billions takes minutes; a long piece, repeated, does as well.
    piece = torch.randn(min(like.numel(), 2**22 + 1), generator=generator) * DEVIATION
    repeats = -(-like.numel() // len(piece))
    return piece.bfloat16().repeat(repeats)[: like.numel()].reshape(like.shape).contiguous()
