"""The expert that detects: map, score and p-value from what was learned of normal images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import p_value, upper_limit
from experts.decoder.encoder import Features
from experts.decoder.fusion import fuse
from experts.decoder.memory_bank import ROUNDING, image_score, sum_scores
from experts.decoder.model import DecoderModel, Statistics
from experts.decoder.regions import upsample
from experts.decoder.texture import TextureMap, moments
from experts.evidence import AnomalyMap, ChannelScore
from experts.images import Picture

FloatArray = NDArray[np.float32]


class AnomalyDecoder:
    """Compares an image with the normal ones, through one or more channels.

    ``patches``: squared distance to the nearest patch of the bank (AnomalyGPT eq. 2, with L2),
    summed over the banks.
    ``texture`` and ``overall``: see ``experts.decoder.texture``; only for lines with enough images.
    The scores are fused as ``experts.decoder.fusion`` says.
    """

    def __init__(self, model: DecoderModel, alpha: float, encoder: str) -> None:
        self._model = model
        self._encoder = encoder
        self._limit = max(upper_limit(model.calibration.peaks_n, alpha), ROUNDING)

    def decode(self, picture: Picture, features: Features) -> AnomalyMap:
        """Score every place and the whole image.

        Args:
            picture: The image.
            features: Its features, from the encoder that the model was made with.
        """
        model = self._model
        projected = [bank.projection(features.patches_HWC) for bank in model.banks]
        distances = [bank.nearest(p_PK) for bank, p_PK in zip(model.banks, projected, strict=True)]
        patch_scores_HW = sum_scores(distances).reshape(features.patches_HWC.shape[:2])
        score = image_score(patch_scores_HW)
        grid = (patch_scores_HW, features.stride_px, features.centre_px)
        channels: tuple[ChannelScore, ...] = (
            ChannelScore(name="patches", score=score, surprise=None),
        )
        if model.statistics is not None:
            texture = model.statistics.texture.decode(picture.grey_HW)
            channels = _channels(model.statistics, score, texture, projected[0])
            score = fuse(model.statistics.tails, [channel.score for channel in channels])
            grid = _fused_map(model.statistics, patch_scores_HW, texture, features)
        scores_n = model.calibration.scores_n
        return AnomalyMap(
            patch_scores_HW=grid[0],
            patch_stride_px=grid[1],
            patch_centre_px=grid[2],
            image_size_HW=picture.size_HW,
            score=score,
            p_value=p_value(score, scores_n),
            channels=channels,
            calibration_size=len(scores_n),
            limit=self._limit,
            extent_limit=model.calibration.extent_limit,
            encoder=self._encoder,
        )


def _channels(
    statistics: Statistics, score: float, texture: TextureMap, projected_PK: FloatArray
) -> tuple[ChannelScore, ...]:
    scores = {
        "patches": score,
        "texture": float(texture.scores_HW.max()),
        "overall": statistics.overall.score(moments(projected_PK)),
    }
    return tuple(
        ChannelScore(name=name, score=value, surprise=tail.surprise(value))
        for (name, value), tail in zip(scores.items(), statistics.tails, strict=True)
    )


def _fused_map(
    statistics: Statistics, patch_scores_HW: FloatArray, texture: TextureMap, features: Features
) -> tuple[FloatArray, tuple[float, float], tuple[float, float]]:
    """The patch map in units of its limit, plus what the texture exceeds its own limit by.

    As in the fused score, the texture adds nothing where it is as on any seed image. The map then
    keeps the patches' grid, else it takes the texture's finer one.
    """
    patches_HW = patch_scores_HW / np.float32(statistics.patch_limit)
    excess_HW = np.maximum(texture.scores_HW / np.float32(statistics.texture_limit) - 1, 0)
    if not excess_HW.any():
        return patches_HW, features.stride_px, features.centre_px
    # Patch positions in units of texture cells, so that one interpolation brings them over.
    stride = tuple(f / t for f, t in zip(features.stride_px, texture.stride_px, strict=True))
    centre = tuple(
        (f - t) / s
        for f, t, s in zip(features.centre_px, texture.centre_px, texture.stride_px, strict=True)
    )
    size_HW = (excess_HW.shape[0], excess_HW.shape[1])
    on_cells_HW = upsample(patches_HW, size_HW, (stride[0], stride[1]), (centre[0], centre[1]))
    return on_cells_HW + excess_HW, texture.stride_px, texture.centre_px
