from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from experts.decoder.regions import measure_region
from experts.errors import KnowledgeError
from experts.evidence import ClauseCheck, Region, Sight
from experts.knowledge import MAX_FILE_BYTES, KnowledgeGuide, Scene, load_knowledge
from experts.knowledge.schema import ClauseRule

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
        ("material.middle", "material defect", "total_area", 2, "%", "major"),
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
    pit, scratch = "defects.0.clauses", "defects.1.clauses"
    last = at["id: scratch.width,"]
    fields = ", ".join(ClauseRule.model_fields)
    assert_faults(
        washer,
        "1: product: expected this field, got nothing; add 'product:'",
        f"{at['normal']}: normal: expected a text that is not empty, got ''; write one, or remove "
        "the line",
        f"{at['mm_per_px']}: mm_per_px: expected a number above 0, got 0; correct it",
        f"{at['severity']}: defects.0.severity: expected 'minor', 'major' or 'critical', "
        "got 'grave'; choose one of these",
        f"{at['id: pit.count']}: {pit}.0.at_most: expected a number from 0 on, got -1; correct it",
        f"{at['id: pit.area,']}: {pit}.1.at_most: expected a finite number, got nan; write the "
        "number itself",
        f"{at['id: pit.area_mm']}: {pit}.2.at_most: expected a number, got '4'; write it without "
        "quotes and unit",
        f"{at['id: pit.area_mm']}: {pit}.2.unit: expected 'px', 'mm' or '%', got 'cm'; choose "
        "one of these",
        f"{at['id: scratch.length,']}: {scratch}.0.id: expected a text, got 7; write one, in "
        "quotes if it looks like a number or a date",
        f"{at['id: scratch.length,']}: {scratch}.0.quantity: expected 'count', 'length', 'width', "
        "'diameter', 'area', 'total_area', 'distance_to_edge' or 'score', got 'lenght'; did you "
        "mean 'length'?",
        f"{at['id: scratch.length_mm']}: {scratch}.1: expected fields such as 'id: …', got 5; "
        "write each as 'name: value'",
        f"{last}: {scratch}.2.max: expected a known field, got 'max'; remove it, or use one of "
        f"{fields}",
        "1: prodct: expected a known field, got 'prodct'; did you mean 'product'?",
    )


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        ("normal", "norml", "norml"),
        ("appearance", "apearance", "defects.0.apearance"),
        ("quantity", "quantitty", "defects.0.clauses.0.quantitty"),
        ("mm_per_px", "mm_per_pixel", "mm_per_pixel"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_right_one(
    washer: Path, right: str, wrong: str, field: str
) -> None:
    washer.write_text(WASHER.replace(f"{right}:", f"{wrong}:", 1))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    number = next(n for n, text in enumerate(WASHER.splitlines(), 1) if f"{right}:" in text)
    fault = f"expected a known field, got {wrong!r}; did you mean {right!r}?"
    expected = f"{washer}:{number}: {field}: {fault}"
    assert expected in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("extra", "faults"),
    [
        ("views: [{name: top, mach: a}]", ["views.0.mach", "'match'"]),
        ("zones: [{name: rim, bx: [0, 0, 1, 1]}]", ["zones.0.bx", "'box'"]),
        ("prompts: {abnormale: [a]}", ["prompts.abnormale", "'abnormal'"]),
        ("questions: [{question: a, anwser: b}]", ["questions.0.anwser", "'answer'"]),
    ],
)
def test_keys_are_suggested_of_what_they_stand_in(
    washer: Path, extra: str, faults: list[str]
) -> None:
    washer.write_text(WASHER + extra + "\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    assert any(all(text in line for text in faults) for line in str(caught.value).splitlines())


RULE = "      - {id: pit.count, quantity: count, at_most: 2}"


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (
            "{id: a, quantity: count, at_most: 2, unit: px}",
            "a: expected no unit for count, got 'px'; remove it",
        ),
        (
            "{id: a, quantity: score, at_most: 2, unit: '%'}",
            "a: expected no unit for score, got '%'; remove it",
        ),
        (
            "{id: a, quantity: length, at_most: 10}",
            "a: expected a unit for length, got none; add 'unit: px', 'mm' or '%'",
        ),
        ("{id: a, quantity: length, unit: px}", "a: expected a limit, got none; add 'at_most:'"),
        (
            "{id: a, quantity: distance_to_edge, unit: px}",
            "a: expected a limit, got none; add 'at_least:'",
        ),
        (
            "{id: a, quantity: distance_to_edge, at_most: 3, unit: px}",
            "a: expected 'at_least:' for distance_to_edge, got 'at_most:'; rename it",
        ),
        (
            "{id: a, quantity: area, at_least: 3, unit: px}",
            "a: expected 'at_most:' for area, got 'at_least:'; rename it",
        ),
        ("{id: a}", "a: expected 'allowed: none' or a 'quantity:', got neither; add one of them"),
        (
            "{id: a, allowed: none, quantity: count}",
            "a: expected 'allowed: none' alone, got 'quantity:' too; remove one of the two",
        ),
        (
            "{id: a, zone: bearing, allowed: none}",
            "a: expected the name of a zone, got 'bearing'; did you mean 'bearings'?",
        ),
        (
            "{id: a, zone: lid, allowed: none}",
            "a: expected the name of a zone, got 'lid'; add it under 'zones:'",
        ),
        ("{id: scratch.width, allowed: none}", None),
    ],
)
def test_a_clause_is_whole_and_means_one_thing(washer: Path, rule: str, fault: str | None) -> None:
    zones = "zones: [{name: bearings, box: [0, 0, 1, 0.5]}]\n"
    washer.write_text(zones + WASHER.replace(RULE, f"      - {rule}"))
    if fault is None:
        taken = "scratch.width: this id is taken; give each clause its own"
        line = line_with(washer, "id: scratch.width,")
        assert_faults(washer, f"{line}: defects.1.clauses.2: {taken}")
    else:
        assert_faults(washer, f"13: defects.0.clauses.0: {fault}")


