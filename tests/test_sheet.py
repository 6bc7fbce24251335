"""The page of evidence that a small model reads."""

from __future__ import annotations

from collections.abc import Iterator

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
    count_line,
    end_line,
    fact_lines,
    kind_line,
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


def lines_of(worlds: list[Known]) -> Iterator[tuple[Known, str]]:
    for known in worlds:
        for line in sheet(known).splitlines():
            yield known, line


def test_each_line_is_one_sentence(worlds: list[Known]) -> None:
    # The reason is the Decision Maker's, and may be two.
    several = [
        line
        for _, line in lines_of(worlds)
        if len(sentences(line)) != 1 and not line.startswith("Reason: ")
    ]
    assert several == []


def test_lines_may_be_repeated_unless_they_read_like_another_verdict(worlds: list[Known]) -> None:
    """What a model repeats word for word stays; of a rejected part nothing is called normal."""
    for known in worlds:
        page, verdict = sheet(known), known.inspection.verdict
        facts = with_quotes(known.facts, page)
        for line in page.splitlines():
            said = ground(line, facts, words_of(facts))
            if said.text != line and len(sentences(line)) == 1:
                (why,) = (sentence.why for sentence in said.sentences)
                assert why == f"the verdict is {verdict}", line
                assert line.startswith(("A good ", "Rule ", "The product ")), line


def test_what_is_measured_holds_without_being_quoted(worlds: list[Known]) -> None:
    for known in worlds:
        for region in known.inspection.regions:
            for line in (where_line(region), size_line(region)):
                (said,) = check(line, known.facts).sentences
                assert said.outcome == "right", line


def test_verdict_and_places_come_first(worlds: list[Known]) -> None:
    for known in worlds:
        page, inspection = sheet(known), known.inspection
        assert f" is {inspection.verdict}.\nReason: {inspection.decision.reason}\n" in page
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
        assert ("cause" in lines) is bool(defect.cause)
        assert set(lines.values()) <= set(sheet(known).splitlines())


def test_kinds_are_named_only_by_examples(worlds: list[Known]) -> None:
    known, region = worlds[0], region_of()
    assert kind_line(known, region) == "The kind of region-1 is not known."
    assert kind_line(known, named(region, "pit")) == "region-1 is taken for pit."
    assert kind_line(known, named(region, "pit", "chip")) == "region-1 may be pit or chip."
    none = KindSet(names=(), probabilities={}, p_values={}, coverage=0.9)
    unknown = region.model_copy(update={"kinds": none})
    assert kind_line(known, unknown) == "The kind of region-1 is not known."


def test_the_end_is_told_in_words(worlds: list[Known]) -> None:
    ends = {known.inspection.verdict: end_line(known) for known in worlds}
    assert ends["reject"].endswith(" is rejected")
    assert ends["accept"].endswith(" is accepted")
    assert ends["review"].endswith(" is held for a person to look at")
