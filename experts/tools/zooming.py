"""Scores a place again at native resolution.

Where an enrolled image lies on the inspected one, the two are compared as in
``experts.decoder.template``, at all the pixels that there are. Elsewhere a small decoder is made on
the spot: the line's own has seen whole images, and knows nothing at another scale. It learns the
same place of the nearest normal images, each compared with the others, as a line of few images is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.fit import DecoderFit
from experts.decoder.golden import LIMIT, retaken
from experts.decoder.regions import find_regions
from experts.decoder.template import (
    ByteArray,
    Pair,
    by_place,
    difference,
    grey_range,
)
from experts.drawing import heat
from experts.evidence import AnomalyMap, Look, Region
from experts.images import MIN_SIDE_PX, Picture
from experts.tools.aligning import Window
from experts.tools.cropping import MIN_NORMAL, Crops, cut, ids_of
from experts.tools.drawing import enlarged
from experts.tools.places import Target, reaches, window_of
from experts.tools.scene import Equipment, Looked, Scene
from experts.wording import describe, look_of, times_in_words

# So many normal images are compared, by so many patches of each.
NEAREST, PATCHES = 8, 200
# So many of them may differ more from the others than is usual.
ODD = 1
# Steps from patch to patch that are finer than before by less than this share show nothing new.
FINER = 0.9
# Of the regions that stood out there before, so many are named.
MAX_NAMED = 2
# Squared distances of features below this are rounding: equal images differ by nothing.
MIN_LIMIT = 1e-4


class _Scored(NamedTuple):
    """What came of scoring a crop.

    Attributes:
        anomaly: Its map, whose limit is what normal images reach.
        crops: What was compared.
        against: In words, what it was compared with and what the limit stands for.
        step_px: From place to place of the map, in pixels of the image.
    """

    anomaly: AnomalyMap
    crops: Crops
    against: str
    step_px: float

    @property
    def times(self) -> float:
        """The highest value of the map in units of the limit."""
        return float(self.anomaly.patch_scores_HW.max()) / self.anomaly.limit


def zoom(target: Target, scene: Scene, gear: Equipment, number: int) -> Looked:
    """Look at a place again.

    Args:
        target: The place.
        scene: The image.
        gear: What the line has.
        number: Of the look.

    Raises:
        LineError: If the line is damaged or was replaced since it was opened.
    """
    rows, columns = window_of(target, scene.picture.size_HW)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    numbers = {"width_px": float(width), "height_px": float(height)}
    if min(height, width) < MIN_SIDE_PX:
        found = (
            f"{target.begin} is {width} × {height} px, too small to be scored by itself; it takes "
            f"{MIN_SIDE_PX} px on each side."
        )
        return Looked(_look(target, number, found, numbers))
    paths = gear.beside(scene, NEAREST)
    scored = _beside_twin(target, scene, gear)
    if scored is None and len(paths) < MIN_NORMAL:
        crops = cut(scene, target, paths, gear)
        found = (
            f"{target.begin} is shown in all its {width} × {height} px, but not scored: it takes "
            f"{MIN_NORMAL} normal images to tell how much they differ there, and there "
            f"{'is' if len(paths) == 1 else 'are'} {len(paths)}."
        )
        look = _look(target, number, found, numbers, ids_of(target, scene, paths))
        return Looked(look, tuple(crops.shown(target.words)))
    if scored is None:
        scored = _among_nearest(cut(scene, target, paths, gear), gear)
    found, told = _in_words(target, scene, scored)
    drawn = Image.fromarray(heat(scored.anomaly, scored.crops.own.rgb_HW3))
    look = _look(target, number, found, numbers | told, ids_of(target, scene, paths))
    images = [*scored.crops.shown(target.words), (f"map of {target.words}", enlarged(drawn))]
    return Looked(look, tuple(images))


def _beside_twin(target: Target, scene: Scene, gear: Equipment) -> _Scored | None:
    """Compare with the enrolled image that lies on this one; none where none does."""
    if (twin := gear.twin(scene)) is None:
        return None
    rows, columns = window_of(target, scene.picture.size_HW)
    wide, inner = _widened(target, rows, columns, scene.picture.size_HW)
    around = cut(scene, wide, [twin], gear)
    own_hw, normal_hw = (_levels(crop) for crop in (around.own, around.normal[0]))
    # Of the whole image, since a place alone may show nothing.
    unit = grey_range([_levels(scene.picture)])
    # They were brought onto each other already, by more than the place alone.
    pair = Pair(own_hw.astype(np.float32), normal_hw.astype(np.float32), (0, 0))
    difference_hw = difference(pair, unit)[inner]
    crops = Crops(_part(around.own, inner), (_part(around.normal[0], inner),), around.native)
    places = by_place(difference_hw, pair, own_hw[inner], crops.own.size_HW)
    limit = max(LIMIT, retaken(normal_hw[inner], unit, seed=0))
    anomaly = AnomalyMap(
        patch_scores_HW=places.scores_HW,
        patch_stride_px=places.stride_px,
        patch_centre_px=places.centre_px,
        image_size_HW=crops.own.size_HW,
        score=float(places.scores_HW.max()),
        p_value=1.0,
        calibration_size=0,
        limit=limit,
        extent_limit=limit / 2,
        encoder="template",
    )
    against = f"{crops.names[0]}, which else shows the same, {{}} times as much as a new photo may"
    return _Scored(anomaly, crops, against, max(places.stride_px))


def _widened(
    target: Target, rows: slice, columns: slice, size_HW: tuple[int, int]
) -> tuple[Target, Window]:
    """A place three times as large, for exposure to be matched on, and where in it the place is."""
    spans = [
        (max(0, 2 * span.start - span.stop), min(size, 2 * span.stop - span.start))
        for span, size in zip((rows, columns), size_HW, strict=True)
    ]
    (top, bottom), (left, right) = spans
    inner = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    return Target(target.words, (left, top, right, bottom)), inner


def _part(picture: Picture, window: Window) -> Picture:
    return Picture(picture.name, np.ascontiguousarray(picture.rgb_HW3[window]))


def _levels(picture: Picture) -> ByteArray:
    return np.rint(picture.grey_HW * 255).astype(np.uint8)


def _among_nearest(crops: Crops, gear: Equipment) -> _Scored:
    """Compare with the nearest normal images, and these with each other."""
    own, *normal = gear.encoder.encode([crops.own, *crops.normal])
    count = len(normal)
    with DecoderFit(count, gear.alpha, size=count * PATCHES) as fit:
        for crop, features in zip(crops.normal, normal, strict=True):
            fit.add(features, crop.grey_HW)
        model = fit.finish()
    anomaly = AnomalyDecoder(model, gear.alpha, gear.encoder.name).decode(crops.own, own)
    # One of the normal ones may be odd there itself, and must not hide everything else.
    usual = float(model.calibration.peaks_n[-1 - ODD]) if count > MIN_NORMAL else anomaly.limit
    anomaly = anomaly.model_copy(update={"limit": max(usual, MIN_LIMIT)})
    against = f"{count} normal images {{}} times as much as these usually differ from each other"
    return _Scored(anomaly, crops, against, max(own.stride_px))


def _in_words(target: Target, scene: Scene, scored: _Scored) -> tuple[str, dict[str, float]]:
    """What was found, and its numbers."""
    regions = find_regions(scored.anomaly, scored.crops.own.grey_HW, scene.sight.mm_per_px)
    height, width = scored.crops.own.size_HW
    before = scene.step_px
    numbers = {
        "times": scored.times,
        "places": float(len(regions)),
        "normal_images": float(len(scored.crops.normal)),
        "step_px": scored.step_px,
        "step_before_px": before,
    }
    if regions and not _spans(regions[0], scored.crops.own):
        numbers |= {"place_length_px": regions[0].length_px, "place_width_px": regions[0].width_px}
    differs = scored.against.format(times_in_words(scored.times))
    found = (
        f"At native resolution, {width} × {height} px, {target.words} differs from the same place "
        f"of {differs}{_places(regions, scored.crops.own)} "
    )
    if not regions:
        found += _on_whole_image(target, scene)
    if not scored.crops.native:
        found += "Of the normal photos only small copies are left, so it was compared as small."
    elif scored.step_px > FINER * before:
        found += f"It was seen no finer than before: every {scored.step_px:.1f} px."
    else:
        found += f"It was seen every {scored.step_px:.1f} px instead of every {before:.1f} px."
    return found, numbers


def _spans(region: Region, crop: Picture) -> bool:
    """Whether a region reaches from side to side both ways, so that its size cannot be seen."""
    height, width = crop.size_HW
    return region.box_xyxy == (0, 0, width, height)


def _places(regions: Sequence[Region], crop: Picture) -> str:
    if not regions:
        return "; nothing stands out there."
    strongest = f"{describe(regions[0])} of what is shown"
    if _spans(regions[0], crop):
        strongest = f"{look_of(regions[0])} that reaches across all that is shown"
    if len(regions) == 1:
        return f"; one place stands out, {strongest}."
    return f"; {len(regions)} places stand out, the strongest {strongest}."


def _on_whole_image(target: Target, scene: Scene) -> str:
    """What stood out there before, where nothing stands out now; empty if nothing did."""
    own = [target.region] if target.region is not None else list(scene.regions)
    there = [region for region in own if reaches(region, target.box_xyxy)]
    if not there:
        return ""
    names = " and ".join(region.id for region in there[:MAX_NAMED])
    names += f" and {len(there) - MAX_NAMED} more" if len(there) > MAX_NAMED else ""
    up_to = "up to " if len(there) > 1 else ""
    times = times_in_words(max(r.peak_score for r in there) / scene.anomaly.limit)
    return (
        f"On the whole image {names} stood out, at {up_to}{times} times what normal images reach; "
        "the verdict rests on that and stays. "
    )


def _look(
    target: Target,
    number: int,
    found: str,
    numbers: dict[str, float],
    ids: tuple[str, ...] = (),
) -> Look:
    return Look(
        id=f"look-{number}",
        tool="zoom",
        target=target.words,
        found=found,
        numbers=numbers,
        evidence_ids=ids,
    )
