"""Inputs of the visual prefix, drawn and not seen: a warm spot on the map, and as it shows."""

from __future__ import annotations

import torch

from experts.mllm.nano.prefix import CROP_SIDE, MAP_SIDE, WIDTH, PrefixInputs

PATCH_DIM = 6


def drawn_inputs(cells: list[int], seed: int = 0) -> PrefixInputs:
    """Places whose maps are high in a cell of the 3 × 3 grid, in their order.

    Args:
        cells: 0 to 8 for each sample.
        seed: Of all else.
    """
    generator = torch.Generator().manual_seed(seed)
    count, third = len(cells), MAP_SIDE // 3
    maps_N1HW = -torch.rand(count, 1, MAP_SIDE, MAP_SIDE, generator=generator)
    for map_1HW, cell in zip(maps_N1HW, cells, strict=True):
        row, column = divmod(cell, 3)
        y, x = row * third + third // 3, column * third + third // 3
        map_1HW[:, y : y + third // 2, x : x + third // 2] = 1
    size = (count, CROP_SIDE**2, PATCH_DIM)
    return PrefixInputs(
        maps_N1HW=maps_N1HW,
        seen_NSC=torch.rand(size, generator=generator),
        normal_NSC=torch.rand(size, generator=generator),
        heat_NS=torch.rand(size[:2], generator=generator),
        texts_N2E=torch.randn(count, 2, WIDTH, generator=generator),
    )
