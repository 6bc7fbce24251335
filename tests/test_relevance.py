"""What goes further of a long knowledge file, on one of two hundred defects."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from experts.decoder.regions import measure_region
from experts.evidence import KindSet, Region, Sight
from experts.knowledge import KnowledgeGuide, Scene, load_knowledge, worth_a_step
from experts.knowledge.relevance import MAX_DEFECTS

SIZE_HW = (100, 100)
SCENE = Scene(SIZE_HW, Sight.of_image(SIZE_HW), 1.0)
PARTS = (
    *("spring", "housing", "thread", "gasket", "bearing", "flange", "shaft", "nozzle", "label"),
    *("cable", "socket", "lens", "hinge", "bolt", "valve", "piston", "filter", "magnet", "blade"),
    "chip",
)
FAULTS = {
    "rust": "reddish brown flakes",
    "crack": "a thin dark line that branches",
    "dent": "a shallow round hollow with soft edges",
    "scratch": "a straight bright line",
    "burr": "a ragged rim that sticks out",
    "stain": "a pale cloud without an edge",
    "void": "a missing piece",
    "bubble": "a small glossy blister",
    "bend": "a shape that leans to one side",
    "smear": "grease pulled across the surface",
}


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGuide:
    """Two hundred defects: ten faults of twenty parts; every part has a zone of its own."""
    lines = ["product: machine", "normal: All is well.", "zones:"]
    for i, part in enumerate(PARTS):
        top = i / len(PARTS)
        lines.append(f"  - {{name: {part} area, box: [0, {top}, 1, {top + 1 / len(PARTS)}]}}")
    lines.append("defects:")
    for part, (fault, looks) in itertools.product(PARTS, FAULTS.items()):
        lines += [
            f"  - name: {part} {fault}",
            f"    appearance: On the {part}, {looks}.",
            "    severity: minor",
            "    clauses:",
            f"      - {{id: {part}.{fault}, zone: {part} area, quantity: count, at_most: 1}}",
            f"      - {{id: {part}.{fault}.any, quantity: count, at_most: 9}}",
        ]
    lines.append("questions:")
    for part in PARTS:
        lines.append(f"  - {{question: Who repairs a {part}?, answer: The {part} shop.}}")
    path = tmp_path_factory.mktemp("long") / "machine.yaml"
    path.write_text("\n".join(lines) + "\n")
    return KnowledgeGuide(load_knowledge(path))


def block(top: int, *kinds: str) -> Region:
    mask_HW = np.ones((3, 3), bool)
    region = measure_region("region-1", mask_HW, (40, top), 1.0, np.zeros(SIZE_HW, np.float32))
    if not kinds:
        return region
    chances = dict.fromkeys(kinds, 1 / len(kinds))
    told = KindSet(names=kinds, probabilities=chances, p_values=chances, coverage=0.9)
    return region.model_copy(update={"kinds": told})


def test_a_question_finds_its_defect_among_two_hundred(guide: KnowledgeGuide) -> None:
    found, first = 0, 0
    for part, fault in itertools.product(PARTS, FAULTS):
        excerpt = guide.relevant((), question=f"What do we do about {fault}s of the {part}s?")
        assert len(excerpt.defects) == MAX_DEFECTS
        assert excerpt.left_out == 200 - MAX_DEFECTS
        names = [defect.name for defect in excerpt.defects]
        found += f"{part} {fault}" in names
        first += names[0] == f"{part} {fault}"
        assert {clause.defect for clause in excerpt.clauses} == set(names)
    assert found == 200
    assert first >= 190


def test_words_of_the_appearance_are_enough(guide: KnowledgeGuide) -> None:
    excerpt = guide.relevant((), question="There is grease pulled over the valve")
    assert excerpt.defects[0].name == "valve smear"


def test_questions_that_people_asked_before_come_along(guide: KnowledgeGuide) -> None:
    excerpt = guide.relevant((), question="Who repairs the hinge?")
    assert excerpt.questions[0].answer == "The hinge shop."
    assert len(excerpt.questions) <= 3
    assert guide.relevant(()).questions == ()


def test_candidates_come_before_words(guide: KnowledgeGuide) -> None:
    excerpt = guide.relevant([block(2, "bolt rust", "lens dent")], SCENE, "cracks of springs")
    assert {defect.name for defect in excerpt.defects} == {"bolt rust", "lens dent"}
    assert excerpt.left_out == 198


def test_the_zone_of_a_place_tells_its_part(guide: KnowledgeGuide) -> None:
    for number, part in enumerate(PARTS):
        excerpt = guide.relevant([block(5 * number + 1)], SCENE)
        assert {defect.name.split()[0] for defect in excerpt.defects} == {part}
    # Where the question is of this part, its words say which fault.
    excerpt = guide.relevant([block(5 * 2 + 1)], SCENE, "is this rust?")
    assert excerpt.defects[0].name == "thread rust"


def test_all_clauses_are_computed_and_few_are_told(guide: KnowledgeGuide) -> None:
    region = block(11)
    findings = guide.check([region], SCENE)
    # Ten of its zone and two hundred of any place.
    assert len(findings.checks) == 210
    told = worth_a_step(findings.checks, findings.excerpt)
    assert 0 < len(told) <= 2 * MAX_DEFECTS
    two = guide.check([region, region.model_copy(update={"id": "region-2"})], SCENE)
    broken = {check.id for check in two.checks if not check.within}
    assert len(broken) == 10
    assert broken <= {check.id for check in worth_a_step(two.checks, two.excerpt)}


def test_a_short_file_is_never_cut() -> None:
    path = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"
    guide = KnowledgeGuide(load_knowledge(path))
    excerpt = guide.relevant((), question="anything else")
    assert [d.name for d in excerpt.defects] == [d.name for d in guide.knowledge.file.defects]
    assert excerpt.clauses == guide.knowledge.clauses
    assert excerpt.left_out == 0
