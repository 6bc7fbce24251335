"""The page of evidence that a small model reads."""

from __future__ import annotations

import numpy as np
import pytest

from echo.training.inventing import invent
from experts.answers import Known
from experts.claims import check
from experts.claims.text import sentences
from experts.evidence import KindSet
from experts.grounding import ground, words_of
from experts.sheet import (
    MAX_PLACES,
    NOTHING,
    answer_alone,
    count_line,
    decided_lines,
    end_line,
    explaining,
    fact_lines,
    is_kind_line,
    kind_line,
    sayable,
    sheet,
    size_line,
    where_line,
    with_quotes,
)
from tests.findings import named, region_of

WORLDS = 60


@pytest.fixture(scope="module")
def worlds() -> list[Known]:
    return [invent(np.random.default_rng([5, number])) for number in range(WORLDS)]


def test_each_line_of_the_page_is_one_sentence(worlds: list[Known]) -> None:
    lines = [line for known in worlds for line in sheet(known).splitlines()]
    assert [line for line in lines if len(sentences(line)) != 1] == []


def test_what_can_be_said_may_be_said_unless_it_reads_like_another_verdict(
    worlds: list[Known],
) -> None:
    """Of a rejected part nothing is called normal, whatever the file says of good ones."""
    for known in worlds:
        said, verdict = sayable(known), known.inspection.verdict
        facts = with_quotes(known.facts, said)
        for line in map(answer_alone, said):
            left = ground(line, facts, words_of(facts))
            if left.text != line and len(sentences(line)) == 1:
                (why,) = (sentence.why for sentence in left.sentences)
                assert why == f"the verdict is {verdict}", line
                assert line.startswith(("A good ", "The product ")), line


def test_explanations_contradict_nothing(worlds: list[Known]) -> None:
    for known in worlds:
        said = explaining(known)
        facts = with_quotes(known.facts, said)
        for line in said:
            (sentence,) = check(line, facts).sentences
            # Sounds and the like may be words of a product.
            assert sentence.outcome in ("right", "none") or line.startswith("The product "), line


def test_no_sentence_begins_another(worlds: list[Known]) -> None:
    """Else nobody could tell by its end which one was meant."""
    for known in worlds:
        said = sayable(known)
        assert len(said) == len(set(said))
        assert [a for a in said for b in said if a != b and b.startswith(a)] == []


def test_what_is_measured_holds_without_being_quoted(worlds: list[Known]) -> None:
    for known in worlds:
        for region in known.inspection.regions:
            for line in (where_line(region), size_line(region)):
                (said,) = check(line, known.facts).sentences
                assert said.outcome == "right", line


def test_verdict_and_places_come_first(worlds: list[Known]) -> None:
    for known in worlds:
        page, inspection = sheet(known), known.inspection
        assert f" is {inspection.verdict}.\n" in page
        assert count_line(inspection.regions) in page.splitlines()
        told = [r for r in inspection.regions if f"\n{r.id} is a" in page]
        assert told == list(inspection.regions[:MAX_PLACES])
        assert (NOTHING in page) is (not inspection.regions)


def test_the_file_is_told_kind_by_kind(worlds: list[Known]) -> None:
    known = next(known for known in worlds if known.knowledge is not None)
    assert known.knowledge is not None
    for defect in known.knowledge.file.defects:
        lines = fact_lines(known, defect)
        assert lines["severity"] == f"Severity of {defect.name}: {defect.severity}."
        assert ("that is not known" in lines["cause"]) is (not defect.cause)
        assert set(lines.values()) <= set(sayable(known))
        # The page has the names alone: what is said of them is not the model's to read.
        assert defect.name in sheet(known)
        assert defect.appearance not in sheet(known)


@pytest.mark.parametrize(
    ("verdict", "answers"),
    [
        ("accept", ("No", "Yes", "Yes", "No", "No", "No")),
        ("reject", ("Yes", "No", "No", "Yes", "Yes", "No")),
        ("review", ("That", "That", "No", "Yes", "That", "Yes")),
    ],
)
def test_yes_and_no_are_the_decision_makers(
    worlds: list[Known], verdict: str, answers: tuple[str, ...]
) -> None:
    known = next(known for known in worlds if known.inspection.verdict == verdict)
    lines = decided_lines(known)
    assert tuple(lines) == ("defective", "flawless", "ship", "hold_back", "scrap", "look_again")
    assert tuple(answer_alone(line).split()[0].rstrip(",") for line in lines.values()) == answers
    assert all(line.endswith(f"{end_line(known)}.") for line in lines.values())


def test_kinds_are_named_only_by_examples(worlds: list[Known]) -> None:
    known, region = worlds[0], region_of()
    assert kind_line(known, region) == "The kind of region-1 is not known."
    assert kind_line(known, named(region, "pit")) == "region-1 is taken for pit."
    assert kind_line(known, named(region, "pit", "chip")) == "region-1 may be pit or chip."
    none = KindSet(names=(), probabilities={}, p_values={}, coverage=0.9)
    unknown = region.model_copy(update={"kinds": none})
    assert kind_line(known, unknown) == "The kind of region-1 is not known."


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([("pit",)], "Yes: region-1 is taken for pit."),
        ([("chip",)], "No: region-1 is taken for chip."),
        ([("chip", "pit")], "Not known: region-1 may be chip or pit."),
        ([("chip",), ("pit",)], "Yes: region-1 is taken for chip; region-2 is taken for pit."),
        ([()], "Not known: The kind of region-1 is not known."),
        ([], "No: Nothing stands out on it."),
    ],
)
def test_whether_it_is_of_a_kind(
    worlds: list[Known], kinds: list[tuple[str, ...]], said: str
) -> None:
    regions = tuple(named(region_of(n + 1), *names) for n, names in enumerate(kinds))
    known = worlds[0]
    inspection = known.inspection.model_copy(update={"regions": regions})
    told = is_kind_line(Known(inspection, known.knowledge, known.alpha), "pit")
    assert told == f"Is it pit? {said}"
    assert answer_alone(told) == said


def test_the_end_is_told_in_words(worlds: list[Known]) -> None:
    ends = {known.inspection.verdict: end_line(known) for known in worlds}
    assert ends["reject"].endswith(" is rejected")
    assert ends["accept"].endswith(" is accepted")
    assert ends["review"].endswith(" is held for a person to look at")
