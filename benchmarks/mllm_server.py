"""What several inspectors get out of one language model server.

Each inspector has its own ``ServerMLLM`` and asks one question after the other, as an inspection
does; the number of inspectors is all that changes. The numbers take turns within one run, so that
their ratio holds on a machine whose speed drifts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from echo.storage import writable_folder, write_bytes
from experts.errors import EchoError, MLLMError
from experts.mllm import Content, user
from experts.mllm.server import ServerMLLM

ROUNDS = 4
SIDE_PX = 448
OPTIONS = ("no defect, the part is good", "a scratch", "a dent", "a stain")


@dataclass
class Level:
    """What was measured with so many inspectors at once."""

    inspectors: int
    calls: int = 0
    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def calls_per_s(self) -> float:
        """Answers in each second, all inspectors together."""
        return len(self.latencies_s) / self.elapsed_s

    def quantile_s(self, share: float) -> float | None:
        """How long an inspector waits for all but the slowest answers; None if it got none."""
        return float(np.quantile(self.latencies_s, share)) if self.latencies_s else None


def bench_server(setting: str, inspectors: int, calls: int, console: Console) -> dict[str, Any]:
    """Measure 1, 2, 4, … inspectors up to the number given; prints a table.

    Args:
        setting: The server, such as ``http://host:8000/v1#model``.
        inspectors: The most at once.
        calls: For each number of them, all inspectors together.
        console: Where the table goes.

    Raises:
        ValueError: If there are no inspectors or no calls.
        MLLMError: If the server does not answer at all.
    """
    if inspectors < 1 or calls < 1:
        raise ValueError(f"expected inspectors and calls ≥ 1, got {inspectors} and {calls}")
    first = ServerMLLM(setting)
    first.check()
    with_images = _sees(first)
    levels = [Level(2**n) for n in range(inspectors.bit_length()) if 2**n <= inspectors]
    if levels[-1].inspectors < inspectors:
        levels.append(Level(inspectors))
    models = [first, *(ServerMLLM(setting) for _ in range(inspectors - 1))]
    asked = 1
    for turn in range(ROUNDS):
        share = calls * (turn + 1) // ROUNDS - calls * turn // ROUNDS
        for level in levels:
            questions = range(asked, asked + share)
            _measure(level, models[: level.inspectors], questions, with_images)
            asked += share
    for model in models:
        model.close()
    results = {
        "model": first.name,
        "revision": first.revision,
        "images": with_images,
        "levels": [_row(level, levels[0]) for level in levels],
    }
    _print(results, console)
    return results


def _sees(model: ServerMLLM) -> bool:
    """Whether the model answers questions about images; it must answer those about none."""
    model.choose([user(*_question(0, with_images=False))], OPTIONS)
    try:
        model.choose([user(*_question(0, with_images=True))], OPTIONS)
    except MLLMError:
        return False
    return True


def _measure(
    level: Level, models: Sequence[ServerMLLM], questions: range, with_images: bool
) -> None:
    def inspect(inspector: int) -> None:
        for number in questions[inspector :: len(models)]:
            question = _question(number, with_images=with_images)
            start = time.perf_counter()
            try:
                models[inspector].choose([user(*question)], OPTIONS)
            except MLLMError as error:
                level.failures[str(error)] += 1
            else:
                level.latencies_s.append(time.perf_counter() - start)

    start = time.perf_counter()
    with ThreadPoolExecutor(len(models)) as pool:
        list(pool.map(inspect, range(len(models))))
    level.elapsed_s += time.perf_counter() - start
    level.calls += len(questions)


def _question(number: int, *, with_images: bool) -> tuple[Content, ...]:
    """Each is another from its beginning on, so that the server cannot answer from memory."""
    text = f"Part {number} of today is a steel washer. What does it show?"
    if not with_images:
        return (text,)
    noise = np.random.default_rng(number).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    return (Image.fromarray(noise), text)


def _row(level: Level, alone: Level) -> dict[str, Any]:
    return {
        "inspectors": level.inspectors,
        "calls": level.calls,
        "calls_per_s": level.calls_per_s,
        "times_one_inspector": level.calls_per_s / alone.calls_per_s if alone.latencies_s else None,
        "mean_s": statistics.fmean(level.latencies_s) if level.latencies_s else None,
        "p50_s": level.quantile_s(0.5),
        "p95_s": level.quantile_s(0.95),
        "failures": dict(level.failures),
    }


def _print(results: dict[str, Any], console: Console) -> None:
    what = "with an image" if results["images"] else "without an image, which it does not take"
    table = Table(title=f"{results['model']}\nchoices of 4, {what}")
    for name in ("inspectors", "calls/s", "of one", "p50", "p95", "failed"):
        table.add_column(name, justify="right")
    for row in results["levels"]:
        table.add_row(
            str(row["inspectors"]),
            f"{row['calls_per_s']:.2f}",
            *(
                "–" if row[name] is None else form.format(row[name])
                for name, form in (
                    ("times_one_inspector", "× {:.2f}"),
                    ("p50_s", "{:.2f} s"),
                    ("p95_s", "{:.2f} s"),
                )
            ),
            f"{sum(row['failures'].values())} of {row['calls']}",
        )
    console.print(table)
    for sentence in sorted({said for row in results["levels"] for said in row["failures"]}):
        console.print(f"failed: {sentence}", markup=False)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="What inspectors get out of one server.")
    parser.add_argument("server", help="such as http://host:8000/v1#model")
    parser.add_argument("--inspectors", type=int, default=8, help="the most at once")
    parser.add_argument("--calls", type=int, default=100, help="for each number of inspectors")
    parser.add_argument("--out", type=Path, default=Path("bench-out/mllm_server"))
    given = parser.parse_args()
    try:
        results = bench_server(given.server, given.inspectors, given.calls, Console())
        folder = writable_folder(given.out)
        write_bytes(folder / "mllm_server.json", json.dumps(results, indent=1).encode())
    except (EchoError, ValueError) as error:
        raise SystemExit(f"mllm_server: {error}") from error


if __name__ == "__main__":
    main()
