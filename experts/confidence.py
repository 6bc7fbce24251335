"""How probable it is that a verdict is right, as if good and defective parts came equally often.

The p-values of good parts are uniform on k / (n + 1); that is what the decoder promises. Those of
defective parts follow what lines have in common, and the line's own cases:

1. Scores that a monotone map makes normal lie d standard deviations higher where a part is
   defective (the binormal model with equal variances; Green & Swets, "Signal Detection Theory and
   Psychophysics", 1966). So p has the distribution function Φ(d + Φ⁻¹(p)). From line to line d is
   normal, never below 0.
2. A line's own curve scatters around that one, not least because its ranks rest on few normal
   images: a Dirichlet process, as if the common curve had been seen on ``PRIOR_CASES`` cases
   (Antoniak, "Mixtures of Dirichlet processes", Annals of Statistics 1974). Defective parts that
   people judged move it.
3. A lower p-value is never less suspicious: of the curve the closest one with a falling density
   is taken (Grenander 1956).

People mostly judge what was not accepted, so a case tells where among such parts the defective
ones lie, never how many of them escape: within p ≤ alpha only the shares move, and so beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr, ndtri

from experts.decoder.conformal import smallest_p_value
from experts.evidence import Verdict

FloatArray = NDArray[np.float64]

# How many cases the common curve is worth, as in Laplace's rule. From 1 to 5 the log loss on those
# lines hardly differs: 0.434 to 0.441.
PRIOR_CASES = 2.0

# Values of d that are tried.
DISTANCES_D = np.linspace(0, 8, 41)


class Distance(NamedTuple):
    """How far defective parts lie from good ones, over lines.

    Attributes:
        mean: In standard deviations of good parts.
        deviation: From line to line.
    """

    mean: float
    deviation: float


# Of five products, each enrolled from 20, 60 and all images: python -m benchmarks.calibration
LINES = Distance(1.9, 0.9)


class Judged(NamedTuple):
    """A part that a person has judged, and what was said of it before.

    Attributes:
        p_value: Its conformal p-value.
        alpha: The false-reject rate that its line promised.
        calibration_size: How many normal images its p-value rests on.
        verdict: What was decided.
        by_rules: Whether clauses decided that.
        defective: What the person says.
    """

    p_value: float
    alpha: float
    calibration_size: int
    verdict: Verdict
    by_rules: bool
    defective: bool


class Confidence:
    """Gives the probability that a verdict is right.

    Args:
        labelled: Parts of the line that people have judged, the latest last.
        distance: Of lines in common.
    """

    def __init__(self, labelled: Sequence[Judged] = (), distance: Distance = LINES) -> None:
        self._labelled = tuple(labelled)
        self._prior_D = -0.5 * ((DISTANCES_D - distance.mean) / distance.deviation) ** 2
        self._defective: dict[int, list[Judged]] = {}
        for judged in self._labelled:
            if judged.defective and judged.calibration_size > 0:
                self._defective.setdefault(judged.calibration_size, []).append(judged)
        self._known: dict[int, FloatArray] = {}

    def of(
        self, verdict: Verdict, p_value: float, calibration_size: int, *, by_rules: bool
    ) -> float:
        """Return the probability that a verdict is right; 0.5 for a review, which a person ends.

        What clauses decided is as probable as the line's cases of that sort say (Laplace's rule of
        succession). Without any, a part that they reject is as probably defective as its p-value
        says, and nothing is known of one that is tolerated although it is unusual.

        Args:
            verdict: What was decided.
            p_value: Of the part.
            calibration_size: How many normal images it rests on.
            by_rules: Whether clauses decided.
        """
        if verdict == "review":
            return 0.5
        defective = self.defective(p_value, calibration_size)
        if not by_rules:
            return defective if verdict == "reject" else 1 - defective
        before = defective if verdict == "reject" else 0.5
        cases = [j for j in self._labelled if j.by_rules and j.verdict == verdict]
        agreed = sum(j.defective == (verdict == "reject") for j in cases)
        return (PRIOR_CASES * before + agreed) / (PRIOR_CASES + len(cases))

    def defective(self, p_value: float, calibration_size: int) -> float:
        """Return the probability that a part is defective; 0.5 if nothing was calibrated.

        Args:
            p_value: Of the part.
            calibration_size: How many normal images it rests on.
        """
        if calibration_size < 1 or not math.isfinite(p_value * calibration_size):
            return 0.5
        density_K = self._densities(calibration_size)
        density = float(density_K[_rank(p_value, calibration_size) - 1])
        return density / (1 + density)

    def _densities(self, n: int) -> FloatArray:
        """How many times as often as good parts defective ones have each rank, from 1 to n + 1."""
        if n not in self._known:
            log_D = self._prior_D.copy()
            for size in self._defective:
                log_D += self._cases(size).log_likelihood_D()
            weight_D = np.exp(log_D - log_D.max())
            mass_K = weight_D / weight_D.sum() @ self._cases(n).moved_DK()
            self._known[n] = _falling(mass_K) * (n + 1)
        return self._known[n]

    def _cases(self, n: int) -> _Cases:
        """The defective ones of a calibration size. A line's alpha seldom changes: the latest."""
        held_back, count_K = 0, np.zeros(n + 1)
        for case in self._defective.get(n, ()):
            alpha = max(case.alpha, smallest_p_value(n))
            held_back = min(n, math.floor(alpha * (n + 1) + 1e-9))
            count_K[_rank(case.p_value, n) - 1] += 1
        return _Cases(count_K, held_back)


