"""How well the audit finds defective images among the enrolled ones, and near duplicates.

For every object and seed, its images to enrol are joined by a few of its defective ones and by as
many near duplicates: one of the normal images again, a pixel lower and to the right and a little
brighter. The line is enrolled from all of them and audited. No label is seen before.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.layouts import find_products
from benchmarks.metrics import auroc
from benchmarks.products import Product
from echo import ProductLine
from echo.audit import Audit, chances
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError, EnrolError
from experts.images import read_picture

AT_LEAST = 3
SHIFT_PX = 1
BRIGHTER = 1.05
FIGURES = {
    "found": ("defects found", "{:.3f}"),
    "precision": ("defects among the named", "{:.3f}"),
    "named_good": ("good images named", "{:.4f}"),
    "rank": ("good images that look more suspicious", "{:.3f}"),
    "copies_found": ("duplicates found", "{:.3f}"),
    "other_pairs": ("other pairs named", "{:.1f}"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Contaminated:
    """What a line is enrolled from.

    Attributes:
        good: Normal images.
        kinds: The kind of each defective image among them.
        originals: Of each near duplicate, the normal image that it shows again.
    """

    good: tuple[Path, ...]
    kinds: Mapping[Path, str]
    originals: Mapping[Path, Path]

    @property
    def images(self) -> list[Path]:
        """All of them."""
        return [*self.good, *self.kinds, *self.originals]


def contaminate(product: Product, share: float, seed: int, folder: Path) -> Contaminated:
    """Draw defective images and near duplicates, and write these.

    Args:
        product: The object.
        share: How many defective images there are for one normal image; ``AT_LEAST`` so many.
        seed: Of the draws.
        folder: Takes the near duplicates.

    Raises:
        EnrolError: If there are fewer images than that.
        ImageError: If one cannot be read.
    """
    good = [path.resolve() for path in product.split(seed).enrolled]
    count = max(AT_LEAST, round(share * len(good)))
    available = min(len(good), len(product.defective))
    if count > available:
        raise EnrolError(
            f"{product.name}: {count} defective and {count} normal images are to be drawn, but "
            f"there are {len(product.defective)} and {len(good)}; lower the share or add some"
        )
    rng = np.random.default_rng(seed)
    slipped = [product.defective[i].path for i in rng.permutation(len(product.defective))[:count]]
    originals = {}
    for i in rng.permutation(len(good))[:count].tolist():
        copy = folder.resolve() / f"again-{i:05d}.png"
        Image.fromarray(shown_again(read_picture(good[i]).rgb_HW3)).save(copy)
        originals[copy] = good[i]
    kinds = {path.resolve(): path.parent.name for path in slipped}
    return Contaminated(tuple(good), kinds, originals)


def shown_again(rgb_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image moved by ``SHIFT_PX`` and ``BRIGHTER``, in the same size."""
    before = (SHIFT_PX, 0)
    moved_HW3 = np.pad(rgb_HW3, (before, before, (0, 0)), mode="edge")[:-SHIFT_PX, :-SHIFT_PX]
    return np.asarray(np.rint(moved_HW3 * BRIGHTER).clip(0, 255), np.uint8)


