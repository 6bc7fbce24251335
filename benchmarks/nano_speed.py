"""How long the embedded model takes on this machine, and how much memory.

On each page a question with options and one to be answered in a sentence come first, by turns,
and further ones after it: what a page costs is paid once. Pages are those of invented inspections,
as long as those of real lines.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.memory import peak_mb
from benchmarks.nano_lines import Examined, invented
from echo.language import open_mllm
from echo.training.asking import lesson
from echo.training.lessons import Ask
from echo.training.wordings import phrases
from experts.errors import EchoError
from experts.mllm import MLLM
from experts.mllm.nano.texts import on_sheet
from experts.sheet import sayable, sheet

EACH = 6


def measure(model: MLLM, examined: list[Examined]) -> dict[str, list[float]]:
    """Seconds by what was asked: first or further, chosen or written."""
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


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=20)
    given = parser.parse_args()
    console = Console()
    examined = list(invented(given.pages))
    try:
        # What importing the libraries takes is not the model's.
        for library in ("peft", "transformers"):
            importlib.import_module(library)

        before = peak_mb()
        start = time.perf_counter()
        model = open_mllm("nano")
        loading = time.perf_counter() - start
        if model is None:
            raise SystemExit("nano_speed: there is no model")
        seconds = measure(model, examined)
    except EchoError as error:
        raise SystemExit(f"nano_speed: {error}") from error
    more = peak_mb() - before
    table = Table("", "median s", "longest s", "asked")
    for what, took in sorted(seconds.items()):
        table.add_row(what, f"{median(took):.2f}", f"{max(took):.2f}", str(len(took)))
    console.print(table)
    console.print(f"Loading took {loading:.1f} s; memory {more:,.0f} MB more.")


if __name__ == "__main__":
    main()
