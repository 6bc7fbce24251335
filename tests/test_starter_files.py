"""The knowledge files that come with Echo: complete, ruled, and each in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from ruamel.yaml import YAML

from echo.cli_knowledge import knowledge
from experts.decoder.regions import measure_region
from experts.evidence import KindSet, Quantity, Region, Sight, Verdict
from experts.knowledge import (
    Knowledge,
    KnowledgeGuide,
    Scene,
    json_schema,
    load_knowledge,
    parse_knowledge,
)

FOLDER = Path(__file__).parent.parent / "knowledge"
FILES = sorted(FOLDER.glob("*.yaml"))
SIZE_HW = (60, 80)

# The kinds of defect by which MVTec AD sorts its images.
MVTEC = {
    "bottle": "broken_large broken_small contamination",
    "cable": "bent_wire cable_swap cut_inner_insulation cut_outer_insulation missing_cable "
    "missing_wire poke_insulation",
    "capsule": "crack faulty_imprint poke scratch squeeze",
    "carpet": "color cut hole metal_contamination thread",
    "grid": "bent broken glue metal_contamination thread",
    "hazelnut": "crack cut hole print",
    "leather": "color cut fold glue poke",
    "metal_nut": "bent color flip scratch",
    "pill": "color contamination crack faulty_imprint pill_type scratch",
    "screw": "manipulated_front scratch_head scratch_neck thread_side thread_top",
    "tile": "crack glue_strip gray_stroke oil rough",
    # All of its defects lie in one folder that says nothing.
    "toothbrush": "",
    "transistor": "bent_lead cut_lead damaged_case misplaced",
    "wood": "color hole liquid scratch",
    "zipper": "broken_teeth fabric_border fabric_interior rough split_teeth squeezed_teeth",
}
OTHERS = {
    "magnetic_tile": "blowhole break crack fray uneven",
    "printed_circuit_board": "copper mousebite open pinhole short spur",
    "solar_cell": "",
    "textile": "global local",
}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def starter(path: Path) -> Knowledge:
    return load_knowledge(path)


def test_there_is_one_for_each_product() -> None:
    assert {path.stem for path in FILES} == {*MVTEC, *OTHERS}


def test_every_field_is_filled(path: Path, starter: Knowledge) -> None:
    file = starter.file
    assert file.product == path.stem.replace("_", " ")
    assert file.aliases
    assert file.part != "image"
    assert file.parts != "images"
    for defect in file.defects:
        assert defect.synonyms, defect.name
        assert defect.cause, defect.name
        assert defect.effect, defect.name
        assert defect.clauses, defect.name
    assert len(file.prompts.normal) >= 2
    assert len(file.prompts.abnormal) >= 2
    assert all(file.product in text for text in (*file.prompts.normal, *file.prompts.abnormal))
    assert 2 <= len(file.questions) <= 3
    # Nobody knows how far away the camera of someone else is.
    assert file.mm_per_px is None


def test_all_zones_are_used(starter: Knowledge) -> None:
    assert {z.name for z in starter.file.zones} == {c.zone for c in starter.clauses if c.zone}


def test_together_they_show_all_that_a_rule_can_say() -> None:
    clauses = [clause for path in FILES for clause in load_knowledge(path).clauses]
    assert {clause.quantity for clause in clauses} == set(get_args(Quantity))
    assert {clause.then for clause in clauses} == {"reject", "review", "accept"}
    assert {clause.unit for clause in clauses} == {"", "px", "%"}


def test_the_first_lines_tell_editors_the_schema_and_people_what_is_an_example(
    path: Path,
) -> None:
    first, what, *more = path.read_text(encoding="utf-8").splitlines()[:4]
    assert first == "# yaml-language-server: $schema=schema.json"
    assert re.fullmatch(
        r"# What a quality engineer (knows of|knows about|may know about) .+\.", what
    )
    assert " ".join(more).startswith("# The clauses are examples: adapt them")
    assert "mm_per_px" in " ".join(more)


def region(kinds: KindSet | None, box: tuple[int, int, int, int]) -> Region:
    left, top, right, bottom = box
    mask = np.ones((bottom - top, right - left), bool)
    drawn = measure_region("region-1", mask, (left, top), 2.0, np.zeros(SIZE_HW, np.float32))
    return drawn.model_copy(update={"kinds": kinds})


@pytest.mark.parametrize("box", [(0, 0, 80, 60), (2, 3, 6, 5), (38, 28, 44, 33), (70, 50, 80, 60)])
def test_every_defect_is_ruled_wherever_it_lies(
    starter: Knowledge, box: tuple[int, int, int, int]
) -> None:
    guide = KnowledgeGuide(starter)
    scene = Scene(SIZE_HW, Sight.of_image(SIZE_HW), 1.0)
    kinds = [
        KindSet(names=(d.name,), probabilities={}, p_values={}, coverage=0.9)
        for d in starter.file.defects
    ]
    for kind in (None, *kinds):
        findings = guide.check([region(kind, box)], scene)
        assert findings.unruled == ()
        assert findings.checks


@pytest.mark.parametrize("name", [*MVTEC, *OTHERS])
def test_data_sets_call_their_kinds_by_a_name_that_the_file_has(name: str) -> None:
    starter = load_knowledge(FOLDER / f"{name}.yaml")
    kinds = (MVTEC | OTHERS)[name].split()
    found = {kind: starter.defect_named(kind.replace("_", " ")) for kind in kinds}
    assert None not in found.values(), found
    assert len(set(found.values())) == len(kinds)


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_of(part)


def sentences_of(path: Path) -> set[str]:
    """Sentences of more than six words, in fields and in comments but those at the top."""
    raw = path.read_text(encoding="utf-8")
    comments = [line.strip(" #") for line in raw.splitlines()[4:] if line.strip().startswith("#")]
    texts = [*texts_of(YAML(typ="safe").load(raw)), *comments]
    parts = (part for text in texts for part in re.split(r"(?<=[.!?;:])\s+", text))
    return {" ".join(part.casefold().split()) for part in parts if len(part.split()) > 6}


def test_no_two_files_share_a_sentence() -> None:
    owners: dict[str, str] = {}
    for path in FILES:
        sentences = sentences_of(path)
        assert len(sentences) >= 5, path
        for sentence in sentences:
            assert owners.setdefault(sentence, path.name) == path.name, sentence


def test_the_schema_file_is_that_of_the_code() -> None:
    written = (FOLDER / "schema.json").read_text(encoding="utf-8")
    assert written == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


# Of JSON Schema, what only describes.
SILENT = {"$defs", "$schema", "default", "description", "title"}
PYTHON: dict[str, Any] = {
    "array": list,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is as JSON Schema says; a keyword that is not known here is an error."""
    return all(holds(word, value, schema) for word in schema if word not in SILENT)


