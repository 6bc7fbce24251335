"""The file of a history, when others write it, when it is damaged, when its disk is full."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from echo import HistoryError, Inspection, Inspector, ProductLine, history_file
from echo.history import History, slim
from tests.conftest import bad_part, good_part
from tests.histories import named, no_database

ALPHA = 0.05


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run ``code`` in another process, where ``home`` and ``inspection`` are those given."""
    setup = "import sys\nfrom echo.line import ProductLine\nfrom echo.history import History\n"
    setup += "from experts.evidence import Inspection\nfrom pathlib import Path\n"
    setup += "line = ProductLine.load('washer', home=sys.argv[1])\n"
    setup += "inspection = Inspection.model_validate_json(Path(sys.argv[2]).read_text())\n"
    command = [sys.executable, "-c", setup + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


ADD_MANY = """
history = History(line)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    history.add(inspection.model_copy(update={"image": f"{sys.argv[4]}-{number}"}), 0.05)
"""


def test_processes_that_begin_a_history_and_write_at_once(
    washer_line: ProductLine, washer_inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(washer_inspections[1]).model_dump_json())
    home, names = tmp_path / "home", "abcd"
    running = [run_python(ADD_MANY, home, stored, 50, name) for name in names]
    assert [process.communicate()[0] for process in running] == ["ready\n"] * len(names)
    assert [process.returncode for process in running] == [0] * len(names)
    images = [record.image for record in History(washer_line).records()]
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
    washer_line: ProductLine, washer_inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(washer_inspections[0]).model_dump_json())
    printed, _ = run_python(BEGIN_TOGETHER, tmp_path / "home", stored).communicate()
    assert printed == "all\n"
    files = sorted(History(washer_line).path.parent.glob("*.sqlite"))
    assert len(files) == 100
    for file in files:
        history = History(washer_line)
        history.path = file
        assert len(history) == 6


def test_a_process_that_is_killed_leaves_whole_records(
    washer_line: ProductLine, washer_inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(washer_inspections[1]).model_dump_json())
    history = History(washer_line)
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
    washer_line: ProductLine, washer_inspections: list[Inspection], tmp_path: Path
) -> None:
    stored = tmp_path / "inspection.json"
    stored.write_text(slim(washer_inspections[0]).model_dump_json())
    printed, _ = run_python(FORK, tmp_path / "home", stored).communicate()
    assert printed == "61\n"


def test_a_history_that_is_moved_away_is_begun_anew(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history = History(washer_line)
    history.add(washer_inspections[0], ALPHA)
    shutil.rmtree(history.path.parent)
    assert len(history) == 0
    history.add(washer_inspections[1], ALPHA)
    assert [record.verdict for record in history.records()] == ["reject"]


def no_file(path: Path) -> None:
    path.mkdir()


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
    washer_line: ProductLine, spoil: object, sentence: str
) -> None:
    history = History(washer_line)
    history.path.parent.mkdir()
    assert callable(spoil)
    spoil(history.path)
    expected = re.compile(rf"{re.escape(str(history.path))}: {sentence}")
    inspector = Inspector(washer_line)
    for part, verdict in ((good_part(1), "accept"), (bad_part(1), "reject")):
        inspection = inspector.inspect(part)
        assert inspection.verdict == verdict
        # What people judged stands in the same file: it is told once.
        (fault,) = inspection.faults
        told = fault.removeprefix("not stored, and without what people judged: ")
        assert expected.fullmatch(told), fault
        assert (told == fault) is (spoil is another_database)
    if spoil is not another_database:
        with pytest.raises(HistoryError, match=expected):
            len(history)
    with pytest.raises(HistoryError, match=rf"\A{re.escape(str(history.path))}: "):
        list(history.records())
    # Once it is out of the way, all is well again.
    history.path.rename(history.path.with_suffix(".away"))
    assert inspector.inspect(good_part(2)).faults == ()
    assert len(history) == 1


def test_a_damaged_page_is_told(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history = History(washer_line)
    for number in range(50):
        history.add(named(washer_inspections[1], f"{number}.png"), ALPHA)
    history.close()
    raw = bytearray(history.path.read_bytes())
    for start in range(4096, len(raw), 4096):
        raw[start : start + 64] = bytes(range(64))
    history.path.write_bytes(raw)
    with pytest.raises(HistoryError, match=rf"is damaged, or no history .+; {ANEW}"):
        list(history.records())


def test_a_folder_that_cannot_be_made_is_told(washer_line: ProductLine) -> None:
    (washer_line.folder.parent.parent / "history").write_text("a file")
    (fault,) = Inspector(washer_line).inspect(good_part(1)).faults
    assert fault == f"{History(washer_line).path}: cannot be used (File exists); {RIGHTS}"


@pytest.fixture
def small_disk(washer_line: ProductLine, washer_inspections: list[Inspection]) -> Iterator[None]:
    """From here on, no file of this process may grow beyond 100 kB."""
    assert washer_line.folder.exists()
    assert washer_inspections
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_what_is_there(
    washer_line: ProductLine, washer_inspections: list[Inspection]
) -> None:
    history = History(washer_line)

    def fill() -> None:
        for number in range(1000):
            history.add(named(washer_inspections[1], f"{number}.png"), ALPHA)

    with pytest.raises(HistoryError, match=rf"cannot be used \(.+\); {RIGHTS}"):
        fill()
    images = [record.image for record in history.records()]
    assert len(images) > 1
    assert images == [f"{n}.png" for n in range(len(images))]


def test_a_file_that_another_program_holds_costs_a_second(
    washer_line: ProductLine, washer_inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_file, "BUSY_S", 0.05)
    history = History(washer_line)
    history.add(washer_inspections[0], ALPHA)
    other = sqlite3.connect(history.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="is in use by another program"):
        history.add(washer_inspections[0], ALPHA)
    assert len(history) == 1
    other.close()
    history.add(washer_inspections[0], ALPHA)
    assert len(history) == 2


def test_threads_share_an_inspector(washer_line: ProductLine) -> None:
    history = History(washer_line)
    inspection = Inspector(washer_line, keep=False).inspect(good_part(1))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: history.add(named(inspection, f"{n}.png"), ALPHA), range(40)))
    assert {r.image for r in history.records()} == {f"{n}.png" for n in range(40)}


def test_the_file_is_closed_with_its_history(washer_line: ProductLine) -> None:
    history = History(washer_line)
    assert [path.name for path in washer_line.folder.parent.parent.iterdir()] == ["lines"]
    Inspector(washer_line).inspect(good_part(1))
    # SQLite removes its log when the last one closes the file.
    assert [path.name for path in history.path.parent.iterdir()] == ["washer.sqlite"]
