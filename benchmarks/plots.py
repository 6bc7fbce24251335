"""Plots of results, as PNG files."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results import QUALITY, RATES, Results, rows_of

_COLOURS = {
    "image_auroc": "#1b4965",
    "pixel_auroc": "#5fa8d3",
    "aupro": "#bcd9ea",
    "overkill": "#c8553d",
    "escapes": "#f2c9a1",
}


def plot_results(results: Results, title: str) -> bytes:
    """Bars of each object with their deviation over seeds: what is found, and what goes wrong."""
    rows = rows_of(results)
    figure = Figure(figsize=(11, 1.8 + 0.62 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _bars(left, rows, {k: QUALITY[k] for k in ("image_auroc", "pixel_auroc", "aupro")})
    _bars(right, rows, RATES)
    left.set_xlabel("area under the curve")
    left.set_xlim(min(0.5, *_lowest(rows)), 1)
    right.set_xlabel("share of the good, and of the defective images")
    right.set_xlim(0, 1)
    for place, row in enumerate(rows.values()):
        limit = row["overkill_limit"]
        label = "promise + 2 standard errors" if not place else None
        right.plot([limit, limit], [place - 0.4, place + 0.4], color="black", lw=1, label=label)
    left.set_yticks(range(len(rows)), list(rows))
    left.invert_yaxis()
    figure.suptitle(title, fontsize=11)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return to_png(figure)


def _lowest(rows: dict[str, Results]) -> list[float]:
    keys = ("image_auroc", "pixel_auroc", "aupro")
    return [row[key] for row in rows.values() for key in keys if row[key] is not None]


def _bars(axes: Axes, rows: dict[str, Results], names: dict[str, str]) -> None:
    height = 0.8 / len(names)
    for n, (key, label) in enumerate(names.items()):
        shown = [(i, row) for i, row in enumerate(rows.values()) if row[key] is not None]
        if not shown:
            continue
        places = [i - 0.4 + height * (n + 0.5) for i, _ in shown]
        values = [row[key] for _, row in shown]
        spread: Any = [row["std"][key] for _, row in shown]
        axes.barh(places, values, height, color=_COLOURS[key], label=label)
        axes.errorbar(values, places, xerr=spread, fmt="none", ecolor="#444444", capsize=2, lw=1)
        form = "{:.1%}" if key in RATES else "{:.3f}"
        for place, value, deviation in zip(places, values, spread, strict=True):
            end = min(value + deviation, 1)
            axes.annotate(
                form.format(value),
                (end, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file, 120 dots per inch."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()
