"""What language models take: formulas beside real models."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForImageTextToText

from experts.errors import MLLMUnavailableError
from experts.mllm.catalog import Entry, catalogue
from experts.mllm.local.quantizing import quantization
from experts.mllm.memory import (
    PASS_TOKENS,
    PRECISIONS,
    USABLE,
    Device,
    Precision,
    need,
    precisions_that_fit,
    shape_of_config,
    shape_of_folder,
    this_device,
    weight_bytes,
)
from tests.tiny_models import build

GB = 10**9


def entry_of(short: str) -> Entry:
    return next(entry for entry in catalogue() if entry.short == short)


def test_seven_billion_parameters_take_six_and_a_half_gigabytes() -> None:
    shape = entry_of("qwen2.5-vl-7b").shape
    weights, cache, work = need(shape, "nf4")
    # By hand: 28 layers with keys and values of 4 heads of 128, in two bytes.
    assert cache == 4096 * 28 * 2 * 4 * 128 * 2
    # By hand: 4 + (8 + 32 / 256) / 64 bits for each of 7.2 billion weights, 16 for all others.
    by_hand = (4 + (8 + 32 / 256) / 64) / 8 * 7_199_817_728 + 2 * (8_292_166_656 - 7_199_817_728)
    assert weights == pytest.approx(by_hand, rel=1e-3)
    assert work < 0.36 * GB
    assert need(shape, "nf4").total < 6.5 * GB
    assert need(shape, "bf16").weights == 2 * 8_292_166_656


def test_a_longer_context_takes_more_until_windows_are_full() -> None:
    """Gemma 3 keeps 1,024 tokens in five of six layers."""
    shape = entry_of("gemma-3-4b").shape
    caches = [need(shape, "nf4", tokens).cache for tokens in (1024, 2048, 4096)]
    assert caches[0] == 1024 * 34 * 2 * 4 * 256 * 2
    assert caches[1] - caches[0] == 1024 * 5 * 2 * 4 * 256 * 2
    assert caches[2] - caches[1] == 2 * (caches[1] - caches[0])


def bytes_of(model: nn.Module) -> int:
    """What a model's weights take, with what their quantization adds; shared ones count once."""
    held: dict[int, int] = {}
    for parameter in model.parameters():
        tensors = [parameter.data, getattr(parameter, "SCB", None)]
        if (state := getattr(parameter, "quant_state", None)) is not None:
            nested = state.state2
            tensors += [state.absmax, state.code, state.offset, nested.absmax, nested.code]
        held |= {t.untyped_storage().data_ptr(): t.nbytes for t in tensors if t is not None}
    return sum(held.values())


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "internvl", "gemma3"])
def test_weights_take_what_is_computed(family: str, tmp_path: Path) -> None:
    folder = build(family, tmp_path)
    shape = shape_of_folder(folder)
    measured: dict[Precision, int] = {}
    for precision in PRECISIONS:
        model = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            quantization_config=quantization(precision, folder, on_gpu=False),
            device_map="cpu",
        )
        measured[precision] = bytes_of(model)
        computed = weight_bytes(shape, precision, on_gpu=False)
        assert computed == pytest.approx(measured[precision], rel=0.002), precision
    assert measured["nf4"] < 0.9 * measured["int8"] < 0.8 * measured["bf16"]


