"""Rules computed on regions: measures and zones by hand, views, and more defect never helps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import polygon

from experts.decision import DecisionMaker, Wording
from experts.decoder.regions import MAX_REGIONS, measure_region
from experts.errors import ImageError
from experts.evidence import ClauseCheck, KindSet, Region, Sight, Verdict
from experts.knowledge import Findings, KnowledgeGuide, Scene, load_knowledge
from experts.knowledge.schema import Zone
from experts.knowledge.zones import corners_of, distance_to_border, mask_of
from experts.wording import measured_in_words
from tests.findings import anomaly_of

SIZE_HW = (60, 100)
WHOLE = (0, 0, 100, 60)
SCENE = Scene(SIZE_HW, Sight.of_image(SIZE_HW, mm_per_px=0.5), 0.5)

PLATE = """\
product: plate
normal: Flat.
mm_per_px: 0.5
zones:
  - {name: left half, box: [0, 0, 0.5, 1]}
  - {name: corner, polygon: [[1, 0], [1, 0.5], [0.7, 0]]}
  - {name: middle, box: [0.3, 0.3, 0.7, 0.7]}
defects:
  - name: pit
    appearance: A hole.
    severity: minor
    clauses:
      - {id: pit.count, quantity: count, at_most: 2}
      - {id: pit.left, zone: left half, quantity: count, at_most: 0, then: review}
      - {id: pit.diameter, quantity: diameter, at_most: 4, unit: mm}
      - {id: pit.corner, zone: corner, allowed: none}
  - name: stain
    appearance: A cloud.
    severity: major
    clauses:
      - {id: stain.area, quantity: area, at_most: 2, unit: "%"}
      - {id: stain.total, quantity: total_area, at_most: 40, unit: mm, then: review}
      - {id: stain.middle, zone: middle, quantity: total_area, at_most: 10, unit: "%"}
      - {id: stain.length, quantity: length, at_most: 20, unit: "%", then: accept, note: Wipe it.}
clauses:
  - {id: edge, quantity: distance_to_edge, at_least: 5, unit: px}
  - {id: border, zone: middle, quantity: distance_to_edge, at_least: 1, unit: mm, then: review}
  - {id: strong, quantity: score, at_most: 3}
