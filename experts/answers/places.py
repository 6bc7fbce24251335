"""What is said of the places that stand out: where, what, how large, how many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from experts.answers.known import Known, Told
from experts.answers.pointing import Rank
from experts.decoder.regions import place_in_words
from experts.evidence import Region
from experts.wording import describe, in_words, kinds_in_words, times_in_words

# Of so many places each is told.
MAX_PLACES = 5
# And so many kinds that one may be of.
MAX_KINDS = 8
NO_PLACE = "No single place stands out."


def named(regions: Sequence[Region]) -> tuple[str, ...]:
    """Each region in a sentence of its own; of many the strongest ones."""
    return (*map(region_named, regions[:MAX_PLACES]), *_rest(regions))


def _rest(regions: Sequence[Region]) -> tuple[str, ...]:
    """That there are more regions than are told."""
    if len(regions) <= MAX_PLACES:
        return ()
    first, last = regions[MAX_PLACES].id, regions[-1].id
    more = f"{first} is" if first == last else f"{first} to {last} are"
    return (f"{more} there, too, and can be asked for by number.",)


def region_named(region: Region) -> str:
    """A region in a sentence of its own."""
    return f"{region.id}: {describe(region)}."


def where(known: Known, regions: Sequence[Region]) -> Told:
    """Where the regions are."""
    return _each(known, regions, lambda region: f"{region_named(region)} {_corners(region)}")


def _corners(region: Region) -> str:
    left, top, right, bottom = region.box_xyxy
    return f"Its box in pixels: left {left}, top {top}, right {right}, bottom {bottom}."


def kind(known: Known, regions: Sequence[Region]) -> Told:
    """What the regions are taken for, and what they look like."""
    return _each(known, regions, lambda region: _kind(known, region))


def _kind(known: Known, region: Region) -> str:
    said = region_named(region)
    if region.traits:
        said += f" It is {region.traits.in_words}."
    if region.kinds is not None:
        words = kinds_in_words(region).removeprefix("which ")
        passive = region.kinds.unknown or len(region.kinds.names) == 1
        return f"{said} It {'is ' if passive else ''}{words}."
    candidates = known.candidates(region)
    if not candidates:
        return f"{said} Which kind of defect it may be was not told to this line."
    return f"{said} By the rules it may be {_listed(known, candidates)}; nothing tells these apart."


def whether(known: Known, regions: Sequence[Region], kinds: Sequence[str]) -> Told:
    """Whether any of the regions may be of one of the kinds that are asked about."""
    names = " or ".join(map(known.named, kinds))
    if not regions:
        return Told((f"{NO_PLACE} Nothing is taken for {names}.",), ("anomaly",))
    may_be = [r for r in regions if set(kinds) & set(known.candidates(r))]
    told = kind(known, may_be or regions)
    if may_be or not all(known.candidates(region) for region in regions):
        return told
    which = f"{regions[0].id} is not" if len(regions) == 1 else "No place is"
    return Told((f"{which} taken for {names}.", *told.sentences), told.evidence_ids, told.about)


def same(known: Known, regions: Sequence[Region]) -> Told:
    """Whether the regions may be of one kind, by the kinds that each may be of."""
    if len(regions) < 2:
        return kind(known, regions)
    each = [set(known.candidates(region)) for region in regions]
    told = kinds_in_short(known, regions)
    if not all(each):
        return told
    if not set.intersection(*each):
        said = "They are not taken for the same."
    elif all(len(names) == 1 for names in each):
        said = "They are taken for the same."
    else:
        said = "They may be of the same kind; nothing tells for sure."
    return Told((said, *told.sentences), told.evidence_ids, told.about)


def kinds_in_short(known: Known, regions: Sequence[Region]) -> Told:
    """Which kinds the regions may be of, without what they look like."""
    return _each(known, regions, lambda region: _kinds_in_short(known, region))


def _kinds_in_short(known: Known, region: Region) -> str:
    kinds = known.candidates(region)
    if not kinds:
        return f"Which kind of defect {region.id} may be was not told to this line."
    return f"{region.id} {'is taken for' if len(kinds) == 1 else 'may be'} {_listed(known, kinds)}."


def _listed(known: Known, kinds: Sequence[str]) -> str:
    more = len(kinds) - MAX_KINDS
    names = " or ".join(map(known.named, kinds[:MAX_KINDS]))
    return f"{names} or one of {more} more" if more > 0 else names


def ranking(rank: Rank, regions: Sequence[Region], known: Known) -> Told:
    """The regions in the order that is asked for, the one that is meant first."""
    if not regions:
        return Told((NO_PLACE, *_highest(known)), ("anomaly",))
    first, *others = (
        f"{region.id} ({rank.measure.told(region)})"
        for region in rank.ordered(regions)[: MAX_PLACES + 1]
    )
    ids = tuple(region.id for region in regions)
    if not others:
        return Told((f"There is only {first}.",), ids, ids)
    then = f"{', '.join(others[:-1])} and {others[-1]}" if others[1:] else others[0]
    said = f"Of {len(regions)} places the {rank.called} is {first}, then {then}."
    return Told((said,), ids, (rank.ordered(regions)[0].id,))


def _highest(known: Known) -> tuple[str, ...]:
    """Where the map is highest, though nothing stands out."""
    anomaly = known.inspection.anomaly
    scores_hw = anomaly.patch_scores_HW
    if not scores_hw.size or not math.isfinite(anomaly.limit) or anomaly.limit <= 0:
        return ()
    row, column = np.unravel_index(int(np.argmax(scores_hw)), scores_hw.shape)
    reached = times_in_words(float(scores_hw[row, column]) / anomaly.limit)
    (down, right), (top, left) = anomaly.patch_stride_px, anomaly.patch_centre_px
    y, x = int(top + row * down), int(left + column * right)
    place = place_in_words((x, y, x, y), anomaly.image_size_HW)
    at = "in the" if place == "centre" else "at the"
    return (f"The map is highest {at} {place}: {reached} times what normal images reach.",)


def size(known: Known, regions: Sequence[Region]) -> Told:
    """How large the regions are, in mm where there is a scale."""
    return _each(known, regions, _size)


def _size(region: Region) -> str:
    px = f"{region.length_px:.0f} × {region.width_px:.0f} px, {region.area_px} px²"
    what = f"{region.id}, {'an' if region.looks.startswith('odd') else 'a'} {region.looks}"
    if region.length_mm is None or region.width_mm is None or region.area_mm2 is None:
        said = f"{what}: {px}."
    else:
        length, width = in_words(region.length_mm, 3), in_words(region.width_mm, 3)
        said = f"{what}: {length} × {width} mm, {in_words(region.area_mm2, 3)} mm² ({px})."
    if region.skeleton_length_px is not None and region.mean_width_px is not None:
        along, across = f"{region.skeleton_length_px:.0f} px", f"{region.mean_width_px:.1f} px"
        if region.skeleton_length_mm is not None and region.mean_width_mm is not None:
            along = f"{in_words(region.skeleton_length_mm, 3)} mm"
            across = f"{in_words(region.mean_width_mm, 3)} mm"
        said += f" Along its bends it is {along} long and {across} wide."
    return said


def scale(known: Known, _regions: Sequence[Region]) -> Told:
    """How large a pixel is, if that is known."""
    mm_per_px = known.inspection.sight.mm_per_px
    if mm_per_px is None:
        return Told(
            (
                "The line has no scale, so sizes are in pixels only; mm_per_px in its knowledge "
                "file sets one.",
            )
        )
    return Told((f"One pixel is {in_words(mm_per_px, 3)} mm.",), ("knowledge",))


def image(known: Known, _regions: Sequence[Region]) -> Told:
    """How large the image is; the part on it is not measured."""
    height, width = known.inspection.size_HW
    mm_per_px = known.inspection.sight.mm_per_px
    exact = (
        ""
        if mm_per_px is None
        else (f" ({in_words(width * mm_per_px, 3)} × {in_words(height * mm_per_px, 3)} mm)")
    )
    return Told(
        (
            f"The image is {width} × {height} px{exact}.",
            "The part on it is not measured, only the places that stand out.",
        )
    )


def count(known: Known, _regions: Sequence[Region]) -> Told:
    """How many regions there are, each named."""
    regions = known.inspection.regions
    if not regions:
        return _none(known)
    number = "1 place stands" if len(regions) == 1 else f"{len(regions)} places stand"
    crowded = any(check.or_more for check in known.inspection.clause_checks)
    more = "; there may be more than were told apart" if crowded else ""
    ids = tuple(region.id for region in regions)
    return Told((f"{number} out{more}.", *named(regions)), ids, ids)


def _each(known: Known, regions: Sequence[Region], words: Callable[[Region], str]) -> Told:
    if not regions:
        return _none(known)
    ids = tuple(region.id for region in regions)
    said = (words(region) for region in regions[:MAX_PLACES])
    return Told((*said, *_rest(regions)), ids, ids)


def _none(known: Known) -> Told:
    if known.inspection.verdict == "accept":
        return Told((NO_PLACE, known.inspection.decision.reason), ("anomaly",))
    return Told((NO_PLACE,), ("anomaly",))