def measure(product: Product, share: float, seed: int) -> Row:
    """Enrol with one seed, and see what the audit says.

    Returns:
        ``found``: share of the defective images that are named, as suspicious or
        as one of two that show the same and differ; ``named_good``: share of
        the good ones, near duplicates too; ``precision``: share of the named that are defective,
        ``None`` if none is named; ``rank``: of a defective image, the mean share of good ones that
        look more suspicious; ``copies_found``: share of the near duplicates that are paired with
        their originals; ``other_pairs``: how many more pairs are named, which
        may be alike all the same; ``kinds``: of each kind,
        how many slipped in and how many were found.

    Raises:
        EchoError: If the images cannot be used.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        drawn = contaminate(product, share, seed, folder)
        line = ProductLine.enroll("audit", drawn.images, home=folder / "home", seed=seed)
        return {"seed": seed, **figures(drawn, line.audit(), chance_of(line))}


def chance_of(line: ProductLine) -> dict[Path, float]:
    """How many images of the line would look as unusual as each if all were good, by its file.

    Images of the seed are weighed among each other, and so are all others, as in the audit. Those
    that were not compared are left out.
    """
    found: dict[Path, float] = {}
    for seed in (True, False):
        group = [
            (Path(image.path), image.left_out.score)
            for image in line.manifest.images
            if image.left_out is not None and image.left_out.seed == seed
        ]
        if group:
            chance_n = chances(np.array([score for _, score in group]))
            found |= dict(zip((path for path, _ in group), chance_n.tolist(), strict=True))
    return found


def figures(drawn: Contaminated, audit: Audit, chance: Mapping[Path, float]) -> Row:
    """Hold an audit against what was drawn; see ``measure``."""
    good = {*drawn.good, *drawn.originals}
    named = {image.path for image in audit.suspicious}
    named |= {path for pair in audit.near_duplicates if pair.place_ltrb for path in pair.paths}
    right = named & set(drawn.kinds)
    pairs = {frozenset(pair.paths) for pair in audit.near_duplicates}
    true_pairs = {frozenset(pair) for pair in drawn.originals.items()}
    slipped, found = Counter(drawn.kinds.values()), Counter(drawn.kinds[path] for path in right)
    return {
        "found": len(right) / len(drawn.kinds),
        "named_good": len(named & good) / len(good),
        "precision": len(right) / len(named) if named else None,
        "rank": 1
        - auroc(np.array([p in drawn.kinds for p in chance]), [-c for c in chance.values()]),
        "copies_found": len(pairs & true_pairs) / len(true_pairs),
        "other_pairs": len(pairs - true_pairs),
        "kinds": {kind: [slipped[kind], found[kind]] for kind in sorted(slipped)},
    }


def bench_contamination(
    products: Sequence[Product], share: float, seeds: int, out: Path, console: Console
) -> dict[str, list[Row]]:
    """Measure every object with every seed; prints a table and writes ``contamination.json``.

    Raises:
        EchoError: If the images cannot be used, or ``out`` cannot be written.
    """
    folder = writable_folder(out)
    table = Table("", "", "mean over seeds", title="Audit")
    rows: dict[str, list[Row]] = {}
    for product in products:
        rows[product.name] = []
        for seed in range(seeds):
            row = measure(product, share, seed)
            rows[product.name].append(row)
            console.print(f"{product.name}, seed {seed}: {_by_kind([row])}", highlight=False)
    for name, of_seeds in rows.items():
        for key, (label, _) in FIGURES.items():
            table.add_row(name, label, _cell(of_seeds, key))
        table.add_row(name, "found of each kind", _by_kind(of_seeds), end_section=True)
    console.print(table)
    results = {"share": share, "objects": rows}
    write_bytes(folder / "contamination.json", json.dumps(results, indent=1).encode())
    return rows


def _cell(rows: Sequence[Row], key: str) -> str:
    form = FIGURES[key][1]
    values = [row[key] for row in rows if row[key] is not None]
    return f"{form.format(np.mean(values))} ± {form.format(np.std(values))}" if values else "–"


def _by_kind(rows: Sequence[Row]) -> str:
    slipped, found = Counter[str](), Counter[str]()
    for row in rows:
        for kind, (there, named) in row["kinds"].items():
            slipped[kind] += there
            found[kind] += named
    return ", ".join(f"{kind} {found[kind]} of {slipped[kind]}" for kind in sorted(slipped))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How well the audit finds what slipped in.")
    parser.add_argument("root", type=Path, help="a tree of labelled images")
    parser.add_argument("--object", action="append", default=[], help="only this one, e.g. a/tile")
    parser.add_argument("--share", type=float, default=0.02, help="defective images per good one")
    parser.add_argument("--seeds", type=int, default=3, help="how often, each with other draws")
    parser.add_argument("--out", type=Path, default=Path("bench-out/contamination"))
    given = parser.parse_args()
    try:
        products = find_products(given.root, given.object)
        bench_contamination(products, given.share, given.seeds, given.out, Console())
    except EchoError as error:
        raise SystemExit(f"contamination: {error}") from error


if __name__ == "__main__":
    main()
