"""What the visual prefix is made of, taken from an inspection: map, crops and texts.

In the ablation of ``benchmarks/nano_prefix_lm.py`` it brought no gain over the page alone, so none
ships, and nothing at work reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from experts.abnormal_prompts import propose
from experts.decoder.descriptor import place_of_region
from experts.decoder.encoder import Encoder, Features
from experts.decoder.regions import strongest_region
from experts.evidence import AnomalyMap, Region
from experts.knowledge import KnowledgeFile
from experts.mllm.nano.prefix import CROP_SIDE, MAP_SIDE, PrefixInputs
from experts.prompts import Prompts, prompts_for
from experts.tools.cropping import cut
from experts.tools.places import Target, window_of

if TYPE_CHECKING:
    from experts.tools.scene import Equipment, Scene

FloatArray = NDArray[np.float32]

# A map lower than this share of its limit tells nothing.
LOWEST = 1 / 16


def glimpse(
    scene: Scene,
    gear: Equipment,
    encoder: Encoder,
    texts_2E: Tensor,
    region: Region | None = None,
) -> PrefixInputs:
    """The inputs of the prefix for one place of an inspected image.

    Args:
        scene: The image.
        gear: What the line has.
        encoder: That which the prefix was trained with, whatever the line's own is.
        texts_2E: See ``Wording.of``.
        region: The place; by default the first region, or else what stands out most. A map
            without any such place gives the whole image.

    Raises:
        LineError: If the line is damaged or was replaced since it was opened.
    """
    target = _target(scene, region)
    paths = gear.beside(scene, 1)
    crops = cut(scene, target, paths, gear)
    # A line of words alone has no normal image: then nothing differs.
    pictures = [crops.own, *crops.normal[:1]]
    cells = [_cells(features) for features in encoder.encode(pictures)]
    heat_HW = scaled(scene.anomaly)
    window = window_of(target, scene.picture.size_HW)
    return PrefixInputs(
        maps_N1HW=_highest(heat_HW, MAP_SIDE)[None, None],
        seen_NSC=cells[0][None],
        normal_NSC=cells[-1][None],
        heat_NS=_highest(heat_HW[window], CROP_SIDE).flatten()[None],
        texts_N2E=texts_2E[None],
    )


def scaled(anomaly: AnomalyMap) -> FloatArray:
    """The map in image pixels by its limit, float32 (H, W), between −1 and 1.

    0 at the limit; beside it a step of 0.1 is about 7 %, and however high a peak is, it stays above
    its flanks: x / √(1 + x²) of the octaves x. Where there is no limit, the map's highest value
    takes its place.
    """
    scores_HW = anomaly.scores_HW
    unit = anomaly.limit if np.isfinite(anomaly.limit) else float(scores_HW.max())
    octaves_HW = np.log2(np.maximum(scores_HW / max(unit, 1e-9), LOWEST))
    return np.asarray(octaves_HW / np.sqrt(1 + octaves_HW**2), np.float32)


def _target(scene: Scene, region: Region | None) -> Target:
    found = region or next(iter(scene.regions), None)
    found = found or strongest_region(scene.anomaly, scene.picture.grey_HW)
    if found is None:
        height, width = scene.picture.size_HW
        return Target("the whole image", (0, 0, width, height))
    # A region reaches far down its flanks; what it is shows at its heart.
    return Target(found.id, place_of_region(found, scene.anomaly).box_xyxy, found)


def _cells(features: Features) -> Tensor:
    """Features on the cells of a crop, (S, C)."""
    patches_CHW = torch.from_numpy(features.patches_HWC).permute(2, 0, 1)
    return F.adaptive_avg_pool2d(patches_CHW, CROP_SIDE).flatten(1).T.contiguous()


def _highest(values_HW: FloatArray, side: int) -> Tensor:
    """The highest value in each of ``side`` × ``side`` cells: no peak gets lost."""
    pixels_1HW = torch.from_numpy(np.ascontiguousarray(values_HW))[None]
    return F.adaptive_max_pool2d(pixels_1HW, side)[0]


class Wording:
    """Puts prompts into the space of a language model's words.

    Args:
        tokenizer: Of the language model, in the form of transformers.
        words_VE: Its input embeddings, float32 (vocabulary, E); they stay as they are.
    """

    def __init__(self, tokenizer: Any, words_VE: Tensor) -> None:
        self._tokenizer = tokenizer
        self._words_VE = words_VE

    def embed(self, texts: Iterable[str]) -> Tensor:
        """The mean embedding of each text's tokens, float32 (P, E)."""
        ids = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return torch.stack([self._words_VE[torch.tensor(i)].float().mean(dim=0) for i in ids])

    def of(self, product: str, knowledge: KnowledgeFile | None = None) -> Tensor:
        """The mean of a line's normal and of its abnormal prompts, float32 (2, E)."""
        return torch.stack([self.embed(texts).mean(dim=0) for texts in said(product, knowledge)])


def said(product: str, knowledge: KnowledgeFile | None = None) -> Prompts:
    """The normal and the abnormal prompts of a line, those included that its file suggests."""
    normal, abnormal = prompts_for(product, knowledge)
    suggested = propose(knowledge) if knowledge is not None else []
    return Prompts(normal, (*abnormal, *suggested))
