"""What kinds a region may be of narrows the limits that apply to it, and names the defect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.decision import DecisionMaker, Wording
from experts.evidence import Sight
from experts.knowledge import KnowledgeGuide, Scene, load_knowledge
from tests.findings import ALPHA, anomaly_of, check_of, decide, named, region_of

Verdicts: TypeAlias = Callable[..., str]


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
