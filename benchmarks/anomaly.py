"""Detection on labelled images: AUROC, and what users feel at the calibrated threshold.

Overkill is the share of good parts that are not accepted, escape the share of defective parts
that are. No label is seen before the verdicts are in.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import split_cells
from benchmarks.metrics import auroc
from echo import Failure, Inspector, ProductLine
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError, ImageError
from experts.images import IMAGE_SUFFIXES

Row = dict[str, float]


def measure(
    enrolled: Sequence[Path], test: Sequence[Path], defective: Sequence[bool], alpha: float
) -> Row:
    """Enrol, inspect and compare with the labels.

    Returns:
        ``image_auroc``, ``overkill``, ``rejected_good`` and ``escapes`` as shares, the counts,
        and seconds for enrolment and per inspected image.
    """
    with tempfile.TemporaryDirectory() as home, Progress() as bars:
        start = time.perf_counter()
        line = ProductLine.enroll("bench", enrolled, alpha=alpha, home=home, progress=False)
        enrolled_s = time.perf_counter() - start
        inspector = Inspector(line)
        scores, verdicts = [], []
        start = time.perf_counter()
        with bars.task("Inspecting", len(test)) as advance:
            for result in inspector.inspect_many(test):
                if isinstance(result, Failure):
                    raise EchoError(result.error)
                scores.append(result.anomaly.score)
                verdicts.append(result.verdict)
                advance(1)
        inspect_s = (time.perf_counter() - start) / len(test)
    bad = np.array(defective)
    accepted = np.array([v == "accept" for v in verdicts])
    rejected = np.array([v == "reject" for v in verdicts])
    return {
        "image_auroc": auroc(bad, scores),
        "overkill": float((~accepted[~bad]).mean()),
        "rejected_good": float(rejected[~bad].mean()),
        "escapes": float(accepted[bad].mean()),
        "good": float((~bad).sum()),
        "defective": float(bad.sum()),
        "enrol_s": enrolled_s,
        "inspect_s": inspect_s,
    }


def bench_elpv(
    cells: str, enrolled: int, splits: int, alpha: float, out: Path, console: Console
) -> dict[str, Any]:
    """Random splits of the solar cells; prints a table and writes ``results.json``."""
    folder = writable_folder(out)
    rows: dict[str, Row] = {}
    for seed in range(splits):
        split = split_cells(cells, enrolled, seed)
        rows[f"split {seed}"] = measure(split.enrolled, split.test, split.defective, alpha)
        console.print(f"split {seed}: AUROC {rows[f'split {seed}']['image_auroc']:.4f}")
    results = _summary(f"elpv {cells}", rows)
    overkill = [row["overkill"] for row in rows.values()]
    tested = sum(row["good"] for row in rows.values())
    mean = float(np.mean(overkill))
    results["overkill_limit"] = alpha + 2 * float(np.sqrt(alpha * (1 - alpha) / tested))
    results["overkill_promise_kept"] = mean <= results["overkill_limit"]
    _publish(results, folder, console)
    return results


def bench_tree(
    root: Path, objects: Sequence[str], alpha: float, out: Path, console: Console
) -> dict[str, Any]:
    """Every object of an MVTec-layout tree; prints a table and writes ``results.json``."""
    folder = writable_folder(out)
    found = {name: path for name, path in _objects(root) if not objects or name in objects}
    if not found:
        wanted = f" named {', '.join(objects)}" if objects else ""
        raise ImageError(f"{root}: no object{wanted} with train/good and test in it")
    rows: dict[str, Row] = {}
    for name, path in found.items():
        test = _images(path / "test")
        defective = [p.relative_to(path / "test").parts[0] != "good" for p in test]
        rows[name] = measure(_images(path / "train" / "good"), test, defective, alpha)
    results = _summary(str(root), rows)
    _publish(results, folder, console)
    return results


def _objects(root: Path) -> Iterator[tuple[str, Path]]:
    for good in sorted(root.rglob("train/good")):
        path = good.parent.parent
        if (path / "test").is_dir():
            yield path.relative_to(root).as_posix(), path


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def _summary(title: str, rows: dict[str, Row]) -> dict[str, Any]:
    names = next(iter(rows.values()))
    average = {key: float(np.mean([row[key] for row in rows.values()])) for key in names}
    spread = {key: float(np.std([row[key] for row in rows.values()])) for key in names}
    return {"title": title, "objects": rows, "average": average, "std": spread}


def _publish(results: dict[str, Any], folder: Path, console: Console) -> None:
    table = Table(
        "", "image AUROC", "overkill", "of it rejected", "escapes", title=results["title"]
    )
    rows = {**results["objects"], "average": results["average"]}
    for name, row in rows.items():
        shares = [f"{row[k]:.1%}" for k in ("overkill", "rejected_good", "escapes")]
        table.add_row(name, f"{row['image_auroc']:.4f}", *shares)
    console.print(table)
    path = folder / f"{results['title'].replace('/', '_').strip('_').replace(' ', '-')}.json"
    write_bytes(path, json.dumps(results, indent=1).encode())
    console.print(f"Written: {path}", soft_wrap=True, highlight=False)
