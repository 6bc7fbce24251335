"""Where the weights of an encoder's family lie: a file, a folder or the hub; safetensors only."""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

import torch

from experts.errors import WeightsError

SUFFIX = ".safetensors"
# Running one of these files may run any code, so none is opened.
PICKLES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})


def local_weights(path: Path, file_name: str) -> Path:
    """The weights file at ``path``: that file itself, or ``file_name`` in that folder.

    Raises:
        WeightsError: If there is none, or only a pickle.
    """
    if not path.exists():
        raise WeightsError(f"{path}: there is no such file or folder; check the path")
    file = path / file_name if path.is_dir() else path
    beside = sorted(path.iterdir()) if path.is_dir() else [path]
    if file.suffix == SUFFIX and file.is_file():
        return file
    pickled = [p for p in beside if p.suffix.lower() in PICKLES]
    if pickled:
        raise WeightsError(
            f"{pickled[0]}: is a pickle, which can run any code when it is read; "
            f"convert it to {file_name} with safetensors where you trust it"
        )
    if path.is_dir():
        raise WeightsError(f"{path}: holds no {file_name}; put the weights there under that name")
    raise WeightsError(f"{path}: expected a {SUFFIX} file or a folder that holds {file_name}")


def hub_weights(repository: str, file_name: str, remedy: str) -> Path:
    """The weights file of a repository of the Hugging Face hub, fetched once.

    A file that was fetched before is used as it is, without asking the hub.

    Raises:
        WeightsError: If it cannot be fetched, with ``remedy``.
    """
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    cached = huggingface_hub.try_to_load_from_cache(repository, file_name)
    if isinstance(cached, str):
        return Path(cached)
    verbosity = get_verbosity()
    set_verbosity(logging.ERROR)  # it would report each of its attempts
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file_name))
    except (OSError, ValueError) as error:
        offline = isinstance(error, LocalEntryNotFoundError)
        why = "no connection" if offline else str(error).strip().splitlines()[0].rstrip(".")
        raise WeightsError(
            f"{file_name} of {repository} cannot be fetched from the hub ({why}); {remedy}"
        ) from error
    finally:
        set_verbosity(verbosity)


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file.

    Raises:
        WeightsError: If it is not one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: is not a valid safetensors file; fetch it again") from error


def sha256_of(file: Path) -> str:
    """Hash of a file, read piece by piece."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def misfit(file: Path, model: str, error: Exception) -> WeightsError:
    """The sentence for weights that do not fit: what torch found, at most the first faults."""
    faults = [line.strip().rstrip(".") for line in str(error).splitlines()]
    found = [fault for fault in faults if fault and not fault.endswith(":")] or [repr(error)]
    shown = "; ".join(f if len(f) <= 100 else f"{f[:100]}…" for f in found[:2])
    return WeightsError(
        f"{file}: is no weights of {model} ({shown}); check which model they are of"
    )


def near_names(name: str, known: Iterable[str]) -> str:
    """The known names that are most like ``name``, for the end of a sentence."""
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else "check its spelling"
