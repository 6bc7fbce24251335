"""Fetches models from the hub: whole and verified, or not at all; never anything that can run.

The files come into a hidden folder beside the final one, which is renamed when each file has the
size and the hash that the hub lists. What was fetched before an interruption is verified and kept;
a file that was cut off begins anew, except that a broken connection is taken up where it broke.
"""

from __future__ import annotations

import hashlib
import logging
import operator
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from experts.errors import EchoError, MLLMUnavailableError, OutputError
from experts.mllm.catalog import hub_id
from experts.mllm.finding import RECORD, Record, RecordedFile, folder_of, read_record

# What transformers reads of a model: weights under their standard names, configurations, chat
# templates and tokenizers. No pickles, no code, no copies of the weights in other formats.
_READ = re.compile(
    r"model(-\d+-of-\d+)?\.safetensors|[\w.-]+\.(json|jinja|txt)|[\w.-]*\.model", re.ASCII
)
_WEIGHTS = ".safetensors"
_SECONDS = 30.0

Advance = Callable[[int], None]


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it.

    Attributes:
        name: Its name; it stands at the top of the repository.
        size: Bytes.
        sha256: Of large files; None of those that git itself keeps.
        blob: The hash by which git knows the others.
    """

    name: str
    size: int
    sha256: str | None
    blob: str


@dataclass(frozen=True)
class Listing:
    """What the hub holds of a model.

    Attributes:
        id: The model's name.
        revision: What was asked for.
        commit: What that is now.
        files: Those that a model needs.
        endpoint: The hub; None of the client's own.
    """

    id: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]
    endpoint: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Pulled:
    """A model that is on this machine now.

    Attributes:
        folder: Where.
        commit: Which state of it.
        fetched: How many files had to be fetched; none if all were there.
    """

    folder: Path
    commit: str
    fetched: int


def ask_hub(name: str, revision: str | None = None, endpoint: str | None = None) -> Listing:
    """Ask the hub what it holds of a model.

    Args:
        name: On the hub, or the short one of the catalogue.
        revision: A branch, a tag or a commit; by default ``main``.
        endpoint: The hub; by default ``$HF_ENDPOINT`` or huggingface.co. ``$HF_TOKEN`` is used.

    Raises:
        MLLMSettingError: If that is no model's name.
        MLLMUnavailableError: If there is no such model, it may not be fetched, or has no weights
            in safetensors.
    """
    from huggingface_hub import HfApi

    identifier = hub_id(name)
    revision = revision or "main"
    with _said_clearly(identifier, revision, endpoint):
        info = HfApi(endpoint=endpoint).model_info(
            identifier, revision=revision, files_metadata=True, timeout=_SECONDS
        )
        found = {file.name: file for file in map(_listed, info.siblings or []) if file}
    if not any(name.endswith(_WEIGHTS) for name in found) or "config.json" not in found:
        raise MLLMUnavailableError(
            f"{identifier}: holds no model in safetensors with a config.json, and files that could "
            "run code are not fetched; take another model"
        )
    files = tuple(found[name] for name in sorted(found))
    return Listing(identifier, revision, str(info.sha), files, endpoint)


def pull(listing: Listing, home: Path, advance: Advance = lambda _bytes: None) -> Pulled:
    """Fetch a model, or what is missing of it, into Echo's home.

    Args:
        listing: What the hub holds of it.
        home: Echo's home.
        advance: Called with the bytes that came, or were found to be here.

    Raises:
        MLLMUnavailableError: If the hub fails, or sends something else than it listed.
        OutputError: If it cannot be written, or another process is fetching the same model.
    """
    final = folder_of(listing.id, home)
    staging = final.with_name(f".{final.name}~part")
    with _written(final), _locked(final):
        record = read_record(final)
        if record and record.commit == listing.commit:
            good = _good_files(final, listing, advance)
            if len(good) == len(listing.files):
                return Pulled(final, listing.commit, 0)
            advance(-sum(file.size for file in good))
            if not staging.exists():
                # It is mended like a pull that was interrupted.
                final.rename(staging)
        fetched = _complete(staging, listing, advance)
        _write_record(staging, listing)
        _swap(staging, final)
    return Pulled(final, listing.commit, fetched)


def _listed(sibling: Any) -> HubFile | None:
    # What a pull notes itself would stand in the way of a file of that name.
    if not _READ.fullmatch(sibling.rfilename) or sibling.rfilename == RECORD:
        return None
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    return HubFile(sibling.rfilename, operator.index(sibling.size), sha256, sibling.blob_id or "")


def _complete(staging: Path, listing: Listing, advance: Advance) -> int:
    """Fetch into the folder what is not there yet, and remove what is not listed."""
    staging.mkdir(parents=True, exist_ok=True)
    good = _good_files(staging, listing, advance)
    wanted = [file for file in listing.files if file not in good]
    for path in staging.iterdir():
        if path.name not in {file.name for file in good}:
            _remove(path)
    missing, free = sum(file.size for file in wanted), shutil.disk_usage(staging).free
    if missing > free:
        raise OutputError(
            f"{listing.id} takes {missing / 1e9:,.1f} GB more, but only {free / 1e9:,.1f} GB are "
            f"free in {staging.parent}; make room, or set ECHO_IAD_HOME to another disk"
        )
    for file in wanted:
        _fetch(staging, file, listing, advance)
    _remove(staging / ".cache")  # what the hub's client notes for itself
    return len(wanted)


def _good_files(folder: Path, listing: Listing, advance: Advance) -> list[HubFile]:
    good = []
    for file in listing.files:
        if _is_good(folder / file.name, file):
            good.append(file)
            advance(file.size)
    return good


def _fetch(staging: Path, file: HubFile, listing: Listing, advance: Advance) -> None:
    from huggingface_hub import hf_hub_download

    with _said_clearly(listing.id, listing.revision, listing.endpoint):
        hf_hub_download(
            listing.id,
            file.name,
            revision=listing.commit,
            local_dir=staging,
            endpoint=listing.endpoint,
            tqdm_class=_bar(advance),
        )
    if not _is_good(staging / file.name, file):
        _remove(staging / file.name)
        raise MLLMUnavailableError(
            f"{listing.id}: {file.name} came damaged, its size or hash is not the one that the hub "
            "lists; it was thrown away, pull again"
        )


def _is_good(path: Path, file: HubFile) -> bool:
    """Whether a file is the one that the hub lists."""
    try:
        if path.stat().st_size != file.size:
            return False
    except OSError:
        return False
    if file.sha256:
        return _sha256(path) == file.sha256
    # Git hashes what it keeps with this in front.
    digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest() == file.blob


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_record(staging: Path, listing: Listing) -> None:
    files = {
        file.name: RecordedFile(size=file.size, sha256=file.sha256 or _sha256(staging / file.name))
        for file in listing.files
    }
    record = Record(id=listing.id, revision=listing.revision, commit=listing.commit, files=files)
    (staging / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")


def _swap(staging: Path, final: Path) -> None:
    """Killed between the renames, all is in the hidden folder, and the next pull goes on there."""
    old = final.with_name(f".{final.name}~old")
    _remove(old)
    if final.exists():
        final.rename(old)
    staging.rename(final)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(final: Path) -> Iterator[None]:
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(final.with_name(f".{final.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        raise OutputError(
            f"{final}: another process is fetching this model; wait until it is done"
        ) from error


@contextmanager
def _written(final: Path) -> Iterator[None]:
    """Turn what goes wrong on the disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{final}: cannot be written ({error.strerror or error}); check the folder's rights "
            "and the space on the disk"
        ) from error