def line_with(path: Path, text: str) -> int:
    """The last line that holds a text, from 1."""
    return max(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("zone", "fault"),
    [
        ("{name: rim}", "rim: expected a 'box:' or a 'polygon:', got neither; give one of them"),
        (
            "{name: rim, box: [0, 0, 1, 1], polygon: [[0, 0], [1, 0], [1, 1]]}",
            "rim: expected a 'box:' or a 'polygon:', got both; give one of them",
        ),
        (
            "{name: rim, box: [0.5, 0, 0.5, 1]}",
            "rim: expected left, top, right, bottom, got 0.5, 0, 0.5, 1; right must exceed left, "
            "and bottom top",
        ),
        (
            "{name: rim, box: [0, 0, 1, 1], view: top}",
            "rim: expected the name of a view, got 'top'; add it under 'views:'",
        ),
    ],
)
def test_a_zone_is_one_shape_of_a_known_view(washer: Path, zone: str, fault: str) -> None:
    washer.write_text(WASHER + f"zones:\n  - {zone}\n")
    assert_faults(washer, f"{len(WASHER.splitlines()) + 2}: zones.0: {fault}")


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ("[0, 0, 1]", "zones.0.box: expected at least 4 entries, got [0, 0, 1]; add what is"),
        ("[0, 0, 2, 1]", "zones.0.box.2: expected a number up to 1, got 2; correct it"),
        ("everything", "zones.0.box: expected a list, got 'everything'; begin each entry"),
    ],
)
def test_coordinates_are_shares(washer: Path, box: str, fault: str) -> None:
    washer.write_text(WASHER + f"zones:\n  - {{name: rim, box: {box}}}\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("field", "entries", "fault"),
    [
        ("zones", "[{name: Rim, box: [0, 0, 1, 1]}, {name: rim, box: [0, 0, 1, 1]}]", "rim: is a "),
        ("views", "[{name: top}, {name: top}]", "top: is a name of 'top', too; give each its own"),
        ("defects", None, "Pit: is a name of 'pit', too; give each its own"),
    ],
)
def test_names_are_unique_synonyms_too(
    washer: Path, field: str, entries: str | None, fault: str
) -> None:
    text = WASHER + f"{field}: {entries}\n"
    if entries is None:
        text = WASHER.replace("name: scratch", "name: scratch\n    synonyms: [Pit, pit]")
    washer.write_text(text)
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    assert fault in str(caught.value)


def test_a_limit_in_mm_needs_the_scale(washer: Path) -> None:
    unscaled = WASHER.replace("mm_per_px: 0.5\n", "")
    lines = enumerate(unscaled.splitlines(), 1)
    found = {m.group(1): n for n, text in lines if (m := re.search(r"id: (\S+_mm),", text))}
    assert list(found) == ["pit.area_mm", "scratch.length_mm", "scratch.width_mm"]
    views = "views:\n  - {name: top, mm_per_px: 0.5}\n  - {name: side}\n"
    for extra, where in (("", "the top of the file"), (views, "the view 'side'")):
        washer.write_text(unscaled + extra)
        needs = f"a limit in mm needs the scale; add 'mm_per_px:' at {where}, or use px or %"
        with pytest.raises(KnowledgeError) as caught:
            load_knowledge(washer)
        told = [line.split(": ", 3) for line in str(caught.value).splitlines()]
        assert [(line, name, text) for line, _, name, text in told] == [
            (f"{washer}:{n}", name, needs) for name, n in found.items()
        ]
    washer.write_text(unscaled + views.replace("{name: side}", "{name: side, mm_per_px: 1}"))
    assert len(load_knowledge(washer).clauses) == 7


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "-0.1", "true", "1e999", "[1]"])
def test_a_limit_is_a_finite_number_from_zero(washer: Path, number: str) -> None:
    washer.write_text(WASHER.replace("at_most: 2}", f"at_most: {number}}}"))
    with pytest.raises(
        KnowledgeError, match=r"\A.+:12: defects\.0\.clauses\.0\.at_most: expected .+"
    ):
        load_knowledge(washer)


