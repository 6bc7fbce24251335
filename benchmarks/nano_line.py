"""What training for a line brings: conversations before it and after.

Each of the four real lines is enrolled, some parts are inspected, and each inspection is asked
questions in wordings that nobody trained on. Then adapters are trained for the line, as
``echo-iad train nano --line`` does, by its normal images alone, and the same questions come again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.nano_dialogue import answered, share
from benchmarks.nano_lines import RealLine, enrolled, inspected, real_lines
from echo.progress import Progress
from echo.training.adapting import RECIPE_OF_LINE, train_line
from echo.training.recipe import Recipe
from experts.errors import BenchmarkError, EchoError
from experts.mllm.nano.loading import load_nano


def measure(one: RealLine, images: int, recipe: Recipe) -> tuple[list[bool], list[bool], float]:
    """Train for a line.

    Args:
        one: The line.
        images: How many of its parts are asked about.
        recipe: How to train.

    Returns:
        For each question whether its answer says what was asked for, before and after; and the
        seconds that the training took.

    Raises:
        EchoError: If the line cannot be enrolled, or its adapters cannot be trained.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        line = enrolled(one, home)
        examined = list(inspected(one, line, images))
        before = [right.together for _, right in answered(load_nano(home), examined)]
        start = time.perf_counter()
        with Progress() as bars:
            line = train_line(line, recipe, bars)
        took = time.perf_counter() - start
        adapters = line.adapters
        if adapters is None:
            raise BenchmarkError(f"{one.name}: the line has no adapters after its training")
        adapted = load_nano(home, adapters.folder)
        after = [right.together for _, right in answered(adapted, examined)]
    return before, after, took


def run(lines: list[RealLine], images: int, recipe: Recipe, console: Console) -> None:
    """Train for each line, and print what it brought."""
    table = Table("", "questions", "before", "after", "gained", "lost", "minutes")
    for one in lines:
        before, after, took = measure(one, images, recipe)
        pairs = list(zip(before, after, strict=True))
        changed = [sum(pair == way for pair in pairs) for way in ((False, True), (True, False))]
        shares = (share(before), share(after))
        table.add_row(one.name, str(len(pairs)), *shares, *map(str, changed), f"{took / 60:.1f}")
    console.print(table)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="tree with MagneticTile/tile and DeepPCB/pcb")
    parser.add_argument("--images", type=int, default=20, help="of each line")
    parser.add_argument("--line", action="append", help="only this one (may come again)")
    given = parser.parse_args()
    try:
        lines = [one for one in real_lines(given.data) if one.name in (given.line or [one.name])]
        if not lines:
            raise BenchmarkError(
                f"{given.line}: no line of that name; see benchmarks/nano_lines.py"
            )
        run(lines, given.images, Recipe.read(RECIPE_OF_LINE), Console(width=120))
    except EchoError as error:
        raise SystemExit(f"nano_line: {error}") from error


if __name__ == "__main__":
    main()
