"""What kind of defect a region is, learnt from a few labelled examples of each kind.

Two questions are kept apart. *Which kind is the likeliest?* is answered by linear discriminant
analysis with a shrunken covariance (Friedman, "Regularized Discriminant Analysis", JASA 1989); the
parts of the descriptor are weighted by how well each alone tells the examples apart. *Which kinds
fit at all?* is answered by a conformal p-value for each kind, so that a region may be "crack or
scratch", or of no kind that was shown.

The p-value is that of full conformal prediction, taken within one kind (label-conditional, or
Mondrian; Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005, §4.5). Suppose
that the region is of kind k. Then it and the n examples of k are exchangeable. The measure of
distance is learnt from the other kinds alone, and each of the n + 1 is measured against the others
of them in the same way, so their scores are exchangeable too: the share of scores at least as high
as the region's is at most e with probability at most e, whatever the features are. The smallest
p-value is 1 / (n + 1): five examples can promise that the right kind is in the set five times out
of six, and no more. So a kind of n examples is left out at p ≤ max(``MISS_RATE``, 1 / (n + 1)).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from experts.decoder.descriptor import PARTS
from experts.errors import EnrolError
from experts.evidence import KindSet

FloatArray = NDArray[np.float32]

# How often the right kind may be missing from the set, where the examples suffice to promise it.
MISS_RATE = 0.1
MIN_EXAMPLES = 2
# Weight of the round covariance against that of the examples.
SHRINKAGE = 0.5
# A measure that hardly varies between the examples is not blown up beyond this.
_FLOOR = 0.05
_TINY = 1e-9
# A part that tells nothing apart is nearly left out.
_LEAST_SKILL = 0.001
# Examples left out, each in turn, to set the temperature; more would take time and change little.
_LEFT_OUT = 25
_TEMPERATURES = np.geomspace(0.1, 1000, 41)


class KindModel:
    """Names the kind of a region; made by ``fit`` or ``from_tensors``.

    Attributes:
        names: The kinds that were shown, sorted.
        coverage: The share of regions of any of these kinds that have their kind in the set.
    """

    def __init__(self, descriptors_ND: FloatArray, names: Sequence[str]) -> None:
        self.names = tuple(sorted(set(names)))
        self._points_ND = torch.from_numpy(np.asarray(descriptors_ND, np.float64))
        self._kinds_N = torch.tensor([self.names.index(name) for name in names])
        self._miss_rates = [
            max(MISS_RATE, 1 / (1 + int(count))) for count in self._kinds_N.bincount()
        ]
        self.coverage = 1 - max(self._miss_rates)
        self._space = _Space(self._points_ND, self._kinds_N)
        self._centres_KD = _centres(self._space.place(self._points_ND), self._kinds_N)
        self._temperature = self._fit_temperature()
        self._rivalries = [
            _Rivalry(self._points_ND, self._kinds_N, kind) for kind in range(len(self.names))
        ]

    @classmethod
    def fit(cls, descriptors_ND: FloatArray, names: Sequence[str]) -> KindModel:
        """Learn from examples.

        Args:
            descriptors_ND: float32, from ``describe_place``.
            names: The kind of each.

        Raises:
            EnrolError: If there is no example, or fewer than ``MIN_EXAMPLES`` of a kind.
        """
        if not names:
            raise EnrolError("no example of any kind of defect; show 3 to 5 of each")
        for name, count in sorted(Counter(names).items()):
            if count < MIN_EXAMPLES:
                raise EnrolError(
                    f"only {count} example of the kind {name!r}; show at least {MIN_EXAMPLES}, "
                    f"better 3 to 5"
                )
        return cls(descriptors_ND, names)

    @property
    def descriptors_ND(self) -> FloatArray:
        """The examples, float32, in the order in which they were given."""
        return np.asarray(self._points_ND.numpy(), np.float32)

    def predict(self, descriptor_D: FloatArray) -> KindSet:
        """The kinds that fit a region, and how likely each is."""
        point_1D = torch.from_numpy(np.asarray(descriptor_D, np.float64))[None]
        distance_K = _squared(self._space.place(point_1D), self._centres_KD)[0]
        probability_K = torch.softmax(-distance_K / (2 * self._temperature), dim=0).tolist()
        p_values = [rivalry.p_value(point_1D) for rivalry in self._rivalries]
        order = sorted(range(len(self.names)), key=lambda kind: -probability_K[kind])
        # A p-value of just the rate is 0.16666666666666666 in one way and …69 in another.
        fits = [k for k in order if p_values[k] > self._miss_rates[k] + 1e-9]
        return KindSet(
            names=tuple(self.names[k] for k in fits),
            probabilities={self.names[k]: probability_K[k] for k in order},
            p_values={self.names[k]: p_values[k] for k in order},
            coverage=self.coverage,
        )

    def _fit_temperature(self) -> float:
        """The temperature at which examples that were left out of the fit are likeliest.

        Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).
        """
        by_kind_N = torch.argsort(self._kinds_N, stable=True)
        some = torch.linspace(0, len(by_kind_N) - 1, min(len(by_kind_N), _LEFT_OUT)).round().long()
        distances, kinds = [], []
        for out in by_kind_N[some].tolist():
            kept_N = torch.arange(len(by_kind_N)) != out
            rest_ND, rest_N = self._points_ND[kept_N], self._kinds_N[kept_N]
            space = _Space(rest_ND, rest_N)
            centres_KD = _centres(space.place(rest_ND), rest_N)
            distances.append(_squared(space.place(self._points_ND[out : out + 1]), centres_KD))
            kinds.append(self._kinds_N[out : out + 1])
        distance_NK, kind_N = torch.cat(distances), torch.cat(kinds)
        losses = [
            float(torch.nn.functional.cross_entropy(-distance_NK / (2 * t), kind_N))
            for t in _TEMPERATURES
        ]
        return float(_TEMPERATURES[int(np.argmin(losses))])

    def to_tensors(self) -> dict[str, NDArray[np.generic]]:
        """All that ``from_tensors`` needs, as arrays that safetensors can store."""
        return {
            "descriptors": self.descriptors_ND,
            "kinds": self._kinds_N.numpy(),
            "names": np.frombuffer(json.dumps(self.names).encode(), np.uint8),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> KindModel:
        """The model whose examples these are; it learns from them again."""
        known = json.loads(tensors["names"].tobytes().decode())
        return cls(
            np.asarray(tensors["descriptors"], np.float32),
            [known[int(kind)] for kind in tensors["kinds"]],
        )


class _Rivalry:
    """How strange a region is as one of a kind, measured in the space of the other kinds.

    Strange is what is far from the others of its kind, and the more so if it is near to another
    kind: mean squared distance to the others, by distance to the nearest centre of another kind.
    The farthest of the others is left out: that may be the region itself, and however far it is,
    it must not make the examples look strange.
    """

    def __init__(self, points_ND: torch.Tensor, kinds_N: torch.Tensor, kind: int) -> None:
        own_N = kinds_N == kind
        self._space = _Space(points_ND[~own_N], kinds_N[~own_N])
        self._own_nD = self._space.place(points_ND[own_N])
        self._rivals_RD = _centres(self._space.place(points_ND[~own_N]), kinds_N[~own_N])

    def p_value(self, point_1D: torch.Tensor) -> float:
        """Share of the kind's examples and the region that are at least as strange as it."""
        all_mD = torch.cat([self._own_nD, self._space.place(point_1D)])
        # The first of the sorted distances is that to itself, 0.
        strange_m = _squared(all_mD, all_mD).sort(dim=1).values[:, 1:-1].mean(dim=1)
        if len(self._rivals_RD):
            strange_m = strange_m / _squared(all_mD, self._rivals_RD).amin(dim=1).sqrt()
        # Equal ones that rounding sets apart count as equal.
        return float((strange_m >= strange_m[-1] * (1 - 1e-9)).double().mean())


