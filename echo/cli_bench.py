"""The commands ``echo-iad bench``: thin, like those of ``echo.cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from echo import cli_mmad, cli_questions

bench = typer.Typer(no_args_is_help=True, help="Measure Echo on labelled images.")
bench.command("mmad", epilog=cli_mmad.EPILOG)(cli_mmad.bench_mmad)
bench.command("mmad-score", epilog=cli_mmad.SCORE_EPILOG)(cli_mmad.bench_mmad_score)
bench.command("make-questions", epilog=cli_questions.EPILOG)(cli_questions.make_questions)


SHOTS = "Good images to enrol: 1, 2, 4, … or all; with 0 an open_clip model goes by words alone."


def _check_shots(value: str) -> str:
    if value != "all" and not value.isdecimal():
        raise typer.BadParameter(f"{value!r} is neither a number from 0 on nor 'all'.")
    return value


Alpha = Annotated[float, typer.Option(help="False-reject rate to promise.")]
Encoder = Annotated[
    str | None, typer.Option(help="Name of the encoder; by default the embedded one.")
]
Enrolled = Annotated[int, typer.Option(help="Good images to enrol.", min=2)]
Splits = Annotated[int, typer.Option(help="Random splits.", min=1)]
Out = Annotated[Path, typer.Option(help="Where the results go; what is there already goes on.")]


@bench.command(
    "anomaly",
    epilog="Example: echo-iad bench anomaly DATA --object MagneticTile/tile --out bench-out/tile",
)
def bench_anomaly(
    root: Annotated[
        Path, typer.Argument(help="A tree in the layout of MVTec or VisA, or good and bad.")
    ],
    objects: Annotated[
        list[str] | None, typer.Option("--object", help="Only this object; may be repeated.")
    ] = None,
    shots: Annotated[
        str,
        typer.Option(callback=_check_shots, help=SHOTS),
    ] = "all",
    seeds: Annotated[int, typer.Option(help="How often, each with another seed.", min=1)] = 1,
    encoder: Encoder = None,
    alpha: Alpha = 0.05,
    resplit: Annotated[
        bool,
        typer.Option("--resplit", help="Draw enrolled and tested good images anew for each seed."),
    ] = False,
    out: Out = Path("bench-out/anomaly"),
) -> None:
    """Detection, localisation, overkill and escapes on labelled images."""
    from benchmarks.anomaly import Settings, run
    from benchmarks.layouts import find_products

    number = None if shots == "all" else int(shots)
    settings = Settings(alpha, _encoder(encoder), seeds, number, resplit)
    run(find_products(root, objects or []), settings, str(root), out, Console())


@bench.command("elpv", epilog="Example: echo-iad bench elpv --cells mono --out bench-out/elpv")
def bench_elpv(
    cells: Annotated[
        list[str] | None, typer.Option(help="Which cells: mono (default), poly; may be repeated.")
    ] = None,
    enrolled: Enrolled = 200,
    splits: Splits = 5,
    encoder: Encoder = None,
    alpha: Alpha = 0.05,
    out: Out = Path("bench-out/elpv"),
) -> None:
    """The same on solar cells, over random splits."""
    from benchmarks.anomaly import Settings, run
    from benchmarks.elpv import solar_cells

    products = [solar_cells(kind, enrolled) for kind in cells or ["mono"]]
    run(products, Settings(alpha, _encoder(encoder), splits), "Solar cells", out, Console())


@bench.command("textile", epilog="Example: echo-iad bench textile --out bench-out/textile")
def bench_textile(
    enrolled: Enrolled = 200,
    splits: Splits = 5,
    encoder: Encoder = None,
    alpha: Alpha = 0.05,
    out: Out = Path("bench-out/textile"),
) -> None:
    """The same on woven textile with local and with global defects, over random splits."""
    from benchmarks.anomaly import Settings, run
    from benchmarks.textile import KINDS, textiles

    products = [textiles(kind, enrolled) for kind in KINDS]
    run(products, Settings(alpha, _encoder(encoder), splits), "Textile", out, Console())


@bench.command("screws", epilog="Example: echo-iad bench screws --shots 1 --seeds 5")
def bench_screws(
    shots: Annotated[str, typer.Option(callback=_check_shots, help=SHOTS)] = "1",
    seeds: Annotated[int, typer.Option(help="How often, each with another seed.", min=1)] = 5,
    encoder: Encoder = None,
    alpha: Alpha = 0.05,
    out: Out = Path("bench-out/screws"),
) -> None:
    """The same on drawn screws that lie at any angle, from few images."""
    from benchmarks.anomaly import Settings, run
    from benchmarks.screws import screws

    number = None if shots == "all" else int(shots)
    settings = Settings(alpha, _encoder(encoder), seeds, number)
    run([screws(out / "images")], settings, "Screws", out, Console())


@bench.command("speed", epilog="Example: echo-iad bench speed")
def bench_speed(
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("bench-out"),
    images: Annotated[int, typer.Option(help="Normal images to enrol.", min=2)] = 300,
) -> None:
    """Inspection time beside the encoder's forward pass, in one run; and enrolment time."""
    from benchmarks.speed import bench_speed as run

    run(images, out, Console())


@bench.command("growth", epilog="Example: echo-iad bench growth --sizes 10 --sizes 1000")
def bench_growth(
    sizes: Annotated[
        list[int] | None,
        typer.Option(help="Images to enrol, 10, 100, 1000 and 10000 by default.", min=2),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("bench-out/growth"),
) -> None:
    """Enrolment time, memory, disk and search time of lines of several sizes."""
    from benchmarks.growth import bench_growth as run

    run(sizes or [10, 100, 1_000, 10_000], out, Console())


def _encoder(name: str | None) -> str:
    from experts.decoder.encoder import DEFAULT_ENCODER

    return name or DEFAULT_ENCODER
