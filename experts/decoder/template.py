"""The golden template: a part is compared, place by place, with an aligned normal image.

Deep features hardly tell a track from a broken track; grey levels do, once both images lie on each
other. A pair is brought together by the shift of its highest cross-correlation, exposure is
matched, and what remains is measured with a tolerance, since no two edges fall on the same pixels:
a place differs by as much as it is brighter than all, or darker than all of the other image's
places around it (the two-sided test of a grey level against a dilated and an eroded reference, as
in Chin & Harlow, "Automated Visual Inspection: A Survey", 1982).

Templates are small, so what is seen is what shows at their size.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]

# Longer side of a template; larger images are scaled down to it.
TEMPLATE_PX = 320
# A sketch tells whether a template is worth a look.
SKETCH_PX = 32
# Parts are placed to within this share of a side, or they are not aligned.
MAX_SHIFT = 0.1
# An edge may fall this far from where it lies in the template.
TOLERANCE_PX = 1
# A single pixel is noise; this is the deviation of the Gaussian that it is averaged with.
SMOOTHING_PX = 1.5
# The map keeps the highest difference of squares of this side.
CELL_PX = 4

# Alignment is judged in blocks, so that a large defect spoils only its own, on the best share of
# those that show something. Each has its own mean, so shading alone aligns nothing.
BLOCKS = 8
SHOWS = 0.1
BEST_SHARE = 0.75
ALIGNED = 0.9
# Below this share of the grey range, both are flat, and flat is like flat.
_NOISE = 0.02
# What fits worst to one exposure is left out before it is fitted again: it may be a defect.
_FITTING = 0.9
# Cameras do not drift further than this.
_MAX_GAIN = 2.0


@dataclass(frozen=True)
class TemplateMap:
    """How an image differs from its template.

    Attributes:
        scores_HW: float32, difference in units of the line's grey range; 0 where the template
            shows nothing of the place.
        stride_px: Step from cell to cell in image pixels, (vertical, horizontal).
        centre_px: Centre of the first cell in image pixels.
    """

    scores_HW: FloatArray
    stride_px: tuple[float, float]
    centre_px: tuple[float, float]


class Pair(NamedTuple):
    """The part that two images share once they lie on each other, both float32 (h, w).

    Attributes:
        query_hw: Of the query.
        template_hw: Of the template.
        corner_yx: Where the shared part begins in the query.
    """

    query_hw: FloatArray
    template_hw: FloatArray
    corner_yx: tuple[int, int]


def small_copy(rgb_HW3: ByteArray) -> bytes:
    """The copy of an image that a line keeps: JPEG, the longer side at most ``TEMPLATE_PX``."""
    image = Image.fromarray(rgb_HW3)
    image.thumbnail((TEMPLATE_PX, TEMPLATE_PX))
    raw = io.BytesIO()
    image.save(raw, "JPEG", quality=90)
    return raw.getvalue()


def template_in(copy: bytes) -> ByteArray:
    """The template in a small copy: uint8 luma.

    Fresh images become templates by way of such a copy too, so that all are alike.
    """
    with Image.open(io.BytesIO(copy)) as image:
        return np.asarray(image.convert("RGB").convert("L"))


def template_of(rgb_HW3: ByteArray) -> ByteArray:
    """An image as a template."""
    return template_in(small_copy(rgb_HW3))


def sketch_of(template_hw: ByteArray) -> ByteArray:
    """A template brought to uint8 (``SKETCH_PX``, ``SKETCH_PX``), whatever its shape."""
    size = (SKETCH_PX, SKETCH_PX)
    return np.asarray(Image.fromarray(template_hw).resize(size, Image.Resampling.BOX))


def grey_range(templates: list[ByteArray]) -> float:
    """From the 5th to the 95th percentile of all grey levels of a line, in levels of 255.

    Of the line and not of one template, which may show nothing. At least 8, since differences that
    nobody sees are none.
    """
    low, high = np.percentile(np.concatenate([t.ravel() for t in templates]), [5, 95])
    return max(float(high - low), 8.0)


def register(query_hw: NDArray[np.generic], template_hw: NDArray[np.generic]) -> Pair:
    """Lay a template on a query of the same shape, by whole pixels.

    The shift, up to ``MAX_SHIFT`` of each side, is that of the highest cyclic cross-correlation.
    """
    query = np.asarray(query_hw, np.float32)
    template = np.asarray(template_hw, np.float32)
    window = _shifted_products(query, template)
    row, column = np.unravel_index(window.argmax(), window.shape)
    y, x = int(row) - window.shape[0] // 2, int(column) - window.shape[1] // 2
    height, width = query.shape
    return Pair(
        query[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)],
        template[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)],
        (max(y, 0), max(x, 0)),
    )


def _shifted_products(query_hw: FloatArray, template_hw: FloatArray) -> FloatArray:
    """Cyclic cross-covariance up to the reach to each side; the middle stands for no shift."""
    off_query, off_template = query_hw - query_hw.mean(), template_hw - template_hw.mean()
    spectrum = fft.rfft2(off_query) * np.conj(fft.rfft2(off_template))
    products_hw = fft.irfft2(spectrum, s=query_hw.shape) / query_hw.size
    reach_y, reach_x = (int(MAX_SHIFT * side) for side in query_hw.shape)
    # Negative shifts stand at the end.
    rows, columns = range(-reach_y, reach_y + 1), range(-reach_x, reach_x + 1)
    return np.asarray(products_hw[rows][:, columns], np.float32)


def agreement(pair: Pair, unit: float, blocks: int = BLOCKS) -> float:
    """Normalised cross-correlation over the blocks that agree best, −1 to 1; flat agrees with flat.

    Args:
        pair: Two images on each other, at least ``blocks`` pixels on a side.
        unit: The line's grey range.
        blocks: How many on a side; 1 takes the images as a whole.
    """
    # A strip has fewer blocks across.
    down, across = (min(blocks, side) for side in pair.query_hw.shape)
    rows, columns = pair.query_hw.shape[0] // down, pair.query_hw.shape[1] // across

    def means(image_hw: NDArray[np.floating]) -> NDArray[np.float64]:
        whole = image_hw[: down * rows, : across * columns]
        parts = whole.reshape(down, rows, across, columns)
        return np.asarray(parts.mean(axis=(1, 3), dtype=np.float64))

    # About the means, since squares of large numbers would drown small differences.
    query, template = (image - image.mean() for image in (pair.query_hw, pair.template_hw))
    mean_q, mean_t = means(query), means(template)
    noise = (_NOISE * unit) ** 2
    variance_q = np.maximum(means(query**2) - mean_q**2, 0) + noise
    variance_t = np.maximum(means(template**2) - mean_t**2, 0) + noise
    covariance = means(query * template) - mean_q * mean_t + noise
    shows = np.maximum(variance_q, variance_t) > (SHOWS * unit) ** 2
    if not shows.any():
        return 1.0
    alone = np.where(shows, covariance / np.sqrt(variance_q * variance_t), -np.inf)
    kept = np.argsort(-alone, axis=None)[: math.ceil(BEST_SHARE * int(shows.sum()))]
    total_q, total_t = variance_q.ravel()[kept].sum(), variance_t.ravel()[kept].sum()
    return float(covariance.ravel()[kept].sum() / np.sqrt(total_q * total_t))


def difference(pair: Pair, unit: float) -> FloatArray:
    """How far two images on each other differ, float32 (h, w), in units of the grey range.

    Args:
        pair: Two images on each other.
        unit: The line's grey range.
    """
    gain, offset = _exposure(pair)
    query_hw = ((pair.query_hw - offset) / (gain * unit)).astype(np.float32)
    template_hw = (pair.template_hw / unit).astype(np.float32)
    beyond_hw = np.maximum(_outside(query_hw, template_hw), _outside(template_hw, query_hw))
    smooth_hw = ndimage.gaussian_filter(beyond_hw, SMOOTHING_PX, mode="nearest")
    return np.asarray(smooth_hw, np.float32)


def _outside(image_hw: FloatArray, other_hw: FloatArray) -> FloatArray:
    """How far each place lies outside the grey levels around it in the other image."""
    above_hw = image_hw - _highest_around(other_hw)
    below_hw = -_highest_around(-other_hw) - image_hw
    return np.asarray(np.maximum(np.maximum(above_hw, below_hw), 0), np.float32)


def _highest_around(image_hw: FloatArray) -> FloatArray:
    """The highest value within the tolerance: along columns, then along rows."""
    highest_hw = image_hw
    for _ in range(2):
        padded = np.pad(highest_hw, ((TOLERANCE_PX, TOLERANCE_PX), (0, 0)), mode="edge")
        shifted = [padded[i : i + len(highest_hw)] for i in range(2 * TOLERANCE_PX + 1)]
        highest_hw = np.maximum.reduce(shifted).T
    return highest_hw


def _exposure(pair: Pair) -> tuple[float, float]:
    """Gain and offset from template to query, by least squares over the pixels that fit."""
    query, template = pair.query_hw.ravel(), pair.template_hw.ravel()
    gain, offset = _line(query, template)
    misfit = np.abs(query - gain * template - offset)
    fits = misfit <= np.sort(misfit)[int(_FITTING * misfit.size)]
    return _line(query[fits], template[fits])


def _line(query: FloatArray, template: FloatArray) -> tuple[float, float]:
    mean_q, mean_t = float(query.mean()), float(template.mean())
    off = template - mean_t
    # One grey level of noise, so that two flat images differ in offset alone.
    gain = (float((off * (query - mean_q)).mean()) + 1) / (float((off * off).mean()) + 1)
    gain = min(max(gain, 1 / _MAX_GAIN), _MAX_GAIN)
    return gain, mean_q - gain * mean_t


def by_place(
    difference_hw: FloatArray, pair: Pair, query_hw: ByteArray, image_size_HW: tuple[int, int]
) -> TemplateMap:
    """A difference on cells of the query.

    Args:
        difference_hw: Of the pair.
        pair: From ``register``.
        query_hw: The query as a template.
        image_size_HW: Of the image that the query was made from.
    """
    whole_hw = np.zeros(query_hw.shape, np.float32)
    y, x = pair.corner_yx
    whole_hw[y : y + difference_hw.shape[0], x : x + difference_hw.shape[1]] = difference_hw
    cells = F.max_pool2d(torch.from_numpy(whole_hw)[None, None], CELL_PX, ceil_mode=True)
    scale_y, scale_x = (i / q for i, q in zip(image_size_HW, query_hw.shape, strict=True))
    return TemplateMap(
        scores_HW=np.asarray(cells[0, 0].numpy(), np.float32),
        stride_px=(CELL_PX * scale_y, CELL_PX * scale_x),
        # Pixel 0 has its centre at 0, so a cell of scaled pixels 0 to 3 has it at half its side.
        centre_px=((CELL_PX * scale_y - 1) / 2, (CELL_PX * scale_x - 1) / 2),
    )


def spot(side_y_px: float, side_x_px: float) -> float:
    """The difference at the centre of a rectangle that goes from dark to bright, 0 to 1."""
    reach = math.sqrt(8) * SMOOTHING_PX
    return math.erf(side_y_px / reach) * math.erf(side_x_px / reach)
