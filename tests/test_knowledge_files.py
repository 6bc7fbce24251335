"""A file that is no knowledge file at all is refused in one sentence, and never executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experts.errors import KnowledgeError
from experts.knowledge import MAX_FILE_BYTES, load_knowledge
from tests.rule_files import WASHER, assert_faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "1: not valid YAML: expected the node content, but found '<stream end>'; look"),
        ("product: a\nnormal: b: c", "2: not valid YAML: mapping values are not allowed here; l"),
        (
            "a:\n\t- b",
            "2: not valid YAML: found character '\\t' that cannot start any token; repla",
        ),
        ("", " expected fields such as 'product:' and 'defects:', got nothing; begin with: "),
        ("- product: washer", " expected fields such as 'product:' and 'defects:', got a list; "),
        ("a: &x 1\nb: *x", "1: uses a YAML anchor (&x); remove it, or put the value into quotes"),
        ("a: 1\n---\nb: 2", "2: not valid YAML: but found another document; write one document"),
        ("[" * 600 + "]" * 600, "1: is nested more than 20 levels deep; write it flatter"),
        ("product: 2020-99-99", " not valid YAML: month must be in 1..12; put the value into quot"),
        ("a: 1\nb: 2\na: 3", '3: not valid YAML: found duplicate key "a" with value "3" (original'),
    ],
    ids=(
        *("open", "colon", "tab", "empty", "list", "alias", "two-documents", "deep", "no-date"),
        "duplicate",
    ),
)
def test_what_is_no_mapping_of_yaml(washer_file: Path, text: str, fault: str) -> None:
    washer_file.write_text(text)
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{washer_file}:{fault}")
    assert ";" in line


def test_a_file_that_cannot_be_text(tmp_path: Path, washer_file: Path) -> None:
    washer_file.write_bytes(WASHER.encode("utf-16"))
    assert_faults(washer_file, " is not UTF-8 text; save it as UTF-8")
    large = WASHER.encode() + b"#" * MAX_FILE_BYTES
    washer_file.write_bytes(large)
    assert_faults(
        washer_file,
        " is too large; a knowledge file has at most 500,000 bytes; split it into one file for "
        "each product",
    )
    assert_faults(
        tmp_path / "missing.yaml", " cannot be read (No such file or directory); check the path"
    )
    assert_faults(tmp_path, " cannot be read (it is a folder); check the path")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_faults(pipe, " cannot be read (it is no file); check the path")


@pytest.mark.parametrize("directive", ["%YAML 1.9", "%YAML 3.0", "%YAML x"])
def test_a_directive_is_a_fault_and_no_accident(washer_file: Path, directive: str) -> None:
    washer_file.write_text(f"{directive}\n---\n{WASHER}")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    assert str(caught.value).startswith(f"{washer_file}:")


@pytest.mark.parametrize("place", ["normal: %s", "%s"])
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system", "!!python/name:os"]
)
def test_tags_never_execute(washer_file: Path, tag: str, place: str) -> None:
    trace = washer_file.parent / "executed"
    washer_file.write_text(place % f"{tag} ['touch {trace}']")
    with pytest.raises(KnowledgeError):
        load_knowledge(washer_file)
    assert not trace.exists()
