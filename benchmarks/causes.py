"""Whether the test of a cause tells the truth.

Three times the places of an image are replaced by what a normal image shows there, and the image is
inspected again. The places that stand out in defective images: they should stand out no more. The
same places moved to where the image is normal: it should stay as unusual as it is. Such places in
good images: they should not become unusual, or the replacement itself would show.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import solar_cells
from benchmarks.layouts import find_products
from benchmarks.products import Product
from echo import Inspector, ProductLine
from echo.experience import Experience
from echo.language import Language
from echo.progress import Progress
from echo.rules import Rules
from echo.storage import writable_folder, write_bytes
from echo.team import Experts
from experts.errors import EchoError
from experts.evidence import Cause, Region
from experts.images import read_picture
from experts.tools.cause import find_cause
from experts.tools.healing import GROWN, grown
from experts.tools.scene import Scene

BoolArray = NDArray[np.bool_]

# Solar cells that are drawn to be enrolled.
DRAWN = 200
# Places are moved to one of so many positions along each side.
POSITIONS = 7


@dataclass(frozen=True)
class Figures:
    """What came of one product.

    Attributes:
        defective: Images whose places were replaced.
        places: How many places they have.
        healed: Of these, those that no longer stand out.
        still_unusual: Of the images, those that are unusual nevertheless.
        moved: Images whose places were moved.
        moved_still_unusual: Of these, those that are as unusual as before.
        good: Good images that places of defective ones were replaced in.
        good_unusual: Of these, those that became unusual.
    """

    defective: int
    places: int
    healed: int
    still_unusual: int
    moved: int
    moved_still_unusual: int
    good: int
    good_unusual: int


class Bench:
    """One enrolled line, and the scenes that the test is tried on."""

    def __init__(self, line: ProductLine) -> None:
        self._line = line
        self._inspector = Inspector(line, keep=False, mllm="none")
        rules, language = Rules(line), Language(line.home, line.name, "none")
        self._gear = Experts.of(line, rules, language, Experience()).equipment

    def scene(self, path: Path) -> Scene:
        """An image as the line sees it."""
        picture = read_picture(path)
        found = self._inspector.inspect_picture(picture)
        (features,) = self._line.see([picture])
        return Scene(picture, features, found.sight, found.references, found.anomaly, found.regions)

    def measure(self, product: Product, good: Sequence[Path], count: int) -> Figures:
        """Try the test on so many images of each label."""
        # In the order of a data set one kind of defect would come first.
        rng = np.random.default_rng(0)
        bad_ones = [product.defective[i].path for i in rng.permutation(len(product.defective))]
        bad = self._take(bad_ones, count, unusual=True)
        calm = self._take([good[i] for i in rng.permutation(len(good))], count, unusual=False)
        causes = self._causes(bad)
        moved = self._causes(
            [s for scene in bad for s in _with_places(scene, scene.regions, scene.regions)]
        )
        placed = self._causes(
            [
                s
                for scene, other in zip(calm, itertools.cycle(bad), strict=False)
                for s in _with_places(scene, other.regions, ())
            ]
        )
        places = [place for cause in causes for place in cause.healed]
        return Figures(
            defective=len(causes),
            places=len(places),
            healed=sum(not place.stays for place in places),
            still_unusual=sum(not cause.explains for cause in causes),
            moved=len(moved),
            moved_still_unusual=sum(not cause.explains for cause in moved),
            good=len(placed),
            good_unusual=sum(not cause.explains for cause in placed),
        )

    def _take(self, paths: Iterable[Path], count: int, *, unusual: bool) -> list[Scene]:
        scenes = (self.scene(path) for path in paths)
        alpha = self._gear.alpha
        wanted = (s for s in scenes if (bool(s.regions) if unusual else s.anomaly.p_value > alpha))
        return list(itertools.islice(wanted, count))

    def _causes(self, scenes: Sequence[Scene]) -> list[Cause]:
        found = (find_cause(scene, self._gear) for scene in scenes)
        return [cause for cause in found if isinstance(cause, Cause)]


def _with_places(
    scene: Scene, regions: Sequence[Region], avoided: Sequence[Region]
) -> Iterator[Scene]:
    """The scene as if regions of that shape stood out where it is most normal; none if none fit."""
    size_HW = scene.picture.size_HW
    kept_HW = np.zeros(size_HW, bool)
    for region in avoided:
        left, top, right, bottom = region.box_xyxy
        kept_HW[top:bottom, left:right] |= region.mask
    scores_HW = scene.anomaly.scores_HW
    placed = []
    for region in regions:
        spots = list(_spots(region.mask, size_HW, kept_HW, GROWN * scene.step_px))
        if not spots:
            continue
        height, width = region.mask.shape
        peaks = [scores_HW[y : y + height, x : x + width][region.mask].max() for y, x in spots]
        y, x = spots[int(np.argmin(peaks))]
        box = (x, y, x + width, y + height)
        placed.append(region.model_copy(update={"box_xyxy": box, "peak_score": float(min(peaks))}))
    if placed:
        yield replace(scene, regions=tuple(placed))


def _spots(
    mask: BoolArray, size_HW: tuple[int, int], kept_HW: BoolArray, reach_px: float
) -> Iterator[tuple[int, int]]:
    """Where a mask can lie without touching what is to be avoided."""
    height, width = mask.shape
    room_y, room_x = size_HW[0] - height, size_HW[1] - width
    if min(room_y, room_x) < 0:
        return
    shares = np.linspace(0, 1, POSITIONS)
    for share_y, share_x in itertools.product(shares, shares):
        y, x = int(share_y * room_y), int(share_x * room_x)
        placed = np.pad(mask, ((y, room_y - y), (x, room_x - x)))
        if not (grown(placed, reach_px) & kept_HW).any():
            yield y, x


def bench_causes(products: Sequence[Product], count: int) -> dict[str, Figures]:
    """Try the test on each product.

    Raises:
        EchoError: If the images cannot be used.
    """
    figures = {}
    with Progress() as bars, bars.task("Testing causes", len(products)) as advance:
        for product in products:
            split = product.split(0, None)
            good = [sample.path for sample in split.test if not sample.defective]
            with tempfile.TemporaryDirectory() as home:
                line = ProductLine.enroll(
                    product.line_name, split.enrolled, home=home, progress=False
                )
                figures[product.name] = Bench(line).measure(product, good, count)
            advance(1)
    return figures


def table_of(figures: dict[str, Figures]) -> Table:
    """The figures for people."""
    table = Table("product", "places healed", "images explained", "moved: unusual", "good: unusual")
    for name, found in figures.items():
        explained = found.defective - found.still_unusual
        table.add_row(
            name,
            f"{found.healed} of {found.places}",
            f"{explained} of {found.defective}",
            f"{found.moved_still_unusual} of {found.moved}",
            f"{found.good_unusual} of {found.good}",
        )
    return table


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Whether the test of a cause tells the truth.")
    parser.add_argument("--data", type=Path, help="a tree of labelled images, besides solar cells")
    parser.add_argument("--object", action="append", default=[], help="only these of the tree")
    parser.add_argument("--count", type=int, default=40, help="images of each label")
    parser.add_argument("--out", type=Path, default=Path("bench-out/causes"))
    given = parser.parse_args()
    try:
        out = writable_folder(given.out)
        tree = find_products(given.data, given.object) if given.data else []
        figures = bench_causes([*tree, solar_cells("mono", DRAWN)], given.count)
        document = {name: asdict(found) for name, found in figures.items()}
        write_bytes(out / "causes.json", json.dumps(document, indent=1).encode())
        Console().print(table_of(figures))
    except EchoError as error:
        raise SystemExit(f"causes: {error}") from error


if __name__ == "__main__":
    main()
