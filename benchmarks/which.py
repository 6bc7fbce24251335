"""How well the images of many lines are told apart, and products that are not enrolled from them.

Lines are enrolled from some good images of each product, all in one home, and held-out images are
asked about: good ones and defective ones. The same answers without the image's own line say what
would be said of a product that is not enrolled.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import solar_cells
from benchmarks.layouts import find_products
from benchmarks.products import Product
from benchmarks.screws import screws
from benchmarks.textile import textiles
from echo import Failure, LineFinder, LineGuess, ProductLine
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError
from experts.lines import best_of

# Of each product and label.
ASKED = 60


@dataclass(frozen=True)
class Asked:
    """Images of one product that are asked about.

    Attributes:
        line: The line that they are of.
        what: Which images they are: ``good``, or how they are defective.
        images: None of them is enrolled.
    """

    line: str
    what: str
    images: Sequence[Path]


class Row(NamedTuple):
    """What is said of images of one product; all but ``images`` are shares.

    Attributes:
        images: How many were asked about.
        nearest: Whose nearest line is their own.
        none: Said to be of no line.
        other: Said to be of another line.
        stranger: Said to be of no line if their own is not enrolled.
    """

    images: int
    nearest: float
    none: float
    other: float
    stranger: float


def score(guesses: Sequence[LineGuess], line: str) -> Row:
    """Hold answers on images of one line against the truth."""
    without = [[m for m in guess.matches if m.line != line] for guess in guesses]
    return Row(
        images=len(guesses),
        nearest=float(np.mean([guess.matches[0].line == line for guess in guesses])),
        none=float(np.mean([guess.best is None for guess in guesses])),
        other=float(np.mean([guess.best not in {None, line} for guess in guesses])),
        stranger=float(np.mean([best_of(matches) is None for matches in without])),
    )


def all_products(root: Path, drawings: Path) -> list[Product]:
    """The objects of a tree, solar cells, textile and drawn screws.

    Args:
        root: A tree of labelled images.
        drawings: A folder that takes the screws.

    Raises:
        EchoError: If the images cannot be used, or the screws cannot be drawn.
    """
    cells = [solar_cells(kind, 200) for kind in ("mono", "poly")]
    return [*find_products(root), *cells, textiles("local", 200), screws(drawings)]


def prepare(product: Product, enrolled: int, home: Path, rng: np.random.Generator) -> list[Asked]:
    """Enrol some good images of a product, and draw those to ask about.

    Raises:
        EchoError: If the images cannot be used.
    """
    split = product.split(seed=0)
    name = re.sub("[^A-Za-z0-9]+", "-", product.name.removesuffix("/local"))
    ProductLine.enroll(name, _draw(split.enrolled, enrolled, rng), home=home, progress=False)
    good = [sample.path for sample in split.test if not sample.defective]
    defective = {"defective": [sample.path for sample in product.defective]}
    if product.name == "textile/local":
        whole = textiles("global", 0).defective
        defective = {
            "single threads": defective["defective"],
            "the whole cloth": [sample.path for sample in whole],
        }
    return [
        Asked(name, what, _draw(images, ASKED, rng))
        for what, images in {"good": good, **defective}.items()
    ]


def _draw(images: Sequence[Path], count: int, rng: np.random.Generator) -> list[Path]:
    return [images[i] for i in sorted(rng.permutation(len(images))[:count])]


def bench_which(
    products: Sequence[Product], enrolled: int, home: Path, out: Path, console: Console
) -> dict[str, dict[str, Row]]:
    """Enrol and ask about every product; prints a table and writes ``which.json``.

    Args:
        products: At least two.
        enrolled: Good images of each, at most.
        home: Where the lines go.
        out: Where the results go.
        console: Takes the table.

    Raises:
        EchoError: If the images cannot be used, or ``out`` cannot be written.
    """
    folder = writable_folder(out)
    rng = np.random.default_rng(0)
    with Progress() as bars, bars.task("Enrolling", len(products)) as advance:
        asked: list[Asked] = []
        for product in products:
            asked += prepare(product, enrolled, home, rng)
            advance(1)
    finder = LineFinder.open(home)
    table = Table("line", "images", "", "nearest right", "none", "another", "stranger: none")
    rows: dict[str, dict[str, Row]] = {}
    with Progress() as bars, bars.task("Asking", len(asked)) as advance:
        for each in asked:
            row = score(_ask(finder, each.images), each.line)
            rows.setdefault(each.line, {})[each.what] = row
            shares = [f"{share:.3f}" for share in row[1:]]
            table.add_row(each.line, each.what, str(row.images), *shares)
            advance(1)
    console.print(table)
    results = {name: {w: row._asdict() for w, row in of.items()} for name, of in rows.items()}
    document = {"enrolled": enrolled, "lines": results}
    write_bytes(folder / "which.json", json.dumps(document, indent=1).encode())
    return rows


def _ask(finder: LineFinder, images: Sequence[Path]) -> list[LineGuess]:
    guesses = []
    for answer in finder.which_many(images):
        if isinstance(answer, Failure):
            raise EchoError(answer.error)
        guesses.append(answer)
    return guesses


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How well images of many lines are told apart.")
    parser.add_argument("root", type=Path, help="a tree of labelled images")
    parser.add_argument("--enrolled", type=int, default=60, help="good images of each, at most")
    parser.add_argument("--out", type=Path, default=Path("bench-out/which"))
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as home:
            products = all_products(given.root, given.out / "screws")
            bench_which(products, given.enrolled, Path(home), given.out, Console())
    except EchoError as error:
        raise SystemExit(f"which: {error}") from error


if __name__ == "__main__":
    main()
