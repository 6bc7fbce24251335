"""Stored inspections replayed: the same, bit by bit, or which of their inputs changed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import echo
from echo import (
    HistoryError,
    ImageError,
    Inspection,
    Inspector,
    LineError,
    ProductLine,
    Replayed,
    ScriptedMLLM,
    again,
    inputs,
    replay_inspection,
)
from echo.cli_replay import replayed_sentences
from echo.history import Archive, History
from echo.inputs import Roster, changes
from echo.machine import as_many_threads_as, this_machine
from echo.record import split_id
from echo.report import ReportWriter
from experts.decoder.encoder import DEFAULT_ENCODER, load_encoder
from tests.conftest import Command, bad_part, good_part, save
from tests.test_pipeline import LENIENT, STRICT
from tests.test_replay import ruled
from tests.test_teaching import PITS, SCRATCHES
from tests.tiny_models import build

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"


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


def inspected(line: ProductLine, *images: Any, **how: Any) -> list[str]:
    """The ids of these images, inspected together."""
    results = Inspector(line, **how).inspect_many(images)
    return [str(result.id) for result in results if isinstance(result, Inspection)]


def what(replayed: Replayed) -> list[str]:
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


def test_an_inspection_says_by_what_it_is_named(
    run: Command, line: ProductLine, bad: Path, tmp_path: Path
) -> None:
    inspector = Inspector(line)
    first, second = inspector.inspect(bad), inspector.inspect(bad)
    assert (first.id, second.id) == ("washer:1", "washer:2")
    assert Inspector(line, keep=False).inspect(bad).id is None
    # It is no part of what was found out: two runs differ in time only.
    dumps = [one.model_dump_json(exclude={"timings_ms"}) for one in (first, second)]
    assert dumps[0] == dumps[1]
    records = list(History(line).records())
    assert [record.id for record in records] == ["washer:1", "washer:2"]
    assert records[1].inspection().id == "washer:2"
    (row,) = run("inspect", "washer", bad, "--json").out.splitlines()
    assert json.loads(row)["id"] == "washer:3"
    assert Inspection.model_validate_json(row).id == "washer:3"
    shown = run("inspect", "washer", bad, "--out", tmp_path / "report").out
    assert "│ washer:4 │ bad.png │ reject" in shown
    assert "Inspection washer:4, line washer" in (tmp_path / "report/report.html").read_text()
    assert "│ –  │ bad.png │ reject" in run("inspect", "washer", bad, "--no-keep").out
    (row,) = run("inspect", "washer", bad, "--no-keep", "--json").out.splitlines()
    assert json.loads(row)["id"] is None


def test_a_report_of_what_was_not_stored_names_no_inspection(
    line: ProductLine, bad: Path, tmp_path: Path
) -> None:
    writer = ReportWriter(tmp_path, "Bad", line)
    writer.add(Inspector(line, keep=False).inspect(bad))
    assert "<small>Line washer (" in writer.finish().read_text()


def test_the_same_bit_by_bit(line: ProductLine, home: Path, bad: Path, good: Path) -> None:
    ids = inspected(line, bad, good, bad)
    for identifier, path, verdict in zip(ids, (bad, good, bad), "rar", strict=True):
        replayed = replay_inspection(identifier, home=home)
        assert replayed.reproduced
        assert (replayed.id, replayed.image) == (identifier, str(path))
        assert replayed.before == replayed.after
        assert replayed.before[0] == verdict
        assert (replayed.changed, replayed.differences, replayed.notes) == ((), (), ())
    assert len(History(line)) == 3, "a replay stores nothing"


REPLAY = "import sys, echo; print(echo.replay_inspection(*sys.argv[1:]).model_dump_json())"


def in_another_process(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_another_process_reproduces_it_on_as_many_threads(
    line: ProductLine, home: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    made = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        (made[threads],) = inspected(line, bad)
    torch.set_num_threads(before)
    noted = [record.inspection().versions.machine for record in History(line).records()]
    assert [machine and machine.threads for machine in noted] == [1, 2]
    for others, threads in (("2", 1), ("1", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", others)
        printed, _ = in_another_process(REPLAY, made[threads], bad, home).communicate()
        assert Replayed.model_validate_json(printed).reproduced


def test_threads_are_as_before_afterwards() -> None:
    here = this_machine()
    other = here.model_copy(update={"threads": here.threads + 1})
    with as_many_threads_as(other):
        assert this_machine() == other
    with pytest.raises(KeyError), as_many_threads_as(other):
        raise KeyError
    with as_many_threads_as(None):
        assert this_machine() == here
    assert this_machine() == here
    assert re.fullmatch(r"\S.* \(\w.*\), \d+ threads?, torch \d.+", here.in_words)


INSPECT_MANY = """
import sys, numpy as np
from echo import Inspector, ProductLine
from tests.conftest import good_part
inspector = Inspector(ProductLine.load("washer", home=sys.argv[1]))
for number in range(25):
    assert inspector.inspect(good_part(number)).faults == ()
    print(number, flush=True)
