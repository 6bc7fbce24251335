"""The memory bank: normal patches, which of them each image brought, and its own calibration.

The bank is built so that the promise on false rejects can be proved while every image serves both
the bank and the calibration:

1. A random fifth of the images, the seed images, gives the core: a greedy coreset of their patches.
2. Every other image contributes the few patches that are farthest from the core and each other.
   What it contributes depends on the image and the core alone.
3. Its calibration score is taken against the bank without its own contribution.

Given the seed images, the others and a fresh normal part are exchangeable. Put the fresh part into
the bank as one more contributor: all scores, each against the bank without its own contribution,
are exchangeable too, so the rank of the fresh one is uniform. That hypothetical bank holds at
least the patches that the calibration scores were taken against, and a nearest-neighbour score
never rises when the bank grows. So the calibration scores in use are at least the hypothetical
ones, the p-value is at least the exact one, and a normal part has p ≤ alpha with probability at
most alpha.

Nearest-neighbour scoring: AnomalyGPT eq. 2 and PatchCore (Roth et al., CVPR 2022). Calibration of
leave-one-out scores: Vovk's cross-conformal prediction, made exact by monotonicity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experts.decoder.coreset import Advance, greedy_coreset, squared_distances

FloatArray = NDArray[np.float32]

BANK_SIZE = 8_000
SEED_SHARE = 0.2
# With fewer images the seed would be too small to be worth the calibration images it costs.
MIN_IMAGES_FOR_SEED = 100
TOP_SHARE = 0.01


@dataclass(frozen=True)
class MemoryBank:
    """Normal patches and the normal scores that belong to them.

    Attributes:
        patches_MC: float32, the core first, then each image's contribution.
        calibration_scores_n: float32 ascending; leave-one-out image scores.
        calibration_peaks_n: float32 ascending; leave-one-out highest patch score of each image.
        extent_limit: Patch score that one normal patch in a hundred exceeds.
    """

    patches_MC: FloatArray
    calibration_scores_n: FloatArray
    calibration_peaks_n: FloatArray
    extent_limit: float


def image_score(patch_scores: FloatArray) -> float:
    """Mean of the highest ``TOP_SHARE`` of the patch scores, at least one patch."""
    flat = patch_scores.ravel()
    count = max(1, round(TOP_SHARE * flat.size))
    return float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))


def build_bank(
    images: Sequence[FloatArray],
    *,
    size: int = BANK_SIZE,
    seed: int = 0,
    advance: Advance = lambda picked: None,
) -> MemoryBank:
    """Build bank and calibration from the patch features of normal images.

    Args:
        images: One (H, W, C) array per image, at least 2.
        size: How many patches the bank holds at most.
        seed: Decides which images give the core.
        advance: Called with the number of images done since the last call.
    """
    flat = [image.reshape(-1, image.shape[-1]) for image in images]  # (H·W, C) each
    order = np.random.default_rng(seed).permutation(len(flat))
    n_seed = round(SEED_SHARE * len(flat)) if len(flat) >= MIN_IMAGES_FOR_SEED else 0
    core_MC = _core([flat[i] for i in order[:n_seed]], size // 2, flat[0].shape[1])
    advance(n_seed)
    contributors = [flat[i] for i in order[n_seed:]]
    share = max(1, (size - len(core_MC)) // len(contributors))
    contributions = [p[greedy_coreset(p, share, core_MC)] for p in contributors]
    patches_MC = np.concatenate([core_MC, *contributions])
    scores, peaks, tails = [], [], []
    for patch_scores in _leave_one_out(contributors, contributions, patches_MC, len(core_MC)):
        scores.append(image_score(patch_scores))
        peaks.append(patch_scores.max())
        tails.append(np.quantile(patch_scores, 0.99))
        advance(1)
    return MemoryBank(
        patches_MC=patches_MC,
        calibration_scores_n=np.sort(np.array(scores, np.float32)),
        calibration_peaks_n=np.sort(np.array(peaks, np.float32)),
        extent_limit=float(np.median(tails)),
    )


def _core(seed_images: list[FloatArray], size: int, channels: int) -> FloatArray:
    if not seed_images:
        return np.empty((0, channels), np.float32)
    candidates_NC = np.concatenate(seed_images)
    return candidates_NC[greedy_coreset(candidates_NC, size)]


def _leave_one_out(
    contributors: list[FloatArray],
    contributions: list[FloatArray],
    patches_MC: FloatArray,
    start: int,
) -> Iterator[FloatArray]:
    """Each contributor's patch scores against the bank without what it contributed itself."""
    for patches_PC, own in zip(contributors, contributions, strict=True):
        distances_PM = squared_distances(patches_PC, patches_MC)
        distances_PM[:, start : start + len(own)] = np.inf
        start += len(own)
        yield distances_PM.min(axis=1)
