"""The clauses of a file, measured on regions by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experts.decoder.regions import measure_region
from experts.evidence import ClauseCheck, Region, Sight
from experts.knowledge import KnowledgeGuide, Scene, load_knowledge


def block(height: int, width: int, name: str) -> Region:
    """A solid region; the washer's scale is 0.5 mm per pixel."""
    grey = np.zeros((64, 64), np.float32)
    return measure_region(name, np.ones((height, width), bool), (1, 1), 1.0, grey, 0.5)


SCENE = Scene((64, 64), Sight.of_image((64, 64), mm_per_px=0.5), 0.5)


def checks_of(path: Path, *regions: Region) -> dict[str, ClauseCheck]:
    checks = KnowledgeGuide(load_knowledge(path)).check(regions, SCENE).checks
    return {check.clause.id: check for check in checks}


def test_measures_by_hand(washer_file: Path) -> None:
    checks = checks_of(washer_file, block(1, 10, "region-1"), block(7, 7, "region-2"))
    expected = {
        "pit.count": (2, True, ()),
        "pit.area": (49, False, ("region-2",)),
        "pit.area_mm": (12.25, False, ("region-2",)),
        "scratch.length": (10, True, ()),
        "scratch.length_mm": (5, False, ("region-1",)),
        "scratch.width": (7, False, ("region-2",)),
        "scratch.width_mm": (3.5, False, ("region-2",)),
    }
    assert list(checks) == list(expected)
    for name, (measured, within, broken_by) in expected.items():
        check = checks[name]
        assert check.id == f"clause:{name}"
        assert check.measured == pytest.approx(measured), name
        assert (check.within, check.broken_by) == (within, broken_by), name
        assert check.region_ids == ("region-1", "region-2")


def test_a_limit_holds_at_its_very_value_and_breaks_beyond(washer_file: Path) -> None:
    at_limit = checks_of(washer_file, block(6, 8, "region-1"), block(1, 1, "region-2"))
    assert all(at_limit[name].within for name in ("pit.count", "pit.area", "pit.area_mm"))
    names = ["region-1", "region-2", "region-3"]
    beyond = checks_of(washer_file, *(block(7, 7, name) for name in names))
    assert not any(beyond[name].within for name in ("pit.count", "pit.area", "pit.area_mm"))


def test_no_region_breaks_nothing(washer_file: Path) -> None:
    checks = checks_of(washer_file)
    assert {(check.measured, check.within, check.region_ids) for check in checks.values()} == {
        (0, True, ())
    }
