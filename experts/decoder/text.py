"""The zero-shot branch: how far an image's patches, and the image, look like abnormal states.

The map is AnomalyGPT's eq. 1 (Gu et al., AAAI 2024), the image score and the ensemble of prompts
those of WinCLIP (Jeong et al., CVPR 2023, section 4.1). No image of the product is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from experts.decoder.encoder import Encoder, Features
from experts.errors import WeightsError
from experts.prompts import Prompts

FloatArray = NDArray[np.float32]


class TextEncoder(Protocol):
    """An encoder that knows texts: its images' embeddings lie in the same space.

    Attributes:
        knows_texts: Whether its patches have a place in that space too.
        logit_scale: What it multiplies cosines with before a softmax, by its training.
    """

    knows_texts: bool
    logit_scale: float

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts, (N, D) float32, L2-normalised."""
        ...


def as_text_encoder(encoder: Encoder) -> TextEncoder | None:
    """The encoder, if it knows texts and its patches have a place among them."""
    return cast(TextEncoder, encoder) if getattr(encoder, "knows_texts", False) else None


class TextScores(NamedTuple):
    """How abnormal an image looks by words alone.

    Attributes:
        patch_scores_HW: float32, 0 to 1, one per patch.
        score: Of the whole image, 0 to 1.
        layers: How many layers a patch was compared in.
    """

    patch_scores_HW: FloatArray
    score: float
    layers: int


class TextBranch:
    """Compares an image with a normal and an abnormal class of texts."""

    def __init__(self, normal_D: FloatArray, abnormal_D: FloatArray, logit_scale: float) -> None:
        """Take the classes' embeddings.

        Args:
            normal_D: float32, L2-normalised.
            abnormal_D: float32, L2-normalised.
            logit_scale: Of the model that made them.
        """
        self.normal_D = normal_D
        self.abnormal_D = abnormal_D
        self.logit_scale = logit_scale

    @classmethod
    def from_prompts(cls, encoder: TextEncoder, prompts: Prompts) -> TextBranch:
        """Embed the prompts of both classes.

        Raises:
            WeightsError: If the encoder's tokenizer is not there.
        """
        normal_D, abnormal_D = (_class_embedding(encoder, texts) for texts in prompts)
        return cls(normal_D, abnormal_D, encoder.logit_scale)

    def decode(self, features: Features) -> TextScores:
        """Score every patch and the whole image.

        A patch's score is its probability to be abnormal, the softmax over both classes, on the
        average of the layers: eq. 1's sum, divided by their number to stay within 0 to 1.

        Args:
            features: From the encoder that the texts were embedded with.

        Raises:
            WeightsError: If the features do not lie in the space of the texts.
        """
        projected_LHWD = features.projected_LHWD
        if projected_LHWD is None:
            raise WeightsError(
                "the encoder's patches have no place in the space of texts; take an open_clip "
                "model whose image tower is a plain vision transformer, such as ViT-B-16"
            )
        patches_LHW = self._abnormal(projected_LHWD)
        score = float(self._abnormal(features.embedding_E))
        return TextScores(patches_LHW.mean(axis=0), score, len(patches_LHW))

    def _abnormal(self, embeddings_D: FloatArray) -> FloatArray:
        """Probability of the abnormal class for each embedding (…, D), in the shape (…)."""
        # The softmax over two classes is the logistic function of their logits' difference.
        direction_D = torch.from_numpy(self.abnormal_D - self.normal_D)
        difference = torch.from_numpy(embeddings_D) @ direction_D
        return np.asarray(torch.sigmoid(self.logit_scale * difference).numpy(), np.float32)


def _class_embedding(encoder: TextEncoder, texts: Sequence[str]) -> FloatArray:
    """Mean of the texts' embeddings, brought back to length 1."""
    mean_D = encoder.encode_texts(texts).mean(axis=0, dtype=np.float64)
    return np.asarray(mean_D / np.linalg.norm(mean_D), np.float32)
