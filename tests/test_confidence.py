from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn.isotonic import IsotonicRegression

from benchmarks import calibration
from benchmarks.calibration import Seen, bench_calibration, fit_distance, likeliest_distance
from experts.confidence import DISTANCES_D, LINES, Confidence, Distance, Judged, _falling
from experts.evidence import Verdict

ALPHA = 0.05


def case(rank: int, n: int = 100, *, defective: bool = True, alpha: float = ALPHA) -> Judged:
    return Judged(rank / (n + 1), alpha, n, "reject", by_rules=False, defective=defective)


def ruled(verdict: Verdict, *, defective: bool) -> Judged:
    return Judged(1 / 101, ALPHA, 100, verdict, by_rules=True, defective=defective)


sizes = st.integers(1, 120)
cases = st.lists(
    st.builds(
        lambda n, share, alpha, defective: case(
            1 + int(share * n), n, defective=defective, alpha=alpha
        ),
        st.sampled_from([1, 10, 20, 60, 100]),
        st.floats(0, 1),
        st.sampled_from([0.01, 0.05, 0.2, 0.9]),
        st.booleans(),
    ),
    max_size=25,
)


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("n", [1, 9, 100])
def test_one_distance_by_hand(distance: float, n: int) -> None:
    one = Confidence(distance=Distance(distance, 1e-3))
    normal = NormalDist()

    def below(p: float) -> float:
        return 0.0 if p == 0 else 1.0 if p == 1 else normal.cdf(distance + normal.inv_cdf(p))

    for rank in range(1, n + 2):
        share = below(rank / (n + 1)) - below((rank - 1) / (n + 1))
        ratio = share * (n + 1)
        assert one.defective(rank / (n + 1), n) == pytest.approx(ratio / (1 + ratio), abs=1e-9)


def test_lines_in_common_are_a_mixture_of_distances() -> None:
    weights = np.exp(-0.5 * ((DISTANCES_D - LINES.mean) / LINES.deviation) ** 2)
    normal = NormalDist()
    shares = [normal.cdf(d + normal.inv_cdf(1 / 101)) for d in DISTANCES_D]
    ratio = 101 * float(weights @ shares / weights.sum())
    assert Confidence().defective(1 / 101, 100) == pytest.approx(ratio / (1 + ratio))
    assert ratio / (1 + ratio) == pytest.approx(0.975, abs=0.01)


