"""What the commands print of inspections: clauses and references, and tables in narrow windows."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from echo import Inspector, ProductLine
from echo.cli_tables import EMPTY, WIDE, Listing
from echo.report import ReportWriter
from experts.images import Picture
from experts.knowledge import KnowledgeGuide, Scene
from experts.reasoning import ReasoningExpert
from tests.claim_facts import (
    SIZE_HW,
    WASHER,
    anomaly_of,
    inspection_of,
    knowledge_of,
    region_of,
)
from tests.conftest import TIME, Command, bad_part, good_part, save
from tests.histories import rewrite
from tests.ruled_lines import STRICT, copied

DECIDED = (
    r"Clause `pit\.size` \(washer\.yaml, revision \w{8}, line 13\) allows of pit: length up to "
    r"0\.5 mm; measured [\d.]+ mm, not within the limit: "
)


@pytest.fixture
def home(run: Command, strict_home: Path, tmp_path: Path) -> Path:
    """The home of commands, with the line ``washer``, and a stored part that its rules reject."""
    copied(strict_home, tmp_path, STRICT)
    save(tmp_path / "bad.png", bad_part(9))
    assert run("inspect", "washer", tmp_path / "bad.png").code == 1
    return tmp_path / "home"


def test_of_a_reject_the_clause_and_the_nearest_images_are_shown(
    run: Command, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").unlink()
    shown = " ".join(run("review", "show", "washer:1").out.split())
    assert re.search(DECIDED, shown)
    assert "Most similar normal images: array-0000" in shown
    assert re.search(r"\d\. clause pit\.size .+?: If this is pit: allowed is length up", shown)
    row = json.loads(run("review", "show", "washer:1", "--json").out)
    assert row["deciding_clause"] == "pit.size"
    (check,) = (c for c in row["clause_checks"] if c["clause"]["id"] == "pit.size")
    assert (check["within"], check["measured"] > 0.5) == (False, True)
    assert len(row["references"]) == 1


def test_of_a_reject_of_before_it_is_said_what_is_not_stored(run: Command, home: Path) -> None:
    rewrite(home, lambda stored: stored.update(references=[], clause_checks=[], steps=[]))
    shown = run("review", "show", "washer:1")
    assert shown.code == 0
    assert "Clause `pit.size` decided. What was measured for it was not stored.\n" in shown.out


def printed(rows: Listing, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, legacy_windows=False)
    with console.capture() as told:
        console.print(rows.table(width))
    return told.get()


def listing() -> Listing:
    rows = Listing("id", "image", "verdict", "p", "reason", "opinion")
    why = "a dark spot of about 35 × 32 px in the centre scores beyond all normal washers. " * 2
    rows.add("washer:1", "a-long-name-of-an-image.png", "reject", "0.05", f"Rejected: {why}", EMPTY)
    rows.add("washer:2", "b.png", "review", "0.5", "To review: no.", EMPTY)
    return rows


def test_in_a_wide_window_each_cell_has_its_column() -> None:
    told = printed(listing(), 200)
    assert re.search(r"┃ id +┃ image +┃ verdict ┃ p +┃ reason +┃\n", told)
    assert re.search(r"│ washer:2 │ b\.png +│ review +│ 0\.5 +│ To review: no\. +│\n", told)
    assert "opinion" not in told


@pytest.mark.parametrize("width", [80, WIDE - 1])
def test_in_a_narrow_window_the_reason_has_the_room(width: int) -> None:
    told = printed(listing(), width)
    lines = told.splitlines()
    assert max(map(len, lines)) <= width
    # Up to the line below the first row.
    row = lines[3 : next(i for i, line in enumerate(lines) if line.startswith("├"))]
    first = [line.split("│")[1:3] for line in row]
    left = "".join(cells[0].strip() for cells in first)
    assert left.startswith("washer:1a-long-name-of-an-image.pngrejectp = 0.05")
    assert min(len(cells[1]) for cells in first) > width / 2
    assert len(lines) <= 14
    assert "opinion" not in told


def test_nothing_is_lost_in_the_narrowest_window() -> None:
    told = printed(listing(), 24)
    rows = [line.split("│")[1:3] for line in told.splitlines() if line.startswith("│")]
    left, right = ("".join(cells[side].strip() for cells in rows) for side in (0, 1))
    for cell in ("washer:1", "a-long-name-of-an-image.png", "reject", "washer:2"):
        assert cell in left
    assert "scoresbeyondallnormalwashers." in right.replace(" ", "")


def test_where_nothing_is_stored_no_ids_are_listed(
    run: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.exists()
    monkeypatch.setenv("COLUMNS", "80")
    told = run("inspect", "washer", tmp_path / "bad.png", "--no-keep").out
    assert re.search(r"│ bad\.png +│ Rejected: a dark spot", told)
    assert "washer:" not in told
    kept = run("inspect", "washer", tmp_path / "bad.png").out
    assert re.search(r"│ washer:2 +│ Rejected: a dark spot", kept)
    assert re.search(rf"│ washer:2 +│.+\n│ {TIME}", run("history", "washer").out)


def test_a_report_gives_areas_in_squares(washer_line: ProductLine, tmp_path: Path) -> None:
    inspection = Inspector(washer_line, keep=False).inspect(bad_part(1))
    writer = ReportWriter(tmp_path, "Bad", washer_line)
    writer.add(inspection, Picture("bad.png", bad_part(1)))
    page = writer.finish().read_text()
    assert f"<td>{inspection.regions[0].area_px} px²</td>" in page
    assert "px</td><td>" in page


def test_clauses_that_were_measured_on_no_place_are_counted_and_not_listed() -> None:
    rules, anomaly = knowledge_of(WASHER), anomaly_of(0)
    sight = inspection_of(anomaly, [], rules).sight
    guide = KnowledgeGuide(rules)
    for regions in ([], [region_of(1, (20, 30, 40, 34), "top left", "dark line", mm=0.05)]):
        checks, _, excerpt = guide.check(regions, Scene(SIZE_HW, sight, anomaly.limit))
        steps = ReasoningExpert(rules).reason((), anomaly, regions, checks, excerpt)
        told = {s.looked_at for s in steps if "the limit." in s.found}
        assert len(told) == sum(bool(c.region_ids) for c in checks)
        if not regions:
            assert steps[-1].found == f"{len(checks)} clauses hold."
            assert steps[-1].looked_at == "all clauses"


def test_of_several_questions_the_one_that_cannot_be_asked_is_named(
    run: Command, home: Path, tmp_path: Path
) -> None:
    new = save(tmp_path / "new.png", good_part(3))
    asked = [word for q in ("Why?", "Where?", " ?") for word in ("--question", q)]
    result = run("ask", "washer", new, *asked)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "echo-iad: of 3 questions number 3: the question is empty; ask something, such as: Why?\n"
    )
    # Nothing was inspected.
    assert "new.png" not in run("history", "washer").out
    assert home.exists()
