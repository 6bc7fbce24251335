"""Whatever moment a process is killed at, no inspection is lost or doubled, and no review."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from echo.history import Archive
from echo.review import Reviews
from tests.conftest import bad_part, good_part, save

IMAGES = 500
# Of so many images one is defective, and goes to review, since the line has few images.
EVERY = 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        part = bad_part(number) if number % EVERY == 0 else good_part(number)
        save(folder / f"{number:03d}.png", part)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed") / "home"


@pytest.fixture(scope="module")
def told(home: Path, photos: Path) -> dict[str, Any]:
    """What came of inspecting 500 images and resolving the reviews, killed again and again."""
    command = [sys.executable, "-m", "tests.killed", str(home), str(photos), "7"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment, timeout=600
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_integrity(home: Path) -> None:
    files = sorted(home.rglob("*.sqlite"))
    assert {file.parent.name for file in files} == {"history", "threads"}
    for file in files:
        database = sqlite3.connect(file)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()


def threads(home: Path) -> Counter[str]:
    database = sqlite3.connect(home / "threads" / "nut.sqlite")
    found = Counter(row[0] for row in database.execute("SELECT thread_id FROM checkpoints"))
    database.close()
    return found


def test_killed_while_it_inspects(home: Path, photos: Path, told: dict[str, Any]) -> None:
    before = home.with_name("before")
    # On a fast machine it is done before it was killed as often as it may be.
    assert told["code"] == 1
    assert 20 <= told["kills"] <= 30
    check_integrity(before)
    records = list(Archive("nut", before).records())
    assert sorted(r.image for r in records) == sorted(str(p) for p in photos.iterdir())
    assert [r.id for r in records] == [f"nut:{n}" for n in range(1, IMAGES + 1)]
    to_review = [r.id for r in records if r.verdict == "review"]
    assert len(to_review) >= IMAGES // EVERY
    assert [one.record.id for one in Reviews("nut", before).waiting()] == to_review
    assert threads(before) == {f"review {identifier}": 1 for identifier in to_review}
    assert told["waiting"] == to_review


def test_killed_while_it_resolves(home: Path, told: dict[str, Any]) -> None:
    check_integrity(home)
    codes, kills = zip(*told["resolved"], strict=True)
    assert set(codes) == {0}
    assert sum(kills) > len(kills)
    reviews = Reviews("nut", home)
    cases = reviews.cases()
    assert [case.number for case in cases] == list(range(1, len(cases) + 1))
    assert [case.inspection for case in cases] == told["waiting"]
    assert {(case.verdict, case.by, case.reason) for case in cases} == {
        ("accept", "Ann", "only dust")
    }
    assert reviews.waiting() == []
    assert threads(home) == {}
