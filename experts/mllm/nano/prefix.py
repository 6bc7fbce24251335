"""The visual prefix: what the decoder sees, as a few tokens in front of a language model's text.

Prompt learner: Gu et al., "AnomalyGPT: Detecting Industrial Anomalies Using Large Vision-Language
Models" (AAAI 2024), section "Decoder and Prompt Learner": learnable base embeddings
E_base (n1 × C_emb) and a small convolutional network that turns the localisation M (H × W) into
E_dec (n2 × C_emb); together they are E_prompt ((n1 + n2) × C_emb). Text-guided step: Li et al.,
"IAD-GPT" (arXiv 2510.16036): normal and abnormal prompts look at the image's features and choose
which of them pass. Beside these stand tokens of a place's crop, of the same place of a normal
image, and of how they differ.

Axes: N samples, T tokens, E width of the language model, S cells of a crop, C encoder features,
D width inside.

In the ablation of ``benchmarks/nano_prefix_lm.py`` it brought no gain over the page alone, so none
ships, and nothing at work reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of SmolLM2-135M: the width of its embeddings, and the root of their mean square.
WIDTH = 576
EMBEDDING_RMS = 0.136

MAP_SIDE = 64
CROP_SIDE = 8
PATCH_DIM = 384

BASE_TOKENS = 4
MAP_TOKENS_SIDE = 2
LOOKS = 2  # at the crop, at the normal one, and at their difference
TEXTS = 2  # normal and abnormal
TOKENS = BASE_TOKENS + MAP_TOKENS_SIDE**2 + 3 * LOOKS + TEXTS


@dataclass(frozen=True)
class PrefixInputs:
    """What the prefix is made of; see ``experts.mllm.nano.glimpse`` for how it is made.

    Attributes:
        maps_N1HW: float32 (N, 1, ``MAP_SIDE``, ``MAP_SIDE``), the anomaly map by the line's limit
            on a logarithmic scale: 0 at the limit, between −1 and 1.
        seen_NSC: float32 (N, ``CROP_SIDE``², C), features of the place's crop, row by row.
        normal_NSC: The same of that place of a normal image.
        heat_NS: float32 (N, ``CROP_SIDE``²), the map inside the crop, scaled as above.
        texts_N2E: float32 (N, 2, E), mean embedding of the normal and of the abnormal prompts.
    """

    maps_N1HW: Tensor
    seen_NSC: Tensor
    normal_NSC: Tensor
    heat_NS: Tensor
    texts_N2E: Tensor

    def __len__(self) -> int:
        return len(self.maps_N1HW)

    def __getitem__(self, chosen: Tensor) -> PrefixInputs:
        return PrefixInputs(*(getattr(self, f.name)[chosen] for f in fields(self)))

    @staticmethod
    def stack(parts: Sequence[PrefixInputs]) -> PrefixInputs:
        """The samples of all parts in order."""
        return PrefixInputs(
            *(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(PrefixInputs))
        )


class VisualPrefix(nn.Module):
    """Makes ``TOKENS`` tokens of a language model's width; about 0.5 M parameters.

    Args:
        patch_dim: C, of the encoder that crops are encoded with.
        width: E, of the language model.
        inside: D.
        dropout: Of features, in training.
    """

    def __init__(
        self,
        patch_dim: int = PATCH_DIM,
        width: int = WIDTH,
        inside: int = 96,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.base_TE = nn.Parameter(torch.randn(BASE_TOKENS, width) * EMBEDDING_RMS)
        self.map_learner = MapLearner(inside)
        self.crop_learner = CropLearner(patch_dim, width, inside, dropout)
        self.outward = nn.Linear(inside, width)
        self.place_TE = nn.Parameter(torch.zeros(TOKENS - BASE_TOKENS, width))
        self.norm = nn.LayerNorm(width)
        # Tokens of another size than words have would drown these, or be drowned.
        nn.init.constant_(self.norm.weight, EMBEDDING_RMS)

    def forward(self, inputs: PrefixInputs) -> Tensor:
        """Tokens (N, T, E): base, map, crop, normal, difference, normal text, abnormal text."""
        map_NTD = self.map_learner(inputs.maps_N1HW)
        crop_NTD = self.crop_learner(inputs)
        seen_NTE = self.outward(torch.cat([map_NTD, crop_NTD], dim=1)) + self.place_TE
        base_NTE = self.base_TE.expand(len(inputs), -1, -1)
        return torch.cat([base_NTE, self.norm(seen_NTE)], dim=1)


class MapLearner(nn.Module):
    """AnomalyGPT's prompt learner, M to E_dec: convolutions that end in a token a quadrant.

    Each pixel's place is given beside its value (Liu et al., "An Intriguing Failing of
    Convolutional Neural Networks and the CoordConv Solution", NeurIPS 2018), since a token shall
    say where the map is high.
    """

    def __init__(self, inside: int) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, inside)
        layers: list[nn.Module] = []
        for low, high in pairwise(widths):
            layers += [nn.Conv2d(low, high, 3, padding=1), nn.GELU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, inside, 2, stride=2))
        line = torch.linspace(-1, 1, MAP_SIDE)
        grid_2HW = torch.stack(torch.meshgrid(line, line, indexing="ij"))
        self.register_buffer("grid_2HW", grid_2HW, persistent=False)

    def forward(self, maps_N1HW: Tensor) -> Tensor:
        """Tokens (N, ``MAP_TOKENS_SIDE``², D)."""
        grid_2HW = self.get_buffer("grid_2HW")
        placed_N3HW = torch.cat([maps_N1HW, grid_2HW.expand(len(maps_N1HW), -1, -1, -1)], dim=1)
        cells_NDHW: Tensor = self.layers(placed_N3HW)
        return cells_NDHW.flatten(2).transpose(1, 2)


class CropLearner(nn.Module):
    """Tokens of the crop, of the normal one and of their difference, gated by the texts."""

    def __init__(self, patch_dim: int, width: int, inside: int, dropout: float) -> None:
        super().__init__()
        self.inward = nn.Linear(patch_dim, inside)
        self.cells_SD = nn.Parameter(torch.randn(CROP_SIDE**2, inside) * 0.02)
        self.dropout = nn.Dropout(dropout)
        self.guide = TextGuide(width, inside)
        self.around = nn.Conv2d(inside + 1, inside, 3, padding=1)
        self.looks = nn.ModuleList(Look(inside) for _ in range(3))

    def forward(self, inputs: PrefixInputs) -> Tensor:
        """Tokens (N, 3 · ``LOOKS`` + ``TEXTS``, D)."""
        seen_NSD = self.dropout(self.inward(inputs.seen_NSC))
        normal_NSD = self.dropout(self.inward(inputs.normal_NSC))
        views_N2D, gate_N1D = self.guide(inputs.texts_N2E, seen_NSD, normal_NSD)
        difference_NSD = self._shape(gate_N1D * (seen_NSD - normal_NSD), inputs.heat_NS)
        groups = (gate_N1D * seen_NSD, gate_N1D * normal_NSD, difference_NSD)
        tokens = [
            look(group_NSD + self.cells_SD, inputs.heat_NS)
            for look, group_NSD in zip(self.looks, groups, strict=True)
        ]
        return torch.cat([*tokens, views_N2D], dim=1)

    def _shape(self, difference_NSD: Tensor, heat_NS: Tensor) -> Tensor:
        """Each cell with its neighbours: a token shall tell a line from a spot."""
        cells_NDS = torch.cat([difference_NSD, heat_NS[..., None]], dim=2).transpose(1, 2)
        grid_NDHW = cells_NDS.reshape(*cells_NDS.shape[:2], CROP_SIDE, CROP_SIDE)
        return difference_NSD + F.gelu(self.around(grid_NDHW)).flatten(2).transpose(1, 2)


class TextGuide(nn.Module):
    """The text-guided step after IAD-GPT: prompts look at the crop and choose what passes.

    The paper's summary gives no equations; here each prompt's query attends to the cells of the
    crop, softmax(q Kᵀ / √D) V, and the two views decide on a gate for each feature,
    σ(W [normal; abnormal]).
    """

    def __init__(self, width: int, inside: int) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, inside))
        self.key = nn.Linear(inside, inside)
        self.value = nn.Linear(inside, inside)
        self.gate = nn.Linear(TEXTS * inside, inside)

    def forward(
        self, texts_N2E: Tensor, seen_NSD: Tensor, normal_NSD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What each prompt sees (N, 2, D), and the gate (N, 1, D), 0 to 1."""
        query_N2D, key_NSD = self.query(texts_N2E), self.key(seen_NSD)
        value_NSD = self.value(seen_NSD - normal_NSD)
        views_N2D = F.scaled_dot_product_attention(query_N2D, key_NSD, value_NSD)
        return views_N2D, torch.sigmoid(self.gate(views_N2D.flatten(1)))[:, None]


class Look(nn.Module):
    """Learned queries that gather the cells of a crop into ``LOOKS`` tokens.

    The map says where to look (the mask as expert knowledge, as in IAD-GPT's mask fusion): each
    query adds a multiple of it, which it learns, to its attention.
    """

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.queries_LD = nn.Parameter(torch.randn(LOOKS, inside) * 0.02)
        # At first one query looks where the map is high, the other at the whole crop.
        self.heed_L1 = nn.Parameter(torch.linspace(2, 0, LOOKS)[:, None])
        self.norm = nn.LayerNorm(inside)
        self.key = nn.Linear(inside, inside)
        self.value = nn.Linear(inside, inside)

    def forward(self, cells_NSD: Tensor, heat_NS: Tensor) -> Tensor:
        """Tokens (N, ``LOOKS``, D)."""
        cells_NSD = self.norm(cells_NSD)
        queries_NLD = self.queries_LD.expand(len(cells_NSD), -1, -1)
        bias_NLS = self.heed_L1 * heat_NS[:, None]
        return F.scaled_dot_product_attention(
            queries_NLD, self.key(cells_NSD), self.value(cells_NSD), attn_mask=bias_NLS
        )
