"""Lessons from a line: its normal images with anomalies drawn on them, and parts people judged.

That is AnomalyGPT's way to train without defects (Gu et al., AAAI 2024). Each image is inspected by
the line, and the questions are on what the inspection says; what people found stands in no lesson.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echo.cases import Cases, newest
from echo.history import Archive
from echo.inspector import Inspector
from echo.line import ProductLine
from echo.record import split_id
from echo.training.asking import lesson
from echo.training.embedded import invented
from echo.training.lessons import Lesson
from echo.training.recipe import Recipe
from echo.training.training import EXAMINED_FROM, Source
from echo.training.wordings import phrases
from experts.answers import Known
from experts.errors import HistoryError, ImageError, TrainingError
from experts.images import Picture, read_picture
from experts.simulating.kinds import KINDS

# Each image of the line comes equally often, but those that people judged in so many at most.
MAX_JUDGED = 1 / 3
# Of its normal images so many stay as they are.
UNTOUCHED = 0.15
# Not every kind of anomaly shows on every image.
MAX_KINDS_TRIED = 4


@dataclass(frozen=True)
class JudgedImage:
    """The image of a part that a person judged.

    Attributes:
        name: Its file.
        sha256: Of its pixels.
        view: Which view the user said it shows.
    """

    name: str
    sha256: str
    view: str | None

    def read(self) -> Picture | None:
        """The image; ``None`` if it is gone or shows something else by now."""
        with contextlib.suppress(ImageError):
            picture = read_picture(self.name)
            return picture if picture.sha256 == self.sha256 else None
        return None


def judged_images(line: ProductLine) -> list[JudgedImage]:
    """The images of parts that people judged, each once, as far as they can still be read.

    Args:
        line: The line.

    Raises:
        HistoryError: If the line's cases cannot be read.
    """
    archive = Archive(line.name, line.home)
    found: dict[str, JudgedImage] = {}
    for case in newest(Cases(archive).up_to()):
        with contextlib.suppress(HistoryError):
            record = archive.record(split_id(case.inspection)[1])
            found[case.image_sha256] = JudgedImage(case.image, case.image_sha256, record.asked)
    return [image for image in found.values() if image.read() is not None]


def lessons_of(line: ProductLine, recipe: Recipe) -> Source:
    """Lessons for a line: every other one is on an invented product, so that nothing is forgotten.

    Args:
        line: The line.
        recipe: Says how many questions a lesson has, and the seed of all that is drawn.

    Raises:
        HistoryError: If the line's cases cannot be read.
        TrainingError: If the line has no image to learn from.
    """
    others, own = invented(recipe), _OwnLessons(line, recipe)
    return lambda number: own.lesson(number) if number % 2 else others(number)


class _OwnLessons:
    """Lessons on inspections by a line."""

    def __init__(self, line: ProductLine, recipe: Recipe) -> None:
        self._line, self._recipe = line, recipe
        self._judged = judged_images(line)
        count, judged = len(line.manifest.images), len(self._judged)
        if not count + judged:
            raise TrainingError(
                f"line {line.name!r} was enrolled without images, and no image of a part that a "
                "person judged is there, so nothing can be learned of it; inspect some parts and "
                "judge them: echo-iad review"
            )
        self._share_judged = min(MAX_JUDGED, judged / (count + judged)) if count else 1.0
        self._inspector = Inspector(line, keep=False, mllm="none")

    def lesson(self, number: int) -> Lesson:
        """The lesson of a number, always the same as long as the line and its images are."""
        rng = np.random.default_rng([self._recipe.seed, number])
        split = phrases("dev" if number >= EXAMINED_FROM else "train")
        return lesson(self._known(rng), self._line.name, self._recipe.asks, rng, split)

    def _known(self, rng: np.random.Generator) -> Known:
        picture, view = self._draw(rng)
        gear = self._inspector.equipment
        if view is not None and not (gear.knowledge and gear.knowledge.view_named(view)):
            view = None
        inspection = self._inspector.inspect_picture(picture, view=view)
        return Known(inspection, gear.knowledge, gear.alpha)

    def _draw(self, rng: np.random.Generator) -> tuple[Picture, str | None]:
        """An image, and the view that it is said to show."""
        if rng.random() < self._share_judged:
            for place in rng.permutation(len(self._judged)).tolist():
                image = self._judged[place]
                if (picture := image.read()) is not None:
                    return picture, image.view
        if not self._line.manifest.images:
            raise TrainingError(
                f"the judged images of line {self._line.name!r} are gone; bring them back, then "
                "train again: it goes on where it was"
            )
        return self._simulated(rng), None

    def _simulated(self, rng: np.random.Generator) -> Picture:
        """A normal image of the line with an anomaly, now and then without one."""
        from experts.simulating.simulate import simulate

        normal = self._normal(rng)
        if rng.random() < UNTOUCHED:
            return normal
        for kind in rng.permutation(KINDS)[:MAX_KINDS_TRIED].tolist():
            with contextlib.suppress(ImageError):
                drawn = simulate(normal.rgb_HW3, kind, rng, self._normal(rng).rgb_HW3)
                drawn.image_HW3.flags.writeable = False
                return Picture(normal.name, drawn.image_HW3)
        return normal

    def _normal(self, rng: np.random.Generator) -> Picture:
        """A normal image as it lies where it was enrolled from, or else the line's small copy."""
        images = self._line.manifest.images
        return self._line.photo(Path(images[int(rng.integers(len(images)))].path)).picture
