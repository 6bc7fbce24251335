"""What a line keeps of its images to lay a fresh one on them, and from where a difference shows.

A difference shows if it is more than a change in exposure may do. A gap between two edges may open
or close if each edge moves by the tolerance in both images: a spot of four tolerances on a side.
The next larger one is a pixel longer; the limit lies half way. It is higher where new exposures,
simulated from the enrolled images, differ by more; and where most enrolled images lie on another,
it is at least what only alpha of them exceed. Where these mostly differ by more than any new
exposure would, as solar cells do, they are parts of one kind and no twins: comparing them is the
memory bank's task. What a difference is worth beyond its limit says ``experts.decoder.twins``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experts.decoder.conformal import upper_limit
from experts.decoder.template import (
    ALIGNED,
    MAX_SHIFT,
    TOLERANCE_PX,
    ByteArray,
    Pair,
    agreement,
    difference,
    grey_range,
    register,
    sketch_of,
    spot,
)

FloatArray = NDArray[np.float32]

# Below it an image is not worth a look: its sketch agrees too little.
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
        digests_N: uint64, see ``digest_of``.
        unit: The line's grey range.
        limit: The difference beyond which it shows; infinite for a line without twins.
    """

    sketches_Nss: ByteArray
    shapes_N2: NDArray[np.int32]
    digests_N: NDArray[np.uint64]
    unit: float
    limit: float

    @property
    def has_twins(self) -> bool:
        """Whether it makes sense to look for one."""
        return math.isfinite(self.limit)

    @cached_property
    def _pixels_ND(self) -> FloatArray:
        return _pixels(self.sketches_Nss)

    @cached_property
    def _norms_N(self) -> NDArray[np.float64]:
        return _norms(self._pixels_ND)

    def closeness(self, template_hw: ByteArray) -> NDArray[np.float64]:
        """How much alike an image and each of the line's are in outline, float64 (N,).

        The correlation of the sketches at the shift where it is highest, of which 1 is the most;
        one grey level of noise counts as alike, so that flat is like flat. An image of another
        shape is not like at all, −inf. It is exactly the same the other way round.
        """
        shifted_SD = _pixels(np.stack(list(_shifts(sketch_of(template_hw)))))
        # Sums of whole numbers that float32 holds exactly, in whatever order they are taken.
        products_N = (self._pixels_ND @ shifted_SD.T).max(axis=1).astype(np.float64)
        pixels = shifted_SD.shape[1]
        sums_N = self._pixels_ND.sum(axis=1, dtype=np.float64)
        covariances_N = pixels * products_N - sums_N * shifted_SD[0].sum(dtype=np.float64)
        norms_N = self._norms_N * _norms(shifted_SD[:1])
        closeness_N = (covariances_N + pixels**2) / norms_N
        closeness_N[(self.shapes_N2 != template_hw.shape).any(axis=1)] = -np.inf
        return np.asarray(closeness_N, np.float64)

    def closest(self, closeness_N: NDArray[np.float64]) -> int | None:
        """The image that is closest; of several that are equally close, the one of least digest.

        Any rule by which the images came would favour some of them.
        """
        highest = float(closeness_N.max(initial=-math.inf))
        if not math.isfinite(highest):
            return None
        equal = np.flatnonzero(closeness_N == highest)
        return int(equal[self.digests_N[equal].argmin()])

    def closest_to(self, number: int, template_hw: ByteArray) -> tuple[int, float] | None:
        """The image that is closest to one of the line's, and how close; none of another shape.

        Args:
            number: Of that one.
            template_hw: Its template.
        """
        closeness_N = self.closeness(template_hw)
        closeness_N[number] = -np.inf
        closest = self.closest(closeness_N)
        return None if closest is None else (closest, float(closeness_N[closest]))

    def lay_on(self, query_hw: ByteArray, template_hw: ByteArray) -> Pair | None:
        """A template laid on a query of its shape; none if it does not lie on it."""
        outline = register(sketch_of(query_hw), sketch_of(template_hw))
        if agreement(outline, self.unit, blocks=1) < ALIKE_IN_OUTLINE:
            return None
        pair = register(query_hw, template_hw)
        return pair if agreement(pair, self.unit) >= ALIGNED else None

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for a safetensors file."""
        return {
            "sketches": self.sketches_Nss,
            "shapes": self.shapes_N2,
            "digests": self.digests_N,
            "unit_and_limit": np.array([self.unit, self.limit]),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Sketches:
        """The inverse of ``to_tensors``.

        Raises:
            KeyError: If an array is missing.
        """
        unit, limit = (float(value) for value in tensors["unit_and_limit"])
        return cls(tensors["sketches"], tensors["shapes"], tensors["digests"], unit, limit)


def digest_of(template_hw: ByteArray) -> int:
    """A number that an image's template decides alone."""
    return int.from_bytes(hashlib.sha256(template_hw.tobytes()).digest()[:8], "big")