"""


def write(folder: Path, text: str) -> KnowledgeGuide:
    path = folder / "plate.yaml"
    path.write_text(text)
    return KnowledgeGuide(load_knowledge(path))


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGuide:
    return write(tmp_path_factory.mktemp("plate"), PLATE)


def block(
    left: int, top: int, width: int, height: int, name: str = "region-1", peak: float = 1.0
) -> Region:
    mask_HW = np.ones((height, width), bool)
    return measure_region(name, mask_HW, (left, top), peak, np.zeros(SIZE_HW, np.float32), 0.5)


def named(region: Region, *kinds: str) -> Region:
    chances = dict.fromkeys(kinds, 1 / len(kinds))
    kind_set = KindSet(names=kinds, probabilities=chances, p_values=chances, coverage=0.9)
    return region.model_copy(update={"kinds": kind_set})


def checks_of(guide: KnowledgeGuide, *regions: Region) -> dict[str, ClauseCheck]:
    return {check.clause.id: check for check in guide.check(regions, SCENE).checks}


def test_every_quantity_by_hand(plate: KnowledgeGuide) -> None:
    # In the middle zone, 30 to 70 and 18 to 42; beside the left half.
    first = block(55, 20, 10, 8, peak=1.75)
    second = block(80, 45, 12, 6, "region-2")
    checks = checks_of(plate, first, second)
    measured = {name: (check.measured, check.within) for name, check in checks.items()}
    assert measured == {
        "pit.count": (2, True),
        "pit.diameter": (pytest.approx(math.sqrt(4 * 80 / math.pi) * 0.5), False),
        "stain.area": (pytest.approx(100 * 80 / 6000), True),
        "stain.total": (pytest.approx((80 + 72) * 0.25), True),
        "stain.middle": (pytest.approx(100 * 80 / (40 * 24)), True),
        # Of the longer side.
        "stain.length": (pytest.approx(second.length_px), True),
        "edge": (8, True),
        # Two rows lie between the region and the middle's upper border.
        "border": (pytest.approx(2 * 0.5), True),
        "strong": (3.5, False),
    }
    assert checks["edge"].region_ids == ("region-1", "region-2")
    assert checks["stain.middle"].region_ids == ("region-1",)
    assert checks["strong"].broken_by == ("region-1",)


def test_of_as_many_places_as_are_told_apart_there_may_be_more(plate: KnowledgeGuide) -> None:
    many = [block(4 * n, 50, 2, 2, f"region-{n}") for n in range(MAX_REGIONS)]
    crowded = SCENE._replace(crowded=True)
    found = {c.clause.id: c for c in plate.check(many, crowded).checks}
    assert (found["stain.total"].measured, found["stain.total"].within) == (20, False)
    assert found["stain.total"].or_more
    assert measured_in_words(found["stain.total"]) == "20 mm² or more"
    # Each place alone is what it is.
    assert found["stain.length"].within
    assert checks_of(plate, *many)["stain.total"].within


def test_the_source_of_a_clause_is_cited(plate: KnowledgeGuide) -> None:
    check = checks_of(plate, block(50, 30, 2, 2))["border"]
    lines = PLATE.splitlines()
    assert lines[check.clause.line - 1].lstrip(" -").startswith("{id: border")


def test_a_region_that_touches_a_zone_is_in_it_with_all_of_it(plate: KnowledgeGuide) -> None:
    outside, touching = block(50, 30, 9, 9), block(49, 30, 9, 9)
    assert "pit.left" not in checks_of(plate, outside)
    assert checks_of(plate, touching)["pit.left"].measured == 1
    beyond = checks_of(plate, block(60, 30, 20, 5))
    assert beyond["stain.middle"].measured == pytest.approx(100 * 100 / 960)
    assert beyond["border"].measured == 0


def test_without_regions_nothing_is_broken(plate: KnowledgeGuide) -> None:
    findings = plate.check([], SCENE)
    assert len(findings.checks) == len(plate.knowledge.clauses)
    assert all(check.within and not check.region_ids for check in findings.checks)
    assert findings.unruled == ()


@pytest.mark.parametrize(
    ("zone", "inside"),
    [
        (Zone(name="a", box=[0, 0, 1, 1]), (0, 60, 0, 100)),
        (Zone(name="a", box=[0.25, 0.5, 0.5, 1]), (30, 60, 25, 50)),
        (Zone(name="a", polygon=[[0.1, 0.1], [0.3, 0.1], [0.3, 0.2], [0.1, 0.2]]), (6, 12, 10, 30)),
    ],
)
def test_a_zone_holds_the_pixels_whose_centres_lie_in_it(
    zone: Zone, inside: tuple[int, int, int, int]
) -> None:
    expected = np.zeros(SIZE_HW, bool)
    top, bottom, left, right = inside
    expected[top:bottom, left:right] = True
    assert np.array_equal(mask_of(zone, SCENE.sight, WHOLE), expected)


def test_any_polygon_is_filled_as_by_the_library() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        corners = rng.random((int(rng.integers(3, 12)), 2))
        zone = Zone(name="a", polygon=corners.tolist())
        expected = np.zeros(SIZE_HW, bool)
        xy_N2 = corners_of(zone, SCENE.sight)
        expected[polygon(xy_N2[:, 1], xy_N2[:, 0], SIZE_HW)] = True
        assert np.array_equal(mask_of(zone, SCENE.sight, WHOLE), expected)
        window = mask_of(zone, SCENE.sight, (20, 10, 70, 50))
        assert np.array_equal(window, expected[10:50, 20:70])


def test_the_distance_to_a_border_is_that_of_the_nearest_pixel_outside() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        left, top = rng.uniform(0, 0.3, 2)
        right, bottom = rng.uniform(0.7, 1, 2)
        zone = Zone(name="a", polygon=[[left, top], [right, top], [right, bottom], [left, bottom]])
        region = block(int(rng.integers(20, 65)), int(rng.integers(12, 40)), 9, 7)
        mask_HW = mask_of(zone, SCENE.sight, WHOLE)
        outside_HW = ndimage.distance_transform_edt(np.pad(mask_HW, 1))[1:-1, 1:-1] - 1
        x0, y0, x1, y1 = region.box_xyxy
        slow = max(0.0, outside_HW[y0:y1, x0:x1].min())
        found = distance_to_border(region, zone, SCENE.sight)
        # The border itself runs between pixels.
        assert slow - 0.5 <= found <= slow + 0.5


def test_a_zone_turns_with_the_frame_of_its_part() -> None:
    zone = Zone(name="a", box=[0, 0, 0.5, 1])
    # The frame lies on its side: its width runs down the image.
    sight = Sight(corners_xy=((79.5, 9.5), (79.5, 49.5), (19.5, 9.5)))
    expected = np.zeros(SIZE_HW, bool)
    expected[10:30, 20:80] = True
    assert np.array_equal(mask_of(zone, sight, WHOLE), expected)


ZONED = """\
product: plate
normal: Flat.
zones:
  - {name: rim, box: [0, 0, 1, 0.5]}
  - {name: side, box: [0, 0, 0.5, 1]}
