"""Which place of an image is meant: a region by its id, or a place in words."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from experts.decoder.descriptor import crop_window
from experts.evidence import Region
from experts.tools.aligning import Window
from experts.tools.scene import Scene

Box = tuple[int, int, int, int]

# Along the vertical and the horizontal a place in words is a third, an edge a sixth.
THIRDS, EDGE = 3, 6


def listed(words: str) -> frozenset[str]:
    """Words that stand in one string."""
    return frozenset(words.split())


_ROWS = {
    "top": listed(
        "top upper uppermost topmost above oben obere oberer oberen oberem oberes oberste obersten "
        "oberhalb"
    ),
    "bottom": listed(
        "bottom lower lowest bottommost below unten untere unterer unteren unterem unteres "
        "unterste untersten unterhalb"
    ),
}
_COLUMNS = {
    "left": listed(
        "left leftmost lefthand links linke linker linken linkem linkes linksseitig lhs"
    ),
    "right": listed(
        "right rightmost righthand rechts rechte rechter rechten rechtem rechtes rhs rechtsseitig"
    ),
}
_MIDDLE = listed(
    "middle centre center central centered mid mitte mittig mittlere mittlerer mittleren mittlerem "
    "mittleres zentrum zentral"
)
_EDGE = listed("edge edges rim border margin side kante rand seite oberkante unterkante")
_WHOLE = listed(
    "all everything everywhere image photo picture whole entire ganz ganze ganzen ganzes alles "
    "bild foto uberall"
)
# These name a place and that it is an edge in one word.
_COMPOUND = {
    "oberkante": "oben kante",
    "unterkante": "unten kante",
    "oberseite": "oben seite",
    "unterseite": "unten seite",
    "topleft": "top left",
    "topright": "top right",
    "bottomleft": "bottom left",
    "bottomright": "bottom right",
    "upperleft": "top left",
    "upperright": "top right",
    "lowerleft": "bottom left",
    "lowerright": "bottom right",
}

# A number that goes on, as 2.5 does, or has a unit counts no places.
_NUMBER = r"(\d{1,6})\b(?! (?:\d|px|mm|cm|percent|prozent))"
_NUMBERED = re.compile(
    r"\b(?:regions?|places?|spots?|defects?|number|no|bereiche?|stellen?|flecken?|fleck|defekte?|"
    rf"fehler|nummer|nr) {_NUMBER}(?: (?:and|or|und|oder|than|als) {_NUMBER})?|"
    r"^(\d{1,6})$"
)


class Target(NamedTuple):
    """What is meant.

    Attributes:
        words: How sentences call it, for example ``region-1`` or ``the top left``.
        box_xyxy: Pixels; right and bottom are exclusive.
        region: The region, if one is meant by its id.
    """

    words: str
    box_xyxy: Box
    region: Region | None = None

    @property
    def begin(self) -> str:
        """The words as a sentence begins with them."""
        return self.words[0].upper() + self.words[1:]


def find_target(asked: str, scene: Scene) -> Target | str:
    """The place that is meant, or a sentence that says why there is none such.

    Args:
        asked: The id of a region or its number, or a place in English or German words.
        scene: The image.
    """
    text = fold(asked)
    if not text:
        return f"Nothing says which place is meant; {_known(scene)}."
    if numbers := numbers_in(text):
        region = scene.region(f"region-{numbers[0]}")
        if region is None:
            return f"There is no region-{numbers[0]}; {_known(scene)}."
        return Target(region.id, region.box_xyxy, region)
    if (words := in_words(text)) is None:
        return f"That names no place of this image; {_known(scene)}."
    return Target(words, box_of(words, scene.picture.size_HW))


def _known(scene: Scene) -> str:
    regions = [region.id for region in scene.regions]
    verb = "is" if len(regions) == 1 else "are"
    have = f"there {verb} {', '.join(regions)}" if regions else "no single place stands out"
    return f"{have}, and places can be named by words such as top left, centre or right edge"


def numbers_in(text: str) -> list[int]:
    """The numbers of the regions that a text names, such as ``region-2`` or ``Bereich 2``.

    Args:
        text: In any letters.
    """
    found = (number.groups() for number in _NUMBERED.finditer(fold(text)))
    return [int(number) for groups in found for number in groups if number]


def in_words(text: str) -> str | None:
    """A place in plain words, such as ``the top left`` or ``the bottom edge``; ``None``: no place.

    Args:
        text: As ``fold`` gives it.
    """
    said = {part for word in text.split() for part in _COMPOUND.get(word, word).split()}
    rows = [row for row, known in _ROWS.items() if said & known]
    columns = [column for column, known in _COLUMNS.items() if said & known]
    if len(rows) > 1 or len(columns) > 1:
        return None
    if not rows and not columns:
        if said & _MIDDLE:
            return "the centre"
        return "the whole image" if said & (_WHOLE | _EDGE) else None
    if len(rows) + len(columns) == 2:
        return f"the {rows[0]} {columns[0]}"
    side = (rows + columns)[0]
    if said & _MIDDLE:
        return f"the {side} centre"
    return f"the {side} edge" if said & _EDGE else f"the {side}"


def box_of(words: str, size_HW: tuple[int, int]) -> Box:
    """The box of a place as ``in_words`` gives it."""
    height, width = size_HW
    said = words.split()
    edge, centre = "edge" in said, "centre" in said

    def span(first: str, last: str, size: int) -> tuple[int, int]:
        depth = max(1, round(size / (EDGE if edge else THIRDS)))
        if first in said:
            return 0, depth
        if last in said:
            return size - depth, size
        third = size // THIRDS
        return (third, size - third) if centre else (0, size)

    top, bottom = span("top", "bottom", height)
    left, right = span("left", "right", width)
    return left, top, right, bottom


def reaches(region: Region, box_xyxy: Box) -> bool:
    """Whether any pixel of a region lies in a box, wherever its middle is."""
    left, top, right, bottom = box_xyxy
    own_left, own_top = region.box_xyxy[:2]
    rows = slice(max(0, top - own_top), max(0, bottom - own_top))
    columns = slice(max(0, left - own_left), max(0, right - own_left))
    return bool(region.mask[rows, columns].any())


def window_of(target: Target, size_HW: tuple[int, int]) -> Window:
    """Rows and columns to look at: a region with its surroundings, or the place itself."""
    if target.region is not None:
        return crop_window(target.box_xyxy, size_HW)
    left, top, right, bottom = target.box_xyxy
    return slice(top, bottom), slice(left, right)


def fold(text: str) -> str:
    """Lower case, without accents, words apart by one blank."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.findall(r"[a-z0-9]+", letters))
