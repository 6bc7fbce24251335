"""What a command cannot use is told in one sentence, and nothing is left behind."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from echo.line import ProductLine
from tests.conftest import Command, assert_fails

pytestmark = pytest.mark.usefixtures("at_washer_home")


def test_an_unknown_line_leaves_no_folder(
    run: Command, parts: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("inspect", "rings", parts["good"], "--out", out).code == 2
    assert run("inspect", "washer", tmp_path / "*.tif", "--out", out).code == 2
    assert not out.exists()


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
