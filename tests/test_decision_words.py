"""The reason of a verdict, and the steps that led to it, word by word."""

from __future__ import annotations

from pathlib import Path

import pytest

from experts.evidence import ClauseCheck, Reference, Region, Step
from experts.knowledge import Excerpt, load_knowledge
from experts.reasoning import ReasoningExpert
from experts.wording import describe
from tests.findings import anomaly_of, check_of, count_of, decide, following, named, region_of
from tests.rule_files import SOLAR_CELL


def test_wording_of_a_review_for_want_of_images() -> None:
    assert decide(anomaly_of(0, 3), [region_of()]).reason == (
        "To review: a dark line of about 20 × 4 px at the top left scores beyond all 3 normal "
        "cells (p = 0.25), but 3 normal cells cannot promise fewer false rejects than 25.0%; "
        "for 5.0% enrol at least 19."
    )


def test_notes_stand_in_the_reason() -> None:
    accepted = decide(anomaly_of(0), [region_of()], [following("accept", "Polish it.")])
    assert accepted.reason.endswith(
        "(p = 0.01), but it is within every limit that rejects it; clause `a` allows length up to "
        "5 px, measured 20 px (Polish it)."
    )
    review = decide(anomaly_of(0), [region_of()], [following("review", "Ask Ann.")])
    assert review.reason.startswith("To review: ")
    assert review.reason.endswith("clause `a` allows length up to 5 px, measured 20 px (Ask Ann).")


def test_of_an_uncertain_defect_the_strictest_clause_counts_and_the_reason_says_so() -> None:
    checks = [
        check_of("pit.size", 20, 30, defect="pit"),
        check_of("crack.size", 20, 5, "critical"),
        check_of("scratch.size", 20, 10, defect="scratch"),
    ]
    decision = decide(anomaly_of(0), [region_of()], checks)
    assert decision.deciding_clause == "crack.size"
    assert decision.reason.endswith(
        "clause `crack.size` allows length up to 5 px, measured 20 px; it may be crack, pit or "
        "scratch, so the strictest clause counts."
    )
    many = [check_of(f"{n}.size", 20, 30, defect=n) for n in ("a", "b", "c", "d")]
    decision = decide(anomaly_of(0), [region_of()], [*many, checks[1]])
    assert "; it may be crack, a, b, c or one of 1 more, so" in decision.reason


def test_a_lower_limit_in_words() -> None:
    clause = check_of("edge", 3, 5).clause.model_copy(
        update={"quantity": "distance_to_edge", "zone": "rim"}
    )
    check = check_of("edge", 3, 5).model_copy(
        update={"clause": clause, "within": False, "broken_by": ("region-1",)}
    )
    decision = decide(anomaly_of(0), [region_of()], [check])
    assert decision.reason.endswith(
        "clause `edge` allows distance to edge from 5 px on in rim, measured 3 px."
    )


def test_wording_of_a_reject_in_mm() -> None:
    regions = [region_of(1, mm=0.13, place="centre"), region_of(2, mm=0.13)]
    decision = decide(anomaly_of(0), regions, [check_of("crack.size", 2.6, 1.5, unit="mm")])
    assert decision.deciding_clause == "crack.size"
    assert decision.reason == (
        "Rejected: a dark line of about 2.6 × 0.52 mm in the centre, with 1 more place, scores "
        "beyond all 99 normal cells (p = 0.01); clause `crack.size` allows length up to 1.5 mm, "
        "measured 2.6 mm."
    )


def test_wording_of_a_count_and_of_an_area() -> None:
    none_allowed = decide(anomaly_of(0), [region_of()], [count_of(1, 0)])
    assert none_allowed.reason.endswith("; clause `crack.any` allows none.")
    three = [region_of(i) for i in (1, 2, 3)]
    two_allowed = decide(anomaly_of(0), three, [count_of(3, 2)])
    assert ", with 2 more places, scores" in two_allowed.reason
    assert two_allowed.reason.endswith("; clause `crack.any` allows at most 2, measured 3.")
    area = decide(
        anomaly_of(0), [region_of()], [check_of("crack.area", 80, 5, unit="mm", quantity="area")]
    )
    assert area.reason.endswith("clause `crack.area` allows area up to 5 mm², measured 80 mm².")


