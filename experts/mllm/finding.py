"""Where on this machine the model is that a setting names, and which state of it that is."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from experts.errors import MLLMError, MLLMSettingError, MLLMUnavailableError
from experts.mllm.catalog import Entry, catalogue, hub_id
from experts.mllm.memory import Device, Precision, precisions_that_fit, this_device

RECORD = "echo-model.json"
CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
# Running one of these files may run any code, so none is fetched or opened.
PICKLES = frozenset({".bin", ".ckpt", ".h5", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"})

# On a processor larger ones take minutes for an answer, so ``auto`` leaves them alone.
MAX_PARAMETERS_ON_CPU = 5_000_000_000

_TAIL_BYTES = 1 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILE_NAME = re.compile(r"[\w.-]{1,200}")


@dataclass(frozen=True)
class Found:
    """A model on this machine.

    Attributes:
        folder: Where its files are.
        name: Its name on the hub, or the folder as it was given.
        revision: The commit; of a folder of unknown origin ``files-`` and a hash, see
            ``revision_of``.
    """

    folder: Path
    name: str
    revision: str


class Fit(NamedTuple):
    """A model on this machine, and how it is best loaded."""

    entry: Entry
    precision: Precision
    found: Found


class RecordedFile(BaseModel):
    """What a file was when it was fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Record(BaseModel):
    """What a folder holds that was fetched from the hub, as in ``echo-model.json``.

    Attributes:
        id: The model's name on the hub.
        revision: What was asked for, such as a branch.
        commit: What this was then.
        files: By name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    revision: str
    commit: str
    files: dict[str, RecordedFile]


def models_folder(home: Path) -> Path:
    """Where fetched models are kept."""
    return home / "models"


def folder_of(identifier: str, home: Path) -> Path:
    """Where a model of the hub is kept once it is fetched; no name on the hub holds ``--``."""
    return models_folder(home) / identifier.replace("/", "--")


def find_model(setting: str, home: Path, *, cache: Path | None = None) -> Found:
    """Find the model that a setting names: a folder, else one that was fetched, else the hub's.

    Args:
        setting: A folder; or a name on the hub or of the catalogue, with ``@COMMIT`` (or what else
            was asked for when it was fetched) if it must be that one.
        home: Echo's home.
        cache: Of the hub's client; by default where this keeps it. Nothing is downloaded.

    Raises:
        MLLMSettingError: If it names no model.
        MLLMUnavailableError: If the model is not on this machine, or not whole.
    """
    try:
        path = Path(setting).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # such as an endless name, or the home of nobody
        why = getattr(error, "strerror", None) or str(error)
        raise MLLMSettingError(
            f"{setting!r} can be neither a folder nor a model ({why}); check the setting"
        ) from error
    if is_folder:
        check_folder(path)
        return Found(path, setting, revision_of(path))
    if path.is_absolute() or setting.startswith(("./", "../", "~")):
        raise MLLMUnavailableError(f"{setting}: there is no such folder; check the path")
    return fetched_model(setting, home, cache=cache)


def fetched_model(setting: str, home: Path, *, cache: Path | None = None) -> Found:
    """As ``find_model``, whatever folder is called like the model."""
    name, _, wanted = setting.partition("@")
    identifier = hub_id(name)
    folder = folder_of(identifier, home)
    record = read_record(folder)
    if record and (not wanted or _is(record, wanted)):
        check_folder(folder)
        return Found(folder, identifier, record.commit)
    if snapshot := _snapshot(identifier, wanted, cache):
        check_folder(snapshot)
        return Found(snapshot, identifier, revision_of(snapshot))
    which = f" --revision {wanted}" if wanted else ""
    here = f", only its commit {record.commit[:12]} is" if record else ""
    raise MLLMUnavailableError(
        f"{setting} is not on this machine{here}; run: echo-iad models pull {identifier}{which}"
    )


def best_fit(home: Path, *, device: Device | None = None, cache: Path | None = None) -> Fit | None:
    """The recommended model that is on this machine and suits it best; nothing is downloaded.

    That is the one of the most parameters which fits at all: a larger model in four bits knows more
    than a smaller one in sixteen. It is taken at the most precise of bf16, int8 and nf4 that fits.
    Without a GPU only models of up to five billion parameters are taken.

    Args:
        home: Echo's home.
        device: Where it shall run; by default this machine's.
        cache: Of the hub's client; by default where this keeps it.
    """
    device = device or this_device()
    for entry in sorted(catalogue(), key=lambda entry: -entry.shape.parameters):
        if not device.is_gpu and entry.shape.parameters > MAX_PARAMETERS_ON_CPU:
            continue
        if fits := precisions_that_fit(entry.shape, device):
            try:
                return Fit(entry, fits[-1], fetched_model(entry.id, home, cache=cache))
            except MLLMError:  # not here, or not whole
                continue
    return None


def read_record(folder: Path) -> Record | None:
    """What was fetched into a folder; None if nothing was, or not by Echo."""
    try:
        return Record.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def check_folder(folder: Path) -> None:
    """Make sure that a folder holds a whole model; of its weights only sizes are looked at.

    Raises:
        MLLMUnavailableError: If not.
    """
    if not (folder / CONFIG).is_file():
        raise MLLMUnavailableError(
            f"{folder}: holds no {CONFIG}; it must hold a model's files as the hub does"
        )
    if record := read_record(folder):
        for name, file in record.files.items():
            if _size(folder / name) != file.size:
                raise MLLMUnavailableError(
                    f"{folder / name}: is missing or cut off; run: echo-iad models pull {record.id}"
                )
    for name in _weight_names(folder):
        if not (folder / name).is_file():
            raise MLLMUnavailableError(
                f"{folder}: lacks {name}, which its {INDEX} names; fetch the model again"
            )


def revision_of(folder: Path) -> str:
    """Which state of a model a folder holds.

    The commit if it is known; else ``files-`` and a hash over what is read beside the weights, and
    over name, size and last mebibyte of each weight file: quick for 15 GB, other for other weights.
    """
    if record := read_record(folder):
        return record.commit
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots" and _COMMIT.fullmatch(resolved.name):
        return resolved.name
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".jinja", ".txt", ".model", ".safetensors"} and file.is_file():
            size = file.stat().st_size
            digest.update(f"{file.name}\0{size}\0".encode())
            with file.open("rb") as stream:
                stream.seek(max(0, size - _TAIL_BYTES) if file.suffix == ".safetensors" else 0)
                digest.update(stream.read())
    return f"files-{digest.hexdigest()[:16]}"


def _weight_names(folder: Path) -> list[str]:
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
            if names and all(_FILE_NAME.fullmatch(name) for name in names):
                return names
            raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise MLLMUnavailableError(
                f"{index}: does not say which file holds which weight; fetch it again"
            ) from error
    if (folder / SINGLE).is_file():
        return [SINGLE]
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLES)
    if pickled:
        raise MLLMUnavailableError(
            f"{folder / pickled[0]}: is a pickle, which can run any code when it is read; "
            "convert it to safetensors where you trust it"
        )
    raise MLLMUnavailableError(f"{folder}: holds neither {SINGLE} nor {INDEX}; put weights there")


def _is(record: Record, wanted: str) -> bool:
    is_short_commit = re.fullmatch(r"[0-9a-f]{7,40}", wanted) is not None
    return wanted == record.revision or (is_short_commit and record.commit.startswith(wanted))


def _snapshot(identifier: str, wanted: str, cache: Path | None) -> Path | None:
    """A model that the hub's own client fetched before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError

    try:
        return Path(
            snapshot_download(
                identifier, revision=wanted or None, cache_dir=cache, local_files_only=True
            )
        )
    except IncompleteSnapshotError as error:  # perhaps by what no model needs
        return Path(error.snapshot_path)
    except (OSError, ValueError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
