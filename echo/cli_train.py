"""The commands ``echo-iad train``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from echo.cli_common import Home, Json, say
from echo.settings import home_folder
from experts.simulating.kinds import KINDS

if TYPE_CHECKING:
    from echo.simulated import SimulatedTree

train = typer.Typer(
    no_args_is_help=True, help="Make what the embedded language model learns from, and train it."
)

EPILOG = "Example: echo-iad train simulate photos/good data/washer --count 200 --kinds crack,stain"
NANO_EPILOG = "Example: echo-iad train nano --line washer"


@train.command("simulate", epilog=EPILOG)
def simulate(
    good: Annotated[
        str, typer.Argument(help="Images of good parts: a folder or a pattern.", metavar="GOOD")
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The new folder; a call that was cut off goes on there.", metavar="OUT"
        ),
    ],
    count: Annotated[
        int, typer.Option(help="Images with an anomaly, in all; the kinds take turns.", min=1)
    ] = 100,
    kinds: Annotated[
        str | None,
        typer.Option(help=f"Separated by commas, all by default: {', '.join(KINDS)}."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Draw anomalies onto images of good parts: a labelled data set in the layout of MVTec AD.

    Each image with an anomaly comes with its mask, and simulated.json says of each where it is,
    how large and what it looks like. preview.png shows some of each kind. The same seed gives the
    same bytes.
    """
    from echo.simulated import simulate_tree

    tree = simulate_tree(good, out, count=count, kinds=_chosen(kinds), seed=seed)
    if as_json:
        typer.echo(json.dumps(_result(tree, out), indent=1))
        return
    many = len(_counts(tree))
    say(
        f"Wrote {out}: {count} images with anomalies of {many} {'kind' if many == 1 else 'kinds'}, "
        f"{len(tree.test)} good ones beside them, and {len(tree.train)} to enrol."
    )
    say(f"Look at {out / 'preview.png'}. Next: echo-iad bench anomaly {out}")


@train.command("nano", epilog=NANO_EPILOG)
def train_nano(
    line: Annotated[
        str | None, typer.Option(help="Train the shipped adapters further for this line alone.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; one that was cut off goes on there. By default nano-out, and "
            "with --line always in Echo's home.",
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A YAML file; by default one that comes with Echo.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train the adapters of the embedded language model, on a GPU if there is one.

    It learns from invented products, so it needs no data. On two cores that takes about two hours.
    losses.png shows how it goes; adapter/ holds the weights, which a run on the same processor
    gives again to the last bit. --mllm with the folder's name asks them.

    With --line it learns from this line, too: from its normal images with anomalies drawn on them,
    and from images of parts that people judged. On two cores that takes up to 20 minutes. The
    adapters are kept with the line and serve it alone, until it is enrolled anew.
    """
    from echo.progress import Progress
    from echo.training.embedded import SHIPPED_RECIPE, train_embedded
    from echo.training.recipe import Recipe

    if line is not None:
        if out is not None:
            raise typer.BadParameter("Give --out or --line, not both.")
        _train_for(line, recipe, home, as_json=as_json)
        return
    out = out or Path("nano-out")
    with Progress() as bars:
        read = Recipe.read(recipe or SHIPPED_RECIPE)
        adapter = train_embedded(read, out, home_folder(home), bars)
    if as_json:
        typer.echo(json.dumps({"adapter": str(adapter), "losses": str(out / "losses.jsonl")}))
        return
    say(f"Trained {read.steps} steps; the adapters are in {adapter}.")
    say(f"Look at {out / 'losses.png'}. To ask it: --mllm {shlex.quote(str(out.resolve()))}")


def _train_for(name: str, recipe: Path | None, home: Path | None, *, as_json: bool) -> None:
    from echo.line import ProductLine
    from echo.progress import Progress
    from echo.training.adapting import RECIPE_OF_LINE, run_folder, train_line
    from echo.training.recipe import Recipe
    from echo.training.training import CURVES

    read = Recipe.read(recipe or RECIPE_OF_LINE)
    with Progress() as bars:
        line = train_line(ProductLine.load(name, home=home), read, bars)
    curves = run_folder(line) / CURVES
    if as_json:
        told = {"line": name, "revision": line.language_revision, "losses": str(curves)}
        typer.echo(json.dumps(told))
        return
    say(f"Trained {read.steps} steps; line {name} has nano of revision {line.language_revision}.")
    say(f"Look at {curves}.")


def _chosen(kinds: str | None) -> tuple[str, ...]:
    if kinds is None:
        return KINDS
    named = dict.fromkeys(kind.strip() for kind in kinds.split(","))
    for kind in named:
        if kind not in KINDS:
            raise typer.BadParameter(f"--kinds: no kind {kind!r}; there are {', '.join(KINDS)}.")
    return tuple(named)


def _counts(tree: SimulatedTree) -> Counter[str]:
    return Counter(image.kind for image in tree.images)


def _result(tree: SimulatedTree, out: Path) -> dict[str, Any]:
    return {
        "folder": str(out),
        "file": str(out / "simulated.json"),
        "preview": str(out / "preview.png"),
        "train": len(tree.train),
        "good": len(tree.test),
        "kinds": dict(_counts(tree)),
    }
