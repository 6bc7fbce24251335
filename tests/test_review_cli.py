"""The commands ``echo-iad review`` and ``echo-iad inspect --resume``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from echo import Inspector, ProductLine
from echo.cases import Cases
from echo.cli_review import agreement
from echo.history import Archive, History
from experts.evidence import Opinion
from tests.conftest import Command, bad_part, good_part, save

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"
ANN = ("--by", "Ann", "--reason", "only dust")


@pytest.fixture
def photos(nut_home: Path, tmp_path: Path) -> Path:
    """Photos, of which the first shows a bad part, beside a home with the line."""
    shutil.copytree(nut_home / "lines", tmp_path / "home" / "lines")
    save(tmp_path / "new" / "a.png", bad_part(1))
    for number in range(2):
        save(tmp_path / "new" / f"b{number}.png", good_part(100 + number))
    return tmp_path / "new"


def test_nothing_waits(run: Command, photos: Path) -> None:
    assert photos.exists()
    assert run("review", "list") == (0, "Nothing waits for a person.\n", "")
    none = run("review", "list", "nut")
    assert none == (0, "Nothing waits for a person on line nut.\n", "")
    assert run("review", "list", "--json") == (0, "[]\n", "")
    cases = run("review", "cases", "nut")
    assert cases == (0, "Nobody has judged an inspection of line nut yet.\n", "")
    for command in ("list", "cases"):
        unknown = run("review", command, "bolt")
        assert (unknown.code, unknown.out) == (2, "")
        assert unknown.err.startswith("echo-iad: no line 'bolt' in ")


def test_what_waits_is_listed(run: Command, photos: Path) -> None:
    assert run("inspect", "nut", photos).code == 1
    for line in ([], ["nut"]):
        listed = run("review", "list", *line)
        assert listed.code == 0
        assert re.search(
            rf"│ nut:1 │ {TIME} │ a\.png │ To review: .+ │ p = 0\.14, 1 place +│ –", listed.out
        )
        assert listed.out.endswith("Next: echo-iad review show nut:1\n")
        assert listed.out.count("nut:") == 2
    (row,) = json.loads(run("review", "list", "--json").out)
    assert (row["id"], row["verdict"], row["opinion"]) == ("nut:1", "review", None)
    assert [region["place"] for region in row["regions"]] == ["centre"]


def test_what_a_language_model_saw_is_listed(run: Command, photos: Path, tmp_path: Path) -> None:
    line = ProductLine.load("nut", home=tmp_path / "home")
    opinion = Opinion(
        model="tiny",
        revision="r1",
        prompts_version=1,
        candidates=("pit", "no defect"),
        probabilities=(0.75, 0.25),
        from_logits=True,
        prompt_tokens=1,
    )
    inspection = Inspector(line, keep=False).inspect(photos / "a.png")
    for one in (opinion, opinion.model_copy(update={"from_logits": False})):
        History(line).add(inspection.model_copy(update={"opinion": one}), 0.05)
    listed = run("review", "list").out
    assert "│ tiny: pit 75% " in listed
    assert "│ tiny: pit, without saying how sure it is │" in listed
    assert "The language model: tiny: pit 75%" in run("review", "show", "nut:1").out


def test_all_that_a_person_needs_is_shown(run: Command, photos: Path, tmp_path: Path) -> None:
    inspection = Inspector(ProductLine.load("nut", home=tmp_path / "home")).inspect(
        photos / "a.png"
    )
    shown = run("review", "show", "nut:1")
    assert shown.code == 0
    words = " ".join(shown.out.split())
    assert words.startswith("nut:1: review, ")
    assert str(photos / "a.png") in words
    assert inspection.decision.reason in words
    assert f"1. {inspection.steps[0].looked_at}: {inspection.steps[0].found}" in words
    assert "│ region-1 │ centre │ darker than the " in words
    assert "Most similar normal images: " in words
    assert words.endswith("review resolve nut:1 accept|reject --by NAME --reason TEXT")
    row = json.loads(run("review", "show", "nut:1", "--json").out)
    assert (row["id"], row["cases"]) == ("nut:1", [])
    run("review", "resolve", "nut:1", "accept", *ANN)
    after = run("review", "show", "nut:1").out
    assert re.search(rf"Judged: accept by Ann, {TIME}: only dust\n\Z", after)
    (case,) = json.loads(run("review", "show", "nut:1", "--json").out)["cases"]
    assert (case["number"], case["by"]) == (1, "Ann")
    assert run("review", "show", "nut:7").code == 2


def test_the_picture_shows_the_places(run: Command, photos: Path, tmp_path: Path) -> None:
    run("inspect", "nut", photos)
    out = tmp_path / "a.png"
    assert run("review", "show", "nut:1", "--out", out).code == 0
    rgb_HW3 = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert rgb_HW3.shape[1] > 3 * 360, "the image, its places, the most similar normal image"
    # The second panel is grey but for the place, which stands in red around its blot.
    panel_HW3 = rgb_HW3[30:380, 380:730]
    colour_HW = panel_HW3.max(axis=2) - panel_HW3.min(axis=2) > 40
    y, x = (index.mean() / 360 for index in np.nonzero(colour_HW))
    assert (y, x) == pytest.approx((60 / 96, 60 / 96), abs=0.1)
    assert 0.02 < colour_HW.mean() < 0.3
    again = run("review", "show", "nut:1", "--out", out)
    assert (again.code, "is there already" in again.err) == (2, True)
    save(photos / "a.png", bad_part(2))
    changed = run("review", "show", "nut:1", "--out", tmp_path / "b.png")
    assert (changed.code, "shows something else by now" in changed.err) == (2, True)
    (photos / "a.png").unlink()
    gone = run("review", "show", "nut:1", "--out", tmp_path / "b.png")
    assert (gone.code, "there is no such file" in gone.err) == (2, True)
    assert not (tmp_path / "b.png").exists()


def test_reviews_are_resolved(run: Command, photos: Path, tmp_path: Path) -> None:
    run("inspect", "nut", photos)
    done = run("review", "resolve", "nut:1", "nut:9", "nut:2", "accept", *ANN)
    assert done.code == 2
    assert done.out == (
        "nut:1: accept by Ann, case 1 of its line.\nnut:2: accept by Ann, case 2 of its line.\n"
    )
    assert re.fullmatch(r"echo-iad: nut:9: no such inspection .+\n", done.err)
    assert run("review", "list").out == "Nothing waits for a person.\n"
    bob = ("--by", "Bob", "--reason", "a hole")
    refused = run("review", "resolve", "nut:1", "reject", *bob)
    assert (refused.code, refused.out) == (2, "")
    assert re.fullmatch(r"echo-iad: nut:1: is resolved already by Ann on .+ --again\n", refused.err)
    again = run("review", "resolve", "nut:1", "reject", *bob, "--again", "--json")
    assert json.loads(again.out)["number"] == 3
    listed = run("review", "cases", "nut").out
    assert re.search(rf"│ 1 +│ nut:1 │ {TIME} │ a\.png +│ review +│ accept │ Ann │ only", listed)
    assert listed.endswith(
        "Verdicts that people judged: 1; they agreed with 1. Reviews: 1; accepted 0, rejected 1.\n"
    )
    rows = json.loads(run("review", "cases", "nut", "--json").out)
    assert [row["verdict"] for row in rows] == ["accept", "accept", "reject"]
    cases = Cases(Archive("nut", tmp_path / "home"))
    assert agreement(cases.up_to()[1:2]) == "Verdicts that people judged: 1; they agreed with 1."


@pytest.mark.parametrize(
    "given",
    [
        ("nut:1", "accept", "--reason", "x"),
        ("nut:1", "accept", "--by", "Ann"),
        ("nut:1", "nut:2", *ANN),
        ("accept", *ANN),
        ("nut:1", "accept", "--by", "", "--reason", "x"),
        ("nut:1", "accept", "--by", "Ann", "--reason", " "),
        ("nut", "accept", *ANN),
    ],
)
def test_what_does_not_resolve(run: Command, photos: Path, given: tuple[str, ...]) -> None:
    run("inspect", "nut", photos)
    refused = run("review", "resolve", *given)
    assert (refused.code, refused.out) == (2, "")
    assert json.loads(run("review", "cases", "nut", "--json").out) == []


def test_a_run_that_broke_off_is_begun_again(run: Command, photos: Path, tmp_path: Path) -> None:
    run("inspect", "nut", photos / "b0.png")
    first = run("inspect", "nut", photos, "--resume")
    assert first.code == 1
    assert "b0.png" not in first.out
    assert first.err == (
        "1 image is stored already and left out (1 accept): echo-iad history nut\n"
    )
    again = run("inspect", "nut", photos, "--resume")
    assert (again.code, again.out) == (1, "")
    assert again.err == (
        "3 images are stored already and left out (2 accept, 1 review): echo-iad history nut\n"
    )
    good = run("inspect", "nut", photos / "b0.png", photos / "b1.png", "--resume", "--json")
    assert (good.code, good.out) == (0, "")
    assert run("inspect", "nut", photos, "--resume", "--no-keep").code == 2
    assert len(Archive("nut", tmp_path / "home")) == 3
