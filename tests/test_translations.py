"""Honest German translations of answers are shown, and wrong ones are not.

Each file of tests/translations holds blocks: a case of tests/claim_facts.py and an English
sentence, then lines with "+" that say the same in German, and lines with "-" that do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.answers import Known, Told
from experts.claims import Facts, check
from experts.claims.translations import difference
from experts.dialogue_checking import fits
from tests.claim_facts import (
    ALPHA,
    CASES,
    WASHER,
    anomaly_of,
    facts_of,
    inspection_of,
    knowledge_of,
    region_of,
)


class Block(NamedTuple):
    case: str
    english: str
    right: list[str]
    wrong: list[str]


def blocks(path: Path) -> Iterator[Block]:
    block: Block | None = None
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("+ ") and block:
            block.right.append(line[2:])
        elif line.startswith("- ") and block:
            block.wrong.append(line[2:])
        else:
            if block:
                yield block
            case, english = line.split(": ", 1)
            block = Block(case, english, [], [])
    if block:
        yield block


FILES = sorted((Path(__file__).parent / "translations").glob("*.txt"))
BLOCKS = [block for path in FILES for block in blocks(path)]
FACTS = {case: facts_of(case) for case in CASES}


def known_of(case: str) -> Known:
    inspection, knowledge = CASES[case]()
    return Known(inspection, knowledge, ALPHA)


def test_each_sentence_has_honest_and_wrong_translations() -> None:
    assert len(FILES) == 7
    assert len(BLOCKS) > 100
    assert all(block.right and block.wrong for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.english[:40])
def test_what_is_honest_says_the_same_and_nothing_else_does(block: Block) -> None:
    facts = FACTS[block.case]
    refused = {german: difference(german, block.english, facts) for german in block.right}
    assert {german: why for german, why in refused.items() if why} == {}
    assert [german for german in block.wrong if not difference(german, block.english, facts)] == []


@pytest.mark.parametrize("case", list(CASES))
def test_a_whole_answer_is_read_line_by_line(case: str) -> None:
    known = known_of(case)
    mine = [block for block in BLOCKS if block.case == case]
    english = "\n".join(block.english for block in mine)
    draft = Told(tuple(block.english for block in mine))
    honest = [block.right[0] for block in mine]
    assert fits("\n".join(honest), english, "German", known, draft)
    for index, block in enumerate(mine):
        turned = [*honest[:index], block.wrong[0], *honest[index + 1 :]]
        assert not fits("\n".join(turned), english, "German", known, draft), block.wrong[0]


def test_a_knowledge_file_may_be_in_german_itself() -> None:
    text = WASHER.replace("name: scratch", "name: Kratzer").replace("name: pit", "name: Grübchen")
    text = text.replace("synonyms: [dark spot]", "synonyms: [dunkler Fleck]")
    text = text.replace(
        "normal: A bright ring with a clean edge and a round hole in the middle.",
        "normal: Ein heller Ring ohne Grat, mit einem runden Loch in der Mitte.",
    )
    knowledge = knowledge_of(text)
    region = region_of(1, (20, 30, 40, 34), "top left", "dark line", kinds=("Kratzer",))
    inspection = inspection_of(anomaly_of(0), [region], knowledge)
    facts = Facts.of(inspection, knowledge.file, knowledge.clauses, ALPHA)
    normal = knowledge.file.normal
    for german, english, is_same in (
        ("Sie wird für einen Kratzer gehalten.", "It is taken for Kratzer.", True),
        ("Sie wird für ein Grübchen gehalten.", "It is taken for Kratzer.", False),
        ("Sie wird für einen Riss gehalten.", "It is taken for Kratzer.", False),
        (f"Die Wissensdatei sagt: {normal}", f"The knowledge file says: {normal}", True),
        (
            f"Die Wissensdatei sagt: {normal}".replace("heller", "dunkler"),
            f"The knowledge file says: {normal}",
            False,
        ),
        (
            f"Die Wissensdatei sagt: {normal}".replace("ohne", "mit"),
            f"The knowledge file says: {normal}",
            False,
        ),
    ):
        assert (difference(german, english, facts) == "") == is_same, german
    assert check("region-1 is a scratch.", facts).count("right") == 1
    assert check("region-1 is a pit.", facts).text == "region-1 is a Kratzer."


@pytest.mark.parametrize("language", ["German", "german", "Deutsch", "de"])
def test_german_is_known_by_its_names(language: str) -> None:
    english, german = "The verdict is reject.", "Das Urteil lautet Ausschuss."
    assert fits(german, english, language, known_of("three"), Told((english,)))
    assert not fits("", english, language, known_of("three"), Told((english,)))


@settings(max_examples=100, deadline=None)
@given(st.text(), st.sampled_from(BLOCKS))
def test_any_text_can_be_compared(text: str, block: Block) -> None:
    for german in (text, f"{block.right[0]} {text}", f"{text} {block.wrong[0]}"):
        assert isinstance(difference(german, block.english, FACTS[block.case]), str)
    assert difference(text, "The verdict is reject.", FACTS["three"])


@pytest.mark.parametrize("unit", ["a ", "a", "rand", "1,", "nicht ", "`", "oben ", "region-1 "])
def test_a_long_text_of_one_thing_takes_no_longer_than_another(unit: str) -> None:
    assert difference(unit * 10_000, "The verdict is reject.", FACTS["three"])


@pytest.mark.parametrize(
    "german",
    [
        "Das Urteil lautet Ausschuss. Ja. Das passt so.",
        "Das Urteil lautet ~~Ausschuss~~.",
        "Das Urteil lautet Ausschuss a c c e p t.",
        "Das Urteil lautet Ausschuss " + "und noch viel mehr dazu " * 5,
        "Das Urteil lautet Аusschuss.",
    ],
)
def test_nothing_is_hidden_in_a_translation(german: str) -> None:
    assert difference(german, "The verdict is reject.", FACTS["three"])
