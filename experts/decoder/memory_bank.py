"""The memory bank: normal patches, and which of them each image brought.

The bank is built so that the promise on false rejects can be proved while every image serves both
the bank and the calibration:

1. The seed images give the core: a greedy coreset of their patches.
2. Every other image contributes the patches that the core leaves uncovered: again greedily, down to
   the radius at which the core covers its own images. So an unusual image brings more than a common
   one, and what an image brings depends on the image and the core alone.
3. Its calibration score is taken against the bank without its own contribution.

Below 100 images, or more for a small alpha, there is no seed and no core: each image contributes a
greedy coreset of its own patches. There are several banks, for neighbourhoods of several sizes, and
their scores are summed, which rises with each. The residual outside of a bank's subspace depends on
the image and the seed alone, and only enters the map. An image in which a line finds no part
contributes nothing. Where there is no seed, all images choose how they are looked at, in a frame or
in turned views; the choice does not see the fresh part, and what follows holds nearly, not exactly.

Given the seed images, the others and a fresh normal part are exchangeable. Put the fresh part into
the bank as one more contributor: all scores, each against the bank without its own contribution,
are exchangeable too, so the rank of the fresh one is uniform. That hypothetical bank holds at
least the patches that the calibration scores were taken against, and a nearest-neighbour score
never rises when the bank grows. So the calibration scores in use are at least the hypothetical
ones, the p-value is at least the exact one, and a normal part has p ≤ alpha with probability at
most alpha. The same holds for every score that rises with this one and otherwise depends on the
image and the seed images alone. The sum with the text score is one: what the texts say depends on
the image alone.

Nearest-neighbour scoring: AnomalyGPT eq. 2 and PatchCore (Roth et al., CVPR 2022). Calibration of
leave-one-out scores: Vovk's cross-conformal prediction, made exact by monotonicity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from experts.decoder.coreset import CHUNK, Advance, greedy_coreset, nearest_distances

FloatArray = NDArray[np.float32]

# Each image's fair share of the bank is this divided by the number of images. The core takes the
# shares of all its images; most other images need less than theirs, so the bank gets smaller.
BANK_SIZE = 6_000
# How many times its fair share an unusual image may bring.
MAX_SHARES = 4


class Scale(NamedTuple):
    """How the bank of one neighbourhood is made and counted.

    Attributes:
        weight: Of its distances in the sum: averages lie closer together than what they are of.
        share: Of ``BANK_SIZE``: averages vary less, so fewer of them make as dense a bank.
    """

    weight: float
    share: float


# One bank for each neighbourhood, by the side of the square that patches are averaged over. 1
# leaves them as they are; the wider one sees faint changes of an area, in which patches drown.
# Areas vary in more ways than a few images show, so without seed images it only enters the map.
SCALES = {1: Scale(1, 1), 7: Scale(2, 0.5)}
# A longer patch is brought down to so many principal components, where there are seed images; to
# more if these hold less than this share of the variance, as with patches of thousands of channels.
COMPONENTS = 192
VARIANCE = 0.95
TOP_SHARE = 0.01
# Squared distances between features of length 1 to 2 are right to about a millionth.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Projection:
    """How patches are prepared for the bank: averaged with their neighbours, then projected.

    A projected patch holds its K coordinates in the principal subspace of normal patches, and then
    how far it lies outside. Those of a bank are drawn into the subspace. So a squared distance is
    that inside, as AnomalyGPT and PatchCore take it, plus the squared residual, as SubspaceAD
    takes it: anomalies lie where normal patches hardly vary, and all those directions together
    cost one number.

    Attributes:
        pool: Side of the neighbourhood, in patches.
        mean_C: float32, subtracted before the projection.
        basis_CK: float32, orthonormal columns; ``None`` keeps all channels.
    """

    pool: int
    mean_C: FloatArray
    basis_CK: FloatArray | None

    @torch.inference_mode()
    def __call__(self, patches_HWC: FloatArray) -> FloatArray:
        """Patches (H, W, C) to float32 (H·W, K + 1), or (H·W, C) without a basis."""
        pooled_PC = torch.from_numpy(pool_patches(patches_HWC, self.pool))
        if self.basis_CK is None:
            return np.asarray(pooled_PC.numpy(), np.float32)
        basis_CK = torch.from_numpy(self.basis_CK)
        centred_PC = pooled_PC - torch.from_numpy(self.mean_C)
        inside_PK = centred_PC @ basis_CK
        # By Pythagoras, which costs far less than the part outside itself.
        squares_P = (centred_PC**2).sum(dim=1) - (inside_PK**2).sum(dim=1)
        outside_P = squares_P.clamp(min=0).sqrt()
        return np.asarray(torch.cat([inside_PK, outside_P[:, None]], dim=1).numpy(), np.float32)

    def residuals(self, projected_PK: FloatArray) -> FloatArray:
        """Squared length of what lies outside the subspace, (P,)."""
        if self.basis_CK is None:
            return np.zeros(len(projected_PK), np.float32)
        return np.asarray(projected_PK[:, -1] ** 2, np.float32)

    def draw_inside(self, projected_PK: FloatArray) -> FloatArray:
        """Projected patches as a bank holds them: nothing of them lies outside."""
        if self.basis_CK is None:
            return projected_PK
        inside_PK = projected_PK.copy()
        inside_PK[:, -1] = 0
        return inside_PK

    @classmethod
    def fit(cls, pool: int, images: list[FloatArray], channels: int) -> Projection:
        """Principal components of the images' patches; all channels without an image."""
        mean_C = np.zeros(channels, np.float32)
        if not images or channels <= COMPONENTS:
            return cls(pool, mean_C, None)
        count, sum_C, sum_CC = 0, torch.zeros(channels).double(), torch.zeros(channels, channels)
        sum_CC = sum_CC.double()
        for image in images:
            pooled_PC = torch.from_numpy(pool_patches(image, pool)).double()
            count += len(pooled_PC)
            sum_C += pooled_PC.sum(dim=0)
            sum_CC += pooled_PC.T @ pooled_PC
        mean = sum_C / count
        values_C, vectors_CC = torch.linalg.eigh(sum_CC / count - torch.outer(mean, mean))
        held_C = values_C.flip(0).clamp(min=0).cumsum(0)
        kept = max(COMPONENTS, int((held_C < VARIANCE * held_C[-1]).sum()) + 1)
        basis_CK = vectors_CC.flip(1)[:, :kept].float().contiguous()
        return cls(pool, mean.float().numpy(), basis_CK.numpy())


