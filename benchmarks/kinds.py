"""How well a few examples of each kind of defect name the others.

For every object of a tree in the MVTec layout with at least two kinds: ``--examples`` images of
each kind are drawn, the kinds of all others are predicted, and that again ``--draws`` times. Twice
as a user does it: the strongest region that the line finds stands for the defect in the others, and
in the examples the same, or the region that a mask marks. Every image counts, also one that the
line accepts. Once, to compare, with the ground-truth masks themselves on both sides (the largest
connected part of each).

The reference is the line's small copy of the most similar normal image, as in an inspection.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from echo import Failure, Inspector, ProductLine
from echo.progress import Progress
from experts.decoder.descriptor import describe_place, place_of_mask, place_of_region
from experts.decoder.regions import marked_region, strongest_region
from experts.errors import EchoError, ImageError
from experts.evidence import Inspection, Region
from experts.images import IMAGE_SUFFIXES, read_picture
from experts.kinds import KindModel

FloatArray = NDArray[np.float32]


class Described(NamedTuple):
    """Descriptors of an object's defects as examples and as questions, and the kind of each."""

    shown_ND: FloatArray
    asked_ND: FloatArray
    names: list[str]


class Score(NamedTuple):
    """Of one draw.

    Attributes:
        top1: Share whose likeliest kind is the right one.
        covered: Share whose kind is in the conformal set.
        size: Mean number of kinds in that set.
        unknown: Share whose set is empty.
    """

    top1: float
    covered: float
    size: float
    unknown: float


def measure(described: Described, examples: int, seed: int) -> Score:
    """Learn from ``examples`` drawn of each kind, and name all others."""
    rng = np.random.default_rng(seed)
    names = np.array(described.names)
    drawn = np.concatenate(
        [rng.choice(np.flatnonzero(names == k), examples, replace=False) for k in np.unique(names)]
    )
    model = KindModel.fit(described.shown_ND[drawn], names[drawn].tolist())
    rest = np.setdiff1d(np.arange(len(names)), drawn)
    found = [model.predict(descriptor) for descriptor in described.asked_ND[rest]]
    pairs = list(zip(found, names[rest].tolist(), strict=True))
    return Score(
        top1=float(np.mean([next(iter(kinds.probabilities)) == name for kinds, name in pairs])),
        covered=float(np.mean([name in kinds.names for kinds, name in pairs])),
        size=float(np.mean([len(kinds.names) for kinds in found])),
        unknown=float(np.mean([kinds.unknown for kinds in found])),
    )


def describe(folder: Path, home: Path) -> dict[str, Described]:
    """Enrol an object and describe its defects, by their masks and as the line finds them.

    Images without a mask are left out.
    """
    line = ProductLine.enroll("bench", folder / "train" / "good", home=home, progress=False)
    tests = [path for path in _images(folder / "test") if _kind(path, folder) != "good"]
    rows: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    names: list[str] = []
    with Progress() as bars, bars.task("Describing", len(tests)) as advance:
        for path, result in zip(
            tests, Inspector(line, keep=False, mllm="none").inspect_many(tests), strict=True
        ):
            if isinstance(result, Failure):
                raise EchoError(result.error)
            row = _descriptors(path, folder, result, line)
            if row is not None:
                rows.append(row)
                names.append(_kind(path, folder))
            advance(1)
    drawn_ND, marked_ND, found_ND = (np.stack(column) for column in zip(*rows, strict=True))
    return {
        "found regions": Described(found_ND, found_ND, names),
        "regions that a mask marks, then found": Described(marked_ND, found_ND, names),
        "drawn masks": Described(drawn_ND, drawn_ND, names),
    }


def _descriptors(
    path: Path, folder: Path, inspection: Inspection, line: ProductLine
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """By the mask, by the region that it marks, and by the strongest; none without."""
    mask_path = folder / "ground_truth" / _kind(path, folder) / f"{path.stem}_mask.png"
    if not mask_path.is_file() or not (mask_HW := read_picture(mask_path).grey_HW > 0).any():
        return None
    picture, anomaly = read_picture(path), inspection.anomaly
    normal_HW3 = np.asarray(line.thumbnail(inspection.references[0]))
    drawn = place_of_mask(mask_HW)
    marked = marked_region(anomaly, picture.grey_HW, mask_HW)
    found = strongest_region(anomaly, picture.grey_HW)
    if found is None:
        return None

    def describe_region(region: Region | None) -> FloatArray:
        place = drawn if region is None else place_of_region(region, anomaly)
        return describe_place(picture.rgb_HW3, place, normal_HW3, line.encoder)

    return describe_region(None), describe_region(marked), describe_region(found)


def bench_kinds(
    root: Path, objects: Sequence[str], examples: int, draws: int, console: Console
) -> dict[str, dict[str, list[Score]]]:
    """Measure every object and print a table; the scores of all draws come back."""
    folders = {
        good.parent.parent.relative_to(root).as_posix(): good.parent.parent
        for good in sorted(root.rglob("train/good"))
    }
    chosen = {name: path for name, path in folders.items() if not objects or name in objects}
    if not chosen:
        wanted = f" named {', '.join(objects)}" if objects else ""
        raise ImageError(f"{root}: no object{wanted} with train/good in it; name its tree")
    table = Table("", "", "top-1", "right kind in the set", "kinds in the set", "unknown")
    scores: dict[str, dict[str, list[Score]]] = {}
    for name, path in chosen.items():
        with tempfile.TemporaryDirectory() as home:
            ways = describe(path, Path(home))
        scores[name] = {}
        for way, described in ways.items():
            found = [measure(described, examples, seed) for seed in range(draws)]
            scores[name][way] = found
            table.add_row(name, way, *_cells(found))
    console.print(table)
    return scores


def _cells(scores: Sequence[Score]) -> list[str]:
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
    return [f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)]


def _kind(path: Path, folder: Path) -> str:
    return path.relative_to(folder / "test").parts[0]


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How well few examples name kinds of defects.")
    parser.add_argument("root", type=Path, help="tree in the MVTec layout")
    parser.add_argument("--object", action="append", default=[], help="only this one, e.g. a/tile")
    parser.add_argument("--examples", type=int, default=5, help="of each kind")
    parser.add_argument("--draws", type=int, default=10, help="random draws of the examples")
    given = parser.parse_args()
    try:
        bench_kinds(given.root, given.object, given.examples, given.draws, Console())
    except EchoError as error:
        raise SystemExit(f"kinds: {error}") from error


if __name__ == "__main__":
    main()
