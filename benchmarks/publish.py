"""How results are shown: table, JSON, CSV and plot."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from benchmarks.plots import plot_results
from benchmarks.results import AVERAGE, QUALITY, RATES, Results, rows_of
from echo.storage import write_bytes


def publish(results: Results, title: str, folder: Path, console: Console) -> None:
    """Print the table; write ``results.json``, ``results.csv`` and ``results.png``."""
    console.print(_table(results, title))
    write_bytes(folder / "results.json", json.dumps(results, indent=1).encode())
    write_bytes(folder / "results.csv", _csv(results).encode())
    write_bytes(folder / "results.png", plot_results(results, title))
    console.print(f"Written: {folder / 'results.json'}, .csv, .png", soft_wrap=True, markup=False)


def _table(results: Results, title: str) -> Table:
    """One row an object; the deviation over seeds and overkill's limit stand below the means."""
    names = [name.replace(" ", "\n") for name in (*QUALITY.values(), *RATES.values())]
    table = Table(
        Column("object", overflow="fold"),
        *names,
        title=escape(title),
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        show_edge=False,
    )
    for name, row in rows_of(results).items():
        quality = [_cell(row, key, "{:.3f}") for key in QUALITY]
        overkill, escapes = (_cell(row, key, "{:.1%}") for key in RATES)
        limit = f"≤{row['overkill_limit']:.1%}"
        table.add_row(escape(name.replace("/", "/\n")), *quality, f"{overkill}\n{limit}", escapes)
    return table


def _cell(row: Results, key: str, form: str) -> str:
    if row[key] is None:
        return "–"
    spread = f"\n±{form.format(row['std'][key])}" if len(row["seeds"]) > 1 else ""
    return form.format(row[key]) + spread


def _csv(results: Results) -> str:
    stream = io.StringIO()
    rows = {**results["objects"], AVERAGE: results[AVERAGE]}
    figures = list(results[AVERAGE]["std"])
    writer = csv.writer(stream, lineterminator="\n")
    deviations = [f"{key}_std" for key in figures]
    writer.writerow(["object", *figures, "overkill_limit", *deviations, "seeds"])
    for name, row in rows.items():
        values = [row[key] for key in figures] + [row["overkill_limit"]]
        spread = [row["std"][key] for key in figures]
        writer.writerow([name, *values, *spread, len(row["seeds"])])
    return stream.getvalue()
