"""The MMAD benchmark from its data to its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.mmad.answering import Templates, Way
from benchmarks.mmad.data import Benchmark, read_benchmark
from benchmarks.mmad.journal import read_answers
from benchmarks.mmad.lines import enrol_lines
from benchmarks.mmad.running import Run, Spent, read_settings
from benchmarks.mmad.scoring import Scores, score
from benchmarks.mmad.seeing import EXPERTS, Expert, Seer
from benchmarks.mmad.summary import table, write_summary
from echo.storage import writable_folder
from experts.errors import BenchmarkError
from experts.mllm import MLLM

ECHO, PLAIN = "echo", "plain"
# Of what is left out, or fails, so many are named.
MAX_NAMED = 3


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        objects: Only these; all if empty.
        limit: At most so many images of each.
        experts: Who is asked.
        ablations: Also run without each of them.
        templates: Which normal images a language model is shown; by default the benchmark's random
            ones where it is asked plainly, else those that the Reference Extractor finds.
        shots: How many.
        enrolled: So many normal images of each object make its line; all by default.
        lines_given: Tell the product of each image, instead of finding it.
        workers: So many images at once.
        knowledge: Knowledge files of the user's own.
        lines: Where the lines are kept.
    """

    lines: Path
    objects: Sequence[str] = ()
    limit: int | None = None
    experts: frozenset[Expert] = frozenset(EXPERTS)
    ablations: bool = False
    templates: Templates | None = None
    shots: int = 1
    enrolled: int | None = None
    lines_given: bool = False
    workers: int = 1
    knowledge: Path | None = None


def run(
    root: Path, out: Path, settings: Settings, model: MLLM | None, console: Console
) -> dict[str, Scores]:
    """Run the benchmark, or go on with it, and write and print what comes of it.

    Args:
        root: The folder of ``mmad.json``.
        out: Where answers, tables and plots go.
        settings: What is run.
        model: The language model; without one evidence alone answers.
        console: Where the tables are printed.

    Raises:
        EchoError: If data are missing, or the model fails; also, at the end, if images cannot be
            inspected.
    """
    benchmark = check(root, out, settings)
    if len(benchmark.objects) == 1 and not settings.lines_given:
        console.print("[yellow]With one object alone, which product it is tells itself.[/]")
    for left_out in benchmark.left_out[:MAX_NAMED]:
        console.print(f"[yellow]left out: {left_out}[/]")
    names = enrol_lines(benchmark, settings.lines, settings.enrolled, given=settings.knowledge)
    running = Run(
        benchmark,
        Seer(names, settings.lines, model),
        _ways(settings, model),
        out,
        lines_given=settings.lines_given,
    )
    answers = running.run(settings.workers)
    scores = {name: score(benchmark, of_way) for name, of_way in answers.items()}
    _tell(scores, out, console, running.spent)
    if running.failed:
        first = "; ".join(running.failed[:MAX_NAMED])
        raise BenchmarkError(
            f"{len(running.failed)} images could not be inspected and count as wrong ({first}); "
            "get them anew and begin again: what is answered stays"
        )
    return scores


def check(root: Path, out: Path, settings: Settings) -> Benchmark:
    """Make sure that a run can begin, before anything that takes time.

    Raises:
        BenchmarkError: If data are missing.
        OutputError: If nothing can be written.
    """
    benchmark = read_benchmark(root, settings.objects, settings.limit)
    writable_folder(out)
    writable_folder(settings.lines)
    return benchmark


def score_again(
    root: Path, out: Path, objects: Sequence[str], limit: int | None, console: Console
) -> dict[str, Scores]:
    """Score what was answered before, anew, without asking anybody.

    Raises:
        BenchmarkError: If there is no run.
    """
    benchmark = read_benchmark(root, objects, limit)
    folders = sorted(path.parent for path in out.glob("*/answers.jsonl"))
    # The full run comes first, so that the summary is its.
    folders.sort(key=lambda folder: (folder.name != ECHO, folder.name))
    if not folders:
        raise BenchmarkError(f"{out}: has no run of this benchmark; run it first")
    scores = {folder.name: score(benchmark, read_answers(folder)) for folder in folders}
    _tell(scores, out, console)
    return scores


def _ways(settings: Settings, model: MLLM | None) -> list[Way]:
    """The runs: Echo, with a model also that alone, and each ablation."""
    own: Templates = settings.templates or "retrieved"
    ways = [Way(ECHO, settings.experts, own, settings.shots, model)]
    # One that sees nothing cannot answer alone.
    if model is not None and model.sees:
        # Only the benchmark's own templates are there without the Reference Extractor.
        plain: Templates = "random" if own == "retrieved" else own
        ways.append(Way(PLAIN, None, plain, settings.shots, model))
    if settings.ablations:
        for left_out in (expert for expert in EXPERTS if expert in settings.experts):
            experts = settings.experts - {left_out}
            # Nobody is there who could retrieve.
            shown: Templates = "random" if left_out == "reference" and own == "retrieved" else own
            ways.append(Way(f"no-{left_out}", experts, shown, settings.shots, model))
    return ways


def _tell(
    scores: dict[str, Scores], out: Path, console: Console, spent: Spent | None = None
) -> None:
    write_summary(scores, out, about={name: read_settings(out / name) for name in scores})
    console.print(table(scores))
    if spent is not None and spent.experts:
        console.print(
            f"The experts took {spent.experts:,.0f} s; the runner {spent.overhead:.1%} beside that."
        )
    console.print(f"Tables and plots: {out}")
