"""Draws the course of a training run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from echo.training.training import Point

# Single steps jump; their mean over so many shows where they go.
SMOOTH = 20


def draw(points: Sequence[Point]) -> bytes:
    """The losses over the steps, and the share of right choices, as PNG.

    Args:
        points: In order.
    """
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _line(left, points, "writing", "C0")
    left.set(xlabel="step", ylabel="nats", title="Loss", ylim=(0, None))
    _line(right, points, "right", "C2")
    right.set(xlabel="step", title="Share of right choices", ylim=(0, 1.01))
    for axes in (left, right):
        if axes.lines:
            axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    plt.close(figure)
    return png.getvalue()


def _line(axes: Any, points: Sequence[Point], name: str, colour: str) -> None:
    learned = [
        (p.step, getattr(p, name))
        for p in points
        if not p.examined and getattr(p, name) is not None
    ]
    means = [
        sum(value for _, value in learned[max(0, n - SMOOTH + 1) : n + 1])
        / len(learned[max(0, n - SMOOTH + 1) : n + 1])
        for n in range(len(learned))
    ]
    if learned:
        axes.plot([step for step, _ in learned], means, colour, alpha=0.6, label=name)
    kept = [
        (p.step, getattr(p, name)) for p in points if p.examined and getattr(p, name) is not None
    ]
    if kept:
        axes.plot(*zip(*kept, strict=True), f"{colour}o-", label=f"{name}, kept from training")
