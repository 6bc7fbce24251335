from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from echo.audit import Audit, chances, closest_others
from echo.audit_sheet import draw_audit, write_audit
from echo.line import ProductLine
from experts.errors import OutputError
from tests.conftest import Command, bad_part, good_part, save

Pixels = NDArray[np.uint8]


def recoded(pixels: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return np.asarray(Image.open(buffer))


def brighter(pixels: Pixels) -> Pixels:
    brighter_HW3: Pixels = np.clip(pixels.astype(int) + 5, 0, 255).astype(np.uint8)
    return brighter_HW3


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    """20 good parts, one with a blot (21), and two near copies, of 4 and of 8."""
    parts = [good_part(i) for i in range(20)]
    parts += [bad_part(40), recoded(parts[3]), brighter(parts[7])]
    folder = tmp_path_factory.mktemp("doubtful")
    files = [save(folder / "good" / f"{i + 1:02d}.png", part) for i, part in enumerate(parts)]
    return ProductLine.enroll("ring", files, home=folder / "home")


def test_clean_images_are_left_alone(washer_home: Path) -> None:
    audit = ProductLine.load("washer", home=washer_home).audit()
    assert audit.suspicious == ()
    assert audit.near_duplicates == ()
    assert audit.sentences[:2] == (
        "None of the 24 images is unlike the others.",
        "No two images are nearly the same.",
    )
    assert audit.gain is not None
    assert 0 <= audit.gain < 0.02


def test_a_defect_and_near_copies_are_found_and_nothing_else(doubtful: ProductLine) -> None:
    audit = doubtful.audit()
    (found,) = audit.suspicious
    assert (found.number, found.path.name, found.size_HW) == (21, "21.png", (96, 96))
    left, top, right, bottom = found.box_xyxy
    # The blot is 24 px across, around (60, 60).
    assert 40 <= left < right <= 80
    assert 40 <= top < bottom <= 80
    assert {pair.numbers for pair in audit.near_duplicates} == {(4, 22), (8, 23)}
    assert audit.sentences[0] == "Unlike the others, look whether there is a defect: 21 (21.png)."
    assert Audit.model_validate_json(audit.model_dump_json()) == audit


def test_few_images_say_nothing(tmp_path: Path) -> None:
    line = ProductLine.enroll("few", [good_part(0), bad_part(1)], home=tmp_path)
    audit = line.audit()
    assert (audit.suspicious, audit.near_duplicates, audit.gain) == ((), (), None)
    assert audit.sentences[0].startswith("2 images cannot be compared with each other; from 10 on")


def test_chances_bear_out_on_normal_values() -> None:
    rng = np.random.default_rng(0)
    for count in (10, 20, 200):
        lowest = [chances(np.exp(rng.normal(2, 0.3, count))).min() for _ in range(2_000)]
        # At most so many sets of normal values hold one that is so rare.
        assert np.mean(np.array(lowest) < 0.1) <= 0.1
        assert np.mean(np.array(lowest) < 0.01) <= 0.01


def test_one_odd_value_does_not_hide_itself() -> None:
    values = np.exp(np.random.default_rng(1).normal(0, 0.1, 20))
    values[7] = 100 * values.max()
    assert np.flatnonzero(chances(values) < 0.01).tolist() == [7]


def test_closest_others_equal_their_definition() -> None:
    sketches = np.random.default_rng(2).integers(0, 256, (9, 4, 4)).astype(np.uint8)
    rows = [s.astype(float).ravel() - s.mean() for s in sketches]
    mean = sum(rows) / len(rows)
    alike = np.array(
        [
            [
                -2.0
                if i == j
                else float((a - mean) @ (b - mean))
                / float(np.linalg.norm(a - mean) * np.linalg.norm(b - mean))
                for j, b in enumerate(rows)
            ]
            for i, a in enumerate(rows)
        ]
    )
    others, similarities = closest_others(sketches)
    assert others.tolist() == alike.argmax(axis=1).tolist()
    assert similarities == pytest.approx(alike.max(axis=1), abs=1e-5)


def test_the_sheet_marks_the_place(doubtful: ProductLine, tmp_path: Path) -> None:
    audit = doubtful.audit()
    path = write_audit(audit, doubtful, tmp_path / "out")
    drawn = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert ((drawn - [198, 40, 40]) ** 2).sum(axis=2).min() == 0
    without = audit.model_copy(update={"suspicious": (), "near_duplicates": ()})
    assert draw_audit(without, doubtful).height < drawn.shape[0]
    assert write_audit(audit, doubtful, tmp_path / "out") == path
    save(path, good_part(0))
    with pytest.raises(OutputError, match="was not written by Echo; choose another folder"):
        write_audit(audit, doubtful, tmp_path / "out")


def test_commands(run: Command, tmp_path: Path) -> None:
    files = [save(tmp_path / "good" / f"{i:02d}.png", good_part(i)) for i in range(18)]
    enrolled = run("enroll", "ring", tmp_path / "good", "--audit", "--out", tmp_path / "out")
    assert enrolled.code == 0
    assert "None of the 18 images is unlike the others." in enrolled.out
    assert enrolled.err == f"Audit: {tmp_path / 'out' / 'audit.png'}\n"
    more = save(tmp_path / "more.png", good_part(50))
    added = run("add", "ring", more, files[0])
    assert added.out.startswith("Added 1 image, so ring has 19: on average at most 5.0%")
    assert added.out.endswith("1 copy was left out.\n")
    again = run("add", "ring", more)
    assert (again.code, again.err) == (
        2,
        "echo-iad: 1 of 1 images are in line 'ring' already; give others\n",
    )
    removed = run("remove", "ring", "03.png", "19")
    assert removed.out.startswith("Removed 2 images, so ring has 17: 17 calibration images cannot")
    found = json.loads(run("audit", "ring", "--json").out)
    assert (found["images"], found["suspicious"]) == (17, [])
    assert run("remove", "ring", "nothing.png").code == 2
    assert run("audit", "nothing").code == 2
    assert "Give --out with --audit only." in run("enroll", "x", files[0], "--out", tmp_path).err
