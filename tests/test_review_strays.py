"""Files among the histories that are of no line: ``echo-iad review list`` says what they are."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from echo import Inspector, ProductLine
from echo.history_file import line_in
from experts.errors import HistoryError
from tests.conftest import Command, bad_part
from tests.histories import no_database


@pytest.fixture
def histories(nut_line: ProductLine) -> Path:
    """The folder with the history of ``nut``, of which one part waits for a person."""
    assert Inspector(nut_line).inspect(bad_part(1)).verdict == "review"
    folder = nut_line.home / "history"
    # What is written ahead goes into the file, so that a copy is whole.
    with sqlite3.connect(folder / "nut.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder


def test_a_copy_is_no_line_that_is_gone(run: Command, histories: Path) -> None:
    for name in ("backup", "a copy"):
        shutil.copy(histories / "nut.sqlite", histories / f"{name}.sqlite")
    listed = run("review", "list")
    assert (listed.code, listed.out.count("│ nut:1 │"), "backup" in listed.out) == (0, 1, False)
    assert listed.err == (
        f"Left out: {histories / 'backup.sqlite'}: is of line nut, but not called so, such as a "
        "copy of it\n"
    )
    assert not (histories.parent / "threads" / "backup.sqlite").exists()
    # Who means it may look into it.
    assert "│ backup:1 │" in run("review", "list", "backup").out


def test_what_waits_of_a_line_that_is_gone_is_told(run: Command, histories: Path) -> None:
    shutil.rmtree(histories.parent / "lines" / "nut")
    listed = run("review", "list")
    assert (listed.code, listed.out) == (0, "Nothing waits for a person.\n")
    assert listed.err == "Line nut is gone; what waits of it: echo-iad review list nut\n"


def test_what_is_no_history_is_left_as_it_is(run: Command, histories: Path) -> None:
    no_database(histories / "notes.sqlite")
    other = histories / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE something (id INTEGER PRIMARY KEY)")
    database.close()
    before = other.read_bytes()
    listed = run("review", "list")
    assert listed.code == 0
    notes, others = listed.err.splitlines()
    begin = f"Left out: {histories}"
    assert re.match(rf"{re.escape(begin)}/notes\.sqlite: is damaged, or no history", notes)
    assert re.match(rf"{re.escape(begin)}/other\.sqlite: is damaged, or no history", others)
    assert other.read_bytes() == before


def test_of_which_line_a_history_is(histories: Path) -> None:
    assert line_in(histories / "nut.sqlite") == "nut"
    with sqlite3.connect(histories / "nut.sqlite") as database:
        database.execute("DELETE FROM inspections")
    database.close()
    assert line_in(histories / "nut.sqlite") is None
    with pytest.raises(HistoryError, match=r"gone\.sqlite: cannot be used"):
        line_in(histories / "gone.sqlite")