defects:
  - name: pit
    appearance: A hole.
    severity: minor
    clauses:
      - {id: pit.rim, zone: rim, quantity: count, at_most: 5}
      - {id: pit.side, zone: side, quantity: count, at_most: 5}
  - {name: crack, appearance: A line., severity: minor}
"""


def test_what_no_clause_speaks_of_is_named(tmp_path: Path) -> None:
    guide = write(tmp_path, ZONED)

    def unruled(region: Region) -> list[tuple[str | None, tuple[str, ...]]]:
        found = guide.check([region], SCENE).unruled
        return [(u.defect, u.zones) for u in found]

    zones = ("rim", "side")
    assert unruled(named(block(60, 2, 5, 5), "pit")) == []
    assert unruled(named(block(10, 40, 5, 5), "pit")) == []
    assert unruled(named(block(45, 26, 20, 3), "pit")) == []
    assert unruled(named(block(60, 40, 5, 5), "pit")) == [("pit", zones)]
    # It begins in the rim and reaches to where nothing is ruled.
    assert unruled(named(block(60, 25, 5, 20), "pit")) == [("pit", zones)]
    # An L of both zones covers what lies in either.
    assert unruled(named(block(40, 28, 9, 9), "pit")) == []
    # What it may be besides is not ruled.
    assert unruled(block(60, 2, 5, 5)) == [("crack", ())]
    assert unruled(named(block(60, 2, 5, 5), "pit", "crack")) == [("crack", ())]
    assert unruled(named(block(60, 40, 5, 5), "dent")) == [("pit", zones), ("crack", ())]


def test_a_file_without_any_rule_allows_nothing(tmp_path: Path) -> None:
    guide = write(tmp_path, "product: plate\nnormal: Flat.\n")
    (unruled,) = guide.check([block(1, 1, 3, 3)], SCENE).unruled
    assert (unruled.region_id, unruled.defect, unruled.zones) == ("region-1", None, ())


VIEWS = """\
product: plate
normal: Flat.
mm_per_px: 0.5
views:
  - {name: top, match: "*_top.*"}
  - {name: side, match: "*_side*", mm_per_px: 0.1}
  - {name: hand}
zones:
  - {name: rim, view: top, box: [0, 0, 1, 0.1]}
  - {name: band, box: [0, 0.4, 1, 0.6]}
clauses:
  - {id: rim, zone: rim, allowed: none, then: review}
  - {id: size, quantity: length, at_most: 3, unit: mm}
