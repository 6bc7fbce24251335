"""Pretrains the visual prefix on places whose attributes are known.

For the ablations of ``benchmarks/nano_prefix.py`` and ``nano_prefix_lm.py``: no prefix ships.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experts.decoder.regions import PLACES
from experts.mllm.nano.prefix import CROP_SIDE, PrefixInputs, VisualPrefix
from experts.mllm.nano.pretraining import ATTRIBUTES, COLUMNS, ROWS, Heads, heads_loss

# The symmetries of a square, as (turned, mirrored left to right, mirrored top to bottom).
SYMMETRIES = tuple((t, x, y) for t in (False, True) for x in (False, True) for y in (False, True))


@dataclass(frozen=True)
class PrefixRecipe:
    """How the prefix is pretrained.

    Attributes:
        epochs: How often each sample is seen.
        batch: Samples at once.
        rate: Highest learning rate; it rises for a tenth of the steps, then falls along a cosine.
        decay: Weight decay.
        prompts: So many prompts of each class are drawn for a sample, so that no product is known
            by its words.
        seed: Of weights, order and draws.
    """

    epochs: int = 40
    batch: int = 16
    rate: float = 1e-3
    decay: float = 0.05
    prompts: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Places:
    """Samples of one line.

    Attributes:
        inputs: Of N places.
        labels_NA: int64, a column for each of ``ATTRIBUTES``.
        normal_PE: Embeddings of the line's normal prompts.
        abnormal_QE: The same of the abnormal ones.
    """

    inputs: PrefixInputs
    labels_NA: Tensor
    normal_PE: Tensor
    abnormal_QE: Tensor

    def __len__(self) -> int:
        return len(self.labels_NA)


def pretrain(
    lines: Sequence[Places],
    kinds: int,
    recipe: PrefixRecipe,
    after: Callable[[int, float], None] | None = None,
) -> tuple[VisualPrefix, Heads]:
    """Train the prefix and its heads on the places of some lines.

    Args:
        lines: Their places; none is empty.
        kinds: How many kinds there are.
        recipe: How.
        after: Told each epoch's number and mean loss.

    Returns:
        Both, ready to be used.
    """
    torch.manual_seed(recipe.seed)
    patch_dim = lines[0].inputs.seen_NSC.shape[2]
    prefix = VisualPrefix(patch_dim, width=lines[0].normal_PE.shape[1])
    heads = Heads(kinds)
    weights = [*prefix.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=recipe.decay)
    owner_N2 = torch.tensor([(i, j) for i, line in enumerate(lines) for j in range(len(line))])
    steps = recipe.epochs * -(-len(owner_N2) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=steps, pct_start=0.1
    )
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows_B in torch.split(torch.randperm(len(owner_N2)), recipe.batch):
            inputs, labels_BA = _batch(lines, owner_N2[rows_B], recipe)
            loss = heads_loss(heads(prefix(inputs)), labels_BA)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows_B)
        if after is not None:
            after(epoch, total / len(owner_N2))
    return prefix.eval(), heads.eval()


@torch.inference_mode()
def classify(prefix: VisualPrefix, heads: Heads, inputs: PrefixInputs, batch: int = 64) -> Tensor:
    """The likeliest class of each attribute, int64 (N, A)."""
    found = []
    for rows_B in torch.split(torch.arange(len(inputs)), batch):
        logits = heads(prefix(inputs[rows_B]))
        found.append(torch.stack([logits_BK.argmax(dim=1) for logits_BK in logits], dim=1))
    return torch.cat(found)


def _batch(
    lines: Sequence[Places], owner_B2: Tensor, recipe: PrefixRecipe
) -> tuple[PrefixInputs, Tensor]:
    """Samples, each with prompts of its own, all turned and mirrored in one way."""
    inputs, labels = [], []
    for number, line in enumerate(lines):
        rows_b = owner_B2[owner_B2[:, 0] == number, 1]
        if not len(rows_b):
            continue
        texts_b2E = torch.stack(
            [
                torch.stack([_some(line.normal_PE, recipe), _some(line.abnormal_QE, recipe)])
                for _ in range(len(rows_b))
            ]
        )
        inputs.append(replace(line.inputs[rows_b], texts_N2E=texts_b2E))
        labels.append(line.labels_NA[rows_b])
    symmetry = SYMMETRIES[int(torch.randint(len(SYMMETRIES), ()))]
    return turned(PrefixInputs.stack(inputs), torch.cat(labels), symmetry)


def _some(prompts_PE: Tensor, recipe: PrefixRecipe) -> Tensor:
    return prompts_PE[torch.randint(len(prompts_PE), (recipe.prompts,))].mean(dim=0)


def turned(
    inputs: PrefixInputs, labels_NA: Tensor, symmetry: tuple[bool, bool, bool]
) -> tuple[PrefixInputs, Tensor]:
    """Places as they would be if their images were turned or mirrored.

    Args:
        inputs: Of the places.
        labels_NA: Their attributes; only where they lie changes.
        symmetry: One of ``SYMMETRIES``.
    """

    def of_cells(cells_NS: Tensor) -> Tensor:
        grid = cells_NS.reshape(-1, CROP_SIDE, CROP_SIDE, *cells_NS.shape[2:])
        return _turn(grid, (1, 2), symmetry).flatten(1, 2)

    moved = PrefixInputs(
        maps_N1HW=_turn(inputs.maps_N1HW, (2, 3), symmetry),
        seen_NSC=of_cells(inputs.seen_NSC),
        normal_NSC=of_cells(inputs.normal_NSC),
        heat_NS=of_cells(inputs.heat_NS),
        texts_N2E=inputs.texts_N2E,
    )
    # What lies in a cell now came from `before`; so what was in `before` lies there now.
    before_P = _turn(torch.arange(len(PLACES)).view(ROWS, COLUMNS), (0, 1), symmetry).flatten()
    now_P = torch.empty_like(before_P)
    now_P[before_P] = torch.arange(len(PLACES))
    column = ATTRIBUTES.index("place")
    labels_NA = labels_NA.clone()
    labels_NA[:, column] = now_P[labels_NA[:, column]]
    return moved, labels_NA


def _turn(grid: Tensor, axes: tuple[int, int], symmetry: tuple[bool, bool, bool]) -> Tensor:
    transposed, mirrored_x, mirrored_y = symmetry
    if transposed:
        grid = grid.transpose(*axes)
    flipped = [a for a, flip in zip(axes, (mirrored_y, mirrored_x), strict=True) if flip]
    return grid.flip(flipped) if flipped else grid
