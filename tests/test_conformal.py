from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.decoder.conformal import (
    images_needed,
    p_value,
    percent,
    rate_range,
    smallest_p_value,
    upper_limit,
)


@pytest.mark.parametrize(
    ("score", "expected"), [(0.5, 1.0), (1.0, 1.0), (1.5, 4 / 5), (4.0, 2 / 5), (4.5, 1 / 5)]
)
def test_p_value_by_hand(score: float, expected: float) -> None:
    assert p_value(score, np.array([1, 2, 3, 4], np.float32)) == pytest.approx(expected)


finite = st.floats(-1e3, 1e3, width=32)


@given(st.lists(finite, min_size=1, max_size=50), finite)
def test_p_value_equals_counting(scores: list[float], score: float) -> None:
    counted = (1 + sum(s >= score for s in scores)) / (len(scores) + 1)
    assert p_value(score, np.sort(np.array(scores, np.float32))) == pytest.approx(counted)


def test_false_rejects_stay_within_alpha_for_exchangeable_scores() -> None:
    rng = np.random.default_rng(0)
    draws = rng.standard_cauchy(size=(20_000, 40)).astype(np.float32)
    rejected = [p_value(float(d[0]), np.sort(d[1:])) <= 0.05 for d in draws]
    # 39 others: exactly 2 of 40 ranks reject, so the rate is 0.05; 3 standard errors are 0.0046.
    assert abs(np.mean(rejected) - 0.05) < 0.0047


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.5, 1), (0.3, 3)])
def test_images_needed_is_the_least_number_that_can_promise_alpha(alpha: float, n: int) -> None:
    assert images_needed(alpha) == n
    assert smallest_p_value(n) <= alpha + 1e-12 < smallest_p_value(n - 1)


@given(st.lists(finite, min_size=1, max_size=60), st.floats(0.01, 0.6))
def test_upper_limit_agrees_with_the_p_value(values: list[float], alpha: float) -> None:
    calibration = np.sort(np.array(values, np.float32))
    limit = upper_limit(calibration, alpha)
    assert limit in calibration
    if smallest_p_value(len(values)) <= alpha:
        assert p_value(float(np.nextafter(np.float32(limit), np.float32(np.inf))), calibration) <= (
            alpha + 1e-6
        )
    else:
        assert limit == calibration[-1]


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (100, 0.05), (60, 0.1)])
def test_range_of_the_rate_equals_simulation(n: int, alpha: float) -> None:
    rng = np.random.default_rng(0)
    k = int(alpha * (n + 1) + 1e-9)
    # Scores are uniform without loss of generality: only ranks count.
    limits = np.sort(rng.random((40_000, n)), axis=1)[:, n - k]
    low, high = rate_range(n, alpha)
    assert np.quantile(1 - limits, [0.05, 0.95]) == pytest.approx([low, high], abs=0.004)


@pytest.mark.parametrize("alpha", [0.5, 1 - 1e-12])
def test_range_of_the_rate_by_hand(alpha: float) -> None:
    # With one image the limit is one uniform score, whatever alpha rounds to.
    assert rate_range(1, alpha) == pytest.approx((0.05, 0.95))


@pytest.mark.parametrize(
    ("rate", "text"), [(0.05, "5.0%"), (1 / 3, "33.3%"), (0.0002, "0.020%"), (0.01, "1.0%")]
)
def test_a_rate_in_words(rate: float, text: str) -> None:
    assert percent(rate) == text
