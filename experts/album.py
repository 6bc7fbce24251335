"""What a language model is shown of an inspection: images, each below its heading, and numbers.

It sees the photo, a good part brought onto it, the map over the photo with each place outlined, and
each place enlarged beside the same place of the good part. Masks as visual evidence are
those of IAD-GPT; that comparison is what lifts small models is reported for AD-Copilot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from experts.drawing import heat
from experts.evidence import ClauseCheck, Region, Step
from experts.knowledge import Excerpt
from experts.mllm import Content
from experts.mllm.prompts import prompts
from experts.tools.aligning import bring_onto
from experts.tools.cropping import cut
from experts.tools.drawing import enlarged
from experts.tools.places import Target
from experts.tools.scene import Equipment, Scene

# The map says where, not what: a small one does.
MAP_PX = 512
GAP_PX = 8


class Seen(NamedTuple):
    """What there is to think about.

    Attributes:
        scene: The image, its map, and the places that stand out.
        checks: Clauses that may apply.
        excerpt: What of the knowledge file matters.
        steps: What was found so far.
    """

    scene: Scene
    checks: Sequence[ClauseCheck]
    excerpt: Excerpt
    steps: Sequence[Step]


class Album:
    """Lays out what a model is shown.

    Args:
        gear: What the line has.
    """

    def __init__(self, gear: Equipment) -> None:
        self._gear = gear
        self._knowledge = gear.knowledge.file if gear.knowledge else None
        self._texts = prompts().shown

    @property
    def product(self) -> str:
        """How the product is called."""
        return self._knowledge.product if self._knowledge else "part"

    def of(self, seen: Seen) -> Iterator[Content]:
        """Headings and images in the order in which they are seen, then what was measured.

        Raises:
            LineError: If the line is damaged or was replaced since it was opened.
        """
        texts, product, scene = self._texts, self.product, seen.scene
        if self._knowledge:
            yield texts.normal.format(normal=self._knowledge.normal)
        normal = self._normal(scene)
        if normal is not None:
            picture = self._gear.photo(normal).picture
            yield texts.reference.format(product=product)
            yield Image.fromarray(bring_onto(scene.picture, picture, self._gear.framing))
        yield texts.query.format(product=product)
        yield Image.fromarray(scene.picture.rgb_HW3)
        yield texts.map
        yield overlay(scene)
        for region in scene.regions:
            heading = texts.region if normal is not None else texts.region_alone
            yield heading.format(id=region.id, place=region.place, product=product)
            yield self._beside(region, scene, normal)
        if seen.steps:
            told = "\n".join(f"- {step.looked_at}: {step.found}" for step in seen.steps)
            yield texts.measured.format(steps=told)

    def _normal(self, scene: Scene) -> Path | None:
        """The normal image that lies on the image, or else the nearest, if there is one."""
        beside = self._gear.beside(scene, 1)
        return beside[0] if beside else None

    def _beside(self, region: Region, scene: Scene, normal: Path | None) -> Image.Image:
        """A region with its surroundings, and on its right the same place of a normal image.

        It is outlined in neither of the two: that would hide what it shows.
        """
        target = Target(region.id, region.box_xyxy, region)
        crops = cut(scene, target, [normal] if normal else [], self._gear)
        shown = [enlarged(Image.fromarray(c.rgb_HW3)) for c in (crops.own, *crops.normal)]
        width = sum(image.width for image in shown) + GAP_PX * (len(shown) - 1)
        sheet = Image.new("RGB", (width, max(image.height for image in shown)), "white")
        for number, image in enumerate(shown):
            sheet.paste(image, (number * (image.width + GAP_PX), 0))
        return sheet


def overlay(scene: Scene) -> Image.Image:
    """The map over the photo, with the box and the number of each place."""
    photo = Image.fromarray(heat(scene.anomaly, scene.picture.rgb_HW3))
    scale = min(1.0, MAP_PX / max(photo.size))
    sheet = photo.resize((max(1, round(photo.width * scale)), max(1, round(photo.height * scale))))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for region in scene.regions:
        left, top, right, bottom = (value * scale for value in region.box_xyxy)
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline="white")
        number = region.id.removeprefix("region-")
        at = (left + 3, top + 1)
        draw.text(at, number, "white", font=font, stroke_width=2, stroke_fill="black")
    return sheet
