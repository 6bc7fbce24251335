"""Plots of runs beside published models, as PNG files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.text import Text

from benchmarks.mmad.about import About, enrolled
from benchmarks.mmad.data import SUBTASKS
from benchmarks.mmad.published import Published
from benchmarks.mmad.scoring import AVERAGE, MEANS, Scores
from benchmarks.plots import to_png

# More runs than these crowd the subtasks; all of them stand among the overall figures.
MAX_RUNS = 3
_RUNS = ("#1b4965", "#c8553d", "#4f772d")
_Style = str | tuple[int, tuple[int, ...]]
_OTHERS: tuple[tuple[str, _Style], ...] = (
    ("#8d99ae", "--"),
    ("#c9a227", "-."),
    ("#a06cd5", ":"),
    ("#6c9a8b", (0, (5, 1, 1, 1))),
)


def radar(
    scores: Mapping[str, Scores], published: Sequence[Published], about: Sequence[About] = ()
) -> bytes:
    """The seven subtasks of the first runs and of the published models that are outlined.

    Args:
        scores: By the name of the run.
        published: What others reached.
        about: What was run; from how many normal images is told.

    Returns:
        A PNG file. A subtask that a run is not asked leaves a gap in its outline.
    """
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    axes = figure.add_subplot(projection="polar")
    if not isinstance(axes, PolarAxes):
        raise TypeError("a polar projection has polar axes")
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    angles = np.linspace(0, 2 * np.pi, len(SUBTASKS), endpoint=False)
    runs, others = _first(scores), _outlined(published)
    for (name, values), colour in zip(runs.items(), _RUNS, strict=False):
        _outline(axes, angles, values, name, colour, "-", width=2.4)
    for (name, values), (colour, style) in zip(others.items(), cycle(_OTHERS), strict=False):
        _outline(axes, angles, values, name, colour, style, width=1.4)
    lowest = np.nanmin([*runs.values(), *others.values()])
    _rings(axes, bottom=max(0, 10 * int(lowest // 10) - 10))
    axes.set_xticks(angles, [_two_lines(subtask) for subtask in SUBTASKS])
    axes.tick_params(axis="x", pad=6)
    for text, angle in zip(axes.get_xticklabels(), angles, strict=True):
        _put_outside(text, angle)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(_what_is_shown(scores, about), fontsize=10)
    return to_png(figure)


def _put_outside(text: Text, angle: float) -> None:
    """Let the label of an axis grow away from the circle; ``angle`` goes clockwise from above."""
    right, up = np.sin(angle), np.cos(angle)
    text.set_horizontalalignment("left" if right > 0.1 else "right" if right < -0.1 else "center")
    text.set_verticalalignment("bottom" if up > 0.5 else "top" if up < -0.5 else "center")


def _rings(axes: PolarAxes, bottom: int) -> None:
    """Grid and scale from ``bottom`` to 100 %."""
    axes.set_ylim(bottom, 100)
    ticks = [tick for tick in range(20, 101, 20) if tick > bottom]
    axes.set_yticks(ticks, [""] * len(ticks))
    # The axis draws its own labels below the outlines, which cross them out.
    for tick in ticks:
        axes.text(
            np.pi / len(SUBTASKS),
            tick,
            f"{tick} %",
            ha="center",
            va="center",
            fontsize=8,
            color="#555555",
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )
    axes.grid(color="#dddddd")
    axes.spines["polar"].set_color("#bbbbbb")


def _outline(
    axes: PolarAxes,
    angles: np.ndarray,
    values: Sequence[float],
    name: str,
    colour: str,
    style: _Style,
    width: float,
) -> None:
    closed = [*range(len(angles)), 0]
    around = [values[i] for i in closed]
    axes.plot(angles[closed], around, color=colour, ls=style, lw=width, label=name)
    if width > 2:
        axes.plot(angles, values, "o", color=colour, ms=4)
        if not np.isnan(values).any():
            axes.fill(angles[closed], around, color=colour, alpha=0.08)


def bars(
    scores: Mapping[str, Scores], published: Sequence[Published], about: Sequence[About] = ()
) -> bytes:
    """The subtasks of the first runs, and the overall figure of all runs and published models.

    Args:
        scores: By the name of the run.
        published: What others reached.
        about: What was run; from how many normal images is told.

    Returns:
        A PNG file; runs have their 95 % confidence intervals.
    """
    rows = len(scores) + len(published)
    figure = Figure(figsize=(11, 4.2 + 0.24 * rows), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3.6, 0.24 * rows])
    _subtasks(above, scores, published)
    _overall(below, scores, published)
    figure.suptitle(_what_is_shown(scores, about), fontsize=10)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def _subtasks(axes: Axes, scores: Mapping[str, Scores], published: Sequence[Published]) -> None:
    """Groups of bars: each subtask and their mean."""
    runs, others = _first(scores, MEANS), _outlined(published, MEANS)
    colours = [*_RUNS[: len(runs)], *(colour for colour, _ in _OTHERS)]
    width = 0.84 / (len(runs) + len(others))
    for n, ((name, values), colour) in enumerate(
        zip([*runs.items(), *others.items()], cycle(colours), strict=False)
    ):
        places = np.arange(len(MEANS)) + width * (n + 0.5) - 0.42
        axes.bar(places, np.nan_to_num(values), 0.92 * width, color=colour, label=name)
        if n < len(runs):
            row = list(scores.values())[n].average
            for place, column in zip(places, MEANS, strict=True):
                _whisker(axes, place, row.intervals[column], upright=True)
    axes.set_xticks(range(len(MEANS)), [_two_lines(name) for name in MEANS])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(MEANS) - 0.45)
    axes.set_ylim(0, 100)
    axes.set_ylabel("right answers, %; runs with 95 % intervals")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9)


def _overall(axes: Axes, scores: Mapping[str, Scores], published: Sequence[Published]) -> None:
    """One bar a run or model, the best above."""
    repeated = {name for name, n in Counter(model.name for model in published).items() if n > 1}
    found = [
        (model.average, f"{model.name} ({model.source})" if model.name in repeated else model.name)
        for model in published
    ]
    bounds = {}
    for name, of_run in scores.items():
        label = _label(name, of_run)
        found.append((of_run.average.figures[AVERAGE] or 0.0, label))
        bounds[label] = of_run.average.intervals[AVERAGE]
    found.sort(key=lambda one: -one[0])
    names = [label for _, label in found]
    colours = [_RUNS[0] if name in bounds else "#c3ccd6" for name in names]
    axes.barh(range(len(found)), [value for value, _ in found], 0.74, color=colours)
    for place, (value, name) in enumerate(found):
        _whisker(axes, place, bounds.get(name), upright=False)
        end = (bounds.get(name) or (value, value))[1]
        axes.annotate(
            f"{value:.1f}",
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold" if name in bounds else "normal",
        )
    axes.set_yticks(range(len(names)), names, fontsize=9)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_fontweight("bold" if name in bounds else "normal")
    axes.invert_yaxis()
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("average of the seven subtasks, %; runs with 95 % intervals")


def _whisker(
    axes: Axes, place: float, bounds: tuple[float, float] | None, *, upright: bool
) -> None:
    """An interval, drawn over a bar."""
    if bounds is None:
        return
    middle = sum(bounds) / 2
    half = (bounds[1] - bounds[0]) / 2
    if upright:
        axes.errorbar(place, middle, yerr=half, fmt="none", ecolor="#222222", capsize=2, lw=1)
    else:
        axes.errorbar(middle, place, xerr=half, fmt="none", ecolor="#222222", capsize=2, lw=1)


def _first(
    scores: Mapping[str, Scores], columns: Sequence[str] = SUBTASKS
) -> dict[str, list[float]]:
    """Overall figures of the first runs; NaN where there is none."""
    return {
        _label(name, of_run): [
            np.nan if (value := of_run.average.figures[column]) is None else value
            for column in columns
        ]
        for name, of_run in list(scores.items())[:MAX_RUNS]
    }


def _outlined(
    published: Sequence[Published], columns: Sequence[str] = SUBTASKS
) -> dict[str, list[float]]:
    return {
        model.name: [model.figures[column] for column in columns]
        for model in published
        if model.outlined
    }


def _label(name: str, of_run: Scores) -> str:
    return f"{name} (not finished)" if of_run.not_answered else name


def _what_is_shown(scores: Mapping[str, Scores], about: Sequence[About]) -> str:
    """What was asked, and of whom.

    Published figures are of the whole benchmark with one normal image beside each question; those
    of a run may not be.
    """
    asked = {of_run.average.denominator.asked for of_run in scores.values()}
    number = " or ".join(f"{n:,}" for n in sorted(asked))
    datasets = ", ".join(dict.fromkeys(name for run in scores.values() for name in run.datasets))
    lines = f"; {told}" if (told := enrolled(about)) else ""
    return (
        f"Runs: {number} questions on {datasets}{lines}\n"
        "Published models: MMAD, 39,672 questions on DS-MVTec, MVTec-LOCO, VisA, GoodsAD; "
        "1 normal image beside each"
    )


def _two_lines(name: str) -> str:
    return name.replace(" ", "\n")
