"""How well the confidence of a verdict is calibrated, and what is common to the lines.

Lines are enrolled from few and from all of their images, and held-out good and defective parts are
inspected. A confidence is held against the share of verdicts that are right, good and defective
parts counted alike. What a line's confidence takes from others is fitted without that line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.elpv import KINDS as CELLS
from benchmarks.elpv import solar_cells
from benchmarks.layouts import find_products
from benchmarks.metrics import bins_of_equal_weight, expected_calibration_error
from benchmarks.plots import to_png
from benchmarks.products import Product, Sample
from benchmarks.results import AVERAGE
from benchmarks.textile import textiles
from echo import Failure, Inspector, ProductLine
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.confidence import DISTANCES_D, Confidence, Distance, Judged, rank_shares_DK
from experts.errors import EchoError, ImageError
from experts.evidence import Verdict

FloatArray = NDArray[np.float64]

ALPHA = 0.05
# Of the cells and the textile so many are drawn to be enrolled.
DRAWN = 200
# Images that are enrolled; None: all that are meant for it.
SHOTS = (20, 60, None)
# Of each label.
INSPECTED = 150
# Judged defective parts of the line, how often they are drawn, and how often images are.
CASES, DRAWS, RESAMPLES = 20, 5, 400
SUMMARIES = (AVERAGE, "together")
WAYS = {"former": "former", "prior": "without cases", "cases": f"with {CASES} cases"}


class Seen(NamedTuple):
    """What was found of one line.

    Attributes:
        line: Name of the product.
        enrolled: Images that were enrolled.
        calibration_size: Images that its p-values rest on.
        p_values: Of each inspected image.
        verdicts: The same.
        defective: Labels.
    """

    line: str
    enrolled: int
    calibration_size: int
    p_values: list[float]
    verdicts: list[Verdict]
    defective: list[bool]


class Figures(NamedTuple):
    """Expected calibration errors, and between which two they lie with 95 %.

    Attributes:
        verdict: Of the confidence in verdicts; reviews are none.
        verdict_range: Basic bootstrap over images.
        classes: Of the probability that a part is defective, over all parts.
        classes_range: As above.
    """

    verdict: float
    verdict_range: tuple[float, float]
    classes: float
    classes_range: tuple[float, float]


def all_products(root: Path | None) -> list[Product]:
    """Solar cells, textile with all its defects, and the objects of a tree, if one is given.

    Raises:
        EchoError: If the images cannot be used.
    """
    single, whole = (textiles(kind, DRAWN) for kind in ("local", "global"))
    textile = replace(single, name="textile", defective=single.defective + whole.defective)
    cells = [solar_cells(kind, DRAWN) for kind in CELLS]
    return [*(find_products(root) if root else []), *cells, textile]


def inspect(product: Product, shots: int | None) -> Seen:
    """Enrol a product and inspect held-out parts.

    Raises:
        EchoError: If the images cannot be used.
    """
    split = product.split(0, shots)
    rng = np.random.default_rng(0)
    test = [s for label in (False, True) for s in _draw(split.test, label, rng)]
    with tempfile.TemporaryDirectory() as home:
        line = ProductLine.enroll(
            product.line_name, split.enrolled, alpha=ALPHA, home=home, progress=False
        )
        inspections = []
        inspector = Inspector(line, keep=False, mllm="none")
        for result in inspector.inspect_many(sample.path for sample in test):
            if isinstance(result, Failure):
                raise ImageError(result.error)
            inspections.append(result)
    return Seen(
        product.name,
        len(split.enrolled),
        inspections[0].anomaly.calibration_size,
        [inspection.anomaly.p_value for inspection in inspections],
        [inspection.verdict for inspection in inspections],
        [sample.defective for sample in test],
    )


def _draw(samples: Sequence[Sample], label: bool, rng: np.random.Generator) -> list[Sample]:
    there = [sample for sample in samples if sample.defective == label]
    return [there[i] for i in sorted(rng.permutation(len(there))[:INSPECTED])]


def likeliest_distance(seen: Seen) -> float:
    """The distance that makes the p-values of a line's defective parts likeliest."""
    n = seen.calibration_size
    rank_N = np.array([round(p * (n + 1)) for p in seen.p_values])[seen.defective]
    log_D = np.log(np.maximum(rank_shares_DK(n)[:, rank_N - 1], 1e-300)).sum(axis=1)
    return float(DISTANCES_D[np.argmax(log_D)])


def fit_distance(seen: Sequence[Seen]) -> Distance:
    """Mean and deviation of the likeliest distances, each line and size counted alike."""
    found = [likeliest_distance(one) for one in seen]
    return Distance(float(np.mean(found)), float(np.std(found, ddof=1)))


def former(verdict: Verdict, p_value: float) -> float:
    """What stood for a confidence before: how far the p-value lies from alpha."""
    if verdict == "review":
        return 0.5
    return (ALPHA if verdict == "reject" else p_value) / (ALPHA + p_value)


