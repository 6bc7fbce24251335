"""The commands ``echo-iad knowledge ...``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Command, bad_part, save

RULES = """\
product: washer
part: washer
parts: washers
normal: A bright ring.
mm_per_px: 0.1
zones:
  - {name: rim, box: [0, 0, 1, 0.25]}
  - {name: hole, polygon: [[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]]}
defects:
  - name: blot
    appearance: A round dark disc.
    severity: major
    clauses:
      - {id: blot.size, quantity: length, at_most: 0.5, unit: mm}
      - {id: blot.rim, zone: rim, allowed: none, then: review, note: Ask Ann.}
questions:
  - {question: May blots be wiped?, answer: "No, they are burnt in."}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "washer.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def enrolled(run: Command, rules: Path, good_folder: Path) -> Path:
    assert run("enroll", "washer", good_folder, "--knowledge", rules).code == 0
    return rules


def test_new_writes_a_file_that_is_right_as_it_is(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = run("knowledge", "new", "hex nut")
    assert (written.code, written.out) == (
        0,
        "Wrote hex_nut.yaml. Fill it in, then: echo-iad knowledge check hex_nut.yaml\n",
    )
    text = Path("hex_nut.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    schema = json.loads(Path("schema.json").read_text())
    assert schema["title"] == "Echo knowledge file"
    checked = run("knowledge", "check", "hex_nut.yaml")
    assert (checked.code, checked.out) == (0, "hex_nut.yaml: no fault; 3 clauses.\n")
    Path("hex_nut.yaml").write_text("mine")
    again = run("knowledge", "new", "hex nut")
    assert (again.code, again.err) == (
        2,
        "echo-iad: hex_nut.yaml: is there already; move it away, or choose another name\n",
    )
    assert Path("hex_nut.yaml").read_text() == "mine"


def test_check_names_all_faults_and_exits_with_1(run: Command, rules: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(RULES.replace("severity", "sevrity").replace("unit: mm", "unit: cm"))
    checked = run("knowledge", "check", rules, broken)
    assert checked.code == 1
    lines = checked.out.splitlines()
    assert lines[0] == f"{rules}: no fault; 2 clauses."
    assert [line.split(": ")[0] for line in lines[1:]] == [f"{broken}:{n}" for n in (10, 14, 12)]
    assert lines[3].endswith("expected a known field, got 'sevrity'; did you mean 'severity'?")
    as_json = run("knowledge", "check", rules, broken, "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out) == {str(rules): [], str(broken): lines[1:]}


def test_show_tells_the_rules_in_force(run: Command, enrolled: Path) -> None:
    shown = run("knowledge", "show", "washer")
    assert shown.code == 0
    assert shown.out.startswith("washer: A bright ring.\nRevision ")
    assert f" of {enrolled}, alpha 0.05, 0.1 mm per px." in shown.out
    assert "blot in rim" in shown.out
    assert "review (Ask Ann.)" in shown.out
    as_json = json.loads(run("knowledge", "show", "washer", "--json").out)
    assert [clause["id"] for clause in as_json["clauses"]] == ["blot.size", "blot.rim"]
    assert as_json["knowledge"]["zones"][0]["name"] == "rim"
    asked = run("knowledge", "show", "washer", "--question", "can I wipe a blot?")
    assert asked.out.splitlines()[-1] == "May blots be wiped? No, they are burnt in."


def test_show_draws_the_zones(run: Command, enrolled: Path, tmp_path: Path) -> None:
    out = tmp_path / "zones.png"
    assert run("knowledge", "show", "washer", "--out", out).code == 0
    with Image.open(out) as image:
        assert image.size == (900, 900)
        red = image.convert("RGB").getpixel((450, 224))
    # The rim ends a quarter down.
    assert red == (0xE6, 0x19, 0x4B)


def test_a_fault_is_reported_and_the_old_rules_shown(run: Command, enrolled: Path) -> None:
    enrolled.write_text(RULES.replace("severity: major", "severity: mayor"))
    shown = run("knowledge", "show", "washer")
    assert (shown.code, "blot.size" in shown.out) == (0, True)
    assert shown.err.startswith(f"echo-iad: {enrolled}:12: defects.0.severity: expected 'minor'")


def test_inspect_reports_a_broken_edit_once(run: Command, enrolled: Path, tmp_path: Path) -> None:
    images = [save(tmp_path / f"{n}.png", bad_part(n)) for n in range(3)]
    enrolled.write_text(RULES.replace("severity: major", "severity: mayor"))
    inspected = run("inspect", "washer", *images, "--out", tmp_path / "report")
    assert inspected.code == 1
    assert inspected.err.count("got 'mayor'") == 1
    report = (tmp_path / "report" / "report.html").read_text()
    assert report.count("stays in force") == 3


def test_use_gives_a_line_its_rules(
    run: Command, rules: Path, good_folder: Path, tmp_path: Path
) -> None:
    run("enroll", "washer", good_folder)
    image = save(tmp_path / "bad.png", bad_part(3))
    assert "the line has no knowledge file" in run("inspect", "washer", image).out
    none = run("knowledge", "show", "washer")
    assert none.out == "Line washer has no rules. Begin with: echo-iad knowledge new washer\n"
    prompts = run("knowledge", "prompts", "washer")
    assert prompts.code == 2
    assert prompts.err.endswith("give it one: echo-iad knowledge use washer FILE\n")
    used = run("knowledge", "use", "washer", rules)
    assert used.out == f"{rules} is in force for washer: 2 clauses. Its edits count once saved.\n"
    assert "clause `blot.size` allows length up to 0.5 mm" in run("inspect", "washer", image).out
    rules.write_text(RULES.replace("at_most: 0.5", "at_most: 50"))
    assert run("inspect", "washer", image).code == 0
    missing = run("knowledge", "use", "washer", tmp_path / "none.yaml")
    assert (missing.code, missing.err) == (
        2,
        f"echo-iad: {tmp_path / 'none.yaml'}: cannot be read (No such file or directory); check "
        "the path\n",
    )


def test_diff_says_what_new_rules_would_change(
    run: Command, enrolled: Path, tmp_path: Path
) -> None:
    image = save(tmp_path / "bad.png", bad_part(3))
    assert run("inspect", "washer", image).code == 1
    new = tmp_path / "new.yaml"
    new.write_text(RULES)
    assert run("knowledge", "diff", "washer", new).code == 0
    new.write_text(RULES.replace("at_most: 0.5", "at_most: 50"))
    changed = run("knowledge", "diff", "washer", new)
    assert changed.code == 1
    assert "bad.png" in changed.out
    new.write_text(RULES.replace("severity", "sevrity"))
    assert run("knowledge", "diff", "washer", new).code == 2
    # Nothing came in force.
    assert run("inspect", "washer", image).code == 1


def test_the_schema_is_printed_or_written(run: Command, tmp_path: Path) -> None:
    printed = run("knowledge", "schema")
    out = tmp_path / "schema.json"
    assert run("knowledge", "schema", "--out", out).code == 0
    assert out.read_text() == printed.out
    committed = Path(__file__).parent.parent / "knowledge" / "schema.json"
    assert committed.read_text() == printed.out


def test_accepted_prompts_land_in_the_file(run: Command, enrolled: Path) -> None:
    listed = run("knowledge", "prompts", "washer")
    assert listed.out.splitlines() == [
        "  1  washer with a blot",
        "  2  washer with a round dark blot",
        "Next: echo-iad knowledge prompts washer --accept 1,3-5",
    ]
    accepted = run("knowledge", "prompts", "washer", "--accept", "2")
    assert accepted.code == 0
    assert enrolled.read_text() == RULES + (
        "prompts:\n  abnormal:\n    - washer with a round dark blot\n"
    )
    assert run("knowledge", "prompts", "washer").out.splitlines()[0] == "  1  washer with a blot"
    for wrong in ("9", "0", "x", "2-1", ""):
        assert run("knowledge", "prompts", "washer", "--accept", wrong).code == 2


def test_import_writes_all_files_or_none(run: Command, tmp_path: Path) -> None:
    source = tmp_path / "domain_knowledge.json"
    kinds = {"good": "<Normal Characteristics>\nDescription: Fine.", "bent": "<Bent>\nBent leg."}
    source.write_text(json.dumps({"Set": {"clip": kinds, "pin": kinds}}))
    out = tmp_path / "mmad"
    assert run("knowledge", "import-mmad", source, "--out", out).code == 0
    files = sorted(out.iterdir())
    assert len(files) == 2
    assert run("knowledge", "check", *files).code == 0
    files[0].unlink()
    again = run("knowledge", "import-mmad", source, "--out", out)
    assert (again.code, len(list(out.iterdir()))) == (2, 1)
    source.write_text("[")
    assert run("knowledge", "import-mmad", source, "--out", out).code == 2
