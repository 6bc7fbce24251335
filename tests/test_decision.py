from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.confidence import Confidence
from experts.decision import DecisionMaker, Wording, is_beyond_all, is_suspicious
from experts.decoder.conformal import images_needed
from experts.evidence import (
    AnomalyMap,
    Clause,
    ClauseCheck,
    Decision,
    KindSet,
    Quantity,
    Reference,
    Region,
    Sight,
    Step,
    Unruled,
    Verdict,
)
from experts.knowledge import Excerpt, KnowledgeGuide, Scene, load_knowledge
from experts.reasoning import ReasoningExpert
from experts.wording import describe

Severity: TypeAlias = Literal["minor", "major", "critical"]
Verdicts: TypeAlias = Callable[..., str]
ALPHA = 0.05
SOLAR_CELL = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"


def anomaly_of(above: int, normal: int = 99) -> AnomalyMap:
    """A map of an image that ``above`` of the normal images score at least as high as."""
    return AnomalyMap(
        patch_scores_HW=np.ones((4, 4), np.float32),
        patch_stride_px=(16.0, 16.0),
        patch_centre_px=(15.0, 15.0),
        image_size_HW=(64, 64),
        score=0.875,
        p_value=(1 + above) / (1 + normal),
        calibration_size=normal,
        limit=0.5,
        extent_limit=0.1,
        encoder="test",
    )


def region_of(number: int = 1, *, mm: float | None = None, place: str = "top left") -> Region:
    return Region(
        id=f"region-{number}",
        box_xyxy=(0, 0, 20, 4),
        mask=np.ones((4, 20), bool),
        area_px=80,
        length_px=20,
        width_px=4,
        peak_score=1.25,
        place=place,
        looks="dark line",
        contrast=-0.5,
        area_mm2=mm and 80 * mm**2,
        length_mm=mm and 20 * mm,
        width_mm=mm and 4 * mm,
    )


def named(region: Region, *names: str) -> Region:
    """The region, with the kinds that it may be of."""
    kinds = KindSet(names=names, probabilities={}, p_values={}, coverage=0.8)
    return region.model_copy(update={"kinds": kinds})


def check_of(
    name: str,
    measured: float,
    maximum: float,
    severity: Severity = "minor",
    unit: Literal["px", "mm"] = "px",
    defect: str = "crack",
    quantity: Quantity = "length",
) -> ClauseCheck:
    clause = Clause(
        id=name,
        defect=defect,
        quantity=quantity,
        limit=maximum,
        unit=unit,
        severity=severity,
        source="knowledge.yaml",
        line=12,
    )
    within = measured <= maximum
    return ClauseCheck(
        id=f"clause:{name}",
        clause=clause,
        measured=measured,
        within=within,
        region_ids=("region-1",),
        broken_by=() if within else ("region-1",),
    )


def count_of(found: int, at_most: int) -> ClauseCheck:
    clause = Clause(
        id="crack.any",
        defect="crack",
        quantity="count",
        limit=at_most,
        unit="",
        severity="critical",
        source="knowledge.yaml",
        line=12,
    )
    ids = tuple(f"region-{i + 1}" for i in range(found))
    return ClauseCheck(
        id="clause:crack.any",
        clause=clause,
        measured=found,
        within=found <= at_most,
        region_ids=ids,
        broken_by=() if found <= at_most else ids,
    )


def decide(
    anomaly: AnomalyMap,
    regions: list[Region] | None = None,
    checks: list[ClauseCheck] | None = None,
    unruled: list[Unruled] | None = None,
    *,
    has_knowledge: bool = True,
) -> Decision:
    maker = DecisionMaker(ALPHA, Wording("cell", "cells"), has_knowledge)
    return maker.decide(anomaly, regions or [], checks or [], unruled or [])[0]


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


def test_wording_of_a_review_for_want_of_images() -> None:
    assert decide(anomaly_of(0, 3), [region_of()]).reason == (
        "To review: a dark line of about 20 × 4 px at the top left scores beyond all 3 normal "
        "cells (p = 0.25), but 3 normal cells cannot promise fewer false rejects than 25.0%; "
        "for 5.0% enrol at least 19."
    )


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


def following(then: Verdict, note: str | None = None, name: str = "a") -> ClauseCheck:
    check = check_of(name, 20, 5)
    return check.model_copy(
        update={"clause": check.clause.model_copy(update={"then": then, "note": note})}
    )


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