@contextmanager
def _said_clearly(identifier: str, revision: str, endpoint: str | None) -> Iterator[None]:
    """Turn what the hub's client raises into one sentence, without anything secret in it."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    verbosity = get_verbosity()
    set_verbosity(logging.ERROR)  # it would report each of its attempts
    try:
        yield
    # The client lets through what several libraries below it raise.
    except Exception as error:
        raise _trouble(error, identifier, revision, endpoint) from error
    finally:
        set_verbosity(verbosity)


def _trouble(
    error: Exception, identifier: str, revision: str, endpoint: str | None
) -> EchoError | OSError:
    from huggingface_hub import constants, errors

    # The client wraps what happened when it asked for a single file.
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    endpoint = endpoint or constants.ENDPOINT
    host = urlsplit(endpoint).hostname or endpoint
    if isinstance(error, errors.GatedRepoError):
        why = (
            f"is only given to those who accepted its licence at {host}/{identifier}; do so, and "
            "set HF_TOKEN to a token of yours"
        )
    elif isinstance(error, errors.RepositoryNotFoundError):
        why = f"{host} knows no such model, or hides it; check its name, or set HF_TOKEN"
    elif isinstance(error, errors.RevisionNotFoundError):
        why = f"{host} knows no revision {revision!r} of it; give a branch, a tag or a commit"
    elif isinstance(error, errors.OfflineModeIsEnabled):
        why = "is not fetched because HF_HUB_OFFLINE is set; unset it"
    elif isinstance(error, errors.HfHubHTTPError):
        why = _refused(error.response.status_code, host)
    elif isinstance(error, (errors.FileMetadataError, ValueError, TypeError, KeyError)):
        why = f"{host} does not answer as a hub does; check HF_ENDPOINT and the proxy"
    elif isinstance(error, OSError) and error.errno is not None:
        return error  # of the disk
    elif isinstance(error, OSError):
        why = f"{host} sent less than it announced; pull again, what came whole is kept"
    else:
        why = (
            f"{host} cannot be reached, or the connection broke ({type(error).__name__}); pull "
            "again when it can, what came whole is kept"
        )
    return MLLMUnavailableError(f"{identifier}: {why}")


def _refused(status: int, host: str) -> str:
    if status in {401, 403}:
        return f"{host} refuses it (HTTP {status}); check that HF_TOKEN is valid and may read it"
    return f"{host} answers HTTP {status}; try again later"


def _bar(advance: Advance) -> Any:
    """A progress bar as the hub's client wants one, which only passes on how many bytes came."""

    class Bar:
        def __init__(self, *_args: Any, **_kwargs: Any) -> None:
            return

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_args: object) -> None:
            return

        def update(self, count: float = 1) -> None:
            advance(int(count))

        def _nothing(self, *_args: Any, **_kwargs: Any) -> None:
            return

        # Bytes may also be counted as they come over the line: once is enough.
        close = update_transfer = set_postfix_str = set_transfer_postfix_str = _nothing

    return Bar
