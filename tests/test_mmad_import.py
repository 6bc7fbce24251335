from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experts.errors import KnowledgeError
from experts.knowledge import Knowledge, parse_knowledge
from experts.knowledge.mmad import import_domain_knowledge, read_domain_knowledge

# In the layout of the benchmark, with words of our own.
RAW: dict[str, Any] = {
    "Yard": {
        "garden_gate": {
            "rust_spot": " <Rust Spot>\n Description: Brown  crumbs\n on the hinge. ",
            "good": "  <Normal>\n Description: Two green bars,\t\n\n joined by one hinge: #7. ",
            "two_faults": "<Loose Bar> \nDescription: A bar hangs.\n\n <rust spot>\nDescription: "
            "As above.\n<Dent>\nDescription: A hollow.",
            "bent": "A bar that is bowed, 5 * 3 * 2 mm, see my_gate_file.",
            "listed": "<Many Faults>\n Description: Seen were:\n 1. **Scratch:** a *thin* line;\n"
            "  2) `paint`  that __peels__\n - [bolts](http://x.y/z) that are *very loose*\n"
            "### Advice\n> Look twice. ",
        },
        "bench": {"good": "Description of planks: 'yes'."},
    },
    "Sea-side (2)": {"Lamp": {"good": "<N>\nDescription: It glows.", "good_1": "Dim."}},
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return import_domain_knowledge(RAW, "raw.json")


def read(texts: dict[str, str], name: str) -> Knowledge:
    return parse_knowledge(texts[name].encode(), Path(name))


def test_each_object_becomes_a_file(texts: dict[str, str]) -> None:
    assert list(texts) == ["yard_garden_gate.yaml", "yard_bench.yaml", "sea_side_2_lamp.yaml"]
    assert [read(texts, name).file.product for name in texts] == ["garden gate", "bench", "Lamp"]


def test_kinds_become_defects_without_clauses(texts: dict[str, str]) -> None:
    rules = read(texts, "yard_garden_gate.yaml")
    assert rules.file.normal == "Two green bars, joined by one hinge: #7."
    found = [(d.name, d.synonyms, d.appearance) for d in rules.file.defects]
    assert found == [
        ("rust spot", [], "Brown crumbs on the hinge."),
        # A title that is the name of another defect would be no name of this one.
        (
            "two faults",
            ["Loose Bar", "Dent"],
            "Loose Bar: A bar hangs. rust spot: As above. Dent: A hollow.",
        ),
        ("bent", [], "A bar that is bowed, 5 * 3 * 2 mm, see my_gate_file."),
        (
            "listed",
            ["Many Faults"],
            "Seen were: Scratch: a thin line; paint that peels bolts that are very loose Advice "
            "Look twice.",
        ),
    ]
    assert {defect.severity for defect in rules.file.defects} == {"major"}
    assert rules.clauses == ()
    assert all(defect.clauses == [] for defect in rules.file.defects)
    assert read(texts, "yard_bench.yaml").file.defects == []


def test_the_file_says_where_its_text_is_from(texts: dict[str, str]) -> None:
    header = texts["sea_side_2_lamp.yaml"].splitlines()[:2]
    assert header == [
        "# Text: MMAD, domain_knowledge.json (Sea-side (2), Lamp); its licence holds.",
        "# No clause is invented, and without clauses nothing that stands out is allowed: add your "
        "own.",
    ]


def test_long_texts_are_folded() -> None:
    long = " ".join(f'word{number}: "{number}" # x' for number in range(300))
    made = import_domain_knowledge({"d": {"o": {"good": long, "bad": f"- {long}"}}}, "raw.json")
    lines = made["d_o.yaml"].splitlines()
    assert "normal: >-" in lines
    assert "    appearance: >-" in lines
    assert 84 < max(map(len, lines)) <= 100
    rules = read(made, "d_o.yaml").file
    assert (rules.normal, rules.defects[0].appearance) == (long, long)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yes", "no"),
        ("null", "~"),
        ("3", "0x10"),
        ("2024-01-01", "---"),
        ("a: b", "- - #"),
        ("é", "ß"),
    ],
)
def test_what_looks_like_something_else_stays_text(name: str, text: str) -> None:
    raw = {"d": {name: {"good": text, name: f"<{name} >\nDescription: {text}"}}}
    (made,) = import_domain_knowledge(raw, "raw.json").values()
    file = parse_knowledge(made.encode(), Path("x.yaml")).file
    assert file.product == file.defects[0].name == name
    # A lone list mark is Markdown.
    assert file.defects[0].appearance == text.removeprefix("- ")