def test_large_numbers_are_written_out() -> None:
    area = decide(anomaly_of(0), [region_of()], [check_of("a", 12345, 5000, quantity="area")])
    assert area.reason.endswith("; clause `a` allows area up to 5000 px², measured 12345 px².")
    assert describe(region_of(mm=12.5)) == "a dark line of about 250 × 50 mm at the top left"


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ("dark line", "a dark line of about 20 × 4 px at the top left"),
        ("odd area", "an odd area of about 20 × 4 px at the top left"),
    ],
)
def test_a_region_in_words(looks: str, words: str) -> None:
    region = region_of().model_copy(update={"looks": looks})
    assert describe(region) == words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("crack",), "taken for crack"),
        (("pit", "crack"), "which may be pit or crack"),
        ((), "of no kind that was shown"),
    ],
)
def test_the_kinds_of_a_region_in_words(names: tuple[str, ...], words: str) -> None:
    region = named(region_of(), *names)
    reason = decide(anomaly_of(0), [region]).reason
    assert f"px at the top left, {words}, scores beyond all 99 normal cells" in reason
    reason = decide(anomaly_of(0), [region, region_of(2)]).reason
    assert f"px at the top left, {words}, with 1 more place, scores beyond all" in reason
    step = reasoning([region], [])[2].found
    verb = "is " if len(names) < 2 else ""
    assert step.endswith(
        f"times what normal images reach. It {verb}{words.removeprefix('which ')}; of places of "
        "the kinds that were shown at least 80.0% have their own kind named."
    )


def reasoning(regions: list[Region], checks: list[ClauseCheck], above: int = 0) -> list[Step]:
    references = [
        Reference(
            id=f"reference-{rank}",
            path=Path(f"good/{rank}.png"),
            thumbnail=Path("thumbnail.jpg"),
            similarity=0.987 / rank,
            rank=rank,
        )
        for rank in (1, 2)
    ]
    anomaly = anomaly_of(above)
    expert = ReasoningExpert(load_knowledge(SOLAR_CELL))
    everything = Excerpt((), tuple(check.clause for check in checks), (), 0)
    steps = expert.reason(references, anomaly, regions, checks, everything)
    ids = {"anomaly", *(r.id for r in references), *(r.id for r in regions)}
    ids |= {c.id for c in checks}
    for step in steps:
        assert step.evidence_ids
        assert set(step.evidence_ids) <= ids
    return list(steps)


def test_steps_follow_the_evidence_and_cite_it() -> None:
    steps = reasoning([region_of(1), region_of(2)], [check_of("crack.size", 20, 5), count_of(2, 3)])
    assert [step.looked_at for step in steps] == [
        "what is normal",
        "the image beside the normal images",
        "region-1",
        "region-2",
        "clause crack.size (knowledge.yaml, line 12)",
        "clause crack.any (knowledge.yaml, line 12)",
    ]
    assert [step.evidence_ids for step in steps] == [
        ("reference-1", "reference-2"),
        ("anomaly", "reference-1", "reference-2"),
        ("region-1", "anomaly"),
        ("region-2", "anomaly"),
        ("clause:crack.size", "region-1"),
        ("clause:crack.any", "region-1", "region-2"),
    ]


def test_wording_of_the_steps() -> None:
    checks = [check_of("crack.area", 80, 5, unit="mm", quantity="area"), count_of(1, 3)]
    found = [step.found for step in reasoning([region_of()], checks, above=3)]
    assert found[0].startswith(
        "The most similar normal image is 1.png (similarity 0.99). A grey square with an even glow,"
    )
    assert found[1:] == [
        "It scores 0.875; 3 of the 99 normal ones score that high, so p = 0.04.",
        "A dark line of about 20 × 4 px at the top left; its peak is 2.5 times what normal images "
        "reach.",
        "If this is crack: allowed is area up to 5 mm², measured 80 mm²; not within the limit.",
        "If this is crack: allowed is at most 3, measured 1; within the limit.",
    ]
    assert reasoning([], [])[1].found == (
        "It scores 0.875; none of the 99 normal ones scores that high, so p = 0.01."
    )
