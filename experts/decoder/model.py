"""What a decoder learned from normal images, and its form on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts.decoder.fusion import Tail
from experts.decoder.memory_bank import Growth, MemoryBank, Projection
from experts.decoder.text import TextBranch
from experts.decoder.texture import FineTexture, Overall

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Statistics:
    """The channels beside the patch bank, fitted on the seed images.

    Attributes:
        texture: Energy of fine structure at each place.
        overall: Mean and deviation of the whole image's features.
        tails: Of the patch, the texture and the overall scores of seed images, in this order, and
            of the text scores where the line has them.
        patch_limit: Highest patch score that only alpha of the seed images exceed.
        texture_limit: Highest texture score on any seed image.
        text_limit: Highest text score of any patch of a seed image, where the line has texts.
    """

    texture: FineTexture
    overall: Overall
    tails: tuple[Tail, ...]
    patch_limit: float
    texture_limit: float
    text_limit: float | None = None

    def with_text(self, patch_map: FloatArray, text_map: FloatArray | None) -> FloatArray:
        """The patch map, raised where the texts see more than on any seed image.

        As with the texture, what they exceed their limit by counts as much as patches beyond
        theirs.

        Args:
            patch_map: float32 of any shape.
            text_map: In the same shape; ``None`` for a line without texts.
        """
        if text_map is None or self.text_limit is None:
            return patch_map
        excess = np.maximum(text_map / np.float32(self.text_limit) - 1, 0)
        return np.asarray(patch_map + np.float32(self.patch_limit) * excess, np.float32)


@dataclass(frozen=True)
class Calibration:
    """What normal images scored that were left out.

    Attributes:
        scores_n: float32 ascending, image level.
        peaks_n: float32 ascending, highest place of each image's map.
        tails_n: float32 ascending, 99th percentile of each image's map.
    """

    scores_n: FloatArray
    peaks_n: FloatArray
    tails_n: FloatArray

    @property
    def extent_limit(self) -> float:
        """Map value that one normal place in a hundred exceeds; infinite if none was left out."""
        return float(np.median(self.tails_n)) if len(self.tails_n) else math.inf

    def joined(self, later: Calibration) -> Calibration:
        """These normal images and later ones."""
        return Calibration(
            np.sort(np.concatenate([self.scores_n, later.scores_n])),
            np.sort(np.concatenate([self.peaks_n, later.peaks_n])),
            np.sort(np.concatenate([self.tails_n, later.tails_n])),
        )


@dataclass(frozen=True)
class DecoderModel:
    """Everything that an ``AnomalyDecoder`` needs of a line.

    Attributes:
        banks: Normal patches, one bank for each neighbourhood; their distances add up. None for a
            line without images.
        statistics: ``None`` for a line with too few images to spare some for them.
        calibration: Of the fused scores.
        text: ``None`` for a line whose encoder knows no texts.
    """

    banks: tuple[MemoryBank, ...]
    statistics: Statistics | None
    calibration: Calibration
    text: TextBranch | None = None

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for a safetensors file."""
        tensors: dict[str, NDArray[Any]] = {
            "calibration.scores": self.calibration.scores_n,
            "calibration.peaks": self.calibration.peaks_n,
            "calibration.tails": self.calibration.tails_n,
        }
        for bank in self.banks:
            tensors |= _bank_to_tensors(bank)
        if self.statistics is not None:
            tensors |= _statistics_to_tensors(self.statistics)
        if self.text is not None:
            tensors |= {
                "text.normal": self.text.normal_D,
                "text.abnormal": self.text.abnormal_D,
                "text.logit_scale": np.array([self.text.logit_scale]),
            }
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> DecoderModel:
        """The inverse of ``to_tensors``.

        Raises:
            KeyError: If an array is missing.
            ValueError: If an array has another shape than it should.
        """
        pools = sorted(int(name.split(".")[1]) for name in tensors if name.endswith(".patches"))
        banks = tuple(_bank_from_tensors(pool, tensors) for pool in pools)
        calibration = Calibration(
            tensors["calibration.scores"],
            tensors["calibration.peaks"],
            tensors["calibration.tails"],
        )
        statistics = _statistics_from_tensors(tensors) if "texture.mean" in tensors else None
        # A line without banks has texts, or it has nothing.
        has_text = "text.normal" in tensors or not banks
        text = _text_from_tensors(tensors) if has_text else None
        return cls(banks, statistics, calibration, text)


def _bank_to_tensors(bank: MemoryBank) -> dict[str, NDArray[Any]]:
    name = f"bank.{bank.projection.pool}"
    growth = bank.growth
    tensors = {
        f"{name}.patches": bank.patches_MK,
        f"{name}.mean": bank.projection.mean_C,
        f"{name}.growth": np.array([growth.core_size, growth.radius, growth.fair_share], float),
    }
    if bank.projection.basis_CK is not None:
        tensors[f"{name}.basis"] = np.ascontiguousarray(bank.projection.basis_CK)
    return tensors


def _bank_from_tensors(pool: int, tensors: Mapping[str, NDArray[Any]]) -> MemoryBank:
    name = f"bank.{pool}"
    projection = Projection(pool, tensors[f"{name}.mean"], tensors.get(f"{name}.basis"))
    core_size, radius, fair_share = tensors[f"{name}.growth"]
    growth = Growth(int(core_size), float(radius), int(fair_share))
    return MemoryBank(projection, tensors[f"{name}.patches"], growth)


def _statistics_to_tensors(statistics: Statistics) -> dict[str, NDArray[Any]]:
    tails = [(tail.median_log, tail.spread_log, tail.silence) for tail in statistics.tails]
    limits = [statistics.patch_limit, statistics.texture_limit]
    if statistics.text_limit is not None:
        limits.append(statistics.text_limit)
    return {
        "texture.mean": statistics.texture.mean_B,
        "texture.precision": statistics.texture.precision_BB,
        "overall.mean": statistics.overall.mean_D,
        "overall.precision": statistics.overall.precision_DD,
        "tails": np.array(tails),
        "limits": np.array(limits),
    }


def _statistics_from_tensors(tensors: Mapping[str, NDArray[Any]]) -> Statistics:
    patch_limit, texture_limit, *text_limit = (float(value) for value in tensors["limits"])
    return Statistics(
        texture=FineTexture(tensors["texture.mean"], tensors["texture.precision"]),
        overall=Overall(tensors["overall.mean"], tensors["overall.precision"]),
        tails=tuple(Tail(*map(float, tail)) for tail in tensors["tails"]),
        patch_limit=patch_limit,
        texture_limit=texture_limit,
        text_limit=text_limit[0] if text_limit else None,
    )


def _text_from_tensors(tensors: Mapping[str, NDArray[Any]]) -> TextBranch:
    (logit_scale,) = (float(value) for value in tensors["text.logit_scale"])
    return TextBranch(tensors["text.normal"], tensors["text.abnormal"], logit_scale)
