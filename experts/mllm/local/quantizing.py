"""How bitsandbytes shall quantize a model, and which layers it must leave alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, BitsAndBytesConfig
from transformers.quantizers.base import get_keys_to_not_convert

from experts.mllm.memory import Precision

# NF4 scales weights in blocks of so many. On a processor bitsandbytes (0.50) unpacks rows that do
# not hold whole blocks with the scales of other blocks, which nobody would notice but by the
# answers; and its fast kernel takes outputs by 32.
NF4_BLOCK = 64
NF4_ROWS_ON_CPU = 32


def quantization(precision: Precision, folder: Path, *, on_gpu: bool) -> BitsAndBytesConfig | None:
    """The setting for transformers; None for bfloat16.

    Args:
        precision: ``nf4`` is 4 bits with double quantization (Dettmers et al., "QLoRA", 2023),
            ``int8`` is LLM.int8(); both compute in bfloat16.
        folder: Of the model.
        on_gpu: Where it shall run.
    """
    if precision == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if precision == "bf16":
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=None if on_gpu else _unfit_for_nf4_on_cpu(folder),
    )


def _unfit_for_nf4_on_cpu(folder: Path) -> list[str] | None:
    """Layers to leave in bfloat16, with those that always are; None if there are no others."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    unfit = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and (layer.in_features % NF4_BLOCK or layer.out_features % NF4_ROWS_ON_CPU)
    ]
    return [*get_keys_to_not_convert(model), *unfit] if unfit else None
