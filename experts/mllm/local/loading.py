"""Loads a model of transformers from a folder, quantized by bitsandbytes if so wished."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
    PreTrainedModel,
    ProcessorMixin,
)

from experts.errors import MLLMUnavailableError
from experts.mllm.local.model import LocalMLLM
from experts.mllm.local.prompting import Prompter, told
from experts.mllm.local.quantizing import quantization
from experts.mllm.memory import Precision
from experts.mllm.setting import MAX_PIXELS


def load(
    folder: Path,
    *,
    name: str,
    revision: str,
    precision: Precision = "nf4",
    max_pixels: int = MAX_PIXELS,
) -> LocalMLLM:
    """Load a model that sees images, on the GPU if there is one.

    Args:
        folder: As the hub holds it: configuration, safetensors, tokenizer, chat template.
        name: As the setting names it.
        revision: Which weights these are.
        precision: See ``quantization``.
        max_pixels: Larger images are reduced to so many pixels.

    Raises:
        MLLMUnavailableError: If there is no such model in the folder, or it does not fit.
    """
    try:
        processor = AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model = _model(folder, name, precision)
    except MLLMUnavailableError:
        raise
    except torch.OutOfMemoryError as error:
        raise MLLMUnavailableError(
            f"{name}: does not fit into the GPU's memory at {precision}; `echo-iad models` lists "
            "what fits"
        ) from error
    # What the code of one of many architectures raises cannot be foreseen.
    except Exception as error:
        raise MLLMUnavailableError(
            f"{name}: cannot be loaded from {folder} ({told(error)}); it must be a "
            "model of transformers that takes images and texts, with safetensors"
        ) from error
    if not isinstance(processor, ProcessorMixin) or not _has_template(processor):
        raise MLLMUnavailableError(
            f"{name}: {folder} has no processor for images with a chat template; take an instruct "
            "model that sees images"
        )
    prompter = Prompter(processor, _image_token_id(model, processor), max_pixels)
    return LocalMLLM(model, prompter, name=name, revision=revision)


def _model(folder: Path, name: str, precision: Precision) -> PreTrainedModel:
    on_gpu = torch.cuda.is_available()
    model, report = AutoModelForImageTextToText.from_pretrained(
        folder,
        dtype=torch.bfloat16,
        quantization_config=quantization(precision, folder, on_gpu=on_gpu),
        device_map=_placed(),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    # Weights that are missing would be drawn at random.
    if missing := sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])}):
        raise MLLMUnavailableError(
            f"{name}: {folder} lacks {len(missing)} weights, such as {missing[0]}; fetch it again"
        )
    # Models come with temperatures of their own; here whoever asks says what is wanted.
    own = model.generation_config
    model.generation_config = GenerationConfig(
        eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id, bos_token_id=own.bos_token_id
    )
    return model.eval()


def _placed() -> str | dict[str, int]:
    """On the only GPU, as it keeps back no memory then; over several; or on the processor."""
    gpus = torch.cuda.device_count()
    return "auto" if gpus > 1 else {"": 0} if gpus else "cpu"


def _has_template(processor: ProcessorMixin) -> bool:
    return bool(processor.chat_template or processor.tokenizer.chat_template)


def _image_token_id(model: PreTrainedModel, processor: ProcessorMixin) -> int | None:
    for config in (model.config, processor):
        for name in ("image_token_id", "image_token_index"):
            if isinstance(found := getattr(config, name, None), int):
                return found
    return None
