"""The normal image that an anomaly is drawn on: where its part lies, and which levels it shows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experts.decoder.framing import SEARCH_PX, find_part

ByteArray = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

# An image is of two levels, like a print or a drawing, if so many pixels lie that near to one of
# them, in shares of their distance.
_TWO_LEVELS_SHARE = 0.97
_TWO_LEVELS_REACH = 0.1
_TWO_LEVELS_APART = 60.0
# Marks may be so much darker or brighter than all that the part shows, in shares of its range.
_BEYOND = 0.2
# Marks on a plain part are drawn as if it showed so many levels of 255.
_LEAST_RANGE = 60.0
# Of the image; what is smaller is no part, but a flake on one that fills the image.
_LEAST_PART = 0.05


@dataclass(frozen=True)
class Canvas:
    """A normal image to draw on.

    Attributes:
        rgb_HW3: uint8.
        other_HW3: uint8, an image that pieces are taken from, of any size; may be the same one.
        part_HW: Where the part is; everywhere if it fills the image.
    """

    rgb_HW3: ByteArray
    other_HW3: ByteArray
    part_HW: BoolArray

    @property
    def size_HW(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb_HW3.shape[0], self.rgb_HW3.shape[1]

    @cached_property
    def levels_HW3(self) -> FloatArray:
        """The image as float32, 0 to 255."""
        return self.rgb_HW3.astype(np.float32)

    @cached_property
    def grey_HW(self) -> FloatArray:
        """Mean of the channels, 0 to 255."""
        return np.asarray(self.levels_HW3.mean(axis=2), np.float32)

    @cached_property
    def side_px(self) -> float:
        """Side of the square that has the part's area."""
        return math.sqrt(float(self.part_HW.sum()))

    @cached_property
    def fills(self) -> bool:
        """Whether the part fills the image, so that no background shows."""
        return bool(self.part_HW.all())

    @cached_property
    def is_grey(self) -> bool:
        """Whether the three channels are the same."""
        return bool((self.rgb_HW3 == self.rgb_HW3[:, :, :1]).all())

    @cached_property
    def core_HW(self) -> BoolArray:
        """The part without its rim, where the background shines in; what levels are taken from."""
        if self.fills:
            return self.part_HW
        inner_HW = cv2.erode(self.part_HW.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        return np.asarray(inner_HW) if inner_HW.any() else self.part_HW

    @cached_property
    def range(self) -> tuple[float, float]:
        """Levels that nearly all of the part lies between."""
        low, high = np.quantile(self.grey_HW[self.core_HW], [0.01, 0.99])
        return float(low), float(high)

    @cached_property
    def is_two_levels(self) -> bool:
        """Whether the part is of two levels only, with nothing between."""
        low, high = self.range
        reach = _TWO_LEVELS_REACH * (high - low)
        grey_N = self.grey_HW[self.core_HW]
        near_N = (np.abs(grey_N - low) <= reach) | (np.abs(grey_N - high) <= reach)
        return high - low >= _TWO_LEVELS_APART and float(near_N.mean()) >= _TWO_LEVELS_SHARE

    @cached_property
    def smooth_HW3(self) -> FloatArray:
        """The part's levels around each place, without texture."""
        return self._blurred(min(max(self.side_px / 30, 1.5), 12.0))

    @cached_property
    def grain_HW3(self) -> FloatArray:
        """What the part has beside smooth levels: its texture and noise."""
        return self.levels_HW3 - self._blurred(2.0)

    def _blurred(self, sigma_px: float) -> FloatArray:
        """The levels blurred, but not across the part's rim."""
        if self.fills:
            return blur(self.levels_HW3, sigma_px)
        weight_HW1 = self.core_HW.astype(np.float32)[:, :, None]
        summed_HW3 = blur(self.levels_HW3 * weight_HW1, sigma_px)
        share_HW1 = blur(weight_HW1[:, :, 0], sigma_px)[:, :, None]
        inside_HW3 = summed_HW3 / np.maximum(share_HW1, 1e-6)
        return np.where(share_HW1 > 1e-3, inside_HW3, self.levels_HW3)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the grain on the part, without outliers."""
        grain_N = np.abs(self.grain_HW3.mean(axis=2)[self.core_HW])
        return 1.4826 * float(np.median(grain_N))

    @cached_property
    def finest_px(self) -> float:
        """The least width of a line that is seen before the image's own texture."""
        return 2.0 if self.is_two_levels else min(1 + self.noise / 12, 3.0)

    @cached_property
    def other_detail_HW(self) -> FloatArray:
        """How much there is to see around each place of the other image."""
        grey_HW = np.asarray(self.other_HW3.mean(axis=2), np.float32)
        return blur(np.abs(grey_HW - blur(grey_HW, 3.0)), 5.0)

    @cached_property
    def edge_HW(self) -> BoolArray:
        """The rim of the part; the image's border where the part reaches it."""
        padded_HW = np.pad(self.part_HW.astype(np.uint8), 1)
        inner_HW = cv2.erode(padded_HW, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
        return np.asarray(self.part_HW & (inner_HW == 0))

    def pick(self, rng: np.random.Generator, among_HW: BoolArray | None = None) -> tuple[int, int]:
        """A place (x, y) on the part, or among some pixels."""
        places = np.flatnonzero(self.part_HW if among_HW is None else among_HW)
        y, x = divmod(int(rng.choice(places)), self.size_HW[1])
        return x, y

    def size(self, rng: np.random.Generator, least_px: float, most_share: float) -> float:
        """A size in pixels, small ones as often as large ones.

        Args:
            rng: Draws it.
            least_px: The smallest.
            most_share: The largest, in shares of ``side_px``.
        """
        most_px = max(most_share * self.side_px, least_px * 1.01)
        return float(np.exp(rng.uniform(math.log(least_px), math.log(most_px))))

    def shift(
        self, rng: np.random.Generator, at_xy: tuple[int, int], strength: float, dark: float = 0.5
    ) -> float:
        """By how many levels a mark at a place differs, in keeping with the part's own contrast.

        Args:
            rng: Draws the side.
            at_xy: The place.
            strength: Share of the part's range of levels, 0 to 1.
            dark: How often it is darker, if there is room on both sides.
        """
        low, high = self.range
        here = float(self.smooth_HW3[at_xy[1], at_xy[0]].mean())
        amount = max(strength * max(high - low, _LEAST_RANGE), 2.2 * self.noise)
        if self.is_two_levels:
            return (low + high) - 2 * here if abs(here * 2 - low - high) > 1 else amount
        beyond = _BEYOND * (high - low) + _LEAST_RANGE / 2
        down = min(here - max(low - beyond, 0.0), amount)
        up = min(min(high + beyond, 255.0) - here, amount)
        goes_down = rng.random() < dark
        if min(down, up) < amount / 2:
            goes_down = down > up
        return -down if goes_down else up

    def cover(
        self,
        rng: np.random.Generator,
        cover_HW: FloatArray,
        shift: float | FloatArray,
        grain: float = 1.0,
    ) -> FloatArray:
        """The image with a mark that hides what is below, float32 (H, W, 3).

        Args:
            rng: Draws where the mark's grain is taken from.
            cover_HW: Opacity, 0 to 1.
            shift: Its levels, less the smooth levels around; a number, or (H, W), or (H, W, 3).
            grain: How much of the image's own grain the mark has.
        """
        if isinstance(shift, np.ndarray) and shift.ndim == 2:
            shift = shift[:, :, None]
        mark_HW3 = self.smooth_HW3 + shift + grain * self.moved_grain(rng)
        return mix(self.levels_HW3, mark_HW3, cover_HW)

    def moved_grain(self, rng: np.random.Generator) -> FloatArray:
        """The part's grain from elsewhere, or its own where that is from beside the part."""
        height, width = self.size_HW
        by_yx = int(rng.integers(height)), int(rng.integers(width))
        moved_HW3 = np.roll(self.grain_HW3, by_yx, (0, 1))
        if self.fills:
            return moved_HW3
        is_there_HW = np.roll(self.core_HW, by_yx, (0, 1))
        return np.where(is_there_HW[:, :, None], moved_HW3, self.grain_HW3)

    def tint(self, rng: np.random.Generator, amount: float) -> FloatArray:
        """Factors near 1 for the channels, all the same on a grey image, float32 (3,)."""
        factors = rng.uniform(-amount, amount, 3) * (not self.is_grey)
        return np.asarray(1 + factors, np.float32)


def parts_lie_free(images: Iterable[ByteArray]) -> bool:
    """Whether each of some images shows a part on a plain background.

    One image may deceive: a bright flake on a dark surface looks like a part.
    """
    return not any(part_of(rgb_HW3).all() for rgb_HW3 in images)


def part_of(rgb_HW3: ByteArray) -> BoolArray:
    """Where the part lies on a plain background, bool (H, W); everywhere if there is no such."""
    height, width = rgb_HW3.shape[:2]
    part_HW = _free_part(rgb_HW3)
    is_one = part_HW is not None and part_HW.mean() >= _LEAST_PART
    return part_HW if part_HW is not None and is_one else np.ones((height, width), np.bool_)


def _free_part(rgb_HW3: ByteArray) -> BoolArray | None:
    height, width = rgb_HW3.shape[:2]
    part = find_part(rgb_HW3)
    if part is None:
        return None
    # The grid on which parts are looked for.
    grid = Image.new("1", (width, height))
    grid.thumbnail((SEARCH_PX, SEARCH_PX), Image.Resampling.NEAREST)
    scale_2 = np.array([width, height]) / grid.size
    x_N, y_N = np.rint((part.points_N2[part.of_part_N] + 0.5) / scale_2 - 0.5).astype(int).T
    small_hw = np.zeros((grid.height, grid.width), np.float32)
    small_hw[y_N, x_N] = 1
    return np.asarray(cv2.resize(small_hw, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5)


def blur(levels: FloatArray, sigma_px: float) -> FloatArray:
    """A Gaussian blur of (H, W) or (H, W, C)."""
    blurred = cv2.GaussianBlur(levels, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


def mix(below_HW3: FloatArray, above_HW3: FloatArray, cover_HW: FloatArray) -> FloatArray:
    """One image over another, by the opacity of the upper one."""
    cover_HW1 = cover_HW[:, :, None]
    return np.asarray(below_HW3 * (1 - cover_HW1) + above_HW3 * cover_HW1, np.float32)
