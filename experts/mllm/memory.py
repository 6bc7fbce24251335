"""How much memory a language model needs, computed from its shape.

- Weights: bitsandbytes quantizes all linear layers but the output matrix. NF4 with double
  quantization (Dettmers et al., "QLoRA", 2023, section 3) takes 4 bits a weight, 8 bits for each
  block of 64 weights, 32 bits for each 256 blocks, and its tables for each layer; LLM.int8() takes
  8 bits a weight and 32 bits a row. All else stays in bfloat16; with NF4 on a processor some more.
- Cache: keys and values of the context, in bfloat16.
- Work: what is alive at most while a part of the context is read, see ``_work``.

What CUDA itself takes is not part of it: a card's free memory does not hold it either.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

from experts.errors import MLLMUnavailableError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

Precision = Literal["nf4", "int8", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# Images, the evidence, questions and an answer.
CONTEXT_TOKENS = 4096
# Of these, so many are read in one pass: two images of 900 x 900 px for Qwen2.5-VL, which makes a
# token of 28 x 28 px.
PASS_TOKENS = 2048
PASS_PX = PASS_TOKENS * 28 * 28
# Of the memory that is free, some is lost between the pieces that are taken of it.
USABLE = 0.95

_BF16 = 2
_NF4_BLOCK, _NF4_BLOCKS = 64, 256
# Its 16 levels, those of its scales, and their mean, in 32 bits.
_NF4_TABLES = 4 * (16 + 256 + 1)


class Shape(BaseModel):
    """What of a model takes memory.

    Attributes:
        parameters: All of them; a matrix that is used twice counts once.
        linear: Of these, weights of the layers that are quantized.
        linear_layers: How many such layers there are.
        linear_rows: Their outputs, all together.
        largest: The weights of the largest of them.
        unaligned: Weights of those that NF4 leaves alone on a processor, see ``local/quantizing``.
        unaligned_layers: How many of them there are.
        hidden: Width of the language model.
        intermediate: Width of its feed-forward layers.
        full_layers: Its layers whose cache holds the whole context.
        sliding_layers: Its layers whose cache holds the last ``window`` tokens.
        window: See there.
        cached: Numbers that such a layer keeps of a token: its keys and values.
        vision_hidden: Width of the image encoder.
        vision_intermediate: Width of its feed-forward layers.
        patch_px: Side of its patches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: int
    linear: int
    linear_layers: int
    linear_rows: int
    largest: int
    unaligned: int
    unaligned_layers: int
    hidden: int
    intermediate: int
    full_layers: int
    sliding_layers: int = 0
    window: int = 0
    cached: int
    vision_hidden: int
    vision_intermediate: int
    patch_px: int


class Need(NamedTuple):
    """Bytes that a model takes."""

    weights: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def need(
    shape: Shape,
    precision: Precision,
    context_tokens: int = CONTEXT_TOKENS,
    *,
    on_gpu: bool = True,
) -> Need:
    """What a model takes at a precision while a context is kept."""
    kept = shape.full_layers * context_tokens
    kept += shape.sliding_layers * min(context_tokens, shape.window)
    weights = weight_bytes(shape, precision, on_gpu=on_gpu)
    return Need(weights, _BF16 * shape.cached * kept, _work(shape, precision, context_tokens))


def weight_bytes(shape: Shape, precision: Precision, *, on_gpu: bool = True) -> int:
    """What the weights of a model take, with what their quantization adds."""
    if precision == "bf16":
        return _BF16 * shape.parameters
    if precision == "int8":
        return _BF16 * (shape.parameters - shape.linear) + shape.linear + 4 * shape.linear_rows
    linear = shape.linear - (0 if on_gpu else shape.unaligned)
    layers = shape.linear_layers - (0 if on_gpu else shape.unaligned_layers)
    blocks = linear / _NF4_BLOCK
    packed = linear / 2 + blocks + 4 * blocks / _NF4_BLOCKS
    return _BF16 * (shape.parameters - linear) + round(packed) + _NF4_TABLES * layers


def _work(shape: Shape, precision: Precision, context_tokens: int) -> int:
    """What is alive at most while tokens are read, counted on the real forward passes.

    In a gated feed-forward layer that is the stream of tokens four times (residual, normalized and
    two on their way), with three products of its width, or two and the matrix that comes next,
    which is turned into bfloat16 to be multiplied. The image encoder runs before, with three
    products at most.
    """
    tokens = min(context_tokens, PASS_TOKENS)
    unpacked = 0 if precision == "bf16" else shape.largest
    wide = tokens * shape.intermediate
    text = 4 * tokens * shape.hidden + max(3 * wide, 2 * wide + unpacked)
    patches = PASS_PX // shape.patch_px**2
    vision = patches * (4 * shape.vision_hidden + 3 * shape.vision_intermediate)
    return _BF16 * max(text, vision)


