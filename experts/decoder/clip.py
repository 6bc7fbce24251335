"""Models that know images and texts, through open_clip: CLIP, SigLIP, EVA-CLIP and more.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021).
Patch tokens of four layers, and the same projected into the space of texts: Gu et al., AnomalyGPT
(AAAI 2024), section 3.2. Its linear layers between the two were trained on anomalies; here a patch
goes the way of the image's own embedding, the tower's last norm and projection, which needs no
training but is less sharp.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

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
from experts.decoder.vit import is_transformer
from experts.decoder.weights import hub_weights, local_weights, misfit, near_names, sha256_of
from experts.errors import WeightsError
from experts.images import Picture

FILE_NAME = "open_clip_model.safetensors"
CONFIG_NAME = "open_clip_config.json"
TEXT_BATCH_SIZE = 64
# Towers for that many input sizes are kept; each holds its position embeddings only.
TOWERS = 16


class OpenClipEncoder:
    """Both towers of an open_clip model; see ``Encoder`` and ``TextEncoder`` for the contracts.

    The embedding is the image's in the space of texts. Images go in with their aspect ratio, and
    position embeddings are interpolated to it.

    Attributes:
        knows_texts: Whether the patches have a place in the space of texts; CoCa's have none.
    """

    def __init__(self, spec: str) -> None:
        """Build the model and load its weights.

        Args:
            spec: ``ARCH/TAG`` for published weights, or a folder that holds
                ``open_clip_config.json`` and ``open_clip_model.safetensors``.

        Raises:
            WeightsError: If the model or its weights cannot be found or used.
        """
        source = _find(spec)
        self.name = f"open_clip:{source.spec}"
        self.weights_sha256 = sha256_of(source.file)
        self._source = source
        self._device = best_device()
        self._model = _load(source).eval().requires_grad_(False).to(self._device)
        visual = self._model.visual
        if not (_is_native(visual) or is_transformer(getattr(visual, "trunk", None))):
            raise WeightsError(
                f"{self.name}: its image tower has no patch tokens; take a model with a plain "
                "vision transformer, such as ViT-B-16"
            )
        blocks = visual.transformer.resblocks if _is_native(visual) else visual.trunk.blocks
        self._layers = spread_layers(len(blocks))
        self._recipe = _recipe(self._model)
        self._tower = lru_cache(maxsize=TOWERS)(self._build_tower)
        side_y, side_x = self._recipe.patch_HW
        with torch.inference_mode():
            probe = self._forward(torch.zeros(1, 3, 2 * side_y, 2 * side_x, device=self._device))
        self.embedding_dim = probe.embedding_NE.shape[-1]
        self.patch_dim = probe.patches_NHWC.shape[-1]
        self.knows_texts = probe.projected_NLHWD is not None
        self.batch_size = batch_size_on(self._device)
        self.logit_scale = float(self._model.logit_scale.exp())

    def encode(self, pictures: Sequence[Picture]) -> list[Features]:
        """Encode pictures in order; those of equal input size share a forward pass."""
        return encode_pictures(pictures, self._recipe, self._device, self._forward)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, (N, D) float32, L2-normalised.

        What exceeds the model's context is cut off.

        Raises:
            WeightsError: If the model's tokenizer is not there.
        """
        embeddings = []
        for start in range(0, len(texts), TEXT_BATCH_SIZE):
            tokens = self._tokenizer(list(texts[start : start + TEXT_BATCH_SIZE]))
            embeddings.append(self._model.encode_text(tokens.to(self._device), normalize=True))
        return np.asarray(torch.cat(embeddings).cpu().numpy(), np.float32)

    def _forward(self, batch_N3HW: torch.Tensor) -> Tokens:
        height, width = batch_N3HW.shape[2:]
        tower = self._tower(height, width)
        # CoCa's last norm stands behind a pooling by attention, in another width than the patches.
        has_place = getattr(tower, "attn_pool", None) is None
        seen = tower.forward_intermediates(
            batch_N3HW, indices=self._layers, normalize_intermediates=has_place
        )
        layers_NHWC = [layer.permute(0, 2, 3, 1) for layer in seen["image_intermediates"]]
        projected_NLHWD = None
        if has_place:
            projected = [_project(tower, layer_NHWC) for layer_NHWC in layers_NHWC]
            projected_NLHWD = F.normalize(torch.stack(projected, dim=1), dim=-1)
        embedding_NE = F.normalize(seen["image_features"], dim=-1)
        return Tokens(embedding_NE, join_layers(layers_NHWC), projected_NLHWD)

    def _build_tower(self, height: int, width: int) -> Any:
        """The image tower for an input size: its weights are shared, its positions its own."""
        visual = self._model.visual
        shared = {id(t): t for t in itertools.chain(visual.parameters(), visual.buffers())}
        tower = copy.deepcopy(visual, shared)
        if _is_native(tower):
            tower.positional_embedding = _positions(visual, self._recipe, height, width)
        else:
            tower.set_input_size((height, width))
        return tower

    @cached_property
    def _tokenizer(self) -> Any:
        import open_clip

        try:
            return open_clip.get_tokenizer(self._source.model)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{self.name}: its tokenizer cannot be loaded ({_first_line(error)}); it needs the "
                "package transformers, and its files beside the weights or a connection"
            ) from error


