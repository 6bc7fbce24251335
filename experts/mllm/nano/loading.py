"""Loads the embedded model: base weights from their package, Echo's adapters beside this file."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedModel

from experts.errors import MLLMUnavailableError
from experts.mllm.local.prompting import told
from experts.mllm.nano.base import INSTALL, REVISION_DIGITS, SHA256, quiet_bars, unpacked
from experts.mllm.nano.model import NanoMLLM
from experts.mllm.nano.prompting import TextPrompter
from experts.mllm.nano.texts import texts

NAME = "nano"
# Made by `echo-iad train nano`, in the form of peft.
SHIPPED = Path(__file__).parent / "adapter"
WEIGHTS = "adapter_model.safetensors"
# What adapters say of themselves: the version of the texts that they were trained with.
TEXTS = "texts"


def load_nano(home: Path, adapter: Path | None = SHIPPED) -> NanoMLLM:
    """Load the embedded model in bfloat16, 270 MB of weights.

    Args:
        home: Echo's home, where the base weights are unpacked.
        adapter: Folder with the adapters; ``None`` for the base alone.

    Raises:
        MLLMUnavailableError: If weights are missing or damaged.
    """
    folder = unpacked(home)
    # What the code of libraries raises over damaged files cannot be foreseen.
    try:
        model = base_model(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise MLLMUnavailableError(
            f"nano: cannot be loaded from {folder} ({told(error)}); delete it and {INSTALL}"
        ) from error
    if adapter is not None:
        try:
            model = _merged(model, adapter)
        except Exception as error:
            raise MLLMUnavailableError(
                f"nano: cannot be loaded from {adapter} ({told(error)}); install Echo again, or "
                "train it anew"
            ) from error
    return NanoMLLM(model, TextPrompter(tokenizer), name=NAME, revision=revision(adapter))


def revision(adapter: Path | None) -> str:
    """A hash of the adapters, or of the base if there are none; the base is always the same.

    Raises:
        MLLMUnavailableError: If the adapters cannot be read.
    """
    if adapter is None:
        return SHA256[:REVISION_DIGITS]
    try:
        with (adapter / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:REVISION_DIGITS]
    except OSError as error:
        raise MLLMUnavailableError(
            f"nano: {error.filename}: cannot be read ({error.strerror}); install Echo again, or "
            "train it anew"
        ) from error


def base_model(folder: Path) -> PreTrainedModel:
    """The base alone, in bfloat16, on the GPU if there is one."""
    with quiet_bars():
        model = LlamaForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, local_files_only=True, use_safetensors=True
        )
    model.generation_config.max_length = None
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _merged(model: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    with quiet_peft():
        from peft import PeftModel, get_peft_model_state_dict

        # peft itself would look for them on a hub, and take any part of them for the whole.
        with safe_open(adapter / WEIGHTS, framework="pt") as file:
            found, version = set(file.keys()), (file.metadata() or {}).get(TEXTS)
        if version != str(texts().version):
            raise ValueError(f"trained with texts {version}, these are {texts().version}")
        adapted = PeftModel.from_pretrained(model, adapter)
        expected = get_peft_model_state_dict(adapted, save_embedding_layers=False).keys()
        if found != set(expected):
            raise ValueError(f"{len(found)} tensors, expected {len(expected)}")
        merged: PreTrainedModel = adapted.merge_and_unload()
    return merged.eval()


@contextlib.contextmanager
def quiet_peft() -> Iterator[None]:
    """Without warnings that only developers of peft and bitsandbytes can do something about.

    One asks transformers for what it will give up; the other tells of 4-bit kernels that are
    missing, where nothing is in 4 bits.
    """
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield
