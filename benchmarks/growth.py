"""What enrolment and search cost as a line grows, each size in a process of its own.

The images are real solar cells, repeated with jitter: shifted, brightened and noisy, so that no two
are equal. They are written to a temporary folder before the clock starts, and never held together.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import load_cells
from benchmarks.memory import peak_mb
from benchmarks.plots import to_png
from echo import Inspector, ProductLine
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError
from experts.images import read_picture

QUERIES = 60
WARM_UP = 10
SHIFT_PX = 4
BRIGHTNESS = 0.05
NOISE = 2.0
ROOT = Path(__file__).parent.parent
FIGURES = {
    "enrol_s": ("enrolment, s", "{:.1f}"),
    "peak_mb": ("peak memory, MB", "{:.0f}"),
    "folder_mb": ("folder, MB", "{:.1f}"),
    "search_ms": ("search, ms an image", "{:.1f}"),
    "inspect_ms": ("inspection, ms an image", "{:.1f}"),
}


def bench_growth(sizes: Sequence[int], out: Path, console: Console) -> dict[str, Any]:
    """Measure each size; prints a table and writes ``growth.json`` and ``growth.png``.

    Search is retrieval of references and decoding, without reading and encoding.

    Raises:
        EchoError: If the cells are missing, a size fails, or ``out`` cannot be written.
    """
    folder = writable_folder(out)
    rows = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            images = Path(temporary, "good")
            _write_images(images, size + WARM_UP + QUERIES)
            queries = Path(temporary, "queries")
            queries.mkdir()
            for path in sorted(images.iterdir())[size:]:
                shutil.move(path, queries)
            rows[size] = _measure_apart(Path(temporary))
        values = [f"{label}: {form.format(rows[size][k])}" for k, (label, form) in FIGURES.items()]
        console.print(f"{size:,} images: {'; '.join(values)}", highlight=False)
    results = {"sizes": {str(size): row for size, row in rows.items()}}
    table = Table("images", *(label for label, _ in FIGURES.values()), title="Growth of a line")
    for size, row in rows.items():
        table.add_row(f"{size:,}", *(form.format(row[key]) for key, (_, form) in FIGURES.items()))
    console.print(table)
    write_bytes(folder / "growth.json", json.dumps(results, indent=1).encode())
    write_bytes(folder / "growth.png", _plot(rows))
    return results


def jittered(grey_HW: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image shifted by up to ``SHIFT_PX``, up to ``BRIGHTNESS`` brighter or darker, noisy."""
    shift = rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2)
    moved_HW = np.pad(grey_HW, SHIFT_PX, mode="reflect")
    top, left = SHIFT_PX + shift
    height, width = grey_HW.shape
    light = 1 + rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    noisy_HW = moved_HW[top : top + height, left : left + width] * light
    noisy_HW += rng.normal(0, NOISE, grey_HW.shape)
    return np.asarray(np.rint(noisy_HW).clip(0, 255), np.uint8)


def _write_images(folder: Path, count: int) -> None:
    cells = [path for path, defective in load_cells("mono") if not defective]
    folder.mkdir()
    with Progress() as bars, bars.task(f"Making {count} images", count) as advance:
        for number in range(count):
            grey_HW = read_picture(cells[number % len(cells)]).rgb_HW3[:, :, 0]
            pixels = jittered(grey_HW, np.random.default_rng(number))
            Image.fromarray(pixels).save(folder / f"{number:06d}.png", compress_level=1)
            advance(1)


def _measure_apart(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", str(folder)]
    try:
        subprocess.run(command, check=True, cwd=ROOT)
    except subprocess.CalledProcessError as error:
        raise EchoError(f"{folder}: the measurement failed ({error}); see its output") from error
    row: dict[str, float] = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    return row


def measure_here(folder: Path) -> None:
    """Enrol ``folder/good``, inspect ``folder/queries``, and write ``folder/row.json``."""
    start = time.perf_counter()
    line = ProductLine.enroll("growth", folder / "good", home=folder / "home")
    row = {"enrol_s": time.perf_counter() - start, "peak_mb": peak_mb()}
    files = (path for path in line.folder.rglob("*") if path.is_file())
    row["folder_mb"] = sum(path.stat().st_size for path in files) / 1e6
    inspector = Inspector(line)
    timings = [inspector.inspect(p).timings_ms for p in sorted((folder / "queries").iterdir())]
    timed = timings[WARM_UP:]
    row["search_ms"] = statistics.median(t["reference"] + t["decode"] for t in timed)
    row["inspect_ms"] = statistics.median(sum(t.values()) for t in timed)
    (folder / "row.json").write_text(json.dumps(row), encoding="utf-8")


def _plot(rows: dict[int, dict[str, float]]) -> bytes:
    figure = Figure(figsize=(12, 3), layout="constrained")
    for axes, (key, (label, _)) in zip(
        figure.subplots(1, len(FIGURES)), FIGURES.items(), strict=True
    ):
        axes.plot(list(rows), [row[key] for row in rows.values()], "o-", color="#1b4965")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("enrolled images", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


if __name__ == "__main__":
    measure_here(Path(sys.argv[1]))
