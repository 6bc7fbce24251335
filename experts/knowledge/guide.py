"""The Knowledge Guide: computes a line's rules on the regions that were found."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from experts.errors import ImageError
from experts.evidence import Clause, ClauseCheck, Region, Sight, Unruled
from experts.knowledge.reading import Knowledge
from experts.knowledge.relevance import Excerpt, Relevance
from experts.knowledge.schema import View, Zone
from experts.knowledge.zones import (
    area_px,
    distance_to_border,
    distance_to_edge,
    lies_in,
    touches,
)

# Three pixels of 0.1 mm are 0.30000000000000004 mm, and within 0.3 mm.
ROUNDING = 1e-9


class Scene(NamedTuple):
    """An image as the rules see it.

    Attributes:
        size_HW: In pixels.
        sight: Its view and scale, and where zones lie.
        limit: The patch score that only alpha of normal images reach.
        crowded: Whether there may be more places than were told apart.
    """

    size_HW: tuple[int, int]
    sight: Sight
    limit: float
    crowded: bool = False


class Findings(NamedTuple):
    """What a line's rules say of an image.

    Attributes:
        checks: Of each clause that may apply.
        unruled: What no clause says anything about.
        excerpt: What of the file matters.
    """

    checks: tuple[ClauseCheck, ...]
    unruled: tuple[Unruled, ...]
    excerpt: Excerpt


class KnowledgeGuide:
    """Computes the clauses of a line on the regions of an image."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._defects = frozenset(defect.name for defect in knowledge.file.defects)
        self._relevance = Relevance(knowledge)
        self._zones = {zone.name: zone for zone in knowledge.file.zones}

    def view_of(self, name: str, asked: str | None = None) -> View | None:
        """Which of the line's views an image shows; ``None`` if the line knows no views.

        Args:
            name: Of the image's file.
            asked: The view that the user says it is.

        Raises:
            ImageError: If there is no such view, or nothing tells which one it is.
        """
        views = self.knowledge.file.views
        known = ", ".join(view.name for view in views) or "none"
        if asked is not None:
            view = self.knowledge.view_named(asked)
            if view is None:
                raise ImageError(
                    f"{name}: is said to show view {asked!r}; the knowledge file has {known}"
                )
            return view
        file_name = PurePath(name).name
        found = [v for v in views if v.match and fnmatch.fnmatch(file_name, v.match)]
        if not found and len(views) == 1 and views[0].match is None:
            found = views
        if views and len(found) != 1:
            says = "nothing tells" if not found else "several patterns say"
            raise ImageError(
                f"{name}: {says} which view it shows ({known}); say so with --view, or give each "
                "view a 'match:' for its file names"
            )
        return found[0] if found else None

    def sight(self, name: str, corners_xy: Sequence[Sequence[float]], asked: str | None) -> Sight:
        """How the rules look at an image; where nothing tells which view it shows, that is said.

        Args:
            name: Of the image's file.
            corners_xy: What relative coordinates refer to, see ``Sight``.
            asked: The view that the user says it is.

        Raises:
            ImageError: If there is no view that is called so.
        """
        corners = tuple((float(x), float(y)) for x, y in corners_xy)
        file = self.knowledge.file
        try:
            view = self.view_of(name, asked)
        except ImageError as error:
            if asked is not None:
                raise
            return Sight(corners_xy=corners, fault=str(error))
        scale = view.mm_per_px if view and view.mm_per_px is not None else file.mm_per_px
        return Sight(view=view.name if view else None, mm_per_px=scale, corners_xy=corners)

    def check(self, regions: Sequence[Region], scene: Scene) -> Findings:
        """Check the clauses that may apply, each on the regions that may be its defect.

        The checks come in file order. The kinds of a region say which defects it may be, if the
        file has all of them. As long as nothing tells, or it is of no kind that was shown, or may
        be of a kind that the file does not have, it may be any defect of the file. The strictest of
        its clauses decides. Of a region that touches a clause's zone the whole counts.
        """
        measuring = _Measuring(scene, self._zones_of(scene.sight.view))
        if scene.sight.fault is not None:
            return Findings((), (), self._excerpt(regions, None, ""))
        checks = []
        for clause in self.knowledge.clauses:
            concerned = [
                region
                for region in regions
                if self._may_be(region, clause.defect) and measuring.is_in(region, clause.zone)
            ]
            if concerned or not regions:
                check = measuring.check(clause, concerned)
                checks.append(_at_least(check) if scene.crowded else check)
        unruled = (u for region in regions for u in self._unruled(region, measuring))
        excerpt = self._excerpt(regions, measuring, "")
        return Findings(tuple(checks), tuple(unruled), excerpt)

    def _unruled(self, region: Region, measuring: _Measuring) -> Iterator[Unruled]:
        """What a region may be that no clause says anything about, all over it.

        Once the region grows, a clause for a zone that it touches then is no reason to allow more.
        """
        for name in self.candidates(region) or (None,):
            clauses = [c for c in self.knowledge.clauses if c.defect in (name, None)]
            zones = tuple(dict.fromkeys(c.zone for c in clauses if c.zone is not None))
            if any(c.zone is None for c in clauses) or measuring.is_covered(region, zones):
                continue
            yield Unruled(region_id=region.id, defect=name, zones=zones)

    def relevant(
        self, regions: Sequence[Region], scene: Scene | None = None, question: str = ""
    ) -> Excerpt:
        """What of the file matters for some places, or for a question.

        Args:
            regions: The places; without any, the whole file may matter.
            scene: The image that they lie in.
            question: What a person asks.
        """
        measuring = _Measuring(scene, self._zones_of(scene.sight.view)) if scene else None
        return self._excerpt(regions, measuring, question)

    def _excerpt(
        self, regions: Sequence[Region], measuring: _Measuring | None, question: str
    ) -> Excerpt:
        names = (name for region in regions for name in self.candidates(region))
        wanted = frozenset(names) if regions else self._defects
        zones = {z for r in regions for z in measuring.zones_of(r)} if measuring else set()
        return self._relevance.excerpt(wanted, regions, zones, question)

    def candidates(self, region: Region) -> tuple[str, ...]:
        """The defects of the file that a region may be, in file order."""
        names = (defect.name for defect in self.knowledge.file.defects)
        return tuple(name for name in names if self._may_be(region, name))

    def _zones_of(self, view: str | None) -> dict[str, Zone]:
        """The zones of a view; those without one are on each."""
        return {n: z for n, z in self._zones.items() if z.view is None or z.view == view}

    def _may_be(self, region: Region, defect: str | None) -> bool:
        told = self._told(region)
        return defect is None or not told or defect in told

    def _told(self, region: Region) -> tuple[str, ...]:
        """The defects of the file that the kinds of a region say it may be, if they say so."""
        kinds = region.kinds.names if region.kinds else ()
        names = [self.knowledge.defect_named(kind) for kind in kinds]
        return tuple(name for name in names if name is not None) if all(names) else ()


