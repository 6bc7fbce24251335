"""From pictures to a transformer's input and from its tokens to features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from experts.decoder.encoder import Features
from experts.images import Picture

LAYERS = 4  # AnomalyGPT, section 3.2
MIN_PATCHES = 2  # on a side
MAX_STRETCH = 4  # a side is at most this many times that of the square input
# A transformer's own activations are large beside a convolution's; a GPU wants more at once.
BATCH_SIZE = 4
GPU_BATCH_SIZE = 32


@dataclass(frozen=True)
class Recipe:
    """How a model wants its input; every value comes from the model or its configuration.

    Attributes:
        area_px: Pixels of the input; its aspect ratio is the picture's.
        patch_HW: Pixels of a patch; the input's sides are multiples of it.
        mean_3: Subtracted from RGB in 0 to 1.
        deviation_3: Divides what is left.
        interpolation: Name of Pillow's resampling filter, such as ``bicubic``.
    """

    area_px: int
    patch_HW: tuple[int, int]
    mean_3: tuple[float, ...]
    deviation_3: tuple[float, ...]
    interpolation: str

    def input_size_HW(self, size_HW: tuple[int, int]) -> tuple[int, int]:
        """The input size for an image: nearly its aspect ratio, about ``area_px`` pixels."""
        height, width = size_HW
        scale = (self.area_px / (height * width)) ** 0.5
        longest = MAX_STRETCH * self.area_px**0.5

        def side(length: int, patch: int) -> int:
            patches = round(min(length * scale, longest) / patch)
            return int(max(patches, MIN_PATCHES)) * patch

        return side(height, self.patch_HW[0]), side(width, self.patch_HW[1])

    def tensor(self, picture: Picture, size_HW: tuple[int, int]) -> torch.Tensor:
        """The picture as normalised input, float32 (3, H, W)."""
        image = Image.fromarray(picture.rgb_HW3)
        if picture.size_HW != size_HW:
            filter_ = Image.Resampling[self.interpolation.upper()]
            image = image.resize((size_HW[1], size_HW[0]), filter_)
        rgb_3HW = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        mean = torch.tensor(self.mean_3)[:, None, None]
        return (rgb_3HW - mean) / torch.tensor(self.deviation_3)[:, None, None]


class Tokens(NamedTuple):
    """What a transformer gives for a batch; see ``Features`` for the meaning of each."""

    embedding_NE: torch.Tensor
    patches_NHWC: torch.Tensor
    projected_NLHWD: torch.Tensor | None = None


def encode_pictures(
    pictures: Sequence[Picture],
    recipe: Recipe,
    device: torch.device,
    forward: Callable[[torch.Tensor], Tokens],
) -> list[Features]:
    """Encode pictures in order; those of equal input size share a forward pass.

    Args:
        pictures: Of any sizes.
        recipe: The model's.
        device: Where ``forward`` takes its input.
        forward: From input (N, 3, H, W) to tokens on the grid of whole patches.
    """
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, picture in enumerate(pictures):
        by_size[recipe.input_size_HW(picture.size_HW)].append(i)
    features: dict[int, Features] = {}
    for size_HW, indices in by_size.items():
        batch = torch.stack([recipe.tensor(pictures[i], size_HW) for i in indices])
        with torch.inference_mode():
            tokens = forward(batch.to(device))
        for n, i in enumerate(indices):
            features[i] = _features(tokens, n, recipe, pictures[i].size_HW, size_HW)
    return [features[i] for i in range(len(pictures))]


def _features(
    tokens: Tokens,
    n: int,
    recipe: Recipe,
    size_HW: tuple[int, int],
    input_HW: tuple[int, int],
) -> Features:
    stride_y = recipe.patch_HW[0] * size_HW[0] / input_HW[0]
    stride_x = recipe.patch_HW[1] * size_HW[1] / input_HW[1]
    projected_NLHWD = tokens.projected_NLHWD
    return Features(
        embedding_E=tokens.embedding_NE[n].cpu().numpy(),
        patches_HWC=tokens.patches_NHWC[n].cpu().numpy(),
        stride_px=(stride_y, stride_x),
        # Pixel 0 has its centre at 0, so a patch of pixels 0 to 13 has it at 6.5.
        centre_px=((stride_y - 1) / 2, (stride_x - 1) / 2),
        projected_LHWD=None if projected_NLHWD is None else projected_NLHWD[n].cpu().numpy(),
    )


def spread_layers(depth: int) -> list[int]:
    """``LAYERS`` blocks at equal steps up to the last: 5, 11, 17, 23 of 24; fewer if so few."""
    return sorted({max(depth * k // LAYERS, 1) - 1 for k in range(1, LAYERS + 1)})


def join_layers(layers_NHWC: Sequence[torch.Tensor]) -> torch.Tensor:
    """Each layer's tokens brought to length 1, then laid end to end: (N, H, W, all C)."""
    return torch.cat([F.normalize(layer, dim=-1) for layer in layers_NHWC], dim=-1)


def best_device() -> torch.device:
    """The GPU where there is one.

    All runs in float32 there too: a line's calibration must mean the same on every machine.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batch_size_on(device: torch.device) -> int:
    """How many pictures a transformer encodes best at once."""
    return GPU_BATCH_SIZE if device.type == "cuda" else BATCH_SIZE
