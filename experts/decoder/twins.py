"""Which differences from a twin count, so that the promise on false rejects covers them.

Two images that lie on each other need not show one part: boards of one kind share tracks, and then
they differ without a defect. How much of this is normal a line's own images tell, each laid on its
closest other one. A visible difference only counts if it covers less of the area than so many
visible differences among normal images do that part of the promise is left for parts without a
twin. What counts ranks above all that does not, and among its like by the score of its patches.

The proof is that of full conformal prediction (Vovk, Gammerman & Shafer, "Algorithmic Learning in a
Random World", 2005, section 2.2). Put the fresh part among the images that calibrate the line: what
counts is then chosen from all of them alike, whatever their order, so the rank of a fresh normal
part is uniform. Compared with it, an image finds its closest one among the line's and the fresh
part; where that is the fresh part, its difference is taken anew. Which of two is closer never
depends on their order, see ``Sketches.closest``. Of the patches' scores those that are kept are at
least the exact ones, see ``experts.decoder.memory_bank``. So the p-value is at least the exact one.
The grey range and the limit rest on the seed images; where there are none, on images that calibrate
the line, and then all of this holds nearly, not exactly.

A difference between two normal images makes both count. Where there is no room for two, nothing can
be promised of twins, and whatever visibly differs from its own is for a person to look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import p_value, room_for_twins
from experts.decoder.coreset import Advance
from experts.decoder.golden import Sketches, digest_of
from experts.decoder.template import (
    ByteArray,
    Pair,
    TemplateMap,
    agreement,
    by_place,
    difference,
    template_of,
)
from experts.images import Picture

# No other image has the shape of this one.
_NONE = -1


class Difference(NamedTuple):
    """How an image differs from the closest other one.

    Attributes:
        highest: Of any place, in units of the line's grey range; 0 if neither lies on the other.
        area: Share of what both show on which they differ by more than half of the line's limit.
    """

    highest: float
    area: float


NO_TWIN = Difference(0.0, 0.0)


class Rival(NamedTuple):
    """An image that calibrates the line and lies closer to a fresh one than to any other.

    Attributes:
        place: Which one, in the order of the calibration.
        difference: From the fresh one.
    """

    place: int
    difference: Difference


class Ruling(NamedTuple):
    """What a fresh image's difference from its twin is worth.

    Attributes:
        p_value: Of the image, its difference included where the line can calibrate it.
        largest_area: A visible difference only counts below it; infinite where all count.
        calibrated: Whether the line can calibrate differences.
        differing: How many of the line's images differ so that it counts.
    """

    p_value: float
    largest_area: float
    calibrated: bool
    differing: int = 0


@dataclass(frozen=True)
class TwinCalibration:
    """The images that calibrate a line, each compared with its closest other one.

    Attributes:
        numbers_n: Of the images in the line, from 0.
        scores_n: float32, what the channels made of each that was left out.
        partners_n: Number of the closest other image; −1 if none has the same shape.
        closeness_n: float64, see ``Sketches.closeness``.
        digests_n: uint64, of the closest other image.
        highest_n: float64, see ``Difference``.
        areas_n: float64, see ``Difference``.
    """

    numbers_n: NDArray[np.int64]
    scores_n: NDArray[np.float32]
    partners_n: NDArray[np.int64]
    closeness_n: NDArray[np.float64]
    digests_n: NDArray[np.uint64]
    highest_n: NDArray[np.float64]
    areas_n: NDArray[np.float64]

    def rule(
        self, score: float, own: Difference, rivals: Sequence[Rival], limit: float, alpha: float
    ) -> Ruling:
        """Rank a fresh image among those that calibrate the line.

        Args:
            score: What the channels made of it.
            own: How it differs from its twin.
            rivals: Images whose twin it would be.
            limit: The difference that can be seen.
            alpha: The false-reject rate that the line promises.
        """
        room = room_for_twins(len(self.scores_n), alpha)
        if not room:
            return Ruling(p_value(score, np.sort(self.scores_n)), math.inf, calibrated=False)
        highest_m = np.append(self.highest_n, own.highest)
        areas_m = np.append(self.areas_n, own.area)
        for rival in rivals:
            highest_m[rival.place], areas_m[rival.place] = rival.difference
        visible_m = highest_m > limit
        largest = _largest_area(areas_m[visible_m], room)
        counts_m = visible_m & (areas_m < largest)
        above_n = counts_m[:-1] > counts_m[-1]
        level_n = counts_m[:-1] == counts_m[-1]
        at_least_n = above_n | (level_n & (self.scores_n >= np.float32(score)))
        p = (1 + int(at_least_n.sum())) / (len(at_least_n) + 1)
        return Ruling(p, largest, calibrated=True, differing=int(counts_m[:-1].sum()))

    @property
    def differences(self) -> dict[tuple[int, int], Difference]:
        """By the numbers of the image and of its closest other one."""
        found = map(Difference, self.highest_n.tolist(), self.areas_n.tolist())
        pairs = zip(self.numbers_n.tolist(), self.partners_n.tolist(), strict=True)
        return dict(zip(pairs, found, strict=True))

    def those_closer_to(self, closeness_N: NDArray[np.float64], digest: int) -> list[int]:
        """Which images lie closer to a fresh one than to any other, by place.

        Args:
            closeness_N: Of the fresh one to each image of the line.
            digest: Of the fresh one; it decides between equally close ones.
        """
        closeness_n = closeness_N[self.numbers_n]
        equal_n = (closeness_n == self.closeness_n) & (np.uint64(digest) < self.digests_n)
        closer_n = (closeness_n > self.closeness_n) | equal_n
        return np.flatnonzero(closer_n & np.isfinite(closeness_n)).tolist()

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for a safetensors file."""
        return {f"twins.{name[:-2]}": getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> TwinCalibration:
        """The inverse of ``to_tensors``.

        Raises:
            KeyError: If an array is missing.
        """
        return cls(**{name: tensors[f"twins.{name[:-2]}"] for name in _FIELDS})


_FIELDS = tuple(TwinCalibration.__dataclass_fields__)


def _largest_area(areas: NDArray[np.float64], room: int) -> float:
    """Below it lie at most so many."""
    return math.inf if len(areas) <= room else float(np.sort(areas)[room])


def calibrate_twins(
    sketches: Sketches,
    scores: Mapping[int, float],
    template: Callable[[int], ByteArray],
    earlier: TwinCalibration | None = None,
    advance: Advance = lambda done: None,
) -> TwinCalibration:
    """Compare each image that calibrates a line with the closest other one.

    Args:
        sketches: Of all images of the line.
        scores: What the channels made of those that calibrate it, by their numbers.
        template: Gives the template of an image.
        earlier: Of the line before it grew; comparisons that still hold are taken over.
        advance: Called with the number of images that were compared.
    """
    known = earlier.differences if earlier is not None else {}
    partners: list[int] = []
    closeness: list[float] = []
    found: list[Difference] = []
    for number in scores:
        template_hw = template(number)
        partner, close = sketches.closest_to(number, template_hw) or (_NONE, -math.inf)
        partners.append(partner)
        closeness.append(close)
        if (number, partner) in known or partner == _NONE:
            found.append(known.get((number, partner), NO_TWIN))
        else:
            pair = sketches.lay_on(template_hw, template(partner))
            found.append(_difference(pair, sketches))
        advance(1)
    differences_n2 = np.array(found, np.float64).reshape(-1, 2)
    return TwinCalibration(
        np.array(list(scores), np.int64),
        np.array(list(scores.values()), np.float32),
        np.array(partners, np.int64),
        np.array(closeness, np.float64),
        np.array([sketches.digests_N[p] if p != _NONE else 0 for p in partners], np.uint64),
        *differences_n2.T.copy(),
    )


def _difference(pair: Pair | None, sketches: Sketches) -> Difference:
    return _summed_up(difference(pair, sketches.unit), sketches) if pair else NO_TWIN


def _summed_up(difference_hw: NDArray[np.float32], sketches: Sketches) -> Difference:
    area = float((difference_hw > sketches.limit / 2).mean())
    return Difference(float(difference_hw.max()), area)


class Twin(NamedTuple):
    """The enrolled image that lies on a query, and how the query differs from it.

    Attributes:
        path: The file that it was enrolled from.
        agreement: See ``template.agreement``.
        map: The differences by place, in units of the line's grey range.
    """

    path: Path
    agreement: float
    map: TemplateMap


class Laid(NamedTuple):
    """A fresh image beside the line's, where the line looks for twins.

    Attributes:
        twin: Its own, if it has one.
        difference: From that.
        rivals: Images whose twin it would be; only for a line that calibrates differences.
        finder: Who laid it there.
    """

    twin: Twin | None
    difference: Difference
    rivals: Sequence[Rival]
    finder: TwinFinder

    def rule(self, score: float) -> Ruling:
        """What the difference is worth, see ``TwinCalibration.rule``.

        Args:
            score: What the channels made of the image.
        """
        finder = self.finder
        return finder.calibration.rule(
            score, self.difference, self.rivals, finder.limit, finder.alpha
        )


class TwinFinder:
    """Lays fresh images on the line's.

    Args:
        sketches: Of all images of the line.
        calibration: Of those that calibrate it.
        alpha: The false-reject rate that the line promises.
        template: Gives the template of an image.
        paths: The files that the images were enrolled from.
    """

    def __init__(
        self,
        sketches: Sketches,
        calibration: TwinCalibration,
        alpha: float,
        template: Callable[[int], ByteArray],
        paths: Sequence[Path],
    ) -> None:
        self.calibration = calibration
        self.alpha = alpha
        self._sketches = sketches
        self._template = template
        self._paths = paths

    @property
    def limit(self) -> float:
        """The difference beyond which it shows."""
        return self._sketches.limit

    def find(self, picture: Picture) -> Laid | None:
        """Compare a picture with its twin and with those whose twin it would be.

        Args:
            picture: The image.

        Returns:
            ``None`` if the line looks for no twins.
        """
        if not self._sketches.has_twins:
            return None
        query_hw = template_of(picture.rgb_HW3)
        closeness_N = self._sketches.closeness(query_hw)
        twin, difference = self._own(query_hw, closeness_N, picture.size_HW)
        return Laid(twin, difference, self._rivals(query_hw, closeness_N), self)

    def _own(
        self, query_hw: ByteArray, closeness_N: NDArray[np.float64], size_HW: tuple[int, int]
    ) -> tuple[Twin | None, Difference]:
        sketches = self._sketches
        number = sketches.closest(closeness_N)
        if number is None:
            return None, NO_TWIN
        pair = sketches.lay_on(query_hw, self._template(number))
        if pair is None:
            return None, NO_TWIN
        difference_hw = difference(pair, sketches.unit)
        places = by_place(difference_hw, pair, query_hw, size_HW)
        twin = Twin(self._paths[number], agreement(pair, sketches.unit), places)
        return twin, _summed_up(difference_hw, sketches)

    def _rivals(self, query_hw: ByteArray, closeness_N: NDArray[np.float64]) -> list[Rival]:
        calibration = self.calibration
        if not room_for_twins(len(calibration.scores_n), self.alpha):
            return []
        rivals = []
        for place in calibration.those_closer_to(closeness_N, digest_of(query_hw)):
            template_hw = self._template(int(calibration.numbers_n[place]))
            pair = self._sketches.lay_on(template_hw, query_hw)
            rivals.append(Rival(place, _difference(pair, self._sketches)))
        return rivals
