"""The command ``echo-iad inspect``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from echo.cli_common import (
    STYLES,
    Home,
    Json,
    Mllm,
    cell,
    complain,
    image_sources,
    listed,
    say,
    say_aside,
)
from echo.cli_tables import EMPTY, REASON, Listing
from experts.errors import EchoError

if TYPE_CHECKING:
    from rich.table import Table

    from echo.inspector import Failure, Inspected, LeftOut
    from echo.line import ProductLine
    from experts.evidence import Inspection

EPILOG = "Example: echo-iad inspect washer photos/new/*.png --out report"


def inspect(
    line: Annotated[str, typer.Argument(help="Name of the line.")],
    images: Annotated[
        list[str], typer.Argument(help="Images to inspect: files, folders or patterns.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write a picture per image and report.html here.")
    ] = None,
    view: Annotated[
        str | None, typer.Option(help="Which view of the knowledge file all of them show.")
    ] = None,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Add nothing to the line's stored inspections.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Leave out images that are stored already, of the same line, rules, view and "
            "alpha, so that a run that broke off can be begun again; the exit code counts them. "
            "The language model may be another; where it failed, the image is inspected again.",
        ),
    ] = False,
    causes: Annotated[
        bool,
        typer.Option(
            "--causes",
            help="Test whether the places are why an image is unusual, which takes another look at "
            "it; with a language model that is always done.",
        ),
    ] = False,
    mllm: Mllm = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Inspect images; exit code 0: all accepted, 1: rejected or to review, 2: failed."""
    from echo.inspector import Inspector
    from echo.line import ProductLine

    if resume and no_keep:
        raise typer.BadParameter("Give --resume without --no-keep.")
    inspector = Inspector(
        ProductLine.load(line, home=home), keep=not no_keep, mllm=mllm, causes=causes
    )
    sources = image_sources(images)
    writer = _report_writer(out, f"Inspection of line {line}", inspector.line)
    run = _Run()
    results = inspector.inspect_with_pictures(sources, view=view, resume=resume)
    try:
        for result in _with_progress(results, len(sources)):
            run.take(result, writer, as_json=as_json)
    finally:
        # Also where the run breaks off: what was inspected until then is worth a page.
        if writer is not None:
            say_aside(f"Report: {writer.finish(run.failures)}")
    if not as_json:
        run.show(causes=causes)
    if run.left_out:
        say_aside(run.left_out_in_words(line))
    if run.exit_code:
        raise typer.Exit(run.exit_code)


class _Run:
    """What the end of an inspection run needs of its results, and no more: there may be many."""

    def __init__(self) -> None:
        self.results = _results()
        self.failures: list[str] = []
        self.held_back = False
        self.left_out: Counter[str] = Counter()
        self._causes: dict[str, list[str]] = {}
        self._told: set[str] = set()

    def take(self, result: Inspected | LeftOut | Failure, writer: Any, *, as_json: bool) -> None:
        """Print a result as JSON, draw it, and note how it ended."""
        from echo.inspector import Failure, LeftOut

        if isinstance(result, LeftOut):
            self.left_out[result.verdict] += 1
            self.held_back |= result.verdict != "accept"
            return
        if isinstance(result, Failure):
            if as_json:
                typer.echo(result.model_dump_json())
            self._fail(result.error)
            return
        if as_json:
            typer.echo(_json_row(result.inspection))
        # A fault in the rules comes with every inspection; once is enough.
        for fault in set(result.inspection.faults) - self._told:
            self._told.add(fault)
            complain(fault)
        _add_row(self.results, result.inspection)
        self._note_cause(result.inspection)
        self.held_back |= result.inspection.verdict != "accept"
        try:
            if writer is not None:
                writer.add(result.inspection, result.picture)
        except EchoError as error:
            self._fail(str(error))

    def _note_cause(self, inspection: Inspection) -> None:
        from experts.tools.cause import LOOKED_AT

        name = inspection.id or Path(inspection.image).name
        for step in inspection.steps:
            if step.looked_at == LOOKED_AT:
                self._causes.setdefault(step.found, []).append(name)

    @property
    def exit_code(self) -> int:
        """0: all accepted, 1: rejected or to review, 2: failed."""
        return 2 if self.failures else int(self.held_back)

    def show(self, *, causes: bool) -> None:
        """Print the table, and what tests of causes came to."""
        if not len(self.results):
            return
        self.results.show()
        for sentence in self._causes_in_words() if causes else ():
            say(sentence)

    def _causes_in_words(self) -> list[str]:
        """What became of each unusual image without its places; what is said of several, once."""
        if not self._causes and not self.held_back:
            return ["No image is unusual, so there is no cause to test."]
        return [f"{listed(names)}: {found}" for found, names in self._causes.items()]

    def left_out_in_words(self, line: str) -> str:
        """How many images were left out, since they are stored, by their verdicts."""
        count = self.left_out.total()
        verdicts = ", ".join(f"{self.left_out[v]} {v}" for v in STYLES if self.left_out[v])
        what = "1 image is" if count == 1 else f"{count} images are"
        return f"{what} stored already and left out ({verdicts}): echo-iad history {line}"

    def _fail(self, error: str) -> None:
        self.failures.append(error)
        complain(error)


def _report_writer(out: Path | None, title: str, line: ProductLine) -> Any:
    if out is None:
        return None
    from echo.report import ReportWriter
    from echo.storage import writable_folder

    return ReportWriter(writable_folder(out), title, line)


def _with_progress(
    results: Iterator[Inspected | LeftOut | Failure], total: int
) -> Iterator[Inspected | LeftOut | Failure]:
    from echo.progress import Progress

    with Progress() as bars, bars.task("Inspecting", total) as advance:
        for result in results:
            yield result
            advance(1)


def results_table(inspections: Iterable[Inspection]) -> Table:
    """A row for each inspection, as wide as the window."""
    results = _results()
    for inspection in inspections:
        _add_row(results, inspection)
    return results.table(Console().width)


def _results() -> Listing:
    return Listing("id", "image", "verdict", "p", REASON)


def _add_row(results: Listing, inspection: Inspection) -> None:
    verdict = f"[{STYLES[inspection.verdict]}]{inspection.verdict}[/]"
    name = cell(Path(inspection.image).name)
    p_value = f"{inspection.anomaly.p_value:.2g}"
    reason = cell(inspection.decision.reason)
    results.add(inspection.id or EMPTY, name, verdict, p_value, reason)


def _json_row(inspection: Inspection) -> str:
    """The inspection, with the id that it does not write itself."""
    return f'{{"id":{json.dumps(inspection.id)},{inspection.model_dump_json()[1:]}'