class _Source(NamedTuple):
    """Where a model comes from.

    Attributes:
        spec: How it is named after ``open_clip:``, a folder by its full path.
        model: How open_clip names it.
        file: Its weights.
        published: What open_clip knows of published weights; empty for a folder.
    """

    spec: str
    model: str
    file: Path
    published: dict[str, Any]


def _find(spec: str) -> _Source:
    import open_clip

    arch, _, tag = spec.rpartition("/")
    known = open_clip.list_models()
    if arch in known:
        return _find_published(arch, tag)
    if spec in known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(spec)) or "none"
        raise WeightsError(f"open_clip:{spec}: name its weights too, open_clip:{spec}/TAG ({tags})")
    path = Path(spec).expanduser()
    if not path.exists() and not spec.startswith(("/", "~", ".")):
        name = arch or spec
        raise WeightsError(
            f"open_clip:{spec}: there is no such folder, and open_clip has no model {name!r}; "
            f"{near_names(name, known)}"
        )
    folder = path.resolve()
    file = local_weights(folder, FILE_NAME)
    if file.parent != folder or not (folder / CONFIG_NAME).is_file():
        raise WeightsError(
            f"{folder}: holds no {CONFIG_NAME}; name the folder that holds it and {FILE_NAME}"
        )
    return _Source(str(folder), f"local-dir:{folder}", file, {})


def _find_published(arch: str, tag: str) -> _Source:
    import open_clip

    published = open_clip.get_pretrained_cfg(arch, tag)
    if not published:
        tags = open_clip.list_pretrained_tags_by_model(arch)
        raise WeightsError(
            f"open_clip:{arch}/{tag}: there are no such weights of {arch}; {near_names(tag, tags)}"
        )
    remedy = f"put {FILE_NAME} and {CONFIG_NAME} in a folder and use open_clip:FOLDER"
    # Given as OWNER/NAME/FILE, the file often left out and sometimes a pickle.
    repository = "/".join(published["hf_hub"].split("/")[:2])
    return _Source(f"{arch}/{tag}", arch, hub_weights(repository, FILE_NAME, remedy), published)


def _load(source: _Source) -> Any:
    import open_clip
    from safetensors import SafetensorError

    options: dict[str, Any] = {}
    if source.published:
        keys = ("mean", "std", "interpolation", "resize_mode")
        recipe = {key: source.published[key] for key in keys if key in source.published}
        options = {
            "pretrained": str(source.file),
            "force_preprocess_cfg": recipe,
            # Some weights were trained with another activation than their architecture's default.
            "force_quick_gelu": bool(source.published.get("quick_gelu")),
        }
    try:
        return open_clip.create_model(source.model, **options)
    except SafetensorError as error:
        raise WeightsError(
            f"{source.file}: is not a valid safetensors file; fetch it again"
        ) from error
    except RuntimeError as error:
        raise misfit(source.file, f"open_clip:{source.spec}", error) from error
    except (AssertionError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        raise WeightsError(
            f"open_clip:{source.spec}: cannot be built ({_first_line(error)}); "
            f"check its {CONFIG_NAME}, or take another model"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def _is_native(visual: Any) -> bool:
    from open_clip.transformer import VisionTransformer

    return isinstance(visual, VisionTransformer)


def _recipe(model: Any) -> Recipe:
    import open_clip

    visual = model.visual
    config = open_clip.get_model_preprocess_cfg(model)
    height, width = visual.image_size
    native = _is_native(visual)
    patch_y, patch_x = (
        visual.patch_size if native else visual.trunk.patch_embed.feat_ratio(as_scalar=False)
    )
    return Recipe(
        area_px=height * width,
        patch_HW=(patch_y, patch_x),
        mean_3=tuple(config["mean"]),
        deviation_3=tuple(config["std"]),
        interpolation=config["interpolation"],
    )


def _positions(visual: Any, recipe: Recipe, height: int, width: int) -> torch.nn.Parameter:
    from timm.layers import resample_abs_pos_embed

    positions_1TC = resample_abs_pos_embed(
        visual.positional_embedding[None],
        new_size=[height // recipe.patch_HW[0], width // recipe.patch_HW[1]],
        old_size=list(visual.grid_size),
        num_prefix_tokens=1,
    )
    return torch.nn.Parameter(positions_1TC[0], requires_grad=False)


def _project(tower: Any, layer_NHWC: torch.Tensor) -> torch.Tensor:
    """Normed patch tokens to the space of texts, (N, H, W, D): as if a patch were the image."""
    if _is_native(tower):
        projected_NHWD: torch.Tensor = layer_NHWC @ tower.proj
        return projected_NHWD
    # timm's heads pool the class token, the mean or by attention. A sequence of nothing but this
    # one token, in the class token's place too, comes out of each of them as the token itself.
    trunk = tower.trunk
    tokens_MTC = layer_NHWC.reshape(-1, 1, layer_NHWC.shape[-1])
    tokens_MTC = tokens_MTC.expand(-1, trunk.num_prefix_tokens + 1, -1)
    projected_MD: torch.Tensor = tower.head(trunk.forward_head(tokens_MTC))
    return projected_MD.reshape(*layer_NHWC.shape[:3], -1)
