from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experts.decision import DecisionMaker, Wording
from experts.decoder.regions import measure_region
from experts.errors import KnowledgeError
from experts.evidence import AnomalyMap, ClauseCheck, Region, Sight, Verdict
from experts.knowledge import MAX_FILE_BYTES, Findings, KnowledgeGuide, Scene, load_knowledge

SOLAR_CELL = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"

WASHER = """\
product: washer
part: washer
parts: washers
normal: A bright ring.
mm_per_px: 0.5
defects:
  - name: pit
    appearance: A small dark hole.
    effect: Corrodes.
    severity: minor
    clauses:
      - {id: pit.count, quantity: count, at_most: 2}
      - {id: pit.area, quantity: area, at_most: 48, unit: px}
      - {id: pit.area_mm, quantity: area, at_most: 12, unit: mm}
  - name: scratch
    appearance: A bright line.
    effect: Only looks bad.
    severity: major
    clauses:
      - {id: scratch.length, quantity: length, at_most: 10.5, unit: px}
      - {id: scratch.length_mm, quantity: length, at_most: 4.8, unit: mm}
      - {id: scratch.width, quantity: width, at_most: 5, unit: px}
      - {id: scratch.width_mm, quantity: width, at_most: 3, unit: mm}
"""


@pytest.fixture
def washer(tmp_path: Path) -> Path:
    path = tmp_path / "washer.yaml"
    path.write_text(WASHER)
    return path


def change(path: Path, **replacements: str) -> dict[str, int]:
    """Replace lines by what begins them; gives the line of each, from 1."""
    lines = path.read_text().splitlines()
    numbers = {}
    for start, new in replacements.items():
        numbers[start] = next(
            n for n, text in enumerate(lines) if text.strip(" -{").startswith(start)
        )
        lines[numbers[start]] = new
    path.write_text("\n".join(lines) + "\n")
    return {start: number + 1 for start, number in numbers.items()}


def assert_faults(path: Path, *faults: str) -> None:
    """The message consists of exactly these lines, each after the file's name."""
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(path)
    assert str(caught.value).splitlines() == [f"{path}:{fault}" for fault in faults]


def test_solar_cell_has_its_clauses_where_they_stand() -> None:
    knowledge = load_knowledge(SOLAR_CELL)
    clauses = [(c.id, c.defect, c.quantity, c.limit, c.unit, c.severity) for c in knowledge.clauses]
    assert clauses == [
        ("crack.any", "crack", "count", 0, "", "critical"),
        ("inactive.any", "inactive area", "count", 0, "", "critical"),
        ("finger.count", "finger interruption", "count", 3, "", "minor"),
        ("material.size", "material defect", "length", 30, "px", "major"),
    ]
    lines = SOLAR_CELL.read_text(encoding="utf-8").splitlines()
    for clause in knowledge.clauses:
        assert lines[clause.line - 1].split() == ["-", "id:", clause.id]
        assert clause.source == "solar_cell.yaml"
    assert (knowledge.file.part, knowledge.file.parts) == ("cell", "cells")
    assert knowledge.file.normal.startswith("A grey square with an even glow, crossed by dark,")


def test_limits_in_words(washer: Path) -> None:
    words = [c.allows for c in load_knowledge(washer).clauses]
    assert words[:4] == [
        "at most 2",
        "area up to 48 px²",
        "area up to 12 mm²",
        "length up to 10.5 px",
    ]
    assert load_knowledge(SOLAR_CELL).clauses[0].allows == "none"


