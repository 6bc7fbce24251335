"""Trains the embedded language model for a line, and keeps its adapters with the line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from echo import storage
from echo.enrolment import write_changed
from echo.history import learned_sha256
from echo.line import ProductLine
from echo.manifest import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS
from echo.progress import Progress
from echo.rules import as_it_is, with_newest_rules
from echo.training.of_line import lessons_of
from echo.training.recipe import Recipe
from echo.training.training import CHECKPOINT, held, train
from experts.errors import LineError, TrainingError
from experts.mllm.nano.base import unpacked
from experts.mllm.nano.loading import SHIPPED, revision

RECIPE_OF_LINE = Path(__file__).with_name("recipe_of_line.yaml")
# What a run began with; it goes on only with the same.
BEGUN = "run.json"


def run_folder(line: ProductLine) -> Path:
    """Where the training for a line is written while it runs."""
    return line.home / "nano" / "runs" / line.name


def train_line(
    line: ProductLine, recipe: Recipe, bars: Progress, start: Path | None = None
) -> ProductLine:
    """Train adapters for a line and keep them with it; gives the line as it is then.

    A call that was interrupted goes on where it was, unless the line has changed since by more than
    its rules. Until the end the line stays as it was.

    Args:
        line: The line.
        recipe: How; rank and first layer are those of the adapters to begin with.
        bars: Show how far it is.
        start: Folder with the adapters to begin with, by default those that come with Echo.

    Raises:
        HistoryError: If the line's cases cannot be read.
        LineError: If the line is damaged or cannot be written.
        MLLMUnavailableError: If the base weights are not installed, or the adapters to begin with
            cannot be read.
        OutputError: If the run cannot be written.
        TrainingError: If the line has no image to learn from, the recipe does not fit, or the line
            was replaced meanwhile; then the trained adapters stay in the run's folder.
    """
    start = start or SHIPPED
    line, recipe = with_newest_rules(line), fitting(recipe, start)
    with held(run_folder(line), f"for line {line.name!r}") as folder:
        _begin(folder, line, start)
        source = lessons_of(line, recipe)
        adapter = train(source, recipe, unpacked(line.home), folder, bars, start)
        put_in_line(line, adapter)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(adapter, ignore_errors=True)
    return ProductLine.at(line.folder)


def fitting(recipe: Recipe, start: Path) -> Recipe:
    """A recipe with rank and first layer of the adapters to begin with.

    Args:
        recipe: The recipe; where it does not say these, they are taken over.
        start: Folder with the adapters.

    Raises:
        TrainingError: If it says others, or there are no adapters.
    """
    path = start / Path(ADAPTER_CONFIG).name
    try:
        said = json.loads(path.read_text("utf-8"))
        found = {"rank": int(said["r"]), "first_layer": min(said["layers_to_transform"])}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(
            f"{path}: cannot be read, so there are no adapters to begin with; install Echo again"
        ) from error
    for field, value in found.items():
        wanted = getattr(recipe, field)
        if field in recipe.model_fields_set and wanted != value:
            raise TrainingError(
                f"the recipe says {field}: {wanted}, but the adapters to begin with have {value}; "
                f"leave {field} out"
            )
    return recipe.model_copy(update=found)


def put_in_line(line: ProductLine, adapter: Path) -> None:
    """Make adapters those of a line.

    Args:
        line: As it was when they were trained.
        adapter: Folder with them.

    Raises:
        LineError: If the line cannot be written.
        TrainingError: If it was replaced since.
    """
    with storage.replace_folder(line.folder) as staging:
        try:
            now = as_it_is(line)
        except LineError as error:
            raise TrainingError(
                f"line {line.name!r} was changed or removed while its adapters were trained, so it "
                f"does not get them; they stay in {adapter}; to train for the line as it is now: "
                f"echo-iad train nano --line {line.name}"
            ) from error
        (staging / ADAPTER).mkdir()
        for part in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            storage.write_bytes(staging / part, (adapter / Path(part).name).read_bytes())
        write_changed(now, staging, {ADAPTER_CONFIG, ADAPTER_WEIGHTS}, {})


def _begin(folder: Path, line: ProductLine, start: Path) -> None:
    """Forget a run that began with something else."""
    begun = {"line": learned_sha256(line.manifest), "start": revision(start)}
    path, told = folder / BEGUN, json.dumps(begun).encode()
    if not path.exists() or path.read_bytes() != told:
        (folder / CHECKPOINT).unlink(missing_ok=True)
        storage.write_bytes(path, told)
