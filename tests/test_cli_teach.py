from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SIDE_PX, Command, Run, bad_part, good_part, save


def test_teach_list_inspect_forget_and_enrol_again(run: Command, tmp_path: Path) -> None:
    for seed in range(2):
        save(tmp_path / "good" / f"{seed}.png", good_part(seed))
        save(tmp_path / "pit" / f"{seed}.png", bad_part(50 + seed))
        save(tmp_path / "masks" / f"{seed}_mask.png", np.full((SIDE_PX, SIDE_PX), 255, np.uint8))
    assert run("enroll", "ring", tmp_path / "good", "--alpha", "0.4").code == 0
    shown = ("teach", "ring", "--kind", "pit [small]", tmp_path / "pit")
    expected = (
        "Examples of each kind: pit [small] 2. Of places of these kinds at least 66.7% have their "
        "own kind named, alone or among others.\n"
    )
    assert run(*shown, "--masks", tmp_path / "masks") == Run(0, expected, "")
    assert run(*shown) == Run(0, expected, "")
    listed = run("lines")
    assert "│ pit [small] 2 │" in listed.out
    assert json.loads(run("lines", "--json").out)[0]["kinds"] == {"pit [small]": 2}
    inspected = run("inspect", "ring", tmp_path / "pit" / "0.png")
    assert inspected.code == 1
    assert ", taken for pit [small], " in inspected.out
    forget = ("teach", "ring", "--forget", "pit [small]")
    assert run(*forget) == Run(0, "It knows no kind of defect now.\n", "")
    unknown = "echo-iad: line 'ring' was never shown 'pit [small]'; it was shown no kind\n"
    assert run(*forget) == Run(2, "", unknown)
    run(*shown)
    again = run("enroll", "ring", tmp_path / "good", "--alpha", "0.4")
    lost = "Of the old line these kinds are lost, teach them again: pit [small]."
    assert lost in again.out.splitlines()
    assert json.loads(run("lines", "--json").out)[0]["kinds"] == {}


def test_what_cannot_be_taught_is_said_in_one_sentence(run: Command, tmp_path: Path) -> None:
    part = save(tmp_path / "part.png", bad_part(50))
    missing = run("teach", "ring", "--kind", "pit", part)
    assert (missing.code, missing.out) == (2, "")
    assert missing.err.startswith("echo-iad: no line 'ring' in ")
    assert missing.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--kind", "pit"],
        ["part.png"],
        ["--forget", "pit", "part.png"],
        ["--forget", "pit", "--masks", "masks"],
        ["--forget", "pit", "--kind", "pit", "part.png"],
    ],
)
def test_either_a_kind_and_images_or_one_to_forget(run: Command, arguments: list[str]) -> None:
    result = run("teach", "ring", *arguments)
    assert (result.code, result.out) == (2, "")
    assert "Give --kind and images, or --forget alone." in result.err


def test_help_gives_an_example(run: Command) -> None:
    result = run("teach", "--help")
    assert "Example: echo-iad teach washer --kind crack" in result.out