"""


def test_a_view_has_its_scale_and_its_zones(tmp_path: Path) -> None:
    guide = write(tmp_path, VIEWS)
    corners = Sight.of_image(SIZE_HW).corners_xy
    region = block(10, 2, 20, 2)
    found = {}
    for name, asked in [("a_top.png", None), ("/x_top.y/b_side.png", None), ("c.png", "hand")]:
        sight = guide.sight(name, corners, asked)
        checks = guide.check([region], Scene(SIZE_HW, sight, 1.0)).checks
        found[sight.view] = {c.clause.id: round(c.measured, 2) for c in checks}
    length = region.length_px
    assert found == {
        "top": {"rim": 1, "size": pytest.approx(length * 0.5, abs=0.01)},
        "side": {"size": pytest.approx(length * 0.1, abs=0.01)},
        "hand": {"size": pytest.approx(length * 0.5, abs=0.01)},
    }


@pytest.mark.parametrize(
    ("name", "asked", "sentence"),
    [
        ("a.png", None, "a.png: nothing tells which view it shows (top, side, hand); say so with "),
        ("a_side_top.png", None, "a_side_top.png: several patterns say which view it shows"),
        ("a.png", "tpo", "a.png: is said to show view 'tpo'; the knowledge file has top, side, ha"),
    ],
)
def test_a_view_is_never_guessed(
    tmp_path: Path, name: str, asked: str | None, sentence: str
) -> None:
    guide = write(tmp_path, VIEWS)
    with pytest.raises(ImageError) as caught:
        guide.view_of(name, asked)
    assert str(caught.value).startswith(sentence)
    if asked is None:
        sight = guide.sight(name, SCENE.sight.corners_xy, None)
        assert sight.fault == str(caught.value)
        findings = guide.check([block(1, 1, 9, 9)], Scene(SIZE_HW, sight, 1.0))
        assert (findings.checks, findings.unruled) == ((), ())


def test_a_single_view_needs_no_pattern(tmp_path: Path) -> None:
    text = "product: a\nnormal: b\nviews: [{name: top}]\n"
    view = write(tmp_path, text).view_of("any.png")
    assert view is not None
    assert view.name == "top"
    assert write(tmp_path, "product: a\nnormal: b\n").view_of("any.png") is None


# A region is what a walk over the pixels covers; walking on enlarges it.
moves = [(0, 1), (0, -1), (1, 0), (-1, 0)]
steps = st.lists(st.sampled_from(moves), max_size=60)
kinds = st.sampled_from([None, ("pit",), ("stain",), ("pit", "stain")])


def walked(
    walk: Sequence[tuple[int, int]], name: str, start: tuple[int, int], thick: bool
) -> Region:
    yx_N2 = (np.cumsum([start, *walk], axis=0)).clip(0, [SIZE_HW[0] - 1, SIZE_HW[1] - 1])
    whole_HW = np.zeros(SIZE_HW, bool)
    whole_HW[tuple(yx_N2.T)] = True
    if thick:
        whole_HW = ndimage.binary_dilation(whole_HW, iterations=4)
    rows, columns = ndimage.find_objects(whole_HW.astype(int))[0]
    corner = (columns.start, rows.start)
    grey_HW = np.zeros(SIZE_HW, np.float32)
    return measure_region(name, whole_HW[rows, columns], corner, 1.0, grey_HW, 0.5)


def verdict_of(regions: list[Region], findings: Findings) -> Verdict:
    maker = DecisionMaker(0.05, Wording(), has_knowledge=True)
    return maker.decide(anomaly_of(0), regions, findings.checks, findings.unruled)[0].verdict


SEVERITY: dict[Verdict, int] = {"accept": 0, "review": 1, "reject": 2}


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGuide:
    return write(tmp_path_factory.mktemp("zoned"), ZONED)


@settings(deadline=None, max_examples=150)
@given(
    walks=st.lists(steps, min_size=1, max_size=3),
    kinds_of=st.lists(kinds, min_size=4, max_size=4),
    start=st.tuples(st.integers(0, 59), st.integers(0, 99)),
    longer=st.integers(0, 3),
    more=steps,
    thicker=st.booleans(),
)
@example([[(0, 1), (1, 0)] * 8], [None] * 4, (10, 10), 0, [(-1, 0)] * 8, False)
@example([[(0, 1)]], [("pit",)] * 4, (40, 55), 0, [(0, -1)] * 20, False)
@example([[(0, 1)]], [("stain",)] * 4, (20, 90), 0, [(0, -1)] * 60, True)
def test_more_defect_never_mends_a_clause_nor_a_verdict(
    plate: KnowledgeGuide,
    zoned: KnowledgeGuide,
    walks: list[list[tuple[int, int]]],
    kinds_of: list[tuple[str, ...] | None],
    start: tuple[int, int],
    longer: int,
    more: list[tuple[int, int]],
    thicker: bool,
) -> None:
    def regions(paths: list[list[tuple[int, int]]], grown: int | None) -> list[Region]:
        found = []
        for i, (walk, names) in enumerate(zip(paths, kinds_of, strict=False)):
            at = ((start[0] + 17 * i) % SIZE_HW[0], (start[1] + 31 * i) % SIZE_HW[1])
            region = walked(walk, f"region-{i}", at, thick=thicker and i == grown)
            found.append(named(region, *names) if names else region)
        return found

    larger = [walk + more if i == longer else walk for i, walk in enumerate(walks)]
    larger += [more] if longer >= len(walks) else []
    before, after = regions(walks, None), regions(larger, longer)
    for guide in (plate, zoned):
        old, new = guide.check(before, SCENE), guide.check(after, SCENE)
        grown = {check.clause.id: check for check in new.checks}
        for was in old.checks:
            now = grown[was.clause.id]
            sign = -1 if was.clause.is_lower else 1
            assert sign * now.measured >= sign * was.measured - 1e-9, was.clause.id
            assert was.within or not now.within, was.clause.id
        assert SEVERITY[verdict_of(after, new)] >= SEVERITY[verdict_of(before, old)]
