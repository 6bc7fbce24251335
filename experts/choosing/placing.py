"""Which places an option names, and how much of a map's excess lies there.

An option that joins places says that each is anomalous. So it is weighed by as many times the
geometric mean of theirs: it wins where the excess is shared between them, and loses to the one
place that has it all. What is everywhere joins all nine places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from experts.claims.words import listed
from experts.evidence import AnomalyMap
from experts.tools.places import EDGE, box_of, fold, in_words

FloatArray = NDArray[np.float64]

# Of the image's size: as far as a place in words reaches around its middle.
REACH = 0.12
ANY_EDGE, EVERYWHERE = "any edge", "everywhere"
NINE = (
    "the top left", "the top", "the top right", "the left", "the centre", "the right",
    "the bottom left", "the bottom", "the bottom right",
)  # fmt: skip

_EDGES = listed(
    "edge edges border borders rim margin margins perimeter periphery circumference outline corner "
    "corners rand rander rande randern kante kanten ecke ecken"
)
_SPREAD = listed(
    "scattered everywhere throughout whole entire entirely overall spread distributed multiple "
    "various uberall verstreut verteilt ganze ganzen ganzes gesamte gesamten mehrere"
)
_JOINTS = re.compile(r"\b(?:and|or|und|oder|as well as|sowie)\b|[;/&+]", re.IGNORECASE)


def places_in(option: str) -> tuple[str, ...]:
    """The places that an option names, such as ``the top left``; several if it joins them.

    Args:
        option: In English or German.
    """
    joined = [place for part in _JOINTS.split(option) if (place := _place_in(part))]
    if joined:
        return tuple(dict.fromkeys(joined))
    listed_ones = [place for part in option.split(",") if (place := _place_in(part))]
    return tuple(dict.fromkeys(listed_ones))


def _place_in(text: str) -> str | None:
    words = fold(text)
    place = in_words(words)
    if place is not None and place != "the whole image":
        return place
    said = set(words.split())
    if said & _EDGES:
        return ANY_EDGE
    return EVERYWHERE if said & _SPREAD else None


def fits(anomaly: AnomalyMap, options: Sequence[Sequence[str]]) -> FloatArray:
    """How well a map fits options, (options,), at least 0; 0 for an option without a place.

    Args:
        anomaly: The map.
        options: The places of each, as ``places_in`` gives them.
    """
    near = partial(_near, *excess(anomaly))
    return np.array([_joined([near(place) for place in _cells(places)]) for places in options])


def _cells(places: Sequence[str]) -> list[str]:
    return [cell for place in places for cell in (NINE if place == EVERYWHERE else (place,))]


def _joined(near: Sequence[float]) -> float:
    return len(near) * float(np.prod(near)) ** (1 / len(near)) if near else 0.0


def _near(share_hw: FloatArray, y_h: FloatArray, x_w: FloatArray, place: str) -> float:
    """How much of the map's excess lies near a place, 0 to 1."""
    if place == ANY_EDGE:
        inner_hw = (abs(y_h - 0.5) < 0.5 - 1 / EDGE)[:, None] & (abs(x_w - 0.5) < 0.5 - 1 / EDGE)
        # The border is larger than a place that has a side, and so says less of where it is.
        larger = (1 - (1 - 2 / EDGE) ** 2) / (2 * np.pi * REACH**2)
        return float(share_hw[~inner_hw].sum()) / larger
    left, top, right, bottom = box_of(place, (600, 600))
    y, x = (top + bottom) / 1200, (left + right) / 1200
    distance_hw = (y_h[:, None] - y) ** 2 + (x_w - x) ** 2
    return float((share_hw * np.exp(-distance_hw / (2 * REACH**2))).sum())


def excess(anomaly: AnomalyMap) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Squared, how far each patch is beyond what is normal, and where patches lie.

    Returns:
        Shares (h, w) that add up to 1, and the middles of rows (h) and columns (w) as shares of
        the image's height and width. A map that is the same everywhere has equal shares.
    """
    scores_hw = np.asarray(anomaly.patch_scores_HW, float)
    beyond_hw = np.maximum(scores_hw - anomaly.extent_limit, 0) ** 2
    if not beyond_hw.any():
        beyond_hw = np.maximum(scores_hw - np.median(scores_hw), 0) ** 2
    if not beyond_hw.any():
        beyond_hw = np.ones_like(scores_hw)
    (height, width), (rows, columns) = anomaly.image_size_HW, scores_hw.shape
    y_h = (anomaly.patch_centre_px[0] + anomaly.patch_stride_px[0] * np.arange(rows)) / height
    x_w = (anomaly.patch_centre_px[1] + anomaly.patch_stride_px[1] * np.arange(columns)) / width
    return beyond_hw / beyond_hw.sum(), y_h, x_w