def test_layers_that_nf4_leaves_alone_on_a_processor(tmp_path: Path) -> None:
    """As in Qwen2.5-VL's image encoder, whose width is no multiple of 32."""
    folder = build("qwen2_5_vl", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["intermediate_size"] = 100
    (folder / "config.json").write_text(json.dumps(config))
    AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(
        folder
    )
    shape = shape_of_folder(folder)
    layers = 3 * config["vision_config"]["depth"]
    assert (shape.unaligned, shape.unaligned_layers) == (layers * 64 * 100, layers)
    model = AutoModelForImageTextToText.from_pretrained(
        folder,
        dtype=torch.bfloat16,
        quantization_config=quantization("nf4", folder, on_gpu=False),
        device_map="cpu",
    )
    computed = weight_bytes(shape, "nf4", on_gpu=False)
    assert computed == pytest.approx(bytes_of(model), rel=0.002)
    assert weight_bytes(shape, "nf4") < 0.95 * computed


# torch types neither the class nor its constructor.
class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are made, as long as something holds them."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.bytes = self.peak = 0

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor.untyped_storage())
        return made

    def _hold(self, storage: Any) -> None:
        if storage._cdata not in self.known:
            self.known.add(storage._cdata)
            self.bytes += storage.nbytes()
            self.peak = max(self.peak, self.bytes)
            weakref.finalize(storage, self._drop, storage._cdata, storage.nbytes())

    def _drop(self, key: int, count: int) -> None:
        self.known.discard(key)
        self.bytes -= count


class FlashAttention(TorchFunctionMode):
    """Attention as the fused kernels have it: nothing is kept but what comes out."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is nn.functional.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("short", ["qwen2.5-vl-7b", "qwen3-vl-8b", "internvl3-8b"])
def test_work_takes_what_is_computed(short: str) -> None:
    """Beside a real forward pass of the full-sized language model, which only has no numbers."""
    entry = entry_of(short)
    config = dict(entry.config)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(
            AutoConfig.for_model(config.pop("model_type"), **config),
            dtype=torch.bfloat16,
            attn_implementation="sdpa",
        ).model.language_model
        tokens_1TH = torch.empty(1, PASS_TOKENS, entry.shape.hidden, dtype=torch.bfloat16)
    for layer in [module for module in model.modules() if type(module) is nn.Linear]:
        # What bitsandbytes does with many tokens: unpack the matrix, then multiply.
        layer.register_forward_pre_hook(
            lambda layer, _: setattr(layer, "unpacked", torch.empty_like(layer.weight))
        )
        layer.register_forward_hook(lambda layer, *_: setattr(layer, "unpacked", None))
    known = [*model.parameters(), *model.buffers(), tokens_1TH]
    with torch.device("meta"), torch.no_grad(), FlashAttention(), Alive(known) as alive:
        done = model(inputs_embeds=tokens_1TH, use_cache=True)
    cache = sum(
        t.nbytes for layer in done.past_key_values.layers for t in (layer.keys, layer.values)
    )
    assert cache == need(entry.shape, "nf4", PASS_TOKENS).cache
    measured = alive.peak - cache + tokens_1TH.nbytes
    assert need(entry.shape, "nf4").work == pytest.approx(measured, rel=0.02)


def test_two_matrices_in_the_files_count_twice_whatever_the_configuration_says(
    tmp_path: Path,
) -> None:
    folder = build("internvl", tmp_path)
    apart = shape_of_folder(folder)
    config = json.loads((folder / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    assert shape_of_folder(folder) == apart
    tied = shape_of_config({**config, "model_type": "internvl"})
    vocabulary = config["text_config"]["vocab_size"]
    assert apart.parameters - tied.parameters == vocabulary * apart.hidden


def test_a_configuration_of_no_model_that_sees(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        MLLMUnavailableError, match=r"config\.json: describes no model that can be "
    ):
        shape_of_folder(tmp_path)


def test_a_model_fits_if_its_need_is_within_what_is_usable() -> None:
    shape = entry_of("qwen2.5-vl-7b").shape
    enough = need(shape, "int8").total / USABLE
    assert precisions_that_fit(shape, Device("GPU", int(enough) + 1, True)) == ("nf4", "int8")
    assert precisions_that_fit(shape, Device("GPU", int(enough) - 1, True)) == ("nf4",)
    assert precisions_that_fit(shape, Device("GPU", 0, True)) == ()
    device = this_device()
    assert device.free_bytes > 0
    assert device.is_gpu == torch.cuda.is_available()
