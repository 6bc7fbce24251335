"""How much an inspection costs beside the encoder's bare forward pass, taken in one run."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import load_cells
from echo import Inspector, ProductLine
from echo.storage import writable_folder, write_bytes
from experts.decoder.efficientnet import EfficientNetEncoder, input_size_HW
from experts.images import read_picture

ROUNDS = 100
WARM_UP = 10


def bench_speed(images: int, out: Path, console: Console) -> dict[str, Any]:
    """Time reading, forward pass and inspection in turn; prints and writes ``speed.json``.

    The images in turn are functional and defective cells, so both routes of the graph count.
    """
    folder = writable_folder(out)
    cells = load_cells("mono")
    good = [path for path, defective in cells if not defective]
    bad = [path for path, defective in cells if defective]
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        line = ProductLine.enroll("speed", good[:images], home=home)
        enrol_s = time.perf_counter() - start
        inspector = Inspector(line, keep=False, mllm="none")
        encoder = EfficientNetEncoder()
        queries = [path for pair in zip(good[images:], bad, strict=False) for path in pair]
        batch = torch.zeros(1, 3, *input_size_HW(read_picture(queries[0]).size_HW))
        times: dict[str, list[float]] = {"read": [], "forward": [], "inspect": []}
        for i in range(WARM_UP + ROUNDS):
            path = queries[i % len(queries)]
            for name, run in (
                ("read", lambda path=path: read_picture(path)),
                ("forward", lambda: encoder.forward(batch)),
                ("inspect", lambda path=path: inspector.inspect(path)),
            ):
                elapsed = _ms(run)
                if i >= WARM_UP:
                    times[name].append(elapsed)
    medians = {name: statistics.median(values) for name, values in times.items()}
    budget = [2 * f + r for f, r in zip(times["forward"], times["read"], strict=True)]
    ratios = [i / b for i, b in zip(times["inspect"], budget, strict=True)]
    results = {
        "enrolled": images,
        "enrol_s": enrol_s,
        "median_ms": medians,
        "inspect_over_twice_forward_plus_read": statistics.median(ratios),
    }
    table = Table("what", "median", title="One inspection, no language model")
    for name, value in medians.items():
        table.add_row(name, f"{value:.1f} ms")
    table.add_row("inspect / (2 × forward + read)", f"{statistics.median(ratios):.2f}")
    table.add_row(f"enrolling {images} images", f"{enrol_s:.1f} s")
    console.print(table)
    write_bytes(folder / "speed.json", json.dumps(results, indent=1).encode())
    return results


def _ms(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3
