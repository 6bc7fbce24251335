"""The file that holds the inspections of a line, and what people judged of them: SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from echo import cases
from experts.errors import HistoryError

# Raised whenever records of before would be read otherwise.
FORMAT_VERSION = 1
# An inspection waits so long at most for another process that is writing.
BUSY_S = 1.0

_SCHEMA = (
    "CREATE TABLE inspections (id INTEGER PRIMARY KEY, time TEXT NOT NULL, image TEXT NOT NULL, "
    "image_sha256 TEXT NOT NULL, verdict TEXT NOT NULL, asked TEXT, alpha REAL NOT NULL, "
    "learned_sha256 TEXT NOT NULL, knowledge_sha256 TEXT, inspection TEXT NOT NULL)",
    "CREATE INDEX by_image ON inspections (image_sha256)",
    *cases.SCHEMA,
    f"PRAGMA user_version = {FORMAT_VERSION}",
)
_LINE = (
    "SELECT json_extract(inspection, '$.versions.line') FROM inspections ORDER BY id DESC LIMIT 1"
)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_HISTORY = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


def open_file(path: Path) -> sqlite3.Connection:
    """Open a history, or begin one."""
    # Threads take turns, see `History._using`; transactions are begun by hand.
    database = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _set_up(database, path)
    except BaseException:
        database.close()
        raise
    return database


def line_in(path: Path) -> str | None:
    """Of which line the newest inspection in a file is; the file is only read.

    Returns:
        ``None`` if it holds no inspection.

    Raises:
        HistoryError: If it cannot be read as a history.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, BUSY_S, uri=True)) as database:
            row = database.execute(_LINE).fetchone()
    except sqlite3.Error as error:
        raise HistoryError(f"{path}: {explained(error)}") from error
    return str(row[0]) if row else None


def _set_up(database: sqlite3.Connection, path: Path) -> None:
    write_ahead(database)
    # Within the log a power cut can lose the end, but not break anything.
    database.execute("PRAGMA synchronous = NORMAL")
    if _version(database) == 0:
        _execute(database, _SCHEMA, if_version=0)
    if (version := _version(database)) != FORMAT_VERSION:
        raise HistoryError(
            f"{path}: has format version {version}, this Echo reads {FORMAT_VERSION}; update Echo, "
            "or move the file away to begin a new one"
        )
    if not cases.have_room(database):
        # It was begun by an Echo that knew no cases, which may go on with it nevertheless.
        _execute(database, cases.SCHEMA)


def _execute(
    database: sqlite3.Connection, statements: Iterable[str], if_version: int = FORMAT_VERSION
) -> None:
    """Set up what is missing, all or nothing."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        for statement in statements if _version(database) == if_version else ():
            database.execute(statement)


def write_ahead(database: sqlite3.Connection) -> None:
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


def in_use(busy_s: float) -> str:
    """What is wrong with a file that others held for so many seconds, and what to do."""
    return f"is in use by another program for over {busy_s:g} s; end that program, or try again"


def explained(error: Exception) -> str:
    """What is wrong with a history, and what to do."""
    if isinstance(error, UnicodeEncodeError):
        return f"cannot hold {error.object!r}, which has broken characters; name it otherwise"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in BUSY:
        return in_use(BUSY_S)
    if isinstance(error, ValueError) or code in _NO_HISTORY:
        return f"is damaged, or no history of inspections ({error}); move it away to begin anew"
    what = getattr(error, "strerror", None) or error
    return f"cannot be used ({what}); check the rights of its folder and the space on the disk"
