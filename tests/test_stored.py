"""How stored inspections are named, listed and kept, and what is kept beside them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from echo import Inspection, Inspector, ProductLine, inputs, replay_inspection
from echo.history import Archive, History
from echo.inputs import Roster, changes
from echo.record import split_id
from echo.report import ReportWriter
from tests.conftest import TIME, Command, bad_part, good_part
from tests.histories import INSERT_BEFORE, begin_as_before, inspected, rewrite


def test_an_inspection_says_by_what_it_is_named(
    run: Command, washer_line: ProductLine, bad_photo: Path, tmp_path: Path
) -> None:
    inspector = Inspector(washer_line)
    first, second = inspector.inspect(bad_photo), inspector.inspect(bad_photo)
    assert (first.id, second.id) == ("washer:1", "washer:2")
    assert Inspector(washer_line, keep=False).inspect(bad_photo).id is None
    # It is no part of what was found out: two runs differ in time only.
    dumps = [one.model_dump_json(exclude={"timings_ms"}) for one in (first, second)]
    assert dumps[0] == dumps[1]
    records = list(History(washer_line).records())
    assert [record.id for record in records] == ["washer:1", "washer:2"]
    assert records[1].inspection().id == "washer:2"
    (row,) = run("inspect", "washer", bad_photo, "--json").out.splitlines()
    assert json.loads(row)["id"] == "washer:3"
    assert Inspection.model_validate_json(row).id == "washer:3"
    shown = run("inspect", "washer", bad_photo, "--out", tmp_path / "report").out
    assert "│ washer:4 │ bad.png │ reject" in shown
    assert "Inspection washer:4, line washer" in (tmp_path / "report/report.html").read_text()
    unnamed = run("inspect", "washer", bad_photo, "--no-keep").out
    assert "│ bad.png │ reject" in unnamed
    assert " id " not in unnamed
    (row,) = run("inspect", "washer", bad_photo, "--no-keep", "--json").out.splitlines()
    assert json.loads(row)["id"] is None


def test_a_report_of_what_was_not_stored_names_no_inspection(
    washer_line: ProductLine, bad_photo: Path, tmp_path: Path
) -> None:
    writer = ReportWriter(tmp_path, "Bad", washer_line)
    writer.add(Inspector(washer_line, keep=False).inspect(bad_photo))
    assert "<small>Line washer (" in writer.finish().read_text()


def test_names_of_inspections() -> None:
    assert split_id("washer:17") == ("washer", 17)
    assert split_id(f"M6.nut_2-b:{10**18 - 1}") == ("M6.nut_2-b", 10**18 - 1)


def test_a_history_of_before_is_read_and_goes_on(
    run: Command, washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    inspected(washer_line, bad_photo)
    path = own_home / "history" / "washer.sqlite"
    with sqlite3.connect(path) as database:
        (row,) = database.execute("SELECT * FROM inspections")
    database.close()
    stored = json.loads(row[-1])
    del stored["versions"]["machine"], stored["opinion"], stored["faults"]
    begin_as_before(path, (*row[:-1], json.dumps(stored)))
    assert run("replay", "washer:1").code == 0
    assert "│ washer:1 │" in run("history", "washer").out
    assert inspected(washer_line, bad_photo) == ["washer:2"]
    assert replay_inspection("washer:2", home=own_home).reproduced
    # An Echo of before goes on with it, too.
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        database.execute(INSERT_BEFORE, (3, *row[1:]))
    database.close()
    assert replay_inspection("washer:3", home=own_home).reproduced


def test_few_revisions_are_kept(
    washer_line: ProductLine, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_KEPT", 4)
    plain = Inspector(washer_line, keep=False).inspect(good_part(1))
    files = [f"revision {number}".encode() for number in range(10)]
    hashes = [hashlib.sha256(raw).hexdigest() for raw in files]
    history = History(washer_line)
    for sha256, raw in zip(hashes, files, strict=True):
        versions = plain.versions.model_copy(update={"knowledge_sha256": sha256})
        history.add(plain.model_copy(update={"versions": versions}), 0.05, rules=raw)
    archive = Archive("washer", own_home)
    assert [archive.rules(sha256) for sha256 in hashes] == [None] * 7 + files[7:]
    # What the newest rest on stays, however long it is there already.
    (record, *_) = archive.listed()
    assert archive.roster(record.learned_sha256) == Roster.of(washer_line.manifest)
    # What is not of that hash is not kept, and keeps nothing else out.
    versions = versions.model_copy(update={"knowledge_sha256": hashlib.sha256(b"late").hexdigest()})
    late = plain.model_copy(update={"versions": versions})
    for raw, kept in ((b"other", None), (b"late", b"late")):
        history.add(late, 0.05, rules=raw)
        assert archive.rules(str(versions.knowledge_sha256)) == kept
    with sqlite3.connect(history.path) as database:
        assert database.execute("SELECT count(*) FROM inputs").fetchone() == (4,)
    database.close()


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (
            "abc ",
            "abcde ",
            ["was extended since, or enrolled anew from more images: 3 then, 5 now"],
        ),
        ("abc ", "ab ", ["was enrolled anew since without 1 of its 3 images of then"]),
        (
            "abc ",
            "bde ",
            ["was enrolled anew since: 2 of its 3 images of then are not among its 3 now"],
        ),
        ("ab xy", "ab x", ["was taught the kind 'pit' since (2 examples then, 1 now)"]),
        ("ab xy", "ab yz", ["was taught the kind 'pit' since (2 examples then, 2 now)"]),
        ("ab x", "ab ", ["forgot the kind 'pit' since"]),
        (
            "ab ",
            "abc x",
            [
                "was extended since, or enrolled anew from more images: 2 then, 3 now",
                "was taught the kind 'pit' since (0 examples then, 1 now)",
            ],
        ),
        ("ab x", "ba x", ["was enrolled anew since from the same images, or shown other masks"]),
    ],
)
def test_what_became_of_a_line(then: str, now: str, told: list[str]) -> None:
    def roster(images_and_pits: str) -> Roster:
        images, pits = images_and_pits.split(" ")
        return Roster(images=tuple(images), examples=tuple(("pit", pit) for pit in pits))

    assert changes(roster(then), roster(now)) == told


def test_inputs_go_into_a_file_that_was_begun_anew(
    washer_line: ProductLine, own_home: Path
) -> None:
    inspector = Inspector(washer_line)
    inspector.inspect(good_part(1))
    shutil.rmtree(own_home / "history")
    inspector.inspect(good_part(1))
    (record,) = History(washer_line).records()
    assert Archive("washer", own_home).roster(record.learned_sha256) == Roster.of(
        washer_line.manifest
    )


@pytest.fixture
def many(washer_line: ProductLine) -> History:
    """1,000 inspections, of which each seventh is a reject, in two folders."""
    inspector = Inspector(washer_line, keep=False)
    accept, reject = inspector.inspect(good_part(1)), inspector.inspect(bad_part(1))
    history = History(washer_line)
    for number in range(1, 1001):
        inspection = reject if number % 7 == 0 else accept
        name = f"{'ab'[number % 2]}/part-{number % 10}.png"
        history.add(inspection.model_copy(update={"image": name}), 0.05)
    return history


def listed(run: Command, *arguments: object) -> list[dict[str, Any]]:
    result = run("history", "washer", "--json", *arguments)
    assert (result.code, result.err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(result.out)
    return rows


@pytest.mark.usefixtures("many")
def test_the_list_of_inspections(run: Command) -> None:
    rows = listed(run)
    assert [row["id"] for row in rows] == [f"washer:{n}" for n in range(1000, 980, -1)]
    assert rows[0]["reason"].startswith("Accepted: ")
    assert rows[0]["time"].endswith("+00:00")
    everything = listed(run, "--limit", 5000)
    assert [int(row["id"].removeprefix("washer:")) for row in everything] == list(
        range(1000, 0, -1)
    )
    rejected = listed(run, "--verdict", "reject", "--limit", 5000)
    assert [row["id"] for row in rejected] == [
        f"washer:{n}" for n in range(1000, 0, -1) if n % 7 == 0
    ]
    assert {row["verdict"] for row in rejected} == {"reject"}
    # Names with and without their folders; no other name that ends so.
    named = {row["image"] for row in listed(run, "--image", "part-3.png", "--limit", 5000)}
    assert named == {"b/part-3.png"}
    both = listed(run, "--image", "b/part-3.png", "--verdict", "reject", "--limit", 5000)
    assert [row["id"] for row in both] == [
        f"washer:{n}" for n in range(1000, 0, -1) if n % 10 == 3 and n % 7 == 0
    ]
    assert listed(run, "--image", "3.png") == listed(run, "--image", "part-%.png") == []


@pytest.mark.usefixtures("many")
def test_the_table_of_inspections(run: Command) -> None:
    table = run("history", "washer", "--limit", 2)
    assert re.search(rf"│ washer:1000 │ {TIME} │ part-0\.png │ accept  │ Accepted: ", table.out)
    assert table.out.endswith(
        "There are more; list them: --limit 20\nNext: echo-iad replay washer:1000\n"
    )
    assert table.out.count("washer:") == 3
    complete = run("history", "washer", "--image", "part-3.png", "--limit", 100)
    assert "There are more" not in complete.out
    none = run("history", "washer", "--verdict", "review")
    assert (none.code, none.out) == (0, "No inspection of this kind of line washer is stored.\n")
    for given in (["--verdict", "good"], ["--limit", 0]):
        assert run("history", "washer", *given).code == 2


def test_the_list_needs_no_line_that_opens(
    run: Command, washer_line: ProductLine, own_home: Path, good_photo: Path
) -> None:
    assert run("history", "washer").out == "No inspection of line washer is stored.\n"
    inspected(washer_line, good_photo)
    shutil.rmtree(washer_line.folder)
    assert [row["id"] for row in listed(run)] == ["washer:1"]
    gone = run("replay", "washer:1")
    assert (gone.code, gone.out) == (2, "")
    assert gone.err.startswith("echo-iad: no line 'washer' in ")
    for name in ("nut", "../history/washer"):
        unknown = run("history", name)
        assert (unknown.code, unknown.out) == (2, "")
        assert re.match(
            r"echo-iad: (no line 'nut'|line name '../history/washer': exp)", unknown.err
        )
    rewrite(own_home, dict.clear)
    assert listed(run)[0]["reason"] == "its stored inspection cannot be read"
