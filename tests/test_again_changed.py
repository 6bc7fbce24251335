"""Stored inspections replayed after an input changed: which one is told, and what it changed."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import echo
from echo import ProductLine, again, replay_inspection
from echo.cli_replay import replayed_sentences
from experts.decoder.encoder import DEFAULT_ENCODER, load_encoder
from tests.conftest import TIME, Command, good_part, save
from tests.histories import inspected, only, rewrite
from tests.test_teaching import PITS, SCRATCHES


def test_other_pixels(
    run: Command, washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    save(bad_photo, good_part(701))
    replayed = replay_inspection(identifier, home=own_home)
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


def test_a_line_that_was_extended(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    washer_line.add([good_part(800 + i) for i in range(3)], progress=False)
    replayed = replay_inspection(identifier, home=own_home)
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


def test_a_line_that_was_enrolled_anew(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    paths = [image.path for image in washer_line.manifest.images]
    anew = "line 'washer' was enrolled anew since"
    ProductLine.enroll("washer", paths[2:], home=own_home, progress=False)
    gone = replay_inspection(identifier, home=own_home)
    assert only(gone, "line") == f"{anew} without 2 of its 24 images of then"
    assert gone.differences
    # Of another seed, but with few images it chooses nothing.
    ProductLine.enroll("washer", paths, home=own_home, progress=False, seed=1)
    same = replay_inspection(identifier, home=own_home)
    assert only(same, "line") == f"{anew} from the same images, or shown other masks"
    assert replayed_sentences(same)[-1] == (
        "The result is the same nevertheless: reject, bit by bit."
    )


def test_a_line_that_was_taught(washer_line: ProductLine, own_home: Path, bad_photo: Path) -> None:
    (first,) = inspected(washer_line, bad_photo)
    taught = washer_line.teach("pit", PITS, progress=False)
    (second,) = inspected(taught, bad_photo)
    replayed = replay_inspection(first, home=own_home)
    assert only(replayed, "line") == (
        "line 'washer' was taught the kind 'pit' since (0 examples then, 3 now)"
    )
    assert replay_inspection(second, home=own_home).reproduced
    taught.teach("scratch", SCRATCHES, progress=False).forget("pit")
    told = [changed.sentence for changed in replay_inspection(second, home=own_home).changed]
    assert told == [
        "line 'washer' forgot the kind 'pit' since",
        "line 'washer' was taught the kind 'scratch' since (0 examples then, 3 now)",
    ]
    # As if it was made by an Echo that did not keep this.
    with sqlite3.connect(own_home / "history" / "washer.sqlite") as database:
        database.execute("DROP TABLE inputs")
    database.close()
    assert only(replay_inspection(first, home=own_home), "line") == (
        "line 'washer' was enrolled anew, extended or taught since; of what it was made is not kept"
    )


def test_another_alpha(washer_line: ProductLine, own_home: Path, bad_photo: Path) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    paths = [image.path for image in washer_line.manifest.images]
    ProductLine.enroll("washer", paths, alpha=0.1, home=own_home, progress=False)
    replayed = replay_inspection(identifier, home=own_home)
    assert only(replayed, "alpha") == "alpha was 5.0% then and is 10.0% now"
    assert "anomaly.limit" in {difference.field for difference in replayed.differences}


def test_other_weights(
    run: Command, washer_line: ProductLine, bad_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    monkeypatch.setattr(load_encoder(DEFAULT_ENCODER), "weights_sha256", "f" * 64)
    replayed = replay_inspection(identifier, home=washer_line.home)
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
    washer_line: ProductLine, own_home: Path, bad_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)
    monkeypatch.setattr(again, "__version__", "9.0.0")
    replayed = replay_inspection(identifier, home=own_home)
    assert only(replayed, "echo") == (f"Echo was version {echo.__version__} then and is 9.0.0 now")
    assert (replayed.after, replayed.differences) == ("reject", ())


def test_another_machine_counts_if_the_result_differs(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo)

    def elsewhere(stored: dict[str, Any]) -> None:
        stored["versions"]["machine"]["processor"] = "Abacus"

    def otherwise(stored: dict[str, Any]) -> None:
        stored["anomaly"]["score"] += 1e-6

    rewrite(own_home, elsewhere)
    assert replay_inspection(identifier, home=own_home).reproduced
    rewrite(own_home, otherwise)
    replayed = replay_inspection(identifier, home=own_home)
    assert re.fullmatch(
        r"it was computed on Abacus, \d+ threads?, torch \S+ then, on .+ now; another machine may "
        "round the last digits otherwise",
        only(replayed, "machine"),
    )
    assert [difference.field for difference in replayed.differences] == ["anomaly.score"]

    def unknown(stored: dict[str, Any]) -> None:
        del stored["versions"]["machine"]

    rewrite(own_home, unknown)
    replayed = replay_inspection(identifier, home=own_home)
    told = replayed_sentences(replayed)
    assert (replayed.reproduced, replayed.changed) == (False, ())
    assert told[0].endswith(": no inputs have changed since.")
    assert told[1].startswith("The verdict is the same, reject, but 1 value differs, such as anom")
    assert told[2].startswith("On which machine it was computed was not noted then; another ")
