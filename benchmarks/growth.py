"""What enrolment and search cost as a line grows, each size in a process of its own.

The images are real solar cells, repeated with jitter: shifted, brightened and noisy, so that no two
are equal. They are written to a temporary folder before the clock starts, and never held together.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import load_cells
from benchmarks.growth_line import QUERIES, WARM_UP
from benchmarks.plots import to_png
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError
from experts.images import read_picture

SHIFT_PX = 4
BRIGHTNESS = 0.05
NOISE = 2.0
ROOT = Path(__file__).parent.parent
FIGURES = {
    "enrol_s": ("enrolment, s", "{:.1f}"),
    "base_mb": ("memory before, MB", "{:.0f}"),
    "peak_mb": ("peak memory, MB", "{:.0f}"),
    "folder_mb": ("folder, MB", "{:.1f}"),
    "search_ms": ("search, ms", "{:.1f}"),
    "inspect_ms": ("inspection, ms", "{:.1f}"),
}
SEARCH = {
    "index": ("index", "{}"),
    "compared": ("vectors compared", "{:.0f}"),
    "recall": ("recall, enrolled", "{:.4f}"),
    "recall_new": ("recall, new", "{:.4f}"),
    "index_us": ("search, µs", "{:.1f}"),
    "exact_us": ("exact search, µs", "{:.1f}"),
    "index_over_exact": ("of exact", "{:.2f}"),
}

Row = dict[str, Any]


def bench_growth(sizes: Sequence[int], out: Path, console: Console) -> dict[str, Any]:
    """Measure each size; prints two tables and writes ``growth.json`` and ``growth.png``.

    Search is retrieval of references and decoding, without reading and encoding; the second table
    is about the retrieval alone.

    Raises:
        EchoError: If the cells are missing, a size fails, or ``out`` cannot be written.
    """
    folder = writable_folder(out)
    rows: dict[int, Row] = {}
    results: dict[str, Any] = {"sizes": {}}
    for size in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            images = Path(temporary, "good")
            _write_images(images, size + WARM_UP + QUERIES)
            queries = Path(temporary, "queries")
            queries.mkdir()
            for path in sorted(images.iterdir())[size:]:
                shutil.move(path, queries)
            rows[size] = _measure_apart(Path(temporary))
        console.print(
            f"{size:,} images: enrolled in {rows[size]['enrol_s']:.1f} s", highlight=False
        )
        # The largest size takes most of the time; what is measured stays if it fails.
        results["sizes"][str(size)] = rows[size]
        write_bytes(folder / "growth.json", json.dumps(results, indent=1).encode())
    console.print(_table("Growth of a line", FIGURES, rows))
    console.print(_table("Search for similar images", SEARCH, rows))
    write_bytes(folder / "growth.png", _plot(rows))
    return results


def _table(title: str, figures: Mapping[str, tuple[str, str]], rows: Mapping[int, Row]) -> Table:
    labels = [label.replace(", ", "\n") for label, _ in figures.values()]
    table = Table("images", *labels, title=title)
    for size, row in rows.items():
        table.add_row(f"{size:,}", *(form.format(row[key]) for key, (_, form) in figures.items()))
    return table


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


def _measure_apart(folder: Path) -> Row:
    command = [sys.executable, "-m", "benchmarks.growth_line", str(folder)]
    try:
        subprocess.run(command, check=True, cwd=ROOT)
    except subprocess.CalledProcessError as error:
        raise EchoError(f"{folder}: the measurement failed ({error}); see its output") from error
    row: Row = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    return row


def _plot(rows: Mapping[int, Row]) -> bytes:
    figure = Figure(figsize=(14, 3), layout="constrained")
    for axes, (key, (label, _)) in zip(
        figure.subplots(1, len(FIGURES)), FIGURES.items(), strict=True
    ):
        axes.plot(list(rows), [row[key] for row in rows.values()], "o-", color="#1b4965")
        axes.set_xscale("log")
        axes.set_ylim(0, 1.1 * max(row[key] for row in rows.values()))
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("enrolled images", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)
