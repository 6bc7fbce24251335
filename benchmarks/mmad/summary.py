"""How scores are shown: JSON, CSV in the benchmark's own columns, plots, and a terminal's table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from benchmarks.mmad.about import About
from benchmarks.mmad.journal import ANSWERS
from benchmarks.mmad.markdown import comparison, figure, notes_of_runs, percent, summary
from benchmarks.mmad.plots import bars, radar
from benchmarks.mmad.published import published
from benchmarks.mmad.scoring import AVERAGE, COLUMNS, DETECTION, MEANS, Row, Scores
from echo.storage import writable_folder, write_bytes
from experts.errors import OutputError

# What is written of one run.
_OF_RUN = ("summary.json", "summary.csv", "summary.md")
_COMPARISON = "comparison.md"


def write_summary(
    scores_by_run: Mapping[str, Scores], out: Path, about: Mapping[str, About] | None = None
) -> None:
    """Write what runs reached, and beside it what others did.

    Tables of former runs that are none of these are removed, so that what stands side by side was
    run on the same questions; their answers stay.

    Args:
        scores_by_run: By the name of the run, which is that of its folder below ``out``.
            ``summary.json``, ``summary.csv`` and ``summary.md`` are in each of these folders, and
            those of the first also in ``out``; ``radar.png``, ``bars.png`` and, of several,
            ``comparison.md`` are of all.
        out: The folder; made if it is not there.
        about: By the name of the run what was run: see ``benchmarks.mmad.about``.

    Raises:
        OutputError: If a file cannot be written.
        ValueError: If there is no run.
    """
    if not scores_by_run:
        raise ValueError("expected the scores of at least one run")
    folder, others = writable_folder(out), published()
    known = {name: (about or {}).get(name, {}) for name in scores_by_run}
    _remove_others(scores_by_run, folder)
    for name, scores in scores_by_run.items():
        _write_run(writable_folder(folder / name), name, scores, known[name])
    first = next(iter(scores_by_run))
    _write_run(folder, first, scores_by_run[first], known[first])
    shown = list(known.values())
    write_bytes(folder / "radar.png", radar(scores_by_run, others, shown))
    write_bytes(folder / "bars.png", bars(scores_by_run, others, shown))
    if len(scores_by_run) > 1:
        write_bytes(folder / _COMPARISON, comparison(scores_by_run).encode())


def _write_run(folder: Path, name: str, scores: Scores, about: About) -> None:
    texts = to_json(scores, about), to_csv(scores), summary(name, scores, published(), about)
    for file, text in zip(_OF_RUN, texts, strict=True):
        write_bytes(folder / file, text.encode())


def _remove_others(scores_by_run: Mapping[str, Scores], folder: Path) -> None:
    stale = [folder / _COMPARISON]
    for answers in folder.glob(f"*/{ANSWERS}"):
        if answers.parent.name not in scores_by_run:
            stale += [answers.parent / file for file in _OF_RUN]
    for path in stale:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"{path}: is of a former run and cannot be removed ({reason}); remove it, or give "
                "another --out"
            ) from error


def to_json(scores: Scores, about: About | None = None) -> str:
    """All figures in percent; ``null`` where there is none. ``run`` tells what was run.

    ``average`` and ``datasets`` have the subtasks and their mean, ``detection`` recall, precision,
    F1, overkill and miss. It, ``intervals``, ``denominators``, ``counts`` and ``images`` have an
    ``average`` (of what is counted the sum) and ``datasets``.
    """
    document = {
        "run": about or {},
        "average": _pick(scores.average, MEANS),
        "datasets": {name: _pick(row, MEANS) for name, row in scores.datasets.items()},
        "finished": not scores.not_answered,
        "notes": scores.notes,
        "detection": _of_rows(scores, lambda row: _pick(row, DETECTION)),
        "intervals": _of_rows(scores, lambda row: row.intervals),
        "denominators": _of_rows(scores, _denominators),
        "counts": _of_rows(scores, lambda row: row.counts),
        "images": _of_rows(scores, lambda row: row.images),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _pick(row: Row, columns: Sequence[str]) -> dict[str, float | None]:
    return {column: row.figures[column] for column in columns}


def _denominators(row: Row) -> dict[str, Any]:
    by_subtask: dict[str, Any] = {name: asdict(one) for name, one in row.denominators.items()}
    return by_subtask | {"all": asdict(row.denominator)}


def _of_rows(scores: Scores, part: Callable[[Row], Mapping[Any, Any]]) -> dict[str, Any]:
    return {
        "average": part(scores.average),
        "datasets": {name: part(row) for name, row in scores.datasets.items()},
    }


def to_csv(scores: Scores) -> str:
    """The benchmark's own columns in their order; an empty field where there is no figure."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["", *COLUMNS])
    for name, row in rows_of(scores).items():
        writer.writerow([name, *(row.figures[column] for column in COLUMNS)])
    return stream.getvalue()


def rows_of(scores: Scores) -> dict[str, Row]:
    """All datasets, and what is over them."""
    return {**scores.datasets, AVERAGE: scores.average}


def table(scores_by_run: Mapping[str, Scores]) -> Table:
    """What a terminal of 80 columns shows: datasets of one run, or several runs side by side."""
    if len(scores_by_run) == 1:
        (scores,) = scores_by_run.values()
        return _of_datasets(scores)
    return _of_runs(scores_by_run)


def _table(first: str, columns: Sequence[str], notes: Sequence[str]) -> Table:
    return Table(
        Column(first, overflow="fold"),
        *(Column(escape(name), justify="right", no_wrap=True) for name in columns),
        box=SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
        caption="\n".join(map(escape, notes)) or None,
        caption_justify="left",
    )


def _of_datasets(scores: Scores) -> Table:
    """One column a dataset, with its intervals; below, of how many questions."""
    rows = rows_of(scores)
    shown = _table("%, 95 % interval", list(rows), scores.notes)
    for column in COLUMNS:
        shown.add_row(column, *(figure(row, column, "\n") for row in rows.values()))
    shown.add_section()
    denominators = [row.denominator for row in rows.values()]
    shown.add_row("questions asked", *(f"{one.asked:,}" for one in denominators))
    shown.add_row("answered", *(f"{one.answered:,}" for one in denominators))
    counted = (f"{one.counted_by_the_benchmark:,}" for one in denominators)
    shown.add_row("counted by MMAD's script", *counted)
    return shown


def _of_runs(scores_by_run: Mapping[str, Scores]) -> Table:
    """One row a run; below its average half the width of its interval."""
    heads = [*_SHORT, "Aver-\nage", "Over-\nkill", "Miss", "asked,\ncounted"]
    shown = _table("run", heads, notes_of_runs(scores_by_run))
    for name, scores in scores_by_run.items():
        row, one = scores.average, scores.average.denominator
        cells = [percent(row.figures[column]) for column in (*MEANS, "Overkill", "Miss")]
        if bounds := row.intervals[AVERAGE]:
            cells[len(_SHORT)] += f"\n±{(bounds[1] - bounds[0]) / 2:.1f}"
        counted = f"{one.asked:,}\n{one.counted_by_the_benchmark:,}"
        shown.add_row(escape(name), *cells, counted)
    return shown


# The subtasks, in as few columns of a terminal as can be read.
_SHORT = (
    "Anom.\nDet.",
    "Def.\nClass",
    "Def.\nLoc.",
    "Def.\nDesc.",
    "Def.\nAnal.",
    "Obj.\nClass",
    "Obj.\nAnal.",
)