def test_every_fault_is_listed_at_once_with_its_line(washer: Path) -> None:
    at = change(
        washer,
        product="prodct: washer",
        normal="normal: ''",
        mm_per_px="mm_per_px: 0",
        severity="    severity: grave",
        **{
            "id: pit.count": "      - {id: pit.count, quantity: count, at_most: -1}",
            "id: pit.area,": "      - {id: pit.area, quantity: area, at_most: .nan, unit: px}",
            "id: pit.area_mm": "      - {id: pit.area_mm, quantity: area, at_most: '4', unit: cm}",
            "id: scratch.length,": "      - {id: 7, quantity: lenght, at_most: 1, unit: px}",
            "id: scratch.length_mm": "      - 5",
            "id: scratch.width,": "      - {id: scratch.width, quantity: width, max: 5, unit: px}",
        },
    )
    pit, scratch = "defects.0.limits", "defects.1.limits"
    last = at["id: scratch.width,"]
    assert_faults(
        washer,
        "1: product: field required",
        f"{at['normal']}: normal: string should have at least 1 character, got ''",
        f"{at['mm_per_px']}: mm_per_px: input should be greater than 0, got 0",
        f"{at['severity']}: defects.0.severity: input should be 'minor', 'major' or 'critical', "
        "got 'grave'",
        f"{at['id: pit.count']}: {pit}.0.at_most: input should be greater than or "
        "equal to 0, got -1",
        f"{at['id: pit.area,']}: {pit}.1.at_most: input should be a finite number, got nan",
        f"{at['id: pit.area_mm']}: {pit}.2.at_most: input should be a valid number, got '4'",
        f"{at['id: pit.area_mm']}: {pit}.2.unit: input should be 'px' or 'mm', got 'cm'",
        f"{at['id: scratch.length,']}: {scratch}.0.id: input should be a valid string, got 7",
        f"{at['id: scratch.length,']}: {scratch}.0.quantity: input should be 'count', 'area', "
        "'length' or 'width', got 'lenght'",
        f"{at['id: scratch.length_mm']}: {scratch}.1: input should be a valid dictionary or "
        "instance of Limit, got 5",
        f"{last}: {scratch}.2.at_most: field required",
        f"{last}: {scratch}.2.max: unknown field",
        "1: prodct: unknown field; did you mean 'product'?",
    )


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        ("normal", "norml", "norml"),
        ("appearance", "apearance", "defects.0.apearance"),
        ("quantity", "quantitty", "defects.0.limits.0.quantitty"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_right_one(
    washer: Path, right: str, wrong: str, field: str
) -> None:
    washer.write_text(WASHER.replace(f"{right}:", f"{wrong}:", 1))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    number = next(n for n, text in enumerate(WASHER.splitlines(), 1) if f"{right}:" in text)
    expected = f"{washer}:{number}: {field}: unknown field; did you mean '{right}'?"
    assert expected in str(caught.value).splitlines()


def test_every_fault_across_fields_is_listed_at_once(washer: Path) -> None:
    at = change(
        washer,
        **{
            "id: pit.count": "      - {id: pit.count, quantity: count, at_most: 2, unit: px}",
            "id: pit.area,": "      - {id: pit.count, quantity: area, at_most: 48, unit: px}",
            "id: scratch.length,": "      - {id: scratch.length, quantity: length, at_most: 10}",
        },
    )
    assert_faults(
        washer,
        f"{at['id: pit.count']}: pit.count: a count has no unit, got 'px'; remove it",
        f"{at['id: pit.area,']}: pit.count: this id is taken; give each limit its own",
        f"{at['id: scratch.length,']}: scratch.length: length needs a unit; add 'unit: px' or 'mm'",
    )


def test_a_limit_in_mm_needs_the_scale(washer: Path) -> None:
    washer.write_text(WASHER.replace("mm_per_px: 0.5\n", ""))
    needs = "a limit in mm needs the scale; add 'mm_per_px:' at the top"
    lines = enumerate(WASHER.splitlines(), 1)
    found = {m.group(1): n - 1 for n, text in lines if (m := re.search(r"id: (\S+_mm),", text))}
    assert list(found) == ["pit.area_mm", "scratch.length_mm", "scratch.width_mm"]
    assert_faults(washer, *(f"{n}: {name}: {needs}" for name, n in found.items()))


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "-0.1", "true", "1e999", "[1]"])
def test_a_limit_is_a_finite_number_from_zero(washer: Path, number: str) -> None:
    washer.write_text(WASHER.replace("at_most: 2}", f"at_most: {number}}}"))
    with pytest.raises(KnowledgeError, match=r"\A.+:12: defects\.0\.limits\.0\.at_most: input .+"):
        load_knowledge(washer)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "1: not valid YAML: expected the node content, but found '<stream end>'"),
        ("product: a\nnormal: b: c", "2: not valid YAML: mapping values are not allowed here"),
        ("", " expected fields such as 'product:' and 'defects:', got nothing"),
        (
            "- product: washer",
            " expected fields such as 'product:' and 'defects:', got a list",
        ),
        ("a: &x 1\nb: *x", " uses a YAML alias (*name); write the text out instead"),
        ("a: 1\n---\nb: 2", "2: not valid YAML: but found another document"),
        ("[" * 600 + "]" * 600, " is nested more than 20 levels deep; write it flatter"),
        ("product: 2020-99-99", " not valid YAML: month must be in 1..12"),
        (
            "product: a\nnormal: b\nproduct: c",
            '3: not valid YAML: found duplicate key "product" with value "c" (original value: "a")',
        ),
    ],
    ids=(
        *("open", "colon", "empty", "list", "alias", "two-documents", "deep", "no-date"),
        "duplicate",
    ),
)
def test_what_is_no_mapping_of_yaml(washer: Path, text: str, fault: str) -> None:
    washer.write_text(text)
    assert_faults(washer, fault)


def test_a_file_that_cannot_be_text(tmp_path: Path, washer: Path) -> None:
    washer.write_bytes(WASHER.encode("utf-16"))
    assert_faults(washer, " is not UTF-8 text; save it as UTF-8")
    large = WASHER.encode() + b"#" * MAX_FILE_BYTES
    washer.write_bytes(large)
    assert_faults(washer, f" {len(large)} bytes; a knowledge file has at most 1 MB")
    assert_faults(
        tmp_path / "missing.yaml", " cannot be read (No such file or directory); check the path"
    )
    assert_faults(tmp_path, " cannot be read (Is a directory); check the path")


