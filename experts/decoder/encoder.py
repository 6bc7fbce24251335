"""What an encoder is, and the registry of those that Echo knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from experts.errors import WeightsError
from experts.images import Picture


@dataclass(frozen=True)
class Features:
    """What an encoder sees in one image.

    Attributes:
        embedding_E: float32, L2-normalised, describes the whole image.
        patches_HWC: float32, each layer's part L2-normalised.
        stride_px: Step from patch to patch in pixels of the input image, (vertical, horizontal).
        centre_px: Centre of the first patch's field of view in those pixels.
    """

    embedding_E: NDArray[np.float32]
    patches_HWC: NDArray[np.float32]
    stride_px: tuple[float, float]
    centre_px: tuple[float, float]


class Encoder(Protocol):
    """Turns images into patch features and one embedding.

    Patch size, input size and normalisation are the encoder's own business.

    Attributes:
        name: Its name in the registry, written into every line.
        weights_sha256: Of the weights; a line is refused if they differ.
        embedding_dim: Length of the embedding.
        patch_dim: Length of a patch feature.
        batch_size: How many pictures it encodes best at once.
    """

    name: str
    weights_sha256: str
    embedding_dim: int
    patch_dim: int
    batch_size: int

    def encode(self, pictures: Sequence[Picture]) -> list[Features]:
        """Encode a batch of pictures, of any sizes, in order."""
        ...


DEFAULT_ENCODER = "efficientnet-lite0"


def _efficientnet_lite0() -> Encoder:
    from experts.decoder.efficientnet import EfficientNetEncoder

    return EfficientNetEncoder()


_REGISTRY: dict[str, Callable[[], Encoder]] = {DEFAULT_ENCODER: _efficientnet_lite0}
_LOADED: dict[str, Encoder] = {}


def register_encoder(name: str, build: Callable[[], Encoder]) -> None:
    """Make an encoder available under ``name``; ``build`` is called at its first use."""
    _REGISTRY[name] = build
    _LOADED.pop(name, None)


def encoder_names() -> list[str]:
    """Names that ``load_encoder`` accepts."""
    return sorted(_REGISTRY)


def load_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """Load an encoder once per process.

    Raises:
        WeightsError: If the name is unknown, or its weights are missing or not the expected ones.
    """
    if name not in _REGISTRY:
        raise WeightsError(f"unknown encoder {name!r}; known are {', '.join(encoder_names())}")
    if name not in _LOADED:
        _LOADED[name] = _REGISTRY[name]()
    return _LOADED[name]
