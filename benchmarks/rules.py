"""Are verdicts by rules right? Drawn masks take the place of found ones, and all is computed twice.

Every image of an object is judged by the Knowledge Guide and the Decision Maker, with the connected
parts of its ground-truth mask for regions and the kind that its folder says. A second computation
knows nothing of Echo's: plain loops over pixels, the limits written out as Python. Both must agree
on each verdict and on whether each clause holds.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from benchmarks.layouts import find_products
from benchmarks.masks import read_masks
from benchmarks.products import Sample
from echo.progress import Progress
from experts.decision import DecisionMaker, Wording
from experts.decoder.regions import measure_region
from experts.errors import EchoError, ImageError
from experts.evidence import AnomalyMap, KindSet, Region, Sight, Verdict
from experts.images import read_picture
from experts.knowledge import KnowledgeGuide, Scene, load_knowledge

BoolArray = NDArray[np.bool_]
Pixels = list[tuple[int, int]]

MM_PER_PX = 0.1
RULES = f"""\
product: magnetic tile
normal: A grey tile.
mm_per_px: {MM_PER_PX}
zones:
  - {{name: middle, box: [0.25, 0.25, 0.75, 0.75]}}
defects:
  - name: blowhole
    appearance: A small dark hole.
    severity: minor
    clauses:
      - {{id: blowhole.diameter, quantity: diameter, at_most: 1.2, unit: mm}}
      - {{id: blowhole.count, quantity: count, at_most: 2, then: review}}
      - {{id: blowhole.middle, zone: middle, quantity: area, at_most: 1, unit: mm}}
  - name: break
    appearance: A missing piece.
    severity: critical
    clauses:
      - {{id: break.area, quantity: area, at_most: 1.5, unit: "%"}}
      - {{id: break.edge, quantity: distance_to_edge, at_least: 4, unit: px, then: review}}
  - name: crack
    appearance: A dark line.
    severity: critical
    clauses:
      - {{id: crack.length, quantity: length, at_most: 5, unit: mm}}
      - {{id: crack.total, quantity: total_area, at_most: 150, unit: px, then: review}}
  - name: fray
    appearance: A worn patch.
    severity: major
    clauses:
      - {{id: fray.width, quantity: width, at_most: 40, unit: px}}
      - {{id: fray.total, quantity: total_area, at_most: 6, unit: "%", then: accept}}
  - name: uneven
    appearance: Uneven grinding.
    severity: minor
    clauses:
      - {{id: uneven.total, quantity: total_area, at_most: 10, unit: "%"}}
      - {{id: uneven.length, quantity: length, at_most: 60, unit: "%", then: review}}
"""
_RANK: dict[Verdict, int] = {"accept": 0, "review": 1, "reject": 2}
# As of a part that scores beyond 99 normal ones.
_P, _ALPHA = 0.01, 0.05


class Tally(NamedTuple):
    """What came of it.

    Attributes:
        verdicts: How often each was given.
        differing: Images on which the two computations do not agree.
    """

    verdicts: Counter[str]
    differing: list[Path]


def judge(samples: Sequence[Sample], guide: KnowledgeGuide) -> Tally:
    """Judge images twice by their masks.

    Args:
        samples: Of one object; the folder of each says its kind.
        guide: With the rules above.

    Raises:
        ImageError: If an image or a mask cannot be read.
    """
    verdicts: Counter[str] = Counter()
    differing: list[Path] = []
    with Progress() as bars, bars.task("Judging", len(samples)) as advance:
        for sample in samples:
            size_HW = read_picture(sample.path).size_HW
            mask_HW = read_masks(sample.masks, sample.path, size_HW)
            kind = sample.path.parent.name
            ours = by_echo(mask_HW, kind, guide)
            verdicts[ours[0]] += 1
            if ours != by_hand(mask_HW, kind):
                differing.append(sample.path)
            advance(1)
    return Tally(verdicts, differing)


def by_echo(mask_HW: BoolArray, kind: str, guide: KnowledgeGuide) -> tuple[Verdict, frozenset[str]]:
    """The verdict, and the ids of the clauses that do not hold."""
    height, width = mask_HW.shape
    labels_HW, _ = ndimage.label(mask_HW)
    chance = {kind: 1.0}
    told = KindSet(names=(kind,), probabilities=chance, p_values=chance, coverage=0.9)
    regions: list[Region] = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels_HW), start=1):
        inside = labels_HW[rows, columns] == number
        corner = (columns.start, rows.start)
        grey_HW = np.zeros((height, width), np.float32)
        region = measure_region(f"region-{number}", inside, corner, 1.0, grey_HW)
        regions.append(region.model_copy(update={"kinds": told}))
    sight = Sight.of_image((height, width), mm_per_px=MM_PER_PX)
    findings = guide.check(regions, Scene((height, width), sight, 1.0))
    broken = frozenset(c.clause.id for c in findings.checks if not c.within)
    if not regions:
        return "accept", broken
    maker = DecisionMaker(_ALPHA, Wording(), has_knowledge=True)
    decision, _ = maker.decide(
        _suspicious((height, width)), regions, findings.checks, findings.unruled
    )
    return decision.verdict, broken


def _suspicious(size_HW: tuple[int, int]) -> AnomalyMap:
    return AnomalyMap(
        patch_scores_HW=np.ones((1, 1), np.float32),
        patch_stride_px=(1.0, 1.0),
        patch_centre_px=(0.0, 0.0),
        image_size_HW=size_HW,
        score=1.0,
        p_value=_P,
        calibration_size=99,
        limit=0.5,
        extent_limit=0.1,
        encoder="none",
    )


def by_hand(mask_HW: BoolArray, kind: str) -> tuple[Verdict, frozenset[str]]:
    """The same by plain loops; nothing here is Echo's."""
    size_HW = (mask_HW.shape[0], mask_HW.shape[1])
    parts = _parts(mask_HW)
    broken = {name: then for name, holds, then in _BY_HAND[kind](parts, size_HW) if not holds}
    if not parts:
        return "accept", frozenset()
    verdict: Verdict = max(broken.values(), key=lambda then: _RANK[then], default="accept")
    return verdict, frozenset(broken)


