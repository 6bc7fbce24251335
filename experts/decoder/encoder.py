"""What an encoder is, and the registry of those that Echo knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from experts.errors import WeightsError
from experts.images import Picture

if TYPE_CHECKING:
    from experts.decoder.framing import Frame


@dataclass(frozen=True)
class Features:
    """What an encoder sees in one image.

    Attributes:
        embedding_E: float32, L2-normalised, describes the whole image.
        patches_HWC: float32, each layer's part L2-normalised.
        stride_px: Step from patch to patch in pixels of the input image, (vertical, horizontal).
        centre_px: Centre of the first patch's field of view in those pixels.
        projected_LHWD: float32, the patches of each of L layers in the space of texts,
            L2-normalised; only from an encoder that knows texts. Its embedding lies there too.
        frame: Where the features come from, if a line looks at its parts in a frame; the pixels
            above are then the frame's.
    """

    embedding_E: NDArray[np.float32]
    patches_HWC: NDArray[np.float32]
    stride_px: tuple[float, float]
    centre_px: tuple[float, float]
    projected_LHWD: NDArray[np.float32] | None = None
    frame: Frame | None = None


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


def _timm(spec: str) -> Encoder:
    from experts.decoder.vit import TimmEncoder

    return TimmEncoder(spec)


def _open_clip(spec: str) -> Encoder:
    from experts.decoder.clip import OpenClipEncoder

    return OpenClipEncoder(spec)


_REGISTRY: dict[str, Callable[[], Encoder]] = {DEFAULT_ENCODER: _efficientnet_lite0}
# Each is called with what stands behind the colon of its name.
_FAMILIES: dict[str, Callable[[str], Encoder]] = {"timm": _timm, "open_clip": _open_clip}
_FORMS = ("timm:MODEL[@FOLDER]", "open_clip:ARCH/TAG", "open_clip:FOLDER")
_LOADED: dict[str, Encoder] = {}


def register_encoder(name: str, build: Callable[[], Encoder]) -> None:
    """Make an encoder available under ``name``; ``build`` is called at its first use."""
    _REGISTRY[name] = build
    _LOADED.pop(name, None)


def encoder_names() -> list[str]:
    """Names of single encoders that ``load_encoder`` accepts; it takes whole families beside."""
    return sorted(_REGISTRY)


def is_known_encoder(name: str) -> bool:
    """Whether the name is registered or belongs to a family; its weights may still be missing."""
    return _builder(name) is not None


def load_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """Load an encoder once per process.

    Args:
        name: A registered name; ``timm:MODEL`` for a vision transformer of timm, with
            ``@FOLDER`` or ``@FILE.safetensors`` for weights that lie there;
            ``open_clip:ARCH/TAG`` for published weights, or ``open_clip:FOLDER``.

    Raises:
        WeightsError: If the name is unknown, or its weights are missing or not the expected ones.
    """
    build = _builder(name)
    if build is None:
        known = ", ".join([*encoder_names(), *_FORMS])
        raise WeightsError(f"unknown encoder {name!r}; known are {known}")
    if name not in _LOADED:
        _LOADED[name] = build()
    return _LOADED[name]


def _builder(name: str) -> Callable[[], Encoder] | None:
    if name in _REGISTRY:
        return _REGISTRY[name]
    family, _, spec = name.partition(":")
    return partial(_FAMILIES[family], spec) if family in _FAMILIES and spec else None
