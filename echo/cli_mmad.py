"""The commands ``echo-iad bench mmad`` and ``mmad-score``: thin, like those of ``echo.cli``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console

if TYPE_CHECKING:
    from benchmarks.mmad.answering import Templates
    from benchmarks.mmad.seeing import Expert

EPILOG = "Example: echo-iad bench mmad MMAD --out bench-out/mmad --mllm auto --limit 20"
SCORE_EPILOG = "Example: echo-iad bench mmad-score MMAD --out bench-out/mmad"
ALL = "reference,decoder,knowledge,reasoning,decision"

Root = Annotated[Path, typer.Argument(help="The folder of mmad.json.")]
Out = Annotated[Path, typer.Option(help="Where answers, tables and plots go; a run goes on there.")]
Objects = Annotated[
    list[str] | None,
    typer.Option("--object", help="Only this object or dataset, as VisA/candle; may be repeated."),
]
Limit = Annotated[
    int | None, typer.Option(help="At most so many images of each object, spread evenly.", min=1)
]


def bench_mmad(
    root: Root,
    out: Out = Path("bench-out/mmad"),
    mllm: Annotated[
        str, typer.Option(help="Language model, as of `echo-iad inspect`.", metavar="SETTING")
    ] = "none",
    experts: Annotated[str, typer.Option(help="Who is asked, with commas between.")] = ALL,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also run without each expert, and compare.")
    ] = False,
    shots: Annotated[
        int, typer.Option(help="Normal images that a language model is shown.", min=0)
    ] = 1,
    templates: Annotated[
        str | None,
        typer.Option(
            help="Which: random or similar ones of the benchmark, or those that are retrieved "
            "(default; a model that is asked alone is shown random ones)."
        ),
    ] = None,
    enrolled: Annotated[
        int | None,
        typer.Option(help="Normal images that make a line; all by default.", min=1),
    ] = None,
    line: Annotated[
        str, typer.Option(help="found: by the most similar normal images; given: by the path.")
    ] = "found",
    objects: Objects = None,
    limit: Limit = None,
    workers: Annotated[
        int, typer.Option(help="Images at once; more than one helps with a server.", min=1)
    ] = 1,
    knowledge: Annotated[
        Path | None, typer.Option(help="Your knowledge files: one, or a folder of them.")
    ] = None,
    lines: Annotated[
        Path, typer.Option(help="Where the enrolled lines are kept, for all runs.")
    ] = Path("bench-out/mmad-lines"),
) -> None:
    """Answer the questions of MMAD: by Echo, and by the language model alone.

    Without a language model evidence and knowledge answer: what every model must beat.
    """
    from benchmarks.mmad import bench
    from echo.language import open_mllm

    if line not in ("found", "given"):
        raise typer.BadParameter(f"--line is {line!r}; expected found or given.")
    settings = bench.Settings(
        lines=lines,
        objects=objects or [],
        limit=limit,
        experts=_experts(experts),
        ablations=ablations,
        templates=_templates(templates),
        shots=shots,
        enrolled=enrolled,
        lines_given=line == "given",
        workers=workers,
        knowledge=knowledge,
    )
    # What is missing is told before a model is loaded.
    bench.check(root, out, settings)
    bench.run(root, out, settings, open_mllm(mllm), Console())


def bench_mmad_score(
    root: Root,
    out: Out = Path("bench-out/mmad"),
    objects: Objects = None,
    limit: Limit = None,
) -> None:
    """Score answers that are there, anew; give --object and --limit as they were given."""
    from benchmarks.mmad import bench

    bench.score_again(root, out, objects or [], limit, Console())


def _experts(given: str) -> frozenset[Expert]:
    from benchmarks.mmad.seeing import EXPERTS

    names = [name.strip() for name in given.split(",") if name.strip()]
    if wrong := [name for name in names if name not in EXPERTS]:
        raise typer.BadParameter(
            f"There is no expert {wrong[0]!r}; there are {', '.join(EXPERTS)}."
        )
    return frozenset(expert for expert in EXPERTS if expert in names)


def _templates(given: str | None) -> Templates | None:
    from benchmarks.mmad.answering import Templates

    known: tuple[Templates, ...] = get_args(Templates)
    found = next((templates for templates in known if templates == given), None)
    if given is not None and found is None:
        raise typer.BadParameter(f"--templates is {given!r}; expected one of {', '.join(known)}.")
    return found
