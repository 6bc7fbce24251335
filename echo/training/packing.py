"""Many questions on one sheet in one pass: a tree of tokens instead of a row for each answer.

Each token sees what leads to it and nothing of other branches, and stands at the position that it
would have in a row of its own. So a sheet is read once for all that is asked of it, in training as
at work; the passes are the same to the last rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Branch:
    """A row of tokens of which only the end is learned.

    Attributes:
        ids: All tokens, from the beginning of the conversation on.
        begin: Where the answer begins, at least 1.
    """

    ids: tuple[int, ...]
    begin: int


@dataclass(frozen=True)
class Packed:
    """Rows as one tree.

    Attributes:
        ids_T: Tokens, each once however many rows go through it.
        positions_T: Position of each token in its rows.
        sees_TT: bool, which tokens (columns) each token (row) sees.
        foretells: For each row the tokens behind which its answer is foretold, and the answer.
    """

    ids_T: torch.Tensor
    positions_T: torch.Tensor
    sees_TT: torch.Tensor
    foretells: tuple[tuple[torch.Tensor, torch.Tensor], ...]


def pack(branches: Sequence[Branch]) -> Packed:
    """Pack rows that begin alike into a tree.

    Args:
        branches: At least one.
    """
    ids: list[int] = []
    parents: list[int] = []
    children: dict[tuple[int, int], int] = {}
    paths = []
    for branch in branches:
        path, node = [], -1
        for token in branch.ids:
            after = children.get((node, token))
            if after is None:
                after = children[node, token] = len(ids)
                ids.append(token)
                parents.append(node)
            node = after
            path.append(node)
        paths.append(path)
    sees_TT = torch.zeros(len(ids), len(ids), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            sees_TT[node] = sees_TT[parent]
        sees_TT[node, node] = True
    foretells = tuple(
        (torch.tensor(path[branch.begin - 1 : -1]), torch.tensor(branch.ids[branch.begin :]))
        for branch, path in zip(branches, paths, strict=True)
    )
    return Packed(torch.tensor(ids), sees_TT.sum(1) - 1, sees_TT, foretells)
