"""The demo: real solar cells, enrolled and inspected on the spot, with labels to check against."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import PACKAGE, solar_cells
from benchmarks.metrics import auroc
from benchmarks.products import Split
from echo import Failure, Inspection, Inspector, ProductLine, open_mllm
from echo.manifest import MANIFEST
from echo.progress import Progress
from echo.report import ReportWriter
from echo.settings import lines_folder
from echo.storage import writable_folder
from experts.dialogue import Answer
from experts.errors import EchoError, LineError, MLLMError
from experts.mllm import MLLM

LINE = "solar-cell"
ENROLLED = 200
SHOWN_PER_CLASS = 20
# Asked of each rejected cell that is shown.
QUESTIONS = ("Where is it, and how big?", "Can this cell go to the customer?")
KNOWLEDGE = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"


def run_demo(
    out: Path, *, home: Path | None, console: Console, table: Callable[[list[Inspection]], Table]
) -> None:
    """Enrol, inspect, print the table, the confusion counts and AUROC, and write the report.

    Args:
        out: Folder of the report.
        home: Where lines are kept.
        console: Where results are printed.
        table: Draws inspections as a table.

    Raises:
        LineError: If there is a line of that name that no demo enrolled.
    """
    _check_replaceable(lines_folder(home) / LINE)
    folder = writable_folder(out)
    split = solar_cells("mono", ENROLLED).split(seed=0)
    console.print(f"Enrolling the line {LINE} from {ENROLLED} functional cells …")
    line = ProductLine.enroll(LINE, split.enrolled, KNOWLEDGE, home=home)
    console.print(f"Promise: {line.promise}.", highlight=False)
    console.print(f"Inspecting {len(split.test)} cells that it never saw …")
    inspections = _inspect(line, split)
    shown = _shown(split)
    writer = ReportWriter(folder, f"Echo demo: {len(shown)} solar cells never seen before", line)
    inspector = Inspector(line, keep=False, mllm=_model(home, console) or "none")
    with Progress() as bars, bars.task("Writing the report", len(shown)) as advance:
        for index in shown:
            inspection, answers = _explained(inspector, inspections[index])
            writer.add(inspection, answers=answers)
            advance(1)
    page = writer.finish()
    console.print(table([inspections[i] for i in shown]))
    _print_confusion(console, f"the {len(shown)} cells above", inspections, split, shown)
    everything = list(range(len(split.test)))
    _print_confusion(
        console, f"all {len(everything)} held-out cells", inspections, split, everything
    )
    area = auroc([s.defective for s in split.test], [i.anomaly.score for i in inspections])
    console.print(f"Image AUROC over all {len(everything)} held-out cells: {area:.3f}")
    console.print(f"Open the report: {page.resolve()}", soft_wrap=True, highlight=False)


def _check_replaceable(folder: Path) -> None:
    """Make sure that only a line of an earlier demo is replaced, whatever its format version."""
    if not folder.exists():
        return
    try:
        images = json.loads((folder / MANIFEST).read_bytes())["images"]
        ours = all(PACKAGE in Path(image["path"]).parts for image in images)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise LineError(
            f"{folder}: is a line that no demo enrolled, and would be replaced; "
            "move it away, or choose another place with --home"
        )


def _inspect(line: ProductLine, split: Split) -> list[Inspection]:
    inspections = []
    with Progress() as bars, bars.task("Inspecting", len(split.test)) as advance:
        # Hundreds of cells are counted here; only those that are shown are explained.
        inspector = Inspector(line, keep=False, mllm="none")
        for result in inspector.inspect_many(s.path for s in split.test):
            if isinstance(result, Failure):
                raise EchoError(result.error)
            inspections.append(result)
            advance(1)
    return inspections


def _model(home: Path | None, console: Console) -> MLLM | None:
    """The embedded language model; without it nobody explains."""
    try:
        return open_mllm("nano", home=home)
    except MLLMError as error:
        console.print(f"Without explanations: {error}.", highlight=False)
        return None


def _explained(inspector: Inspector, inspection: Inspection) -> tuple[Inspection, list[Answer]]:
    """A rejected cell once more, now explained by the language model that is set, and questions."""
    if inspection.verdict != "reject":
        return inspection, []
    inspection = inspector.inspect(inspection.image)
    talk = inspector.converse(inspection)
    return inspection, [talk.ask(question) for question in QUESTIONS]


def _shown(split: Split) -> list[int]:
    """Indices of randomly drawn cells of either class, good and defective in turn."""
    rng = np.random.default_rng(0)
    good = [i for i, sample in enumerate(split.test) if not sample.defective]
    bad = [i for i, sample in enumerate(split.test) if sample.defective]
    some_good = rng.permutation(good)[:SHOWN_PER_CLASS].tolist()
    some_bad = rng.permutation(bad)[:SHOWN_PER_CLASS].tolist()
    return [i for pair in zip(some_good, some_bad, strict=True) for i in pair]


def _print_confusion(
    console: Console, title: str, inspections: list[Inspection], split: Split, indices: list[int]
) -> None:
    counts = Counter((split.test[i].defective, inspections[i].verdict) for i in indices)
    table = Table("truth", "accept", "review", "reject", title=f"Verdicts on {title}")
    for name, defective in (("functional", False), ("defective", True)):
        cells = [str(counts[defective, v]) for v in ("accept", "review", "reject")]
        table.add_row(name, *cells)
    console.print(table)
