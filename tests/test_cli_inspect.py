"""What ``echo-iad inspect --causes`` tells people beneath the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from echo import ProductLine
from tests.clip_models import VIT, write_model
from tests.conftest import Command, bad_part, good_part, save


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two bad parts, and a good one."""
    parts = [bad_part(700), bad_part(701), good_part(700)]
    return [save(tmp_path / "new" / f"{n}.png", part) for n, part in enumerate(parts)]


def beneath(table: str) -> list[str]:
    """The lines that follow the table."""
    return table.rpartition("┘\n")[2].splitlines()


def test_the_cause_is_told_of_each_unusual_image(
    run: Command, washer_line: ProductLine, photos: list[Path]
) -> None:
    assert washer_line.manifest.images
    told = beneath(run("inspect", "washer", *photos, "--causes").out)
    assert len(told) == 2
    for number, sentence in enumerate(told, start=1):
        assert re.fullmatch(
            rf"washer:{number}: With \S+(?: 2 places)? replaced by what good-\d\d\.png shows "
            r"there, the image is no longer unusual \(p = 0\.\d+\)\.",
            sentence,
        )
    rows = run("inspect", "washer", photos[0], "--causes", "--json", "--no-keep").out.splitlines()
    (row,) = map(json.loads, rows)
    healed = row["cause"]["healed"]
    assert [place["region_id"] for place in healed] == [region["id"] for region in row["regions"]]
    assert all(place["after"] < 1 < place["before"] for place in healed)
    # Who does not ask for it is told nothing.
    assert beneath(run("inspect", "washer", photos[0], "--no-keep").out) == []
    (unnamed,) = beneath(run("inspect", "washer", photos[0], "--causes", "--no-keep").out)
    assert unnamed.startswith("0.png: With ")


def test_of_normal_images_there_is_no_cause(
    run: Command, washer_line: ProductLine, photos: list[Path]
) -> None:
    assert washer_line.manifest.images
    told = beneath(run("inspect", "washer", photos[2], "--causes").out)
    assert told == ["No image is unusual, so there is no cause to test."]


def test_a_line_without_images_says_once_why_it_tests_none(
    run: Command, photos: list[Path], tmp_path: Path
) -> None:
    encoder = f"open_clip:{write_model(tmp_path / 'vit', VIT)}"
    ProductLine.enroll("blind", None, encoder=encoder, home=tmp_path / "home")
    told = beneath(run("inspect", "blind", *photos, "--causes").out)
    assert told == [
        "blind:1, blind:2, blind:3: The cause was not tested, since the line has no normal images "
        "to take such places from."
    ]
