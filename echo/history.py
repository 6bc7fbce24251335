"""The inspections of a line that were made so far, to be replayed, or tried with other rules.

history/NAME.sqlite stands beside the lines, not in the line's folder, so it stays when the line is
enrolled anew. Each inspection is there whole or not at all, however many processes write and
whenever one is killed. A power cut may lose the last ones. People name an inspection by its line
and its number in the file, as in washer:17; no file uses a number twice. What people judged of them
stands in the same file, see ``echo.cases``. Whoever deletes the file deletes this, too, and who
waits; a new file begins with 1 again, so by then washer:17 may name another inspection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from echo import inputs
from echo.history_file import explained, open_file
from echo.manifest import NOT_MEASURED_BY, Manifest
from echo.parts import LineParts
from echo.record import Record, StoredAlreadyError, is_line_name
from echo.settings import home_folder
from experts.errors import HistoryError
from experts.evidence import Inspection, Verdict
from experts.images import Picture

# The oldest go, but for those that wait for a person or were judged by one. A record takes about
# 4 kB, and 12 kB if its part is held back: most of that is what was computed of the rules.
MAX_KEPT = 10_000
# So many records are read at a time: nobody is kept from writing, and memory stays bounded.
PAGE = 100

_INSERT = "INSERT INTO inspections VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Numbers follow each other, so each new record takes the place of one.
_TIDY = (
    "DELETE FROM inspections WHERE id = ? AND verdict <> 'review' "
    "AND NOT EXISTS (SELECT 1 FROM cases WHERE cases.inspection = inspections.id)"
)
# What lacks its language model might come out otherwise now.
_SAME = (
    "SELECT id, verdict FROM inspections WHERE image_sha256 = ? AND image = ? "
    "AND learned_sha256 = ? AND knowledge_sha256 IS ? AND asked IS ? AND alpha = ? "
    "AND NOT EXISTS (SELECT 1 FROM json_each("
    "CASE WHEN json_valid(inspection) THEN inspection ELSE '{}' END, '$.faults') "
    "WHERE value LIKE 'without language model:%') ORDER BY id DESC LIMIT 1"
)
_LATEST = "SELECT max(id) FROM inspections"
_ALL = (
    "SELECT id, time, image, image_sha256, verdict, asked, alpha, learned_sha256, "
    "knowledge_sha256, inspection FROM inspections"
)
_ONE = f"{_ALL} WHERE id = ?"
_IN_ORDER = f"{_ALL} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_JUDGED = "SELECT inspection FROM cases"
_WAITING = (
    f"{_ALL} WHERE id > ? AND verdict = 'review' AND id NOT IN ({_JUDGED}) ORDER BY id LIMIT ?"
)
_NEWEST_IDS = "SELECT max(id) FROM inspections GROUP BY image_sha256"
_NEWEST = f"{_ALL} WHERE id < ? AND id IN ({_NEWEST_IDS}) ORDER BY id DESC LIMIT ?"
_LISTED = (
    f"{_ALL} WHERE id < ?1 AND (?2 IS NULL OR verdict = ?2) AND (?3 IS NULL "
    "OR image = ?3 OR substr(image, -length(?3) - 1) IN ('/' || ?3, '\\' || ?3)) "
    "ORDER BY id DESC LIMIT ?4"
)


class Archive:
    """The stored inspections of a line, to be read; the line itself need not be there any more.

    Args:
        name: Name of the line.
        home: Echo's home.
    """

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.path = home / "history" / f"{name}.sqlite"
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        # Hashes of what is kept besides in the file that is open.
        self._has: set[str] = set()

    def record(self, number: int) -> Record:
        """The inspection of that number.

        Raises:
            HistoryError: If it is not there, or nothing can be read.
        """
        if rows := self.rows(_ONE, number):
            return self._record(rows[0])
        identifier = f"{self.name}:{number}"
        first, last = (self.rows("SELECT min(id), max(id) FROM inspections") or [(None, None)])[0]
        there = f"those from {self.name}:{first} to {self.name}:{last}" if last else "none"
        raise HistoryError(
            f"{identifier}: no such inspection is stored, of this line {there}; see which: "
            f"echo-iad history {self.name}"
        )

    def listed(self, verdict: str | None = None, image: str | None = None) -> Iterator[Record]:
        """All that is kept, newest first; errors as ``records``.

        Args:
            verdict: Only those of this verdict.
            image: Only those of an image of this name, with or without its folder.
        """
        before = 2**62
        while page := self.rows(_LISTED, before, verdict, image, PAGE):
            yield from map(self._record, page)
            before = page[-1][0]

    def rules(self, sha256: str) -> bytes | None:
        """The knowledge file of that hash, if it is kept; errors as ``records``."""
        raw = self._input(sha256)
        return raw if raw is not None and hashlib.sha256(raw).hexdigest() == sha256 else None

    def roster(self, learned: str) -> inputs.Roster | None:
        """What the line was made of when its ``learned_sha256`` was this, if that is kept."""
        try:
            return inputs.Roster.model_validate_json(self._input(learned) or b"")
        except ValidationError:
            return None

    def records(self) -> Iterator[Record]:
        """All that is kept, oldest first.

        Raises:
            HistoryError: If it cannot be read.
        """
        # What is added meanwhile is left out, or this might never end.
        rows = self.rows(_LATEST)
        last, end = 0, rows[0][0] or 0 if rows else 0
        while page := self.rows(_IN_ORDER, last, end, PAGE):
            yield from map(self._record, page)
            last = page[-1][0]

    def waiting(self) -> Iterator[Record]:
        """Those that wait for a person, oldest first; errors as ``records``."""
        last = 0
        while page := self.rows(_WAITING, last, PAGE):
            yield from map(self._record, page)
            last = page[-1][0]

    def newest(self) -> Iterator[Record]:
        """Of each image the newest one, newest first; errors as ``records``."""
        before = 2**62
        while page := self.rows(_NEWEST, before, PAGE):
            yield from map(self._record, page)
            before = page[-1][0]

    def __len__(self) -> int:
        """How many are kept; errors as ``records``."""
        rows = self.rows("SELECT count(*) FROM inspections")
        return int(rows[0][0]) if rows else 0

    def _record(self, row: tuple[Any, ...]) -> Record:
        try:
            time_made = datetime.fromisoformat(row[1])
        except (TypeError, ValueError) as error:
            raise HistoryError(f"{row[2]}: its stored inspection says no time ({error})") from error
        return Record(f"{self.name}:{row[0]}", time_made, *row[2:])

    def rows(self, query: str, *values: float | str | None) -> list[tuple[Any, ...]]:
        """What a query finds; nothing, if there is no file yet; errors as ``records``."""
        if not self.path.exists():
            return []
        with self._using(), self._current() as database:
            return database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The file, for a change that is made whole or not at all; errors as ``records``."""
        with self._using(), self._current() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    def close(self) -> None:
        """Close the file; whatever comes next opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self.close()

    def _input(self, sha256: str) -> bytes | None:
        if not self.path.exists():
            return None
        with self._using(), self._current() as database:
            return inputs.get(database, sha256)

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        """One thread at a time; what goes wrong on disk becomes one sentence."""
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HistoryError(f"{self.path}: {explained(error)}") from error

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
            self._database = open_file(self.path)
            self._opened = os.getpid(), self.path.stat().st_ino
            self._has.clear()
        return self._database


class History(Archive):
    """The stored inspections of a line, and those to come.

    The file is opened when it is first needed, so a line is never kept from inspecting by it.

    Args:
        line: The line.
    """

    def __init__(self, line: LineParts) -> None:
        super().__init__(line.name, line.home)
        self._line = line
        self._learned = learned_sha256(line.manifest)

    def add(
        self,
        inspection: Inspection,
        alpha: float,
        asked: str | None = None,
        rules: bytes | None = None,
        *,
        resume: bool = False,
    ) -> str:
        """Keep an inspection; gives the id by which people name it.

        Args:
            inspection: The inspection.
            alpha: The false-reject rate that it promised.
            asked: The view that the user said the image shows.
            rules: The knowledge file that it was judged by.
            resume: Keep it only if nothing is stored that it repeats, see ``same``; however many
                runs go on at once, one of them keeps it.

        Raises:
            StoredAlreadyError: If it is to be kept only if it is new, and is not.
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
            _as_text(inspection),
        )
        given = *row[2:0:-1], self._learned, versions.knowledge_sha256, asked, alpha
        with self.writing() as database:
            if resume and (found := database.execute(_SAME, given).fetchone()):
                raise StoredAlreadyError(f"{self.name}:{found[0]}", found[1])
            added = database.execute(_INSERT, row).lastrowid or 0
            database.execute(_TIDY, (added - MAX_KEPT,))
            if new := self._not_kept_yet(versions.knowledge_sha256, rules):
                inputs.put(database, new)
        self._has |= new.keys()
        return f"{self.name}:{added}"

    def same(
        self, picture: Picture, alpha: float, asked: str | None, knowledge_sha256: str | None
    ) -> tuple[str, Verdict] | None:
        """The id and the verdict of the newest inspection that inspecting anew would repeat.

        Args:
            picture: What is to be inspected: the same pixels under the same name.
            alpha: The false-reject rate that is promised.
            asked: The view that the user says the image shows.
            knowledge_sha256: Of the rules.

        Raises:
            HistoryError: If it cannot be read.
        """
        given = picture.sha256, picture.name, self._learned, knowledge_sha256, asked, alpha
        if found := self.rows(_SAME, *given):
            number, verdict = found[0]
            return f"{self.name}:{number}", verdict
        return None

    def _not_kept_yet(self, sha256: str | None, rules: bytes | None) -> dict[str, bytes]:
        """What inspections rest on and the file does not hold, by hash."""
        new: dict[str, bytes] = {}
        if rules is not None and sha256 is not None and sha256 not in self._has:
            # The file may have been replaced between the two.
            new |= {sha256: rules} if hashlib.sha256(rules).hexdigest() == sha256 else {}
        if self._learned not in self._has:
            new[self._learned] = inputs.Roster.of(self._line.manifest).model_dump_json().encode()
        return new


