"""Vision transformers through timm: DINOv2, DINOv3, DeiT, CLIP's and SigLIP's towers, EVA and more.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021). Patch tokens of four layers spread
over the depth, each with the final norm: Gu et al., AnomalyGPT (AAAI 2024), section 3.2; that a
frozen DINOv2 suffices to find anomalies: Damm et al., "AnomalyDINO" (WACV 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from experts.decoder.encoder import Features
from experts.decoder.inputs import (
    Recipe,
    Tokens,
    batch_size_on,
    best_device,
    encode_pictures,
    join_layers,
    spread_layers,
)
from experts.decoder.weights import (
    hub_weights,
    local_weights,
    misfit,
    near_names,
    read_tensors,
    sha256_of,
)
from experts.errors import WeightsError
from experts.images import Picture

FILE_NAME = "model.safetensors"


class TimmEncoder:
    """A vision transformer of timm; see ``Encoder`` for the contract.

    Patch size, input size, normalisation and the tokens before the patches (class, registers)
    come from the model and its configuration. Position embeddings are interpolated to the
    picture's aspect ratio.
    """

    def __init__(self, spec: str) -> None:
        """Build the model and load its weights.

        Args:
            spec: ``MODEL`` for published weights, ``MODEL@PATH`` for a safetensors file or a
                folder that holds ``model.safetensors``.

        Raises:
            WeightsError: If the model is unknown or no vision transformer, or its weights cannot
                be found or are others.
        """
        model, _, place = spec.partition("@")
        _check_known(model)
        path = Path(place).expanduser().resolve() if place else None
        file = local_weights(path, FILE_NAME) if path else _published_weights(model)
        net = _build(model)
        _load(net, file, model)
        self.name = f"timm:{model}@{path}" if path else f"timm:{model}"
        self.weights_sha256 = sha256_of(file)
        self._device = best_device()
        self._net = net.eval().requires_grad_(False).to(self._device)
        self._layers = spread_layers(len(net.blocks))
        self._recipe = recipe_of(net)
        self.embedding_dim = int(net.num_features)
        self.patch_dim = len(self._layers) * int(net.embed_dim)
        self.batch_size = batch_size_on(self._device)

    def encode(self, pictures: Sequence[Picture]) -> list[Features]:
        """Encode pictures in order; those of equal input size share a forward pass."""
        return encode_pictures(pictures, self._recipe, self._device, self._forward)

    def _forward(self, batch_N3HW: torch.Tensor) -> Tokens:
        last_NTC, layers_NCHW = self._net.forward_intermediates(
            batch_N3HW, indices=self._layers, norm=True
        )
        pooled_NE = self._net.forward_head(last_NTC, pre_logits=True)
        layers_NHWC = [layer.permute(0, 2, 3, 1) for layer in layers_NCHW]
        return Tokens(F.normalize(pooled_NE, dim=-1), join_layers(layers_NHWC))


def is_transformer(net: Any) -> bool:
    """Whether a timm model is a plain vision transformer: a grid of patch tokens, no pyramid."""
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    return isinstance(net, VisionTransformer | Eva)


def recipe_of(net: Any) -> Recipe:
    """How a timm vision transformer wants its input, by its own configuration."""
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(net)
    _, height, width = config["input_size"]
    patch_y, patch_x = net.patch_embed.feat_ratio(as_scalar=False)
    return Recipe(
        area_px=height * width,
        patch_HW=(patch_y, patch_x),
        mean_3=tuple(config["mean"]),
        deviation_3=tuple(config["std"]),
        interpolation=config["interpolation"],
    )


def _check_known(model: str) -> None:
    import timm

    known = {*timm.list_models(), *timm.list_pretrained()}
    if model not in known:
        raise WeightsError(f"timm has no model {model!r}; {near_names(model, known)}")


def _published_weights(model: str) -> Path:
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(model)
    remedy = f"put {FILE_NAME} in a folder and use timm:{model}@FOLDER"
    if config is None or not config.hf_hub_id:
        raise WeightsError(f"timm:{model}: no weights of it are published on the hub; {remedy}")
    return hub_weights(config.hf_hub_id, FILE_NAME, remedy)


def _build(model: str) -> Any:
    import timm

    try:
        net = timm.create_model(model, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:  # a model that knows no such option
        net = None
    if net is None or not is_transformer(net):
        raise WeightsError(
            f"timm:{model}: is no plain vision transformer, so it has no patch tokens; take one "
            "such as timm:vit_small_patch14_dinov2"
        )
    return net


def _load(net: Any, file: Path, model: str) -> None:
    """Load all weights and nothing else; only a classifier may be left over."""
    tensors = read_tensors(file)
    names = net.pretrained_cfg["classifier"]
    classifiers = (names,) if isinstance(names, str) else tuple(names)
    heads = tuple(f"{name}." for name in classifiers)
    try:
        adapted = _adapt(tensors, net)
        net.load_state_dict({k: v for k, v in adapted.items() if not k.startswith(heads)})
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        raise misfit(file, f"timm's {model}", error) from error


def _adapt(tensors: dict[str, torch.Tensor], net: Any) -> dict[str, torch.Tensor]:
    """Bring the names and shapes of published weights, old ones too, to those of timm's model."""
    from timm.models import eva, vision_transformer

    if isinstance(net, eva.Eva):
        adapted = eva.checkpoint_filter_fn(tensors, net)
    else:
        adapted = vision_transformer.checkpoint_filter_fn(tensors, net, adapt_layer_scale=True)
    return dict(adapted)