ADVICE = "give MMAD's domain_knowledge.json (dataset, object, kind, text)"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ([], f"expected a dataset, got []; {ADVICE}"),
        ({}, f"expected a dataset, got {{}}; {ADVICE}"),
        ({"d": "o"}, f"d: expected an object, got 'o'; {ADVICE}"),
        ({"d": {"o": None}}, f"d, o: expected a kind, got None; {ADVICE}"),
        ({"d": {"o": {}}}, f"d, o: expected a kind, got {{}}; {ADVICE}"),
        ({"d": {"o": {"good": 3}}}, f"d, o, good: expected a text, got 3; {ADVICE}"),
        ({"d": {"o": {"good": "x", "bad": [1]}}}, f"d, o, bad: expected a text, got [1]; {ADVICE}"),
        (
            {"d": {"o": {"good": " <N>\nDescription: \n"}}},
            "d, o, good: expected a text, got ' <N>\\nDescription: \\n'; write one",
        ),
        (
            {"d": {"o": {"bad": "x"}}},
            "d, o: has no text for 'good'; add one that says what is normal",
        ),
        (
            {"d": {"o_p": {"good": "x"}, "O p": {"good": "x"}}},
            "d, O p: would be a second d_o_p.yaml; rename one of them",
        ),
        (
            {"d": {"o": {"good": "x", "a_b": "y", "A b": "z"}}},
            "d, o: makes no right file (d_o.yaml:11: defects.1: A b: is a name of 'a b', too; give "
            "each its own); correct it there",
        ),
        (
            {"d": {"": {"good": "x"}}},
            "d, : makes no right file (d.yaml:3: product: expected a text that is not empty, got "
            "''; write one, or remove the line); correct it there",
        ),
    ],
)
def test_another_layout_is_one_sentence(raw: Any, fault: str) -> None:
    with pytest.raises(KnowledgeError) as caught:
        import_domain_knowledge(raw, "raw.json")
    assert str(caught.value) == f"raw.json: {fault}"


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "￾", "\x85", "\u2028x", "‮x", "🙂" * 200])
@pytest.mark.parametrize("where", ["dataset", "object", "kind", "text"])
def test_odd_characters_make_a_file_or_one_sentence(odd: str, where: str) -> None:
    names = {"dataset": "d", "object": "o", "kind": "k", "text": "t"} | {where: odd}
    raw = {names["dataset"]: {names["object"]: {"good": "x", names["kind"]: names["text"]}}}
    made, fault = {}, "raw.json: "
    try:
        made = import_domain_knowledge(raw, "raw.json")
    except KnowledgeError as error:
        fault = str(error)
    assert fault.startswith("raw.json: ")
    assert len(fault.splitlines()) == 1
    assert bool(made) == (fault == "raw.json: ")
    for file_name, text in made.items():
        assert Path(file_name).name == file_name
        parse_knowledge(text.encode(), Path(file_name))


def test_names_lead_to_no_other_folder() -> None:
    raw = {"../../etc": {"/a/..\\b": {"good": "x"}}}
    assert list(import_domain_knowledge(raw, "raw.json")) == ["etc_a_b.yaml"]


def test_a_file_is_read(tmp_path: Path, texts: dict[str, str]) -> None:
    path = tmp_path / "domain_knowledge.json"
    path.write_text(json.dumps(RAW))
    assert read_domain_knowledge(path) == texts


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"{", "is not JSON (Expecting property name enclosed in double quotes: line 1 column 2"),
        (b"\xff\xfe\xff", "is not JSON ("),
        (b"[" * 100_000, "is not JSON (maximum recursion depth"),
        (b"3", "expected a dataset, got 3; "),
        (None, "cannot be read (No such file or directory); check the path"),
    ],
)
def test_a_file_that_is_no_json_is_one_sentence(
    tmp_path: Path, raw: bytes | None, fault: str
) -> None:
    path = tmp_path / "domain_knowledge.json"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(KnowledgeError) as caught:
        read_domain_knowledge(path)
    assert str(caught.value).startswith(f"{path}: {fault}")
    assert len(str(caught.value).splitlines()) == 1
