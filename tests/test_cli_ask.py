"""The command ``echo-iad ask``."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest

from echo import cli_ask
from echo.settings import MLLM_VARIABLE
from tests.conftest import Command, bad_part, good_part, save
from tests.ruled_lines import STRICT, copied


@pytest.fixture
def run(
    run: Command, strict_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """As for all, but with the line ``washer`` and no language model."""
    monkeypatch.setenv(MLLM_VARIABLE, "none")
    copied(strict_home, tmp_path, STRICT)
    return run


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return save(tmp_path / "bad.png", bad_part(9))


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person types, until an empty line."""
    typed = "Why?\n?\nand how big is it?\n\nnever asked\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))


def test_a_question_on_the_command_line(run: Command, bad: Path) -> None:
    first = run("ask", "washer", bad, "--question", "Why?", "--question", "How large is it?")
    assert (first.code, first.err) == (0, "")
    lines = first.out.splitlines()
    assert re.match(r"washer:1 bad\.png: reject: Rejected: a dark spot", lines[0])
    assert lines[1] == "> Why?"
    assert lines[2].startswith("Rejected: a dark spot")
    assert "From anomaly, region-1" in first.out
    assert "region-1, a dark spot: " in first.out


def test_a_conversation_goes_on(run: Command, bad: Path, tmp_path: Path) -> None:
    run("ask", "washer", bad, "--question", "Why?")
    # The same pixels under another name; nothing is inspected again.
    copy = tmp_path / "copy.png"
    shutil.copy(bad, copy)
    again = run("ask", "washer", copy, "--question", "zoom in")
    assert again.code == 0
    assert "1 question was answered before; begin anew with --new. The last:\n> Why?" in again.out
    by_id = run("ask", "washer:1", "--question", "Where?")
    assert "2 questions were answered before" in by_id.out
    assert len(run("history", "washer", "--json").out.split('"id"')) == 2
    new = run("ask", "washer:1", "--new", "--question", "Where?")
    assert "A new conversation; the former ones are kept." in new.out
    assert "answered before" not in new.out
    assert "> Where?" in run("ask", "washer:1", "--question", "Why?").out


def test_other_rules_or_views_are_inspected_anew(run: Command, bad: Path, tmp_path: Path) -> None:
    run("inspect", "washer", bad)
    assert run("ask", "washer", bad, "--question", "Why?").out.startswith("washer:1 ")
    rules = tmp_path / "other.yaml"
    rules.write_text(STRICT.replace("0.5", "0.6"))
    assert run("knowledge", "use", "washer", rules).code == 0
    assert run("ask", "washer", bad, "--question", "Why?").out.startswith("washer:2 ")


@pytest.mark.usefixtures("type_in")
def test_questions_are_typed_until_an_empty_line(run: Command, bad: Path) -> None:
    result = run("ask", "washer", bad)
    assert result.code == 0
    assert result.out.count("From ") == 2
    assert "region-1, a dark spot" in result.out
    assert result.err == "echo-iad: the question is empty; ask something, such as: Why?\n"
    assert "2 questions were answered before" in run("ask", "washer:1", "--question", "Why?").out


def test_json(run: Command, bad: Path) -> None:
    result = run("ask", "washer", bad, "--question", "Why?", "--question", "zoom in", "--json")
    assert (result.code, result.err) == (0, "")
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["question"] for row in rows] == ["Why?", "zoom in"]
    assert {(row["id"], row["verdict"]) for row in rows} == {("washer:1", "reject")}
    assert rows[1]["looks"][0]["tool"] == "zoom"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--question", ""], r"the question is empty; ask something, such as: Why\?"),
        (["--question", "\x1b\x07"], r"the question is empty; ask something, such as: Why\?"),
        (["--question", "x" * 10_000], "the question has 10,000 characters; ask in at most 2,000"),
    ],
)
def test_questions_that_cannot_be_asked(
    run: Command, bad: Path, arguments: list[str], sentence: str
) -> None:
    result = run("ask", "washer", bad, *arguments)
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(f"echo-iad: {sentence}\n", result.err)
    # It was not even inspected.
    assert run("history", "washer").out == "No inspection of line washer is stored.\n"


def test_what_is_not_there(run: Command, bad: Path, tmp_path: Path) -> None:
    for arguments, told in (
        (["nut", bad], "no line 'nut' in "),
        (["washer:7"], "washer:7: no such inspection is stored"),
        (["washer:x"], "'washer:x' names no inspection"),
        (["washer", tmp_path / "none.png"], "there is no such file"),
    ):
        result = run("ask", *arguments, "--question", "Why?")
        assert (result.code, result.out) == (2, "")
        assert told in result.err
    missing = run("ask", "washer")
    assert missing.code == 2
    assert "Name an image, or a stored inspection such as washer:17." in missing.err


def test_an_image_that_was_moved(run: Command, bad: Path, tmp_path: Path) -> None:
    run("inspect", "washer", bad)
    moved = bad.rename(tmp_path / "moved.png")
    gone = run("ask", "washer:1", "--question", "zoom in")
    assert "The image is not at hand any more" in gone.out
    there = run("ask", "washer:1", moved, "--new", "--question", "zoom in")
    assert "The image is not at hand any more" not in there.out


def test_a_model_that_is_not_there_is_told_once(run: Command, bad: Path) -> None:
    result = run(
        "ask", "washer", bad, "--question", "Why?", "--question", "Where?", "--mllm", "/no/model"
    )
    assert result.code == 0
    assert result.err.count("without language model: /no/model: there is no such folder") == 1
    assert "Rejected: a dark spot" in result.out


def test_a_good_part(run: Command, tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", good_part(3))
    result = run("ask", "washer", good, "--question", "Can it ship?")
    assert result.code == 0
    assert "good.png: accept: Accepted: " in result.out
    assert "The verdict is accept." in result.out


def test_a_translation_stands_below_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    from experts.dialogue import Answer

    cli_ask._show(
        Answer(
            question="Warum?",
            text="The verdict is reject [x].",
            translation="Das Urteil lautet Ausschuss [x].",
            language="German",
            model="scripted",
            evidence_ids=("region-1",),
        )
    )
    assert capsys.readouterr().out.splitlines() == [
        "The verdict is reject [x].",
        "In German, by the language model; only the above is checked:",
        "Das Urteil lautet Ausschuss [x].",
        "From region-1; in the words of scripted",
    ]
