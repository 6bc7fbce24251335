"""Inspections replayed after their rules were edited."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path

import pytest

from echo import Inspector, ProductLine, replay_inspection
from echo.cli_replay import replayed_sentences
from echo.history import History
from tests.conftest import bad_part, save
from tests.histories import inspected, only, what
from tests.ruled_lines import LENIENT, STRICT, ruled


def edit(home: Path, rules: str) -> None:
    (home / "washer.yaml").write_text(rules)


def test_edited_rules_hinder_no_replay(washer_line: ProductLine, own_home: Path) -> None:
    washer_line = ruled(washer_line, STRICT)
    part = bad_part(700)
    strict = Inspector(washer_line).inspect(part)
    edit(own_home, LENIENT)
    lenient = Inspector(washer_line).inspect(part)
    assert (strict.verdict, lenient.verdict) == ("reject", "accept")
    replayed = replay_inspection("washer:1", part, own_home)
    assert replayed.reproduced
    then, now = (str(i.versions.knowledge_sha256)[:8] for i in (strict, lenient))
    assert replayed.notes == (
        f"it is judged by the rules of then, revision {then}; now in force is revision {now}",
    )
    again_now = replay_inspection("washer:2", part, own_home)
    assert (again_now.reproduced, again_now.notes) == (True, ())
    # Nor a broken edit, nor that the line has no rules at all any more.
    edit(own_home, "nonsense")
    assert replay_inspection("washer:1", part, own_home).reproduced
    paths = [image.path for image in washer_line.manifest.images]
    ProductLine.enroll("washer", paths, home=own_home, progress=False)
    for identifier in ("washer:1", "washer:2"):
        replayed = replay_inspection(identifier, part, own_home)
        assert replayed.reproduced
        assert replayed.notes[0].endswith("; now none are in force")


def test_rules_that_came_later_hinder_no_replay(washer_line: ProductLine, own_home: Path) -> None:
    inspected(washer_line, bad_part(700))
    edit(own_home, LENIENT)
    paths = [image.path for image in washer_line.manifest.images]
    ProductLine.enroll("washer", paths, own_home / "washer.yaml", home=own_home, progress=False)
    replayed = replay_inspection("washer:1", bad_part(700), own_home)
    assert replayed.reproduced
    assert re.fullmatch(
        r"it is judged without rules, as then; now in force is revision \w{8}", replayed.notes[0]
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("DELETE FROM inputs", "which is not kept"),
        ("UPDATE inputs SET content = 'text'", "which is not kept"),
        ("UPDATE inputs SET content = x'00'", "which is not kept"),
        ("DROP TABLE inputs", "which is not kept"),
    ],
)
def test_rules_that_are_lost(
    washer_line: ProductLine, own_home: Path, spoil: str, why: str
) -> None:
    washer_line = ruled(washer_line, STRICT)
    Inspector(washer_line).inspect(bad_part(700))
    edit(own_home, LENIENT)
    with sqlite3.connect(own_home / "history" / "washer.sqlite") as database:
        database.execute(spoil)
    database.close()
    replayed = replay_inspection("washer:1", bad_part(700), own_home)
    told = only(replayed, "knowledge")
    assert re.fullmatch(
        rf"the rules were revision \w{{8}} then, {why}, and are revision \w{{8}} now", told
    )
    assert (replayed.before, replayed.after) == ("reject", "accept")


def test_rules_that_cannot_be_read_any_more(washer_line: ProductLine, own_home: Path) -> None:
    history = History(ruled(washer_line, STRICT))
    old = STRICT.encode() + b"of_old: true\n"
    sha256 = hashlib.sha256(old).hexdigest()
    inspection = Inspector(washer_line, keep=False).inspect(bad_part(700))
    versions = inspection.versions.model_copy(update={"knowledge_sha256": sha256})
    history.add(inspection.model_copy(update={"versions": versions}), 0.05, rules=old)
    told = only(replay_inspection("washer:1", bad_part(700), own_home), "knowledge")
    assert re.search(r"then, which cannot be read any more \(.*of_old.*\), and are revision", told)


VIEWS = LENIENT + "views:\n  - {name: top, match: 'bad*'}\n  - {name: side}\n"


def test_the_view_is_that_of_then(washer_line: ProductLine, own_home: Path) -> None:
    washer_line = ruled(washer_line, VIEWS)
    bad = save(own_home / "bad.png", bad_part(700))
    asked = Inspector(washer_line).inspect(bad, view="side")
    named = Inspector(washer_line).inspect(bad)
    assert (asked.sight.view, named.sight.view) == ("side", "top")
    moved = bad.rename(own_home / "other.png")
    for identifier in ("washer:1", "washer:2"):
        assert replay_inspection(identifier, moved, own_home).reproduced
    edit(own_home, LENIENT)
    assert replay_inspection("washer:1", moved, own_home).reproduced
    with sqlite3.connect(own_home / "history" / "washer.sqlite") as database:
        database.execute("DELETE FROM inputs")
    database.close()
    replayed = replay_inspection("washer:1", moved, own_home)
    assert what(replayed) == ["knowledge", "view"]
    assert replayed.changed[1].sentence == (
        "the image was said to show view 'side', which the rules do not name now"
    )
    assert replayed.after is None
    told = replayed_sentences(replayed)
    assert told[0].endswith(": 2 inputs have changed since.")
    assert re.fullmatch(
        r"The verdict was \w+; the image cannot be inspected any more: .+'side'.+\.", told[-1]
    )
    assert what(replay_inspection("washer:2", moved, own_home)) == ["knowledge"]
