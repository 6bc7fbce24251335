"""``echo-iad train simulate`` as its users call it, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.layouts import find_products
from benchmarks.masks import read_masks
from benchmarks.mmad.making_tree import read_tree
from echo import simulated
from echo.simulated import simulate_tree
from echo.storage import hash_files, write_bytes
from experts.images import read_picture
from experts.simulating.kinds import KINDS
from tests.conftest import Command, assert_fails, good_part, save

CHOSEN = ("crack", "foreign", "stain")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Six good parts, one of them in a folder below."""
    folder = tmp_path / "good"
    for seed in range(5):
        save(folder / f"{seed}.png", good_part(seed))
    save(folder / "more" / "0.png", good_part(9))
    return folder


def draw(good: Path, out: Path, **changed: Any) -> dict[str, str]:
    """Files of the tree with their hashes."""
    settings = {"count": 7, "kinds": CHOSEN, "progress": False, **changed}
    simulate_tree(good, out, **settings)
    return {name: sha for name, sha in hash_files(out).items() if name != ".lock"}


def test_it_writes_a_tree_that_the_benchmarks_read(run: Command, good: Path) -> None:
    out = good.parent / "made" / "nut"
    result = run("train", "simulate", good, out, "--count", 22)
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"Wrote {out}: 22 images with anomalies of 11 kinds, 2 good ones beside them, and 4 to "
        f"enrol.\nLook at {out / 'preview.png'}. Next: echo-iad bench anomaly {out}\n"
    )
    (product,) = find_products(out)
    assert (len(product.train), len(product.good), len(product.defective)) == (4, 2, 22)
    assert product.name == "nut"
    (part,) = read_tree(out.parent).objects
    assert part.kinds == sorted(KINDS)
    assert Counter(i.kind for i in part.images if i.kind) == dict.fromkeys(KINDS, 2)
    names = {p.name for p in (*product.train, *product.good)}
    assert names == {"0.png", "1.png", "2.png", "3.png", "4.png", "more_0.png"}