"""


def test_beside_a_line_that_is_inspecting(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    running = in_another_process(INSPECT_MANY, home)
    assert running.stdout is not None
    assert running.stdout.readline() == "0\n"
    replayed = [replay_inspection(identifier, home=home) for _ in range(5)]
    rest, _ = running.communicate()
    assert all(one.reproduced for one in replayed)
    assert (running.returncode, rest.split()) == (0, [str(n) for n in range(1, 25)])
    assert [r.id for r in History(line).records()] == [f"washer:{n}" for n in range(1, 27)]


def test_an_image_that_was_no_file_has_to_be_given(line: ProductLine, home: Path) -> None:
    (identifier,) = inspected(line, bad_part(700))
    with pytest.raises(
        ImageError, match=r"washer:1: its image .+ again \(it was not given as a file\); say where"
    ):
        replay_inspection(identifier, home=home)
    assert replay_inspection(identifier, bad_part(700), home).reproduced


def test_an_image_that_is_gone_has_to_be_given(
    run: Command, line: ProductLine, bad: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad.parent)
    inspected(line, bad, Path("bad.png"))
    moved = bad.rename(bad.with_name("moved.png"))
    gone = run("replay", "washer:1")
    assert (gone.code, gone.out) == (2, "")
    assert gone.err == (
        f"echo-iad: washer:1: its image cannot be read again ({bad}: there is no such file); say "
        "where it is: echo-iad replay washer:1 --image FILE\n"
    )
    assert (
        f"(bad.png: there is no such file, seen from {bad.parent})" in run("replay", "washer:2").err
    )
    assert run("replay", "washer:1", "--image", moved).code == 0
    missing = run("replay", "washer:1", "--image", bad)
    assert (missing.code, missing.err) == (
        2,
        f"echo-iad: {bad}: there is no such file; check the path\n",
    )


def test_other_pixels(run: Command, line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    save(bad, good_part(701))
    replayed = replay_inspection(identifier, home=home)
    told = only(replayed, "image")
    assert re.fullmatch(r"the pixels of the image are others \(hash \w{8} then, \w{8} now\)", told)
    assert (replayed.before, replayed.after) == ("reject", "accept")
    fields = [difference.field for difference in replayed.differences]
    assert {"anomaly.score", "decision.verdict", "regions.0"} <= set(fields)
    shown = run("replay", identifier)
    assert shown.code == 1
    assert re.fullmatch(
        rf"washer:1 \(bad\.png, {TIME}\): an input has changed since\.\n"
        r"The pixels of the image .+\.\n"
        r"The verdict was reject then and is accept now: Accepted: .+\.\n",
        shown.out,
    )


def test_a_line_that_was_extended(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    line.add([good_part(800 + i) for i in range(3)], progress=False)
    replayed = replay_inspection(identifier, home=home)
    assert only(replayed, "line") == (
        "line 'washer' was extended since, or enrolled anew from more images: 24 then, 27 now"
    )
    assert (replayed.before, replayed.after) == ("reject", "reject")
    assert "anomaly.calibration_size" in {d.field for d in replayed.differences}
    told = replayed_sentences(replayed)
    assert re.fullmatch(
        r"The verdict is the same, reject, but \d+ values differ, such as anomaly\.\w+: .+\.",
        told[-1],
    )


def test_a_line_that_was_enrolled_anew(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    paths = [image.path for image in line.manifest.images]
    anew = "line 'washer' was enrolled anew since"
    ProductLine.enroll("washer", paths[2:], home=home, progress=False)
    gone = replay_inspection(identifier, home=home)
    assert only(gone, "line") == f"{anew} without 2 of its 24 images of then"
    assert gone.differences
    # Of another seed, but with few images it chooses nothing.
    ProductLine.enroll("washer", paths, home=home, progress=False, seed=1)
    same = replay_inspection(identifier, home=home)
    assert only(same, "line") == f"{anew} from the same images, or shown other masks"
    assert replayed_sentences(same)[-1] == (
        "The result is the same nevertheless: reject, bit by bit."
    )


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


def test_a_line_that_was_taught(line: ProductLine, home: Path, bad: Path) -> None:
    (first,) = inspected(line, bad)
    taught = line.teach("pit", PITS, progress=False)
    (second,) = inspected(taught, bad)
    replayed = replay_inspection(first, home=home)
    assert only(replayed, "line") == (
        "line 'washer' was taught the kind 'pit' since (0 examples then, 3 now)"
    )
    assert replay_inspection(second, home=home).reproduced
    taught.teach("scratch", SCRATCHES, progress=False).forget("pit")
    told = [changed.sentence for changed in replay_inspection(second, home=home).changed]
    assert told == [
        "line 'washer' forgot the kind 'pit' since",
        "line 'washer' was taught the kind 'scratch' since (0 examples then, 3 now)",
    ]
    # As if it was made by an Echo that did not keep this.
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        database.execute("DROP TABLE inputs")
    database.close()
    assert only(replay_inspection(first, home=home), "line") == (
        "line 'washer' was enrolled anew, extended or taught since; of what it was made is not kept"
    )


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


def test_another_alpha(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    paths = [image.path for image in line.manifest.images]
    ProductLine.enroll("washer", paths, alpha=0.1, home=home, progress=False)
    replayed = replay_inspection(identifier, home=home)
    assert only(replayed, "alpha") == "alpha was 5.0% then and is 10.0% now"
    assert "anomaly.limit" in {difference.field for difference in replayed.differences}


def test_other_weights(
    run: Command, line: ProductLine, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (identifier,) = inspected(line, bad)
    monkeypatch.setattr(load_encoder(DEFAULT_ENCODER), "weights_sha256", "f" * 64)
    replayed = replay_inspection(identifier, home=line.home)
    assert re.fullmatch(
        rf"the weights of the encoder {DEFAULT_ENCODER} are others "
        r"\(hash \w{8} then, ffffffff now\)",
        only(replayed, "encoder"),
    )
    assert replayed.after is None
    shown = run("replay", identifier)
    assert (shown.code, shown.err) == (1, "")
    assert re.search(
        r"\nThe verdict was reject; the image cannot be inspected any more: line 'washer' was made "
        r"with other weights .+; enrol it again\.\n\Z",
        shown.out,
    )


def test_another_version_of_echo(
    line: ProductLine, home: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (identifier,) = inspected(line, bad)
    monkeypatch.setattr(again, "__version__", "9.0.0")
    replayed = replay_inspection(identifier, home=home)
    assert only(replayed, "echo") == (f"Echo was version {echo.__version__} then and is 9.0.0 now")
    assert (replayed.after, replayed.differences) == ("reject", ())


def test_another_machine_counts_if_the_result_differs(
    line: ProductLine, home: Path, bad: Path
) -> None:
    (identifier,) = inspected(line, bad)

    def elsewhere(stored: dict[str, Any]) -> None:
        stored["versions"]["machine"]["processor"] = "Abacus"

    def otherwise(stored: dict[str, Any]) -> None:
        stored["anomaly"]["score"] += 1e-6

    rewrite(home, elsewhere)
    assert replay_inspection(identifier, home=home).reproduced
    rewrite(home, otherwise)
    replayed = replay_inspection(identifier, home=home)
    assert re.fullmatch(
        r"it was computed on Abacus, \d+ threads?, torch \S+ then, on .+ now; another machine may "
        "round the last digits otherwise",
        only(replayed, "machine"),
    )
    assert [difference.field for difference in replayed.differences] == ["anomaly.score"]

    def unknown(stored: dict[str, Any]) -> None:
        del stored["versions"]["machine"]

    rewrite(home, unknown)
    replayed = replay_inspection(identifier, home=home)
    told = replayed_sentences(replayed)
    assert (replayed.reproduced, replayed.changed) == (False, ())
    assert told[0].endswith(": no inputs have changed since.")
    assert told[1].startswith("The verdict is the same, reject, but 1 value differs, such as anom")
    assert told[2].startswith("On which machine it was computed was not noted then; another ")


def test_how_it_is_stored_does_not_count(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)

    def packed_otherwise(stored: dict[str, Any]) -> None:
        mask = stored["regions"][0]["mask"]
        raw = zlib.decompress(base64.b64decode(mask["zlib_base64"]))
        mask["zlib_base64"] = base64.b64encode(zlib.compress(raw, 0)).decode()

    rewrite(home, packed_otherwise)
    # Nor how another Echo describes the same line.
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        database.execute("UPDATE inspections SET learned_sha256 = '0'")
    database.close()
    assert replay_inspection(identifier, home=home).reproduced

    def another_mask(stored: dict[str, Any]) -> None:
        mask = stored["regions"][0]["mask"]
        height, width = mask["shape"]
        mask["zlib_base64"] = base64.b64encode(zlib.compress(bytes(height * width))).decode()

    rewrite(home, another_mask)
    replayed = replay_inspection(identifier, home=home)
    assert [difference.field for difference in replayed.differences] == ["regions.0.mask.sha256"]
    assert not replayed.reproduced


BOTH = [{"A": 0.75, "B": 0.25}]


def test_the_opinion_of_a_language_model_is_compared_apart(
    line: ProductLine, home: Path, bad: Path, good: Path
) -> None:
    (asked, clear) = inspected(line, bad, good, mllm=ScriptedMLLM(BOTH))
    same = replay_inspection(asked, home=home, mllm=ScriptedMLLM(BOTH))
    assert (same.reproduced, same.notes) == (
        True,
        ("the opinion of scripted is the same: defect 75.0%",),
    )
    # It is not asked where none was asked then.
    silent = ScriptedMLLM([])
    assert replay_inspection(clear, home=home, mllm=silent).notes == ()
    assert silent.asked == []
    other = replay_inspection(asked, home=home, mllm=ScriptedMLLM([{"A": 0.4, "B": 0.6}]))
    assert (other.reproduced, other.differences) == (True, ())
    assert other.notes == (
        "the opinion of scripted was defect 75.0%; that of scripted is no defect 60.0%",
    )


def test_a_language_model_that_is_gone(
    line: ProductLine, home: Path, bad: Path, tmp_path: Path
) -> None:
    (identifier,) = inspected(line, bad, mllm=ScriptedMLLM(BOTH))
    none = replay_inspection(identifier, home=home)
    assert none.reproduced
    assert none.notes == (
        "the opinion of scripted, defect 75.0%, could not be asked for again (none is set, or the "
        "image is clearly normal now); the verdict is compared without it",
    )
    gone = replay_inspection(identifier, home=home, mllm=str(tmp_path / "gone"))
    assert gone.reproduced
    assert f"(without language model: {tmp_path / 'gone'}: there is no such folder" in gone.notes[0]


def test_another_language_model_and_other_prompts(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad, mllm=ScriptedMLLM(BOTH))
    replayed = replay_inspection(identifier, home=home, mllm=ScriptedMLLM(BOTH, name="other"))
    assert only(replayed, "mllm") == (
        "the language model was scripted (revision scripted) then and is other (revision scripted) "
        "now"
    )
    assert replayed.differences == ()

    def of_old(stored: dict[str, Any]) -> None:
        stored["opinion"] |= {"prompts_version": 0, "revision": "older"}

    rewrite(home, of_old)
    replayed = replay_inspection(identifier, home=home, mllm=ScriptedMLLM(BOTH))
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
    assert run("inspect", "washer", bad, "--mllm", model).code == 1
    same = run("replay", "washer:1", "--mllm", model)
    assert same.code == 0
    assert f"\nThe opinion of {model} is the same: " in same.out
    none = run("replay", "washer:1")
    assert none.code == 0
    assert "could not be asked for again (none is set, or the image is clearly" in none.out


@pytest.mark.parametrize(
    "identifier",
    [
        *["", "washer", "washer:", ":1", "washer:0", "washer:01", "washer:-1", "washer:1 "],
        *["washer:1\n", "washer:१", "../washer:1", "a..b/c:1", "washer:1:2", "wäscher:1"],
        f"washer:{10**18}",
    ],
)
def test_what_names_no_inspection(identifier: str, home: Path) -> None:
    with pytest.raises(HistoryError, match="names no inspection; expected LINE:NUMBER, such as "):
        replay_inspection(identifier, home=home)


def test_names_of_inspections() -> None:
    assert split_id("washer:17") == ("washer", 17)
    assert split_id(f"M6.nut_2-b:{10**18 - 1}") == ("M6.nut_2-b", 10**18 - 1)


def test_an_inspection_that_is_not_stored(
    run: Command, line: ProductLine, home: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "washer:9: no such inspection is stored, of this line"
    none = run("replay", "washer:9")
    assert (none.code, none.out) == (2, "")
    assert none.err == f"echo-iad: {missing} none; see which: echo-iad history washer\n"
    monkeypatch.setattr("echo.history.MAX_KEPT", 2)
    assert inspected(line, good, good, good) == ["washer:1", "washer:2", "washer:3"]
    some = f"{missing} those from washer:2 to washer:3; see which: echo-iad history washer"
    assert run("replay", "washer:9").err == f"echo-iad: {some}\n"
    with pytest.raises(HistoryError, match="washer:1: no such inspection"):
        replay_inspection("washer:1", home=home)
    with pytest.raises(LineError, match="no line 'nut'"):
        replay_inspection("nut:1", home=home)


def test_what_cannot_be_read(line: ProductLine, home: Path, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    (line.folder / "decoder.safetensors").write_bytes(b"broken")
    with pytest.raises(LineError, match="line 'washer' is damaged"):
        replay_inspection(identifier, home=home)
    rewrite(home, dict.clear)
    with pytest.raises(HistoryError, match="its stored inspection cannot be read by this Echo"):
        replay_inspection(identifier, home=home)
    bad.write_bytes(b"no image")
    with pytest.raises(HistoryError, match="its stored inspection cannot be read by this Echo"):
        replay_inspection(identifier, home=home)


# As the first Echo that stored inspections began its files.
OLD_SCHEMA = (
    "CREATE TABLE inspections (id INTEGER PRIMARY KEY, time TEXT NOT NULL, image TEXT NOT NULL, "
    "image_sha256 TEXT NOT NULL, verdict TEXT NOT NULL, asked TEXT, alpha REAL NOT NULL, "
    "learned_sha256 TEXT NOT NULL, knowledge_sha256 TEXT, inspection TEXT NOT NULL);"
    "CREATE INDEX by_image ON inspections (image_sha256);"
    "PRAGMA user_version = 1;"
)
OLD_INSERT = "INSERT INTO inspections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def test_a_history_of_before_is_read_and_goes_on(
    run: Command, line: ProductLine, home: Path, bad: Path
) -> None:
    inspected(line, bad)
    path = home / "history" / "washer.sqlite"
    with sqlite3.connect(path) as database:
        (row,) = database.execute("SELECT * FROM inspections")
    database.close()
    path.unlink()
    stored = json.loads(row[-1])
    del stored["versions"]["machine"], stored["opinion"], stored["faults"]
    with sqlite3.connect(path) as database:
        database.executescript(OLD_SCHEMA)
        database.execute(OLD_INSERT, (*row[:-1], json.dumps(stored)))
    database.close()
    assert run("replay", "washer:1").code == 0
    assert "│ washer:1 │" in run("history", "washer").out
    assert inspected(line, bad) == ["washer:2"]
    assert replay_inspection("washer:2", home=home).reproduced
    # An Echo of before goes on with it, too.
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        database.execute(OLD_INSERT, (3, *row[1:]))
    database.close()
    assert replay_inspection("washer:3", home=home).reproduced


def test_few_revisions_are_kept(
    line: ProductLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_KEPT", 4)
    plain = Inspector(line, keep=False).inspect(good_part(1))
    files = [f"revision {number}".encode() for number in range(10)]
    hashes = [hashlib.sha256(raw).hexdigest() for raw in files]
    history = History(line)
    for sha256, raw in zip(hashes, files, strict=True):
        versions = plain.versions.model_copy(update={"knowledge_sha256": sha256})
        history.add(plain.model_copy(update={"versions": versions}), 0.05, rules=raw)
    archive = Archive("washer", home)
    assert [archive.rules(sha256) for sha256 in hashes] == [None] * 7 + files[7:]
    # What the newest rest on stays, however long it is there already.
    (record, *_) = archive.listed()
    assert archive.roster(record.learned_sha256) == Roster.of(line.manifest)
    # What is not of that hash is not kept, and keeps nothing else out.
    versions = versions.model_copy(update={"knowledge_sha256": hashlib.sha256(b"late").hexdigest()})
    late = plain.model_copy(update={"versions": versions})
    for raw, kept in ((b"other", None), (b"late", b"late")):
        history.add(late, 0.05, rules=raw)
        assert archive.rules(str(versions.knowledge_sha256)) == kept
    with sqlite3.connect(history.path) as database:
        assert database.execute("SELECT count(*) FROM inputs").fetchone() == (4,)
    database.close()


def test_inputs_go_into_a_file_that_was_begun_anew(line: ProductLine, home: Path) -> None:
    inspector = Inspector(line)
    inspector.inspect(good_part(1))
    shutil.rmtree(home / "history")
    inspector.inspect(good_part(1))
    (record,) = History(line).records()
    assert Archive("washer", home).roster(record.learned_sha256) == Roster.of(line.manifest)


@pytest.fixture
def many(line: ProductLine) -> History:
    """1,000 inspections, of which each seventh is a reject, in two folders."""
    inspector = Inspector(line, keep=False)
    accept, reject = inspector.inspect(good_part(1)), inspector.inspect(bad_part(1))
    history = History(line)
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
    run: Command, line: ProductLine, home: Path, good: Path
) -> None:
    assert run("history", "washer").out == "No inspection of line washer is stored.\n"
    inspected(line, good)
    shutil.rmtree(line.folder)
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
    rewrite(home, dict.clear)
    assert listed(run)[0]["reason"] == "its stored inspection cannot be read"


def test_the_command_prints_what_came_of_it(run: Command, line: ProductLine, bad: Path) -> None:
    (identifier,) = inspected(line, bad)
    same = run("replay", identifier)
    assert (same.code, same.err) == (0, "")
    assert re.fullmatch(
        rf"washer:1 \(bad\.png, {TIME}\): reproduced: the same verdict, reject, bit by bit\.\n",
        same.out,
    )
    as_json = run("replay", identifier, "--json")
    assert as_json.code == 0
    assert Replayed.model_validate_json(as_json.out).reproduced
    assert json.loads(as_json.out)["reproduced"] is True
    save(bad, good_part(3))
    changed = run("replay", identifier, "--json")
    assert changed.code == 1
    assert [row["what"] for row in json.loads(changed.out)["changed"]] == ["image"]
    bad_id = run("replay", "washer")
    assert (bad_id.code, bad_id.out) == (2, "")
    assert bad_id.err == (
        "echo-iad: 'washer' names no inspection; expected LINE:NUMBER, such as washer:17, as "
        "echo-iad history LINE lists them\n"
    )
