"""Trains the embedded language model as it comes with Echo: on invented products alone.

So no image and no line that anybody inspects is in it, and its figures on real lines are those of
lines that it never saw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from echo.progress import Progress
from echo.training.asking import lesson
from echo.training.inventing import invent
from echo.training.lessons import Lesson
from echo.training.recipe import Recipe
from echo.training.training import EXAMINED_FROM, Source, held, train
from echo.training.wordings import phrases
from experts.mllm.nano.base import unpacked

SHIPPED_RECIPE = Path(__file__).with_name("recipe.yaml")


def train_embedded(recipe: Recipe, folder: Path, home: Path, bars: Progress) -> Path:
    """Train adapters; goes on where an earlier run into the same folder was interrupted.

    Args:
        recipe: How.
        folder: Where checkpoint, losses and adapters are written.
        home: Echo's home, where the base weights are unpacked.
        bars: Show how far it is.

    Returns:
        The folder with the adapters.

    Raises:
        MLLMUnavailableError: If the base weights are not installed.
        TrainingError: If there is a checkpoint of another run, or another process writes there.
        OutputError: If it cannot be written.
    """
    base = unpacked(home)
    with held(folder, f"into {folder}"):
        return train(invented(recipe), recipe, base, folder, bars)


def invented(recipe: Recipe) -> Source:
    """Lessons on invented products; those by which a run is examined are in held-out wordings."""

    def source(number: int) -> Lesson:
        rng = np.random.default_rng([recipe.seed, number])
        split = phrases("dev" if number >= EXAMINED_FROM else "train")
        return lesson(invent(rng), "invented", recipe.asks, rng, split)

    return source
