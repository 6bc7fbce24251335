"""Learning a decoder from a stream of normal images, in bounded memory.

The images come in random order. The first of them are the seed: they give the projection, the
core of the bank, the statistics and the tails of their scores. Every other image is reduced at
once to what it contributes to the banks and to its projected patches, which wait in a scratch file
until the banks are complete and it can be calibrated against them. What the texts say of each place
waits there too.

A finished model takes further images: each is one more that contributes, calibrated against the
grown banks. The calibration scores of before stay. They were taken against smaller banks, so they
are at least what they would be now, and the proof in ``memory_bank`` holds with them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.decoder.coreset import Advance, nearest_distances
from experts.decoder.encoder import Features
from experts.decoder.framing import Placement
from experts.decoder.fusion import beside_text, fuse
from experts.decoder.memory_bank import (
    BANK_SIZE,
    ROUNDING,
    SCALES,
    BankBuilder,
    PatchScores,
    add_up,
)
from experts.decoder.model import Calibration, DecoderModel, Statistics
from experts.decoder.seed import Seed, fit_statistics, seed_size
from experts.decoder.text import TextBranch, TextScores
from experts.decoder.texture import band_energies, moments, shrink
from experts.errors import EnrolError

FloatArray = NDArray[np.float32]

# More would refine the promise beyond use, and each takes a comparison with the whole bank.
MAX_CALIBRATION = 1_000
# So many images are compared with half of the bank as well, to see what further images would bring.
MIN_HALVED = 5
MAX_HALVED = 50


class LeftOut(NamedTuple):
    """How a normal image compares with the others, without what it gave to the banks itself.

    Attributes:
        score: Of its patches.
        seed: Whether it is one of the seed images, which are compared with the core alone.
        box_xyxy: Around the place that differs most, in image pixels.
        size_HW: Of the image, in pixels.
    """

    score: float
    seed: bool
    box_xyxy: tuple[int, int, int, int]
    size_HW: tuple[int, int]


class _Grid(NamedTuple):
    shape_HW: tuple[int, int]
    stride_px: tuple[float, float]
    centre_px: tuple[float, float]
    image_HW: tuple[int, int]
    placement: Placement | None


class _Waiting(NamedTuple):
    """A contributor that is to be calibrated: what of its scores is known before the bank is.

    Its projected patches and the map of its text scores lie in the scratch file, each in one of
    ``shapes``.
    """

    contributor: int
    shapes: tuple[tuple[int, ...], ...]
    texture_score: float
    overall_score: float
    text: TextScores | None
    grid: _Grid


class DecoderFit:
    """Takes normal images one by one, then gives the model; use as a context manager.

    Attributes:
        left_out: Once finished, what is known of the images in the order in which they came; of
            those beyond ``MAX_CALIBRATION`` and of a single one nothing is.
        scores: Once finished, the fused score of each of these, none for a seed image.
        decline: Once finished, the exponent of the power law by which a normal part's score falls
            with the number of images, where it could be taken.
    """

    def __init__(
        self,
        count: int,
        alpha: float,
        *,
        size: int = BANK_SIZE,
        text: TextBranch | None = None,
        earlier: DecoderModel | None = None,
        advance: Advance = lambda done: None,
    ) -> None:
        """Begin.

        Args:
            count: How many images will come, in an order that does not depend on them. A single one
                leaves nothing to calibrate with; without any there are the texts alone.
            alpha: The false-reject rate to promise; enough images for it stay out of the seed.
            size: About how many patches the bank of single patches shall hold.
            text: What the encoder's texts say; it stands beside the patches from the first image.
            earlier: A model that the images extend, with its own texts; then each may bring as much
                as its images did.
            advance: Called with the share of an image that was dealt with since the last call;
                in all, ``count`` for the images and as much again for ``finish``.
        """
        self._count = count
        self._alpha = alpha
        self._fair_shares = {
            pool: max(1, int(size * scale.share) // max(1, count)) for pool, scale in SCALES.items()
        }
        self._advance = advance
        self._n_seed: int | None = None
        self._seeds: list[Seed] = []
        self._seed_grids: list[_Grid] = []
        self._builders: tuple[BankBuilder, ...] = ()
        self._statistics: Statistics | None = None
        self._text = text
        self._earlier = earlier
        self._room = MAX_CALIBRATION
        if earlier is not None:
            self._n_seed = 0
            self._builders = tuple(BankBuilder.resume(bank) for bank in earlier.banks)
            self._statistics = earlier.statistics
            self._text = earlier.text
            self._room -= len(earlier.calibration.scores_n)
        self._came = 0
        self._waiting: list[_Waiting] = []
        self.left_out: list[LeftOut] = []
        self.scores: list[float | None] = []
        self.decline: float | None = None
        self._scratch = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit

    def __enter__(self) -> DecoderFit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scratch.close()

    def add(
        self, features: Features, grey_HW: FloatArray, views: Sequence[FloatArray] = ()
    ) -> None:
        """Take the next image.

        Args:
            features: Its features.
            grey_HW: float32 luma of what the features come from, 0 to 1.
            views: Patches (H, W, C) of further views of it, which the banks shall know as well.
        """
        patches_HWC = features.patches_HWC
        text = self._text.decode(features) if self._text is not None else None
        self._came += 1
        if self._n_seed is None:
            self._n_seed = seed_size(self._count, self._alpha, patches_HWC.nbytes)
        if len(self._seeds) < self._n_seed and not self._builders:
            energies_hwB = band_energies(shrink(grey_HW))
            self._seeds.append(Seed(patches_HWC, energies_hwB, text, _shows_part(features)))
            self._seed_grids.append(_grid_of(features, grey_HW))
            if len(self._seeds) == self._n_seed:
                self._begin(patches_HWC.shape[2])
            return
        if not self._builders:
            self._begin(patches_HWC.shape[2])
        self._contribute(features, text, grey_HW, views)
        self._advance(1)

    def finish(self) -> DecoderModel:
        """Calibrate, once all images have come."""
        if self._came < self._count:
            raise EnrolError(f"{self._count} images were announced, but too few came")
        banks = tuple(builder.bank() for builder in self._builders)
        scores_n3 = np.empty((0, 3), np.float32)
        if self._earlier is not None or self._count > 1:
            scores_n3 = self._calibrate([bank.patches_MK for bank in banks])
        calibration = Calibration(*np.sort(scores_n3, axis=0).T.copy())
        if self._earlier is not None:
            calibration = self._earlier.calibration.joined(calibration)
        return DecoderModel(banks, self._statistics, calibration, self._text)

    def _calibrate(self, banks: list[FloatArray]) -> FloatArray:
        """Score, peak and tail of the waiting images, (n, 3)."""
        scores: list[tuple[float, float, float]] = []
        ratios: list[float] = []
        halves = [builder.half_bank() for builder in self._builders] if not self._earlier else []
        projections = [builder.projection for builder in self._builders]
        seeded = self._statistics is not None
        for waiting, projected in self._read_back():
            own = zip(self._builders, projected, banks, strict=True)
            patch_scores = add_up(
                projections,
                projected,
                [b.leave_one_out(waiting.contributor, p_PK, bank_MK) for b, p_PK, bank_MK in own],
                seeded=seeded,
            )
            scores.append(_normal_scores(self._statistics, waiting, patch_scores))
            self.scores.append(scores[-1][0])
            self.left_out.append(_left_out(patch_scores, waiting.grid, seed=False))
            # Half of the bank holds nothing of those of odd number.
            if halves and waiting.contributor % 2 and len(ratios) < MAX_HALVED:
                pairs = zip(projected, halves, strict=True)
                fewer = [nearest_distances(p_PK, half_mK) for p_PK, half_mK in pairs]
                high = add_up(projections, projected, fewer, seeded=seeded).score
                low = patch_scores.score
                ratios.append(math.log(max(high, ROUNDING) / max(low, ROUNDING)))
            self._advance(self._count / len(self._waiting))
        self.decline = self._decline(ratios)
        return np.array(scores, np.float32).reshape(-1, 3)

    def _decline(self, ratios: list[float]) -> float | None:
        """The exponent, from how much lower scores are against all others than against half."""
        if len(ratios) < MIN_HALVED:
            return None
        contributors = self._count - (self._n_seed or 0)
        fewer = self._count - contributors // 2
        return max(0.0, float(np.median(ratios)) / math.log((self._count - 1) / fewer))

    def _begin(self, channels: int) -> None:
        images = [seed.learned_HWC for seed in self._seeds]
        patches_per_image = sum(self._fair_shares.values())
        self._builders = tuple(
            BankBuilder(
                pool,
                images,
                channels,
                self._fair_shares[pool],
                lambda picked: self._advance(picked / patches_per_image),
            )
            for pool in SCALES
        )
        if self._seeds:
            self._statistics, patch_scores = fit_statistics(
                self._seeds, self._builders, self._alpha
            )
            for scores, grid in zip(patch_scores, self._seed_grids, strict=True):
                self.left_out.append(_left_out(scores, grid, seed=True))
                self.scores.append(None)
        self._seeds = []

    def _contribute(
        self,
        features: Features,
        text: TextScores | None,
        grey_HW: FloatArray,
        views: Sequence[FloatArray],
    ) -> None:
        projected = [builder.projection(features.patches_HWC) for builder in self._builders]
        for builder, patches_PK in zip(self._builders, projected, strict=True):
            seen = [patches_PK, *(builder.projection(view_HWC) for view_HWC in views)]
            # An image without a part has nothing normal to show.
            learned = np.concatenate(seen) if _shows_part(features) else patches_PK[:0]
            contributor = builder.contribute(learned)
        if len(self._waiting) >= self._room:
            return
        texture_score, overall_score = 0.0, 0.0
        if self._statistics is not None:
            texture_score = float(self._statistics.texture.decode(grey_HW).scores_HW.max())
            overall_score = self._statistics.overall.score(moments(projected[0]))
        arrays = projected
        if text is not None:
            arrays = [*projected, text.patch_scores_HW]
            text = text._replace(patch_scores_HW=np.empty((0, 0), np.float32))
        for array in arrays:
            self._scratch.write(array.tobytes())
        shapes = tuple(array.shape for array in arrays)
        grid = _grid_of(features, grey_HW)
        waiting = _Waiting(contributor, shapes, texture_score, overall_score, text, grid)
        self._waiting.append(waiting)

    def _read_back(self) -> Iterator[tuple[_Waiting, list[FloatArray]]]:
        """Each waiting image, its texts' map included, with its projected patches."""
        self._scratch.seek(0)
        for waiting in self._waiting:
            # Copies, since torch wants to be allowed to write.
            raw = [bytearray(self._scratch.read(math.prod(s) * 4)) for s in waiting.shapes]
            pairs = zip(raw, waiting.shapes, strict=True)
            arrays = [np.frombuffer(r, np.float32).reshape(shape) for r, shape in pairs]
            if waiting.text is not None:
                text = waiting.text._replace(patch_scores_HW=arrays.pop())
                waiting = waiting._replace(text=text)
            yield waiting, arrays


