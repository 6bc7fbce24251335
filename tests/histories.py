"""Stored inspections, as tests make, change and replay them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from echo import Inspection, Inspector, ProductLine, Replayed


def inspected(line: ProductLine, *images: Any, **how: Any) -> list[str]:
    """The ids of these images, inspected together."""
    results = Inspector(line, **how).inspect_many(images)
    return [str(result.id) for result in results if isinstance(result, Inspection)]


def named(inspection: Inspection, name: str, sha256: str = "0" * 64) -> Inspection:
    """The inspection as if it were of another image."""
    versions = inspection.versions.model_copy(update={"image_sha256": sha256})
    return inspection.model_copy(update={"image": name, "versions": versions})


def what(replayed: Replayed) -> list[str]:
    """Which inputs changed."""
    return [changed.what for changed in replayed.changed]


def only(replayed: Replayed, name: str) -> str:
    """What is said of the one input that changed."""
    assert not replayed.reproduced
    (changed,) = replayed.changed
    assert changed.what == name
    return changed.sentence


def rewrite(home: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what is stored of the first inspection."""
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        ((text,),) = database.execute("SELECT inspection FROM inspections WHERE id = 1")
        stored = json.loads(text)
        change(stored)
        database.execute("UPDATE inspections SET inspection = ? WHERE id = 1", [json.dumps(stored)])
    database.close()


# As Echos began their files that knew neither cases nor what inspections rest on.
SCHEMA_BEFORE = (
    "CREATE TABLE inspections (id INTEGER PRIMARY KEY, time TEXT NOT NULL, image TEXT NOT NULL, "
    "image_sha256 TEXT NOT NULL, verdict TEXT NOT NULL, asked TEXT, alpha REAL NOT NULL, "
    "learned_sha256 TEXT NOT NULL, knowledge_sha256 TEXT, inspection TEXT NOT NULL);"
    "CREATE INDEX by_image ON inspections (image_sha256);"
    "PRAGMA user_version = 1;"
)
INSERT_BEFORE = "INSERT INTO inspections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def begin_as_before(path: Path, row: tuple[Any, ...]) -> None:
    """Replace a history by one of an Echo of before, which holds this inspection."""
    for file in path.parent.iterdir():
        file.unlink()
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA_BEFORE)
        database.execute(INSERT_BEFORE, row)
    database.close()


def no_database(path: Path) -> None:
    """Put something else where a database is expected."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no database, but long enough to be taken for one\n" * 100)
