"""The comparison with a golden template, beside slow versions written from the definition."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from echo import ProductLine
from experts.decoder.golden import (
    LIMIT,
    SketchBook,
    Sketches,
    differences_among,
    retaken,
    where_they_differ,
)
from experts.decoder.template import (
    ALIGNED,
    BEST_SHARE,
    BLOCKS,
    CELL_PX,
    SKETCH_PX,
    SMOOTHING_PX,
    TEMPLATE_PX,
    TOLERANCE_PX,
    ByteArray,
    Pair,
    agreement,
    by_place,
    difference,
    grey_range,
    register,
    sketch_of,
    spot,
    template_of,
)
from tests.boards import board, picture

UNIT = 200.0
FloatArray = NDArray[np.float32]


def overlap(query: NDArray[np.generic], template: NDArray[np.generic]) -> Pair:
    return Pair(query.astype(np.float32), template.astype(np.float32), (0, 0))


def slow_shift(query: ByteArray, template: ByteArray) -> tuple[int, int]:
    reach = int(0.1 * query.shape[0])
    shifts = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    off = template - template.mean()
    products = [(query * np.roll(off, shift, axis=(0, 1))).sum() for shift in shifts]
    return shifts[int(np.argmax(products))]


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 1)])
def test_the_shift_is_that_of_the_highest_correlation(shift: tuple[int, int]) -> None:
    template = board(0, 48)
    query = np.roll(template, shift, axis=(0, 1))
    assert slow_shift(query, template) == shift
    pair = register(query, template)
    assert pair.corner_yx == (max(shift[0], 0), max(shift[1], 0))
    assert pair.query_hw.shape == (48 - abs(shift[0]), 48 - abs(shift[1]))
    assert np.array_equal(pair.query_hw, pair.template_hw)


def slow_agreement(pair: Pair) -> float:
    rows, columns = (side // BLOCKS for side in pair.query_hw.shape)
    found = []
    for top in range(0, BLOCKS * rows, rows):
        for left in range(0, BLOCKS * columns, columns):
            place = (slice(top, top + rows), slice(left, left + columns))
            q, t = pair.query_hw[place].astype(float), pair.template_hw[place].astype(float)
            noise = (0.02 * UNIT) ** 2
            together = ((q - q.mean()) * (t - t.mean())).mean() + noise
            if max(q.var(), t.var()) + noise > (0.1 * UNIT) ** 2:
                found.append((together, q.var() + noise, t.var() + noise))
    found.sort(key=lambda f: -f[0] / math.sqrt(f[1] * f[2]))
    together, q_var, t_var = np.sum(found[: math.ceil(BEST_SHARE * len(found))], axis=0)
    return float(together / math.sqrt(q_var * t_var))


@pytest.mark.parametrize("other", [0, 1])
def test_agreement_equals_the_slow_version(other: int) -> None:
    noise = np.random.default_rng(1).normal(0, 20, (157, 150))
    pair = overlap(board(0)[:157, :150] + noise, board(other)[:157, :150])
    assert agreement(pair, UNIT) == pytest.approx(slow_agreement(pair), abs=1e-4)


def test_another_board_does_not_agree_but_one_with_a_blot_does() -> None:
    blotted = board(0)
    blotted[40:80, 40:80] = 120
    assert agreement(register(blotted, board(0)), UNIT) > ALIGNED
    assert agreement(register(board(1), board(0)), UNIT) < ALIGNED / 2


def test_flat_agrees_with_flat_whatever_its_level_and_nothing_else() -> None:
    flat, other = np.full((80, 80), 30, np.uint8), np.full((80, 80), 90, np.uint8)
    assert agreement(register(flat, other), UNIT) == 1
    assert difference(register(flat, other), UNIT).max() == pytest.approx(0, abs=1e-6)
    assert agreement(register(board(0, 80), flat), UNIT) < ALIGNED


def test_shading_alone_aligns_nothing() -> None:
    shade = np.linspace(0, 200, 160)[:, None] * np.ones(160)
    rng = np.random.default_rng(2)
    one, two = (shade + rng.normal(0, 40, shade.shape) for _ in range(2))
    assert agreement(overlap(one, two), UNIT, blocks=1) > 0.6
    assert agreement(overlap(one, two), UNIT) < 0.3


def slow_difference(query: FloatArray, template: FloatArray) -> FloatArray:
    height, width = query.shape
    beyond = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            near = (
                slice(max(y - TOLERANCE_PX, 0), y + TOLERANCE_PX + 1),
                slice(max(x - TOLERANCE_PX, 0), x + TOLERANCE_PX + 1),
            )
            beyond[y, x] = max(
                query[y, x] - template[near].max(),
                template[near].min() - query[y, x],
                template[y, x] - query[near].max(),
                query[near].min() - template[y, x],
                0,
            )
    smooth = ndimage.gaussian_filter(beyond / UNIT, SMOOTHING_PX, mode="nearest")
    return np.asarray(smooth, np.float32)


def test_the_difference_equals_the_slow_version() -> None:
    template = board(3, 60)
    query = template.copy()
    query[20:27, 30:36] = 120
    slow = slow_difference(query.astype(np.float32), template.astype(np.float32))
    # The exposure is fitted, so the grey levels are right to a little less than one.
    assert difference(overlap(query, template), UNIT) == pytest.approx(slow, abs=0.01)
    assert slow.max() > 0.3


@pytest.mark.parametrize(("gain", "offset"), [(0.8, 0), (1.1, 10), (0.7, 50)])
def test_neither_a_shift_nor_the_exposure_counts(gain: float, offset: float) -> None:
    moved = np.roll(board(4, 180), (3, -5), axis=(0, 1))[10:170, 10:170]
    query = gain * moved + offset
    assert difference(register(query, board(4, 180)[10:170, 10:170]), UNIT).max() < 0.02


def test_an_edge_may_fall_a_pixel_from_where_it_was() -> None:
    edge, moved, farther = (np.full((60, 60), 20.0) for _ in range(3))
    for image, start in ((edge, 30), (moved, 31), (farther, 33)):
        image[:, start:] = 220
    assert difference(overlap(moved, edge), UNIT).max() < 0.01
    assert difference(overlap(farther, edge), UNIT).max() > 0.3


@pytest.mark.parametrize(("side", "beyond"), [(4, False), (5, True)])
@pytest.mark.parametrize("spot_in_query", [True, False])
def test_the_limit_lies_beyond_what_two_moved_edges_open(
    side: int, beyond: bool, spot_in_query: bool
) -> None:
    plain = board(5)
    plain[60:100, 60:100] = 220
    marked = plain.copy()
    marked[80 : 80 + side, 80 : 80 + side] = 20
    pair = overlap(marked, plain) if spot_in_query else overlap(plain, marked)
    highest = difference(pair, UNIT).max()
    assert (highest > LIMIT) == beyond
    assert highest == pytest.approx(spot(side, side), abs=0.03)


def test_a_missing_track_is_found_where_it_was() -> None:
    template = board(6)
    template[100:108, 30:130] = 20
    query = template.copy()
    query[100:108, 70:82] = 220
    query = np.roll(query, (2, 3), axis=(0, 1))
    pair = register(query, template)
    difference_hw = difference(pair, UNIT)
    found = by_place(difference_hw, pair, query, (320, 480))
    y, x = np.unravel_index(found.scores_HW.argmax(), found.scores_HW.shape)
    assert found.scores_HW.max() == difference_hw.max() > LIMIT
    # In pixels of an image that is twice as high and three times as wide.
    assert abs(found.centre_px[0] + y * found.stride_px[0] - 2 * 106) <= 2 * CELL_PX
    assert abs(found.centre_px[1] + x * found.stride_px[1] - 3 * 78.5) <= 3 * CELL_PX


def test_the_grey_range_is_that_of_all_images() -> None:
    flat = [np.full((20, 20), level, np.uint8) for level in (50, 51)]
    assert grey_range(flat) == 8
    assert grey_range([*flat, np.full((20, 20), 250, np.uint8)]) == 200


def test_templates_and_sketches_have_bounded_sizes() -> None:
    template = template_of(np.zeros((900, 2000, 3), np.uint8))
    assert template.shape == (144, TEMPLATE_PX)
    assert template_of(np.zeros((90, 200, 3), np.uint8)).shape == (90, 200)
    assert sketch_of(template).shape == (SKETCH_PX, SKETCH_PX)


@pytest.fixture(scope="module")
def sketches() -> Sketches:
    book = SketchBook(0.05)
    for number in (2, 0, 1, 3):
        book.add(number, board(number))
    book.add(4, board(4, 200))
    return book.finish()


def slow_closeness(query: ByteArray, template: ByteArray) -> float:
    one, other = (sketch_of(t).astype(float) for t in (query, template))
    shifts = [(y, x) for y in range(-3, 4) for x in range(-3, 4)]
    products = [((one - one.mean()) * np.roll(other, s, axis=(0, 1))).mean() for s in shifts]
    return float((max(products) + 1) / math.sqrt((one.var() + 1) * (other.var() + 1)))


def test_closeness_equals_the_slow_version_and_goes_both_ways(sketches: Sketches) -> None:
    flat = np.full((160, 160), 90, np.uint8)
    for query in (np.roll(board(2), (12, -9), axis=(0, 1)), board(9), flat):
        found = sketches.closeness(query)
        slow = [slow_closeness(query, board(number)) for number in range(4)]
        assert found[:4] == pytest.approx(slow, abs=1e-9)
        assert slow == pytest.approx([slow_closeness(board(n), query) for n in range(4)])
        assert found[4] == -np.inf  # of another size
    # Any image is quite like itself, whatever its contrast.
    for image in (flat, board(0), board(0) // 8 + 90):
        book = SketchBook(0.05)
        book.add(0, image)
        assert book.finish().closeness(image)[0] == pytest.approx(1)


def test_the_twin_is_the_closest_that_lies_on_an_image(sketches: Sketches) -> None:
    for number in range(4):
        query = np.roll(board(number), (4, -3), axis=(0, 1))
        assert sketches.closeness(query).argmax() == number
        assert sketches.lay_on(query, board(number)) is not None
        closest = sketches.closest_to(number, board(number))
        assert closest is not None
        assert closest[0] in {0, 1, 2, 3} - {number}
        assert sketches.lay_on(board(number), board(closest[0])) is None
    assert sketches.closest_to(4, board(4, 200)) is None


def test_sketches_survive_the_disk(sketches: Sketches) -> None:
    loaded = Sketches.from_tensors(sketches.to_tensors())
    assert np.array_equal(loaded.sketches_Nss, sketches.sketches_Nss)
    assert np.array_equal(loaded.shapes_N2, sketches.shapes_N2)
    assert (loaded.unit, loaded.limit) == (sketches.unit, sketches.limit)


def test_the_limit_rises_where_new_exposures_differ_by_more(sketches: Sketches) -> None:
    assert sketches.limit == LIMIT > retaken(board(0), UNIT, 0)
    rough = np.random.default_rng(0).choice([0, 255], (160, 160)).astype(np.uint8)
    assert retaken(rough, 255.0, 0) < LIMIT
    # Stars on a dark sky: so few that the grey range is that of the sky.
    stars = np.full((160, 160), 10, np.uint8)
    stars[5::16, 5::16] = 250
    book = SketchBook(0.05)
    book.add(0, stars)
    assert book.finish().limit == retaken(stars, book.finish().unit, 0) > LIMIT


def label(number: int) -> ByteArray:
    """A board on which a field of 24 × 24 px is never the same."""
    image = board(0)
    cells = np.random.default_rng(number).choice(np.array([20, 220], np.uint8), (3, 3))
    image[60:84, 60:84] = np.kron(cells, np.ones((8, 8), np.uint8))
    return image


def test_there_are_no_twins_where_normal_images_that_lie_on_each_other_differ() -> None:
    labels = [label(number) for number in range(12)]
    differences = differences_among(labels, UNIT)
    assert len(differences) == len(labels)
    nearest = [
        max(
            (agreement(overlap(sketch_of(a), sketch_of(b)), UNIT, blocks=1), -n)
            for n, b in enumerate(labels)
            if b is not a
        )
        for a in labels
    ]
    slow = [
        slow_difference(a.astype(np.float32), labels[-n].astype(np.float32)).max()
        for a, (_, n) in zip(labels[:2], nearest, strict=False)
    ]
    assert differences[:2] == pytest.approx(slow, abs=0.02)
    book = SketchBook(0.05)
    for number, image in enumerate(labels):
        book.add(number, image)
    # Parts of one kind, but no twins.
    assert book.finish().limit == math.inf
    same = SketchBook(0.05)
    for number in range(12):
        same.add(number, labels[0])
    assert same.finish().limit == LIMIT
    # Two of twelve that differ say nothing of the others.
    assert len(differences_among([*labels[:2], *map(board, range(1, 11))], UNIT)) == 2


def test_two_images_of_one_part_that_visibly_differ_are_told(sketches: Sketches) -> None:
    whole = board(0)
    broken = np.roll(whole, (2, -1), axis=(0, 1))
    broken[70:90, 100:120] = 220 - broken[70:90, 100:120] // 2
    place = where_they_differ(whole, broken, sketches)
    assert place is not None
    left, top, right, bottom = (160 * share for share in place)
    # Where the first shows what changed in the second.
    assert left <= 112 <= right
    assert top <= 78 <= bottom
    assert where_they_differ(whole, np.roll(whole, (2, -1), axis=(0, 1)), sketches) is None
    assert where_they_differ(whole, board(1), sketches) is None
    assert where_they_differ(whole, board(0, 200), sketches) is None


def test_the_audit_tells_which_of_two_like_boards_may_be_broken(tmp_path: Path) -> None:
    broken = board(3)
    broken[70:90, 40:70] = 255 - broken[70:90, 40:70]
    images = [*map(board, range(24)), broken, board(5) // 2 + 100]
    boards = [picture(image).rgb_HW3 for image in images]
    line = ProductLine.enroll("board", boards, home=tmp_path, progress=False)
    audit = line.audit()
    differing = {pair.numbers for pair in audit.near_duplicates if pair.place_ltrb is not None}
    alike = {pair.numbers for pair in audit.near_duplicates if pair.place_ltrb is None}
    assert (differing, alike) == ({(4, 25)}, {(6, 26)})
    assert any("look whether one has a defect: 4 and 25" in words for words in audit.sentences)


def test_on_a_strip_different_images_do_not_agree() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 255, (6, 320), dtype=np.uint8) for _ in range(2))
    assert agreement(overlap(first, first), 100.0) == pytest.approx(1)
    assert agreement(overlap(first, second), 100.0) < ALIGNED
