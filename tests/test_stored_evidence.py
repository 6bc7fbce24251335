"""What is told of a stored inspection when its image, its rules, or both are gone."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from echo import Inspection, Inspector, ProductLine, replay_inspection
from echo.history import Archive
from echo.review import Reviews
from experts.answers.known import RULES_LOST
from experts.clock import local_time
from experts.images import read_picture
from tests.conftest import TIME, bad_part, good_part, save
from tests.histories import rewrite
from tests.ruled_lines import LENIENT

RULE = "Which rule decided?"
NOT_STORED = "Clause `pit.size` decided. What was measured for it was not stored."


@pytest.fixture
def home(strict_home: Path, tmp_path: Path) -> Path:
    """A home with the line ``washer``, whose rules reject, and the file that they stand in."""
    home = Path(shutil.copytree(strict_home, tmp_path / "home"))
    manifest = home / "lines" / "washer" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(strict_home), str(home)))
    return home


@pytest.fixture
def bad(home: Path, tmp_path: Path) -> Inspection:
    """A part that its rules reject; stored as washer:1."""
    return inspector_of(home).inspect(save(tmp_path / "bad.png", bad_part(9)))


def inspector_of(home: Path) -> Inspector:
    return Inspector(ProductLine.load("washer", home=home), mllm="none")


def stored(home: Path) -> Inspection:
    return Archive("washer", home).record(1).inspection()


def as_before(home: Path) -> None:
    """Leave out of the stored inspection what Echos of before did not keep."""

    def strip(stored: dict[str, Any]) -> None:
        stored.update(references=[], clause_checks=[], steps=[])

    rewrite(home, strip)


def lose_rules(home: Path) -> None:
    """Let the line have others, and keep nothing of those that it had."""
    (home / "washer.yaml").write_text(LENIENT)
    inspector_of(home).inspect(good_part(1))
    with sqlite3.connect(home / "history" / "washer.sqlite") as database:
        database.execute("DELETE FROM inputs")
    database.close()


def asked(home: Path, question: str, **how: Any) -> str:
    return inspector_of(home).converse(stored(home), new=True, **how).ask(question).text


def test_without_the_image_the_rule_that_decided_is_told(home: Path, bad: Inspection) -> None:
    assert bad.decision.deciding_clause == "pit.size"
    with_image = asked(home, RULE)
    assert re.match(
        r"This clause decided. Clause `pit.size` \(washer.yaml, revision \w{8}, line 13\) allows "
        r"of pit: length up to 0.5 mm; measured [\d.]+ mm, not within the limit: ",
        with_image,
    )
    why, steps = asked(home, "Why?"), asked(home, "What did you do?")
    Path(bad.image).unlink()
    assert asked(home, RULE) == with_image
    assert (asked(home, "Why?"), asked(home, "What did you do?")) == (why, steps)
    assert steps.count("\n") > 4
    assert "The most similar normal image" in asked(home, "What did you compare it with?")


def test_what_echos_of_before_stored_is_completed_from_the_image(
    home: Path, bad: Inspection
) -> None:
    said = asked(home, RULE)
    as_before(home)
    assert asked(home, RULE) == said
    Path(bad.image).unlink()
    told = asked(home, RULE).splitlines()
    assert told[:2] == [NOT_STORED, "Clause `pit.size` allows of pit: length up to 0.5 mm."]
    assert "pit.count" not in "".join(told)
    assert asked(home, "What about pit.size?") == (
        "Clause `pit.size` allows of pit: length up to 0.5 mm. It decided. What was measured for "
        "it was not stored."
    )
    assert asked(home, "What about pit.count?").endswith("What was measured for it was not stored.")


def test_where_the_rules_are_lost_nobody_denies_that_there_were_any(
    home: Path, bad: Inspection
) -> None:
    said, steps = asked(home, RULE), asked(home, "What did you do?")
    lose_rules(home)
    picture = read_picture(bad.image)
    for how in ({}, {"picture": picture}):
        assert asked(home, RULE, **how) == said
        assert asked(home, "What did you do?", **how) == steps
        assert asked(home, "What about pit.size?", **how).startswith("Clause `pit.size` (")
        for question in ("What is the cause?", "Is it critical?", "How should it look?"):
            assert asked(home, question, **how).splitlines()[0] == RULES_LOST, question
        assert asked(home, "What does the knowledge file say about pit?", **how) == RULES_LOST
        Path(bad.image).unlink(missing_ok=True)
    # The map rests on no rules, so closer looks go on.
    assert "At native resolution" in asked(home, "Zoom in", picture=picture)


def test_what_lost_rules_came_to_is_not_computed_by_others(home: Path, bad: Inspection) -> None:
    as_before(home)
    lose_rules(home)
    talk = inspector_of(home).converse(stored(home))
    assert (talk.inspection.steps, talk.inspection.clause_checks) == ((), ())
    assert talk.inspection.references == bad.references
    assert talk.ask(RULE).text.splitlines()[:2] == [NOT_STORED, RULES_LOST]
    assert talk.ask("What did you do?").text.splitlines()[0] == bad.decision.reason


def test_a_line_that_never_had_rules_says_so(
    washer_line: ProductLine, bad_photo: Path, own_home: Path
) -> None:
    no_file = "The line has no knowledge file, so no rule allows anything."
    inspection = Inspector(washer_line).inspect(bad_photo)
    assert Inspector(washer_line).ask(inspection, RULE).text.splitlines()[0] == no_file
    bad_photo.unlink()
    assert asked(own_home, RULE).splitlines()[0] == no_file


def test_both_kinds_of_rows_are_replayed(home: Path, bad: Inspection) -> None:
    assert bad.steps
    assert replay_inspection("washer:1", home=home).reproduced
    as_before(home)
    assert replay_inspection("washer:1", home=home).reproduced


def test_what_a_person_judged_stands_beside_the_verdict(home: Path, bad: Inspection) -> None:
    before = asked(home, "What is the verdict?").splitlines()
    reviews = Reviews("washer", home)
    reviews.resolve("washer:1", "accept", by="Ada Berg", reason="only dust.")
    judged = rf"Ada Berg accepted it on {TIME}: “only dust”\."
    for question in ("Who decided?", "What next?"):
        verdict, person = asked(home, question).splitlines()[:2]
        assert verdict == "The verdict is reject.", question
        assert re.fullmatch(judged, person), question
    now = asked(home, "What is the verdict?").splitlines()
    assert re.fullmatch(judged, now[1])
    assert [now[0], *now[2:]] == before
    reviews.resolve("washer:1", "reject", by="Bo Lund", reason="a pit", again=True)
    assert re.search(rf"Bo Lund rejected it on {TIME}: “a pit”\.", asked(home, "What next?"))
    assert "Ada" not in asked(home, "What next?")


def test_what_is_judged_waits_for_nobody(
    nut_line: ProductLine, bad_photo: Path, tmp_path: Path
) -> None:
    inspector = Inspector(nut_line, mllm="none")
    review = inspector.inspect(bad_photo)
    assert "a person must decide" in inspector.ask(review, "Who decides?").text
    Reviews("nut", tmp_path / "home").resolve("nut:1", "reject", by="Ada Berg", reason="a pit")
    verdict, person = inspector.ask(review, "Who decides?").text.splitlines()
    assert verdict == "The verdict is review."
    assert re.fullmatch(rf"Ada Berg rejected it on {TIME}: “a pit”\.", person)


@pytest.mark.parametrize(
    "question",
    [
        "When was it inspected?",
        "On what day was this examined?",
        "When was the part rejected?",
        "Wann wurde es geprüft?",
        "Wann war die Prüfung?",
    ],
)
def test_when_it_was_inspected_is_told(home: Path, bad: Inspection, question: str) -> None:
    time = Archive("washer", home).record(1).time
    assert f"It was inspected on {local_time(time)}." in asked(home, question).splitlines()
    unstored = bad.model_copy(update={"id": None})
    told = inspector_of(home).ask(unstored, question).text
    assert "It is not stored when it was inspected." in told.splitlines()


@pytest.mark.parametrize(
    "question",
    [
        "When was it made?",
        "Wann wurde es hergestellt?",
        "When should I check it again?",
        "Wann soll ich es wieder prüfen?",
    ],
)
def test_other_times_are_not_known(home: Path, bad: Inspection, question: str) -> None:
    assert bad.id == "washer:1"
    assert "inspected on" not in asked(home, question)
