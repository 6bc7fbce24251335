from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from echo import HistoryError, Inspection, Inspector, ProductLine, history_file
from echo import history as module
from echo.history import History, learned_sha256, slim
from echo.record import StoredAlreadyError
from experts.images import read_picture
from tests.conftest import Command, bad_part, good_part, save

ALPHA = 0.05


@pytest.fixture
def line(washer_home: Path, tmp_path: Path) -> ProductLine:
    """The line ``washer`` in a home of its own, without any history."""
    shutil.copytree(washer_home / "lines", tmp_path / "home" / "lines")
    return ProductLine.load("washer", home=tmp_path / "home")


@pytest.fixture(scope="module")
def inspections(washer_home: Path) -> list[Inspection]:
    """A good part and a bad one."""
    inspector = Inspector(ProductLine.load("washer", home=washer_home), keep=False)
    return [inspector.inspect(good_part(300)), inspector.inspect(bad_part(300))]


def named(inspection: Inspection, name: str, sha256: str = "0" * 64) -> Inspection:
    """The inspection as if it were of another image."""
    versions = inspection.versions.model_copy(update={"image_sha256": sha256})
    return inspection.model_copy(update={"image": name, "versions": versions})


def left(inspection: Inspection) -> str:
    """All but what is not kept."""
    fields = {"references", "steps", "clause_checks"}
    small = inspection.anomaly.model_copy(update={"patch_scores_HW": np.zeros((1, 1))})
    return inspection.model_copy(update={"anomaly": small}).model_dump_json(exclude=fields)


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run ``code`` in another process, where ``home`` and ``inspection`` are those given."""
    setup = "import sys\nfrom echo.line import ProductLine\nfrom echo.history import History\n"
    setup += "from experts.evidence import Inspection\nfrom pathlib import Path\n"
    setup += "line = ProductLine.load('washer', home=sys.argv[1])\n"
    setup += "inspection = Inspection.model_validate_json(Path(sys.argv[2]).read_text())\n"
    command = [sys.executable, "-c", setup + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_inspections_are_kept_with_all_that_rules_need(line: ProductLine, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    made = [Inspector(line).inspect(part) for part in (good_part(1), bad_part(1))]
    # Another process, so to say, long after.
    records = list(History(ProductLine.load("washer", home=tmp_path / "home")).records())
    assert [record.verdict for record in records] == ["accept", "reject"]
    assert before < records[0].time < records[1].time < datetime.now(UTC)
    for record, inspection in zip(records, made, strict=True):
        versions = inspection.versions
        assert (record.image, record.image_sha256) == ("array", versions.image_sha256)
        assert (record.knowledge_sha256, record.asked, record.alpha) == (None, None, ALPHA)
        assert record.learned_sha256 == learned_sha256(line.manifest)
        back = record.inspection()
        assert (back.references, back.steps, back.clause_checks) == ((), (), ())
        assert back.anomaly.patch_scores_HW.shape == (1, 1)
        assert back.anomaly.patch_scores_HW.max() == inspection.anomaly.patch_scores_HW.max()
        assert left(back) == left(inspection)
        for kept, region in zip(back.regions, inspection.regions, strict=True):
            assert (kept.mask == region.mask).all()
            assert kept.mask.any()


def test_an_inspector_that_keeps_nothing_leaves_no_file(line: ProductLine) -> None:
    assert Inspector(line, keep=False).inspect(good_part(1)).faults == ()
    history = History(line)
    assert (len(history), list(history.records()), list(history.newest())) == (0, [], [])
    assert not history.path.parent.exists()


def test_inspect_keeps_unless_told_otherwise(
    run: Command, line: ProductLine, tmp_path: Path
) -> None:
    part = save(tmp_path / "part.png", good_part(3))
    assert run("inspect", "washer", part, "--no-keep").code == 0
    assert len(History(line)) == 0
    assert run("inspect", "washer", part, part).code == 0
    assert [record.image for record in History(line).records()] == [str(part)] * 2


def test_the_oldest_go(
    line: ProductLine, inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 7)
    monkeypatch.setattr(module, "PAGE", 3)
    history = History(line)
    for number in range(20):
        history.add(named(inspections[number % 2], f"{number}.png", str(number % 10)), ALPHA)
    assert len(history) == 7
    assert [r.image for r in history.records()] == [f"{n}.png" for n in range(13, 20)]
    assert [r.verdict for r in history.records()] == ["reject", "accept"] * 3 + ["reject"]


def test_of_equal_images_the_newest_counts(
    line: ProductLine, inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    history = History(line)
    for number, sha256 in enumerate("abacabd"):
        history.add(named(inspections[0], f"{number}.png", sha256), ALPHA)
    assert [r.image for r in history.newest()] == ["6.png", "5.png", "4.png", "3.png"]


def test_reading_hinders_no_writer(line: ProductLine, inspections: list[Inspection]) -> None:
    history, other = History(line), History(line)
    for number in range(2):
        history.add(named(inspections[0], f"{number}.png"), ALPHA)
    seen = []
    for record in history.records():
        other.add(inspections[1], ALPHA)
        seen.append(record.image)
    assert seen == ["0.png", "1.png"]
    assert len(history) == 4


def test_a_history_survives_that_the_line_is_enrolled_anew(
    line: ProductLine, good_folder: Path, tmp_path: Path
) -> None:
    Inspector(line).inspect(good_part(1))
    files = sorted(good_folder.iterdir())
    for images, same in ((files, True), (files[:-1], False)):
        new = ProductLine.enroll("washer", images, home=tmp_path / "home", progress=False)
        (record,) = History(new).records()
        assert (record.learned_sha256 == learned_sha256(new.manifest)) is same


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


ADD_MANY = """
history = History(line)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    history.add(inspection.model_copy(update={"image": f"{sys.argv[4]}-{number}"}), 0.05)
"""


def test_processes_that_begin_a_history_and_write_at_once(
    line: ProductLine, inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(inspections[1]).model_dump_json())
    home, names = tmp_path / "home", "abcd"
    running = [run_python(ADD_MANY, home, stored, 50, name) for name in names]
    assert [process.communicate()[0] for process in running] == ["ready\n"] * len(names)
    assert [process.returncode for process in running] == [0] * len(names)
    images = [record.image for record in History(line).records()]
    assert sorted(images) == sorted(f"{name}-{n}" for name in names for n in range(50))
    for name in names:
        own = [image for image in images if image.startswith(name)]
        assert own == [f"{name}-{n}" for n in range(50)]


BEGIN_TOGETHER = """
import multiprocessing
fork = multiprocessing.get_context("fork")
together, told = fork.Barrier(6), fork.SimpleQueue()