def test_each_image_is_what_is_told_of_it(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "nut"
    draw(good, out)
    told = json.loads((out / "simulated.json").read_bytes())
    assert [image["kind"] for image in told["images"]] == [CHOSEN[i % 3] for i in range(7)]
    assert {**told["train"], **told["test"]}.keys() == {
        p.name for part in ("train", "test") for p in (out / part / "good").iterdir()
    }
    for number, image in enumerate(told["images"]):
        drawn = read_picture(out / image["image"])
        mask_HW = read_masks([out / image["mask"]], out / image["image"], drawn.size_HW)
        source = read_picture(out / "test" / "good" / image["source"])
        assert not (drawn.rgb_HW3 != source.rgb_HW3).any(axis=2)[~mask_HW].any()
        y_N, x_N = np.nonzero(mask_HW)
        box = [int(v) for v in (x_N.min(), y_N.min(), x_N.max() + 1, y_N.max() + 1)]
        assert image["box_xyxy"] == box
        assert image["seed"] == [0, number]
        assert re.fullmatch(r"an? .+, about \d+ × \d+ px", image["words"])
    with Image.open(out / "preview.png") as preview:
        assert preview.height > len(CHOSEN) * 200


def test_the_same_seed_gives_the_same_bytes(good: Path, tmp_path: Path) -> None:
    first = draw(good, tmp_path / "a")
    assert draw(good, tmp_path / "b") == first
    other = draw(good, tmp_path / "c", seed=1)
    drawn = [name for name in first if name.startswith("test/") and "/good/" not in name]
    assert len(drawn) == 7
    assert all(other[name] != first[name] for name in drawn)


def test_what_was_cut_off_goes_on(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before each write in turn, at last the tree is the same, and nothing else is left."""
    whole = draw(good, tmp_path / "whole")
    written = list[str]()

    def once(path: Path, data: bytes) -> None:
        write_bytes(path, data)
        written.append(path.name)
        (path.parent / ".0123456789abcdef.1.tmp").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(simulated, "write_bytes", once)
        for _ in range(60):
            try:
                draw(good, tmp_path / "cut")
            except KeyboardInterrupt:
                if written[-2:] == ["preview.png"] * 2:
                    break  # the preview is made anew each time
    assert len(written) >= 1 + 6 + 2 * 7 + 2
    assert draw(good, tmp_path / "cut") == whole


def test_what_was_removed_or_spoilt_is_drawn_again(good: Path, tmp_path: Path) -> None:
    whole = draw(good, tmp_path / "nut")
    (tmp_path / "nut" / "ground_truth" / "crack" / "000_mask.png").unlink()
    spoilt = tmp_path / "nut" / "test" / "stain" / "001.png"
    spoilt.write_bytes(spoilt.read_bytes()[:200])
    (tmp_path / "nut" / "preview.png").unlink()
    assert draw(good, tmp_path / "nut") == whole


def test_nothing_is_drawn_twice(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(good, tmp_path / "nut")

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(simulated, "simulate", never)
    assert draw(good, tmp_path / "nut") == whole


def test_its_results_for_programs(run: Command, good: Path, tmp_path: Path) -> None:
    out = tmp_path / "nut"
    result = run(
        "train", "simulate", good, out, "--count", 3, "--kinds", "pit, crack", "--seed", 4, "--json"
    )
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {
        "folder": str(out),
        "file": str(out / "simulated.json"),
        "preview": str(out / "preview.png"),
        "train": 4,
        "good": 2,
        "kinds": {"pit": 2, "crack": 1},
    }


def few(good: Path, _: Path) -> None:
    shutil.rmtree(good / "more")
    for name in ("0.png", "1.png"):
        (good / name).unlink()


def gone(good: Path, _: Path) -> None:
    shutil.rmtree(good)


def broken(good: Path, _: Path) -> None:
    (good / "3.png").write_text("no image")


def occupied(_: Path, out: Path) -> None:
    out.mkdir()
    (out / "holiday.png").write_text("mine")


def a_file(_: Path, out: Path) -> None:
    out.write_text("mine")


def no_record(_: Path, out: Path) -> None:
    out.mkdir()
    (out / "simulated.json").write_text("{}")


def other_seed(good: Path, out: Path) -> None:
    simulate_tree(good, out, count=1, kinds=["pit"], seed=3, progress=False)


def other_images(good: Path, out: Path) -> None:
    simulate_tree(good, out, count=2, kinds=["pit"], progress=False)
    save(good / "3.png", good_part(77))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (few, "GOOD: 3 images of good parts; at least 4 are needed, some to enrol and some to .*"),
        (gone, "GOOD: no such folder or file, and no file matches it as a pattern"),
        (broken, "GOOD/3.png: not an image that can be read; use PNG, .*"),
        (occupied, "OUT: is not empty, and was not made by this command; choose a new folder"),
        (a_file, r"OUT: cannot be written \(.*\); choose another folder"),
        (no_record, "OUT/simulated.json: cannot be read; choose a new folder"),
        (other_seed, "OUT: was begun with other seed and count; give the same, or choose a new .*"),
        (other_images, "OUT: was begun with other good images; give the same, or choose a new .*"),
    ],
)
def test_bad_input_gets_one_sentence(
    run: Command, good: Path, spoil: Callable[[Path, Path], None], sentence: str
) -> None:
    out = good.parent / "nut"
    spoil(good, out)
    kept = hash_files(out) if out.is_dir() else {}
    result = run("train", "simulate", good, out, "--count", 2, "--kinds", "pit")
    sentence = sentence.replace("GOOD", re.escape(str(good))).replace("OUT", re.escape(str(out)))
    assert_fails(result, sentence)
    if out.is_dir():
        now = hash_files(out)
        if (out / "simulated.json").exists():
            now.pop(".lock", None)
            kept.pop(".lock", None)
        assert now == kept


def test_a_folder_among_the_good_images_is_refused(run: Command, good: Path) -> None:
    out = good / "made"
    result = run("train", "simulate", good, out)
    assert_fails(result, f"{out}: lies among the good images of {good}, .*; choose another folder")
    assert not out.exists()


def test_a_kind_that_never_shows_is_told(run: Command, tmp_path: Path) -> None:
    for level in range(5):
        save(tmp_path / "good" / f"{level}.png", np.full((64, 64, 3), 100 + level, np.uint8))
    out = tmp_path / "out"
    result = run("train", "simulate", tmp_path / "good", out, "--kinds", "poisson")
    assert_fails(
        result,
        f"{out}: a simulated poisson would be seen on none of 10 good images; leave this kind out "
        "by --kinds, in a new folder",
    )


def test_unknown_kinds_are_a_wrong_call(run: Command, good: Path, tmp_path: Path) -> None:
    result = run("train", "simulate", good, tmp_path / "nut", "--kinds", "crack,smell")
    assert result.code == 2
    assert "no kind 'smell'; there are chip, crack," in " ".join(result.err.split())
    assert not (tmp_path / "nut").exists()


def test_its_help_names_the_kinds_and_an_example(run: Command) -> None:
    result = run("train", "simulate", "--help")
    shown = " ".join(result.out.split())
    assert "Example: echo-iad train simulate photos/good data/washer" in shown
    assert all(kind in shown for kind in KINDS)
