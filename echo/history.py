"""The inspections of a line that were made so far, so that other rules can be tried on them.

history/NAME.sqlite stands beside the lines, not in the line's folder, so it stays when the line is
enrolled anew. Each inspection is there whole or not at all, however many processes write and
whenever one is killed. A power cut may lose the last ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from echo.manifest import KNOWLEDGE, Manifest
from echo.parts import LineParts
from experts.errors import HistoryError
from experts.evidence import Inspection, Verdict

# Raised whenever records of before would be read otherwise.
FORMAT_VERSION = 1
# The oldest go. A record takes about 2 kB, a few more for each place that stands out.
MAX_KEPT = 10_000
# An inspection waits so long at most for another process that is writing.
BUSY_S = 1.0
# So many records are read at a time: nobody is kept from writing, and memory stays bounded.
PAGE = 100

_SCHEMA = (
    "CREATE TABLE inspections (id INTEGER PRIMARY KEY, time TEXT NOT NULL, image TEXT NOT NULL, "
    "image_sha256 TEXT NOT NULL, verdict TEXT NOT NULL, asked TEXT, alpha REAL NOT NULL, "
    "learned_sha256 TEXT NOT NULL, knowledge_sha256 TEXT, inspection TEXT NOT NULL)",
    "CREATE INDEX by_image ON inspections (image_sha256)",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)
_INSERT = "INSERT INTO inspections VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LATEST = "SELECT max(id) FROM inspections"
_IN_ORDER = (
    "SELECT id, time, image, image_sha256, verdict, asked, alpha, learned_sha256, "
    "knowledge_sha256, inspection FROM inspections "
    "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
)
_NEWEST = (
    "SELECT id, time, image, image_sha256, verdict, asked, alpha, learned_sha256, "
    "knowledge_sha256, inspection FROM inspections WHERE id < ? AND id IN "
    "(SELECT max(id) FROM inspections GROUP BY image_sha256) ORDER BY id DESC LIMIT ?"
)

_NO_HISTORY = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


@dataclass(frozen=True)
class Record:
    """An inspection as it is kept.

    Attributes:
        time: When it was made, UTC.
        image: Name of the image.
        image_sha256: Of its pixels.
        verdict: As it was given then.
        asked: The view that the user said it shows.
        alpha: The false-reject rate that was promised then.
        learned_sha256: See ``learned_sha256``.
        knowledge_sha256: Of the rules of then.
        json: The inspection, see ``slim``.
    """

    time: datetime
    image: str
    image_sha256: str
    verdict: Verdict
    asked: str | None
    alpha: float
    learned_sha256: str
    knowledge_sha256: str | None
    json: str

    def inspection(self) -> Inspection:
        """The inspection, as ``slim`` made it.

        Raises:
            HistoryError: If this Echo cannot read it.
        """
        try:
            return Inspection.model_validate_json(self.json)
        except ValidationError as error:
            raise HistoryError(
                f"{self.image}: its stored inspection cannot be read by this Echo; inspect it again"
            ) from error


class History:
    """The stored inspections of a line.

    The file is opened when it is first needed, so a line is never kept from inspecting by it.

    Args:
        line: The line.
    """

    def __init__(self, line: LineParts) -> None:
        self.path = line.home / "history" / f"{line.name}.sqlite"
        self._learned = learned_sha256(line.manifest)
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def add(self, inspection: Inspection, alpha: float, asked: str | None = None) -> None:
        """Keep an inspection.

        Args:
            inspection: The inspection.
            alpha: The false-reject rate that it promised.
            asked: The view that the user said the image shows.

        Raises:
            HistoryError: If it cannot be kept.
        """
        versions = inspection.versions
        row = (
            datetime.now(UTC).isoformat(),
            inspection.image,
            versions.image_sha256,
            inspection.verdict,
            asked,
            alpha,
            self._learned,
            versions.knowledge_sha256,
            slim(inspection).model_dump_json(),
        )
        with self._using(), self._current() as database:
            database.execute("BEGIN IMMEDIATE")
            added = database.execute(_INSERT, row).lastrowid or 0
            database.execute("DELETE FROM inspections WHERE id <= ?", (added - MAX_KEPT,))

    def records(self) -> Iterator[Record]:
        """All that is kept, oldest first.

        Raises:
            HistoryError: If it cannot be read.
        """
        # What is added meanwhile is left out, or this might never end.
        rows = self._rows(_LATEST)
        last, end = 0, rows[0][0] or 0 if rows else 0
        while page := self._rows(_IN_ORDER, last, end, PAGE):
            yield from map(_record, page)
            last = page[-1][0]

    def newest(self) -> Iterator[Record]:
        """Of each image the newest one, newest first; errors as ``records``."""
        before = 2**62
        while page := self._rows(_NEWEST, before, PAGE):
            yield from map(_record, page)
            before = page[-1][0]

    def __len__(self) -> int:
        """How many are kept; errors as ``records``."""
        rows = self._rows("SELECT count(*) FROM inspections")
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Close the file; whatever comes next opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self.close()

    def _rows(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        """What a query finds; nothing, if there is no file yet."""
        if not self.path.exists():
            return []
        with self._using(), self._current() as database:
            return database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        """One thread at a time; what goes wrong on disk becomes one sentence."""
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HistoryError(f"{self.path}: {_explained(error)}") from error

    def _current(self) -> sqlite3.Connection:
        """The open file.

        It is opened again where the one at its path is another by now. In a process that was forked
        the file of before is neither used nor closed, since SQLite forbids both.
        """
        if self._database is not None and self._opened is not None:
            pid, inode = self._opened
            if pid != os.getpid():
                _OF_PARENT.append(self._database)
                self._database = None
            elif not self.path.exists() or self.path.stat().st_ino != inode:
                self.close()
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _open(self.path)
            self._opened = os.getpid(), self.path.stat().st_ino
        return self._database


def _record(row: tuple[Any, ...]) -> Record:
    try:
        time_made = datetime.fromisoformat(row[1])
    except (TypeError, ValueError) as error:
        raise HistoryError(f"{row[2]}: its stored inspection says no time ({error})") from error
    return Record(time_made, *row[2:])


# Files that were opened before a fork, kept so that nothing closes them.
_OF_PARENT: list[sqlite3.Connection] = []


def slim(inspection: Inspection) -> Inspection:
    """An inspection without what other rules do not need, or what they compute anew.

    Of the map its peak is left; regions with their masks, and all that is measured, stay.
    """
    anomaly = inspection.anomaly
    peak_11 = anomaly.patch_scores_HW.max(keepdims=True)
    return inspection.model_copy(
        update={
            "references": (),
            "clause_checks": (),
            "steps": (),
            "anomaly": anomaly.model_copy(update={"patch_scores_HW": peak_11}),
        }
    )


def learned_sha256(manifest: Manifest) -> str:
    """Hash of a line but for its rules: inspections that agree in it were measured alike.

    The hash of the manifest would not do, since each edit of the rules changes it.
    """
    rules = {"alpha", "knowledge_path", "echo_version"}
    learned = manifest.model_dump(mode="json", exclude=rules)
    learned["parts"].pop(KNOWLEDGE, None)
    return hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()


def _open(path: Path) -> sqlite3.Connection:
    """Open a history, or begin one."""
    # Threads take turns, see `History._using`; transactions are begun by hand.
    database = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _set_up(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _set_up(database: sqlite3.Connection, path: Path) -> None:
    _write_ahead(database)
    # Within the log a power cut can lose the end, but not break anything.
    database.execute("PRAGMA synchronous = NORMAL")
    if _version(database) == 0:
        with database:
            database.execute("BEGIN IMMEDIATE")
            # Another process may have been faster.
            for statement in _SCHEMA if _version(database) == 0 else ():
                database.execute(statement)
    if (version := _version(database)) != FORMAT_VERSION:
        raise HistoryError(
            f"{path}: has format version {version}, this Echo reads {FORMAT_VERSION}; update Echo, "
            "or move the file away to begin a new one"
        )


def _write_ahead(database: sqlite3.Connection) -> None:
    """Let processes write beside each other; of several that begin a file, all but one wait."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself here.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _explained(error: Exception) -> str:
    """What is wrong with a history, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return f"is in use by another program for more than {BUSY_S:g} s; end that program"
    if isinstance(error, ValueError) or code in _NO_HISTORY:
        return f"is damaged, or no history of inspections ({error}); move it away to begin anew"
    what = getattr(error, "strerror", None) or error
    return f"cannot be used ({what}); check the rights of its folder and the space on the disk"
