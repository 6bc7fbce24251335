"""Mean and deviation over seeds, and over objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import Row

AVERAGE = "average"
QUALITY = {
    "image_auroc": "image AUROC",
    "image_ap": "AP",
    "image_f1_max": "F1-max",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "boxes_found": "boxes found",
}
RATES = {"overkill": "overkill", "escapes": "escapes"}

Results = dict[str, Any]


def summarise(rows: Mapping[str, Sequence[Row]], settings: Mapping[str, Any]) -> Results:
    """Put the rows of all objects and seeds together.

    Args:
        rows: For each object one row a seed, in the order of the seeds, each with its ``seed``.
        settings: What the measurement was taken with.

    Returns:
        ``settings``; ``objects``: for each its means, ``std`` (sample deviation over seeds, 0 for a
        single one), ``overkill_limit`` and ``seeds`` (the rows); ``average``: the same over
        objects, each counting alike, without those that lack a figure. ``overkill_limit`` is what
        is promised plus two standard errors: each line's own rate scatters by Beta's law with the
        images that it compares with, and the measured one with the good images that are tested.
    """
    objects = {name: _over_seeds(list(of_seeds)) for name, of_seeds in rows.items()}
    by_seed = [_mean(list(same_seed)) for same_seed in zip(*rows.values(), strict=True)]
    return {"settings": dict(settings), "objects": objects, AVERAGE: _over_seeds(by_seed)}


def _over_seeds(rows: list[Row]) -> Results:
    mean, std = _mean(rows), {}
    for key in mean:
        values = [v for row in rows if (v := row[key]) is not None]
        std[key] = (float(np.std(values, ddof=1)) if len(values) > 1 else 0.0) if values else None
    limit = _overkill_limit(rows)
    kept = mean["overkill"] is not None and mean["overkill"] <= limit
    return {
        **{key: value for key, value in mean.items() if key != "seed"},
        "overkill_limit": limit,
        "overkill_promise_kept": kept,
        "std": {key: value for key, value in std.items() if key != "seed"},
        "seeds": rows,
    }


def _mean(rows: list[Row]) -> Row:
    """Mean of each figure over the rows that have it."""
    means: Row = {}
    for key in rows[0]:
        values = [v for row in rows if (v := row[key]) is not None]
        means[key] = float(np.mean(values)) if values else None
    return means


def _overkill_limit(rows: list[Row]) -> float:
    promised = float(np.mean([row["promised"] or 0.0 for row in rows]))
    scatter = [1 / ((row["compared_with"] or 0) + 2) + 1 / (row["good"] or 1) for row in rows]
    variance = promised * (1 - promised) * sum(scatter) / len(rows) ** 2
    return promised + 2 * float(np.sqrt(variance))


def rows_of(results: Results) -> dict[str, Results]:
    """All objects, and their average where there are several."""
    objects: dict[str, Results] = results["objects"]
    return {**objects, AVERAGE: results[AVERAGE]} if len(objects) > 1 else objects
