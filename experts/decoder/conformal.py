"""Conformal p-values: what may be promised from n normal scores, and nothing more.

Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005), ch. 2; for anomaly
detection Laxhammar & Falkman (2010) and Bates et al., "Testing for outliers with conformal
p-values" (Annals of Statistics 2023).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def p_value(score: float, calibration_n: NDArray[np.float32]) -> float:
    """(1 + number of normal scores at least as high) / (n + 1).

    If the score and the n calibration scores are exchangeable, the probability that the p-value
    of a normal part is at most alpha is at most alpha, for any alpha and n.

    Args:
        score: Image-level score of the part.
        calibration_n: Scores of normal parts, sorted in ascending order.
    """
    below = int(np.searchsorted(calibration_n, np.float32(score), side="left"))
    return (1 + len(calibration_n) - below) / (len(calibration_n) + 1)


def smallest_p_value(n: int) -> float:
    """The lowest false-reject rate that n normal images can promise, 1 / (n + 1)."""
    return 1 / (n + 1)


def images_needed(alpha: float) -> int:
    """How many calibration images a false-reject rate of ``alpha`` takes at least."""
    return math.ceil(1 / alpha - 1 - 1e-9)


def rate_range(n: int, alpha: float, share: float = 0.9) -> tuple[float, float]:
    """Between which false-reject rates a line lies with probability ``share``.

    The promise holds on average over lines; the rate of one line follows Beta(k, n + 1 − k) with
    k = ⌊alpha (n + 1)⌋, and less where scores tie (Vovk, "Conditional validity of inductive
    conformal predictors", 2012, proposition 2a).

    Args:
        n: Calibration images, enough to promise ``alpha``.
        alpha: The false-reject rate that is promised.
        share: Probability of the range.
    """
    from scipy.special import betaincinv  # scipy.stats would take five times as long to import

    k = min(n, math.floor(alpha * (n + 1) + 1e-9))
    low, high = betaincinv(k, n + 1 - k, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


# A difference between two images makes both count.
TWO_PAIRS = 4


def room_for_twins(n: int, alpha: float) -> int:
    """How many of n images that calibrate a line, and a fresh one, may differ so that it counts.

    Half of those that may be held back, the others are for parts without a twin. In small lines
    more, so that a pair of normal images leaves room for a fresh one and what it differs from; one
    at least is left.

    Args:
        n: Images that calibrate the line.
        alpha: The false-reject rate that it promises.

    Returns:
        0 if a difference cannot be calibrated.
    """
    held_back = math.floor(alpha * (n + 1) + 1e-9)
    room = min(held_back - 1, max(TWO_PAIRS, held_back // 2))
    return room if room >= 2 else 0


def percent(rate: float) -> str:
    """A rate for people, with two digits that count: ``5.0%``, ``0.020%``."""
    digits = 1 if rate >= 0.01 else 1 - math.floor(math.log10(rate * 100)) if rate > 0 else 1
    return f"{rate:.{digits}%}"


def upper_limit(calibration_n: NDArray[np.float32], alpha: float) -> float:
    """The value that a fresh normal value exceeds with probability at most ``alpha``.

    Where n is too small to promise that, the largest value seen; infinite if none was.

    Args:
        calibration_n: Values of normal parts, sorted in ascending order.
        alpha: Between 0 and 1.
    """
    n = len(calibration_n)
    if n == 0:
        return math.inf
    rank = min(n, math.ceil((1 - alpha) * (n + 1) - 1e-9))
    return float(calibration_n[rank - 1])
