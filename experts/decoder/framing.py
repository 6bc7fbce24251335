"""The part alone: found on its plain background, turned upright, and cut out.

A part that lies anywhere at any angle is seen from another side in every image, and most of the
encoder's input is spent on the background. Brought into one frame, always the same way round and as
large as it gets, a single image shows nearly all that there is to know. AnomalyDINO (Damm et al.,
WACV 2025) masks the background and turns its references instead; here the query is turned, once.

The background is what the image's border shows; the pose is that of the part's principal axes. How
an image is framed depends on the image and the line's frame alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from experts.decoder.encoder import Encoder, Features
from experts.decoder.seed import MIN_SEED
from experts.evidence import AnomalyMap
from experts.images import Picture

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

# Longer side of the copy that the part is looked for on.
SEARCH_PX = 256
BORDER_SHARE = 0.03
# Levels of 255 by which a part differs from its background at least, and how many times more than
# nearly all of the border does; dirt on the rest of it must not hide the part.
MIN_CONTRAST = 12.0
CONTRAST = 2.0
CLEAN_SHARE = 0.95
# Whatever is smaller than this share of the image is dust or noise.
MIN_SPECK = 1e-4
# Of the image; a smaller part is none, and in a larger frame there is little to gain.
MIN_PART = 0.005
MAX_FRAME = 0.6
# The largest part of a line is at most so much longer and wider than the smallest, or they are not
# the same part from the same side.
MAX_SPREAD = 1.2
# From here on, the longer principal axis says which way a part lies.
MIN_ELONGATION = 1.5
# Parts that lie this close to one direction are aligned, and to lie otherwise is a fault.
MAX_TILT_DEGREES = 10
MARGIN = 0.1
# In share of the limit: what is lowered to it makes no region.
BELOW = 0.9
# From so many images the frame is taken: no more than give the seed, if there is one.
SAMPLE = MIN_SEED


class Part(NamedTuple):
    """Where the part lies in an image.

    Attributes:
        points_N2: float64 (x, y) of all that is not background, in image pixels.
        of_part_N: Which of them belong to the part itself.
        elongation: Length of the longer principal axis over that of the other.
        angle: Of that axis in the image, in radians, pointing where the part reaches farther.
    """

    points_N2: NDArray[np.float64]
    of_part_N: BoolArray
    elongation: float
    angle: float


class Framing(NamedTuple):
    """The frame of a line.

    Attributes:
        height: In units of the square root of the image's area, so that it goes with the
            resolution of one and the same view.
        width: Likewise.
        turned: Whether the part is turned, its principal axis along the frame's width.
    """

    height: float
    width: float
    turned: bool


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the image that it was cut from.

    Attributes:
        frame_HW: Size of the frame in its own pixels.
        image_HW: Size of the image.
        centre_xy: Of the frame, in the image's pixels.
        angle: Of the frame's width in the image, in radians.
        zoom: Image pixels per pixel of the frame; above 1 where else something would not fit in.
    """

    frame_HW: tuple[int, int]
    image_HW: tuple[int, int]
    centre_xy: tuple[float, float]
    angle: float
    zoom: float

    def to_image(self, points_N2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (x, y) of the frame in the image's pixels."""
        offset_N2 = (points_N2 - self._middle) * self.zoom
        return np.asarray(offset_N2 @ _turn(self.angle).T + np.array(self.centre_xy))

    def to_frame(self, points_N2: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of ``to_image``."""
        offset_N2 = (points_N2 - np.array(self.centre_xy)) @ _turn(self.angle)
        return np.asarray(offset_N2 / self.zoom + self._middle)

    def shows(self, points_N2: NDArray[np.float64]) -> BoolArray:
        """Which points (x, y) of the frame lie inside it, (N,)."""
        height, width = self.frame_HW
        inside_N2 = np.abs(points_N2 - self._middle) <= [width / 2, height / 2]
        return np.asarray(inside_N2.all(axis=1))

    def box_in_image(self, box_xyxy: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box of the frame as one of the image: around the same place, of the same size."""
        left, top, right, bottom = box_xyxy
        middle_xy = self.to_image(np.array([[(left + right) / 2, (top + bottom) / 2]]))[0]
        half_xy = np.array([right - left, bottom - top]) * self.zoom / 2
        height, width = self.image_HW
        first = np.rint(middle_xy - half_xy).clip(0, [width - 1, height - 1])
        last = np.rint(middle_xy + half_xy).clip(first + 1, [width, height])
        return int(first[0]), int(first[1]), int(last[0]), int(last[1])

    @property
    def corners_xy(self) -> NDArray[np.float64]:
        """Its top left, top right and bottom left corner in image pixels, (3, 2)."""
        height, width = self.frame_HW
        corners_32 = np.array([[0, 0], [width, 0], [0, height]]) - 0.5
        return self.to_image(corners_32)

    @property
    def _middle(self) -> NDArray[np.float64]:
        height, width = self.frame_HW
        # Pixel 0 has its centre at 0.
        return np.array([(width - 1) / 2, (height - 1) / 2])


@dataclass(frozen=True)
class Frame:
    """One image in its line's frame.

    Attributes:
        picture: What the frame shows.
        placement: Where it lies.
        found: Whether there is a part; else the frame shows the whole image.
        stray_N2: float64 (x, y) of all that lies apart from the part, beyond where the frame would
            end; for its sake the frame shows more of the image, all of it smaller than normal.
    """

    picture: Picture
    placement: Placement
    found: bool
    stray_N2: NDArray[np.float64]

    def in_image(self, anomaly: AnomalyMap) -> AnomalyMap:
        """A map of the frame as one of the image, on a grid twice as fine; 0 outside the frame.

        A turned grid falls between its old places: on as coarse a one, peaks would get lost. What
        is stray is why all the rest looks odd, so the map shows it in place of that.
        """
        place = self.placement
        stride_y, stride_x = (step * place.zoom / 2 for step in anomaly.patch_stride_px)
        centre_y, centre_x = (stride_y - 1) / 2, (stride_x - 1) / 2
        height, width = place.image_HW
        y, x = np.mgrid[: math.ceil(height / stride_y), : math.ceil(width / stride_x)]
        places = np.stack([x * stride_x + centre_x, y * stride_y + centre_y], axis=-1)
        places_N2 = place.to_frame(places.reshape(-1, 2))
        (first_y, first_x), (step_y, step_x) = anomaly.patch_centre_px, anomaly.patch_stride_px
        cells = [(places_N2[:, 1] - first_y) / step_y, (places_N2[:, 0] - first_x) / step_x]
        scores_N = ndimage.map_coordinates(anomaly.patch_scores_HW, cells, order=1, mode="nearest")
        scores_HW = np.where(place.shows(places_N2), scores_N, 0).reshape(y.shape)
        if len(self.stray_N2):
            peak = scores_HW.max()
            scores_HW *= min(1.0, BELOW * anomaly.limit / max(peak, 1e-9))
            rows = np.rint((self.stray_N2[:, 1] - centre_y) / stride_y).astype(int)
            columns = np.rint((self.stray_N2[:, 0] - centre_x) / stride_x).astype(int)
            last_y, last_x = scores_HW.shape[0] - 1, scores_HW.shape[1] - 1
            scores_HW[rows.clip(0, last_y), columns.clip(0, last_x)] = peak
        return anomaly.model_copy(
            update={
                "patch_scores_HW": scores_HW.astype(np.float32),
                "patch_stride_px": (stride_y, stride_x),
                "patch_centre_px": (centre_y, centre_x),
                "image_size_HW": place.image_HW,
                "part_found": self.found,
            }
        )


def see(pictures: Sequence[Picture], encoder: Encoder, framing: Framing | None) -> list[Features]:
    """Encode pictures as a line looks at them; what comes from a frame says so.

    A frame without a part shows background, which normal images show as well. So it is given the
    opposite of its patches, which lie near nothing normal.
    """
    if framing is None:
        return encoder.encode(pictures)
    frames = [frame_of(picture, framing) for picture in pictures]
    encoded = encoder.encode([frame.picture for frame in frames])
    return [
        replace(
            features,
            patches_HWC=features.patches_HWC if frame.found else -features.patches_HWC,
            frame=frame,
        )
        for features, frame in zip(encoded, frames, strict=True)
    ]


def choose_framing(pictures: Iterable[Picture]) -> Framing | None:
    """The frame for a line's parts; none where they do not lie free on a plain background.

    Aligned parts are not turned. A single one cannot tell, so it is.

    Args:
        pictures: Normal images, at least one; taken one at a time.
    """
    parts, units = [], []
    for picture in pictures:
        part = find_part(picture.rgb_HW3)
        if part is None or not part.of_part_N.all():
            return None
        parts.append(part)
        units.append(math.sqrt(math.prod(picture.size_HW)))
    elongated = all(part.elongation >= MIN_ELONGATION for part in parts)
    turned = elongated and not _are_aligned([part.angle for part in parts])
    extents_N2 = np.array(
        [
            np.ptp(part.points_N2 @ _turn(part.angle if turned else 0.0), axis=0) / unit
            for part, unit in zip(parts, units, strict=True)
        ]
    )
    if (extents_N2.max(axis=0) > MAX_SPREAD * extents_N2.min(axis=0)).any():
        return None
    width, height = (float(side) for side in extents_N2.max(axis=0) * (1 + MARGIN))
    return Framing(height, width, turned) if height * width <= MAX_FRAME else None


def _are_aligned(angles: Sequence[float]) -> bool:
    """Whether axes, of which either end may come first, point one way."""
    # Doubled, both directions of an axis are one.
    doubled_N = np.exp(2j * np.array(angles))
    tilts_N = np.angle(doubled_N / doubled_N.mean()) / 2
    return len(angles) > 1 and bool(np.abs(tilts_N).max() <= math.radians(MAX_TILT_DEGREES))


def find_part(rgb_HW3: NDArray[np.uint8]) -> Part | None:
    """The part on a plain background; none if there is no such thing.

    Args:
        rgb_HW3: uint8.
    """
    height, width = rgb_HW3.shape[:2]
    small = Image.fromarray(rgb_HW3)
    small.thumbnail((SEARCH_PX, SEARCH_PX), Image.Resampling.BOX)
    foreground_hw = _foreground(np.asarray(small, np.float32))
    labels_hw, count = ndimage.label(foreground_hw, np.ones((3, 3)))
    sizes = np.bincount(labels_hw.ravel(), minlength=count + 1)
    sizes[0] = 0
    largest = int(sizes.argmax())
    if sizes[largest] < MIN_PART * labels_hw.size or _reaches_border(labels_hw == largest):
        return None
    y, x = np.nonzero(sizes[labels_hw] >= MIN_SPECK * labels_hw.size)
    of_part_N = labels_hw[y, x] == largest
    scale = np.array([width, height]) / small.size
    # Pixel 0 has its centre at 0 in both.
    points_N2 = (np.stack([x, y], axis=1) + 0.5) * scale - 0.5
    elongation, angle = _axes(points_N2[of_part_N])
    return Part(points_N2, of_part_N, elongation, angle)


def _foreground(rgb_hw3: FloatArray) -> BoolArray:
    """What differs from the plane, in place and colour, that the border spans."""
    smooth_hw3 = ndimage.gaussian_filter(rgb_hw3, (1, 1, 0))
    height, width = smooth_hw3.shape[:2]
    y, x = np.mgrid[:height, :width]
    plane_hw3 = np.stack([np.ones((height, width)), x / width, y / height], axis=-1)
    border_hw = clean_hw = _border(height, width)
    for _ in range(2):
        fit_33 = np.linalg.lstsq(plane_hw3[clean_hw], smooth_hw3[clean_hw], rcond=None)[0]
        off_hw = np.abs(smooth_hw3 - plane_hw3 @ fit_33).max(axis=2)
        nearly_all = float(np.quantile(off_hw[border_hw], CLEAN_SHARE))
        clean_hw = border_hw & (off_hw <= nearly_all)
    limit = max(MIN_CONTRAST, CONTRAST * nearly_all)
    return np.asarray(ndimage.binary_closing(off_hw > limit, iterations=2))


def _border(height: int, width: int) -> BoolArray:
    depth = max(2, round(BORDER_SHARE * min(height, width)))
    border_hw = np.ones((height, width), np.bool_)
    border_hw[depth:-depth, depth:-depth] = False
    return border_hw


def _reaches_border(part_hw: BoolArray) -> bool:
    return bool((part_hw & _border(*part_hw.shape)).any())


def _axes(points_N2: NDArray[np.float64]) -> tuple[float, float]:
    """Elongation, and the angle of the longer axis, pointing where the points reach farther."""
    off_N2 = points_N2 - points_N2.mean(axis=0)
    variances, axes = np.linalg.eigh(off_N2.T @ off_N2 / len(off_N2))
    x, y = axes[:, 1]
    if ((off_N2 @ axes[:, 1]) ** 3).sum() < 0:
        x, y = -x, -y
    return math.sqrt(variances[1] / max(variances[0], 1e-9)), math.atan2(y, x)


def frame_of(picture: Picture, framing: Framing) -> Frame:
    """Bring an image into a line's frame.

    Whatever is not background comes in, from farther away if it must; an image without a part that
    stands out comes in as a whole.
    """
    height, width = picture.size_HW
    unit = math.sqrt(height * width)
    frame_HW = max(16, round(framing.height * unit)), max(16, round(framing.width * unit))
    half_2 = np.array([frame_HW[1], frame_HW[0]]) / 2
    part = find_part(picture.rgb_HW3)
    if part is None:
        middle_2, angle = np.array([width - 1, height - 1]) / 2, 0.0
        zoom = max(height / frame_HW[0], width / frame_HW[1])
        stray_N2 = np.empty((0, 2))
    else:
        angle = part.angle if framing.turned else 0.0
        turned_N2 = part.points_N2 @ _turn(angle)
        own_N2 = turned_N2[part.of_part_N]
        middle_2 = (own_N2.min(axis=0) + own_N2.max(axis=0)) / 2
        reach_N2 = np.abs(turned_N2 - middle_2) / half_2
        zoom = max(1.0, float(reach_N2.max()))
        stray_N2 = part.points_N2[(reach_N2 > 1).any(axis=1) & ~part.of_part_N]
        middle_2 = _turn(angle) @ middle_2
    centre_xy = float(middle_2[0]), float(middle_2[1])
    placement = Placement(frame_HW, picture.size_HW, centre_xy, angle, zoom)
    return Frame(_cut(picture, placement), placement, part is not None, stray_N2)


def _cut(picture: Picture, placement: Placement) -> Picture:
    height, width = placement.frame_HW
    # Pillow maps corners of pixels, where the middle of pixel 0 is at 0.5.
    corners_32 = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    origin, along_x, along_y = placement.to_image(corners_32) + 0.5
    (a, d), (b, e), (c, f) = along_x - origin, along_y - origin, origin
    background = np.median(picture.rgb_HW3[_border(*picture.size_HW)], axis=0)
    cut = Image.fromarray(picture.rgb_HW3).transform(
        (width, height),
        Image.Transform.AFFINE,
        (a, b, c, d, e, f),
        Image.Resampling.BICUBIC,
        fillcolor=tuple(int(level) for level in background),
    )
    return replace(picture, rgb_HW3=np.asarray(cut))


def _turn(angle: float) -> NDArray[np.float64]:
    """Its columns are the axes of a frame at that angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