def begin():
    for number in range(100):
        history = History(line)
        history.path = history.path.with_name(f"{number}.sqlite")
        together.wait()
        try:
            history.add(inspection, 0.05)
        except Exception as error:
            told.put(str(error))

Path(History(line).path).parent.mkdir()
running = [fork.Process(target=begin) for _ in range(6)]
for process in running:
    process.start()
for process in running:
    process.join()
print("all", *(told.get() for _ in iter(told.empty, True)), sep="\\n")
"""


def test_several_may_begin_a_history_at_the_same_moment(
    line: ProductLine, inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(inspections[0]).model_dump_json())
    printed, _ = run_python(BEGIN_TOGETHER, tmp_path / "home", stored).communicate()
    assert printed == "all\n"
    files = sorted(History(line).path.parent.glob("*.sqlite"))
    assert len(files) == 100
    for file in files:
        history = History(line)
        history.path = file
        assert len(history) == 6


def test_a_process_that_is_killed_leaves_whole_records(
    line: ProductLine, inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(inspections[1]).model_dump_json())
    history = History(line)
    process = run_python(ADD_MANY, tmp_path / "home", stored, 1_000_000, "a")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while len(history) < 20:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    records = list(history.records())
    assert [record.image for record in records] == [f"a-{n}" for n in range(len(records))]
    assert all(record.inspection().regions for record in records)
    history.close()
    with sqlite3.connect(history.path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


FORK = """
import os
history = History(line)
history.add(inspection, 0.05)
opened = history._database
child = os.fork()
for number in range(30):
    history.add(inspection, 0.05)
# SQLite forbids to use a file in a fork of the process that opened it.
assert (history._database is opened) == bool(child)
if child:
    assert os.waitpid(child, 0)[1] == 0
    print(len(history))
