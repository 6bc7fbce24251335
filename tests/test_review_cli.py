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
from tests.conftest import TIME, Command, bad_part, good_part, save
from tests.findings import opinion_of

ANN = ("--by", "Ann", "--reason", "only dust")


@pytest.fixture
def photos(nut_line: ProductLine, tmp_path: Path) -> Path:
    """Photos, of which the first shows a bad part, beside a home with the line."""
    assert nut_line.home == tmp_path / "home"
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
            rf"│ nut:1 │ {TIME} │ a\.png │ To review: .+ │ p = 0\.14, 1 place +│\n", listed.out
        )
        assert "language model" not in listed.out
        assert listed.out.endswith("Next: echo-iad review show nut:1\n")
        assert listed.out.count("nut:") == 2
    (row,) = json.loads(run("review", "list", "--json").out)
    assert (row["id"], row["verdict"], row["opinion"]) == ("nut:1", "review", None)
    assert [region["place"] for region in row["regions"]] == ["centre"]


def test_what_a_language_model_saw_is_listed(run: Command, photos: Path, tmp_path: Path) -> None:
    line = ProductLine.load("nut", home=tmp_path / "home")
    opinion = opinion_of({"pit": 0.75, "no defect": 0.25})
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
        "nut:1, a.png: accept by Ann, case 1 of its line.\n"
        "nut:2, b0.png: accept by Ann, case 2 of its line.\n"
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


def test_what_fails_keeps_no_other_from_being_judged(
    run: Command, photos: Path, tmp_path: Path
) -> None:
    run("inspect", "nut", photos)
    (tmp_path / "home" / "history" / "bad.sqlite").write_bytes(b"no database at all\n" * 100)
    done = run("review", "resolve", "bolt:1", "nut", "nut:9", "bad:1", "nut:1", "accept", *ANN)
    assert (done.code, done.out) == (2, "nut:1, a.png: accept by Ann, case 1 of its line.\n")
    bolt, nut, nine, bad = done.err.splitlines()
    assert bolt.startswith("echo-iad: bolt:1: no line 'bolt' in ")
    assert nut.startswith("echo-iad: 'nut' names no inspection; expected LINE:NUMBER")
    assert nine.startswith("echo-iad: nut:9: no such inspection is stored")
    assert re.match(r"echo-iad: bad:1: .+bad\.sqlite: is damaged, or no history", bad)


def test_a_number_that_means_another_part_by_now(
    run: Command, photos: Path, tmp_path: Path
) -> None:
    run("inspect", "nut", photos)
    run("review", "list")
    shutil.rmtree(tmp_path / "home" / "history")
    later = save(tmp_path / "later" / "c.png", bad_part(7))
    run("inspect", "nut", later)
    done = run("review", "resolve", "nut:1", "accept", *ANN)
    assert done == (0, "nut:1, c.png: accept by Ann, case 1 of its line.\n", "")
    (case,) = Cases(Archive("nut", tmp_path / "home")).up_to()
    assert case.image == str(later)


def test_one_line_that_is_damaged_hides_no_other(
    run: Command, photos: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    run("inspect", "nut", photos)
    shutil.copytree(home / "lines" / "nut", home / "lines" / "bad")
    (home / "history" / "bad.sqlite").write_bytes(b"no database at all\n" * 100)
    listed = run("review", "list")
    assert (listed.code, listed.out.count("│ nut:1 │")) == (2, 1)
    told = re.escape(f"echo-iad: {home}/history/bad.sqlite: is damaged, or no history")
    assert re.fullmatch(rf"{told}.+\n", listed.err)
    # Threads that are damaged hide nothing at all.
    (home / "history" / "bad.sqlite").unlink()
    shutil.rmtree(home / "threads")
    (home / "threads").mkdir()
    (home / "threads" / "nut.sqlite").write_bytes(b"no database at all\n" * 100)
    for line in ([], ["nut"]):
        listed = run("review", "list", *line, "--json")
        assert (listed.code, [row["id"] for row in json.loads(listed.out)]) == (2, ["nut:1"])
        told = re.escape(f"echo-iad: {home}/threads/nut.sqlite: cannot be used (file is not a data")
        assert re.fullmatch(rf"{told}.+\n", listed.err)


def test_texts_of_others_steer_no_terminal(run: Command, photos: Path, tmp_path: Path) -> None:
    evil = "\x1b[2J\u202e\x9b\x07\r"
    line = ProductLine.load("nut", home=tmp_path / "home")
    inspection = Inspector(line, keep=False).inspect(photos / "a.png")
    step = inspection.steps[0].model_copy(update={"found": f"found{evil}"})
    decision = inspection.decision.model_copy(update={"reason": f"why{evil}"})
    update = {"image": f"{evil}.png", "steps": (step,), "decision": decision}
    History(line).add(inspection.model_copy(update=update), 0.05)
    resolve = ("review", "resolve", "nut:1", "accept", "--by", f"Ann{evil}", "--reason", f"x{evil}")
    runs = [run("review", "list"), run(*resolve), run(*resolve), run("review", "show", "nut:1")]
    runs += [run("review", "cases", "nut"), run(*resolve, "--again", "--json")]
    runs += [run("review", "show", f"nut{evil}"), run("review", "list", f"{evil}")]
    assert [one.code for one in runs] == [0, 0, 2, 0, 0, 0, 2, 2]
    for one in runs:
        assert one.out + one.err
        assert not set(evil) & set(one.out + one.err) - set("[2J")


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
