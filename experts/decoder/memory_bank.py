"""The memory bank: normal patches, which of them each image brought, and its own calibration.

The bank is built so that the promise on false rejects can be proved while every image serves both
the bank and the calibration:

1. A random half of the images, the seed images, gives the core: a greedy coreset of their patches.
2. Every other image contributes the patches that the core leaves uncovered: again greedily, down to
   the radius at which the core covers its own images. So an unusual image brings more than a common
   one, and what an image brings depends on the image and the core alone.
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

from experts.decoder.conformal import images_needed
from experts.decoder.coreset import Advance, greedy_coreset, squared_distances

FloatArray = NDArray[np.float32]

# Each image's fair share of the bank is this divided by the number of images. The core takes the
# shares of all its images; most other images need less than theirs, so the bank gets smaller.
BANK_SIZE = 6_000
# How many times its fair share an unusual image may bring.
MAX_SHARES = 4
SEED_SHARE = 0.5
# A smaller core would cover its few images so finely that the others had to bring too much.
MIN_SEED_SHARE = 0.2
# With fewer images the bank holds most patches anyway, and each image is worth more in calibration.
MIN_IMAGES_FOR_SEED = 100
TOP_SHARE = 0.01
# Squared distances between features of length 1 to 2 are right to about a millionth.
ROUNDING = 1e-5


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
    """Mean of the highest ``TOP_SHARE`` of the patch scores, at least one patch.

    What is only rounding counts as 0, so that equal images score equally.
    """
    flat = patch_scores.ravel()
    count = max(1, round(TOP_SHARE * flat.size))
    score = float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))
    return score if score > ROUNDING else 0.0


def build_bank(
    images: Sequence[FloatArray],
    alpha: float,
    *,
    size: int = BANK_SIZE,
    seed: int = 0,
    advance: Advance = lambda picked: None,
) -> MemoryBank:
    """Build bank and calibration from the patch features of normal images.

    Args:
        images: One (H, W, C) array per image, at least 2.
        alpha: The false-reject rate to promise; enough images to promise it stay out of the seed.
        size: About how many patches the bank shall hold; never more than ``MAX_SHARES`` times it.
        seed: Decides which images give the core.
        advance: Called with the number of images done since the last call.
    """
    flat = [image.reshape(-1, image.shape[-1]) for image in images]  # (H·W, C) each
    order = np.random.default_rng(seed).permutation(len(flat))
    n_seed = _seed_size(len(flat), alpha)
    fair_share = max(1, size // len(flat))
    core_MC, radius = _core(
        [flat[i] for i in order[:n_seed]],
        fair_share,
        flat[0].shape[1],
        lambda picked: advance(picked / fair_share),
    )
    contributors = [flat[i] for i in order[n_seed:]]
    shares = MAX_SHARES if n_seed else 1
    contributions = [_contribution(p, core_MC, radius, shares * fair_share) for p in contributors]
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


def _seed_size(n: int, alpha: float) -> int:
    """How many images give the core: half, as far as enough are left to promise ``alpha``."""
    size = min(round(SEED_SHARE * n), n - images_needed(alpha))
    return size if n >= MIN_IMAGES_FOR_SEED and size >= MIN_SEED_SHARE * n else 0


def _core(
    seed_images: list[FloatArray], fair_share: int, channels: int, advance: Advance
) -> tuple[FloatArray, float]:
    """Coreset of the seed images' patches, and the squared radius that it covers them with."""
    if not seed_images:
        return np.empty((0, channels), np.float32), 0.0
    candidates_NC = np.concatenate(seed_images)
    core = greedy_coreset(candidates_NC, fair_share * len(seed_images), advance=advance)
    return candidates_NC[core.indices], float(core.distances[-1])


def _contribution(
    patches_PC: FloatArray, core_MC: FloatArray, radius: float, size: int
) -> FloatArray:
    """Up to ``size`` patches of one image that lie beyond ``radius`` of core and each other."""
    picked = greedy_coreset(patches_PC, size, core_MC)
    return patches_PC[picked.indices[picked.distances > radius]]


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
