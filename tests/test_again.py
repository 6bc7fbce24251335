"""Stored inspections replayed: the same, bit by bit, or which of their inputs changed."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from echo import HistoryError, ImageError, LineError, ProductLine, Replayed, replay_inspection
from echo.history import History
from echo.machine import as_many_threads_as, this_machine
from tests.conftest import TIME, Command, bad_part, good_part, save
from tests.histories import inspected, rewrite


def test_the_same_bit_by_bit(
    washer_line: ProductLine, own_home: Path, bad_photo: Path, good_photo: Path
) -> None:
    ids = inspected(washer_line, bad_photo, good_photo, bad_photo)
    for identifier, path, verdict in zip(
        ids, (bad_photo, good_photo, bad_photo), "rar", strict=True
    ):
        replayed = replay_inspection(identifier, home=own_home)
        assert replayed.reproduced
        assert (replayed.id, replayed.image) == (identifier, str(path))
        assert replayed.before == replayed.after
        assert replayed.before[0] == verdict
        assert (replayed.changed, replayed.differences, replayed.notes) == ((), (), ())
    assert len(History(washer_line)) == 3, "a replay stores nothing"


REPLAY = "import sys, echo; print(echo.replay_inspection(*sys.argv[1:]).model_dump_json())"


def in_another_process(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_another_process_reproduces_it_on_as_many_threads(
    washer_line: ProductLine, own_home: Path, bad_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    made = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        (made[threads],) = inspected(washer_line, bad_photo)
    torch.set_num_threads(before)
    noted = [record.inspection().versions.machine for record in History(washer_line).records()]
    assert [machine and machine.threads for machine in noted] == [1, 2]
    for others, threads in (("2", 1), ("1", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", others)
        printed, _ = in_another_process(REPLAY, made[threads], bad_photo, own_home).communicate()
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


def test_beside_a_line_that_is_inspecting(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    running = in_another_process(INSPECT_MANY, own_home)
    assert running.stdout is not None
    assert running.stdout.readline() == "0\n"
    replayed = [replay_inspection(identifier, home=own_home) for _ in range(5)]
    rest, _ = running.communicate()
    assert all(one.reproduced for one in replayed)
    assert (running.returncode, rest.split()) == (0, [str(n) for n in range(1, 25)])
    assert [r.id for r in History(washer_line).records()] == [f"washer:{n}" for n in range(1, 27)]


def test_an_image_that_was_no_file_has_to_be_given(
    washer_line: ProductLine, own_home: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_part(700))
    with pytest.raises(
        ImageError, match=r"washer:1: its image .+ again \(it was not given as a file\); say where"
    ):
        replay_inspection(identifier, home=own_home)
    assert replay_inspection(identifier, bad_part(700), own_home).reproduced


def test_an_image_that_is_gone_has_to_be_given(
    run: Command,
    washer_line: ProductLine,
    bad_photo: Path,
    good_photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(bad_photo.parent)
    inspected(washer_line, bad_photo, Path("bad.png"))
    moved = bad_photo.rename(bad_photo.with_name("moved.png"))
    gone = run("replay", "washer:1")
    assert (gone.code, gone.out) == (2, "")
    assert gone.err == (
        f"echo-iad: washer:1: its image cannot be read again ({bad_photo}: there is no such file); "
        "say where it is: echo-iad replay washer:1 --image FILE\n"
    )
    assert (
        f"(bad.png: there is no such file, seen from {bad_photo.parent})"
        in run("replay", "washer:2").err
    )
    assert run("replay", "washer:1", "--image", moved).code == 0
    missing = run("replay", "washer:1", "--image", bad_photo)
    assert (missing.code, missing.err) == (
        2,
        f"echo-iad: {bad_photo}: there is no such file; check the path\n",
    )


def test_how_it_is_stored_does_not_count(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)

    def packed_otherwise(stored: dict[str, Any]) -> None:
        mask = stored["regions"][0]["mask"]
        raw = zlib.decompress(base64.b64decode(mask["zlib_base64"]))
        mask["zlib_base64"] = base64.b64encode(zlib.compress(raw, 0)).decode()

    rewrite(own_home, packed_otherwise)
    # Nor how another Echo describes the same line.
    with sqlite3.connect(own_home / "history" / "washer.sqlite") as database:
        database.execute("UPDATE inspections SET learned_sha256 = '0'")
    database.close()
    assert replay_inspection(identifier, home=own_home).reproduced

    def another_mask(stored: dict[str, Any]) -> None:
        mask = stored["regions"][0]["mask"]
        height, width = mask["shape"]
        mask["zlib_base64"] = base64.b64encode(zlib.compress(bytes(height * width))).decode()

    rewrite(own_home, another_mask)
    replayed = replay_inspection(identifier, home=own_home)
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
def test_what_names_no_inspection(identifier: str, own_home: Path) -> None:
    with pytest.raises(HistoryError, match="names no inspection; expected LINE:NUMBER, such as "):
        replay_inspection(identifier, home=own_home)


def test_an_inspection_that_is_not_stored(
    run: Command,
    washer_line: ProductLine,
    own_home: Path,
    good_photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = "washer:9: no such inspection is stored, of this line"
    none = run("replay", "washer:9")
    assert (none.code, none.out) == (2, "")
    assert none.err == f"echo-iad: {missing} none; see which: echo-iad history washer\n"
    monkeypatch.setattr("echo.history.MAX_KEPT", 2)
    assert inspected(washer_line, good_photo, good_photo, good_photo) == [
        "washer:1",
        "washer:2",
        "washer:3",
    ]
    some = f"{missing} those from washer:2 to washer:3; see which: echo-iad history washer"
    assert run("replay", "washer:9").err == f"echo-iad: {some}\n"
    with pytest.raises(HistoryError, match="washer:1: no such inspection"):
        replay_inspection("washer:1", home=own_home)
    with pytest.raises(LineError, match="no line 'nut'"):
        replay_inspection("nut:1", home=own_home)


def test_what_cannot_be_read(washer_line: ProductLine, own_home: Path, bad_photo: Path) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    (washer_line.folder / "decoder.safetensors").write_bytes(b"broken")
    with pytest.raises(LineError, match="line 'washer' is damaged"):
        replay_inspection(identifier, home=own_home)
    rewrite(own_home, dict.clear)
    with pytest.raises(HistoryError, match="its stored inspection cannot be read by this Echo"):
        replay_inspection(identifier, home=own_home)
    bad_photo.write_bytes(b"no image")
    with pytest.raises(HistoryError, match="its stored inspection cannot be read by this Echo"):
        replay_inspection(identifier, home=own_home)


def test_the_command_prints_what_came_of_it(
    run: Command, washer_line: ProductLine, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
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
    save(bad_photo, good_part(3))
    changed = run("replay", identifier, "--json")
    assert changed.code == 1
    assert [row["what"] for row in json.loads(changed.out)["changed"]] == ["image"]
    bad_id = run("replay", "washer")
    assert (bad_id.code, bad_id.out) == (2, "")
    assert bad_id.err == (
        "echo-iad: 'washer' names no inspection; expected LINE:NUMBER, such as washer:17, as "
        "echo-iad history LINE lists them\n"
    )
