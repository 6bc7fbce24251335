"""The expert that detects: map, score and p-value from a memory bank of normal patches."""

from __future__ import annotations

import faiss
import numpy as np

from experts.decoder.conformal import p_value, upper_limit
from experts.decoder.encoder import Features
from experts.decoder.memory_bank import MemoryBank, image_score
from experts.evidence import AnomalyMap


class AnomalyDecoder:
    """Compares patches with the bank's nearest normal ones (AnomalyGPT eq. 2, with L2)."""

    def __init__(self, bank: MemoryBank, alpha: float, encoder: str) -> None:
        self._bank = bank
        self._encoder = encoder
        self._limit = upper_limit(bank.calibration_peaks_n, alpha)
        self._index = faiss.IndexFlatL2(bank.patches_MC.shape[1])
        self._index.add(bank.patches_MC)

    def decode(self, features: Features, image_size_HW: tuple[int, int]) -> AnomalyMap:
        """Score every patch and the whole image.

        Args:
            features: From the encoder that the bank was made with.
            image_size_HW: Of the input image in pixels.
        """
        height, width, channels = features.patches_HWC.shape
        distances_N1, _ = self._index.search(features.patches_HWC.reshape(-1, channels), 1)
        patch_scores_HW = distances_N1.reshape(height, width)
        score = image_score(patch_scores_HW)
        return AnomalyMap(
            patch_scores_HW=np.maximum(patch_scores_HW, 0),
            patch_stride_px=features.stride_px,
            patch_centre_px=features.centre_px,
            image_size_HW=image_size_HW,
            score=score,
            p_value=p_value(score, self._bank.calibration_scores_n),
            calibration_size=len(self._bank.calibration_scores_n),
            limit=self._limit,
            extent_limit=self._bank.extent_limit,
            encoder=self._encoder,
        )