class _Cases(NamedTuple):
    """Defective cases of one calibration size.

    Attributes:
        count_K: How many have each rank.
        held_back: Parts up to this rank were not accepted.
    """

    count_K: FloatArray
    held_back: int

    def log_likelihood_D(self) -> FloatArray:
        """Of each distance, by the ranks of the cases among those that were (not) accepted."""
        log_D = np.zeros_like(DISTANCES_D)
        for mass_DK, count_K in self._strata():
            prior_DK, seen = PRIOR_CASES * mass_DK, count_K > 0
            prior_D = prior_DK.sum(axis=1)
            each_DK = gammaln(prior_DK[:, seen] + count_K[seen]) - gammaln(prior_DK[:, seen])
            log_D += each_DK.sum(axis=1) + gammaln(prior_D) - gammaln(prior_D + count_K.sum())
        return log_D

    def moved_DK(self) -> FloatArray:
        """How many defective parts have each rank: the common curve, moved by the cases."""
        parts = []
        for mass_DK, count_K in self._strata():
            moved_DK = PRIOR_CASES * mass_DK + count_K
            of_all_D1 = mass_DK.sum(axis=1, keepdims=True)
            parts.append(of_all_D1 * moved_DK / moved_DK.sum(axis=1, keepdims=True))
        return np.concatenate(parts, axis=1)

    def _strata(self) -> list[tuple[FloatArray, FloatArray]]:
        """Ranks that were not accepted, and those that were."""
        mass_DK = rank_shares_DK(len(self.count_K) - 1)
        cuts = [slice(0, self.held_back), slice(self.held_back, None)]
        return [(mass_DK[:, cut], self.count_K[cut]) for cut in cuts if self.count_K[cut].size]


def _rank(p_value: float, n: int) -> int:
    return min(max(1, round(p_value * (n + 1))), n + 1)


@lru_cache(maxsize=8)
def rank_shares_DK(n: int) -> FloatArray:
    """How often defective parts at each distance have each rank, from 1 to n + 1."""
    z_DK = DISTANCES_D[:, None] + ndtri(np.arange(n + 2) / (n + 1))
    # Differences of small numbers keep their digits, those of numbers close to 1 do not.
    rising_DK, falling_DK = np.diff(ndtr(z_DK), axis=1), -np.diff(ndtr(-z_DK), axis=1)
    mass_DK: FloatArray = np.where(z_DK[:, 1:] < 0, rising_DK, falling_DK)
    mass_DK.setflags(write=False)
    return mass_DK


def _falling(mass_K: FloatArray) -> FloatArray:
    """The closest sequence that never rises: what rises is pooled with what stands before it."""
    pooled: list[tuple[float, int]] = []
    for mass in mass_K.tolist():
        total, count = mass, 1
        while pooled and pooled[-1][0] * count < total * pooled[-1][1]:
            before, many = pooled.pop()
            total, count = total + before, count + many
        pooled.append((total, count))
    totals, counts = np.array(pooled).T
    falling_K: FloatArray = np.repeat(totals / counts, counts.astype(int))
    return falling_K
