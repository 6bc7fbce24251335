"""What a knowledge file says, and what is told of each fault in it, by its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experts.errors import KnowledgeError
from experts.knowledge import load_knowledge
from experts.knowledge.schema import ClauseRule
from tests.rule_files import SOLAR_CELL, WASHER, assert_faults, change


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


def test_limits_in_words(washer_file: Path) -> None:
    words = [c.allows for c in load_knowledge(washer_file).clauses]
    assert words[:4] == [
        "at most 2",
        "area up to 48 px²",
        "area up to 12 mm²",
        "length up to 10.5 px",
    ]
    assert load_knowledge(SOLAR_CELL).clauses[0].allows == "none"


def test_every_fault_is_listed_at_once_with_its_line(washer_file: Path) -> None:
    at = change(
        washer_file,
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
        washer_file,
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
    washer_file: Path, right: str, wrong: str, field: str
) -> None:
    washer_file.write_text(WASHER.replace(f"{right}:", f"{wrong}:", 1))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    number = next(n for n, text in enumerate(WASHER.splitlines(), 1) if f"{right}:" in text)
    fault = f"expected a known field, got {wrong!r}; did you mean {right!r}?"
    expected = f"{washer_file}:{number}: {field}: {fault}"
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
    washer_file: Path, extra: str, faults: list[str]
) -> None:
    washer_file.write_text(WASHER + extra + "\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
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
def test_a_clause_is_whole_and_means_one_thing(
    washer_file: Path, rule: str, fault: str | None
) -> None:
    zones = "zones: [{name: bearings, box: [0, 0, 1, 0.5]}]\n"
    washer_file.write_text(zones + WASHER.replace(RULE, f"      - {rule}"))
    if fault is None:
        taken = "scratch.width: this id is taken; give each clause its own"
        line = line_with(washer_file, "id: scratch.width,")
        assert_faults(washer_file, f"{line}: defects.1.clauses.2: {taken}")
    else:
        assert_faults(washer_file, f"13: defects.0.clauses.0: {fault}")


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
def test_a_zone_is_one_shape_of_a_known_view(washer_file: Path, zone: str, fault: str) -> None:
    washer_file.write_text(WASHER + f"zones:\n  - {zone}\n")
    assert_faults(washer_file, f"{len(WASHER.splitlines()) + 2}: zones.0: {fault}")


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ("[0, 0, 1]", "zones.0.box: expected at least 4 entries, got [0, 0, 1]; add what is"),
        ("[0, 0, 2, 1]", "zones.0.box.2: expected a number up to 1, got 2; correct it"),
        ("everything", "zones.0.box: expected a list, got 'everything'; begin each entry"),
    ],
)
def test_coordinates_are_shares(washer_file: Path, box: str, fault: str) -> None:
    washer_file.write_text(WASHER + f"zones:\n  - {{name: rim, box: {box}}}\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
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
    washer_file: Path, field: str, entries: str | None, fault: str
) -> None:
    text = WASHER + f"{field}: {entries}\n"
    if entries is None:
        text = WASHER.replace("name: scratch", "name: scratch\n    synonyms: [Pit, pit]")
    washer_file.write_text(text)
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    assert fault in str(caught.value)


def test_a_limit_in_mm_needs_the_scale(washer_file: Path) -> None:
    unscaled = WASHER.replace("mm_per_px: 0.5\n", "")
    lines = enumerate(unscaled.splitlines(), 1)
    found = {m.group(1): n for n, text in lines if (m := re.search(r"id: (\S+_mm),", text))}
    assert list(found) == ["pit.area_mm", "scratch.length_mm", "scratch.width_mm"]
    views = "views:\n  - {name: top, mm_per_px: 0.5}\n  - {name: side}\n"
    for extra, where in (("", "the top of the file"), (views, "the view 'side'")):
        washer_file.write_text(unscaled + extra)
        needs = f"a limit in mm needs the scale; add 'mm_per_px:' at {where}, or use px or %"
        with pytest.raises(KnowledgeError) as caught:
            load_knowledge(washer_file)
        told = [line.split(": ", 3) for line in str(caught.value).splitlines()]
        assert [(line, name, text) for line, _, name, text in told] == [
            (f"{washer_file}:{n}", name, needs) for name, n in found.items()
        ]
    washer_file.write_text(unscaled + views.replace("{name: side}", "{name: side, mm_per_px: 1}"))
    assert len(load_knowledge(washer_file).clauses) == 7


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "-0.1", "true", "1e999", "[1]"])
def test_a_limit_is_a_finite_number_from_zero(washer_file: Path, number: str) -> None:
    washer_file.write_text(WASHER.replace("at_most: 2}", f"at_most: {number}}}"))
    with pytest.raises(
        KnowledgeError, match=r"\A.+:12: defects\.0\.clauses\.0\.at_most: expected .+"
    ):
        load_knowledge(washer_file)


def test_faults_of_fields_hide_none_between_fields(washer_file: Path) -> None:
    broken = WASHER.replace("quantity: width, at_most: 3", "quantity: wdth, at_most: 3")
    broken = broken.replace("mm_per_px: 0.5\n", "").replace("at_most: 48, unit: px", "at_most: 48")
    washer_file.write_text(broken + "zones: [{name: rim, box: 7}]\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    fields = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert fields == [
        "zones.0.box",
        "defects.1.clauses.3.quantity",
        "defects.0.clauses.1",
        "defects.0.clauses.2",
        "defects.1.clauses.1",
    ]


def test_what_came_is_shown_in_short(washer_file: Path) -> None:
    washer_file.write_text(WASHER.replace("severity: minor", f"severity: {'x' * 5000}"))
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(washer_file)
    assert len(str(caught.value)) < 300
    assert "x…" in str(caught.value)


@pytest.mark.parametrize(
    ("polygon", "fault"),
    [
        ("[[0, 0], [0.5, 0.5], [1, 1]]", "a polygon with an area, got one without"),
        ("[[0, 0], [1, 0.8], [1, 0], [0, 1]]", "a polygon, got one whose sides cross"),
    ],
)
def test_a_zone_has_an_area_and_an_inside(washer_file: Path, polygon: str, fault: str) -> None:
    washer_file.write_text(WASHER + f"zones:\n  - {{name: rim, polygon: {polygon}}}\n")
    line = len(WASHER.splitlines()) + 2
    assert_faults(washer_file, f"{line}: zones.0: rim: expected {fault}; give its corners in order")
