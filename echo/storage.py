"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from experts.errors import LineError, OutputError

_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it holds all of ``data`` or what it held before.

    Raises:
        OutputError: If it cannot be written.
    """
    write_chunks(path, [data])


def write_new(path: Path, data: bytes) -> None:
    """Write a file where there is none yet.

    Raises:
        OutputError: If there is one, or it cannot be written.
    """
    check_free(path)
    write_bytes(path, data)


def check_free(path: Path) -> None:
    """Make sure that nothing stands where a file shall be written.

    Raises:
        OutputError: If something does.
    """
    if os.path.lexists(path):
        raise OutputError(f"{path}: is there already; move it away, or choose another name")


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """As ``write_bytes``, for a file that need not fit into memory."""
    # A short name of its own: the file's may already be as long as names can be.
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{digest}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty staging folder that takes ``folder``'s place if the block succeeds.

    Killed at any moment, ``folder`` is the old one or the new one: between the two renames it
    stands as ``.NAME.old``, from where ``recover`` brings it back.

    Raises:
        LineError: If the place cannot be written, something else than a folder stands there, or
            another process is replacing the folder.
    """
    with contextlib.ExitStack() as stack:
        with _writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_lock(folder))
            _restore(folder)
            if os.path.lexists(folder) and not folder.is_dir():
                raise LineError(f"{folder}: is not a folder; move it away, then enrol again")
            for left_over in folder.parent.glob(f".{folder.name}~new-*"):
                _remove(left_over)
            # No line's name holds a tilde, so this is never another line's folder.
            staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}~new-", dir=folder.parent))
            stack.callback(_remove, staging)
            staging.chmod(0o755)
        try:
            yield staging
        except OSError as error:
            # Other errors of the block are not about this folder: they are left as they are.
            if error.errno in _DISK_IS_FULL:
                raise _cannot_be_written(folder, error) from error
            raise
        with _writing(folder):
            _swap(staging, folder)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what goes wrong on disk into one sentence that names the folder."""
    try:
        yield
    except Timeout as error:
        raise LineError(
            f"line {folder.name!r} is being written by another process; try again later"
        ) from error
    except OSError as error:
        raise _cannot_be_written(folder, error) from error


def _cannot_be_written(folder: Path, error: OSError) -> LineError:
    return LineError(
        f"{folder}: cannot be written ({error.strerror or error}); "
        "check the folder's rights and the space on the disk"
    )


def _swap(staging: Path, folder: Path) -> None:
    old = _old(folder)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    """Remove a folder or a file, if it is there and as far as it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


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
        _remove(old)
    elif old.is_dir():
        old.rename(folder)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)


def link_files(source: Path, names: Iterable[str], target: Path) -> None:
    """Give files below ``source`` a second name below ``target``, or copy them.

    A link takes no time and no space, and is safe because no file is ever written in place.

    Raises:
        LineError: If one is missing or cannot be copied.
    """
    for name in names:
        path, copy = source / name, target / name
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                copy.hardlink_to(path)
            except OSError:  # where the disk knows no links
                shutil.copyfile(path, copy)
        except OSError as error:
            if error.errno in _DISK_IS_FULL:
                raise
            raise LineError(
                f"{path}: cannot be copied ({error.strerror or error}); check the folder's "
                "rights, or enrol the line again"
            ) from error


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