def test_cases_by_simulation() -> None:
    """A line's curve drawn again and again, each weighed by what it makes of the cases."""
    n, alpha, ranks = 19, 0.2, [1, 1, 2]
    rng = np.random.default_rng(0)
    prior_D = np.exp(-0.5 * ((DISTANCES_D - LINES.mean) / LINES.deviation) ** 2)
    normal = NormalDist()
    steps = [normal.inv_cdf(k / (n + 1)) for k in range(1, n + 1)]
    total = np.zeros(n + 1)
    weight = 0.0
    for d, prior in zip(DISTANCES_D.tolist(), prior_D.tolist(), strict=True):
        below = np.array([0.0, *(normal.cdf(d + z) for z in steps), 1.0])
        curves_SK = rng.standard_gamma(2 * np.maximum(np.diff(below), 1e-12), (20_000, n + 1))
        curves_SK /= curves_SK.sum(axis=1, keepdims=True)
        held_back_S = np.maximum(curves_SK[:, :4].sum(axis=1), 1e-300)
        # Cases were drawn from the defective parts with p up to 0.2.
        likelihood_S = np.prod([curves_SK[:, rank - 1] / held_back_S for rank in ranks], axis=0)
        total += prior * likelihood_S @ curves_SK
        weight += prior * likelihood_S.sum()
    falling = IsotonicRegression(increasing=False).fit_transform(range(n + 1), total / weight)
    ratio_K = falling * (n + 1)
    one = Confidence([case(rank, n, alpha=alpha) for rank in ranks])
    found = [one.defective(k / (n + 1), n) for k in range(1, n + 2)]
    assert found == pytest.approx(ratio_K / (1 + ratio_K), abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_closest_falling_sequence_equals_the_library_s(masses: list[float]) -> None:
    expected = IsotonicRegression(increasing=False).fit_transform(range(len(masses)), masses)
    assert _falling(np.array(masses)) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(sizes, cases)
def test_a_lower_p_value_is_never_less_suspicious(n: int, labelled: list[Judged]) -> None:
    one = Confidence(labelled)
    found = [one.defective(rank / (n + 1), n) for rank in range(1, n + 2)]
    assert all(0 < p < 1 for p in found)
    assert found == sorted(found, reverse=True)


@settings(deadline=None)
@given(sizes, cases, st.integers(1, 5))
def test_defective_cases_beyond_all_make_such_parts_more_suspicious(
    n: int, labelled: list[Judged], more: int
) -> None:
    labelled = [j._replace(alpha=ALPHA) for j in labelled]
    before = Confidence(labelled).defective(1 / (n + 1), n)
    after = Confidence([*labelled, *[case(1, n)] * more]).defective(1 / (n + 1), n)
    assert after >= before - 1e-9


@settings(deadline=None)
@given(sizes, cases)
def test_good_cases_and_the_order_of_cases_tell_nothing(n: int, labelled: list[Judged]) -> None:
    labelled = [j._replace(alpha=ALPHA) for j in labelled]
    defective = [j for j in labelled if j.defective]
    one, other = Confidence(labelled), Confidence(defective[::-1])
    for rank in (1, n // 2 + 1, n + 1):
        p = rank / (n + 1)
        assert one.defective(p, n) == pytest.approx(other.defective(p, n), abs=1e-9)


def test_what_cases_of_a_line_say() -> None:
    beyond_all = Confidence([case(1)] * 20)
    spread = Confidence([case(rank) for rank in (1, 2, 3, 4, 5)] * 4)
    before = Confidence()
    # Where all defects lie beyond all normal parts, others are less suspicious than before.
    for rank in (3, 10, 50):
        assert beyond_all.defective(rank / 101, 100) < before.defective(rank / 101, 100)
    assert spread.defective(4 / 101, 100) > before.defective(4 / 101, 100)
    # Cases of another calibration tell how far defective parts lie, not which ranks they have.
    elsewhere = Confidence([case(1, 60)] * 20)
    assert elsewhere.defective(50 / 101, 100) < before.defective(50 / 101, 100)


def test_many_cases_are_followed() -> None:
    many = Confidence([case(1)] * 600 + [case(5)] * 200)
    one = many.defective(1 / 101, 100)
    # Of the parts that are not accepted three quarters lie beyond all, the others are pooled.
    others = many.defective(3 / 101, 100)
    assert one / (1 - one) / (others / (1 - others)) == pytest.approx(0.75 / (0.25 / 4), rel=0.01)


def test_escapes_that_were_found_do_not_say_how_many_there_are() -> None:
    before, after = Confidence(), Confidence([case(90)] * 30)
    assert after.defective(1 / 101, 100) < before.defective(1 / 101, 100)
    assert after.defective(1 / 101, 100) > 0.9


@pytest.mark.parametrize("p", [1.0, 0.0, 0.3, math.nan, math.inf])
def test_where_nothing_was_calibrated_nothing_is_known(p: float) -> None:
    assert Confidence([case(1, 0), case(1)]).defective(p, 0) == 0.5
    assert Confidence().defective(math.nan, 100) == 0.5
    assert Confidence().of("accept", math.nan, 100, by_rules=False) == 0.5


def test_of_a_verdict() -> None:
    one = Confidence([case(1)] * 3)
    low, high = one.defective(1 / 101, 100), one.defective(0.5, 100)
    assert one.of("reject", 1 / 101, 100, by_rules=False) == low > 0.9
    assert one.of("accept", 0.5, 100, by_rules=False) == 1 - high > 0.7
    for by_rules in (False, True):
        assert one.of("review", 1 / 101, 100, by_rules=by_rules) == 0.5


def test_of_a_verdict_by_clauses() -> None:
    p = 1 / 101
    nothing = Confidence()
    assert nothing.of("accept", p, 100, by_rules=True) == 0.5
    assert nothing.of("reject", p, 100, by_rules=True) == nothing.defective(p, 100)
    # Three of four agreed: Laplace's (3 + 1) / (4 + 2).
    tolerated = [ruled("accept", defective=d) for d in (False, False, True, False)]
    assert Confidence(tolerated).of("accept", p, 100, by_rules=True) == pytest.approx(4 / 6)
    rejected = [ruled("reject", defective=d) for d in (True, False)]
    both = Confidence([*tolerated, *rejected])
    assert both.of("accept", p, 100, by_rules=True) == pytest.approx(4 / 6)
    assert both.of("reject", p, 100, by_rules=True) == pytest.approx(
        (2 * both.defective(p, 100) + 1) / 4
    )


@settings(deadline=None)
@given(
    st.sampled_from(["accept", "reject", "review"]),
    st.integers(0, 120),
    st.floats(0, 1),
    cases,
    st.booleans(),
)
def test_a_confidence_is_a_probability(
    verdict: Verdict, n: int, share: float, labelled: list[Judged], by_rules: bool
) -> None:
    ruled_too = [*labelled, *(j._replace(by_rules=True, verdict="accept") for j in labelled)]
    found = Confidence(ruled_too).of(verdict, (1 + int(share * n)) / (n + 1), n, by_rules=by_rules)
    assert 0 < found < 1


def seen_of(line: str, distance: float, rng: np.random.Generator) -> Seen:
    """Good and defective parts that lie so far apart, held against 100 good ones."""
    calibration_n = rng.normal(size=100)
    scores = np.concatenate([rng.normal(size=150), rng.normal(distance, 1, size=150)])
    p_values = [float((1 + (calibration_n >= score).sum()) / 101) for score in scores]
    verdicts: list[Verdict] = ["reject" if p <= ALPHA else "accept" for p in p_values]
    return Seen(line, 200, 100, p_values, verdicts, [False] * 150 + [True] * 150)


def test_the_benchmark_on_parts_that_follow_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "RESAMPLES", 50)
    rng = np.random.default_rng(0)
    distances = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    seen = [seen_of(f"line {d}", d, rng) for d in distances]
    found = [likeliest_distance(one) for one in seen]
    assert found == pytest.approx(distances, abs=0.5)
    assert tuple(fit_distance(seen)) == pytest.approx((2.5, 1.08), abs=0.25)
    document = bench_calibration(seen, tmp_path, Console(quiet=True))
    average = document["lines"]["average"]
    # A line without cases can be no better than its distance is known.
    assert average["prior"]["classes"] < 0.75 * average["former"]["classes"]
    assert average["cases"]["classes"] < 0.9 * average["prior"]["classes"]
    for figures in average.values():
        low, high = figures["verdict_range"]
        assert low < figures["verdict"] < high
    assert json.loads((tmp_path / "calibration.json").read_text()) == json.loads(
        json.dumps(document)
    )
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")