def test_faults_of_fields_hide_none_between_fields(washer: Path) -> None:
    broken = WASHER.replace("quantity: width, at_most: 3", "quantity: wdth, at_most: 3")
    broken = broken.replace("mm_per_px: 0.5\n", "").replace("at_most: 48, unit: px", "at_most: 48")
    washer.write_text(broken + "zones: [{name: rim, box: 7}]\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    fields = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert fields == [
        "zones.0.box",
        "defects.1.clauses.3.quantity",
        "defects.0.clauses.1",
        "defects.0.clauses.2",
        "defects.1.clauses.1",
    ]


def test_what_came_is_shown_in_short(washer: Path) -> None:
    washer.write_text(WASHER.replace("severity: minor", f"severity: {'x' * 5000}"))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    assert len(str(caught.value)) < 300
    assert "x…" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "1: not valid YAML: expected the node content, but found '<stream end>'; look"),
        ("product: a\nnormal: b: c", "2: not valid YAML: mapping values are not allowed here; l"),
        (
            "a:\n\t- b",
            "2: not valid YAML: found character '\\t' that cannot start any token; repla",
        ),
        ("", " expected fields such as 'product:' and 'defects:', got nothing; begin with: "),
        ("- product: washer", " expected fields such as 'product:' and 'defects:', got a list; "),
        ("a: &x 1\nb: *x", "1: uses a YAML anchor (&x); remove it, or put the value into quotes"),
        ("a: 1\n---\nb: 2", "2: not valid YAML: but found another document; write one document"),
        ("[" * 600 + "]" * 600, "1: is nested more than 20 levels deep; write it flatter"),
        ("product: 2020-99-99", " not valid YAML: month must be in 1..12; put the value into quot"),
        ("a: 1\nb: 2\na: 3", '3: not valid YAML: found duplicate key "a" with value "3" (original'),
    ],
    ids=(
        *("open", "colon", "tab", "empty", "list", "alias", "two-documents", "deep", "no-date"),
        "duplicate",
    ),
)
def test_what_is_no_mapping_of_yaml(washer: Path, text: str, fault: str) -> None:
    washer.write_text(text)
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{washer}:{fault}")
    assert ";" in line


def test_a_file_that_cannot_be_text(tmp_path: Path, washer: Path) -> None:
    washer.write_bytes(WASHER.encode("utf-16"))
    assert_faults(washer, " is not UTF-8 text; save it as UTF-8")
    large = WASHER.encode() + b"#" * MAX_FILE_BYTES
    washer.write_bytes(large)
    assert_faults(
        washer,
        " is too large; a knowledge file has at most 500,000 bytes; split it into one file for "
        "each product",
    )
    assert_faults(
        tmp_path / "missing.yaml", " cannot be read (No such file or directory); check the path"
    )
    assert_faults(tmp_path, " cannot be read (it is a folder); check the path")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_faults(pipe, " cannot be read (it is no file); check the path")


@pytest.mark.parametrize("directive", ["%YAML 1.9", "%YAML 3.0", "%YAML x"])
def test_a_directive_is_a_fault_and_no_accident(washer: Path, directive: str) -> None:
    washer.write_text(f"{directive}\n---\n{WASHER}")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer)
    assert str(caught.value).startswith(f"{washer}:")


@pytest.mark.parametrize(
    ("polygon", "fault"),
    [
        ("[[0, 0], [0.5, 0.5], [1, 1]]", "a polygon with an area, got one without"),
        ("[[0, 0], [1, 0.8], [1, 0], [0, 1]]", "a polygon, got one whose sides cross"),
    ],
)
def test_a_zone_has_an_area_and_an_inside(washer: Path, polygon: str, fault: str) -> None:
    washer.write_text(WASHER + f"zones:\n  - {{name: rim, polygon: {polygon}}}\n")
    line = len(WASHER.splitlines()) + 2
    assert_faults(washer, f"{line}: zones.0: rim: expected {fault}; give its corners in order")


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
    checks = KnowledgeGuide(load_knowledge(path)).check(regions, SCENE).checks
    return {check.clause.id: check for check in checks}


def test_measures_by_hand(washer: Path) -> None:
    checks = checks_of(washer, block(1, 10, "region-1"), block(7, 7, "region-2"))
    expected = {
        "pit.count": (2, True, ()),
        "pit.area": (49, False, ("region-2",)),
        "pit.area_mm": (12.25, False, ("region-2",)),
        "scratch.length": (10, True, ()),
        "scratch.length_mm": (5, False, ("region-1",)),
        "scratch.width": (7, False, ("region-2",)),
        "scratch.width_mm": (3.5, False, ("region-2",)),
    }
    assert list(checks) == list(expected)
    for name, (measured, within, broken_by) in expected.items():
        check = checks[name]
        assert check.id == f"clause:{name}"
        assert check.measured == pytest.approx(measured), name
        assert (check.within, check.broken_by) == (within, broken_by), name
        assert check.region_ids == ("region-1", "region-2")


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
