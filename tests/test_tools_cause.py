"""Is what stands out the cause? Places are replaced, and the image is inspected again."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.elpv import solar_cells
from echo import ProductLine
from experts.decoder.conformal import smallest_p_value
from experts.evidence import Cause, Healed
from experts.images import Picture
from experts.tools.cause import cause_step, find_cause
from experts.tools.scene import Scene
from tests.boards import board, picture
from tests.conftest import bad_part, good_part
from tests.looks import gear_of, marked, scene_of
from tests.pins import pin


@pytest.fixture(scope="module")
def washer(washer_home: Path) -> ProductLine:
    return ProductLine.load("washer", home=washer_home)


def found(line: ProductLine, scene: Scene) -> Cause:
    cause = find_cause(scene, gear_of(line))
    assert isinstance(cause, Cause)
    return cause


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_without_the_blot_a_washer_is_normal(washer: ProductLine, seed: int) -> None:
    scene = scene_of(washer, bad_part(seed))
    cause = found(washer, scene)
    assert cause.healed[0].region_id == "region-1"
    assert cause.healed[0].before == scene.regions[0].peak_score / scene.anomaly.limit > 1
    assert not any(healed.stays for healed in cause.healed)
    assert cause.p_before == scene.anomaly.p_value
    assert cause.explains
    assert cause.score_after < cause.score_before
    step = cause_step(cause)
    assert "no longer unusual" in step.found
    assert step.evidence_ids[:2] == ("cause", "anomaly")


def test_a_wrong_place_leaves_all_as_it_was(washer: ProductLine) -> None:
    wrong = marked(scene_of(washer, bad_part(100)), (4, 4, 24, 24))
    cause = found(washer, wrong)
    assert not cause.explains
    assert cause.p_after == cause.p_before
    assert not cause.healed[0].stays
    assert "not all there is to it" in cause_step(cause).found


@pytest.mark.parametrize("box", [(4, 4, 24, 24), (30, 40, 80, 60), (60, 0, 96, 96)])
def test_normal_in_normal_makes_nothing_odd(
    washer: ProductLine, box: tuple[int, int, int, int]
) -> None:
    for seed in (100, 101):
        cause = found(washer, marked(scene_of(washer, good_part(seed)), box))
        assert cause.p_after > cause.alpha
        assert not cause.healed[0].stays


def test_where_nothing_can_be_told_there_is_no_cause(washer: ProductLine) -> None:
    gear = gear_of(washer)
    good, bad = scene_of(washer, good_part(100)), scene_of(washer, bad_part(100))
    endless = bad.anomaly.model_copy(update={"limit": math.inf})
    reasons = [
        find_cause(good, gear),
        find_cause(bad, replace(gear, extractor=None)),
        find_cause(marked(bad, (2, 2, 94, 94)), gear),
        find_cause(replace(bad, anomaly=endless), gear),
    ]
    assert reasons == [
        "no single place stands out",
        "the line has no normal images to take such places from",
        "the places cover nearly all of the image",
        "no normal image tells from when on a place stands out",
    ]
    step = cause_step(reasons[0])
    assert step.found == "The cause was not tested, since no single place stands out."


@pytest.mark.usefixtures("small_inputs")
def test_beyond_all_of_few_is_unusual_too(tmp_path: Path) -> None:
    images = [good_part(seed) for seed in range(6)]
    line = ProductLine.enroll("few", images, home=tmp_path, progress=False)
    cause = found(line, scene_of(line, bad_part(100)))
    assert cause.alpha == smallest_p_value(6) > line.alpha
    assert cause.p_before <= cause.alpha < cause.p_after


@pytest.mark.usefixtures("small_inputs")
def test_places_are_taken_from_the_twin(tmp_path: Path) -> None:
    boards = [picture(board(seed)).rgb_HW3 for seed in range(8)]
    line = ProductLine.enroll("board", boards, home=tmp_path, progress=False)
    broken = board(3).copy()
    broken[70:82, 70:82] = 255 - broken[70:82, 70:82]
    scene = scene_of(line, picture(broken))
    assert scene.anomaly.twin is not None
    cause = found(line, scene)
    assert cause.reference == scene.anomaly.twin.path.name
    assert cause.healed
    assert not any(healed.stays for healed in cause.healed)
    assert cause.score_after < cause.score_before


@pytest.mark.usefixtures("small_inputs")
def test_a_part_that_lies_free_is_healed_as_it_lies(tmp_path: Path) -> None:
    pins = [pin(angle, (i % 5, -i % 7), i).rgb_HW3 for i, angle in enumerate(range(0, 360, 15))]
    line = ProductLine.enroll("pin", pins, home=tmp_path, progress=False)
    assert line.look.framing is not None
    own = Image.fromarray(pin(70, (3, 2), seed=50).rgb_HW3)
    # On the bar, between head and tip.
    ImageDraw.Draw(own).ellipse((112, 112, 128, 128), fill=(250, 250, 250))
    scene = scene_of(line, Picture("pin", np.asarray(own)))
    cause = found(line, scene)
    assert cause.healed[0].before > 1.5
    assert cause.healed[0].after < cause.healed[0].before / 1.5
    assert cause.score_after < cause.score_before


def test_most_defects_of_solar_cells_are_healed(tmp_path: Path) -> None:
    split = solar_cells("mono", 24).split(seed=0)
    line = ProductLine.enroll("cell", split.enrolled, home=tmp_path, progress=False)
    defective = [sample.path for sample in split.test if sample.defective][:16]
    scenes = [scene for path in defective if (scene := scene_of(line, path)).regions]
    assert len(scenes) >= 6
    # Where nearly all of a cell stands out, nothing can be told.
    found_out = [find_cause(scene, gear_of(line)) for scene in scenes]
    causes = [cause for cause in found_out if isinstance(cause, Cause)]
    assert len(causes) >= 4
    healed = [h for cause in causes for h in cause.healed]
    assert sum(not h.stays for h in healed) > 0.7 * len(healed)
    lowered = [cause.score_after < cause.score_before for cause in causes]
    assert sum(lowered) > 0.8 * len(causes)


def cause_of(after: float, p_after: float, p_before: float = 0.01) -> Cause:
    return Cause(
        reference="good.png",
        healed=(
            Healed(region_id="region-1", before=2.5, after=after),
            Healed(region_id="region-2", before=1.5, after=0.5),
        ),
        p_before=p_before,
        p_after=p_after,
        alpha=0.05,
        score_before=3.0,
        score_after=1.0,
    )


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            cause_of(0.8, 0.4),
            "With the 2 places replaced by what good.png shows there, the image is no longer "
            "unusual (p = 0.4).",
        ),
        (
            cause_of(1.8, 0.01),
            "With the 2 places replaced by what good.png shows there, region-1 (1.8 times what "
            "normal images reach) still stands out, so what is seen there is not the cause; the "
            "image as a whole is still unusual (p = 0.01).",
        ),
        (
            cause_of(1.8, 0.3),
            "With the 2 places replaced by what good.png shows there, region-1 (1.8 times what "
            "normal images reach) still stands out, so what is seen there is not the cause; the "
            "image as a whole is no longer unusual (p = 0.3).",
        ),
        (
            cause_of(0.8, 0.02),
            "With the 2 places replaced by what good.png shows there, none of these places stands "
            "out any more, but the image as a whole is still unusual (p = 0.02): the places are "
            "not all there is to it.",
        ),
        (
            cause_of(0.8, 0.2, p_before=0.1),
            "With the 2 places replaced by what good.png shows there, nothing stands out any more "
            "(p = 0.2).",
        ),
    ],
)
def test_what_came_of_it_is_told(cause: Cause, told: str) -> None:
    assert cause_step(cause).found == told