@pytest.mark.parametrize("place", ["normal: %s", "%s"])
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system", "!!python/name:os"]
)
def test_tags_never_execute(washer: Path, tag: str, place: str) -> None:
    trace = washer.parent / "executed"
    washer.write_text(place % f"{tag} ['touch {trace}']")
    with pytest.raises(KnowledgeError):
        load_knowledge(washer)
    assert not trace.exists()


def block(height: int, width: int, name: str) -> Region:
    """A solid region; the washer's scale is 0.5 mm per pixel."""
    grey = np.zeros((64, 64), np.float32)
    return measure_region(name, np.ones((height, width), bool), (1, 1), 1.0, grey, 0.5)


SCENE = Scene((64, 64), Sight.of_image((64, 64), mm_per_px=0.5), 0.5)


def checks_of(path: Path, *regions: Region) -> dict[str, ClauseCheck]:
    checks, _ = KnowledgeGuide(load_knowledge(path)).check(regions, SCENE)
    return {check.clause.id: check for check in checks}


def test_measures_by_hand(washer: Path) -> None:
    checks = checks_of(washer, block(1, 10, "region-1"), block(7, 7, "region-2"))
    expected = {
        "pit.count": (2, True, ("region-1", "region-2")),
        "pit.area": (49, False, ("region-2",)),
        "pit.area_mm": (12.25, False, ("region-2",)),
        "scratch.length": (10, True, ("region-1", "region-2")),
        "scratch.length_mm": (5, False, ("region-1",)),
        "scratch.width": (7, False, ("region-2",)),
        "scratch.width_mm": (3.5, False, ("region-2",)),
    }
    assert list(checks) == list(expected)
    for name, (measured, within, region_ids) in expected.items():
        check = checks[name]
        assert check.id == f"clause:{name}"
        assert check.measured == pytest.approx(measured), name
        assert (check.within, check.region_ids) == (within, region_ids), name


def test_a_limit_holds_at_its_very_value_and_breaks_beyond(washer: Path) -> None:
    at_limit = checks_of(washer, block(6, 8, "region-1"), block(1, 1, "region-2"))
    assert all(at_limit[name].within for name in ("pit.count", "pit.area", "pit.area_mm"))
    names = ["region-1", "region-2", "region-3"]
    beyond = checks_of(washer, *(block(7, 7, name) for name in names))
    assert not any(beyond[name].within for name in ("pit.count", "pit.area", "pit.area_mm"))


def test_no_region_breaks_nothing(washer: Path) -> None:
    checks = checks_of(washer)
    assert {(check.measured, check.within, check.region_ids) for check in checks.values()} == {
        (0, True, ())
    }


# A region is what a walk over the pixels covers; walking on enlarges it.
steps = st.lists(st.sampled_from([(0, 1), (0, -1), (1, 0), (-1, 0)]), max_size=40)


def walked(walk: Sequence[tuple[int, int]], name: str) -> Region:
    yx_N2 = np.cumsum([(0, 0), *walk], axis=0)
    yx_N2 -= yx_N2.min(axis=0)
    mask_HW = np.zeros(yx_N2.max(axis=0) + 1, bool)
    mask_HW[tuple(yx_N2.T)] = True
    return measure_region(name, mask_HW, (1, 1), 1.0, np.zeros((64, 64), np.float32), 0.5)


def verdict_of(regions: list[Region], findings: Findings) -> Verdict:
    suspicious = AnomalyMap(
        patch_scores_HW=np.ones((4, 4), np.float32),
        patch_stride_px=(16.0, 16.0),
        patch_centre_px=(15.0, 15.0),
        image_size_HW=(64, 64),
        score=1.0,
        p_value=0.01,
        calibration_size=99,
        limit=0.5,
        extent_limit=0.1,
        encoder="test",
    )
    maker = DecisionMaker(0.05, Wording(), has_knowledge=True)
    return maker.decide(suspicious, regions, *findings)[0].verdict


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGuide:
    path = tmp_path_factory.mktemp("knowledge") / "washer.yaml"
    path.write_text(WASHER)
    return KnowledgeGuide(load_knowledge(path))


@settings(deadline=None)
@given(walks=st.lists(steps, min_size=1, max_size=4), longer=st.integers(0, 4), more=steps)
@example(walks=[[(0, 1), (1, 0)] * 8], longer=0, more=[(-1, 0)] * 8)
def test_more_defect_never_mends_a_clause_nor_a_verdict(
    guide: KnowledgeGuide,
    walks: list[list[tuple[int, int]]],
    longer: int,
    more: list[tuple[int, int]],
) -> None:
    before = [walked(walk, f"region-{i}") for i, walk in enumerate(walks)]
    larger = [walk + more if i == longer else walk for i, walk in enumerate(walks)]
    larger += [more] if longer >= len(walks) else []
    after = [walked(walk, f"region-{i}") for i, walk in enumerate(larger)]
    old, new = guide.check(before, SCENE), guide.check(after, SCENE)
    for was, now in zip(old.checks, new.checks, strict=True):
        assert now.measured >= was.measured - 1e-9, now.clause.id
        assert was.within or not now.within, now.clause.id
    if verdict_of(before, old) == "reject":
        assert verdict_of(after, new) == "reject"
