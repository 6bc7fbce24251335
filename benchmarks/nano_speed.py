"""How long the embedded model takes on this machine, and how much memory.

On each page a question with options and one to be answered in a sentence come first, by turns,
and further ones after it: what a page costs is paid once. Pages are those of invented inspections,
as long as those of real lines. Memory is what it adds to Echo: two processes inspect the same solar
cells and answer the same questions, one without a language model and one with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import solar_cells
from benchmarks.memory import peak_mb
from benchmarks.nano import write_as_at_work
from benchmarks.nano_lines import KNOWLEDGE, Examined, invented
from echo import Inspector, ProductLine
from echo.training.asking import lesson
from echo.training.lessons import Ask
from echo.training.wordings import phrases
from experts.errors import EchoError
from experts.mllm import MLLM
from experts.mllm.nano.base import unpacked
from experts.mllm.nano.loading import load_nano
from experts.mllm.nano.texts import on_sheet
from experts.sheet import sayable, sheet

EACH = 6
ENROLLED, INSPECTED, LINE = 40, 8, "cells"
# Some that code answers alone, and some that a language model is asked.
SPOKEN = (
    "Where is it?", "Could I let this one go to the customer?", "Has it got a crack?",
    "By what is such a thing brought about?", "What would a sound one look like?",
    "Tell me what you are holding against this cell.",
)  # fmt: skip


def measure(model: MLLM, examined: list[Examined]) -> dict[str, list[float]]:
    """Seconds by what was asked: first or further, chosen or written; and of explanations."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for number, one in enumerate(examined):
        page, rng = sheet(one.known), np.random.default_rng(number)
        asks = lesson(one.known, one.line, 8 * EACH, rng, phrases("dev")).asks
        chosen = [ask for ask in asks if ask.wrong][:EACH]
        written = [ask for ask in asks if not ask.wrong and ask.about != "explain"][:EACH]
        turns = ("chosen", "written") if number % 2 else ("written", "chosen")
        for order, how in enumerate(turns):
            for place, ask in enumerate(chosen if how == "chosen" else written):
                is_first = order == 0 and place == 0
                took = _seconds(_asking(model, page, ask, one))
                seconds[f"{'first' if is_first else 'further'}, {how}"].append(took)
        if one.known.inspection.regions:
            seconds["explanation"].append(_seconds(partial(write_as_at_work, model, page, one)))
    return seconds


def _asking(model: MLLM, page: str, ask: Ask, examined: Examined) -> Callable[[], object]:
    asked = on_sheet(page, ask.question)
    if ask.wrong:
        return lambda: model.choose(asked, (ask.answer, *ask.wrong))
    sentences = sayable(examined.known)
    return lambda: model.say(asked, sentences, max_tokens=60)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def converse(home: Path, mllm: str) -> list[float]:
    """Inspect solar cells and talk about each; gives the seconds of each answer."""
    inspector = Inspector(ProductLine.load(LINE, home=home), keep=False, mllm=mllm)
    samples = solar_cells("mono", ENROLLED).split(0).test[:INSPECTED]
    talks = (inspector.converse(inspector.inspect(sample.path)) for sample in samples)
    return [_seconds(partial(talk.ask, question)) for talk in talks for question in SPOKEN]


def in_own_process(home: Path, mllm: str) -> tuple[float, float]:
    """Median seconds of an answer in a conversation, and the peak memory of all of it, MB."""
    command = [sys.executable, "-m", "benchmarks.nano_speed", "--of", mllm, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"nano_speed: with --mllm {mllm}: {done.stderr.strip()}")
    took, peak = done.stdout.split()[-2:]
    return float(took), float(peak)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--of", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.of:
            print(median(converse(given.home, given.of)), peak_mb())
        else:
            _run(given.pages, Console())
    except EchoError as error:
        raise SystemExit(f"nano_speed: {error}") from error


def _run(pages: int, console: Console) -> None:
    examined = list(invented(pages))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        start = time.perf_counter()
        unpacked(home)
        unpacking = time.perf_counter() - start
        start = time.perf_counter()
        model = load_nano(home)
        loading = time.perf_counter() - start
        table = Table("", "median s", "longest s", "asked")
        for what, took in sorted(measure(model, examined).items()):
            table.add_row(what, f"{median(took):.2f}", f"{max(took):.2f}", str(len(took)))
        console.print(table)
        console.print(f"Loading takes {loading:.1f} s, and once {unpacking:.1f} s to unpack.")
        enrolled = solar_cells("mono", ENROLLED).split(0).enrolled
        ProductLine.enroll(LINE, enrolled, KNOWLEDGE / "solar_cell.yaml", home=home, progress=False)
        turns = {mllm: in_own_process(home, mllm) for mllm in ("none", "nano")}
    for mllm, (answered, peak) in turns.items():
        console.print(f"{mllm}: {answered:.2f} s an answer in conversation, peak {peak:,.0f} MB.")
    more = turns["nano"][1] - turns["none"][1]
    console.print(f"The model adds {more:,.0f} MB.")


if __name__ == "__main__":
    main()
