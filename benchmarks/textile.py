"""Images of woven textile with simulated defects, from the package ``conformal-clip-data``."""

from __future__ import annotations

from benchmarks.products import Product, Sample, images_in, package_folder
from experts.errors import ImageError

KINDS = ("local", "global")


def textiles(kind: str, enrolled: int) -> Product:
    """Nominal textile and a kind of defect; a seed draws ``enrolled`` nominal images.

    Args:
        kind: ``local``: a fault of single threads; ``global``: the whole cloth is off.
        enrolled: How many nominal images are enrolled; all others are tested.

    Raises:
        ImageError: If the package is not installed or the kind is unknown.
    """
    if kind not in KINDS:
        raise ImageError(f"textile {kind!r}: expected {' or '.join(KINDS)}")
    folder = package_folder("conformal_clip_data") / "data" / "textile_images" / "simulated"
    return Product(
        f"textile/{kind}",
        train=(),
        good=tuple(images_in(folder / "nominal")),
        defective=tuple(Sample(path, defective=True) for path in images_in(folder / kind)),
        draws=enrolled,
        shows="textile",
    )
