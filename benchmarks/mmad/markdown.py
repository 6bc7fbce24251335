"""Scores as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.mmad.about import About, enrolled, listed
from benchmarks.mmad.data import SUBTASKS
from benchmarks.mmad.published import Published, sources
from benchmarks.mmad.scoring import (
    AVERAGE,
    DETECTION,
    MEANS,
    OUTCOMES,
    Denominator,
    Row,
    Scores,
)

_NONE = "–"


def summary(
    name: str, scores: Scores, published: Sequence[Published], about: About | None = None
) -> str:
    """All that is known of a run, and the figures of others.

    Args:
        name: Of the run.
        scores: Its scores.
        published: What others reached.
        about: What was run.
    """
    lines = enrolled([about or {}])
    rows = {**scores.datasets, AVERAGE: scores.average}
    parts = [
        f"# MMAD: {_plain(name)}",
        "Percent of right answers; in brackets, 95 % by bootstrap over images. What is not "
        "answered as it was asked counts as wrong.",
        *_notes(scores.notes),
        _figures("dataset", rows, MEANS),
        "Anomaly Detection is the mean of the accuracies on normal and on defective images. As "
        "detection of the defective ones:",
        _figures("dataset", rows, DETECTION),
        "## Of how many questions",
        "Asked / answered by one of the options / counted by the benchmark's own script.",
        _denominators(rows),
        _counts(rows),
        *(["## What was run", *_notes(listed(about))] if about else []),
        "## Published models",
        "On all of MMAD, with one normal image beside each question."
        + (f" The run above: {lines}." if lines else ""),
        *_published(published),
    ]
    return "\n\n".join(parts) + "\n"


def comparison(scores_by_run: Mapping[str, Scores]) -> str:
    """One row a run, each over all its datasets."""
    rows = {name: scores.average for name, scores in scores_by_run.items()}
    questions = [
        [name, *map(str, _three(row.denominator)), str(row.counts["not answered"])]
        for name, row in rows.items()
    ]
    head = ["run", "asked", "answered", "counted by the benchmark's script", "not answered"]
    parts = [
        "# MMAD: runs side by side",
        "Percent, averaged over the datasets; in brackets, 95 % by bootstrap over images.",
        *_notes(notes_of_runs(scores_by_run)),
        _figures("run", rows, MEANS),
        _figures("run", rows, DETECTION),
        _table(head, questions),
    ]
    return "\n\n".join(parts) + "\n"


def notes_of_runs(scores_by_run: Mapping[str, Scores]) -> list[str]:
    """What a reader must know; what holds for all runs is told once."""
    told = [(name, note) for name, scores in scores_by_run.items() for note in scores.notes]
    common = {note for _, note in told if all(note in s.notes for s in scores_by_run.values())}
    own = [f"{name}: {note}" for name, note in told if note not in common]
    return own + [note for note in dict.fromkeys(note for _, note in told) if note in common]


def percent(value: float | None) -> str:
    """A figure with one place; a dash for none."""
    return _NONE if value is None else f"{value:.1f}"


def figure(row: Row, column: str, between: str = " ") -> str:
    """A figure and its interval."""
    bounds = row.intervals[column]
    value = percent(row.figures[column])
    return value if bounds is None else f"{value}{between}{bounds[0]:.1f}–{bounds[1]:.1f}"


def _figures(first: str, rows: Mapping[str, Row], columns: Sequence[str]) -> str:
    lines = [[name, *(_bracketed(row, column) for column in columns)] for name, row in rows.items()]
    return _table([first, *columns], lines)


def _bracketed(row: Row, column: str) -> str:
    value, _, bounds = figure(row, column).partition(" ")
    return f"{value} ({bounds})" if bounds else value


def _denominators(rows: Mapping[str, Row]) -> str:
    lines = []
    for name, row in rows.items():
        cells = [row.denominators.get(subtask) for subtask in SUBTASKS]
        told = [" / ".join(_three(one)) if one else _NONE for one in (*cells, row.denominator)]
        lines.append(["all" if name == AVERAGE else name, *told])
    return _table(["dataset", *SUBTASKS, "all"], lines)


def _three(one: Denominator) -> list[str]:
    return [f"{n:,}" for n in (one.asked, one.answered, one.counted_by_the_benchmark)]


def _counts(rows: Mapping[str, Row]) -> str:
    lines = [
        ["all" if name == AVERAGE else name, *(f"{row.counts[outcome]:,}" for outcome in OUTCOMES)]
        for name, row in rows.items()
    ]
    return _table(["dataset", *OUTCOMES], lines)


def _published(models: Sequence[Published]) -> list[str]:
    """The table, then where its rows come from."""
    lines = [
        [model.name, *(percent(model.figures.get(column)) for column in MEANS), model.source]
        for model in sorted(models, key=lambda model: -model.average)
    ]
    told = [f"{key}: {source.title}, <{source.url}>" for key, source in sources().items()]
    told += [f"{model.name}: {model.note}" for model in models if model.note]
    return [_table(["model", *MEANS, "source"], lines), *_notes(told)]


def _notes(notes: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {_plain(note)}" for note in notes)] if notes else []


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    ruled = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(
        f"| {' | '.join(map(_plain, line))} |" for line in [list(head), ruled, *map(list, lines)]
    )


def _plain(text: str) -> str:
    """Text of others within a line of a table."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
