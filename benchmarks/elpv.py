"""Electroluminescence images of solar cells, from the package ``elpv-dataset``.

Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery" (2018); Deitsch et al. (2019, 2021).
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.products import Product, Sample, package_folder
from experts.errors import ImageError

KINDS = ("mono", "poly")
PACKAGE = "elpv_dataset"


def load_cells(kind: str) -> list[tuple[Path, bool]]:
    """Cells of a kind (``mono`` or ``poly``) with defect probability 0 or 1; True is defective.

    Raises:
        ImageError: If the package is not installed or the kind is unknown.
    """
    if kind not in KINDS:
        raise ImageError(f"cells {kind!r}: expected {' or '.join(KINDS)}")
    data = package_folder(PACKAGE) / "data"
    with (data / "labels.csv").open(encoding="utf-8") as stream:
        rows = [line.split() for line in stream if line.strip()]
    certain = {"0.0": False, "1.0": True}
    return [(data / path, certain[p]) for path, p, k in rows if k == kind and p in certain]


def solar_cells(kind: str, enrolled: int) -> Product:
    """The cells of a kind as a product; a seed draws ``enrolled`` functional ones.

    Raises:
        ImageError: If the package is not installed or the kind is unknown.
    """
    cells = load_cells(kind)
    return Product(
        f"elpv/{kind}",
        train=(),
        good=tuple(path for path, defective in cells if not defective),
        defective=tuple(Sample(path, defective=True) for path, defective in cells if defective),
        draws=enrolled,
        shows="solar cell",
    )
