"""Are the places that stand out the reason why an image is unusual? They are replaced, to see.

Each place gets what a normal image shows there, and the image is inspected once more. If a place
still stands out, it was not what is seen there. If none does, but the image is as unusual as
before, the places are not all there is to it. It is a test of the explanation, not of the part: the
verdict does not rest on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import smallest_p_value
from experts.evidence import Cause, Healed, Region, Step
from experts.images import Picture
from experts.tools.aligning import bring_onto
from experts.tools.healing import GROWN, grown, heal
from experts.tools.scene import Equipment, Scene
from experts.wording import times_in_words

BoolArray = NDArray[np.bool_]

LOOKED_AT = "what becomes of the image without the places that stand out"
# Of so many normal images the one is taken that is most alike around the places.
NEAREST = 5
# Once more of an image is replaced than this share, it is simply another image.
MAX_SHARE = 0.8


def find_cause(scene: Scene, gear: Equipment) -> Cause | str:
    """Replace all regions by what a normal image shows there, and inspect again, once.

    Args:
        scene: The image.
        gear: What the line has.

    Returns:
        Why it cannot be done, in words that follow "since", if there is no region, no normal image,
        or no limit to compare with, or if the regions cover nearly all of the image.

    Raises:
        LineError: If the line is damaged or was replaced since it was opened.
    """
    anomaly = scene.anomaly
    if not (paths := gear.beside(scene, NEAREST)):
        return "the line has no normal images to take such places from"
    if not scene.regions:
        return "no single place stands out"
    if not math.isfinite(anomaly.limit):
        return "no normal image tells from when on a place stands out"
    normals = [
        Picture(path.name, bring_onto(scene.picture, gear.photo(path).picture, gear.framing))
        for path in paths
    ]
    masks = [_mask(region, scene.picture.size_HW) for region in scene.regions]
    all_HW = np.logical_or.reduce(masks)
    if grown(all_HW, GROWN * scene.step_px).mean() > MAX_SHARE:
        return "the places cover nearly all of the image"
    healed = heal(scene.picture, normals, all_HW, scene.step_px)
    after = gear.decode(healed.picture)
    scores_HW = after.scores_HW
    outcome = [
        Healed(
            region_id=region.id,
            before=region.peak_score / anomaly.limit,
            after=float(scores_HW[grown(mask_HW, GROWN * scene.step_px)].max()) / after.limit,
        )
        for region, mask_HW in zip(scene.regions, masks, strict=True)
    ]
    return Cause(
        reference=paths[healed.number].name,
        healed=tuple(outcome),
        p_before=anomaly.p_value,
        p_after=after.p_value,
        # Beyond all of few normal images is unusual, too.
        alpha=max(gear.alpha, smallest_p_value(anomaly.calibration_size)),
        score_before=anomaly.score,
        score_after=after.score,
    )


def _mask(region: Region, size_HW: tuple[int, int]) -> BoolArray:
    """A region's mask on the whole image, bool (H, W)."""
    mask_HW = np.zeros(size_HW, np.bool_)
    left, top, right, bottom = region.box_xyxy
    mask_HW[top:bottom, left:right] = region.mask
    return mask_HW


def cause_step(cause: Cause | str) -> Step:
    """What came of it, or why nothing could, as a step of the reasoning."""
    if isinstance(cause, str):
        found, ids = f"The cause was not tested, since {cause}.", ("anomaly",)
        return Step(looked_at=LOOKED_AT, found=found, evidence_ids=ids)
    return Step(
        looked_at=LOOKED_AT,
        found=_in_words(cause),
        evidence_ids=("cause", "anomaly", *(healed.region_id for healed in cause.healed)),
    )


def _in_words(cause: Cause) -> str:
    begin = f"With {_those(cause.healed)} replaced by what {cause.reference} shows there"
    left = [healed for healed in cause.healed if healed.stays]
    p = f"p = {cause.p_after:.2g}"
    if left:
        found = f"{begin}, {_still(left)}, so what is seen there is not the cause"
        return f"{found}; the image as a whole is {_unusual(cause)} ({p})."
    if cause.explains and cause.p_before > cause.alpha:
        return f"{begin}, nothing stands out any more ({p})."
    if cause.explains:
        return f"{begin}, the image is no longer unusual ({p})."
    alone = len(cause.healed) == 1
    which = "this place no longer stands" if alone else "none of these places stands"
    more = "" if alone else " any more"
    found = f"{begin}, {which} out{more}, but the image as a whole is still unusual"
    verb = "place is" if alone else "places are"
    return f"{found} ({p}): the {verb} not all there is to it."


def _unusual(cause: Cause) -> str:
    return "no longer unusual" if cause.explains else "still unusual"


def _those(healed: Sequence[Healed]) -> str:
    return healed[0].region_id if len(healed) == 1 else f"the {len(healed)} places"


def _still(left: Sequence[Healed]) -> str:
    """For example ``region-1 (1.8 times what normal images reach) still stands out``."""
    told = [
        f"{healed.region_id} ({times_in_words(healed.after)} times what normal images reach)"
        for healed in left
    ]
    if len(told) == 1:
        return f"{told[0]} still stands out"
    return f"{', '.join(told[:-1])} and {told[-1]} still stand out"
