"""The seed images: how many there are, and what is learned from them beside the core of the banks.

They are held in memory together, so that each can be scored without what it gave itself. The tails
and the limits of all channels rest on these scores.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import images_needed, upper_limit
from experts.decoder.fusion import Tail
from experts.decoder.memory_bank import ROUNDING, BankBuilder, PatchScores, add_up
from experts.decoder.model import Statistics
from experts.decoder.text import TextScores
from experts.decoder.texture import FineTexture, Overall, moments

FloatArray = NDArray[np.float32]

SEED_SHARE = 0.5
# A smaller core would cover its few images so finely that the others had to bring too much.
MIN_SEED_SHARE = 0.2
# With fewer images the bank holds most patches anyway, and each image is worth more in calibration.
MIN_IMAGES_FOR_SEED = 100
# The seed images' patches are held in memory while the core is made; so many at least, for the
# statistics need them.
MIN_SEED = 20
FOLDS = 10
MAX_SEED_BYTES = 256 * 2**20


class Seed(NamedTuple):
    """What is kept of a seed image until all have come.

    Attributes:
        patches_HWC: float32.
        energies_hwB: float32, of its fine texture.
        text: ``None`` for a line without texts.
        shows_part: Whether it can tell what is normal.
    """

    patches_HWC: FloatArray
    energies_hwB: FloatArray
    text: TextScores | None
    shows_part: bool

    @property
    def learned_HWC(self) -> FloatArray:
        """The patches that the core may take: none of an image that shows no part."""
        return self.patches_HWC if self.shows_part else self.patches_HWC[:0]


def seed_size(count: int, alpha: float, image_bytes: int) -> int:
    """How many images give the core: half, as far as enough are left to promise ``alpha``.

    Args:
        count: Of all images.
        alpha: The false-reject rate to promise.
        image_bytes: Of one image's patches, so that the seed fits into memory.
    """
    size = min(round(SEED_SHARE * count), count - images_needed(alpha))
    if count < MIN_IMAGES_FOR_SEED or size < MIN_SEED_SHARE * count:
        return 0
    return min(size, max(MIN_SEED, MAX_SEED_BYTES // image_bytes))


def fit_statistics(
    seeds: list[Seed], builders: tuple[BankBuilder, ...], alpha: float
) -> tuple[Statistics, list[PatchScores]]:
    """Fit the further channels on the seed images, and all tails on what they score left out.

    Gives also each one's patch scores, those too of an image that shows no part and says nothing of
    the others.
    """
    projections = [builder.projection for builder in builders]
    patch_scores, moments_ND = [], []
    for index, seed in enumerate(seeds):
        projected = [builder.projection(seed.patches_HWC) for builder in builders]
        own = zip(builders, projected, strict=True)
        left_out = [builder.leave_seed_out(index, p_PK) for builder, p_PK in own]
        patch_scores.append(add_up(projections, projected, left_out, seeded=True))
        moments_ND.append(moments(projected[0]))
    kept = [index for index, seed in enumerate(seeds) if seed.shows_part]
    learned = [seeds[index] for index in kept]
    statistics = _statistics(
        learned, [patch_scores[i] for i in kept], np.stack([moments_ND[i] for i in kept]), alpha
    )
    return statistics, patch_scores


def _statistics(
    seeds: list[Seed], patch_scores: list[PatchScores], moments_ND: FloatArray, alpha: float
) -> Statistics:
    texture = FineTexture.fit([seed.energies_hwB for seed in seeds])
    texture_peaks = [float(texture.scores(seed.energies_hwB).max()) for seed in seeds]
    scores = [
        [left_out.score for left_out in patch_scores],
        texture_peaks,
        _cross_fitted(moments_ND),
    ]
    # What the texts say of an image rests on no other, so there is nothing to leave out.
    texts = [seed.text for seed in seeds if seed.text is not None]
    if texts:
        scores.append([text.score for text in texts])
    text_peaks = [float(text.patch_scores_HW.max()) for text in texts]
    peaks_n = np.sort(np.array([p.map_P.max() for p in patch_scores], np.float32))
    return Statistics(
        texture=texture,
        overall=Overall.fit(moments_ND),
        tails=tuple(Tail.fit(np.array(s, np.float32)) for s in scores),
        patch_limit=max(upper_limit(peaks_n, alpha), ROUNDING),
        texture_limit=max(*texture_peaks, ROUNDING),
        text_limit=max(*text_peaks, ROUNDING) if texts else None,
    )


def _cross_fitted(moments_ND: FloatArray) -> list[float]:
    """Overall scores of each tenth by a model of the others; in-sample ones would be too low."""
    scores = np.empty(len(moments_ND))
    for fold in range(FOLDS):
        model = Overall.fit(np.delete(moments_ND, np.s_[fold::FOLDS], axis=0))
        scores[fold::FOLDS] = [model.score(moments_D) for moments_D in moments_ND[fold::FOLDS]]
    return scores.tolist()