class Device(NamedTuple):
    """Where a model would run.

    Attributes:
        name: As people call it.
        free_bytes: Memory that is free there now.
        is_gpu: Whether it is a GPU.
    """

    name: str
    free_bytes: int
    is_gpu: bool


def this_device() -> Device:
    """The GPU with the most free memory, else this machine's processor and its free memory."""
    import torch

    if torch.cuda.is_available():
        gpus = [
            Device(torch.cuda.get_device_name(n), torch.cuda.mem_get_info(n)[0], is_gpu=True)
            for n in range(torch.cuda.device_count())
        ]
        return max(gpus, key=lambda gpu: gpu.free_bytes)
    import psutil

    free_bytes: int = psutil.virtual_memory().available
    # In a container the machine's memory may be more than is allowed.
    with suppress(OSError, ValueError):
        free_bytes = min(free_bytes, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return Device("CPU", free_bytes, is_gpu=False)


def precisions_that_fit(shape: Shape, device: Device) -> tuple[Precision, ...]:
    """At which precisions a model fits into a device's free memory, the coarsest first."""
    usable = USABLE * device.free_bytes
    return tuple(p for p in PRECISIONS if need(shape, p, on_gpu=device.is_gpu).total <= usable)


def shape_of_config(config: dict[str, Any]) -> Shape:
    """Count what a configuration describes, as ``config.json`` holds it."""
    from transformers import AutoConfig

    rest = {key: value for key, value in config.items() if key != "model_type"}
    return _shape(AutoConfig.for_model(config["model_type"], **rest))


def shape_of_folder(folder: Path) -> Shape:
    """Count what a folder's ``config.json`` describes; its weights are not read.

    Raises:
        MLLMUnavailableError: If it describes no model of transformers that takes images and texts.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        # Some configurations say that input and output share a matrix, while the files hold two.
        if any(name.endswith("lm_head.weight") for name in _tensor_names(folder)):
            config.tie_word_embeddings = config.get_text_config().tie_word_embeddings = False
        return _shape(config)
    # What the code of one of many architectures raises cannot be foreseen.
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise MLLMUnavailableError(
            f"{folder / 'config.json'}: describes no model that can be loaded "
            f"({type(error).__name__}: {why}); it must be one of transformers that takes images "
            "and texts"
        ) from error


def _tensor_names(folder: Path) -> Iterable[str]:
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            yield from opened.keys()


def _shape(config: PreTrainedConfig) -> Shape:
    """Build the real architecture without memory for its weights, and count."""
    import torch
    from transformers import AutoModelForImageTextToText

    from experts.mllm.local.quantizing import NF4_BLOCK, NF4_ROWS_ON_CPU

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    linear = _quantized(model)
    unaligned = [
        layer.weight.numel()
        for layer in linear
        if layer.in_features % NF4_BLOCK or layer.out_features % NF4_ROWS_ON_CPU
    ]
    text, vision = config.get_text_config(), config.vision_config
    kinds = list(getattr(text, "layer_types", None) or ["full_attention"] * text.num_hidden_layers)
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    sliding = kinds.count("sliding_attention")
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear=sum(layer.weight.numel() for layer in linear),
        linear_layers=len(linear),
        linear_rows=sum(layer.out_features for layer in linear),
        largest=max(layer.weight.numel() for layer in linear),
        unaligned=sum(unaligned),
        unaligned_layers=len(unaligned),
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        # Recurrent layers keep little, however long the context is.
        full_layers=kinds.count("full_attention"),
        sliding_layers=sliding,
        window=text.sliding_window if sliding else 0,
        cached=2 * text.num_key_value_heads * head,
        vision_hidden=vision.hidden_size,
        vision_intermediate=vision.intermediate_size,
        patch_px=_side(vision.patch_size),
    )


def _quantized(model: PreTrainedModel) -> list[Any]:
    """The layers that transformers would have bitsandbytes quantize, chosen by its own code."""
    from torch import nn
    from transformers.quantizers.base import HfQuantizer
    from transformers.quantizers.quantizers_utils import should_convert_module

    spared = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    return [
        module
        for name, module in model.named_modules()
        if type(module) is nn.Linear and should_convert_module(name, spared)
    ]


def _side(patch: int | list[int] | tuple[int, ...]) -> int:
    return patch if isinstance(patch, int) else patch[-1]