def _shows_part(features: Features) -> bool:
    return features.frame is None or features.frame.found


def _grid_of(features: Features, grey_HW: FloatArray) -> _Grid:
    rows, columns = features.patches_HWC.shape[:2]
    height, width = grey_HW.shape
    placement = features.frame.placement if features.frame else None
    centre_px = features.centre_px
    return _Grid((rows, columns), features.stride_px, centre_px, (height, width), placement)


def _left_out(patch_scores: PatchScores, grid: _Grid, *, seed: bool) -> LeftOut:
    """The score, and a box of three by three patches around the highest place."""
    place = np.unravel_index(int(patch_scores.map_P.argmax()), grid.shape_HW)
    spans = [
        (
            max(0, round(centre + stride * (int(index) - 1.5))),
            min(side, round(centre + stride * (int(index) + 1.5))),
        )
        for index, centre, stride, side in zip(
            place, grid.centre_px, grid.stride_px, grid.image_HW, strict=True
        )
    ]
    (top, bottom), (left, right) = spans
    box_xyxy, size_HW = (left, top, right, bottom), grid.image_HW
    if grid.placement is not None:
        box_xyxy, size_HW = grid.placement.box_in_image(box_xyxy), grid.placement.image_HW
    return LeftOut(patch_scores.score, seed, box_xyxy, size_HW)


def _normal_scores(
    statistics: Statistics | None, waiting: _Waiting, patch_scores: PatchScores
) -> tuple[float, float, float]:
    """Fused score, highest place and 99th percentile of the map of one normal image."""
    text = waiting.text
    if statistics is None:
        score, map_P = beside_text(patch_scores, text)
        return score, float(map_P.max()), float(np.quantile(map_P, 0.99))
    scores = [patch_scores.score, waiting.texture_score, waiting.overall_score]
    map_P = patch_scores.map_P
    if text is not None:
        scores.append(text.score)
        map_P = statistics.with_text(map_P, text.patch_scores_HW.ravel())
    fused = fuse(statistics.tails, scores)
    peak, tail = float(map_P.max()), float(np.quantile(map_P, 0.99))
    # The two need not peak at the same place, so their sum is at least the fused map's peak, and
    # the limit that comes of it errs on the side of fewer regions.
    excess = max(0.0, waiting.texture_score / statistics.texture_limit - 1)
    return fused, peak / statistics.patch_limit + excess, tail / statistics.patch_limit
