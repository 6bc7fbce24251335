"""Conversations are kept: whatever becomes of the process, the file, or the rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echo import Inspection, Inspector, ProductLine
from echo.history import Archive
from echo.threads import open_threads, threads_path
from experts.dialogue_partner import MAX_TURNS, NO_IMAGE
from experts.mllm import MLLM, ScriptedMLLM
from tests.conftest import bad_part, save
from tests.ruled_lines import LENIENT, STRICT, line_with
from tests.test_dialogue import reply


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("threads")
    line_with(STRICT, home)
    return home


@pytest.fixture
def home(enrolled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(enrolled, tmp_path / "home"))


@pytest.fixture
def line(home: Path) -> ProductLine:
    return ProductLine.load("washer", home=home)


@pytest.fixture
def bad(line: ProductLine, tmp_path: Path) -> Inspection:
    return inspector_of(line).inspect(save(tmp_path / "bad.png", bad_part(9)))


def inspector_of(line: ProductLine, model: MLLM | str = "none") -> Inspector:
    return Inspector(line, mllm=model)


def stored(line: ProductLine, number: int = 1) -> Inspection:
    return Archive(line.name, line.home).record(number).inspection()


def test_a_conversation_goes_on_with_another_inspector(line: ProductLine, bad: Inspection) -> None:
    first = inspector_of(line).ask(bad, "Why?")
    talk = inspector_of(line).converse(stored(line))
    assert (talk.thread, talk.turns) == ("ask washer:1", (first,))
    looked = talk.ask("Zoom in")
    assert looked.looks[0].id == "look-1"
    again = inspector_of(line).converse(bad)
    assert again.turns == (first, looked)
    assert again.ask("Zoom in").looks[0].id == "look-2"


def test_a_new_conversation_leaves_the_former(line: ProductLine, bad: Inspection) -> None:
    inspector = inspector_of(line)
    inspector.ask(bad, "Why?")
    for number in (2, 3):
        talk = inspector.converse(bad, new=True)
        assert (talk.thread, talk.turns) == (f"ask washer:1/{number}", ())
        talk.ask("Where?")
    assert inspector.converse(bad).thread == "ask washer:1/3"
    with open_threads(line.name, line.home) as threads:
        former = threads.get_tuple({"configurable": {"thread_id": "ask washer:1"}})
    assert former is not None
    assert [t["question"] for t in former.checkpoint["channel_values"]["turns"]] == ["Why?"]


def test_threads_of_other_inspections_are_others(line: ProductLine, tmp_path: Path) -> None:
    inspector = inspector_of(line)
    inspections = [inspector.inspect(save(tmp_path / f"{n}.png", bad_part(n))) for n in range(12)]
    for inspection in inspections:
        inspector.ask(inspection, f"Why {inspection.id}?")
    for inspection in inspections:
        assert [t.question for t in inspector.converse(inspection).turns] == [
            f"Why {inspection.id}?"
        ]


def test_what_is_stored_is_complete_again(line: ProductLine, bad: Inspection) -> None:
    kept = stored(line)
    for name in ("steps", "clause_checks", "references", "decision", "id"):
        assert getattr(kept, name) == getattr(bad, name), name
    assert kept.anomaly.patch_scores_HW.size == 1
    talk = inspector_of(line).converse(kept)
    map_then, map_now = (i.anomaly.patch_scores_HW for i in (bad, talk.inspection))
    assert (map_then == map_now).all()
    assert talk.ask("Which rule?").text == inspector_of(line).ask(bad, "Which rule?").text
    assert "region-1" in talk.ask("compare it").evidence_ids


def test_the_image_may_be_gone_or_another(
    line: ProductLine, bad: Inspection, tmp_path: Path
) -> None:
    from experts.images import read_picture

    picture = read_picture(bad.image)
    save(tmp_path / "bad.png", bad_part(10))
    kept = stored(line)
    for _ in range(2):
        talk = inspector_of(line).converse(kept)
        assert talk.ask("zoom in").text == NO_IMAGE
        assert talk.ask("Why?").text.splitlines()[0] == bad.decision.reason
        Path(bad.image).unlink(missing_ok=True)
    moved = inspector_of(line).converse(kept, picture=picture)
    assert moved.ask("zoom in").text != NO_IMAGE


def test_the_rules_of_then_count(tmp_path: Path) -> None:
    line = line_with(STRICT, tmp_path)
    bad = inspector_of(line).inspect(save(tmp_path / "bad.png", bad_part(9)))
    then = "length up to 0.5 mm"
    assert then in inspector_of(line).ask(bad, "Which rule?").text
    (tmp_path / "washer.yaml").write_text(LENIENT)
    later = inspector_of(ProductLine.load("washer", home=tmp_path))
    answer = later.ask(stored(line), "Which rule?")
    assert then in answer.text
    assert answer.faults == ()
    with sqlite3.connect(tmp_path / "history" / "washer.sqlite") as database:
        database.execute("DELETE FROM inputs")
    database.close()
    lost = inspector_of(ProductLine.load("washer", home=tmp_path)).ask(stored(line), "Why?")
    assert lost.text.splitlines()[0] == bad.decision.reason
    assert re.fullmatch(
        r"it was judged by revision \w{8} of the rules, which is not kept", lost.faults[0]
    )


def test_long_conversations_stay_small(line: ProductLine, bad: Inspection) -> None:
    talk = inspector_of(line).converse(bad)
    for _ in range(8):
        talk.ask("Why?")
    with sqlite3.connect(threads_path("washer", line.home)) as database:
        (count,) = database.execute("SELECT count(*) FROM checkpoints").fetchone()
    database.close()
    assert count == 1
    assert len(inspector_of(line).converse(bad).turns) == 8
    assert MAX_TURNS >= 100


def test_a_damaged_file_is_a_fault(line: ProductLine, bad: Inspection) -> None:
    path = threads_path("washer", line.home)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no database at all" * 100)
    inspector = inspector_of(line)
    talk = inspector.converse(bad)
    for question in ("Why?", "and how big is it?"):
        answer = talk.ask(question)
        (fault,) = answer.faults
        assert fault.startswith(f"this conversation is not kept: {path}: cannot be used")
    assert len(talk.turns) == 2
    assert path.read_bytes().startswith(b"no database")


def test_a_conversation_that_cannot_be_read_is_a_fault(line: ProductLine, bad: Inspection) -> None:
    inspector_of(line).ask(bad, "Why?")
    with sqlite3.connect(threads_path("washer", line.home)) as database:
        database.execute("UPDATE checkpoints SET checkpoint = x'00ff13'")
    database.close()
    answer = inspector_of(line).ask(bad, "Why?")
    assert "cannot be read any more" in answer.faults[0]
    assert answer.faults[0].endswith("begin a new one: --new")
    talk = inspector_of(line).converse(bad, new=True)
    assert talk.ask("Why?").faults == ()


def test_a_locked_file_is_a_fault(
    line: ProductLine, bad: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("echo.threads.BUSY_S", 0.1)
    inspector_of(line).ask(bad, "Where?")
    talk = inspector_of(line).converse(bad)
    other = sqlite3.connect(threads_path("washer", line.home), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = talk.ask("Why?")
    assert answer.text.splitlines()[0] == bad.decision.reason
    assert "locked" in answer.faults[0]
    assert [t.question for t in talk.turns] == ["Where?", "Why?"]
    other.execute("ROLLBACK")
    other.close()


def test_what_the_model_said_is_kept_checked(line: ProductLine, bad: Inspection) -> None:
    says = f"{bad.decision.reason} ACCEPT."
    model = ScriptedMLLM([reply(says)])
    answer = inspector_of(line, model).ask(bad, "Why?")
    (turn,) = inspector_of(line).converse(bad).turns
    assert turn == answer
    assert "ACCEPT" not in turn.text
    assert turn.sentences[-1].outcome in ("dropped", "corrected")


CHILD = """
import sys, time
from echo import Inspector, ProductLine, ScriptedMLLM
from echo.history import Archive
from tests.test_dialogue import reply

