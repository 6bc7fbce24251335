"""Stored inspections replayed: the same, bit by bit, or which of their inputs changed."""

from __future__ import annotations

import base64
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
    again,
    replay_inspection,
)
from echo.cli_replay import replayed_sentences
from echo.history import History
from echo.machine import as_many_threads_as, this_machine
from experts.decoder.encoder import DEFAULT_ENCODER, load_encoder
from tests.conftest import Command, bad_part, good_part, save
from tests.test_teaching import PITS, SCRATCHES

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
