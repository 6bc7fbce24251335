"""What a sentence says of where something is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from experts.claims.facts import PlaceFacts
from experts.claims.reading import Edit, Reading
from experts.claims.words import listed

_TOP = listed("top upper uppermost topmost oben obere oberen oberer oberes north northern")
_BOTTOM = listed(
    "bottom lower lowermost bottommost unten untere unteren unterer unteres south southern"
)
_LEFT = listed("left leftmost links linke linken linker linkes west western lefthand")
_RIGHT = listed("right rightmost rechts rechte rechten rechter rechtes east eastern righthand")
_MIDDLE = listed(
    "centre center middle central mid centered centred mitte mittig mittlere mittleren"
)
_BOTH = {
    "northwest": ("top", "left"), "northeast": ("top", "right"), "southwest": ("bottom", "left"),
    "southeast": ("bottom", "right"),
}  # fmt: skip
_EDGE = listed("edge border rim margin boundary rand kante")
_HALVES = listed("half halfway halfte quadrant quarter viertel")
_CORNER = listed("corner corners ecke")
_PARTS = listed(
    "side hand third part portion section area region end zone most seite drittel bereich"
)
_NOUNS = _EDGE | _HALVES | _CORNER | _PARTS
_LEAD_IN = listed(
    "the on to at far its in toward towards from near im am an der auf close upper lower very top "
    "bottom extreme"
)
_IMAGE = listed("image photo picture frame it view field surface photograph bild bildes teils")
# "Left of the hole" says where something is beside another thing, which nothing here knows.
_BESIDE = listed("above below beneath beside underneath adjacent")
_NOT_A_PLACE = listed("lower upper")
_GERMAN = {
    ("top", "left"): "oben links", ("top", ""): "oben in der Mitte",
    ("top", "right"): "oben rechts",
    ("", "left"): "links", ("", ""): "in der Mitte", ("", "right"): "rechts",
    ("bottom", "left"): "unten links", ("bottom", ""): "unten in der Mitte",
    ("bottom", "right"): "unten rechts",
}  # fmt: skip
_GERMAN_ALONE = listed("oben unten links rechts mitte")


class Where(NamedTuple):
    """Where something is said to be.

    Attributes:
        row: ``top``, ``middle`` or ``bottom``; empty if that is not said.
        column: ``left``, ``middle`` or ``right``; likewise.
        halves: Whether a half of the image is meant, not a third.
        corner: Whether it is some corner.
        edge: Whether it is some edge.
        unknown: Whether it is said in a way that cannot be checked.
        first: The first token.
        last: The last token.
    """

    row: str
    column: str
    halves: bool
    corner: bool
    edge: bool
    unknown: bool
    first: int
    last: int

    def holds(self, place: PlaceFacts) -> bool:
        """Whether that is true of a place."""
        if self.unknown:
            return False
        if self.corner and not (place.row and place.column):
            return False
        if self.edge and not place.at_edge:
            return False
        x, y = place.centre_xy
        return self._fits(self.row, place.row, y, ("top", "bottom")) and self._fits(
            self.column, place.column, x, ("left", "right")
        )

    def _fits(self, said: str, found: str, share: float, ends: tuple[str, str]) -> bool:
        if said in ends and self.halves:
            return share < 0.5 if said == ends[0] else share > 0.5
        return not said or said == (found or "middle")

    def mend(self, reading: Reading, place: PlaceFacts) -> tuple[Edit, ...]:
        """The right place in its stead, if it can be said in the words around it."""
        if self.unknown or self.edge or not (self.row or self.column):
            return ()
        words = [reading.word(i) for i in range(self.first, self.last + 1)]
        if any(word in _GERMAN_ALONE for word in words):
            german = _GERMAN[place.row, place.column]
            return (reading.edit(self.first, self.last, german),) if len(words) < 3 else ()
        if any(word.startswith(("ober", "unter", "link", "recht", "mitt")) for word in words):
            return ()
        edits = [reading.edit(self.first, self.last, place.place)]
        before = self.first - 1
        if reading.word(before) == "the" and reading.word(before - 1) in ("in", "at", "on", "near"):
            lead = "in" if place.place == "centre" else "at"
            cased = lead.capitalize() if reading.source(before - 1)[:1].isupper() else lead
            edits.append(reading.edit(before - 1, before - 1, cased))
        return tuple(edits)


def places_said(reading: Reading, parts: frozenset[str]) -> Iterator[Where]:
    """Where things are said to be.

    Args:
        reading: The sentence.
        parts: How a part is called; "the left of the part" is no place beside it.
    """
    index = 0
    while index < len(reading.tokens):
        found = None if index in reading.used else _place_at(reading, index, _IMAGE | parts)
        if found:
            reading.use(found.first, found.last)
            yield found
        index = found.last + 1 if found else index + 1


def _place_at(reading: Reading, index: int, whole: frozenset[str]) -> Where | None:
    word = reading.word(index)
    if word in _BESIDE and reading.word(index + 1) in ("the", "a", "its", "to"):
        return Where("", "", False, False, False, True, index, index)
    last = index
    words: list[str] = []
    while _is_place_word(reading, last, words):
        words.append(reading.word(last))
        last += 1
        # "The middle of the left edge" is one place.
        link = words and reading.follows(last, "of the", "of its", "part of the")
        if link and _is_place_word(reading, last + link, []):
            last += link
    last -= 1
    if not words or not _is_meant(reading, index, last, words):
        return None
    beside = reading.word(last + 1) in ("of", "from") and not _names_any(reading, last + 2, whole)
    extent = "from" in (reading.word(index - 1), reading.word(index - 2))
    return _where(index, last, frozenset(words), beside or extent)


def _is_place_word(reading: Reading, index: int, before: list[str]) -> bool:
    word = reading.word(index)
    if word in _TOP | _BOTTOM | _LEFT | _RIGHT | _MIDDLE or word in _BOTH:
        return index not in reading.used
    if word in _NOUNS:
        return bool(before) or word in _EDGE | _CORNER | _HALVES
    return word == "hand" and bool(before)


def _is_meant(reading: Reading, first: int, last: int, words: list[str]) -> bool:
    """Whether words that are said of places speak of one here."""
    sides = [w for w in words if w not in _NOUNS]
    lead = reading.word(first - 1)
    if not sides:
        return _is_at_edge(reading, first, words)
    if len(words) > 1 or words[0] in _BOTH:
        return True
    if words[0] in _NOT_A_PLACE:
        return False
    if reading.word(last + 1) == "of" or lead in _LEAD_IN:
        return lead != "on" or words[0] != "top"
    return (
        words[0] in _GERMAN_ALONE
        or words[0] in ("centered", "centred")
        or (
            words[0] in _LEFT | _RIGHT | _TOP | _BOTTOM | _MIDDLE
            and _stands_alone(reading, first, last)
        )
    )


def _is_at_edge(reading: Reading, first: int, words: list[str]) -> bool:
    """Whether something is said to be at an edge or in a corner; edges as such are no place."""
    before = reading.words_before(first, 3)
    if not before or words[0] in _HALVES:
        return False
    articles = ("the", "an", "its", "a", "one", "outer", "very")
    lead = next((word for word in before if word not in articles), "")
    return lead in ("at", "near", "along", "on", "to", "touching", "touches", "reaches", "in")


def _stands_alone(reading: Reading, first: int, last: int) -> bool:
    """Whether a side is said between marks, as in lists: "Place: left"."""
    before = first == 0 or bool(reading.mark(first - 1)) or reading.word(first - 1) == "place"
    return before and (last + 1 == len(reading.tokens) or bool(reading.mark(last + 1)))


def _where(first: int, last: int, said: frozenset[str], beside: bool) -> Where:
    rows = {r for r, w in (("top", _TOP), ("bottom", _BOTTOM)) if said & w}
    columns = {c for c, w in (("left", _LEFT), ("right", _RIGHT)) if said & w}
    for word in said & _BOTH.keys():
        rows.add(_BOTH[word][0])
        columns.add(_BOTH[word][1])
    middle = "middle" if said & _MIDDLE else ""
    return Where(
        row=min(rows, default=middle),
        column=min(columns, default=middle),
        halves=bool(said & _HALVES),
        corner=bool(said & _CORNER) and not (rows and columns),
        edge=bool(said & _EDGE) and not (rows or columns),
        unknown=len(rows) > 1 or len(columns) > 1 or beside,
        first=first,
        last=last,
    )


def _names_any(reading: Reading, index: int, whole: frozenset[str]) -> bool:
    """Whether "of" is followed by the image or the part, not by a thing in it."""
    while reading.word(index) in ("the", "this", "its", "an", "a", "whole", "des", "der"):
        index += 1
    return reading.word(index) in whole or not reading.word(index)
