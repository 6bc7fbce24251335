"""Inspections replayed after their rules were edited, and where a language model was asked."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from echo import (
    Inspector,
    ProductLine,
    ScriptedMLLM,
    replay_inspection,
)
from echo.cli_replay import replayed_sentences
from echo.history import History
from tests.conftest import Command, bad_part, good_part, save
from tests.test_again import inspected, only, rewrite, what
from tests.test_pipeline import LENIENT, STRICT
from tests.test_replay import ruled
from tests.thinkers import thinker
from tests.tiny_models import build


@pytest.fixture
def home(washer_home: Path, tmp_path: Path) -> Path:
    """A home with the line ``washer``, without rules and without any history."""
    shutil.copytree(washer_home / "lines", tmp_path / "home" / "lines")
    return tmp_path / "home"


@pytest.fixture
def line(home: Path) -> ProductLine:
    return ProductLine.load("washer", home=home)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return save(tmp_path / "new" / "bad.png", bad_part(700))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save(tmp_path / "new" / "good.png", good_part(700))


def edit(home: Path, rules: str) -> None:
    (home / "washer.yaml").write_text(rules)


def test_edited_rules_hinder_no_replay(line: ProductLine, home: Path) -> None:
    line = ruled(line, STRICT)
    part = bad_part(700)
    strict = Inspector(line).inspect(part)
    edit(home, LENIENT)
    lenient = Inspector(line).inspect(part)
    assert (strict.verdict, lenient.verdict) == ("reject", "accept")
    replayed = replay_inspection("washer:1", part, home)
    assert replayed.reproduced
    then, now = (str(i.versions.knowledge_sha256)[:8] for i in (strict, lenient))
    assert replayed.notes == (
        f"it is judged by the rules of then, revision {then}; now in force is revision {now}",
    )
    again_now = replay_inspection("washer:2", part, home)
    assert (again_now.reproduced, again_now.notes) == (True, ())
    # Nor a broken edit, nor that the line has no rules at all any more.
    edit(home, "nonsense")
    assert replay_inspection("washer:1", part, home).reproduced
    paths = [image.path for image in line.manifest.images]
    ProductLine.enroll("washer", paths, home=home, progress=False)
    for identifier in ("washer:1", "washer:2"):
        replayed = replay_inspection(identifier, part, home)
        assert replayed.reproduced
        assert replayed.notes[0].endswith("; now none are in force")


def test_rules_that_came_later_hinder_no_replay(line: ProductLine, home: Path) -> None:
    inspected(line, bad_part(700))
    edit(home, LENIENT)
    paths = [image.path for image in line.manifest.images]
    ProductLine.enroll("washer", paths, home / "washer.yaml", home=home, progress=False)
    replayed = replay_inspection("washer:1", bad_part(700), home)
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
def test_rules_that_are_lost(line: ProductLine, home: Path, spoil: str, why: str) -> None:
    line = ruled(line, STRICT)
    Inspector(line).inspect(bad_part(700))
    edit(home, LENIENT)
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        database.execute(spoil)
    database.close()
    replayed = replay_inspection("washer:1", bad_part(700), home)
    told = only(replayed, "knowledge")
    assert re.fullmatch(
        rf"the rules were revision \w{{8}} then, {why}, and are revision \w{{8}} now", told
    )
    assert (replayed.before, replayed.after) == ("reject", "accept")


def test_rules_that_cannot_be_read_any_more(line: ProductLine, home: Path) -> None:
    history = History(ruled(line, STRICT))
    old = STRICT.encode() + b"of_old: true\n"
    sha256 = hashlib.sha256(old).hexdigest()
    inspection = Inspector(line, keep=False).inspect(bad_part(700))
    versions = inspection.versions.model_copy(update={"knowledge_sha256": sha256})
    history.add(inspection.model_copy(update={"versions": versions}), 0.05, rules=old)
    told = only(replay_inspection("washer:1", bad_part(700), home), "knowledge")
    assert re.search(r"then, which cannot be read any more \(.*of_old.*\), and are revision", told)


VIEWS = LENIENT + "views:\n  - {name: top, match: 'bad*'}\n  - {name: side}\n"


def test_the_view_is_that_of_then(line: ProductLine, home: Path) -> None:
    line = ruled(line, VIEWS)
    bad = save(home / "bad.png", bad_part(700))
    asked = Inspector(line).inspect(bad, view="side")
    named = Inspector(line).inspect(bad)
    assert (asked.sight.view, named.sight.view) == ("side", "top")
    moved = bad.rename(home / "other.png")
    for identifier in ("washer:1", "washer:2"):
        assert replay_inspection(identifier, moved, home).reproduced
    edit(home, LENIENT)
    assert replay_inspection("washer:1", moved, home).reproduced
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        database.execute("DELETE FROM inputs")
    database.close()
    replayed = replay_inspection("washer:1", moved, home)
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
    assert what(replay_inspection("washer:2", moved, home)) == ["knowledge"]


BOTH = {"A": 0.75, "B": 0.25}


def test_the_opinion_of_a_language_model_is_compared_apart(
    line: ProductLine, home: Path, bad: Path, good: Path
) -> None:
    (asked, clear) = inspected(line, bad, good, mllm=thinker(opinion=BOTH))
    same = replay_inspection(asked, home=home, mllm=thinker(opinion=BOTH))
    assert (same.reproduced, same.notes) == (
        True,
        ("the opinion of scripted is the same: defect 75.0%",),
    )
    # It is not asked where none was asked then.
    silent = ScriptedMLLM([])
    assert replay_inspection(clear, home=home, mllm=silent).notes == ()
    assert silent.asked == []
    other = replay_inspection(asked, home=home, mllm=thinker(opinion={"A": 0.4, "B": 0.6}))
    assert (other.reproduced, other.differences) == (True, ())
    assert other.notes == (
        "the opinion of scripted was defect 75.0%; that of scripted is no defect 60.0%",
    )


def test_a_language_model_that_is_gone(
    line: ProductLine, home: Path, bad: Path, tmp_path: Path
) -> None:
    (identifier,) = inspected(line, bad, mllm=thinker(opinion=BOTH))
    none = replay_inspection(identifier, home=home)
    assert none.reproduced
    assert none.notes == (
        "the opinion of scripted, defect 75.0%, could not be asked for again (none is set, or the "
        "image is clearly normal now); the verdict is compared by what it said then",
    )
    gone = replay_inspection(identifier, home=home, mllm=str(tmp_path / "gone"))
    assert gone.reproduced
    assert f"(without language model: {tmp_path / 'gone'}: there is no such folder" in gone.notes[0]


def test_another_language_model_and_other_prompts(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad, mllm=thinker(opinion=BOTH))
    replayed = replay_inspection(identifier, home=home, mllm=thinker(opinion=BOTH, name="other"))
    assert only(replayed, "mllm") == (
        "the language model was scripted (revision scripted) then and is other (revision scripted) "
        "now"
    )
    assert replayed.differences == ()

    def of_old(stored: dict[str, Any]) -> None:
        stored["opinion"] |= {"prompts_version": 0, "revision": "older"}

    rewrite(home, of_old)
    replayed = replay_inspection(identifier, home=home, mllm=thinker(opinion=BOTH))
    assert what(replayed) == ["mllm", "prompts"]
    assert "(revision older) then and is scripted (revision scripted) now" in (
        replayed.changed[0].sentence
    )
    assert re.fullmatch(
        r"the prompts were version 0 then and are \d+ now", replayed.changed[1].sentence
    )


def test_a_real_language_model_is_asked_again(
    run: Command, line: ProductLine, bad: Path, tmp_path: Path
) -> None:
    model = build("smolvlm", tmp_path / "model")
    (line.home / "settings.yaml").write_text("mllm_precision: bf16\n")
    assert run("inspect", "washer", bad, "--mllm", model).code == 1
    same = run("replay", "washer:1", "--mllm", model)
    assert same.code == 0
    assert f"\nThe opinion of {model} is the same: " in same.out
    none = run("replay", "washer:1")
    assert none.code == 0
    assert "could not be asked for again (none is set, or the image is clearly" in none.out
