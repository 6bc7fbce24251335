"""The rules in force on a line: those of the file that people edit, or else its last good revision.

An edit counts from the next inspection on. A broken one never stops a line: the revision that was
last found right stays in force, and the fault is reported with every inspection. Each good revision
is written into the line's folder, so it is also there when the file itself is broken or gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from echo import storage
from echo.manifest import KNOWLEDGE, MANIFEST, NOT_MEASURED_BY
from experts.errors import EchoError, IncompatibleLineError, KnowledgeError, LineError
from experts.knowledge import Knowledge, load_knowledge, parse_knowledge
from experts.knowledge.reading import read_file
from experts.knowledge.writing import with_prompts

if TYPE_CHECKING:
    from echo.line import ProductLine

# A file that is written in place is read once it has not changed for so long: it may come in parts.
SETTLE_S = 0.2
MAX_TRIES = 25
# A revision that could not be kept is tried again after so long.
RETRY_S = 1.0

# What tells one state of a file from another.
_State = tuple[int, int, int] | None


class Rules:
    """What a line's knowledge file says now.

    Attributes:
        knowledge: The revision in force; ``None`` for a line without rules.
        sha256: Hash of its file.
        raw: Its file as it was read, if it could be.
        path: Where people edit it.
    """

    def __init__(self, line: ProductLine) -> None:
        self._line = line
        self._manifest_seen = _state_of(line.folder / MANIFEST)
        with contextlib.suppress(LineError):
            line = as_it_is(line)
        self.path = _path_of(line)
        self.knowledge: Knowledge | None = None
        self.sha256 = line.knowledge_sha256
        self.raw: bytes | None = None
        self._seen: _State | str = "never"
        self._broken: str | None = None
        self._unkept: _Unkept | None = None
        try:
            self.knowledge = line.knowledge
            self.raw = _kept_by(line)
        except IncompatibleLineError as error:
            # The file that people edit may be right.
            self._broken, self.sha256 = str(error), None

    @property
    def fault(self) -> str | None:
        """Why the file as it is now is not in force, or could not be kept, in one sentence."""
        return self._broken or (self._unkept.fault if self._unkept else None)

    @property
    def alpha(self) -> float:
        """The false-reject rate to promise."""
        return self._line.manifest.alpha_by(self.knowledge)

    def refresh(self) -> bool:
        """Look at the file again; says whether other rules are in force now."""
        self._follow()
        self._try_to_keep()
        if self.path is None or (state := _state_of(self.path)) == self._seen:
            return False
        self._seen, self._broken = state, None
        try:
            raw = _read_settled(self.path)
            digest = hashlib.sha256(raw).hexdigest()
            if digest == self.sha256:
                return False
            knowledge = parse_knowledge(raw, self.path)
        except KnowledgeError as error:
            faults = "; ".join(str(error).splitlines())
            in_force = f"revision {self.sha256[:8]}" if self.sha256 else "none"
            self._broken = f"{faults}; of the rules {in_force} stays in force"
            return False
        self.knowledge = cited(knowledge, self.path.name, digest)
        self.sha256, self.raw = digest, raw
        self._unkept = _Unkept(raw, self.path, 0.0, None)
        self._try_to_keep()
        return True

    def _follow(self) -> None:
        """Where the line was given another file, look there."""
        if (state := _state_of(self._line.folder / MANIFEST)) == self._manifest_seen:
            return
        self._manifest_seen = state
        with contextlib.suppress(LineError):
            path = _path_of(as_it_is(self._line))
            if path != self.path:
                self.path, self._seen, self._unkept = path, "never", None

    def _try_to_keep(self) -> None:
        """Write the revision in force into the line; another process may be just doing so."""
        unkept = self._unkept
        if unkept is None or time.monotonic() < unkept.not_before:
            return
        try:
            put_in_line(self._line, unkept.raw, unkept.path)
        except EchoError as error:
            fault = f"{unkept.path}: is in force, but could not be kept in the line: {error}"
            self._unkept = unkept._replace(not_before=time.monotonic() + RETRY_S, fault=fault)
        else:
            self._unkept = None
            self._manifest_seen = _state_of(self._line.folder / MANIFEST)


class _Unkept(NamedTuple):
    """A revision that is in force and not in the line's folder yet."""

    raw: bytes
    path: Path
    not_before: float
    fault: str | None