class _Space:
    """Coordinates in which the squared distance to a kind's mean is that of the discriminant.

    Without any examples they are the descriptor's own.
    """

    def __init__(self, points_ND: torch.Tensor, kinds_N: torch.Tensor) -> None:
        count, size = points_ND.shape
        self._mean_D = torch.zeros(size, dtype=torch.float64)
        self._scale_D = torch.ones(size, dtype=torch.float64)
        self._axes_RD = torch.zeros((0, size), dtype=torch.float64)
        self._along_R = torch.zeros(0, dtype=torch.float64)
        self._outside = 1.0
        if count == 0:
            return
        self._mean_D = points_ND.mean(dim=0)
        for number, part in enumerate(_parts(size)):
            width_D = _width(points_ND[:, part], together=number < 2)
            centred_ND = (points_ND[:, part] - self._mean_D[part]) / width_D
            self._scale_D[part] = _skill(centred_ND, kinds_N) / width_D
        scaled_ND = (points_ND - self._mean_D) * self._scale_D
        rest_ND = scaled_ND - _centres(scaled_ND, kinds_N)[_index(kinds_N)]
        freedom = max(count - len(set(kinds_N.tolist())), 1)
        shrunk = SHRINKAGE * float(rest_ND.square().sum()) / freedom / size + 1e-12
        _, singular_R, self._axes_RD = torch.linalg.svd(rest_ND, full_matrices=False)
        variance_R = (1 - SHRINKAGE) * singular_R.square() / freedom + shrunk
        self._outside = shrunk**-0.5
        self._along_R = variance_R.rsqrt() - self._outside

    def place(self, points_ND: torch.Tensor) -> torch.Tensor:
        """Bring descriptors into these coordinates; nothing is left out."""
        scaled_ND = (points_ND - self._mean_D) * self._scale_D
        along_NR = scaled_ND @ self._axes_RD.T * self._along_R
        return scaled_ND * self._outside + along_NR @ self._axes_RD