home, slow = sys.argv[1:]
line = ProductLine.load("washer", home=home)
inspection = Archive("washer", line.home).record(1).inspection()

def script(messages, options):
    print("asked", flush=True)
    time.sleep(float(slow))
    return reply("A dark spot is there.")

talk = Inspector(line, mllm=ScriptedMLLM(script)).converse(inspection)
for number in range(len(talk.turns), 1000):
    print(f"question {number}", flush=True)
    talk.ask(f"Where is it, number {number}?")
    print(f"answered {number}", flush=True)
"""


def killed(home: Path, slow: float, until: str, delay: float) -> list[str]:
    """What a process said before it was killed, some time after it said ``until``."""
    root = Path(__file__).parent.parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home), str(slow)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=root,
    )
    assert child.stdout is not None
    said: list[str] = []
    with child.stdout as lines:
        for said_line in lines:
            said.append(said_line.strip())
            if said[-1] == until:
                time.sleep(delay)
                child.send_signal(signal.SIGKILL)
                break
        said += [rest.strip() for rest in lines]
    assert child.wait() == -signal.SIGKILL
    return said


def test_a_killed_conversation_goes_on(line: ProductLine, bad: Inspection, home: Path) -> None:
    answered = 0
    # In the middle of an answer, and at any moment of many quick ones.
    for slow, ahead, delay in ((0.0, 3, 0.013), (60.0, 0, 0.05), (0.0, 5, 0.031)):
        until = "asked" if slow else f"answered {answered + ahead}"
        said = killed(home, slow, until, delay)
        complete = [int(line.split()[1]) for line in said if line.startswith("answered")]
        turns = inspector_of(line).converse(bad).turns
        # Those that were answered are there, each once and in order; none half answered.
        assert [t.question for t in turns] == [
            f"Where is it, number {n}?" for n in range(len(turns))
        ]
        known = max(complete, default=answered - 1) + 1
        # What was kept may not have been told any more.
        assert known <= len(turns) <= known + 1
        assert all(turn.text for turn in turns)
        answered = len(turns)
    with sqlite3.connect(threads_path("washer", home)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    answer = inspector_of(line).ask(bad, "Why?")
    assert answer.text.splitlines()[0] == bad.decision.reason
    assert len(inspector_of(line).converse(bad).turns) == answered + 1
    json.dumps([turn.model_dump(mode="json") for turn in inspector_of(line).converse(bad).turns])