def _pixels(sketches_Kss: ByteArray) -> FloatArray:
    """Whole numbers from −128 to 127, float32 (K, D)."""
    return sketches_Kss.reshape(len(sketches_Kss), -1).astype(np.float32) - 128


def _norms(pixels_KD: FloatArray) -> NDArray[np.float64]:
    """Deviations of sketches with a grey level of noise, times the number of pixels, (K,)."""
    count = pixels_KD.shape[1]
    squares_K = np.einsum("kd,kd->k", pixels_KD, pixels_KD, dtype=np.float64)
    sums_K = pixels_KD.sum(axis=1, dtype=np.float64)
    return np.asarray(np.sqrt(count * squares_K - sums_K**2 + count**2), np.float64)


def _shifts(sketch_ss: ByteArray) -> Iterator[ByteArray]:
    """A sketch, moved around by up to ``MAX_SHIFT`` to each side."""
    reach = int(MAX_SHIFT * len(sketch_ss))
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            yield np.roll(sketch_ss, (y, x), axis=(0, 1))


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


class _Sketch(NamedTuple):
    sketch_ss: ByteArray
    shape: tuple[int, ...]
    digest: int


class SketchBook:
    """Gathers the sketches while the images of a line come by.

    Args:
        alpha: The false-reject rate that the line promises.
        free: Whether parts lie free, so that none lies on another.
    """

    def __init__(self, alpha: float, *, free: bool = False) -> None:
        self._alpha = alpha
        self._free = free
        self._sketches: dict[int, _Sketch] = {}
        self._sample: list[ByteArray] = []

    def add(self, number: int, template_hw: ByteArray) -> None:
        """Take the image of that number, from 0; in an order that does not depend on them."""
        digest = digest_of(template_hw)
        self._sketches[number] = _Sketch(sketch_of(template_hw), template_hw.shape, digest)
        if len(self._sample) < SAMPLE:
            self._sample.append(template_hw)

    def finish(self, seeds: int = 0) -> Sketches:
        """All sketches in the order of their numbers, and the limit; of one image at least.

        Args:
            seeds: How many of the first images are seed images; what is proved of the others needs
                the limit to rest on these alone. 0: there are none.
        """
        self._sample = self._sample[: seeds or SAMPLE]
        unit = grey_range(self._sample)
        sketches_Nss, shapes_N2, digests_N = self._gathered()
        return Sketches(sketches_Nss, shapes_N2, digests_N, unit, self._limit(unit))

    def append_to(self, earlier: Sketches) -> Sketches:
        """The earlier sketches, then these; the unit and the limit stay."""
        sketches_Nss, shapes_N2, digests_N = self._gathered()
        return Sketches(
            np.concatenate([earlier.sketches_Nss, sketches_Nss]),
            np.concatenate([earlier.shapes_N2, shapes_N2]),
            np.concatenate([earlier.digests_N, digests_N]),
            earlier.unit,
            earlier.limit,
        )

    def _gathered(self) -> tuple[ByteArray, NDArray[np.int32], NDArray[np.uint64]]:
        kept = [self._sketches[number] for number in range(len(self._sketches))]
        return (
            np.stack([sketch.sketch_ss for sketch in kept]),
            np.array([sketch.shape for sketch in kept], np.int32),
            np.array([sketch.digest for sketch in kept], np.uint64),
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
    all_ = Sketches(
        np.stack([sketch_of(t) for t in templates]),
        np.array([t.shape for t in templates], np.int32),
        np.array([digest_of(t) for t in templates], np.uint64),
        unit,
        LIMIT,
    )
    found: list[float] = []
    for number, template_hw in enumerate(templates):
        closest = all_.closest_to(number, template_hw)
        pair = all_.lay_on(template_hw, templates[closest[0]]) if closest else None
        if pair is not None:
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
