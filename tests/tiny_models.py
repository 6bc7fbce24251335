"""Tiny vision-language models of the real architectures, random, as a hub would hold them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText

from tests.tiny_families import ALL, WIDTH, Config

FAMILIES = tuple(ALL)


def build(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a model of one of ``FAMILIES``, its tokenizer and its processor; ``folder`` comes back.

    Args:
        family: Which one.
        folder: Made if it is not there.
        seed: What the weights are drawn with.
    """
    kind = ALL[family]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = kind.make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = tokenizer.get_vocab()
    config = {**kind.config(ids), "dtype": "bfloat16"}
    processor = {"processor_class": kind.processor}
    documents: dict[str, Config] = {
        "config.json": config,
        "tokenizer_config.json": {"tokenizer_class": kind.tokenizer, **kind.names, **processor},
        "preprocessor_config.json": {**kind.image, **processor},
    }
    if kind.processing:
        documents["processor_config.json"] = {**kind.processing, **processor}
    _write(folder, documents)
    (folder / "chat_template.jinja").write_text(kind.template)
    model = _random_model(folder, seed)
    ends = config.get("eos_token_id") or config["text_config"]["eos_token_id"]
    generation = {"do_sample": False, "eos_token_id": ends}
    generation["pad_token_id"] = ids[kind.names["pad_token"]]
    model.save_pretrained(folder)
    _write(folder, {"config.json": config, "generation_config.json": generation})
    return folder


def _write(folder: Path, documents: dict[str, Config]) -> None:
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2))


def _random_model(folder: Path, seed: int) -> Any:
    """The model in bfloat16 whose answers depend strongly on what it reads and sees."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            _draw(name, weight)
            if config.model_type == "gemma3":
                _loosen(name, weight)
    return model.to(torch.bfloat16).eval()


def _draw(name: str, weight: nn.Parameter) -> None:
    """Weights that keep the size of what goes through them; the fresh ones are too small for it."""
    if name.endswith("A_log"):
        # How fast a state fades: so slowly that what was seen long ago still counts.
        weight.uniform_(-4, -1)
    elif "embed_tokens" in name or "lm_head" in name:
        weight.normal_(0, 3 / math.sqrt(WIDTH))
    elif weight.dim() > 1:
        inputs = weight.shape[0] if "mm_input" in name else math.prod(weight.shape[1:])
        weight.normal_(0, 1.5 / math.sqrt(inputs))
    elif name.endswith("bias"):
        weight.normal_(0, 0.1)


def _loosen(name: str, weight: nn.Parameter) -> None:
    """Let Gemma's layers count for more than the last token, which else follows itself forever.

    Its norms multiply with one more than their weight.
    """
    if "post_attention_layernorm" in name or "post_feedforward_layernorm" in name:
        weight.fill_(5)
    elif "q_norm" in name or "k_norm" in name:
        weight.fill_(1)
