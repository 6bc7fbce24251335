"""Boards of a line of real images, compared with their twins: found, calibrated, judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from echo import Inspector, ProductLine
from experts.decoder.template import ALIGNED
from experts.evidence import Inspection, TwinScore
from tests.boards import GROUND, TRACK, ByteArray, board, marked, picture
from tests.conftest import save


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    """A line of 20 boards, too few to calibrate twins."""
    folder = tmp_path_factory.mktemp("boards")
    for number in range(20):
        save(folder / f"board-{number}.png", picture(board(number)).rgb_HW3)
    home = tmp_path_factory.mktemp("board-home")
    return Inspector(ProductLine.enroll("board", folder, home=home, progress=False))


# Of two boards of one kind, the second has another track.
KIN = (90, 91)
TRACK_OF_KIN = (slice(60, 68), slice(20, 140))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    """A line of 92 boards, enough to calibrate twins; two of them are of one kind."""
    folder = tmp_path_factory.mktemp("many-boards")
    kin = board(KIN[0])
    kin[TRACK_OF_KIN] = np.where(kin[TRACK_OF_KIN] == TRACK, GROUND, TRACK)
    for number in range(92):
        image = kin if number == KIN[1] else board(number)
        save(folder / f"board-{number}.png", picture(image).rgb_HW3)
    home = tmp_path_factory.mktemp("many-home")
    return Inspector(ProductLine.enroll("board", folder, home=home, progress=False))


def inspect(inspector: Inspector, image: ByteArray) -> Inspection:
    return inspector.inspect(picture(image).rgb_HW3)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_new_image_of_an_enrolled_board_lies_on_it(
    size: str, request: pytest.FixtureRequest
) -> None:
    inspector: Inspector = request.getfixturevalue(size)
    twin = inspect(inspector, np.roll(board(7), (2, -1), axis=(0, 1))).anomaly.twin
    assert twin is not None
    assert twin.path.name == "board-7.png"
    assert twin.agreement > ALIGNED
    assert twin.difference < twin.limit
    assert not twin.stands_out


def check_found(inspection: Inspection, y: int, x: int) -> TwinScore:
    twin = inspection.anomaly.twin
    assert twin is not None
    assert twin.stands_out
    assert inspection.anomaly.score > inspection.anomaly.score_alone
    left, top, right, bottom = inspection.regions[0].box_xyxy
    assert left - 2 <= x <= right + 2
    assert top - 2 <= y <= bottom + 2
    assert right - left <= 20
    assert any(s.looked_at == "the image laid over board-7.png" for s in inspection.steps)
    return twin


def test_few_images_send_what_differs_from_its_twin_to_review(small: Inspector) -> None:
    image, y, x = marked(7)
    inspection = inspect(small, image)
    assert not check_found(inspection, y, x).calibrated
    assert inspection.verdict == "review"
    assert (
        "20 normal images are too few to calibrate such differences" in inspection.decision.reason
    )
    assert "reviews for a difference from a twin come on top" in small.line.promise


def test_many_images_calibrate_it_so_it_rejects_within_the_promise(large: Inspector) -> None:
    image, y, x = marked(7)
    inspection = inspect(large, image)
    assert check_found(inspection, y, x).decides
    assert inspection.verdict == "reject"
    # The board itself differs from it in turn.
    assert inspection.anomaly.p_value <= 2 / 93
    assert inspection.anomaly.differing == 1
    # The count is that which gives p.
    above = round(inspection.anomaly.p_value * 93) - 1
    rank = f"as much as only {above} of 92" if above else "more than any of 92"
    said = f"differs from board-7.png, which else shows the same, {rank} normal"
    assert said in inspection.decision.reason
    assert "come on top" not in large.line.promise


def test_another_board_of_the_kind_differs_on_too_large_an_area_to_count(large: Inspector) -> None:
    image = board(7)
    image[TRACK_OF_KIN] = np.where(image[TRACK_OF_KIN] == TRACK, GROUND, TRACK)
    image[90:98, 20:140] = np.where(image[90:98, 20:140] == TRACK, GROUND, TRACK)
    inspection = inspect(large, image)
    twin = inspection.anomaly.twin
    assert twin is not None
    assert twin.difference > twin.limit
    assert twin.area >= twin.largest_area
    assert inspection.anomaly.score == inspection.anomaly.score_alone


def test_a_board_without_a_twin_is_judged_by_its_patches_alone(small: Inspector) -> None:
    anomaly = inspect(small, board(50)).anomaly
    assert anomaly.twin is None
    assert anomaly.score == anomaly.score_alone


def test_the_calibration_is_of_all_images_that_calibrate_the_line(large: Inspector) -> None:
    line = large.line
    scores_n = np.sort(line.twins.scores_n)
    assert np.array_equal(scores_n, line.model.calibration.scores_n)
    by_number = dict(zip(line.twins.numbers_n.tolist(), line.twins.partners_n, strict=True))
    assert (by_number[KIN[0]], by_number[KIN[1]]) == KIN[::-1]
    visible = line.twins.highest_n > line.sketches.limit
    assert set(line.twins.numbers_n[visible]) == set(KIN)


def test_growing_compares_all_images_again(small: Inspector, tmp_path: Path) -> None:
    boards = [picture(board(number)).rgb_HW3 for number in range(20)]
    line = ProductLine.enroll("board", boards, home=tmp_path, progress=False)
    grown = line.add([picture(marked(number)[0]).rgb_HW3 for number in (3, 5)], progress=False)
    visible = grown.twins.highest_n > grown.sketches.limit
    assert {grown.manifest.images[n].thumbnail[-9:] for n in grown.twins.numbers_n[visible]} == {
        "00004.jpg",
        "00006.jpg",
        "00021.jpg",
        "00022.jpg",
    }
    assert np.array_equal(
        np.sort(grown.twins.scores_n), np.asarray(grown.model.calibration.scores_n)
    )
