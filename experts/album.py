"""What a language model is shown of an inspection: images, each below its heading, and numbers.

It sees the photo, a good part, the map over the photo with the outline of each place, and each
place enlarged beside the same place of the good part. Masks as visual evidence are those of
IAD-GPT; that comparison is what lifts small models is reported for AD-Copilot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from experts.drawing import heat
from experts.evidence import AnomalyMap, ClauseCheck, Reference, Region, Step
from experts.images import Picture
from experts.knowledge import Excerpt, KnowledgeFile
from experts.mllm import Content
from experts.mllm.prompts import prompts

# A place is shown with so much around it, as a share of its longer side, and enlarged to so many
# pixels at least: models see little in small images.
MARGIN = 0.5
MIN_SIDE_PX = 336
# The map says where, not what: a small one does.
MAP_PX = 512
# Of many places the strongest are shown.
MAX_SHOWN = 3
GAP_PX = 8


class Seen(NamedTuple):
    """What there is to think about.

    Attributes:
        picture: The image.
        references: Most similar normal images; the first is shown.
        anomaly: Map, score and p-value.
        regions: Places that stand out.
        checks: Clauses that may apply.
        excerpt: What of the knowledge file matters.
        steps: What was found so far.
    """

    picture: Picture
    references: Sequence[Reference]
    anomaly: AnomalyMap
    regions: Sequence[Region]
    checks: Sequence[ClauseCheck]
    excerpt: Excerpt
    steps: Sequence[Step]


class Album:
    """Lays out what a model is shown.

    Args:
        knowledge: Of the line.
        normal: Gives a normal image, RGB, at least as a small copy.
    """

    def __init__(
        self, knowledge: KnowledgeFile | None, normal: Callable[[Reference], Image.Image]
    ) -> None:
        self._knowledge = knowledge
        self._normal = normal
        self._texts = prompts().shown

    @property
    def product(self) -> str:
        """How the product is called."""
        return self._knowledge.product if self._knowledge else "part"

    def of(self, seen: Seen) -> Iterator[Content]:
        """Headings and images in the order in which they are seen, then what was measured."""
        texts, product = self._texts, self.product
        if self._knowledge:
            yield texts.normal.format(normal=self._knowledge.normal)
        normal = self._normal(seen.references[0]) if seen.references else None
        if normal is not None:
            yield texts.reference.format(product=product)
            yield normal
        photo = Image.fromarray(seen.picture.rgb_HW3)
        yield texts.query.format(product=product)
        yield photo
        yield texts.map
        yield overlay(seen)
        for region in seen.regions[:MAX_SHOWN]:
            yield texts.region.format(id=region.id, place=region.place, product=product)
            yield beside(photo, normal, region)
        if seen.steps:
            told = "\n".join(f"- {step.looked_at}: {step.found}" for step in seen.steps)
            yield texts.measured.format(steps=told)


def overlay(seen: Seen) -> Image.Image:
    """The map over the photo, with the outline and the number of each place."""
    photo = Image.fromarray(heat(seen.anomaly, seen.picture.rgb_HW3))
    scale = min(1.0, MAP_PX / max(photo.size))
    sheet = photo.resize((max(1, round(photo.width * scale)), max(1, round(photo.height * scale))))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for region in seen.regions:
        left, top, right, bottom = (value * scale for value in region.box_xyxy)
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline="white")
        number = region.id.removeprefix("region-")
        at = (left + 3, top + 1)
        draw.text(at, number, "white", font=font, stroke_width=2, stroke_fill="black")
    return sheet


def beside(photo: Image.Image, normal: Image.Image | None, region: Region) -> Image.Image:
    """A region with its surroundings, and on its right the same place of a normal image.

    Args:
        photo: The image.
        normal: The normal one, of any size; without one the place stands alone.
        region: The place, outlined by its mask in neither of the two: it would hide what it shows.
    """
    cut = crop(photo, region)
    if normal is None:
        return cut
    left, top, right, bottom = surroundings(photo.size, region)
    across, down = normal.width / photo.width, normal.height / photo.height
    same = normal.resize(
        cut.size,
        Image.Resampling.BICUBIC,
        box=(left * across, top * down, right * across, bottom * down),
    )
    sheet = Image.new("RGB", (2 * cut.width + GAP_PX, cut.height), "white")
    sheet.paste(cut, (0, 0))
    sheet.paste(same, (cut.width + GAP_PX, 0))
    return sheet


def crop(photo: Image.Image, region: Region) -> Image.Image:
    """A region with its surroundings, enlarged if it is small."""
    cut = photo.crop(surroundings(photo.size, region))
    scale = max(1.0, MIN_SIDE_PX / max(cut.size))
    return cut.resize((round(cut.width * scale), round(cut.height * scale)))


def surroundings(size: tuple[int, int], region: Region) -> tuple[int, int, int, int]:
    """The box of a region and a margin around it: left, top, right, bottom.

    Args:
        size: Width and height of the image.
        region: The place.
    """
    left, top, right, bottom = region.box_xyxy
    margin = MARGIN * max(right - left, bottom - top)
    return (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(size[0], int(right + margin) + 1),
        min(size[1], int(bottom + margin) + 1),
    )