def holds(word: str, value: Any, schema: dict[str, Any]) -> bool:
    wanted = schema[word]
    if word == "type":
        return isinstance(value, PYTHON[wanted]) and not isinstance(value, bool)
    if word in ("const", "enum"):
        return value in ([wanted] if word == "const" else wanted)
    if word == "anyOf":
        return any(is_valid(value, option) for option in wanted)
    if word == "$ref":
        return is_valid(value, json_schema()["$defs"][wanted.removeprefix("#/$defs/")])
    known: tuple[tuple[Any, dict[str, Any]], ...] = (
        (dict, {"properties": parts_hold, "required": has_all, "additionalProperties": has_only}),
        (list, {"items": all_hold, "minItems": is_long, "maxItems": is_short}),
        (str, {"minLength": is_long}),
        ((int, float), NUMBERS),
    )
    for kind, rules in known:
        if word in rules:
            # What is of another type is a matter of the keyword "type".
            return not isinstance(value, kind) or bool(rules[word](value, wanted, schema))
    raise AssertionError(f"unknown keyword {word}")


def parts_hold(value: Any, known: Any, _: Any) -> bool:
    return all(is_valid(part, known[name]) for name, part in value.items() if name in known)


def has_all(value: Any, names: Any, _: Any) -> bool:
    return set(names) <= set(value)


def has_only(value: Any, others: Any, schema: Any) -> bool:
    return bool(others) or set(value) <= set(schema["properties"])


def all_hold(value: Any, entry: Any, _: Any) -> bool:
    return all(is_valid(part, entry) for part in value)


def is_long(value: Any, least: Any, _: Any) -> bool:
    return bool(len(value) >= least)


def is_short(value: Any, most: Any, _: Any) -> bool:
    return bool(len(value) <= most)


NUMBERS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "minimum": lambda value, least, _: value >= least,
    "maximum": lambda value, most, _: value <= most,
    "exclusiveMinimum": lambda value, below, _: value > below,
    "exclusiveMaximum": lambda value, above, _: value < above,
}


def test_every_file_is_valid_by_the_schema_file(path: Path) -> None:
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert is_valid(document, schema)
    for wrong in (
        {"prodct": "x"},
        {"parts": 3},
        {"alpha": 1.0},
        {"mm_per_px": 0},
        {"normal": ""},
        {"zones": [{"name": "x", "box": [0, 0, 1]}]},
        {"clauses": [{"id": "x", "quantity": "lenght"}]},
        {"clauses": [{"quantity": "count"}]},
    ):
        assert not is_valid(document | wrong, schema), wrong


README = (FOLDER / "README.md").read_text(encoding="utf-8")


# Explained in the rows of zones and questions.
OF_ROWS = {"box", "question", "answer"}


def test_the_example_of_the_page_loads_and_is_explained() -> None:
    example, views = re.findall(r"```yaml\n(.+?)```", README, re.DOTALL)
    rules = parse_knowledge(example.encode(), Path("washer.yaml"))
    assert [c.id for c in rules.clauses] == ["pit.size", "pit.edge", "any.total"]
    parse_knowledge(f"product: washer\nnormal: A ring.\n{views}".encode(), Path("washer.yaml"))
    explained = README.split("```")[2]
    for field in re.findall(r"^[ -]*(\w+):", example, re.MULTILINE):
        assert f"`{field}`" in explained or f"`{field}: " in explained or field in OF_ROWS


def test_the_page_tells_every_field_quantity_unit_and_consequence() -> None:
    for quantity in get_args(Quantity):
        assert f"| `{quantity}` |" in README
    for consequence in get_args(Verdict):
        assert f"| `{consequence}` |" in README
    for unit in ("px", "mm", '"%"'):
        assert f"| `{unit}` |" in README
    for schema in (json_schema(), *json_schema()["$defs"].values()):
        for field in schema["properties"]:
            assert re.search(rf"\b{field}\b", README), field


def test_the_page_tells_every_command() -> None:
    commands = [c.name or c.callback.__name__ for c in knowledge.registered_commands if c.callback]
    assert len(commands) == 8
    for command in commands:
        assert f"| `echo-iad knowledge {command}" in README
    assert len(re.findall(r"^\| `echo-iad knowledge ", README, re.MULTILINE)) == len(commands)