def put_in_line(line: ProductLine, raw: bytes, path: Path) -> None:
    """Make rules that were found right those of a line's folder.

    Args:
        line: The line.
        raw: The knowledge file.
        path: Where people edit it.

    Raises:
        LineError: If the folder cannot be written, or the line was replaced by another.
    """
    from echo.enrolment import write_changed

    # Not resolved: who points a link elsewhere means another file.
    kept = str(path.absolute()), hashlib.sha256(raw).hexdigest()
    now = as_it_is(line)
    # Whoever else inspects with this line may have kept the edit already.
    if (now.manifest.knowledge_path, now.knowledge_sha256) == kept:
        return
    with storage.replace_folder(line.folder) as staging:
        now = as_it_is(line)
        storage.write_bytes(staging / KNOWLEDGE, raw)
        write_changed(now, staging, {KNOWLEDGE}, {"knowledge_path": kept[0]})


def with_newest_rules(line: ProductLine) -> ProductLine:
    """A line as it is on disk, with the newest right edit of its rules kept.

    If more has changed since it was opened than its rules and adapters, it is left as it is; who
    writes to it will say so.
    """
    try:
        Rules(line).refresh()
        return as_it_is(line)
    except LineError:
        return line


def as_it_is(line: ProductLine) -> ProductLine:
    """A line as it is on disk, if nothing has changed but its rules and its adapters.

    Raises:
        LineError: If more has.
    """
    from echo.line import ProductLine

    now = ProductLine.at(line.folder)
    if _learned(now) != _learned(line):
        raise LineError(f"line {line.name!r} was replaced since it was opened; load it again")
    return now if now.sha256 != line.sha256 else line


def _path_of(line: ProductLine) -> Path | None:
    path = line.manifest.knowledge_path
    return Path(path) if path is not None else None


def _kept_by(line: ProductLine) -> bytes | None:
    with contextlib.suppress(OSError):
        return (line.folder / KNOWLEDGE).read_bytes() if line.knowledge_sha256 else None
    return None


def _learned(line: ProductLine) -> dict[str, str]:
    parts = line.manifest.parts.items()
    return {name: digest for name, digest in parts if name not in NOT_MEASURED_BY}


def editable_rules(line: ProductLine) -> tuple[Path, Knowledge]:
    """The file in which people edit a line's rules, and what it says.

    Raises:
        LineError: If the line has none.
        KnowledgeError: If the file is at fault.
    """
    if line.manifest.knowledge_path is None:
        raise LineError(
            f"line {line.name!r} has no knowledge file; give it one: "
            f"echo-iad knowledge use {line.name} FILE"
        )
    path = Path(line.manifest.knowledge_path)
    return path, load_knowledge(path)


def accept_prompts(path: Path, abnormal: Sequence[str]) -> None:
    """Write abnormal prompts into a knowledge file; comments and order stay.

    Raises:
        KnowledgeError: If the file is at fault.
        OutputError: If it cannot be written.
    """
    storage.write_bytes(path, with_prompts(path.read_bytes(), path, abnormal))


def cited(knowledge: Knowledge, name: str, digest: str) -> Knowledge:
    """Rules whose clauses name the file and the revision that they stand in."""
    source = f"{name}, revision {digest[:8]}"
    clauses = (clause.model_copy(update={"source": source}) for clause in knowledge.clauses)
    return replace(knowledge, clauses=tuple(clauses))


def _state_of(path: Path) -> _State:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_settled(path: Path) -> bytes:
    """A file's contents, once nobody is writing it."""
    for _ in range(MAX_TRIES):
        before = _state_of(path)
        raw = read_file(path)
        age_s = time.time() - before[0] / 1e9 if before else 0.0
        # Of an old file nothing more is to come; a clock that runs ahead says nothing.
        if age_s >= SETTLE_S and _state_of(path) == before:
            return raw
        time.sleep(SETTLE_S)
        if _state_of(path) == before:
            return raw
    raise KnowledgeError(f"{path}: is being written all the time; save it once")