def test_a_defect_has_a_name_only_if_one_fits() -> None:
    one = decide(anomaly_of(0), [region_of()], [check_of("a", 9, 1), check_of("b", 9, 10)])
    assert [(d.name, d.candidates, d.check_ids) for d in one.defects] == [
        ("crack", ("crack",), ("clause:a", "clause:b"))
    ]
    other = check_of("c", 9, 1, defect="pit")
    two = decide(anomaly_of(0), [region_of(1), region_of(2)], [check_of("a", 9, 1), other])
    assert [(d.name, d.candidates, d.region_id, d.check_ids) for d in two.defects] == [
        ("unknown", ("crack", "pit"), "region-1", ("clause:a", "clause:c")),
        ("unknown", ("crack", "pit"), "region-2", ()),
    ]


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


anomalies = st.integers(1, 200).flatmap(
    lambda n: st.integers(0, n).map(lambda above: anomaly_of(above, n))
)
severities: list[Severity] = ["minor", "critical"]
maybe_checks = st.lists(
    st.builds(
        check_of,
        st.uuids().map(str),
        st.floats(0, 50),
        st.floats(0, 50),
        st.sampled_from(severities),
    ),
    max_size=4,
)


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


def test_a_defect_is_called_what_its_region_may_be() -> None:
    regions = [
        named(region_of(1), "pit"),
        named(region_of(2), "pit", "dent"),
        named(region_of(3)),
        region_of(4),
    ]
    decision = decide(anomaly_of(0), regions, [check_of("crack.size", 20, 5)])
    assert [(defect.name, defect.candidates) for defect in decision.defects] == [
        ("pit", ("pit",)),
        ("unknown", ("pit", "dent")),
        ("unknown", ("crack",)),
        ("crack", ("crack",)),
    ]


LIMITS = """\
product: washer
normal: Flat.
defects:
  - {name: pit, appearance: a, effect: b, severity: minor, clauses: [
      {id: pit.count, quantity: count, at_most: 1}, {id: pit.size, quantity: length, at_most: 19,
      unit: px}]}
  - {name: crack, appearance: a, effect: b, severity: major, clauses: [
      {id: crack.size, quantity: length, at_most: 20, unit: px}]}
  - {name: stain, appearance: a, effect: b, severity: minor, clauses: [
      {id: stain.area, quantity: area, at_most: 100, unit: px}]}
  - {name: burn, appearance: a, effect: b, severity: minor}
"""
LIMITED = ("pit", "crack", "stain")
ALL_NAMES = (*LIMITED, "burn", "not in the file")


@pytest.fixture(scope="module")
def verdict_of(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """The verdict on regions that may be of these kinds each, by the file above."""
    path = tmp_path_factory.mktemp("limits") / "washer.yaml"
    path.write_text(LIMITS)
    knowledge = load_knowledge(path)
    guide = KnowledgeGuide(knowledge)
    scene = Scene((64, 64), Sight.of_image((64, 64)), 1.0)
    maker = DecisionMaker(ALPHA, Wording(), has_knowledge=True)

    def verdict(kinds: Sequence[Sequence[str] | None], length: int = 20) -> str:
        regions = []
        for i, names in enumerate(kinds, start=1):
            size = {"length_px": length, "area_px": 4 * length}
            region = region_of(i).model_copy(update=size)
            regions.append(region if names is None else named(region, *names))
        found = guide.check(regions, scene)
        return maker.decide(anomaly_of(0), regions, found.checks, found.unruled)[0].verdict

    return verdict


def test_only_limits_of_what_a_region_may_be_count(verdict_of: Verdicts) -> None:
    accepted: list[list[tuple[str, ...] | None]] = [
        [("crack",)],
        [("stain",), ("crack", "stain")],
        [("crack",)] * 5,
    ]
    rejected: list[list[tuple[str, ...] | None]] = [
        [("pit",)],
        [("crack",), ("pit", "stain")],
        [("burn",)],
        [("crack",), ("crack", "burn")],
        [()],
        [None],
        [("not in the file",)],
        [("crack",), ("crack", "not in the file")],
    ]
    assert {verdict_of(kinds) for kinds in accepted} == {"accept"}
    assert {verdict_of(kinds) for kinds in rejected} == {"reject"}


several = st.lists(st.sets(st.sampled_from(ALL_NAMES), min_size=1), min_size=1, max_size=3)


@settings(deadline=None)
@given(several, st.integers(15, 30), st.data())
def test_more_candidates_never_turn_a_reject_into_an_accept(
    verdict_of: Verdicts, fewer: list[set[str]], length: int, data: st.DataObject
) -> None:
    more = [names | data.draw(st.sets(st.sampled_from(ALL_NAMES))) for names in fewer]
    if verdict_of([sorted(names) for names in more], length) == "accept":
        assert verdict_of([sorted(names) for names in fewer], length) == "accept"
    # Without a name every limit applies.
    limited = [sorted(names & set(LIMITED)) for names in fewer]
    unnamed = verdict_of([None] * len(fewer), length)
    assert unnamed == verdict_of([()] * len(fewer), length)
    if unnamed == "accept":
        assert verdict_of(limited, length) == "accept"


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
