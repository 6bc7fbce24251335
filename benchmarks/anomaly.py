"""Measures products over seeds; what is done is kept, so that a run that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import benchmarks
import echo
import experts
from benchmarks.measure import Row, measure
from benchmarks.products import Product, Split
from benchmarks.publish import publish
from benchmarks.results import Results, summarise
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.decoder.encoder import load_encoder


@dataclass(frozen=True)
class Settings:
    """What a measurement is taken with.

    Attributes:
        alpha: False-reject rate to promise.
        encoder: Name of the encoder.
        seeds: How many seeds, from 0 on.
        shots: How many images are enrolled; ``None``: all that the product has for it; 0: none.
        resplit: Pool the images for enrolment with the good test images and draw anew.
    """

    alpha: float
    encoder: str
    seeds: int
    shots: int | None = None
    resplit: bool = False


@dataclass(frozen=True)
class _Task:
    product: Product
    seed: int
    split: Split
    path: Path

    @property
    def images(self) -> int:
        return len(self.split.enrolled) + len(self.split.test)


def run(
    products: Sequence[Product], settings: Settings, title: str, out: Path, console: Console
) -> Results:
    """Measure every product with every seed; print the table and write the results.

    Each row is written to ``out/partial`` as soon as it is measured, under a key of everything that
    it depends on: a further run skips it, and a run with other settings does not find it.

    Raises:
        EchoError: If images, masks or weights cannot be used, or ``out`` not be written.
    """
    folder = writable_folder(out)
    partial = writable_folder(folder / "partial")
    fixed = _fixed(settings)
    tasks = [
        _task(product, seed, settings, fixed, partial)
        for product in products
        for seed in range(settings.seeds)
    ]
    rows: dict[str, list[Row]] = {product.name: [] for product in products}
    open_tasks = [task for task in tasks if not task.path.exists()]
    if len(open_tasks) < len(tasks):
        done = len(tasks) - len(open_tasks)
        console.print(f"{done} of {len(tasks)} measurements are done already.", highlight=False)
    with Progress() as bars, bars.task("Measuring", sum(t.images for t in open_tasks)) as advance:
        for task in open_tasks:
            row = measure(
                task.split,
                name=task.product.line_name,
                alpha=settings.alpha,
                encoder=settings.encoder,
                seed=task.seed,
                advance=advance,
            )
            write_bytes(task.path, json.dumps({"seed": task.seed, **row}).encode())
            console.print(_line(task, row), markup=False, highlight=False)
    for task in tasks:
        rows[task.product.name].append(json.loads(task.path.read_text(encoding="utf-8")))
    results = summarise(rows, {**fixed, "seeds": settings.seeds})
    publish(results, title, folder, console)
    return results


def _line(task: _Task, row: Row) -> str:
    left_out = (row["defective"] or 0) - (row["with_mask"] or 0)
    note = f"; {left_out:.0f} defects that no mask marks are left out of the pixel figures"
    return (
        f"{task.product.name}, seed {task.seed}: image AUROC {row['image_auroc']:.4f}"
        f"{note if row['with_mask'] and left_out else ''}"
    )


def _fixed(settings: Settings) -> dict[str, Any]:
    """All that the rows of a run depend on in common."""
    fixed = {key: value for key, value in asdict(settings).items() if key != "seeds"}
    weights = load_encoder(settings.encoder).weights_sha256
    return {"echo": echo.__version__, "code_sha256": _code(), "weights_sha256": weights, **fixed}


def _code() -> str:
    """Hash of the program itself: changed code may measure otherwise."""
    digest = hashlib.sha256()
    for package in (benchmarks, echo, experts):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _task(
    product: Product, seed: int, settings: Settings, fixed: dict[str, Any], partial: Path
) -> _Task:
    split = product.split(seed, settings.shots, resplit=settings.resplit)
    key = hashlib.sha256(
        json.dumps([fixed, product.name, product.line_name, seed, _files(split)]).encode()
    ).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", product.name)
    return _Task(product, seed, split, partial / f"{name}-seed{seed}-{key[:16]}.json")


def _files(split: Split) -> list[Any]:
    """The files of a split with size and time: exchanged images are measured again."""
    enrolled = [_state(path) for path in split.enrolled]
    tested = [[s.defective, *map(_state, (s.path, *s.masks))] for s in split.test]
    return [enrolled, tested]


def _state(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        return [str(path)]  # the inspection will say what is wrong with it
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]
