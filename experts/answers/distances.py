"""What is said of distances: from place to place, to the edge, to the centre; and of shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

from experts.answers.known import Known, Told
from experts.answers.places import MAX_PLACES, NO_PLACE
from experts.evidence import Region
from experts.tools.gaps import gap_px
from experts.wording import in_words

# Beyond so many regions only those that were spoken of, or the strongest, are set in pairs.
MAX_PAIRED = 12
_SIDES = ("left", "top", "right", "bottom")


def apart(known: Known, regions: Sequence[Region]) -> Told:
    """How far regions lie from each other, the nearest two first."""
    everywhere = known.inspection.regions
    if len(everywhere) < 2:
        return _too_few(everywhere)
    # One that is named alone is asked about as seen from the others.
    pairs = (
        [(regions[0], other) for other in everywhere if other is not regions[0]]
        if len(regions) == 1
        else list(combinations(regions[:MAX_PAIRED], 2))
    )
    gaps = sorted(((gap_px(*pair), *pair) for pair in pairs), key=lambda gap: gap[0])
    said = [
        f"Between {one.id} and {other.id} there {_lies(known, gap)}."
        for gap, one, other in gaps[:MAX_PLACES]
    ]
    if len(gaps) > MAX_PLACES:
        said.append(f"The other {len(gaps) - MAX_PLACES} pairs lie farther apart.")
    ids = tuple(dict.fromkeys(r.id for _, *pair in gaps[:MAX_PLACES] for r in pair))
    return Told(tuple(said), ids, tuple(r.id for r in everywhere if r.id in ids))


def _too_few(regions: Sequence[Region]) -> Told:
    if not regions:
        return Told((NO_PLACE,), ("anomaly",))
    only = regions[0].id
    return Told((f"Only {only} stands out, so there is no other place to measure to.",), (only,))


def _lies(known: Known, gap: float) -> str:
    return f"are {_length(known, gap)}" if round(gap) else "is nothing: they touch"


def edge(known: Known, regions: Sequence[Region]) -> Told:
    """How far regions lie from the sides of the image, the nearest first."""
    height, width = known.inspection.size_HW

    def sides(region: Region) -> tuple[int, int, int, int]:
        left, top, right, bottom = region.box_xyxy
        return left, top, width - right, height - bottom

    def told(region: Region) -> str:
        each = ", ".join(
            f"{_length(known, px)} from the {side}"
            for side, px in zip(_SIDES, sides(region), strict=True)
        )
        return f"{region.id} lies {each} of the image."

    return _nearest(regions, "edge", lambda region: min(sides(region)), told)


def centre(known: Known, regions: Sequence[Region]) -> Told:
    """How far the middles of regions lie from the middle of the image, the nearest first."""
    height, width = known.inspection.size_HW

    def distance(region: Region) -> float:
        left, top, right, bottom = region.box_xyxy
        return math.hypot((left + right - width) / 2, (top + bottom - height) / 2)

    return _nearest(
        regions,
        "centre",
        distance,
        lambda region: (
            f"The middle of {region.id} lies {_length(known, distance(region))} from that of the "
            "image."
        ),
    )


def _nearest(
    regions: Sequence[Region],
    to: str,
    distance: Callable[[Region], float],
    told: Callable[[Region], str],
) -> Told:
    if not regions:
        return Told((NO_PLACE,), ("anomaly",))
    order = sorted(regions, key=distance)
    said = [told(region) for region in order[:MAX_PLACES]]
    if len(order) > 1:
        said.insert(0, _compared(order, to, same=distance(order[0]) == distance(order[-1])))
    ids = tuple(region.id for region in order)
    return Told(tuple(said), ids, ids)


def _compared(order: Sequence[Region], to: str, *, same: bool) -> str:
    if same:
        return f"All {len(order)} places lie equally near to the {to}."
    first, last = order[0].id, order[-1].id
    return f"Of {len(order)} places {first} lies nearest to the {to}, {last} farthest from it."


def _length(known: Known, px: float) -> str:
    mm_per_px = known.inspection.sight.mm_per_px
    exact = "" if mm_per_px is None else f" ({in_words(px * mm_per_px, 3)} mm)"
    return f"{px:.0f} px{exact}"


def share(known: Known, _regions: Sequence[Region]) -> Told:
    """Which share of the image the regions cover."""
    inspection = known.inspection
    regions = inspection.regions
    if not regions:
        return Told((NO_PLACE,), ("anomaly",))
    height, width = inspection.size_HW
    area = sum(region.area_px for region in regions)
    covered = f"{in_words(100 * area / (height * width), 2)} % of the image ({area} px²)"
    what = (
        f"{regions[0].id} covers"
        if len(regions) == 1
        else (f"The {len(regions)} places together cover")
    )
    ids = tuple(region.id for region in regions)
    return Told((f"{what} {covered}.", "How much of it the part fills is not measured."), ids, ids)