def _parts(size: int) -> list[slice]:
    """The encoder's two parts of a descriptor, and the measured ones."""
    half = (size - sum(PARTS)) // 2
    ends = np.cumsum([0, half, half, *PARTS]).tolist()
    return [slice(low, high) for low, high in pairwise(ends)]


def _width(points_ND: torch.Tensor, *, together: bool) -> torch.Tensor:
    """How far a part spreads: as a whole where its numbers share one scale, else each by itself."""
    variance_D = points_ND.var(dim=0, correction=0)
    if together:
        return variance_D.sum().add(_TINY).sqrt().expand_as(variance_D)
    return variance_D.sqrt().add(_FLOOR).mul(len(variance_D) ** 0.5)


def _skill(points_ND: torch.Tensor, kinds_N: torch.Tensor) -> float:
    """How much better than chance the nearest mean of the other examples names the kinds."""
    index_N = _index(kinds_N)
    count_K = index_N.bincount().double()
    if len(count_K) < 2:
        return 1.0
    distance_NK = _squared(points_ND, _centres(points_ND, kinds_N))
    # Leaving a point out of its own kind's mean moves that mean away from it.
    own_N = torch.arange(len(points_ND))
    n_N = count_K[index_N]
    own_distance_N = distance_NK[own_N, index_N] * (n_N / (n_N - 1)) ** 2
    distance_NK[own_N, index_N] = own_distance_N.where(n_N > 1, torch.inf)
    right = float((distance_NK.argmin(dim=1) == index_N).double().mean())
    chance = 1 / len(count_K)
    return max((right - chance) / (1 - chance), _LEAST_SKILL)


def _centres(points_ND: torch.Tensor, kinds_N: torch.Tensor) -> torch.Tensor:
    """The mean of each kind that there is, (K, D), in the order of their numbers."""
    index_N = _index(kinds_N)
    sums_KD = torch.zeros(len(index_N.bincount()), points_ND.shape[1], dtype=torch.float64)
    sums_KD.index_add_(0, index_N, points_ND)
    return sums_KD / index_N.bincount()[:, None]


def _index(kinds_N: torch.Tensor) -> torch.Tensor:
    """Numbers from 0 without gaps, in the same order."""
    present = sorted(set(kinds_N.tolist()))
    return torch.tensor([present.index(kind) for kind in kinds_N.tolist()], dtype=torch.int64)


def _squared(points_ND: torch.Tensor, others_KD: torch.Tensor) -> torch.Tensor:
    """Squared distances (N, K), of the differences themselves: products would lose digits."""
    return (points_ND[:, None] - others_KD[None]).square().sum(dim=2)
