"""A closer look that sees nothing does not talk away what stood out on the whole image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from echo import ProductLine
from experts.tools.call import Call
from experts.tools.scene import Scene
from experts.tools.toolbox import Toolbox
from tests.conftest import bad_part, good_part
from tests.looks import gear_of, marked, scene_of

BOX = (24, 24, 56, 56)


@pytest.fixture(scope="module")
def washer(washer_home: Path) -> ProductLine:
    return ProductLine.load("washer", home=washer_home)


@pytest.fixture(scope="module")
def scene(washer: ProductLine) -> Scene:
    """A good part of which one place counts as odd all the same, at twice the limit."""
    scene = marked(scene_of(washer, good_part(100)), BOX)
    (region,) = scene.regions
    return replace(
        scene, regions=(region.model_copy(update={"peak_score": 2 * scene.anomaly.limit}),)
    )


def zoomed(washer: ProductLine, scene: Scene, target: str) -> str:
    return Toolbox(gear_of(washer)).use(Call(tool="zoom", target=target), scene, 1).look.found


@pytest.mark.parametrize("target", ["region-1", "top left", "centre"])
def test_what_stood_out_before_is_told_beside(
    washer: ProductLine, scene: Scene, target: str
) -> None:
    found = zoomed(washer, scene, target)
    assert (
        "; nothing stands out there. On the whole image region-1 stood out, at 2.0 times what "
        "normal images reach; the verdict rests on that and stays. It was seen "
    ) in found


def test_of_several_the_strongest_counts(washer: ProductLine, scene: Scene) -> None:
    (region,) = scene.regions
    peaks = (3.0, 2.0, 1.04, 1.5)
    regions = tuple(
        region.model_copy(
            update={"id": f"region-{number}", "peak_score": peak * scene.anomaly.limit}
        )
        for number, peak in enumerate(peaks, 1)
    )
    several = replace(scene, regions=regions)
    assert "image region-1 and region-2 and 2 more stood out, at up to 3.0 times" in zoomed(
        washer, several, "centre"
    )
    assert "image region-3 stood out, at 1.04 times" in zoomed(washer, several, "region-3")


def test_elsewhere_nothing_is_added(washer: ProductLine, scene: Scene) -> None:
    for target in ("bottom right", "right edge"):
        found = zoomed(washer, scene, target)
        assert "nothing stands out there. It was seen" in found
        assert "whole image" not in found


def test_where_something_stands_out_nothing_is_added(washer: ProductLine) -> None:
    scene = scene_of(washer, bad_part(100))
    assert scene.regions
    found = zoomed(washer, scene, "region-1")
    assert "stands out" in found or "stand out" in found
    assert "On the whole image" not in found
