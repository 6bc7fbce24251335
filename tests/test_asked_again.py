"""Inspections replayed where a language model had given its opinion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from echo import ProductLine, ScriptedMLLM, replay_inspection
from experts.mllm.nano import base
from tests.conftest import Command, good_part
from tests.histories import inspected, rewrite, what
from tests.ruled_lines import LENIENT, ruled
from tests.thinkers import thinker
from tests.tiny_models import build

BOTH = {"A": 0.75, "B": 0.25}


def test_the_opinion_of_a_language_model_is_compared_apart(
    washer_line: ProductLine, own_home: Path, bad_photo: Path, good_photo: Path
) -> None:
    (asked, clear) = inspected(washer_line, bad_photo, good_photo, mllm=thinker(opinion=BOTH))
    same = replay_inspection(asked, home=own_home, mllm=thinker(opinion=BOTH))
    assert (same.reproduced, same.notes) == (
        True,
        ("the opinion of scripted is the same: defect 75.0%",),
    )
    # It is not asked where none was asked then.
    silent = ScriptedMLLM([])
    assert replay_inspection(clear, home=own_home, mllm=silent).notes == ()
    assert silent.asked == []
    other = replay_inspection(asked, home=own_home, mllm=thinker(opinion={"A": 0.4, "B": 0.6}))
    assert (other.reproduced, other.differences) == (True, ())
    assert other.notes == (
        "the opinion of scripted was defect 75.0%, on which the verdict rests; asked today, it is "
        "no defect 60.0%",
    )


def could_not(why: str, name: str = "defect") -> tuple[str, ...]:
    return (
        f"the opinion of scripted, {name} 75.0%, could not be asked for again ({why}); the verdict "
        "rests on what it said then",
    )


def test_why_nobody_could_be_asked_again(
    washer_line: ProductLine,
    own_home: Path,
    bad_photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "packed", lambda: None)
    (identifier,) = inspected(washer_line, bad_photo, mllm=thinker(opinion=BOTH))
    none = replay_inspection(identifier, home=own_home)
    assert (none.reproduced, none.notes) == (True, could_not("none is set"))
    gone = replay_inspection(identifier, home=own_home, mllm=str(tmp_path / "gone"))
    assert gone.reproduced
    assert f"(without language model: {tmp_path / 'gone'}: there is no such folder" in gone.notes[0]
    fits = replay_inspection(identifier, home=own_home, mllm="auto")
    assert fits.notes == could_not("none that is here fits this machine")


class Blind(ScriptedMLLM):
    """A model that reads and sees nothing, as the embedded one."""

    sees = False


def test_a_model_without_eyes_cannot_be_asked_again(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo, mllm=thinker(opinion=BOTH))
    blind = replay_inspection(identifier, home=own_home, mllm=Blind(lambda *_: "", name="mole"))
    assert blind.notes == could_not("mole sees no images")


def test_broken_rules_are_not_why_nobody_could_be_asked(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(ruled(washer_line, LENIENT), bad_photo, mllm=thinker(opinion=BOTH))
    (own_home / "washer.yaml").write_text("nonsense")
    assert replay_inspection(identifier, home=own_home).notes == could_not("none is set", "pit")


def test_what_is_clearly_normal_now_is_not_asked_about(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo, mllm=thinker(opinion=BOTH))
    silent = ScriptedMLLM([])
    replayed = replay_inspection(identifier, good_part(700), own_home, mllm=silent)
    assert what(replayed) == ["image"]
    assert replayed.notes[-1:] == could_not("the image is clearly normal now")
    assert silent.asked == []


def test_another_language_model_and_other_prompts(
    washer_line: ProductLine, own_home: Path, bad_photo: Path
) -> None:
    (identifier,) = inspected(washer_line, bad_photo, mllm=thinker(opinion=BOTH))
    doubtful = thinker(opinion={"A": 0.4, "B": 0.6}, name="other")
    replayed = replay_inspection(identifier, home=own_home, mllm=doubtful)
    # The verdict rests on the stored opinion, whoever is asked today.
    assert (replayed.reproduced, replayed.changed, replayed.differences) == (True, (), ())
    assert replayed.notes == (
        "asked today was another language model: other (revision scripted) sees no defect 60.0%; "
        "scripted (revision scripted) saw defect 75.0%, on which the verdict rests",
    )

    def of_old(stored: dict[str, Any]) -> None:
        stored["opinion"] |= {"prompts_version": 0, "revision": "older"}

    rewrite(own_home, of_old)
    replayed = replay_inspection(identifier, home=own_home, mllm=thinker(opinion=BOTH))
    assert (replayed.reproduced, replayed.changed) == (True, ())
    model, prompts = replayed.notes
    assert "scripted (revision older) saw defect 75.0%" in model
    assert re.fullmatch(
        r"it was asked with version 0 of the prompts then, and with version \d+ today", prompts
    )


def test_a_real_language_model_is_asked_again(
    run: Command, washer_line: ProductLine, bad_photo: Path, tmp_path: Path
) -> None:
    model = build("smolvlm", tmp_path / "model")
    (washer_line.home / "settings.yaml").write_text("mllm_precision: bf16\n")
    assert run("inspect", "washer", bad_photo, "--mllm", model).code == 1
    same = run("replay", "washer:1", "--mllm", model)
    assert same.code == 0
    assert f"\nThe opinion of {model} is the same: " in same.out
    none = run("replay", "washer:1")
    assert none.code == 0
    assert "could not be asked for again (none is set); the verdict rests on" in none.out
