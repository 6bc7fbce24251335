"""Finds the enrolled image that lies exactly on a query, and says where the two differ.

Where normal images do not lie on each other, nothing is known of how two exposures of one part
differ, so the promise on false rejects cannot cover the comparison: what it shows is a reason to
have a person look, never to reject. Its limit is therefore set by what a change in exposure may do
at most. A gap between two edges may open or close if each edge moves by the tolerance in both
images: a spot of four tolerances on a side. The next larger one is a pixel longer; the limit lies
half way. It is higher where new exposures, simulated from the enrolled images, differ by more; and
where most enrolled images lie on another, it is at least what only alpha of them exceed. Where
these mostly differ by more than any new exposure would, as solar cells do, they are parts of one
kind and no twins: comparing them is the memory bank's task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from experts.decoder.conformal import upper_limit
from experts.decoder.template import (
    ALIGNED,
    TOLERANCE_PX,
    ByteArray,
    Pair,
    TemplateMap,
    agreement,
    compare,
    difference,
    grey_range,
    register,
    shifted_products,
    sketch_of,
    spot,
    template_of,
)
from experts.evidence import Reference
from experts.images import Picture
from experts.reference import ReferenceExtractor

# Of so many similar images, sketches say which one is worth a look, and whether any is.
CANDIDATES = 16
ALIKE_IN_OUTLINE = 0.8
# From so many images the grey range is taken, and new exposures are simulated.
SAMPLE = 50
RETAKEN = 10
# Around a place where two images differ, so much is shown to each side.
PLACE_PX = 12

LARGEST_EDGE_SPOT_PX = 4 * TOLERANCE_PX
LIMIT = spot(LARGEST_EDGE_SPOT_PX, LARGEST_EDGE_SPOT_PX + 0.5)


@dataclass(frozen=True)
class Sketches:
    """What is kept of the enrolled images to tell quickly whether one lies on a query.

    Attributes:
        sketches_Nss: uint8, see ``sketch_of``.
        shapes_N2: Height and width of each template.
        unit: The line's grey range.
        limit: The difference beyond which a person shall look; infinite for a line without twins.
    """

    sketches_Nss: ByteArray
    shapes_N2: NDArray[np.int32]
    unit: float
    limit: float

    @property
    def has_twins(self) -> bool:
        """Whether it makes sense to look for one."""
        return math.isfinite(self.limit)

    def closest(self, template_hw: ByteArray, candidates: Sequence[int]) -> int | None:
        """The candidate whose sketch agrees best with an image; none if all are too different."""
        same = [n for n in candidates if tuple(self.shapes_N2[n]) == template_hw.shape]
        if not same:
            return None
        query_ss = sketch_of(template_hw).astype(np.float32)
        sketches_Kss = self.sketches_Nss[same].astype(np.float32)
        highest_K = shifted_products(query_ss, sketches_Kss).max(axis=(1, 2))
        # The query's own deviation is the same for all.
        best = int(np.argmax((highest_K + 1) / (sketches_Kss.std(axis=(1, 2)) + 1)))
        pair = register(query_ss, sketches_Kss[best])
        return same[best] if agreement(pair, self.unit, blocks=1) >= ALIKE_IN_OUTLINE else None

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for a safetensors file."""
        return {
            "sketches": self.sketches_Nss,
            "shapes": self.shapes_N2,
            "unit_and_limit": np.array([self.unit, self.limit]),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Sketches:
        """The inverse of ``to_tensors``.

        Raises:
            KeyError: If an array is missing.
        """
        unit, limit = (float(value) for value in tensors["unit_and_limit"])
        return cls(tensors["sketches"], tensors["shapes"], unit, limit)


def where_they_differ(
    first_hw: ByteArray, second_hw: ByteArray, sketches: Sketches
) -> tuple[float, float, float, float] | None:
    """Around the place where two images of one part differ most, if they visibly do.

    Args:
        first_hw: A template.
        second_hw: Another; of another shape it is no image of the same part.
        sketches: Of their line.

    Returns:
        Left, top, right and bottom in shares of the sides of the first. ``None`` if they show
        different parts, or differ no more than two exposures of one part may.
    """
    if first_hw.shape != second_hw.shape or not sketches.has_twins:
        return None
    pair = register(first_hw, second_hw)
    if agreement(pair, sketches.unit) < ALIGNED:
        return None
    difference_hw = difference(pair, sketches.unit)
    if difference_hw.max() <= sketches.limit:
        return None
    row, column = np.unravel_index(int(difference_hw.argmax()), difference_hw.shape)
    y, x = int(row) + pair.corner_yx[0], int(column) + pair.corner_yx[1]
    height, width = first_hw.shape
    return (
        max(0.0, (x - PLACE_PX) / width),
        max(0.0, (y - PLACE_PX) / height),
        min(1.0, (x + PLACE_PX) / width),
        min(1.0, (y + PLACE_PX) / height),
    )


class SketchBook:
    """Gathers the sketches while the images of a line come by.

    Args:
        alpha: The false-reject rate that the line promises.
        free: Whether parts lie free, so that none lies on another.
    """

    def __init__(self, alpha: float, *, free: bool = False) -> None:
        self._alpha = alpha
        self._free = free
        self._sketches: dict[int, tuple[ByteArray, tuple[int, ...]]] = {}
        self._sample: list[ByteArray] = []

    def add(self, number: int, picture: Picture) -> None:
        """Take the image of that number, from 0; in an order that does not depend on them."""
        template_hw = template_of(picture.rgb_HW3)
        self._sketches[number] = sketch_of(template_hw), template_hw.shape
        if len(self._sample) < SAMPLE:
            self._sample.append(template_hw)

    def finish(self) -> Sketches:
        """All sketches in the order of their numbers, and the limit; of one image at least."""
        unit = grey_range(self._sample)
        kept = [self._sketches[number] for number in range(len(self._sketches))]
        return Sketches(
            np.stack([sketch for sketch, _ in kept]),
            np.array([shape for _, shape in kept], np.int32),
            unit,
            self._limit(unit),
        )

    def append_to(self, earlier: Sketches) -> Sketches:
        """The earlier sketches, then these; the unit and the limit stay."""
        kept = [self._sketches[number] for number in range(len(self._sketches))]
        return Sketches(
            np.stack([*earlier.sketches_Nss, *(sketch for sketch, _ in kept)]),
            np.array([*earlier.shapes_N2, *(shape for _, shape in kept)], np.int32),
            earlier.unit,
            earlier.limit,
        )

    def _limit(self, unit: float) -> float:
        if self._free:
            return math.inf
        retakes = [retaken(t, unit, seed) for seed, t in enumerate(self._sample[:RETAKEN])]
        differences = differences_among(self._sample, unit)
        if len(differences) <= len(self._sample) / 2:
            return max(LIMIT, *retakes)
        if float(np.median(differences)) > max(retakes):
            return math.inf
        return max(LIMIT, *retakes, upper_limit(np.sort(differences), self._alpha))


def differences_among(templates: Sequence[ByteArray], unit: float) -> NDArray[np.float32]:
    """How much each image that lies on another differs from it, in units of the grey range.

    Args:
        templates: uint8 each.
        unit: The line's grey range.
    """
    shapes_N2 = np.array([t.shape for t in templates], np.int32)
    all_ = Sketches(np.stack([sketch_of(t) for t in templates]), shapes_N2, unit, LIMIT)
    found: list[float] = []
    for number, template_hw in enumerate(templates):
        twin = all_.closest(template_hw, [n for n in range(len(templates)) if n != number])
        if twin is None:
            continue
        pair = register(template_hw, templates[twin])
        if agreement(pair, unit) >= ALIGNED:
            found.append(float(difference(pair, unit).max()))
    return np.array(found, np.float32)


def retaken(template_hw: ByteArray, unit: float, seed: int) -> float:
    """How much an image differs from a new exposure of it.

    That one lies a pixel and a half lower and to the right, is a little out of focus, a tenth
    brighter, and has fresh noise of two levels in a hundred.

    Args:
        template_hw: uint8.
        unit: The line's grey range.
        seed: Of the noise.
    """
    moved_hw = ndimage.shift(template_hw.astype(np.float32), 1.5, order=1, mode="nearest")
    blurred_hw = ndimage.gaussian_filter(moved_hw, 0.5)
    noise_hw = np.random.default_rng(seed).normal(0, 0.02 * unit, template_hw.shape)
    exposed_hw = np.clip(np.rint(1.1 * blurred_hw + noise_hw), 0, 255)
    return float(difference(register(exposed_hw, template_hw), unit).max())


class Twin(NamedTuple):
    """The enrolled image that lies on a query, and how the query differs from it.

    Attributes:
        path: The file that it was enrolled from.
        agreement: See ``template.agreement``.
        differences: In units of the line's grey range.
        limit: The difference beyond which a person shall look.
    """

    path: Path
    agreement: float
    differences: TemplateMap
    limit: float


class TwinFinder:
    """Looks among the most similar normal images for one that lies on the query.

    Args:
        sketches: Of all images of the line.
        extractor: Finds similar ones.
        thumbnail: Gives the line's copy of one.
    """

    def __init__(
        self,
        sketches: Sketches,
        extractor: ReferenceExtractor,
        thumbnail: Callable[[Reference], Image.Image],
    ) -> None:
        self._sketches = sketches
        self._extractor = extractor
        self._thumbnail = thumbnail

    def find(self, picture: Picture, embedding_E: NDArray[np.float32]) -> Twin | None:
        """Compare a picture with its twin, if the line has one.

        Args:
            picture: The image.
            embedding_E: L2-normalised, from the line's encoder.
        """
        if not self._sketches.has_twins:
            return None
        nearest = dict(self._extractor.nearest(embedding_E, CANDIDATES))
        query_hw = template_of(picture.rgb_HW3)
        number = self._sketches.closest(query_hw, list(nearest))
        if number is None:
            return None
        template_hw = np.asarray(self._thumbnail(nearest[number]).convert("L"))
        pair: Pair = register(query_hw, template_hw)
        unit = self._sketches.unit
        alike = agreement(pair, unit)
        if alike < ALIGNED:
            return None
        differences = compare(query_hw, pair, unit, picture.size_HW)
        return Twin(nearest[number].path, alike, differences, self._sketches.limit)
