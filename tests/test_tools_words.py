"""What closer looks say of places that are odd in themselves: too small, not there, of a twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from echo import Inspector, ProductLine
from experts.images import Picture
from experts.tools.call import Call
from experts.tools.toolbox import Toolbox
from experts.wording import times_in_words
from tests.boards import board, picture
from tests.conftest import bad_part, good_part
from tests.looks import gear_of, marked, scene_of


@pytest.fixture(scope="module")
def washer(washer_home: Path) -> ProductLine:
    return ProductLine.load("washer", home=washer_home)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (0.0, "less than 0.1"),
        (0.03, "less than 0.1"),
        (0.4, "0.4"),
        (0.97, "0.97"),
        (0.9996, "0.9996"),
        (1.0, "1.0"),
        (1.004, "1.004"),
        (1.04, "1.04"),
        (1.06, "1.1"),
        (12.34, "12.3"),
    ],
)
def test_on_which_side_of_its_limit_something_is_can_be_read(times: float, words: str) -> None:
    assert times_in_words(times) == words


def test_beside_its_twin_a_board_is_compared_with_nothing_else(tmp_path: Path) -> None:
    boards = [picture(board(seed)).rgb_HW3 for seed in range(6)]
    line = ProductLine.enroll("board", boards, home=tmp_path, progress=False)
    broken = board(3).copy()
    broken[70:82, 70:82] = 255 - broken[70:82, 70:82]
    scene = scene_of(line, picture(broken))
    assert scene.anomaly.twin is not None
    shown = Toolbox(gear_of(line)).use(Call(tool="compare", target="centre", k=3), scene, 1)
    assert shown.look.numbers["normal_images"] == 1
    assert f"of {scene.anomaly.twin.path.name}, which else shows the same, by" in shown.look.found
    assert len(shown.images) == 2
    # Of what has no twin the most similar ones are shown.
    other = scene_of(line, picture(board(77)))
    assert other.anomaly.twin is None
    among = Toolbox(gear_of(line)).use(Call(tool="compare", target="centre", k=3), other, 1)
    assert among.look.numbers["normal_images"] == 3
    assert "which else shows the same" not in among.look.found


def test_nothing_is_larger_than_what_is_shown_of_it(washer: ProductLine) -> None:
    odd_HW3 = good_part(100)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 1), np.uint8)
    odd_HW3[16:80, 16:80] = noise
    scene = marked(scene_of(washer, Picture("odd", odd_HW3)), (48, 48, 49, 49))
    look = Toolbox(gear_of(washer)).use(Call(tool="zoom", target="region-1"), scene, 1).look
    assert "one place stands out" in look.found
    assert "that reaches across all that is shown" in look.found
    assert "place_length_px" not in look.numbers
    inside = scene_of(washer, bad_part(100))
    measured = Toolbox(gear_of(washer)).use(Call(tool="zoom", target="region-1"), inside, 1).look
    assert 0 < measured.numbers["place_length_px"] <= measured.numbers["width_px"]


def test_without_places_one_sentence_says_what_can_be_named(washer: ProductLine) -> None:
    inspector = Inspector(washer, keep=False, mllm="none")
    good = inspector.inspect(good_part(100))
    assert not good.regions
    for question in ("Look closer at it", "Zoom in"):
        assert inspector.ask(good, question).text == (
            "Nothing says which place is meant; no single place stands out, and places can be "
            "named by words such as top left, centre or right edge."
        )
    missing = inspector.ask(good, "Look closer at region-1").text
    assert missing.count("region-1") == missing.count("There is no") == 1


def test_without_a_knowledge_file_a_look_up_says_that_there_is_none(washer: ProductLine) -> None:
    inspector = Inspector(washer, keep=False, mllm="none")
    for part in (good_part(100), bad_part(100)):
        answer = inspector.ask(inspector.inspect(part), "Look up cracks in the knowledge file")
        assert answer.text == "The line has no knowledge file to look anything up in."
