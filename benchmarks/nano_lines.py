"""Inspections on which the embedded model is examined: of four real lines, and of invented ones.

None of the four is in what it learned from: it was trained on invented products alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.elpv import solar_cells
from benchmarks.layouts import find_products
from benchmarks.products import Product, Sample
from benchmarks.textile import textiles
from echo import Failure, Inspector, ProductLine
from echo.language import open_mllm
from echo.progress import Progress
from echo.rules import Rules
from echo.training.inventing import invent
from experts.answers import Known
from experts.errors import BenchmarkError
from experts.mllm import MLLM

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
# Invented worlds of these seeds are in no training run.
INVENTED_SEED = 4_000
ENROLLED = 200


class Examined(NamedTuple):
    """An inspection that the model is asked about.

    Attributes:
        line: ``tile``, ``pcb``, ``solar cell``, ``textile`` or ``invented``.
        known: What is known of it.
        sample: The image with its label; ``None`` of an invented one.
    """

    line: str
    known: Known
    sample: Sample | None


class RealLine(NamedTuple):
    """A line of real images.

    Attributes:
        name: As ``Examined.line``.
        product: Its images.
        knowledge: Its knowledge file.
    """

    name: str
    product: Product
    knowledge: Path


def real(data: Path, home: Path, images: int, seed: int = 0) -> Iterator[Examined]:
    """Inspections of the four lines, half of them of defective parts.

    Args:
        data: The tree with ``MagneticTile/tile`` and ``DeepPCB/pcb``.
        home: Where the lines are enrolled.
        images: How many of each line.
        seed: Draws them.

    Raises:
        BenchmarkError: If an image cannot be inspected.
        EchoError: If images are missing.
    """
    for one in real_lines(data):
        yield from inspected(one, enrolled(one, home, seed), images, seed)


def real_lines(data: Path) -> list[RealLine]:
    """The four.

    Args:
        data: The tree with ``MagneticTile/tile`` and ``DeepPCB/pcb``.

    Raises:
        EchoError: If images are missing.
    """
    tile, pcb = find_products(data, ["MagneticTile/tile"]), find_products(data, ["DeepPCB/pcb"])
    return [
        RealLine("tile", tile[0], KNOWLEDGE / "magnetic_tile.yaml"),
        RealLine("pcb", pcb[0], KNOWLEDGE / "printed_circuit_board.yaml"),
        RealLine("solar cell", solar_cells("mono", ENROLLED), KNOWLEDGE / "solar_cell.yaml"),
        RealLine("textile", textiles("local", ENROLLED), KNOWLEDGE / "textile.yaml"),
    ]


def enrolled(one: RealLine, home: Path, seed: int = 0) -> ProductLine:
    """A line of its normal images but those that are inspected.

    Raises:
        EchoError: If it cannot be enrolled.
    """
    images = one.product.split(seed).enrolled
    return ProductLine.enroll(
        one.product.line_name, images, one.knowledge, home=home, progress=False
    )


def inspected(one: RealLine, line: ProductLine, images: int, seed: int = 0) -> Iterator[Examined]:
    """Inspections by an enrolled line, half of them of defective parts.

    Raises:
        BenchmarkError: If an image cannot be inspected.
    """
    split, rules = one.product.split(seed), Rules(line).knowledge
    rng = np.random.default_rng(seed)
    drawn: list[Sample] = []
    for defective in (True, False):
        among = [sample for sample in split.test if sample.defective is defective]
        order = rng.permutation(len(among))[: images // 2]
        drawn += [among[i] for i in order.tolist()]
    paths = [sample.path for sample in drawn]
    inspector = Inspector(line, keep=False, mllm="none")
    with Progress() as bars, bars.task(f"inspecting {one.name}", len(paths)) as advance:
        for sample, result in zip(drawn, inspector.inspect_many(paths), strict=True):
            if isinstance(result, Failure):
                raise BenchmarkError(f"{sample.path}: {result.error}")
            advance(1)
            yield Examined(one.name, Known(result, rules, line.manifest.alpha), sample)


def arguments(doc: str | None, images: int, worlds: int) -> argparse.ArgumentParser:
    """Options of a benchmark of the model: which inspections it is asked about, and which it is.

    Args:
        doc: Of the benchmark's module; its first sentence is the help.
        images: Default for each real line.
        worlds: Default of invented inspections.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="tree with MagneticTile/tile and DeepPCB/pcb")
    parser.add_argument("--images", type=int, default=images, help="of each real line")
    parser.add_argument("--invented", type=int, default=worlds, help="of products nobody ever saw")
    parser.add_argument("--mllm", default="nano", help="the model, as in settings.yaml")
    return parser


def gathered(given: argparse.Namespace) -> tuple[MLLM, list[Examined]]:
    """The model and the inspections that options name.

    Raises:
        BenchmarkError: If there is no model.
        EchoError: If it cannot be opened, or images are missing.
    """
    if (model := open_mllm(given.mllm)) is None:
        raise BenchmarkError("there is no model to examine; name one by --mllm")
    with tempfile.TemporaryDirectory() as home:
        lines = [*real(given.data, Path(home), given.images)] if given.data else []
    return model, [*lines, *invented(given.invented)]


def invented(count: int) -> Iterator[Examined]:
    """Inspections of products that nobody ever saw."""
    for number in range(count):
        yield Examined("invented", invent(np.random.default_rng([INVENTED_SEED, number])), None)