class _Measuring:
    """Measures the regions of one image in the units of clauses."""

    def __init__(self, scene: Scene, zones: dict[str, Zone]) -> None:
        self._scene = scene
        self._zones = zones
        self._touched: dict[str, tuple[str, ...]] = {}

    def zones_of(self, region: Region) -> tuple[str, ...]:
        """The zones that a region touches."""
        if region.id not in self._touched:
            sight = self._scene.sight
            names = (name for name, zone in self._zones.items() if touches(region, zone, sight))
            self._touched[region.id] = tuple(names)
        return self._touched[region.id]

    def is_in(self, region: Region, zone: str | None) -> bool:
        return zone is None or zone in self.zones_of(region)

    def is_covered(self, region: Region, zones: Sequence[str]) -> bool:
        """Whether all of a region lies in some zones."""
        known = [self._zones[zone] for zone in zones if zone in self._zones]
        return lies_in(region, known, self._scene.sight)

    def check(self, clause: Clause, regions: Sequence[Region]) -> ClauseCheck:
        values = {region.id: self._value(clause, region) for region in regions}
        if clause.quantity in ("count", "total_area"):
            measured = math.fsum(values.values())
            broken_by = () if _holds(clause, measured) else tuple(values)
        else:
            worst = min if clause.is_lower else max
            # Without any region, nothing is too close to an edge.
            measured = worst(values.values(), default=math.inf if clause.is_lower else 0.0)
            broken_by = tuple(i for i, value in values.items() if not _holds(clause, value))
        return ClauseCheck(
            id=f"clause:{clause.id}",
            clause=clause,
            measured=measured,
            within=_holds(clause, measured),
            region_ids=tuple(values),
            broken_by=broken_by,
        )

    def _value(self, clause: Clause, region: Region) -> float:
        if clause.quantity == "count":
            return 1.0
        if clause.quantity == "score":
            return region.peak_score / self._scene.limit
        if clause.quantity in ("area", "total_area"):
            return self._in_unit(clause, float(region.area_px), power=2)
        return self._in_unit(clause, self._length(clause, region), power=1)

    def _length(self, clause: Clause, region: Region) -> float:
        if clause.quantity == "length":
            return region.length_px
        if clause.quantity == "width":
            return region.width_px
        if clause.quantity == "diameter":
            return math.sqrt(4 * region.area_px / math.pi)
        if clause.zone is not None:
            return distance_to_border(region, self._zones[clause.zone], self._scene.sight)
        return distance_to_edge(region, self._scene.size_HW)

    def _in_unit(self, clause: Clause, pixels: float, *, power: int) -> float:
        if clause.unit == "%":
            return 100 * pixels / self._whole(clause, power)
        if clause.unit == "mm":
            # A limit in mm without a scale is a fault of the file.
            return float(pixels * (self._scene.sight.mm_per_px or math.inf) ** power)
        return pixels

    def _whole(self, clause: Clause, power: int) -> float:
        if power == 1:
            return float(max(self._scene.size_HW))
        if clause.zone is not None:
            return max(area_px(self._zones[clause.zone], self._scene.sight), 1.0)
        height, width = self._scene.size_HW
        return float(height * width)


def _at_least(check: ClauseCheck) -> ClauseCheck:
    """What is counted or summed where not all places were told apart: there may be more."""
    if check.clause.quantity not in ("count", "total_area") or not check.region_ids:
        return check
    return check.model_copy(
        update={"or_more": True, "within": False, "broken_by": check.region_ids}
    )


def _holds(clause: Clause, value: float) -> bool:
    if clause.is_lower:
        return value >= clause.limit * (1 - ROUNDING)
    return value <= clause.limit * (1 + ROUNDING)
