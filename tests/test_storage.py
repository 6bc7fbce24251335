from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from echo.inspector import Inspector
from echo.line import ProductLine
from echo.storage import (
    folders,
    hash_files,
    recover,
    replace_folder,
    writable_folder,
    write_bytes,
    write_chunks,
)
from experts.errors import LineError, OutputError
from tests.conftest import bad_part


def run_killed(code: str, *arguments: Path) -> None:
    """Run ``code``, which must end by killing its own process."""
    setup = "import os, signal, sys\nfrom pathlib import Path\nfrom echo import storage\n"
    setup += "def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)\n"
    command = [sys.executable, "-c", setup + code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr


def fill(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "text").write_text(text)
    return folder


def text_in(folder: Path) -> str:
    return (folder / "text").read_text()


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, but for locks, which stay."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_write_bytes_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"old", b"", b"new" * 100_000):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert names_in(tmp_path) == ["a.bin"]


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_bytes(path, b"data")
    assert path.read_bytes() == b"data"
    assert names_in(tmp_path) == [path.name]


def test_chunks_that_break_off_keep_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_chunks(path, iter([b"o", b"ld"]))

    def chunks() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        write_chunks(path, chunks())
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.bin"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from experts.errors import OutputError\n"
        "try: storage.write_bytes(Path(sys.argv[1]), bytes(5000))\n"
        "except OutputError as error: print(error); die()"
    )
    run_killed(code, path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.bin"]


def test_a_write_that_is_killed_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    run_killed("storage.os.fsync = die\nstorage.write_bytes(Path(sys.argv[1]), b'new')", path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["folder", "file/below", "missing/below"])
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a regular file")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(OutputError, match=rf"\A{re.escape(str(path))}: cannot be written \(.+\)\Z"):
        write_bytes(path, b"data")
    assert names_in(tmp_path) == ["file", "folder"]


def test_replace_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "lines" / "washer"
    for text in ("first", "second"):
        with replace_folder(folder) as staging:
            (staging / "text").write_text(text)
        assert text_in(folder) == text
        assert names_in(folder.parent) == ["washer"]
        assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_inside_keeps_the_old_folder(
    tmp_path: Path, error: type[BaseException]
) -> None:
    folder = fill(tmp_path / "washer", "old")

    def replace() -> None:
        with replace_folder(folder) as staging:
            (staging / "text").write_text("new")
            raise error

    with pytest.raises(error):
        replace()
    assert text_in(folder) == "old"
    assert names_in(tmp_path) == ["washer"]


def test_errors_of_the_block_are_not_the_folder_s(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")

    def replace(error: OSError) -> None:
        with replace_folder(folder):
            raise error

    with pytest.raises(FileNotFoundError, match="elsewhere"):
        replace(FileNotFoundError(errno.ENOENT, "No such file", "elsewhere"))
    with pytest.raises(LineError, match=rf"\A{folder}: cannot be written \(full\); check the "):
        replace(OSError(errno.ENOSPC, "full"))
    assert text_in(folder) == "old"
    assert names_in(tmp_path) == ["washer"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_folder_is_not_replaced(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / "washer"
    make(folder)
    sentence = f"{folder}: is not a folder; move it away, then enrol again"
    with pytest.raises(LineError, match=rf"\A{re.escape(sentence)}\Z"), replace_folder(folder):
        pass
    assert names_in(tmp_path) == ["washer"]
    folder.unlink()
    with replace_folder(folder) as staging:
        (staging / "text").write_text("new")
    assert text_in(folder) == "new"


def test_a_file_that_lies_where_the_old_folder_goes(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    (tmp_path / ".washer.old").write_text("a regular file")
    recover(folder)
    assert folders(tmp_path) == [folder]
    with replace_folder(folder) as staging:
        (staging / "text").write_text("new")
    assert text_in(folder) == "new"
    assert names_in(tmp_path) == ["washer"]


def test_a_linked_folder_is_replaced_and_what_it_links_to_stays(tmp_path: Path) -> None:
    target = fill(tmp_path / "target", "old")
    folder = tmp_path / "washer"
    folder.symlink_to(target)
    with replace_folder(folder) as staging:
        (staging / "text").write_text("new")
    assert (text_in(folder), text_in(target)) == ("new", "old")
    assert names_in(tmp_path) == ["target", "washer"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a regular file")
    folder = tmp_path / "file" / "washer"
    sentence = rf"\A{re.escape(str(folder))}: cannot be written \(.+\); check the folder's rights"
    with pytest.raises(LineError, match=sentence), replace_folder(folder):
        pass


def test_killed_before_the_swap_keeps_the_old_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    run_killed(
        "with storage.replace_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'text').write_text('new'); die()",
        folder,
    )
    assert text_in(folder) == "old"
    assert folders(tmp_path) == [folder]
    assert len(names_in(tmp_path)) == 2
    with replace_folder(folder) as staging:
        (staging / "text").write_text("newest")
    assert text_in(folder) == "newest"
    assert names_in(tmp_path) == ["washer"]


CUT_BETWEEN_THE_RENAMES = """
rename = Path.rename
def once(self, target):
    Path.rename = die
    return rename(self, target)
with storage.replace_folder(Path(sys.argv[1])) as staging:
    (staging / "text").write_text("new")
    Path.rename = once
"""


def test_killed_between_the_renames_is_recovered(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    for bring_back in (lambda: recover(folder), lambda: folders(tmp_path)):
        run_killed(CUT_BETWEEN_THE_RENAMES, folder)
        assert not folder.exists()
        bring_back()
        assert text_in(folder) == "old"
        assert not (tmp_path / ".washer.old").exists()


def test_killed_between_the_renames_and_replaced_again(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    run_killed(CUT_BETWEEN_THE_RENAMES, folder)
    with pytest.raises(ValueError, match="stop"), replace_folder(folder):
        raise ValueError("stop")
    assert text_in(folder) == "old"
    assert names_in(tmp_path) == ["washer"]


def test_killed_after_the_renames_is_the_new_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    code = (
        "with storage.replace_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'text').write_text('new'); storage.shutil.rmtree = die"
    )
    run_killed(code, folder)
    assert folders(tmp_path) == [folder]
    assert text_in(folder) == "new"
    recover(folder)
    assert names_in(tmp_path) == ["washer"]


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    folder = fill(tmp_path / "washer", "old")
    code = (
        "import sys; from pathlib import Path; from echo.storage import replace_folder\n"
        "with replace_folder(Path(sys.argv[1])):\n"
        "    print('inside', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "inside\n"
        sentence = "line 'washer' is being written by another process; try again later"
        with pytest.raises(LineError, match=rf"\A{sentence}\Z"), replace_folder(folder):
            pass
        folder.rename(tmp_path / ".washer.old")
        recover(folder)
        assert not folder.exists(), "the first process is still at work there"
        (tmp_path / ".washer.old").rename(folder)
        first.stdin.close()
    assert first.returncode == 0
    assert names_in(folder) == []


def test_a_line_whose_name_begins_like_another_s_is_left_alone(tmp_path: Path) -> None:
    other = fill(tmp_path / "washer.new-2", "old")
    run_killed(CUT_BETWEEN_THE_RENAMES, other)
    with replace_folder(tmp_path / "washer"):
        pass
    assert other in folders(tmp_path)


def test_folders_are_the_visible_ones(tmp_path: Path) -> None:
    assert folders(tmp_path / "missing") == []
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def test_hash_files(tmp_path: Path) -> None:
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "sub" / "a").write_bytes(b"1")
    assert list(hash_files(tmp_path).items()) == [
        ("b", hashlib.sha256(b"2").hexdigest()),
        ("sub/a", hashlib.sha256(b"1").hexdigest()),
    ]


def test_writable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    assert writable_folder(folder) == writable_folder(folder) == folder
    assert names_in(folder) == []
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        sentence = rf"\A{re.escape(str(bad))}: cannot be written \(.+\); choose another folder\Z"
        with pytest.raises(OutputError, match=sentence):
            writable_folder(bad)


ENROL_UNTIL_KILLED = """
from echo.line import ProductLine
storage.hash_files = die
ProductLine.enroll("washer", sys.argv[1], home=sys.argv[2])
"""


def test_enrolment_that_is_killed_leaves_the_old_line(
    tmp_path: Path, washer_home: Path, good_folder: Path
) -> None:
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    before = ProductLine.load("washer", home=home)
    some = tmp_path / "some"
    some.mkdir()
    for path in sorted(good_folder.iterdir())[:4]:
        os.link(path, some / path.name)

    def inspection(line: ProductLine) -> str:
        return Inspector(line).inspect(bad_part(1)).model_dump_json(exclude={"timings_ms"})

    expected = inspection(before)
    run_killed(ENROL_UNTIL_KILLED, some, home)
    assert len(names_in(home / "lines")) == 2, "it was killed while a staging folder was there"
    after = ProductLine.load("washer", home=home)
    assert after.sha256 == before.sha256
    assert inspection(after) == expected
    assert [line.name for line in ProductLine.list(home=home)] == ["washer"]
