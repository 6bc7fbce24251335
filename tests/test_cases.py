"""What people judged: numbered, kept, counted, and never changed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from echo import HistoryError, Inspection, Inspector, ProductLine
from echo import history as module
from echo.cases import Case, Cases, Judgement, OpinionThen, check, newest
from echo.history import Archive, History, learned_sha256
from echo.record import Record
from tests.conftest import bad_part, good_part
from tests.findings import opinion_of
from tests.histories import begin_as_before

ALPHA = 0.05
DUST = Judgement("accept", "Ann", "only dust")


@pytest.fixture(scope="module")
def inspections(nut_home: Path) -> list[Inspection]:
    """One to review and one that is accepted."""
    inspector = Inspector(ProductLine.load("nut", home=nut_home), keep=False)
    found = [inspector.inspect(bad_part(300)), inspector.inspect(good_part(300))]
    assert [one.verdict for one in found] == ["review", "accept"]
    return found


@pytest.fixture
def history(nut_home: Path, tmp_path: Path) -> History:
    """A history of the line in a home of its own."""
    history = History(ProductLine.load("nut", home=nut_home))
    history.path = tmp_path / "history" / "nut.sqlite"
    return history


def add(history: History, inspection: Inspection, count: int = 1) -> list[str]:
    return [history.add(inspection, ALPHA) for _ in range(count)]


def record_of(history: Archive, identifier: str) -> Record:
    return history.record(int(identifier.partition(":")[2]))


def test_a_case_holds_what_calibration_needs(
    history: History, inspections: list[Inspection], nut_home: Path
) -> None:
    opinion = opinion_of({"pit": 0.5, "no defect": 0.3, "other": 0.2}, prompts_version=3)
    review = inspections[0].model_copy(update={"opinion": opinion})
    (identifier,) = add(history, review)
    before = datetime.now(UTC)
    made = Cases(history).add(record_of(history, identifier), DUST)
    assert before <= made.time <= datetime.now(UTC)
    assert made == Case(
        number=1,
        inspection="nut:1",
        image="array",
        verdict="accept",
        by="Ann",
        reason="only dust",
        time=made.time,
        verdict_then="review",
        deciding_clause=None,
        p_value=review.anomaly.p_value,
        alpha=ALPHA,
        calibration_size=6,
        image_sha256=review.versions.image_sha256,
        learned_sha256=learned_sha256(ProductLine.load("nut", home=nut_home).manifest),
        opinion=OpinionThen(
            model="tiny",
            revision="r1",
            prompts_version=3,
            no_defect=0.3,
            from_logits=True,
            candidates=("pit", "no defect", "other"),
        ),
    )
    # Another process, so to say, long after.
    again = Archive("nut", history.path.parent.parent)
    assert Cases(again).up_to() == [made]
    assert Cases(again).of("nut:1") == [made]
    assert made.agrees is None


def test_cases_are_numbered_and_asked_for_up_to_a_number(
    history: History, inspections: list[Inspection]
) -> None:
    cases = Cases(history)
    assert (len(cases), cases.up_to()) == (0, [])
    review, accepted = add(history, inspections[0])[0], add(history, inspections[1])[0]
    assert len(cases) == 0
    cases.add(record_of(history, review), DUST)
    cases.add(record_of(history, accepted), Judgement("reject", "Bob", "scratched"))
    cases.add(record_of(history, review), Judgement("reject", "Bob", "a hole"), again=True)
    assert [case.number for case in cases.up_to()] == [1, 2, 3]
    assert len(cases) == 3
    assert [case.number for case in cases.up_to(2)] == [1, 2]
    assert cases.up_to(0) == []
    # Of the same inspection the newest counts, and at that time another was.
    assert [(case.number, case.verdict) for case in newest(cases.up_to())] == [
        (2, "reject"),
        (3, "reject"),
    ]
    assert [case.verdict for case in newest(cases.up_to(2))] == ["accept", "reject"]
    assert [case.agrees for case in cases.up_to()] == [None, False, None]


def test_an_inspection_is_judged_once_unless_asked_for(
    history: History, inspections: list[Inspection]
) -> None:
    record = record_of(history, add(history, inspections[0])[0])
    cases = Cases(history)
    made = cases.add(record, DUST)
    day = made.time.astimezone().strftime("%Y-%m-%d %H:%M")
    with pytest.raises(HistoryError) as caught:
        cases.add(record, Judgement("reject", "Bob", "a hole"))
    assert str(caught.value) == (
        f"nut:1: is resolved already by Ann on {day}: accept (only dust); to judge it once more: "
        "--again"
    )
    assert cases.up_to() == [made]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("good", "Ann", "x"), "'good' is no verdict of a person; expected accept or reject"),
        (("review", "Ann", "x"), "'review' is no verdict of a person; expected accept or reject"),
        (("accept", " ", "x"), "nothing says by whom it was judged; give a name and a reason"),
        (("accept", "Ann", "\n"), "nothing says for what reason it was judged; give a name and .+"),
        (("accept", "Ann", "\udcff"), r"'.udcff' has broken characters; write it without them"),
        (("accept", "\ud83d", "x"), r"'.ud83d' has broken characters; write it without them"),
    ],
)
def test_what_is_no_judgement(given: tuple[str, str, str], sentence: str) -> None:
    with pytest.raises(HistoryError, match=rf"\A{sentence}\Z"):
        check(*given)
    assert check("reject", " Ann ", "x\n") == Judgement("reject", "Ann", "x")


def test_nothing_changes_or_deletes_a_case(history: History, inspections: list[Inspection]) -> None:
    Cases(history).add(record_of(history, add(history, inspections[0])[0]), DUST)
    database = sqlite3.connect(history.path)
    for change in ("DELETE FROM cases", "UPDATE cases SET inspection = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="cases are never"):
            database.execute(change)
    database.close()


def test_what_waits_or_was_judged_is_never_deleted(
    history: History, inspections: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 4)
    review, accepted = inspections
    add(history, accepted)
    add(history, review)
    judged, *_ = add(history, accepted, 2)
    Cases(history).add(record_of(history, judged), Judgement("reject", "Bob", "scratched"))
    add(history, accepted, 6)
    assert [record.id for record in history.records()] == [
        *("nut:2", "nut:3"),
        *(f"nut:{number}" for number in range(7, 11)),
    ]
    assert [record.id for record in history.waiting()] == ["nut:2"]


def test_what_a_person_looks_at_is_kept(history: History, inspections: list[Inspection]) -> None:
    for inspection in inspections:
        back = record_of(history, add(history, inspection)[0]).inspection()
        assert back.steps == inspection.steps != ()
        assert back.references == inspection.references != ()
        assert back.anomaly.patch_scores_HW.shape == (1, 1)


def test_a_history_of_before_gets_room_for_cases(
    history: History, inspections: list[Inspection]
) -> None:
    add(history, inspections[0])
    history.close()
    database = sqlite3.connect(history.path)
    (row,) = database.execute("SELECT * FROM inspections")
    database.close()
    begin_as_before(history.path, row)
    archive = Archive("nut", history.path.parent.parent)
    assert len(Cases(archive)) == 0
    assert [record.id for record in archive.waiting()] == ["nut:1"]
    assert Cases(archive).add(archive.record(1), DUST).number == 1
    assert add(history, inspections[1]) == ["nut:2"]
    database = sqlite3.connect(history.path)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_case_that_cannot_be_read_is_told(
    history: History, inspections: list[Inspection]
) -> None:
    add(history, inspections[0])
    with history.writing() as database:
        database.execute("INSERT INTO cases VALUES (NULL, 1, ?)", (json.dumps({"by": "Ann"}),))
    with pytest.raises(HistoryError, match=r"nut\.sqlite: its case 1 cannot be read by this Echo;"):
        Cases(history).up_to()
    assert len(Cases(history)) == 1


def test_of_several_who_judge_at_once_one_is_heard(
    history: History, inspections: list[Inspection]
) -> None:
    add(history, inspections[0], 40)
    together = Barrier(3)

    def judge_all(name: str) -> int:
        """How many of them this person was the first to judge."""
        archive = Archive("nut", history.path.parent.parent)
        written = 0
        together.wait()
        for number in range(1, 41):
            with contextlib.suppress(HistoryError):
                Cases(archive).add(archive.record(number), Judgement("accept", name, "only dust"))
                written += 1
        return written

    with ThreadPoolExecutor(3) as people:
        assert sum(people.map(judge_all, ("Ann", "Bob", "Cy"))) == 40
    cases = Cases(history).up_to()
    assert [case.number for case in cases] == list(range(1, 41))
    assert sorted(case.inspection for case in cases) == sorted(f"nut:{n}" for n in range(1, 41))