# Of each rule: its id, whether it holds, and what follows.
_Held = list[tuple[str, bool, Verdict]]


def _blowhole(parts: list[Pixels], size_HW: tuple[int, int]) -> _Held:
    middle = [p for p in parts if any(_is_in_middle(pixel, size_HW) for pixel in p)]
    diameters = [2 * math.sqrt(len(p) / math.pi) * MM_PER_PX for p in parts]
    return [
        ("blowhole.diameter", all(d <= 1.2 for d in diameters), "reject"),
        ("blowhole.count", len(parts) <= 2, "review"),
        ("blowhole.middle", all(len(p) * MM_PER_PX**2 <= 1 for p in middle), "reject"),
    ]


def _break(parts: list[Pixels], size_HW: tuple[int, int]) -> _Held:
    height, width = size_HW
    shares = [100 * len(p) / (height * width) for p in parts]
    to_edge = [min(y, x, height - 1 - y, width - 1 - x) for p in parts for y, x in p]
    return [
        ("break.area", all(share <= 1.5 for share in shares), "reject"),
        ("break.edge", all(distance >= 4 for distance in to_edge), "review"),
    ]


def _crack(parts: list[Pixels], size_HW: tuple[int, int]) -> _Held:
    return [
        ("crack.length", all(_longest(p) * MM_PER_PX <= 5 for p in parts), "reject"),
        ("crack.total", sum(map(len, parts)) <= 150, "review"),
    ]


def _fray(parts: list[Pixels], size_HW: tuple[int, int]) -> _Held:
    share = 100 * sum(map(len, parts)) / (size_HW[0] * size_HW[1])
    return [
        ("fray.width", all(_narrowest(p) <= 40 for p in parts), "reject"),
        ("fray.total", share <= 6, "accept"),
    ]


def _uneven(parts: list[Pixels], size_HW: tuple[int, int]) -> _Held:
    share = 100 * sum(map(len, parts)) / (size_HW[0] * size_HW[1])
    lengths = [100 * _longest(p) / max(size_HW) for p in parts]
    return [
        ("uneven.total", share <= 10, "reject"),
        ("uneven.length", all(length <= 60 for length in lengths), "review"),
    ]


_BY_HAND: dict[str, Callable[[list[Pixels], tuple[int, int]], _Held]] = {
    "blowhole": _blowhole,
    "break": _break,
    "crack": _crack,
    "fray": _fray,
    "uneven": _uneven,
    "good": lambda parts, size_HW: [],
}


def _is_in_middle(pixel: tuple[int, int], size_HW: tuple[int, int]) -> bool:
    centres = [(at + 0.5) / side for at, side in zip(pixel, size_HW, strict=True)]
    return all(0.25 <= centre <= 0.75 for centre in centres)


def _parts(mask_HW: BoolArray) -> list[Pixels]:
    """The connected parts, by walking from pixel to pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask_HW)}
    parts = []
    while left:
        walk, part = [left.pop()], []
        while walk:
            y, x = walk.pop()
            part.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    walk.append(near)
        parts.append(part)
    return parts


def _longest(part: Pixels) -> float:
    """The largest distance of two pixels' centres, and half a pixel at either end."""
    pairs = combinations(_corners(part), 2)
    return max((math.dist(one, other) for one, other in pairs), default=0.0) + 1


def _narrowest(part: Pixels) -> float:
    """The smallest extent: it lies across a side of the convex hull."""
    corners = _corners(part)
    if len(corners) < 3:
        return 1.0
    widths = []
    for (y0, x0), (y1, x1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        length = math.hypot(y1 - y0, x1 - x0)
        across = [((y - y0) * (x1 - x0) - (x - x0) * (y1 - y0)) / length for y, x in corners]
        widths.append(max(across) - min(across))
    return min(widths) + 1


def _corners(part: Pixels) -> Pixels:
    """The corners of the convex hull, in order; the ends, if all lie in a line."""
    points = np.array(part)
    try:
        hull = ConvexHull(points)
    except QhullError:
        ordered = sorted(part)
        return [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
    return [(int(y), int(x)) for y, x in points[hull.vertices]]


def main() -> int:
    """Judge the object that the command line names."""
    parser = argparse.ArgumentParser(description="Check verdicts by rules on ground-truth masks.")
    parser.add_argument("root", type=Path, help="a tree in the MVTec layout")
    parser.add_argument("--object", default="MagneticTile/tile")
    arguments = parser.parse_args()
    console = Console()
    try:
        (product,) = find_products(arguments.root, [arguments.object])
        samples = [*product.defective, *(Sample(path, defective=False) for path in product.good)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yaml"
            path.write_text(RULES, encoding="utf-8")
            tally = judge(samples, KnowledgeGuide(load_knowledge(path)))
    except (EchoError, ImageError) as error:
        console.print(f"{error}", markup=False, highlight=False)
        return 2
    given = ", ".join(f"{count} {verdict}" for verdict, count in sorted(tally.verdicts.items()))
    equal = len(samples) - len(tally.differing)
    console.print(f"{equal} of {len(samples)} verdicts agree ({given}).", highlight=False)
    for path in tally.differing:
        console.print(f"differs: {path}", markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
