"""Tiny models of open_clip with random weights, written to a folder as their makers do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from experts.decoder.clip import CONFIG_NAME, FILE_NAME

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 64, "layers": 8, "width": 64, "head_width": 16, "patch_size": 16}
MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def write_model(folder: Path, vision: dict[str, Any], **more: Any) -> Path:
    """Write configuration and weights; ``folder`` comes back."""
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": TEXT, **more}
    write_config(folder, config)
    torch.manual_seed(0)
    net = build(config)
    save_file({k: t.contiguous() for k, t in net.state_dict().items()}, folder / FILE_NAME)
    return folder


def write_config(folder: Path, config: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    preprocess = {"mean": MEAN, "std": DEVIATION, "interpolation": "bicubic"}
    document = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / CONFIG_NAME).write_text(json.dumps(document))


def build(config: dict[str, Any]) -> Any:
    """A model by its configuration, with the weights that it is born with."""
    from open_clip.coca_model import CoCa
    from open_clip.model import CLIP, CustomTextCLIP

    options = {k: v for k, v in config.items() if k != "custom_text"}
    custom = CoCa if "multimodal_cfg" in config else CustomTextCLIP
    return (custom if config.get("custom_text") else CLIP)(**options).eval()


def reference_model(folder: Path, image_size: tuple[int, int]) -> Any:
    """The folder's model as open_clip itself loads it for a fixed input size (H, W)."""
    model = open_clip.create_model(f"local-dir:{folder}", force_image_size=image_size)
    return model.eval()
