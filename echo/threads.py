"""Where conversations and waiting reviews of a line are kept: LangGraph's checkpoints in SQLite.

threads/NAME.sqlite stands beside the histories. What the graphs keep there are plain texts,
numbers, lists and mappings; nothing else is ever made of what is read back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from echo.history_file import BUSY, in_use, write_ahead
from experts.errors import HistoryError

# A step waits so long at most for another process that is writing.
BUSY_S = 5.0


def threads_path(name: str, home: Path) -> Path:
    """Where the threads of a line are kept.

    Args:
        name: Name of the line.
        home: Echo's home.
    """
    return home / "threads" / f"{name}.sqlite"


@contextmanager
def open_threads(name: str, home: Path) -> Iterator[SqliteSaver]:
    """The threads of a line, for as long as they are used.

    Args:
        name: Name of the line.
        home: Echo's home.

    Raises:
        HistoryError: If they cannot be read or written.
    """
    path = threads_path(name, home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Threads take turns inside the saver.
        with closing(sqlite3.connect(path, BUSY_S, check_same_thread=False)) as database:
            # The saver would not wait for another process that begins the file.
            write_ahead(database)
            saver = SqliteSaver(database, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            saver.setup()
            # As with the history: a power cut can lose the end, but not break anything.
            database.execute("PRAGMA synchronous = NORMAL")
            yield saver
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY:
            # Nothing is wrong with the file.
            raise HistoryError(f"{path}: {in_use(BUSY_S)}") from error
        raise HistoryError(
            f"{path}: cannot be used ({error}); check the rights of its folder and the space on "
            "the disk, or move the file away to begin anew"
        ) from error
