"""How the channels' scores become one: by how surprising each is, so that none needs a weight.

A channel's scores on the seed images give the tail of its normal scores; a score's surprise is
−log of its p-value in that tail, which goes on where the seed images end. The patches' surprise
counts in full. A further channel only counts as far as it surprises more than all but one of the n
seed images did (one odd image must not silence it), and more than the most unusual of n should,
log(n + 1). So a channel that sees nothing in a product adds nothing to nearly all normal parts, and
one that sees what the patches miss decides alone.

Where there are no seed images, what the texts say and what the patches say adds up.

Everything here depends on the seed images alone and rises with every score, which is what the
proof in ``memory_bank`` asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from experts.decoder.memory_bank import ROUNDING, SCALES, PatchScores
from experts.decoder.text import TextScores

# Scores that hardly differ at all are not taken for more certain than to a hundredth.
_MIN_SPREAD = 0.01
# Between two unit vectors.
_LARGEST_SQUARED_DISTANCE = 4


@dataclass(frozen=True)
class Tail:
    """Upper half of a log-normal law.

    Attributes:
        median_log: Of the scores.
        spread_log: Root mean square of how far the upper half lies above the median.
        silence: The surprise up to which a further channel adds nothing.
    """

    median_log: float
    spread_log: float
    silence: float

    @classmethod
    def fit(cls, scores_n: NDArray[np.float32]) -> Tail:
        """Fit on normal scores, at least one."""
        logs_n = np.log(np.maximum(scores_n.astype(float), ROUNDING))
        median = float(np.median(logs_n))
        above_m = logs_n[logs_n >= median] - median
        spread = max(float(np.sqrt((above_m**2).mean())), _MIN_SPREAD)
        second = float(np.sort(scores_n)[-2:][0])
        surprise = cls(median, spread, 0.0).surprise(second)
        return cls(median, spread, max(surprise, math.log(len(scores_n) + 1)))

    def surprise(self, score: float) -> float:
        """−log of the share of normal parts that score higher, never negative."""
        z = (math.log(max(score, ROUNDING)) - self.median_log) / self.spread_log
        return float(-log_ndtr(-z))

    def excess(self, score: float) -> float:
        """What the surprise goes beyond ``silence``, never negative."""
        return max(0.0, self.surprise(score) - self.silence)


def fuse(tails: Sequence[Tail], scores: Sequence[float]) -> float:
    """The first channel's surprise plus the others' excesses."""
    others = zip(tails[1:], scores[1:], strict=True)
    return tails[0].surprise(scores[0]) + sum(tail.excess(score) for tail, score in others)


def beside_text(patches: PatchScores, text: TextScores | None) -> tuple[float, NDArray[np.float32]]:
    """Image score and map (P,) of a line with too few images for tails.

    WinCLIP+ (Jeong et al., CVPR 2023, section 4.3) and AnomalyGPT: what the patches say is added to
    what the texts say. Distances are brought to the span of these, 0 to 1: half of 1 - cos, as in
    WinCLIP's eq. 4, is a quarter of the squared distance of two unit vectors, and a patch holds one
    such vector for each layer in each bank.

    Args:
        patches: Summed over the banks.
        text: ``None`` for a line whose encoder knows no texts; then the patches stand alone.
    """
    if text is None:
        return patches.score, patches.map_P
    unit = _LARGEST_SQUARED_DISTANCE * text.layers
    weights = sum(scale.weight for scale in SCALES.values())
    map_P = text.patch_scores_HW.ravel() + patches.map_P / np.float32(unit * weights)
    # Single patches alone score the image.
    return text.score + patches.score / (unit * SCALES[1].weight), map_P
