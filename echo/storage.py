"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from experts.errors import LineError, OutputError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it holds all of ``data`` or what it held before.

    Raises:
        OutputError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty staging folder that takes ``folder``'s place if the block succeeds.

    Killed at any moment, ``folder`` is the old one or the new one: between the two renames it
    stands as ``.NAME.old``, from where ``recover`` brings it back.

    Raises:
        LineError: If the place cannot be written, or another process is replacing the folder.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            _restore(folder)
            for left_over in folder.parent.glob(f".{folder.name}~new-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            # No line's name holds a tilde, so this is never another line's folder.
            staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}~new-", dir=folder.parent))
            try:
                staging.chmod(0o755)
                yield staging
                _swap(staging, folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except Timeout as error:
        raise LineError(
            f"line {folder.name!r} is being written by another process; try again later"
        ) from error
    except OSError as error:
        raise LineError(
            f"{folder}: cannot be written ({error.strerror or error}); "
            "check the folder's rights and the space on the disk"
        ) from error


def _swap(staging: Path, folder: Path) -> None:
    old = _old(folder)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def recover(folder: Path) -> None:
    """Bring back a folder whose replacement was cut off between its two renames.

    A replacement that is still under way is left alone.
    """
    if _old(folder).is_dir():
        with contextlib.suppress(OSError, Timeout), _lock(folder):
            _restore(folder)


def _restore(folder: Path) -> None:
    old = _old(folder)
    if folder.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    elif old.is_dir():
        old.rename(folder)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)


def folders(parent: Path) -> list[Path]:
    """The visible folders in ``parent``, by name; none if it does not exist."""
    if not parent.is_dir():
        return []
    for old in parent.glob(".*.old"):
        recover(parent / old.name[1 : -len(".old")])
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder``, by relative path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def writable_folder(folder: Path) -> Path:
    """Create ``folder`` if need be and make sure that files can be written there.

    Raises:
        OutputError: If not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder"
        ) from error
