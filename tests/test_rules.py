"""Rules that are edited while a line runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from echo import Inspector, ProductLine, storage
from echo.rules import Rules, put_in_line
from experts.errors import EnrolError, ImageError, KnowledgeError
from experts.evidence import Inspection
from tests.conftest import bad_part, good_part, save

STRICT = """\
product: washer
part: washer
parts: washers
normal: A bright ring.
mm_per_px: 0.1
defects:
  - name: blot
    appearance: A dark disc.
    severity: major
    clauses:
      - {id: blot.size, quantity: length, at_most: 0.5, unit: mm}
"""
LENIENT = STRICT.replace("at_most: 0.5", "at_most: 9.5")
BROKEN = STRICT.replace("severity: major", "severity: mayor")


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, good_folder: Path) -> Path:
    """A folder with the line ``washer`` in ``home`` and its rules in ``washer.yaml``."""
    folder = tmp_path_factory.mktemp("rules")
    rules = folder / "washer.yaml"
    rules.write_text(STRICT)
    ProductLine.enroll("washer", good_folder, rules, home=folder / "home", progress=False)
    return folder


@pytest.fixture
def folder(enrolled: Path, tmp_path: Path) -> Path:
    """A copy of it; the line looks for its rules where it was enrolled from, so these move too."""
    copy = tmp_path / "copy"
    shutil.copytree(enrolled, copy)
    line = ProductLine.load("washer", home=copy / "home")
    put_in_line(line, STRICT.encode(), copy / "washer.yaml")
    return copy


def line_in(folder: Path) -> ProductLine:
    return ProductLine.load("washer", home=folder / "home")


def save_rules(folder: Path, text: str) -> Path:
    path = folder / "washer.yaml"
    path.write_text(text)
    return path


def inspect(inspector: Inspector) -> Inspection:
    return inspector.inspect(bad_part(3))


def test_an_edit_counts_from_the_next_inspection_on(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    before = inspect(inspector)
    assert (before.verdict, before.decision.deciding_clause) == ("reject", "blot.size")
    path = save_rules(folder, LENIENT)
    after = inspect(inspector)
    assert after.verdict == "accept"
    assert after.faults == ()
    assert after.versions.knowledge_sha256 != before.versions.knowledge_sha256
    digest = str(after.versions.knowledge_sha256)
    assert after.clause_checks[0].clause.source == f"washer.yaml, revision {digest[:8]}"
    # Everything else is as it was, and another process sees the same.
    assert after.anomaly.p_value == before.anomaly.p_value
    path.unlink()
    assert line_in(folder).knowledge_sha256 == digest


def test_in_a_stream_each_image_is_judged_by_the_rules_of_its_moment(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    results = inspector.inspect_many([bad_part(3), bad_part(3), bad_part(3)])
    first = next(results)
    save_rules(folder, LENIENT)
    verdicts = [first, *results]
    assert [r.verdict for r in verdicts if isinstance(r, Inspection)] == [
        *("reject", "accept", "accept")
    ]


def test_a_broken_edit_leaves_the_last_good_revision_in_force(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    good = str(inspect(inspector).versions.knowledge_sha256)
    path = save_rules(folder, BROKEN)
    for _ in range(2):
        held = inspect(inspector)
        assert held.verdict == "reject"
        assert held.versions.knowledge_sha256 == good
        assert held.faults == (
            f"{path}:9: defects.0.severity: expected 'minor', 'major' or 'critical', got 'mayor'; "
            f"did you mean 'major'?; of the rules revision {good[:8]} stays in force",
        )
    # Also for one that starts now.
    assert inspect(Inspector(line_in(folder))).faults == held.faults
    save_rules(folder, LENIENT)
    mended = inspect(inspector)
    assert (mended.verdict, mended.faults) == ("accept", ())


@pytest.mark.parametrize("state", ["gone", "empty", "folder", "binary", "huge"])
def test_whatever_happens_to_the_file_the_line_runs_on(folder: Path, state: str) -> None:
    inspector = Inspector(line_in(folder))
    path = folder / "washer.yaml"
    path.unlink()
    if state == "empty":
        path.touch()
    elif state == "folder":
        path.mkdir()
    elif state == "binary":
        path.write_bytes(bytes(range(256)))
    elif state == "huge":
        path.write_bytes(b"#" * 10_000_000)
    held = inspect(inspector)
    assert held.verdict == "reject"
    (fault,) = held.faults
    assert fault.startswith(f"{path}:")
    assert fault.endswith("stays in force")


def test_the_file_as_it_was_brings_no_new_revision(folder: Path) -> None:
    rules = Rules(line_in(folder))
    assert not rules.refresh()
    save_rules(folder, BROKEN)
    assert not rules.refresh()
    assert rules.fault is not None
    os.utime(save_rules(folder, STRICT))
    assert not rules.refresh()
    assert rules.fault is None


def test_a_file_that_is_written_in_parts_is_read_whole(folder: Path) -> None:
    lines = LENIENT.replace("9.5", "9.5, note: All of it.").splitlines(keepends=True)
    path = folder / "washer.yaml"
    path.write_text("".join(lines[:6]))
    rules = Rules(line_in(folder))

    def go_on_writing() -> None:
        with path.open("a") as stream:
            for line in lines[6:]:
                stream.write(line)
                stream.flush()
                pause.wait(0.004)

    pause = threading.Event()
    writer = threading.Thread(target=go_on_writing)
    writer.start()
    rules.refresh()
    writer.join()
    assert rules.knowledge is not None
    # Never the half with no defect in it.
    assert [clause.id for clause in rules.knowledge.clauses] == ["blot.size"]


def test_a_line_that_cannot_be_written_still_obeys(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    path = save_rules(folder, LENIENT)
    (folder / "home" / "lines" / "washer" / "manifest.json").unlink()
    lenient = inspect(inspector)
    assert lenient.verdict == "accept"
    (fault,) = lenient.faults
    assert fault.startswith(f"{path}: is in force, but could not be kept in the line: ")


def test_the_rules_may_say_how_many_false_rejects_are_allowed(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    assert inspect(inspector).verdict == "reject"
    save_rules(folder, "alpha: 0.01\n" + STRICT)
    held = inspect(inspector)
    # 24 images cannot promise 1 %.
    assert held.verdict == "review"
    assert "for 1.0% enrol at least 99" in held.decision.reason
    assert line_in(folder).alpha == 0.01
    save_rules(folder, STRICT)
    assert inspect(inspector).verdict == "reject"


def test_use_reaches_a_line_that_runs(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    assert inspect(inspector).verdict == "reject"
    other = folder / "other.yaml"
    other.write_text(LENIENT)
    put_in_line(line_in(folder), LENIENT.encode(), other)
    assert inspect(inspector).verdict == "accept"
    # The file of before is nobody's any more.
    save_rules(folder, STRICT.replace("0.5", "0.4"))
    assert inspect(inspector).verdict == "accept"
    other.write_text(STRICT)
    assert inspect(inspector).verdict == "reject"
    assert line_in(folder).manifest.knowledge_path == str(other)


def test_a_line_that_began_without_rules_gets_them_while_it_runs(
    tmp_path: Path, washer_home: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(washer_home, home)
    inspector = Inspector(ProductLine.load("washer", home=home))
    assert "no knowledge file" in inspect(inspector).decision.reason
    path = tmp_path / "late.yaml"
    path.write_text(LENIENT)
    put_in_line(ProductLine.load("washer", home=home), LENIENT.encode(), path)
    assert inspect(inspector).verdict == "accept"


def test_several_inspectors_see_one_edit_and_none_complains(folder: Path) -> None:
    inspectors = [Inspector(line_in(folder)) for _ in range(4)]
    save_rules(folder, LENIENT)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(inspect, inspectors))
    assert {inspection.verdict for inspection in found} == {"accept"}
    time.sleep(1.1)
    assert {inspect(inspector).faults for inspector in inspectors} == {()}
    assert line_in(folder).knowledge_sha256 == hashlib.sha256(LENIENT.encode()).hexdigest()


def test_a_revision_is_kept_once_nobody_else_writes_the_line(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    with storage.replace_folder(folder / "home" / "lines" / "washer") as staging:
        save_rules(folder, LENIENT)
        (fault,) = inspect(inspector).faults
        assert "being written by another process" in fault
        shutil.copytree(folder / "home" / "lines" / "washer", staging, dirs_exist_ok=True)
    time.sleep(1.1)
    assert inspect(inspector).faults == ()
    save_rules(folder, BROKEN)
    assert inspect(Inspector(line_in(folder))).verdict == "accept"


def test_a_link_may_point_to_another_file(folder: Path) -> None:
    link, strict = folder / "current.yaml", folder / "washer.yaml"
    lenient = folder / "lenient.yaml"
    lenient.write_text(LENIENT)
    link.symlink_to(strict)
    put_in_line(line_in(folder), STRICT.encode(), link)
    inspector = Inspector(line_in(folder))
    assert inspect(inspector).verdict == "reject"
    link.unlink()
    link.symlink_to(lenient)
    assert inspect(inspector).verdict == "accept"


def test_a_rate_that_the_file_does_not_say_any_more_is_the_usual_one(
    tmp_path: Path, good_folder: Path
) -> None:
    rules, home = tmp_path / "washer.yaml", tmp_path / "home"
    rules.write_text("alpha: 0.2\n" + STRICT)
    line = ProductLine.enroll("washer", good_folder, rules, home=home, progress=False)
    assert line.alpha == 0.2
    rules.write_text(STRICT)
    Inspector(line).inspect(good_part(1))
    assert ProductLine.load("washer", home=home).alpha == 0.05


def test_a_line_that_was_opened_before_an_edit_can_still_be_extended(folder: Path) -> None:
    line = line_in(folder)
    save_rules(folder, LENIENT)
    inspect(Inspector(line))
    assert Inspector(line).inspect(bad_part(3)).verdict == "accept"
    grown = line.add([good_part(900)], progress=False)
    assert grown.knowledge_sha256 == hashlib.sha256(LENIENT.encode()).hexdigest()
    save_rules(folder, LENIENT.replace("name: blot", "name: blot\n    synonyms: [blob]"))
    taught = grown.teach("blob", [bad_part(n) for n in range(3)], progress=False)
    # The newest edit tells what it is called.
    assert list(taught.kinds) == ["blot"]


def test_a_name_that_the_file_learned_later_counts(folder: Path) -> None:
    line = line_in(folder).teach("blob", [bad_part(n) for n in range(4)], progress=False)
    assert list(line.kinds) == ["blob"]
    save_rules(
        folder,
        LENIENT.replace("name: blot", "name: blot\n    synonyms: [blob]")
        + "  - {name: crack, appearance: A line., severity: minor, clauses: "
        "[{id: crack.none, allowed: none}]}\n",
    )
    found = Inspector(line).inspect(bad_part(9))
    assert found.regions[0].kinds is not None
    assert found.regions[0].kinds.names == ("blob",)
    assert found.verdict == "accept"


def test_rules_that_cannot_be_read_break_one_line_and_no_other(
    folder: Path, good_folder: Path
) -> None:
    home = folder / "home"
    ProductLine.enroll("other", good_folder, home=home, progress=False)
    # As a line of another edition of the schema would be.
    put_in_line(line_in(folder), STRICT.replace("clauses", "limits").encode(), folder / "w.yaml")
    survey = {line.name: type(line).__name__ for line in ProductLine.survey(home=home)}
    assert survey == {"other": "ProductLine", "washer": "BrokenLine"}
    save_rules(folder, LENIENT)
    put_in_line(line_in(folder), LENIENT.encode(), folder / "washer.yaml")
    assert inspect(Inspector(line_in(folder))).verdict == "accept"


def test_two_rates_must_not_contradict(tmp_path: Path, good_folder: Path) -> None:
    rules = tmp_path / "washer.yaml"
    rules.write_text("alpha: 0.1\n" + STRICT)
    home = tmp_path / "home"
    with pytest.raises(EnrolError) as caught:
        ProductLine.enroll("washer", good_folder, rules, alpha=0.05, home=home, progress=False)
    assert str(caught.value) == (
        f"alpha is 0.05, but {rules.absolute()} says 0.1; remove one of the two"
    )
    assert ProductLine.list(home=home) == []
    line = ProductLine.enroll("washer", good_folder, rules, home=home, progress=False)
    assert line.alpha == 0.1


VIEWS = STRICT.replace("mm_per_px: 0.1\n", "") + (
    'views:\n  - {name: near, match: "*_near*", mm_per_px: 0.01}\n'
    "  - {name: far, mm_per_px: 0.1, normal: Small.}\n"
)


def test_a_view_is_told_by_the_file_or_by_the_user(folder: Path) -> None:
    save_rules(folder, VIEWS)
    inspector = Inspector(line_in(folder))
    near = save(folder / "a_near.png", bad_part(3))
    other = save(folder / "b.png", bad_part(3))
    assert inspector.inspect(near).verdict == "accept"
    far = inspector.inspect(other, view="far")
    assert (far.verdict, far.sight.view, far.sight.mm_per_px) == ("reject", "far", 0.1)
    assert far.steps[0].found.endswith(" A bright ring. From far: Small.")
    with pytest.raises(ImageError, match="is said to show view 'fra'"):
        inspector.inspect(other, view="fra")
    # A line must not stop because a name tells no view: what stands out is for a person then.
    untold = inspector.inspect(other)
    assert (untold.verdict, untold.clause_checks) == ("review", ())
    assert "cannot be applied: " in untold.decision.reason
    assert "nothing tells which view it shows (near, far)" in untold.decision.reason
    good = save(folder / "c.png", good_part(500))
    results = list(inspector.inspect_many([near, other, good]))
    assert [getattr(r, "verdict", "failed") for r in results] == ["accept", "review", "accept"]


def test_a_view_needs_a_file_that_names_it(washer_home: Path) -> None:
    inspector = Inspector(ProductLine.load("washer", home=washer_home))
    with pytest.raises(ImageError, match="has no knowledge file that names views"):
        inspector.inspect(good_part(500), view="top")


def test_zones_are_where_the_image_shows_them(folder: Path) -> None:
    # The blot lies right of and below the centre.
    zoned = STRICT + "zones: [{name: here, box: %s}]\nclauses:\n  - {id: zone, zone: here, %s}\n"
    inspector = Inspector(line_in(folder))
    for box, found in (("[0.5, 0.5, 1, 1]", True), ("[0, 0, 0.4, 0.4]", False)):
        save_rules(folder, zoned.replace("0.5, unit", "9, unit") % (box, "allowed: none"))
        inspection = inspect(inspector)
        assert inspection.faults == ()
        assert (inspection.decision.deciding_clause == "zone") == found


def test_an_edit_never_reaches_a_line_that_was_enrolled_anew(folder: Path) -> None:
    inspector = Inspector(line_in(folder))
    images = [good_part(seed) for seed in range(20)]
    ProductLine.enroll("washer", images, home=folder / "home", progress=False)
    path = save_rules(folder, LENIENT)
    (fault,) = inspector.inspect(good_part(3)).faults
    assert fault == (
        f"{path}: is in force, but could not be kept in the line: line 'washer' was replaced since "
        "it was opened; load it again"
    )
    assert line_in(folder).knowledge is None


def test_a_file_with_faults_leaves_no_line_behind(folder: Path) -> None:
    save_rules(folder, BROKEN)
    with pytest.raises(KnowledgeError):
        ProductLine.enroll(
            "x", [good_part(1)], folder / "washer.yaml", home=folder / "home", progress=False
        )
    assert [line.name for line in ProductLine.list(home=folder / "home")] == ["washer"]