"""


def test_a_forked_process_opens_the_file_anew(
    line: ProductLine, inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(inspections[0]).model_dump_json())
    printed, _ = run_python(FORK, tmp_path / "home", stored).communicate()
    assert printed == "61\n"


def test_a_history_that_is_moved_away_is_begun_anew(
    line: ProductLine, inspections: list[Inspection]
) -> None:
    history = History(line)
    history.add(inspections[0], ALPHA)
    shutil.rmtree(history.path.parent)
    assert len(history) == 0
    history.add(inspections[1], ALPHA)
    assert [record.verdict for record in history.records()] == ["reject"]


def no_file(path: Path) -> None:
    path.mkdir()


def no_database(path: Path) -> None:
    path.write_bytes(b"no database, but long enough to be taken for one\n" * 100)


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE inspections (id INTEGER PRIMARY KEY)")
        database.execute("PRAGMA user_version = 1")
    database.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()


RIGHTS = "check the rights of its folder and the space on the disk"
ANEW = "move it away to begin anew"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_file, rf"cannot be used \(unable to open database file\); {RIGHTS}"),
        (no_database, rf"is damaged, or no history of .+ \(file is not a database\); {ANEW}"),
        (another_database, rf"is damaged, or no history of .+ \(.*has 1 columns .+\); {ANEW}"),
        (newer, "has format version 2, this Echo reads 1; update Echo, or move the file away .+"),
    ],
)
def test_a_history_that_cannot_be_used_stops_no_inspection(
    line: ProductLine, spoil: object, sentence: str
) -> None:
    history = History(line)
    history.path.parent.mkdir()
    assert callable(spoil)
    spoil(history.path)
    expected = re.compile(rf"{re.escape(str(history.path))}: {sentence}")
    inspector = Inspector(line)
    for part, verdict in ((good_part(1), "accept"), (bad_part(1), "reject")):
        inspection = inspector.inspect(part)
        assert inspection.verdict == verdict
        *judged, fault = inspection.faults
        assert expected.fullmatch(fault), fault
        # What people judged stands in the same file.
        assert judged in ([], [f"without what people judged: {fault}"])
    if spoil is not another_database:
        with pytest.raises(HistoryError, match=expected):
            len(history)
    with pytest.raises(HistoryError, match=rf"\A{re.escape(str(history.path))}: "):
        list(history.records())
    # Once it is out of the way, all is well again.
    history.path.rename(history.path.with_suffix(".away"))
    assert inspector.inspect(good_part(2)).faults == ()
    assert len(history) == 1


def test_a_damaged_page_is_told(line: ProductLine, inspections: list[Inspection]) -> None:
    history = History(line)
    for number in range(50):
        history.add(named(inspections[1], f"{number}.png"), ALPHA)
    history.close()
    raw = bytearray(history.path.read_bytes())
    for start in range(4096, len(raw), 4096):
        raw[start : start + 64] = bytes(range(64))
    history.path.write_bytes(raw)
    with pytest.raises(HistoryError, match=rf"is damaged, or no history .+; {ANEW}"):
        list(history.records())


def test_a_folder_that_cannot_be_made_is_told(line: ProductLine) -> None:
    (line.folder.parent.parent / "history").write_text("a file")
    (fault,) = Inspector(line).inspect(good_part(1)).faults
    assert fault == f"{History(line).path}: cannot be used (File exists); {RIGHTS}"


@pytest.fixture
def small_disk(line: ProductLine, inspections: list[Inspection]) -> Iterator[None]:
    """From here on, no file of this process may grow beyond 100 kB."""
    assert line.folder.exists()
    assert inspections
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_what_is_there(line: ProductLine, inspections: list[Inspection]) -> None:
    history = History(line)

    def fill() -> None:
        for number in range(1000):
            history.add(named(inspections[1], f"{number}.png"), ALPHA)

    with pytest.raises(HistoryError, match=rf"cannot be used \(.+\); {RIGHTS}"):
        fill()
    images = [record.image for record in history.records()]
    assert len(images) > 1
    assert images == [f"{n}.png" for n in range(len(images))]


def test_a_file_that_another_program_holds_costs_a_second(
    line: ProductLine, inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_file, "BUSY_S", 0.05)
    history = History(line)
    history.add(inspections[0], ALPHA)
    other = sqlite3.connect(history.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="is in use by another program"):
        history.add(inspections[0], ALPHA)
    assert len(history) == 1
    other.close()
    history.add(inspections[0], ALPHA)
    assert len(history) == 2


def test_what_cannot_be_written_is_told_in_a_sentence(
    line: ProductLine, inspections: list[Inspection]
) -> None:
    history = History(line)
    good = inspections[0]
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
    line: ProductLine, inspections: list[Inspection]
) -> None:
    good, bad = inspections
    history, other = History(line), History(line)
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
    line: ProductLine, inspections: list[Inspection]
) -> None:
    history, good = History(line), inspections[0]
    picture = read_picture(good_part(300))
    lacking = good.model_copy(update={"faults": ("rules", "without language model: no answer")})
    assert history.add(lacking, ALPHA, resume=True) == "washer:1"
    assert history.same(picture, ALPHA, None, None) is None
    other = good.model_copy(update={"faults": ("its rules: without language model: none",)})
    assert history.add(other, ALPHA, resume=True) == "washer:2"
    # One that lacks it later takes nothing away.
    history.add(lacking, ALPHA)
    assert history.same(picture, ALPHA, None, None) == ("washer:2", "accept")


def test_a_record_of_another_time_is_told(line: ProductLine, inspections: list[Inspection]) -> None:
    history = History(line)
    history.add(named(inspections[0], "part.png"), ALPHA)
    history.close()
    with sqlite3.connect(history.path) as database:
        ((text,),) = database.execute("SELECT inspection FROM inspections").fetchall()
        changed = json.dumps(json.loads(text) | {"mood": "good"})
        database.execute("UPDATE inspections SET inspection = ?", (changed,))
    database.close()
    (record,) = history.records()
    with pytest.raises(HistoryError, match=r"\Apart\.png: its stored inspection cannot be read"):
        record.inspection()


def test_threads_share_an_inspector(line: ProductLine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    history = History(line)
    inspection = Inspector(line, keep=False).inspect(good_part(1))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: history.add(named(inspection, f"{n}.png"), ALPHA), range(40)))
    assert {r.image for r in history.records()} == {f"{n}.png" for n in range(40)}


def test_the_file_is_closed_with_its_history(line: ProductLine) -> None:
    history = History(line)
    assert [path.name for path in line.folder.parent.parent.iterdir()] == ["lines"]
    Inspector(line).inspect(good_part(1))
    # SQLite removes its log when the last one closes the file.
    assert [path.name for path in history.path.parent.iterdir()] == ["washer.sqlite"]
