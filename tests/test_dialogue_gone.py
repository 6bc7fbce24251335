"""Conversations about stored inspections whose image or line is another by now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from echo import ImageError, Inspection, Inspector, ProductLine
from echo.history import Archive
from experts.dialogue_partner import NO_IMAGE
from experts.images import read_picture
from tests.conftest import Command, bad_part, good_part, save


@pytest.fixture
def stored(washer_line: ProductLine, bad_photo: Path) -> Inspection:
    """As it comes from where it is stored."""
    assert Inspector(washer_line).inspect(bad_photo).id == "washer:1"
    return Archive("washer", washer_line.home).record(1).inspection()


def asked(home: Path, stored: Inspection, question: str) -> str:
    return Inspector(ProductLine.load("washer", home=home)).ask(stored, question).text


def test_a_line_that_was_enrolled_anew_says_so(
    own_home: Path, stored: Inspection, good_folder: Path, tmp_path: Path
) -> None:
    before = asked(own_home, stored, "Why?")
    assert asked(own_home, stored, "zoom in").startswith("At native resolution")
    fewer = tmp_path / "fewer"
    shutil.copytree(good_folder, fewer)
    (fewer / "good-23.png").unlink()
    ProductLine.enroll("washer", fewer, home=own_home, progress=False)
    for question in ("zoom in", "compare it"):
        assert asked(own_home, stored, question) == (
            "Line 'washer' was enrolled anew, extended or taught since, so this place cannot be "
            "looked at again as it was; inspect the image again."
        )
    # What was found then is told as it was.
    assert asked(own_home, stored, "Why?") == before


def test_the_same_line_may_be_enrolled_again(
    own_home: Path, stored: Inspection, good_folder: Path
) -> None:
    ProductLine.enroll("washer", good_folder, home=own_home, progress=False)
    assert asked(own_home, stored, "zoom in").startswith("At native resolution")


def test_an_image_that_is_gone_can_be_given_and_no_other(
    run: Command, own_home: Path, stored: Inspection, bad_photo: Path, tmp_path: Path
) -> None:
    moved = bad_photo.rename(tmp_path / "moved.png")
    assert asked(own_home, stored, "zoom in") == NO_IMAGE
    given = run("ask", "washer:1", moved, "--question", "zoom in", "--new")
    assert given.code == 0
    assert "At native resolution" in given.out
    for part in (good_part(700), bad_part(701)):
        other = save(tmp_path / "other.png", part)
        refused = run("ask", "washer:1", other, "--question", "zoom in")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err == (
            f"echo-iad: {other}: shows something else than washer:1 was made of; give the image "
            "that was inspected then, or none\n"
        )
    inspector, picture = Inspector(ProductLine.load("washer", home=own_home)), good_part(700)
    with pytest.raises(ImageError, match="shows something else than washer:1 was made of"):
        inspector.converse(stored, picture=read_picture(picture))
