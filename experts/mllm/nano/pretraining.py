"""What the visual prefix is pretrained to tell: attributes of a place, and the heads that ask.

The heads are for training alone. Each reads the very tokens that a language model will see, so
what a head can tell from them, a language model can learn to tell.

In the ablation of ``benchmarks/nano_prefix_lm.py`` it brought no gain over the page alone, so none
ships, and nothing at work reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experts.decoder.regions import LINE_ELONGATION, PLACES, measure_region
from experts.decoder.shape import ELONGATED, BoolArray, FloatArray
from experts.evidence import Region
from experts.mllm.nano.prefix import TOKENS, WIDTH

ROWS = COLUMNS = 3
# Shares of the image; a class is what lies below each, and one what lies above all.
SIZE_STEPS = (0.002, 0.01, 0.05)
SIZES = ("tiny", "small", "medium", "large")
TONES = ("darker than", "brighter than", "as bright as")
FORMS = ("round", "elongated", "line")
# A label that is not known trains nothing.
UNKNOWN = -1


class Attributes(NamedTuple):
    """A place in classes; each number counts in the list that is named.

    Attributes:
        place: In ``PLACES``.
        size: In ``SIZES``.
        contrast: In ``TONES``.
        elongation: In ``FORMS``.
        kind: In the kinds that are trained; ``UNKNOWN`` if it is none of them.
    """

    place: int
    size: int
    contrast: int
    elongation: int
    kind: int = UNKNOWN


ATTRIBUTES = Attributes._fields


def attributes_of(region: Region, size_HW: tuple[int, int], kind: int = UNKNOWN) -> Attributes:
    """What a measured region is, in classes: the truth by its mask, or what code reads off a map.

    Args:
        region: With its traits.
        size_HW: Of the image, in pixels.
        kind: See above.

    Raises:
        ValueError: If the region was measured without traits.
    """
    if region.traits is None:
        raise ValueError(f"{region.id} has no traits; measure it by measure_region")
    share = region.area_px / (size_HW[0] * size_HW[1])
    stretch = region.traits.elongation
    return Attributes(
        place=PLACES.index(region.place),
        size=sum(share >= step for step in SIZE_STEPS),
        contrast=TONES.index(region.traits.tone),
        elongation=(stretch >= ELONGATED) + (stretch >= LINE_ELONGATION),
        kind=kind,
    )


def truth_of(
    mask_HW: BoolArray, grey_HW: FloatArray, normal_HW: FloatArray | None, kind: int = UNKNOWN
) -> Attributes:
    """The attributes of the largest connected part of a drawn mask.

    Args:
        mask_HW: bool, of the size of the image.
        grey_HW: float32 luma of the image, 0 to 1.
        normal_HW: The same without the defect, pixel on pixel, if there is such an image.
        kind: See ``Attributes``.

    Raises:
        ImageError: If the mask is empty.
    """
    from experts.decoder.descriptor import place_of_mask

    weight_HW, (left, top, _, _) = place_of_mask(mask_HW)
    region = measure_region(
        "truth", weight_HW > 0, (left, top), 0.0, grey_HW, reference_HW=normal_HW
    )
    return attributes_of(region, (grey_HW.shape[0], grey_HW.shape[1]), kind)


class Heads(nn.Module):
    """A linear head for each attribute, on all tokens.

    Args:
        kinds: How many kinds are trained.
        dropout: Of tokens' features, in training.
    """

    def __init__(self, kinds: int, dropout: float = 0.3) -> None:
        super().__init__()
        counts = (len(PLACES), len(SIZES), len(TONES), len(FORMS), kinds)
        self.norm = nn.LayerNorm(TOKENS * WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(nn.Linear(TOKENS * WIDTH, count) for count in counts)

    def forward(self, tokens_NTE: Tensor) -> list[Tensor]:
        """Logits (N, classes) of each attribute, in the order of ``ATTRIBUTES``."""
        seen_NF = self.dropout(self.norm(tokens_NTE.flatten(1)))
        return [layer(seen_NF) for layer in self.layers]


def heads_loss(logits: Sequence[Tensor], labels_NA: Tensor) -> Tensor:
    """The sum of the attributes' cross-entropies (AnomalyGPT, eq. 3); unknown labels are left out.

    Args:
        logits: From ``Heads``.
        labels_NA: int64, a column for each attribute.
    """
    losses = []
    for logits_NK, labels_N in zip(logits, labels_NA.T, strict=True):
        known_N = labels_N != UNKNOWN
        if known_N.any():
            losses.append(F.cross_entropy(logits_NK[known_N], labels_N[known_N]))
    return torch.stack(losses).sum()
