"""Which inspections a history keeps, of what they consist, and which count."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from echo import HistoryError, Inspection, Inspector, ProductLine
from echo import history as module
from echo.history import History, learned_sha256
from echo.record import StoredAlreadyError
from experts.images import read_picture
from tests.conftest import Command, bad_part, good_part, save
from tests.histories import named

ALPHA = 0.05


def left(inspection: Inspection) -> str:
    """All but what is not kept."""
    small = inspection.anomaly.model_copy(update={"patch_scores_HW": np.zeros((1, 1))})
    return inspection.model_copy(update={"anomaly": small}).model_dump_json()


def test_inspections_are_kept_with_all_that_rules_need(
    washer_line: ProductLine, tmp_path: Path
) -> None:
    before = datetime.now(UTC)
    made = [Inspector(washer_line).inspect(part) for part in (good_part(1), bad_part(1))]
    # Another process, so to say, long after.
    records = list(History(ProductLine.load("washer", home=tmp_path / "home")).records())
    assert [record.verdict for record in records] == ["accept", "reject"]
    assert before < records[0].time < records[1].time < datetime.now(UTC)
    for record, inspection in zip(records, made, strict=True):
        versions = inspection.versions
        assert (record.image, record.image_sha256) == ("array", versions.image_sha256)
        assert (record.knowledge_sha256, record.asked, record.alpha) == (None, None, ALPHA)
        assert record.learned_sha256 == learned_sha256(washer_line.manifest)
        back = record.inspection()
        assert back.references
        assert back.steps
        assert back.anomaly.patch_scores_HW.shape == (1, 1)
        assert back.anomaly.patch_scores_HW.max() == inspection.anomaly.patch_scores_HW.max()
        assert left(back) == left(inspection)
        for kept, region in zip(back.regions, inspection.regions, strict=True):
            assert (kept.mask == region.mask).all()
            assert kept.mask.any()


def test_an_inspector_that_keeps_nothing_leaves_no_file(washer_line: ProductLine) -> None:
    assert Inspector(washer_line, keep=False).inspect(good_part(1)).faults == ()
    history = History(washer_line)
    assert (len(history), list(history.records()), list(history.newest())) == (0, [], [])
    assert not history.path.parent.exists()


def test_inspect_keeps_unless_told_otherwise(
    run: Command, washer_line: ProductLine, tmp_path: Path
) -> None:
    part = save(tmp_path / "part.png", good_part(3))
    assert run("inspect", "washer", part, "--no-keep").code == 0
    assert len(History(washer_line)) == 0
    assert run("inspect", "washer", part, part).code == 0
    assert [record.image for record in History(washer_line).records()] == [str(part)] * 2


def test_the_oldest_go(
    washer_line: ProductLine, washer_inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 7)
    monkeypatch.setattr(module, "PAGE", 3)
    history = History(washer_line)
    for number in range(20):
        history.add(named(washer_inspections[number % 2], f"{number}.png", str(number % 10)), ALPHA)
    assert len(history) == 7
    assert [r.image for r in history.records()] == [f"{n}.png" for n in range(13, 20)]
    assert [r.verdict for r in history.records()] == ["reject", "accept"] * 3 + ["reject"]


def test_of_equal_images_the_newest_counts(
    washer_line: ProductLine, washer_inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    history = History(washer_line)
    for number, sha256 in enumerate("abacabd"):
        history.add(named(washer_inspections[0], f"{number}.png", sha256), ALPHA)
    assert [r.image for r in history.newest()] == ["6.png", "5.png", "4.png", "3.png"]


def test_reading_hinders_no_writer(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history, other = History(washer_line), History(washer_line)
    for number in range(2):
        history.add(named(washer_inspections[0], f"{number}.png"), ALPHA)
    seen = []
    for record in history.records():
        other.add(washer_inspections[1], ALPHA)
        seen.append(record.image)
    assert seen == ["0.png", "1.png"]
    assert len(history) == 4


def test_a_history_survives_that_the_line_is_enrolled_anew(
    washer_line: ProductLine, good_folder: Path, tmp_path: Path
) -> None:
    Inspector(washer_line).inspect(good_part(1))
    files = sorted(good_folder.iterdir())
    for images, same in ((files, True), (files[:-1], False)):
        new = ProductLine.enroll("washer", images, home=tmp_path / "home", progress=False)
        (record,) = History(new).records()
        assert (record.learned_sha256 == learned_sha256(new.manifest)) is same


@pytest.mark.usefixtures("small_inputs")
def test_a_line_has_learned_the_same_whatever_its_rules(tmp_path: Path) -> None:
    rules = tmp_path / "washer.yaml"
    rules.write_text("product: washer\nnormal: Stripes.\nalpha: 0.4\n")
    parts = [good_part(i) for i in range(4)]
    line = ProductLine.enroll("washer", parts, rules, home=tmp_path, progress=False)
    rules.write_text(rules.read_text().replace("0.4", "0.3"))
    Inspector(line).inspect(good_part(9))
    edited = ProductLine.load("washer", home=tmp_path)
    assert edited.sha256 != line.sha256
    assert learned_sha256(edited.manifest) == learned_sha256(line.manifest)
    (record,) = History(edited).records()
    assert (record.alpha, record.knowledge_sha256) == (0.3, edited.knowledge_sha256)


def test_what_cannot_be_written_is_told_in_a_sentence(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history = History(washer_line)
    good = washer_inspections[0]
    words = good.decision.model_copy(update={"reason": "half of a character: \ud83d"})
    for one in (named(good, "\udcff.png"), good.model_copy(update={"decision": words})):
        with pytest.raises(HistoryError, match=r"its inspection cannot be stored \(.+ rename it\Z"):
            history.add(one, ALPHA)
    # Nothing is wrong with the file, so nobody is told to move it away.
    for call in (
        lambda: history.add(good, ALPHA, asked="\udcff"),
        lambda: list(history.listed(image="\udcff")),
    ):
        with pytest.raises(HistoryError, match=r"cannot hold '.+', which has broken characters"):
            call()
    assert len(history) == 0
    assert history.add(good, ALPHA) == "washer:1"


def test_of_runs_that_resume_one_keeps_an_inspection(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    good, bad = washer_inspections
    history, other = History(washer_line), History(washer_line)
    assert history.add(bad, ALPHA, resume=True) == "washer:1"
    with pytest.raises(StoredAlreadyError, match=r"\Awasher:1: the same is stored already") as same:
        other.add(bad, ALPHA, resume=True)
    assert (same.value.id, same.value.verdict) == ("washer:1", "reject")
    for number, (one, alpha, asked) in enumerate(
        [(good, ALPHA, None), (bad, 0.1, None), (bad, ALPHA, "top"), (named(bad, "b"), ALPHA, None)]
    ):
        assert other.add(one, alpha, asked, resume=True) == f"washer:{number + 2}"
    # Who does not resume stores what it is told to.
    assert history.add(bad, ALPHA) == "washer:6"


def test_what_lacks_its_language_model_is_not_the_same(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history, good = History(washer_line), washer_inspections[0]
    picture = read_picture(good_part(300))
    lacking = good.model_copy(update={"faults": ("rules", "without language model: no answer")})
    assert history.add(lacking, ALPHA, resume=True) == "washer:1"
    assert history.same(picture, ALPHA, None, None) is None
    other = good.model_copy(update={"faults": ("its rules: without language model: none",)})
    assert history.add(other, ALPHA, resume=True) == "washer:2"
    # One that lacks it later takes nothing away.
    history.add(lacking, ALPHA)
    assert history.same(picture, ALPHA, None, None) == ("washer:2", "accept")


def test_a_record_of_another_time_is_told(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history = History(washer_line)
    history.add(named(washer_inspections[0], "part.png"), ALPHA)
    history.close()
    with sqlite3.connect(history.path) as database:
        ((text,),) = database.execute("SELECT inspection FROM inspections").fetchall()
        changed = json.dumps(json.loads(text) | {"mood": "good"})
        database.execute("UPDATE inspections SET inspection = ?", (changed,))
    database.close()
    (record,) = history.records()
    with pytest.raises(HistoryError, match=r"\Apart\.png: its stored inspection cannot be read"):
        record.inspection()
