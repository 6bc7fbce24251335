"""The expert that detects: map, score and p-value from what was learned of normal images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import p_value, upper_limit
from experts.decoder.encoder import Features
from experts.decoder.fusion import beside_text, fuse
from experts.decoder.memory_bank import ROUNDING, PatchScores, add_up
from experts.decoder.model import DecoderModel, Statistics
from experts.decoder.regions import upsample
from experts.decoder.template import TemplateMap
from experts.decoder.text import TextScores
from experts.decoder.texture import TextureMap, moments
from experts.decoder.twins import Laid, Ruling, Twin
from experts.evidence import AnomalyMap, ChannelScore, TwinScore
from experts.images import Picture

FloatArray = NDArray[np.float32]
# Scores, step and first centre in image pixels.
_Grid = tuple[FloatArray, tuple[float, float], tuple[float, float]]


class _Seen(NamedTuple):
    """What the channels see in an image, its twin aside."""

    score: float
    grid: _Grid
    channels: tuple[ChannelScore, ...]


class AnomalyDecoder:
    """Compares an image with the normal ones, through one or more channels.

    ``patches``: squared distance to the nearest patch of the bank (AnomalyGPT eq. 2, with L2),
    summed over the banks; on the map also what lies outside the normal patches' subspace.
    ``texture`` and ``overall``: see ``experts.decoder.texture``; only for lines with enough images.
    ``text``: see ``experts.decoder.text``; only for lines whose encoder knows texts, and all that a
    line without images has.
    The scores are fused as ``experts.decoder.fusion`` says. A twin, see ``experts.decoder.twins``,
    stands beside them: where the image differs from it in a way that counts, that adds to the map
    and to the score that images are ranked by.
    """

    def __init__(self, model: DecoderModel, alpha: float, encoder: str) -> None:
        self._model = model
        self._encoder = encoder
        self._limit = max(upper_limit(model.calibration.peaks_n, alpha), ROUNDING)
        self._score_limit = max(upper_limit(model.calibration.scores_n, alpha), ROUNDING)

    @property
    def limit(self) -> float:
        """The patch score that only ``alpha`` of normal images reach, see ``AnomalyMap``."""
        return self._limit

    def decode(self, picture: Picture, features: Features, laid: Laid | None = None) -> AnomalyMap:
        """Score every place and the whole image.

        Args:
            picture: The image.
            features: Its features, from the encoder that the model was made with.
            laid: The image beside the line's, where the line looks for twins.
        """
        model, frame = self._model, features.frame
        seen = frame.picture if frame else picture
        score, grid, channels = self._look(seen, features)
        scores_n = model.calibration.scores_n
        p, compared, differing = p_value(score, scores_n), None, 0
        # A single image leaves no limits in whose units a difference could be weighed.
        if laid is not None and len(scores_n):
            ruling = laid.rule(score)
            p, differing = ruling.p_value, ruling.differing
            compared = self._weigh(laid, ruling)
            if laid.twin is not None and compared is not None and compared.stands_out:
                grid = self._with_twin(grid, laid.twin, compared.limit)
        anomaly = AnomalyMap(
            patch_scores_HW=grid[0],
            patch_stride_px=grid[1],
            patch_centre_px=grid[2],
            image_size_HW=seen.size_HW,
            score=score + (compared.added if compared else 0.0),
            p_value=p,
            channels=channels,
            calibration_size=len(scores_n),
            differing=differing,
            limit=self._limit,
            extent_limit=model.calibration.extent_limit,
            encoder=self._encoder,
            twin=compared,
        )
        return frame.in_image(anomaly) if frame else anomaly

    def _look(self, picture: Picture, features: Features) -> _Seen:
        model = self._model
        text = model.text.decode(features) if model.text is not None else None
        if text is not None and not model.banks:
            grid = _grid(text.patch_scores_HW, features)
            return _Seen(text.score, grid, _unranked({"text": text.score}))
        projected = [bank.projection(features.patches_HWC) for bank in model.banks]
        distances = [bank.nearest(p_PK) for bank, p_PK in zip(model.banks, projected, strict=True)]
        projections = [bank.projection for bank in model.banks]
        seeded = model.statistics is not None
        patches = add_up(projections, projected, distances, seeded=seeded)
        if model.statistics is None:
            score, map_P = beside_text(patches, text)
            grid = _grid(map_P.reshape(features.patches_HWC.shape[:2]), features)
            scores = {"patches": patches.score} | ({"text": text.score} if text else {})
            return _Seen(score, grid, _unranked(scores))
        texture = model.statistics.texture.decode(picture.grey_HW)
        channels = _channels(model.statistics, patches.score, texture, projected[0], text)
        score = fuse(model.statistics.tails, [channel.score for channel in channels])
        grid = _fused_map(model.statistics, patches, texture, text, features)
        return _Seen(score, grid, channels)

    def _weigh(self, laid: Laid, ruling: Ruling) -> TwinScore | None:
        """Where it counts, a difference adds what the other channels give beyond their limit.

        Else it adds nothing: normal parts have a twin more often than others, and would rise.
        """
        if laid.twin is None:
            return None
        twin = TwinScore(
            path=laid.twin.path,
            agreement=laid.twin.agreement,
            difference=laid.difference.highest,
            limit=laid.finder.limit,
            area=laid.difference.area,
            largest_area=ruling.largest_area,
            calibrated=ruling.calibrated,
            added=0.0,
        )
        if not twin.stands_out:
            return twin
        return twin.model_copy(update={"added": self._score_limit * twin.difference / twin.limit})

    def _with_twin(self, grid: _Grid, twin: Twin, limit: float) -> _Grid:
        """The higher of the map and the differences, each in units of its own limit."""
        on_cells_HW = _resampled(grid, twin.map)
        differences_HW = twin.map.scores_HW * np.float32(self._limit / limit)
        return np.maximum(on_cells_HW, differences_HW), twin.map.stride_px, twin.map.centre_px


def _grid(scores_HW: FloatArray, features: Features) -> _Grid:
    return scores_HW, features.stride_px, features.centre_px


def _unranked(scores: Mapping[str, float]) -> tuple[ChannelScore, ...]:
    """Channels of a line without seed images, which would tell how surprising a score is."""
    return tuple(
        ChannelScore(name=name, score=score, surprise=None) for name, score in scores.items()
    )


def _channels(
    statistics: Statistics,
    score: float,
    texture: TextureMap,
    projected_PK: FloatArray,
    text: TextScores | None,
) -> tuple[ChannelScore, ...]:
    scores = {
        "patches": score,
        "texture": float(texture.scores_HW.max()),
        "overall": statistics.overall.score(moments(projected_PK)),
    }
    if text is not None:
        scores["text"] = text.score
    return tuple(
        ChannelScore(name=name, score=value, surprise=tail.surprise(value))
        for (name, value), tail in zip(scores.items(), statistics.tails, strict=True)
    )


def _fused_map(
    statistics: Statistics,
    patches: PatchScores,
    texture: TextureMap,
    text: TextScores | None,
    features: Features,
) -> _Grid:
    """The patch map in units of its limit, plus what texts and texture exceed their own limits by.

    As in the fused score, these add nothing where they are as on any seed image. The map then keeps
    the patches' grid, else it takes the texture's finer one.
    """
    patch_scores_HW = patches.map_P.reshape(features.patches_HWC.shape[:2])
    text_scores_HW = text.patch_scores_HW if text is not None else None
    raised_HW = statistics.with_text(patch_scores_HW, text_scores_HW)
    grid = _grid(raised_HW / np.float32(statistics.patch_limit), features)
    excess_HW = np.maximum(texture.scores_HW / np.float32(statistics.texture_limit) - 1, 0)
    if not excess_HW.any():
        return grid
    return _resampled(grid, texture) + excess_HW, texture.stride_px, texture.centre_px


def _resampled(grid: _Grid, cells: TextureMap | TemplateMap) -> FloatArray:
    """Scores on one grid, brought to the cells of another."""
    scores_HW, stride_px, centre_px = grid
    # Positions in units of cells, so that one interpolation brings them over.
    stride = tuple(own / cell for own, cell in zip(stride_px, cells.stride_px, strict=True))
    centre = tuple(
        (own - first) / step
        for own, first, step in zip(centre_px, cells.centre_px, cells.stride_px, strict=True)
    )
    rows, columns = cells.scores_HW.shape
    return upsample(scores_HW, (rows, columns), (stride[0], stride[1]), (centre[0], centre[1]))
