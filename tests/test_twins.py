"""What a difference from a twin is worth, beside full conformal prediction by its definition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from experts.decoder.conformal import room_for_twins
from experts.decoder.golden import SketchBook, Sketches
from experts.decoder.template import difference, template_of
from experts.decoder.twins import (
    NO_TWIN,
    Difference,
    Rival,
    Ruling,
    TwinCalibration,
    TwinFinder,
    calibrate_twins,
)
from tests.boards import GROUND, ByteArray, board, marked, picture

LIMIT = 0.7
ALPHA = 0.05


@pytest.mark.parametrize(
    ("n", "alpha", "room"),
    [
        (58, 0.05, 0),
        (59, 0.05, 2),
        (79, 0.05, 3),
        (99, 0.05, 4),
        (179, 0.05, 4),
        (399, 0.05, 10),
        (298, 0.01, 0),
        (299, 0.01, 2),
    ],
)
def test_half_of_the_promise_is_for_twins_or_as_much_as_two_pairs_need(
    n: int, alpha: float, room: int
) -> None:
    assert room_for_twins(n, alpha) == room


class World(NamedTuple):
    """Images, some of which lie on each other; the last of them are the seed.

    Attributes:
        closeness: Of each to each; many are equal.
        digests: Of each.
        highest: Difference of each from each, if that is its twin.
        area: On which they differ.
        scores: Of those that may calibrate.
    """

    closeness: NDArray[np.float64]
    digests: NDArray[np.uint64]
    highest: NDArray[np.float64]
    area: NDArray[np.float64]
    scores: NDArray[np.float32]

    def difference(self, one: int, other: int) -> Difference:
        return Difference(float(self.highest[one, other]), float(self.area[one, other]))

    def closest(self, one: int, others: list[int]) -> int:
        def key(other: int) -> tuple[float, int]:
            return float(self.closeness[one, other]), -int(self.digests[other])

        return max((other for other in others if other != one), key=key)


def world(seed: int, count: int = 100, seeds: int = 20) -> World:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count + seeds, 4))
    points[: count // 2] *= 3  # some have many neighbours, some few
    closeness = -np.linalg.norm(points[:, None] - points[None], axis=2)
    # Some lie at equal distances from others.
    closeness = closeness.round(0) if seed % 2 else closeness
    digests = rng.permutation(len(points)).astype(np.uint64)
    shape = closeness.shape
    # What an image is laid on is not quite the same the other way round.
    highest = np.where(rng.random(shape) < 0.1, rng.uniform(LIMIT, 1, shape), 0.3)
    symmetric = np.triu(highest) + np.triu(highest, 1).T
    highest = np.where(rng.random(shape) < 0.9, symmetric, highest)
    area = rng.choice([0.001, 0.002, 0.004, 0.01, 0.03], shape)
    return World(
        closeness, digests, highest, area, rng.normal(size=count).round(1).astype(np.float32)
    )


def slow_p(world: World, fresh: int) -> float:
    """Full conformal: everything is found anew with the fresh one among the others."""
    count, everything = len(world.scores), list(range(len(world.closeness)))
    found = [world.difference(i, world.closest(i, everything)) for i in range(count)]
    areas = sorted(d.area for d in found if d.highest > LIMIT)
    held_back = math.floor(ALPHA * count)
    room = min(held_back - 1, max(4, held_back // 2))
    largest = areas[room] if len(areas) > room else math.inf
    ranks = [
        (d.highest > LIMIT and d.area < largest, score)
        for d, score in zip(found, world.scores, strict=True)
    ]
    return sum(rank >= ranks[fresh] for rank in ranks) / count


def fast_p(world: World, fresh: int) -> float:
    """As a line does it that never saw the fresh one before."""
    others = [i for i in range(len(world.closeness)) if i != fresh]
    known = np.array([i for i in range(len(world.scores)) if i != fresh])
    partners = [world.closest(i, others) for i in known]
    found = [world.difference(i, p) for i, p in zip(known, partners, strict=True)]
    calibration = TwinCalibration(
        known,
        world.scores[known],
        np.array(partners),
        world.closeness[known, partners],
        world.digests[partners],
        np.array([d.highest for d in found]),
        np.array([d.area for d in found]),
    )
    digest = int(world.digests[fresh])
    places = calibration.those_closer_to(world.closeness[fresh], digest)
    rivals = [Rival(place, world.difference(int(known[place]), fresh)) for place in places]
    own = world.difference(fresh, world.closest(fresh, others))
    ruling = calibration.rule(float(world.scores[fresh]), own, rivals, LIMIT, ALPHA)
    assert ruling.calibrated
    return ruling.p_value


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_is_that_of_full_conformal_prediction(seed: int) -> None:
    drawn = world(seed)
    for fresh in range(len(drawn.scores)):
        assert fast_p(drawn, fresh) == pytest.approx(slow_p(drawn, fresh))


@pytest.mark.parametrize("seed", range(4))
def test_whichever_image_is_the_fresh_one_few_have_a_low_p(seed: int) -> None:
    drawn = world(seed)
    p = np.array([fast_p(drawn, fresh) for fresh in range(len(drawn.scores))])
    for alpha in (0.01, 0.02, ALPHA, 0.1, 0.5):
        assert (p <= alpha + 1e-9).mean() <= alpha


def calibration(highest: list[float], areas: list[float], count: int = 99) -> TwinCalibration:
    """Of so many images with scores 0, 1, ..., of which the first differ from their twins."""
    blank = np.zeros(count)
    highest_n, areas_n = np.zeros(count), np.zeros(count)
    highest_n[: len(highest)], areas_n[: len(areas)] = highest, areas
    numbers = np.arange(count)
    scores_n, digests_n = numbers.astype(np.float32), numbers.astype(np.uint64)
    return TwinCalibration(numbers, scores_n, numbers, blank, digests_n, highest_n, areas_n)


def test_what_differs_from_its_twin_ranks_above_all_that_do_not() -> None:
    seen = Difference(0.9, 0.001)
    plain = calibration([], [])
    assert plain.rule(-1.0, seen, [], LIMIT, ALPHA) == Ruling(0.01, math.inf, calibrated=True)
    assert plain.rule(-1.0, Difference(0.6, 0.001), [], LIMIT, ALPHA).p_value == 1
    assert plain.rule(-1.0, NO_TWIN, [], LIMIT, ALPHA).p_value == 1
    # One of the line's images differs from the fresh one in turn, and scores higher or lower.
    assert plain.rule(50.0, seen, [Rival(60, seen)], LIMIT, ALPHA).p_value == 0.02
    assert plain.rule(50.0, seen, [Rival(40, seen)], LIMIT, ALPHA).p_value == 0.01
    # An image without a twin ranks below those that differ from theirs.
    assert plain.rule(98.5, NO_TWIN, [Rival(40, seen)], LIMIT, ALPHA).p_value == 0.02
    assert calibration([0.9, 0.9], [0.001] * 2).rule(98.5, NO_TWIN, [], LIMIT, ALPHA).p_value == (
        0.03
    )


def test_differences_on_as_much_area_as_between_normal_images_do_not_count() -> None:
    line = calibration([0.9] * 5 + [0.6], [0.02, 0.03, 0.04, 0.05, 0.06, 0.001])
    little = line.rule(2.5, Difference(0.9, 0.01), [], LIMIT, ALPHA)
    assert little.p_value == 0.01
    assert (little.largest_area, little.differing) == (0.05, 3)
    large = line.rule(-1.0, Difference(0.9, 0.055), [], LIMIT, ALPHA)
    assert large == Ruling(1.0, 0.055, calibrated=True, differing=4)


def test_too_few_images_leave_the_p_value_alone() -> None:
    seen = Difference(0.9, 0.3)
    # Whatever differs is for a person to look at, though normal images differ, too.
    for line in (calibration([], [], count=58), calibration([0.9] * 9, [0.001] * 9, count=58)):
        found = line.rule(70.0, seen, [Rival(1, seen)], LIMIT, ALPHA)
        assert found == Ruling(1 / 59, math.inf, calibrated=False)
        assert line.rule(30.0, seen, [], LIMIT, ALPHA).p_value == pytest.approx(29 / 59)


def sketched(images: list[ByteArray], seeds: int = 0) -> Sketches:
    book = SketchBook(ALPHA)
    for number, image in enumerate(images):
        book.add(number, image)
    return book.finish(seeds)


def test_each_image_is_compared_with_the_closest_other_one() -> None:
    spotted, _, _ = marked(0)
    images = [board(0), board(1), spotted, board(2), board(3, 200)]
    sketches = sketched(images)
    found = calibrate_twins(sketches, {0: 3.0, 4: 2.0, 3: 1.0}, images.__getitem__)
    assert found.numbers_n.tolist() == [0, 4, 3]
    assert found.scores_n.tolist() == [3, 2, 1]
    assert (found.partners_n[0], found.partners_n[1]) == (2, -1)
    assert found.closeness_n[:2].tolist() == [sketches.closeness(images[0])[2], -np.inf]
    pair = sketches.lay_on(images[0], images[2])
    assert pair is not None
    difference_hw = difference(pair, sketches.unit)
    assert found.highest_n[0] == difference_hw.max() > sketches.limit
    assert found.areas_n[0] == pytest.approx((difference_hw > sketches.limit / 2).mean())
    assert (found.highest_n[1:] == 0).all()
    loaded = TwinCalibration.from_tensors(found.to_tensors())
    assert loaded.differences == found.differences


def test_a_line_that_grows_compares_anew_only_where_another_image_is_closer() -> None:
    images = [board(0), board(1), board(2), marked(1)[0], board(4)]
    scores = dict.fromkeys(range(5), 1.0)
    before = calibrate_twins(sketched(images[:3]), {0: 1.0, 1: 1.0, 2: 1.0}, images.__getitem__)
    asked: list[int] = []

    def template(number: int) -> ByteArray:
        asked.append(number)
        return images[number]

    sketches = sketched(images)
    grown = calibrate_twins(sketches, scores, template, before)
    fresh = calibrate_twins(sketches, scores, images.__getitem__)
    assert grown.differences == fresh.differences
    assert grown.partners_n[1] == 3 != before.partners_n[1]
    # Each is read once for itself; a partner is only read where it is new.
    kept = int((grown.partners_n[:3] == before.partners_n).sum())
    assert kept >= 1
    assert len(asked) == 10 - kept


def kindred(number: int) -> ByteArray:
    """Boards of a few kinds; some show a speck, some another track, and some are the same."""
    rng = np.random.default_rng(1000 + number)
    image = board(int(rng.integers(0, 25)))
    if rng.random() < 0.15:
        y, x = rng.integers(10, 140, 2)
        image[y : y + 6, x : x + 6] = 255 - image[y : y + 6, x : x + 6]
    if rng.random() < 0.1:
        y = int(rng.integers(10, 140))
        image[y : y + 8, 20:140] = GROUND
    y, x = (int(shift) for shift in rng.integers(-3, 4, 2))
    noisy = np.roll(image, (y, x), axis=(0, 1)) + rng.normal(0, 4, image.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8)


def test_a_fresh_board_ranks_as_if_it_were_one_of_the_line() -> None:
    count, seeds = 66, 6
    shown = [kindred(number) for number in range(count)]
    images = [template_of(picture(image).rgb_HW3) for image in shown]
    scores = np.random.default_rng(0).normal(size=count).astype(np.float32)
    everything = calibrate_twins(
        sketched(images, seeds),
        {n: float(scores[n]) for n in range(seeds, count)},
        images.__getitem__,
    )
    limit, rivals = sketched(images, seeds).limit, 0
    seen = everything.highest_n > limit
    room = room_for_twins(count - seeds - 1, ALPHA)
    areas = np.sort(everything.areas_n[seen])
    counts = seen & (everything.areas_n < (areas[room] if len(areas) > room else np.inf))
    ranks = list(zip(counts.tolist(), everything.scores_n.tolist(), strict=True))
    for fresh in range(seeds, count):
        others = [n for n in range(count) if n != fresh]
        line = [images[n] for n in others]
        known = {place: float(scores[n]) for place, n in enumerate(others) if n >= seeds}
        sketches = sketched(line, seeds)
        calibrated = calibrate_twins(sketches, known, line.__getitem__)
        paths = [Path(str(n)) for n in others]
        laid = TwinFinder(sketches, calibrated, ALPHA, line.__getitem__, paths).find(
            picture(shown[fresh])
        )
        assert laid is not None
        rivals += len(laid.rivals)
        rank = ranks[fresh - seeds]
        exact = sum(other >= rank for other in ranks) / len(ranks)
        assert laid.rule(float(scores[fresh])).p_value == pytest.approx(exact)
    assert rivals > 10
    assert counts.any()