class _Given(NamedTuple):
    """What one way says of each image: its confidence, and the probability of a defect."""

    confidence_N: FloatArray
    defective_N: FloatArray


def _by(seen: Seen, one: Confidence) -> _Given:
    n, pairs = seen.calibration_size, list(zip(seen.verdicts, seen.p_values, strict=True))
    return _Given(
        np.array([one.of(verdict, p, n, by_rules=False) for verdict, p in pairs]),
        np.array([one.defective(p, n) for _, p in pairs]),
    )


def _by_former(seen: Seen) -> _Given:
    pairs = list(zip(seen.verdicts, seen.p_values, strict=True))
    return _Given(
        np.array([former(verdict, p) for verdict, p in pairs]),
        np.array([ALPHA / (ALPHA + p) for p in seen.p_values]),
    )


def _by_cases(seen: Seen, distance: Distance, rng: np.random.Generator) -> _Given:
    """Each half of the images is judged with cases of the other, so none tells of itself.

    Cases are drawn from the defective parts that were not accepted.
    """
    half_N = np.zeros(len(seen.p_values), bool)
    for label in (False, True):
        there = rng.permutation(np.flatnonzero(np.array(seen.defective) == label))
        half_N[there[: len(there) // 2]] = True
    found_N2 = np.zeros((len(half_N), 2))
    for here_N in (half_N, ~half_N):
        open_N = [d and v != "accept" for d, v in zip(seen.defective, seen.verdicts, strict=True)]
        pool = rng.permutation(np.flatnonzero(~here_N & open_N))[:CASES]
        n = seen.calibration_size
        cases = [
            Judged(seen.p_values[i], ALPHA, n, seen.verdicts[i], False, True) for i in pool.tolist()
        ]
        found_N2[here_N] = np.stack(_by(seen, Confidence(cases, distance)), axis=1)[here_N]
    return _Given(found_N2[:, 0], found_N2[:, 1])


class _Errors(NamedTuple):
    """Both calibration errors, and those of resampled images."""

    of_two: FloatArray
    resampled_R2: FloatArray

    def figures(self) -> Figures:
        low, high = (
            np.maximum(0, 2 * self.of_two - np.quantile(self.resampled_R2, share, axis=0)).tolist()
            for share in (0.975, 0.025)
        )
        verdict, classes = self.of_two.tolist()
        return Figures(verdict, (low[0], high[0]), classes, (low[1], high[1]))


def errors_of(seen: Sequence[Seen], draws: Sequence[Sequence[_Given]]) -> _Errors:
    """Calibration errors of lines taken together, each alike; the mean over draws of the cases.

    Args:
        seen: The lines.
        draws: What is said of each line, as often as cases were drawn.
    """
    rng = np.random.default_rng(0)
    groups = [
        [np.flatnonzero(np.array(one.defective) == label) for label in (False, True)]
        for one in seen
    ]
    everything = [np.concatenate(of_line) for of_line in groups]
    resampled = []
    for number in range(RESAMPLES):
        drawn = [np.concatenate([rng.choice(g, len(g)) for g in of_line]) for of_line in groups]
        given = [of_line[number % len(of_line)] for of_line in draws]
        resampled.append(_two_errors(seen, given, drawn))
    all_draws = [_two_errors(seen, given, everything) for given in zip(*draws, strict=True)]
    return _Errors(np.mean(all_draws, axis=0), np.array(resampled))


def _two_errors(
    seen: Sequence[Seen], given: Sequence[_Given], chosen: Sequence[NDArray[np.intp]]
) -> list[float]:
    """Of the verdicts, and of the classes, over chosen images of each line."""
    defective = np.concatenate(
        [np.array(s.defective)[c] for s, c in zip(seen, chosen, strict=True)]
    )
    verdict = np.concatenate([np.array(s.verdicts)[c] for s, c in zip(seen, chosen, strict=True)])
    says, tells = (
        np.concatenate([g[field][c] for g, c in zip(given, chosen, strict=True)])
        for field in (0, 1)
    )
    # Resampling keeps how many of each label a line has.
    weight = np.concatenate([_class_weights(s)[c] for s, c in zip(seen, chosen, strict=True)])
    decided = verdict != "review"
    right = (verdict == "reject") == defective
    return [
        expected_calibration_error(right[decided], says[decided], weight[decided]),
        expected_calibration_error(defective, tells, weight),
    ]


def predict(seen: Sequence[Seen]) -> list[dict[str, list[_Given]]]:
    """What each way says of each line; its own images never tell what is common to the lines."""
    said = []
    for one in seen:
        distance = fit_distance([other for other in seen if other.line != one.line])
        rng = np.random.default_rng(0)
        said.append(
            {
                "former": [_by_former(one)],
                "prior": [_by(one, Confidence((), distance))],
                "cases": [_by_cases(one, distance, rng) for _ in range(DRAWS)],
            }
        )
    return said


def bench_calibration(seen: Sequence[Seen], out: Path, console: Console) -> dict[str, Any]:
    """Hold every way against the labels; prints a table, writes ``calibration.json`` and ``.png``.

    Raises:
        EchoError: If ``out`` cannot be written.
    """
    said = predict(seen)
    errors = [
        {way: errors_of([one], [draws]) for way, draws in ways.items()}
        for one, ways in zip(seen, said, strict=True)
    ]
    average = {
        way: _Errors(*(np.mean(x, axis=0) for x in zip(*(e[way] for e in errors), strict=True)))
        for way in WAYS
    }
    together = {way: errors_of(seen, [ways[way] for ways in said]) for way in WAYS}
    names = [f"{one.line}, {one.enrolled}" for one in seen]
    rows = {
        name: {way: found.figures() for way, found in of.items()}
        for name, of in zip([*names, *SUMMARIES], [*errors, average, together], strict=True)
    }
    console.print(_table(rows))
    distance = fit_distance(seen)
    console.print(f"Of all lines together: {distance}", highlight=False)
    document = {
        "alpha": ALPHA,
        "cases": CASES,
        "distance": distance._asdict(),
        "distances": {n: likeliest_distance(one) for n, one in zip(names, seen, strict=True)},
        "lines": {name: {w: f._asdict() for w, f in of.items()} for name, of in rows.items()},
    }
    write_bytes(out / "calibration.json", json.dumps(document, indent=1).encode())
    write_bytes(out / "calibration.png", plot(seen, said))
    console.print(f"Written: {out / 'calibration.json'}, .png", soft_wrap=True, markup=False)
    return document


def _table(rows: Mapping[str, Mapping[str, Figures]]) -> Table:
    """Both errors in each way; below those of all lines, in which range they lie."""
    heads = [f"{what}\n{way}" for what in ("verdicts", "classes") for way in WAYS.values()]
    table = Table("line, images enrolled", *heads, title="Expected calibration error")
    for name, of in rows.items():
        cells = [(f.verdict, f.verdict_range) for f in of.values()]
        cells += [(f.classes, f.classes_range) for f in of.values()]
        table.add_row(name, *(f"{error:.3f}" for error, _ in cells))
        if name in SUMMARIES:
            table.add_row("", *(f"{low:.3f}–\n{high:.3f}" for _, (low, high) in cells))
    return table


def plot(seen: Sequence[Seen], said: Sequence[Mapping[str, Sequence[_Given]]]) -> bytes:
    """Reliability diagram of each way, all lines alike: what was said, and what was found."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    weight_N = np.concatenate([_class_weights(one) for one in seen])
    defective_N = np.concatenate([one.defective for one in seen])
    for axes, (way, title) in zip(
        figure.subplots(1, len(WAYS), sharey=True), WAYS.items(), strict=True
    ):
        given_N = np.concatenate([ways[way][0].defective_N for ways in said])
        bin_N, share_N = bins_of_equal_weight(given_N, weight_N)
        total, said_B, found_B = (
            np.bincount(bin_N, share_N * x) for x in (np.ones(len(given_N)), given_N, defective_N)
        )
        there = total > 0
        axes.plot([0, 1], [0, 1], color="#999999", lw=1)
        axes.scatter(
            said_B[there] / total[there],
            found_B[there] / total[there],
            s=400 * total[there],
            color="#1b4965",
        )
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("probability of a defect that was given")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_aspect("equal")
    figure.axes[0].set_ylabel("share that is defective")
    return to_png(figure)


def _class_weights(seen: Seen) -> FloatArray:
    defective = np.array(seen.defective)
    weight_N: FloatArray = np.where(defective, 0.5 / defective.sum(), 0.5 / (~defective).sum())
    return weight_N


def measure(products: Sequence[Product]) -> list[Seen]:
    """Inspect every product, enrolled from few and from all of its images.

    Raises:
        EchoError: If the images cannot be used.
    """
    seen = []
    with Progress() as bars, bars.task("Measuring", len(products) * len(SHOTS)) as advance:
        for product in products:
            for shots in SHOTS:
                seen.append(inspect(product, shots))
                advance(1)
    return seen


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How well confidences are calibrated.")
    parser.add_argument("--data", type=Path, help="a tree of labelled images, besides the packages")
    parser.add_argument("--measured", type=Path, help="p_values.json of an earlier run")
    parser.add_argument("--out", type=Path, default=Path("bench-out/calibration"))
    given = parser.parse_args()
    try:
        out = writable_folder(given.out)
        if given.measured:
            seen = [Seen(**row) for row in json.loads(given.measured.read_text(encoding="utf-8"))]
        else:
            seen = measure(all_products(given.data))
            document = json.dumps([one._asdict() for one in seen])
            write_bytes(out / "p_values.json", document.encode())
        bench_calibration(seen, out, Console())
    except EchoError as error:
        raise SystemExit(f"calibration: {error}") from error


if __name__ == "__main__":
    main()