def archive_of(name: str, home: str | os.PathLike[str] | None = None) -> Archive:
    """The stored inspections of a line, whether or not it can still be opened.

    Args:
        name: Name of the line.
        home: Echo's home; see ``echo.settings``.

    Raises:
        LineError: If there is neither such a line nor anything stored of it.
    """
    from echo.line import ProductLine

    archive = Archive(name, home_folder(home))
    if not is_line_name(name) or not archive.path.exists():
        ProductLine.load(name, home=home)
    return archive


# Files that were opened before a fork, kept so that nothing closes them.
_OF_PARENT: list[sqlite3.Connection] = []


def kept(inspection: Inspection) -> Inspection:
    """An inspection as it is kept: all of it, but for the map, of which the peak is left.

    The map is most of it, and comes out of the image again. What the verdict rests on may not: the
    image may be gone, and so may the rules.
    """
    anomaly = inspection.anomaly
    peak_11 = anomaly.patch_scores_HW.max(keepdims=True)
    peak = anomaly.model_copy(update={"patch_scores_HW": peak_11})
    return inspection.model_copy(update={"anomaly": peak})


def slim(inspection: Inspection) -> Inspection:
    """What every stored inspection has, whichever Echo wrote it: what was measured, and decided.

    Echos of before kept references, clause checks and steps of a review alone.
    """
    nothing = {"references": (), "clause_checks": (), "steps": ()}
    return kept(inspection).model_copy(update=nothing)


def _as_text(inspection: Inspection) -> str:
    """What is kept of an inspection, as JSON.

    Raises:
        HistoryError: If it holds what JSON cannot, such as half of a character.
    """
    try:
        return kept(inspection).model_dump_json()
    except ValueError as error:
        raise HistoryError(
            f"{inspection.image!r}: its inspection cannot be stored ({error}); if the name of the "
            "image, of a rule or of a model holds broken characters, rename it"
        ) from error


def learned_sha256(manifest: Manifest) -> str:
    """Hash of a line but for its rules and adapters: inspections that agree in it measured alike.

    The hash of the manifest would not do, since each edit of the rules changes it.
    """
    rules = {"alpha", "knowledge_path", "echo_version"}
    learned = manifest.model_dump(mode="json", exclude=rules)
    for part in NOT_MEASURED_BY:
        learned["parts"].pop(part, None)
    return hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()
