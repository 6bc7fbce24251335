"""What waits for a person waits through everything, and is resolved once."""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from echo import HistoryError, Inspector, LineError, ProductLine
from echo import review as module
from echo import threads as threads_module
from echo.cases import Cases, Judgement
from echo.review import Reviews, to_show
from echo.threads import open_threads
from tests.conftest import bad_part, good_part
from tests.histories import no_database


@pytest.fixture
def reviews(nut_line: ProductLine) -> Reviews:
    """Those of the line, of which nut:1 and nut:3 wait, and nut:2 was accepted."""
    inspector = Inspector(nut_line)
    found = [inspector.inspect(part) for part in (bad_part(1), good_part(100), bad_part(2))]
    assert [one.verdict for one in found] == ["review", "accept", "review"]
    assert [one.faults for one in found] == [(), (), ()]
    return Reviews("nut", nut_line.home)


def waiting(reviews: Reviews) -> list[str]:
    return [one.record.id for one in reviews.waiting()]


def threads(line: ProductLine) -> list[str]:
    """The threads that there are; each has a single checkpoint."""
    with open_threads("nut", line.home) as saver:
        return [row[0] for row in saver.conn.execute("SELECT thread_id FROM checkpoints")]


def test_an_inspection_to_review_waits_and_others_do_not(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    assert threads(nut_line) == ["review nut:1", "review nut:3"]
    assert waiting(reviews) == ["nut:1", "nut:3"]
    assert threads(nut_line) == ["review nut:1", "review nut:3"]


def test_an_accepted_part_opens_no_threads(nut_line: ProductLine) -> None:
    assert Inspector(nut_line).inspect(good_part(100)).verdict == "accept"
    assert not (nut_line.home / "threads").exists()


def test_what_is_not_kept_does_not_wait(nut_line: ProductLine) -> None:
    assert Inspector(nut_line, keep=False).inspect(bad_part(1)).verdict == "review"
    assert not (nut_line.home / "threads").exists()


def test_the_thread_shows_what_a_person_needs(nut_line: ProductLine) -> None:
    inspection = Inspector(nut_line).inspect(bad_part(1))
    with open_threads("nut", nut_line.home) as saver:
        kept = saver.get_tuple(module._thread("nut:1"))
    assert kept is not None
    ((_, channel, (shown,)),) = kept.pending_writes or []
    assert channel == "__interrupt__"
    assert shown.value == to_show(inspection)
    assert shown.value["id"] == "nut:1"
    assert shown.value["reason"] == inspection.decision.reason
    assert [step["found"] for step in shown.value["steps"]] == [s.found for s in inspection.steps]
    assert [region["place"] for region in shown.value["regions"]] == ["centre"]
    # The same comes of what is stored, so a thread that is lost is made anew just so.
    assert Reviews("nut", nut_line.home).show("nut:1").shown == to_show(inspection)


def test_a_person_resolves_it_once(nut_line: ProductLine, reviews: Reviews) -> None:
    before = (
        nut_line.sha256,
        sorted(p.read_bytes() for p in nut_line.folder.rglob("*") if p.is_file()),
    )
    case = reviews.resolve("nut:3", "accept", by="Ann", reason="only dust")
    assert (case.number, case.inspection, case.verdict, case.verdict_then) == (
        *(1, "nut:3"),
        *("accept", "review"),
    )
    assert (case.by, case.reason, case.agrees) == ("Ann", "only dust", None)
    assert waiting(reviews) == ["nut:1"]
    assert threads(nut_line) == ["review nut:1"]
    assert reviews.show("nut:3").cases == (case,)
    assert not reviews.show("nut:3").waits
    with pytest.raises(HistoryError, match=r"\Anut:3: is resolved already by Ann on .+ --again\Z"):
        reviews.resolve("nut:3", "reject", by="Bob", reason="a hole")
    other = reviews.resolve("nut:3", "reject", by="Bob", reason="a hole", again=True)
    assert reviews.cases() == [case, other]
    # Labelled data are no training data.
    now = ProductLine.load("nut", home=nut_line.home)
    files = sorted(p.read_bytes() for p in nut_line.folder.rglob("*") if p.is_file())
    assert (now.sha256, files) == before
    assert now.kinds == {}


def test_what_echo_decided_can_be_overruled(nut_line: ProductLine, reviews: Reviews) -> None:
    case = reviews.resolve("nut:2", "reject", by="Bob", reason="scratched")
    assert (case.verdict_then, case.agrees) == ("accept", False)
    assert waiting(reviews) == ["nut:1", "nut:3"]
    assert threads(nut_line) == ["review nut:1", "review nut:3"]
    with pytest.raises(HistoryError, match="nut:2: is resolved already by Bob"):
        reviews.resolve("nut:2", "reject", by="Bob", reason="scratched")


def test_killed_between_the_inspection_and_its_thread(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    with open_threads("nut", nut_line.home) as saver:
        saver.delete_thread("review nut:1")
    assert reviews.resolve("nut:1", "accept", by="Ann", reason="only dust").number == 1
    with open_threads("nut", nut_line.home) as saver:
        saver.delete_thread("review nut:3")
    assert waiting(reviews) == ["nut:3"]
    assert threads(nut_line) == ["review nut:3"]


def test_killed_between_a_thread_and_what_it_waits_with(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    with open_threads("nut", nut_line.home) as saver, saver.cursor() as cursor:
        cursor.execute("DELETE FROM writes")
    assert waiting(reviews) == ["nut:1", "nut:3"]
    assert reviews.resolve("nut:1", "accept", by="Ann", reason="only dust").number == 1
    assert waiting(reviews) == ["nut:3"]


def test_killed_between_the_case_and_the_end_of_the_thread(
    nut_line: ProductLine, reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(module._Threads, "end", killed)
    with pytest.raises(Killed):
        reviews.resolve("nut:1", "accept", by="Ann", reason="only dust")
    monkeypatch.undo()
    assert "review nut:1" in threads(nut_line)
    again = Reviews("nut", nut_line.home)
    with pytest.raises(HistoryError, match="nut:1: is resolved already by Ann"):
        again.resolve("nut:1", "reject", by="Bob", reason="a hole")
    assert waiting(again) == ["nut:3"]
    assert threads(nut_line) == ["review nut:3"]
    assert len(again.cases()) == 1


def test_an_answer_that_was_begun_is_no_answer(
    nut_line: ProductLine, reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise HistoryError("the disk is full")

    monkeypatch.setattr(Cases, "add", full)
    monkeypatch.setattr(module._Threads, "end", lambda *_: None)
    with pytest.raises(HistoryError, match="the disk is full"):
        reviews.resolve("nut:1", "accept", by="Ann", reason="only dust")
    monkeypatch.undo()
    assert waiting(reviews) == ["nut:1", "nut:3"]
    case = reviews.resolve("nut:1", "reject", by="Bob", reason="a hole")
    assert (case.by, case.verdict, len(reviews.cases())) == ("Bob", "reject", 1)


def test_somebody_else_was_faster(nut_line: ProductLine, reviews: Reviews) -> None:
    other = Reviews("nut", nut_line.home)
    with other._threads.use() as theirs, reviews._threads.use() as ours:
        judgement = Judgement("accept", "Ann", "only dust")
        assert ours.resume("nut:1", judgement) == 1
        with pytest.raises(HistoryError, match="nut:1: somebody else resolved it at the same mom"):
            theirs.resume("nut:1", Judgement("reject", "Bob", "a hole"))
        ours.end("nut:3")
        with pytest.raises(HistoryError, match="the review has just ended; see what came of it"):
            theirs.resume("nut:3", judgement)
    assert [case.by for case in reviews.cases()] == ["Ann"]
    assert waiting(reviews) == ["nut:3"]


def test_a_history_that_is_begun_anew_leaves_no_threads_of_before(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    shutil.rmtree(nut_line.home / "history")
    inspector = Inspector(nut_line)
    inspection = inspector.inspect(bad_part(7))
    assert inspection.id == "nut:1"
    assert waiting(reviews) == ["nut:1"]
    assert threads(nut_line) == ["review nut:1"]
    case = reviews.resolve("nut:1", "reject", by="Bob", reason="a hole")
    assert case.image_sha256 == inspection.versions.image_sha256


def test_a_thread_left_over_is_not_resolved_for_another_inspection(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    (before, _) = reviews.waiting()
    shutil.rmtree(nut_line.home / "history")
    inspection = Inspector(nut_line, mllm="none").inspect(bad_part(7))
    with reviews._threads.use() as kept:
        # As if it had been shown just before the history went.
        kept.open("nut:1", before.shown)
        with pytest.raises(HistoryError, match=r"\Anut:1: is another inspection by now, since the"):
            kept.resume("nut:1", Judgement("accept", "Ann", "only dust"))
    assert reviews.cases() == []
    case = reviews.resolve("nut:1", "reject", by="Bob", reason="a hole")
    assert case.image_sha256 == inspection.versions.image_sha256 != before.record.image_sha256


def test_a_thread_of_another_inspection_is_not_answered(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    (first, second) = reviews.waiting()
    with reviews._threads.use() as kept:
        kept.open("nut:1", second.shown)
        assert not kept.waits("nut:1", first.shown)
    case = reviews.resolve("nut:1", "accept", by="Ann", reason="only dust")
    assert case.inspection == "nut:1"
    assert waiting(reviews) == ["nut:3"]


def test_threads_that_cannot_be_used_stop_no_inspection(nut_line: ProductLine) -> None:
    path = nut_line.home / "threads" / "nut.sqlite"
    no_database(path)
    inspector = Inspector(nut_line)
    inspection = inspector.inspect(bad_part(1))
    assert (inspection.verdict, inspection.id) == ("review", "nut:1")
    (fault,) = inspection.faults
    assert fault.startswith(f"{path}: cannot be used (file is not a database); check the rights")
    # Who waits is told nevertheless.
    reviews = Reviews("nut", nut_line.home)
    assert waiting(reviews) == ["nut:1"]
    assert reviews.fault == fault
    with pytest.raises(HistoryError, match="file is not a database"):
        reviews.resolve("nut:1", "accept", by="Ann", reason="only dust")
    # Once it is out of the way, all is well again, and nothing is lost.
    path.unlink()
    assert inspector.inspect(bad_part(2)).faults == ()
    assert waiting(reviews) == ["nut:1", "nut:2"]
    assert not reviews.fault


def test_threads_that_another_program_holds_are_not_moved_away(
    nut_line: ProductLine, reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads_module, "BUSY_S", 0.05)
    path = nut_line.home / "threads" / "nut.sqlite"
    with open_threads("nut", nut_line.home) as saver:
        saver.delete_thread("review nut:3")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    told = f"{path}: is in use by another program for over 0.05 s; end that program, or try again"
    with pytest.raises(HistoryError) as caught:
        reviews.resolve("nut:3", "accept", by="Ann", reason="only dust")
    assert str(caught.value) == told
    # What can be written is written, and nobody is told otherwise.
    assert reviews.resolve("nut:1", "accept", by="Ann", reason="only dust").number == 1
    other.close()
    assert reviews.resolve("nut:3", "accept", by="Ann", reason="only dust").number == 2
    assert (waiting(reviews), threads(nut_line)) == ([], [])


def test_threads_that_are_moved_away_while_open(nut_line: ProductLine, reviews: Reviews) -> None:
    assert waiting(reviews) == ["nut:1", "nut:3"]
    shutil.rmtree(nut_line.home / "threads")
    assert waiting(reviews) == ["nut:1", "nut:3"]
    assert threads(nut_line) == ["review nut:1", "review nut:3"]


def test_a_forked_process_opens_the_threads_anew(nut_line: ProductLine, reviews: Reviews) -> None:
    assert waiting(reviews) == ["nut:1", "nut:3"]
    open_ = reviews._threads._open
    before = reviews._threads._opened
    assert before is not None
    reviews._threads._opened = (before[0] + 1, before[1])
    assert waiting(reviews) == ["nut:1", "nut:3"]
    assert reviews._threads._open is not open_
    assert module._OF_PARENT[-1] is open_
    assert reviews._threads._opened == (os.getpid(), before[1])


def test_unknown_reviews(nut_line: ProductLine, reviews: Reviews) -> None:
    with pytest.raises(LineError, match="no line 'bolt'"):
        Reviews("bolt", nut_line.home)
    for identifier, sentence in (
        ("nut:9", "nut:9: no such inspection is stored, of this line those from nut:1 to nut:3"),
        ("bolt:1", "bolt:1: is no inspection of line nut"),
        ("nut", "'nut' names no inspection; expected LINE:NUMBER"),
    ):
        with pytest.raises(HistoryError, match=rf"\A{sentence}"):
            reviews.resolve(identifier, "accept", by="Ann", reason="only dust")


def test_what_this_echo_cannot_read_goes_on_waiting(
    nut_line: ProductLine, reviews: Reviews
) -> None:
    with sqlite3.connect(nut_line.home / "history" / "nut.sqlite") as database:
        database.execute("UPDATE inspections SET inspection = '{}' WHERE id = 1")
    database.close()
    assert waiting(reviews) == ["nut:1", "nut:3"]
    shown = reviews.waiting()[0].shown
    assert shown == {
        "id": "nut:1",
        "image": "array",
        "reason": "its stored inspection cannot be read",
    }
    with pytest.raises(HistoryError, match="cannot be read by this Echo; inspect it again"):
        reviews.resolve("nut:1", "accept", by="Ann", reason="only dust")
    assert waiting(reviews) == ["nut:1", "nut:3"]