def pool_patches(patches_HWC: FloatArray, pool: int) -> FloatArray:
    """Mean over the ``pool`` × ``pool`` patches around each, as far as they exist: (H·W, C)."""
    if pool == 1:
        return patches_HWC.reshape(-1, patches_HWC.shape[2])
    height, width, channels = patches_HWC.shape
    # Columns, then rows, as matrix products: a tenth of the time of a pooling layer.
    rows_HX = _means(height, pool) @ torch.from_numpy(patches_HWC).reshape(height, -1)
    pooled_HWC = _means(width, pool) @ rows_HX.reshape(height, width, channels)
    return np.asarray(pooled_HWC.reshape(-1, channels).numpy(), np.float32)


@lru_cache(maxsize=64)
def _means(size: int, pool: int) -> torch.Tensor:
    """Matrix (size, size) that averages each of a row with its neighbours."""
    index = torch.arange(size)
    near = ((index[:, None] - index[None, :]).abs() <= pool // 2).float()
    return near / near.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Growth:
    """How a bank goes on growing when further images come.

    Attributes:
        core_size: How many of its patches are the core.
        radius: Squared distance to the core within which a patch is covered.
        fair_share: How many patches an image may bring; beside a core, ``MAX_SHARES`` times more.
    """

    core_size: int
    radius: float
    fair_share: int


@dataclass(frozen=True)
class MemoryBank:
    """Normal patches of one neighbourhood, and how a query's patches are compared with them.

    Attributes:
        projection: What is done to a patch first.
        patches_MK: float32, projected; the core first, then each image's contribution.
        growth: What further images may bring.
    """

    projection: Projection
    patches_MK: FloatArray
    growth: Growth

    @cached_property
    def _chunks(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        chunks = torch.split(torch.from_numpy(self.patches_MK), CHUNK)
        return [(chunk.T.contiguous(), (chunk**2).sum(dim=1)) for chunk in chunks]

    @torch.inference_mode()
    def nearest(self, projected_PK: FloatArray) -> FloatArray:
        """Squared distance of each projected patch to the bank's nearest, float32 (P,).

        By matrix products: exact like a flat FAISS index, at less than half its time for a few
        hundred queries.
        """
        patches_PK = torch.from_numpy(projected_PK)
        nearest_JP = torch.stack(
            [
                torch.addmm(norms_m, patches_PK, chunk_Km, alpha=-2).amin(dim=1)
                for chunk_Km, norms_m in self._chunks
            ]
        )
        nearest_P = (nearest_JP.amin(dim=0) + (patches_PK**2).sum(dim=1)).clamp(min=0)
        return np.asarray(nearest_P.numpy(), np.float32)


class BankBuilder:
    """Builds a bank: the core from the seed images, then one contribution per image."""

    def __init__(
        self,
        pool: int,
        seed_images: list[FloatArray],
        channels: int,
        fair_share: int,
        advance: Advance = lambda picked: None,
    ) -> None:
        """Make the core.

        Args:
            pool: Side of the neighbourhood, in patches.
            seed_images: (H, W, C) each; without any, all images contribute their fair share.
            channels: C.
            fair_share: Patches per image.
            advance: Called with the number of patches picked since the last call.
        """
        self.projection = Projection.fit(pool, seed_images, channels)
        self._fair_share = fair_share
        self._radius = 0.0
        self._owners_M = np.empty(0, np.intp)
        basis_CK = self.projection.basis_CK
        width = channels if basis_CK is None else basis_CK.shape[1] + 1
        self._core_MK = np.empty((0, width), np.float32)
        if seed_images:
            candidates = [
                self.projection.draw_inside(self.projection(image)) for image in seed_images
            ]
            candidates_NK = np.concatenate(candidates)
            core = greedy_coreset(candidates_NK, fair_share * len(candidates), advance=advance)
            owners_N = np.repeat(np.arange(len(candidates)), [len(c) for c in candidates])
            distinct = core.indices[core.distances > ROUNDING]
            self._core_MK = candidates_NK[distinct]
            self._owners_M = owners_N[distinct]
            self._radius = float(core.distances[-1])
        self._contributions: list[FloatArray] = []

    @classmethod
    def resume(cls, bank: MemoryBank) -> BankBuilder:
        """Go on with a finished bank; all that was contributed before counts as number 0."""
        growth, projection = bank.growth, bank.projection
        builder = cls(projection.pool, [], len(projection.mean_C), growth.fair_share)
        builder.projection = projection
        builder._radius = growth.radius
        builder._core_MK = bank.patches_MK[: growth.core_size]
        builder._contributions = [bank.patches_MK[growth.core_size :]]
        return builder

    def contribute(self, patches_PK: FloatArray) -> int:
        """Add what one more image's projected patches bring; gives its number, from 0."""
        inside_PK = self.projection.draw_inside(patches_PK)
        shares = MAX_SHARES if len(self._core_MK) else 1
        radius = max(self._radius, ROUNDING)
        picked = greedy_coreset(inside_PK, shares * self._fair_share, self._core_MK, radius)
        self._contributions.append(inside_PK[picked.indices])
        return len(self._contributions) - 1

    def leave_seed_out(self, index: int, patches_PK: FloatArray) -> FloatArray:
        """Distances of a seed image's patches to the core without those that it gave itself.

        All 0 if the core holds no others, as with copies of one image.
        """
        others_MK = self._core_MK[self._owners_M != index]
        if not len(others_MK):
            return np.zeros(len(patches_PK), np.float32)
        return nearest_distances(patches_PK, others_MK)

    def bank(self) -> MemoryBank:
        """The bank as it stands."""
        growth = Growth(len(self._core_MK), self._radius, self._fair_share)
        patches_MK = np.concatenate([self._core_MK, *self._contributions])
        return MemoryBank(self.projection, patches_MK, growth)

    def half_bank(self) -> FloatArray:
        """The core and the contributions of even number, (m, K)."""
        return np.concatenate([self._core_MK, *self._contributions[::2]])

    def leave_one_out(self, index: int, patches_PK: FloatArray, bank_MK: FloatArray) -> FloatArray:
        """Distances of a contributor's patches to the bank without its contribution.

        Args:
            index: Its number from ``contribute``.
            patches_PK: Its projected patches.
            bank_MK: Those of the finished bank.
        """
        start = self._starts[index]
        rest = (bank_MK[:start], bank_MK[start + len(self._contributions[index]) :])
        nearest_JP = [nearest_distances(patches_PK, part_mK) for part_mK in rest if len(part_mK)]
        return np.asarray(np.min(nearest_JP, axis=0), np.float32)

    @cached_property
    def _starts(self) -> list[int]:
        sizes = [len(c) for c in self._contributions]
        return [len(self._core_MK) + int(start) for start in np.cumsum([0, *sizes])]


class PatchScores(NamedTuple):
    """What the banks say of an image's patches.

    Attributes:
        inside_P: float32, distances within the principal subspaces.
        outside_P: float32, residuals outside of them.
        score: Of the image, from distances alone. Residuals show best where, distances whether
            something is wrong.
    """

    inside_P: FloatArray
    outside_P: FloatArray
    score: float

    @property
    def map_P(self) -> FloatArray:
        """The score of each place, float32."""
        return self.inside_P + self.outside_P


def add_up(
    projections: Sequence[Projection],
    projected: Sequence[FloatArray],
    distances: Sequence[FloatArray],
    *,
    seeded: bool,
) -> PatchScores:
    """Sum over the banks.

    Args:
        projections: Of each bank.
        projected: The image's patches by each.
        distances: Squared, of these to each bank.
        seeded: Whether the banks have a core, so that all of them score the image.
    """
    inside_P = outside_P = np.zeros(len(distances[0]), np.float32)
    alone_P = inside_P
    for projection, patches_PK, distance_P in zip(projections, projected, distances, strict=True):
        residual_P = projection.residuals(patches_PK)
        weight = np.float32(SCALES[projection.pool].weight)
        own_P = weight * np.maximum(distance_P - residual_P, 0)
        inside_P = inside_P + own_P
        outside_P = outside_P + weight * residual_P
        if projection.pool == 1:
            alone_P = own_P
    return PatchScores(inside_P, outside_P, image_score(inside_P if seeded else alone_P))


def image_score(patch_scores: FloatArray) -> float:
    """Mean of the highest ``TOP_SHARE`` of the patch scores, at least one patch.

    What is only rounding counts as 0, so that equal images score equally.
    """
    flat = patch_scores.ravel()
    count = max(1, round(TOP_SHARE * flat.size))
    score = float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))
    return score if score > ROUNDING else 0.0
