"""Scenes for closer looks: what an inspection hands to the tools, made without the graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from echo import ProductLine
from experts.decision import is_suspicious
from experts.decoder.regions import find_regions, measure_region
from experts.evidence import Region, Sight
from experts.images import ImageSource, Picture, read_picture
from experts.knowledge import Knowledge
from experts.tools.scene import Equipment, Scene


def gear_of(line: ProductLine, knowledge: Knowledge | None = None) -> Equipment:
    has_images = bool(line.manifest.images)
    return Equipment(
        encoder=line.encoder,
        framing=line.look.framing,
        decoder=line.decoder,
        finder=line.finder if has_images else None,
        extractor=line.extractor if has_images else None,
        photo=line.photo,
        knowledge=knowledge,
        alpha=line.alpha,
    )


def scene_of(
    line: ProductLine, image: ImageSource | Picture, mm_per_px: float | None = None
) -> Scene:
    """An image as the line's experts see it."""
    picture = image if isinstance(image, Picture) else read_picture(image)
    gear = gear_of(line)
    (features,) = line.see([picture])
    laid = gear.finder.find(picture) if gear.finder else None
    anomaly = gear.decoder.decode(picture, features, laid)
    suspicious = is_suspicious(anomaly, line.alpha) and anomaly.part_found
    regions = find_regions(anomaly, picture.grey_HW, mm_per_px) if suspicious else ()
    sight = Sight.of_image(picture.size_HW, mm_per_px=mm_per_px)
    references = gear.extractor.retrieve(features.embedding_E) if gear.extractor else ()
    return Scene(picture, features, sight, references, anomaly, regions)


def marked(scene: Scene, box_xyxy: tuple[int, int, int, int]) -> Scene:
    """The same scene, but as if the one place that stands out were that box."""
    left, top, right, bottom = box_xyxy
    mask_HW = np.ones((bottom - top, right - left), np.bool_)
    peak = float(scene.anomaly.scores_HW[top:bottom, left:right].max())
    region: Region = measure_region(
        "region-1", mask_HW, (left, top), peak, scene.picture.grey_HW, scene.sight.mm_per_px
    )
    return replace(scene, regions=(region,))
