"""Which verdict follows from the evidence, and what holds for every verdict."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.confidence import Confidence
from experts.decision import DecisionMaker, Wording, is_beyond_all, is_suspicious
from experts.decoder.conformal import images_needed
from experts.evidence import AnomalyMap, ClauseCheck, Unruled, Verdict
from tests.findings import (
    ALPHA,
    anomalies,
    anomaly_of,
    check_of,
    decide,
    following,
    maybe_checks,
    region_of,
)


def test_a_normal_part_is_accepted() -> None:
    decision = decide(anomaly_of(59))
    assert (decision.verdict, decision.defects, decision.deciding_clause) == ("accept", (), None)
    assert decision.reason == "Accepted: 59 of 99 normal cells score at least as high (p = 0.6)."


@pytest.mark.parametrize(("above", "suspicious"), [(3, True), (4, True), (5, False)])
def test_alpha_itself_is_suspicious(above: int, suspicious: bool) -> None:
    assert is_suspicious(anomaly_of(above), ALPHA) == suspicious
    assert (decide(anomaly_of(above), [region_of()]).verdict != "accept") == suspicious


@pytest.mark.parametrize("normal", [2, 3, 9, 18])
def test_too_few_images_never_reject_and_say_how_many_are_needed(normal: int) -> None:
    broken = [check_of("crack.size", 20, 5)]
    for has_knowledge in (True, False):
        decision = decide(anomaly_of(0, normal), [region_of()], broken, has_knowledge=has_knowledge)
        assert decision.verdict == "review"
        assert decision.deciding_clause is None
        assert decision.reason.endswith("; for 5.0% enrol at least 19.")
    assert decide(anomaly_of(1, normal)).verdict == "accept"
    assert is_beyond_all(anomaly_of(0, normal))
    assert not is_beyond_all(anomaly_of(1, normal))


def test_just_enough_images_may_reject() -> None:
    assert images_needed(ALPHA) == 19
    assert decide(anomaly_of(0, 19), [region_of()]).verdict == "reject"


def test_nothing_that_stands_out_is_for_a_person() -> None:
    decision = decide(anomaly_of(0))
    assert decision.verdict == "review"
    assert decision.reason == (
        "To review: the cell as a whole scores beyond all 99 normal cells (p = 0.01), "
        "but no single place stands out."
    )
    (defect,) = decision.defects
    assert (defect.name, defect.region_id, defect.check_ids) == ("unknown", None, ())


def test_within_every_limit_is_accepted() -> None:
    checks = [check_of("crack.size", 20, 20), check_of("pit.size", 20, 30)]
    decision = decide(anomaly_of(2), [region_of()], checks)
    assert (decision.verdict, decision.defects, decision.deciding_clause) == ("accept", (), None)
    assert decision.reason == (
        "Accepted: a dark line of about 20 × 4 px at the top left scores beyond all but 2 of 99 "
        "normal cells (p = 0.03), but it is within every limit that may apply."
    )


@pytest.mark.parametrize(
    ("defect", "zones", "why"),
    [
        (None, (), "no clause allows anything"),
        ("stain", (), "no clause allows stain (region-1)"),
        ("stain", ("rim", "hole"), "no clause allows stain outside of rim and hole (region-1)"),
    ],
)
def test_what_no_clause_speaks_of_is_not_allowed(
    defect: str | None, zones: tuple[str, ...], why: str
) -> None:
    unruled = Unruled(region_id="region-1", defect=defect, zones=zones)
    for checks in ([], [check_of("crack.size", 20, 20)]):
        decision = decide(anomaly_of(0), [region_of()], checks, [unruled])
        assert (decision.verdict, decision.deciding_clause) == ("reject", None)
        assert decision.reason.endswith(f"(p = 0.01); {why}.")


def test_without_a_knowledge_file_nothing_is_allowed() -> None:
    decision = decide(anomaly_of(0), [region_of()], has_knowledge=False)
    assert (decision.verdict, decision.deciding_clause) == ("reject", None)
    assert decision.reason.endswith("(p = 0.01); the line has no knowledge file.")


def test_the_strictest_consequence_of_broken_clauses_follows() -> None:
    verdicts = {}
    cases: list[tuple[Verdict, ...]] = [
        ("accept",),
        ("accept", "review"),
        ("review", "reject", "accept"),
    ]
    for thens in cases:
        checks = [following(then, name=then) for then in thens]
        decision = decide(anomaly_of(0), [region_of()], checks)
        verdicts[thens] = (decision.verdict, decision.deciding_clause)
    assert verdicts == {
        ("accept",): ("accept", None),
        ("accept", "review"): ("review", "review"),
        ("review", "reject", "accept"): ("reject", "reject"),
    }
    unruled = Unruled(region_id="region-1", defect=None, zones=())
    assert decide(anomaly_of(0), [region_of()], [following("review")], [unruled]).verdict == (
        "reject"
    )


def test_the_strictest_broken_clause_decides() -> None:
    checks = [
        check_of("minor.far", 100, 1, "minor"),
        check_of("major.near", 10, 9, "major"),
        check_of("major.far", 10, 5, "major"),
        check_of("critical.kept", 10, 20, "critical"),
    ]
    for order in (checks, checks[::-1]):
        assert decide(anomaly_of(0), [region_of()], order).deciding_clause == "major.far"
    zero = check_of("major.none", 1, 0, "major")
    assert decide(anomaly_of(0), [region_of()], [*checks, zero]).deciding_clause == "major.none"
    critical = check_of("critical.near", 10, 9.9, "critical")
    rejected = decide(anomaly_of(0), [region_of()], [zero, critical])
    assert rejected.deciding_clause == "critical.near"


def test_confidence_is_the_probability_that_the_verdict_is_right() -> None:
    known = Confidence()
    for above, checks, verdict, by_rules in (
        (4, [], "reject", False),
        (0, [], "reject", False),
        (99, [], "accept", False),
        (0, [check_of("a", 1, 2)], "accept", True),
        (0, [check_of("a", 3, 2, "critical")], "reject", True),
    ):
        anomaly = anomaly_of(above)
        decision = decide(anomaly, [region_of()], checks)
        assert decision.verdict == verdict
        confidence = known.of(decision.verdict, anomaly.p_value, 99, by_rules=by_rules)
        assert decision.confidence == confidence, verdict
    # The farther from alpha, the surer.
    rejected = [decide(anomaly_of(above), [region_of()]).confidence for above in (4, 2, 0)]
    accepted = [decide(anomaly_of(above), [region_of()]).confidence for above in (6, 30, 99)]
    assert rejected == sorted(set(rejected))
    assert accepted == sorted(set(accepted))
    # A person decides.
    too_few = decide(anomaly_of(0, 9), [region_of()])
    assert (too_few.verdict, too_few.confidence) == ("review", 0.5)


@settings(deadline=None)
@given(anomalies, st.integers(0, 3), maybe_checks, st.floats(0.001, 0.6))
def test_what_holds_for_every_decision(
    anomaly: AnomalyMap, places: int, checks: list[ClauseCheck], alpha: float
) -> None:
    regions = [region_of(i + 1) for i in range(places)]
    maker = DecisionMaker(alpha, Wording(), has_knowledge=bool(checks))
    decision, (step,) = maker.decide(anomaly, regions, checks)
    assert 0 < decision.confidence < 1
    assert decision.verdict == "accept" or is_suspicious(anomaly, alpha)
    assert decision.verdict != "reject" or anomaly.p_value <= alpha
    assert (decision.defects == ()) == (decision.verdict == "accept")
    assert step.found == decision.reason
    assert set(step.evidence_ids) <= {"anomaly", *(r.id for r in regions), *(c.id for c in checks)}
    broken = [c for c in checks if not c.within]
    if decision.verdict == "reject" and broken:
        deciding = next(c for c in broken if c.clause.id == decision.deciding_clause)
        assert deciding.clause.severity == max(
            (c.clause.severity for c in broken), key=["minor", "critical"].index
        )
