"""The commands that enrol, list and inspect, and what they print."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from echo.inspector import Failure, Inspected, Inspector, LeftOut
from echo.line import ProductLine
from experts.errors import ImageError
from experts.evidence import Inspection
from experts.images import ImageSource
from tests.conftest import ENROLLED, Command, Run, bad_part, good_part, save

pytestmark = pytest.mark.usefixtures("at_washer_home")


def test_enrol_with_an_unknown_encoder(run: Command, tmp_path: Path) -> None:
    for seed in range(2):
        save(tmp_path / "good" / f"{seed}.png", good_part(seed))
    home = ("--home", tmp_path / "home")
    enrolled = run("enroll", "ring", tmp_path / "good", "--encoder", "nope", *home)
    assert (enrolled.code, enrolled.out) == (2, "")
    assert enrolled.err.startswith("echo-iad: unknown encoder 'nope'")


def test_enrolling_copies_is_said(run: Command, tmp_path: Path) -> None:
    for seed in (0, 1, 1, 0):
        number = len(list(tmp_path.glob("good/*.png")))
        save(tmp_path / "good" / f"{number}.png", good_part(seed))
    enrolled = run("enroll", "ring", tmp_path / "good", "--home", tmp_path / "home")
    assert enrolled.out.splitlines()[0].startswith("Enrolled ring from 2 images: ")
    assert enrolled.out.splitlines()[1] == "2 copies of others were left out."


def test_enrol_then_list_then_inspect(run: Command, tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / "good" / f"{seed}.png", good_part(seed))
    home = ("--home", tmp_path / "home")
    enrolled = run("enroll", "ring.1", tmp_path / "good", "--alpha", "0.25", *home)
    assert (enrolled.code, enrolled.err) == (0, "")
    assert enrolled.out.splitlines() == [
        "Enrolled ring.1 from 3 images: on average at most 25.0% of good parts are held back "
        "(3 calibration images; of nine lines in ten the rate lies between 1.7% and 63.2%; reviews "
        "for a difference from a twin come on top).",
        "Next: echo-iad inspect ring.1 IMAGE...",
    ]
    listed = run("lines", *home)
    assert listed.code == 0
    promise = r"on average at most 25\.0% of good parts are"
    assert re.search(rf"│ ring\.1 │ 3 +│ no +│ {promise}", listed.out)
    rows = json.loads(run("lines", "--json", *home).out)
    assert [(row["name"], row["images"], row["alpha"]) for row in rows] == [("ring.1", 3, 0.25)]
    inspected = run("inspect", "ring.1", tmp_path / "good" / "1.png", *home)
    assert (inspected.code, inspected.err) == (0, "")


def test_without_lines(run: Command, tmp_path: Path) -> None:
    assert run("lines", "--home", tmp_path) == Run(
        0, "No line is enrolled. Begin with: echo-iad enroll NAME FOLDER\n", ""
    )
    assert json.loads(run("lines", "--home", tmp_path, "--json").out) == []


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["good"], 0),
        (["bad"], 1),
        (["good", "bad"], 1),
        (["good", "broken"], 2),
        (["bad", "broken"], 2),
    ],
)
def test_exit_codes_of_inspect(
    run: Command, parts: dict[str, Path], names: list[str], code: int
) -> None:
    result = run("inspect", "washer", *(parts[name] for name in names))
    assert result.code == code
    verdicts = {"good": "accept", "bad": "reject"}
    for name in set(names) & set(verdicts):
        assert re.search(rf"│ {name}\.png +│ {verdicts[name]} +│ [\d.]+ +│ \w+ed: ", result.out)
    if "broken" in names:
        assert re.fullmatch(
            rf"echo-iad: {parts['broken']}: not an image that can be read; .+\n", result.err
        )
    else:
        assert result.err == ""


def test_json_is_all_that_inspect_prints(run: Command, parts: dict[str, Path]) -> None:
    result = run("inspect", "washer", *parts.values(), "--json")
    assert result.code == 2
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["image"] for row in rows] == [str(path) for path in parts.values()]
    assert [row.get("decision", {}).get("verdict") for row in rows] == ["accept", "reject", None]
    assert rows[2]["error"] == result.err.removeprefix("echo-iad: ").strip()
    good = Inspection.model_validate_json(result.out.splitlines()[0])
    assert good.anomaly.calibration_size == ENROLLED


def test_folders_and_patterns_are_inspected(
    run: Command, parts: dict[str, Path], tmp_path: Path
) -> None:
    parts["broken"].unlink()
    save(tmp_path / "sub" / "part[1].png", good_part(3))
    expected = [parts["bad"], parts["good"], tmp_path / "sub" / "part[1].png"]
    for given in ([tmp_path], [tmp_path / "*.png", expected[2]]):
        rows = run("inspect", "washer", *given, "--json").out.splitlines()
        assert [json.loads(row)["image"] for row in rows] == [str(path) for path in expected]


def test_a_folder_or_a_list_but_no_single_image(washer_home: Path, tmp_path: Path) -> None:
    inspector = Inspector(ProductLine.load("washer", home=washer_home))
    paths = [save(tmp_path / f"{i}.png", good_part(i)) for i in range(3)]
    for given in (tmp_path, str(tmp_path), str(tmp_path / "*.png"), iter(paths)):
        assert [r.image for r in inspector.inspect_many(given)] == [str(path) for path in paths]
    single = "expected a folder, a pattern or a list of images, got a single "
    for image in (paths[0].read_bytes(), good_part(1)):
        given_alone: Any = image
        with pytest.raises(ImageError, match=rf"\A{single}{type(image).__name__}; "):
            inspector.inspect_many(given_alone)


InspectStream = Callable[..., Iterator[Inspected | LeftOut | Failure]]


def test_inspections_are_not_kept(
    run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inspect: InspectStream = Inspector.inspect_with_pictures
    seen: list[weakref.ref[Inspection]] = []
    alive: list[int] = []

    def watched(
        inspector: Inspector, images: Iterable[ImageSource], **how: Any
    ) -> Iterator[Inspected | LeftOut | Failure]:
        for result in inspect(inspector, images, **how):
            assert isinstance(result, Inspected)
            seen.append(weakref.ref(result.inspection))
            alive.append(sum(inspection() is not None for inspection in seen))
            yield result

    monkeypatch.setattr(Inspector, "inspect_with_pictures", watched)
    paths = [save(tmp_path / f"{i}.png", bad_part(i)) for i in range(6)]
    assert run("inspect", "washer", *paths, "--out", tmp_path / "out").code == 1
    assert len(seen) == 6
    assert max(alive) <= 2, "the one at hand, and the one before it"


def test_a_run_that_breaks_off_leaves_a_page(
    run: Command, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Path], tmp_path: Path
) -> None:
    inspect: InspectStream = Inspector.inspect_with_pictures

    def broken_off(
        inspector: Inspector, images: Iterable[ImageSource], **how: Any
    ) -> Iterator[Inspected | LeftOut | Failure]:
        yield next(inspect(inspector, images, **how))
        raise KeyboardInterrupt

    monkeypatch.setattr(Inspector, "inspect_with_pictures", broken_off)
    result = run("inspect", "washer", parts["bad"], parts["good"], "--out", tmp_path / "out")
    assert result.code == 130
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 1
    assert str(parts["bad"]) in page


def test_a_process_of_its_own(washer_home: Path, parts: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "echo.cli", "inspect", "washer", str(parts["bad"])]
    command += ["--home", str(washer_home), "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (1, "")
    assert json.loads(result.stdout)["decision"]["verdict"] == "reject"


def test_a_reader_that_stops_reading(washer_home: Path) -> None:
    command = [sys.executable, "-m", "echo.cli", "lines", "--home", str(washer_home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_markup_in_names_is_shown_as_it_is(run: Command, tmp_path: Path) -> None:
    paths = [save(tmp_path / name, good_part(9)) for name in ("[red]x.png", "[bold].png")]
    result = run("inspect", "washer", *paths)
    assert result.code == 0
    assert "│ [red]x.png │ accept" in result.out
    assert "│ [bold].png │ accept" in result.out
    missing = run("inspect", "washer", tmp_path / "[red]y.png")
    assert f"{tmp_path}/[red]y.png: no such folder or file, and no file matches" in missing.err


def test_a_file_name_that_is_not_utf_8(run: Command, tmp_path: Path) -> None:
    path = save(tmp_path / b"gr\xfcn.png".decode("utf-8", "surrogateescape"), good_part(9))
    result = run("inspect", "washer", path, "--json")
    assert result.code == 0
    assert json.loads(result.out)["decision"]["verdict"] == "accept"


@pytest.mark.parametrize(
    "command",
    ["enroll", "lines", "inspect", "doctor", "demo", "bench elpv", "bench anomaly", "bench speed"],
)
def test_help_has_an_example(run: Command, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.code == 0
    assert f"Example: echo-iad {command}" in result.out
