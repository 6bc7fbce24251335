"""Electroluminescence images of solar cells, from the package ``elpv-dataset``.

Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery" (2018); Deitsch et al. (2019, 2021).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experts.errors import ImageError


@dataclass(frozen=True)
class Split:
    """Cells to enrol, and all others with their labels.

    Attributes:
        enrolled: Functional cells.
        test: The cells that are not enrolled.
        defective: For each of ``test``.
    """

    enrolled: list[Path]
    test: list[Path]
    defective: list[bool]


def load_cells(kind: str) -> list[tuple[Path, bool]]:
    """Cells of a kind (``mono`` or ``poly``) with defect probability 0 or 1; True is defective.

    Raises:
        ImageError: If the package is not installed or the kind is unknown.
    """
    if kind not in {"mono", "poly"}:
        raise ImageError(f"cells {kind!r}: expected mono or poly")
    spec = importlib.util.find_spec("elpv_dataset")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise ImageError('the demo images are not installed; run: pip install "echo-iad[demo]"')
    data = Path(folders[0]) / "data"
    with (data / "labels.csv").open(encoding="utf-8") as stream:
        rows = [line.split() for line in stream if line.strip()]
    certain = {"0.0": False, "1.0": True}
    return [(data / path, certain[p]) for path, p, k in rows if k == kind and p in certain]


def split_cells(kind: str, enrolled: int, seed: int) -> Split:
    """Draw functional cells to enrol; everything else is for the test."""
    cells = load_cells(kind)
    good = [i for i, (_, defective) in enumerate(cells) if not defective]
    chosen = set(np.random.default_rng(seed).permutation(good)[:enrolled].tolist())
    rest = [cell for i, cell in enumerate(cells) if i not in chosen]
    return Split(
        enrolled=[cells[i][0] for i in sorted(chosen)],
        test=[path for path, _ in rest],
        defective=[defective for _, defective in rest],
    )
