"""What a sentence says of how a place looks."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.bound import Bound
from experts.claims.facts import PlaceFacts
from experts.claims.reading import Edit, Reading
from experts.claims.words import listed

_TONES = {
    **dict.fromkeys(
        listed("dark darker black blackish dunkel dunkle dunkler dunklen dunklem dunkles"), "dark"
    ),
    **dict.fromkeys(listed("bright brighter hell helle heller helles hellen hellem"), "bright"),
}
# These may mean weight, colour or light; beside a form or a comparison they are a tone.
_WEAK_TONES = {"light": "bright", "lighter": "bright", "white": "bright", "odd": "odd"}
_FORMS = {
    **dict.fromkeys(listed("line lines streak streaks linie linien strich striche"), "line"),
    **dict.fromkeys(
        listed(
            "spot spots dot dots blob blobs speck specks punkt punkte punkten fleck flecke flecken"
        ),
        "spot",
    ),
    **dict.fromkeys(listed("area areas"), "area"),
}
_SHAPES = {
    **dict.fromkeys(listed("elongated langlich langliche langlicher"), "elongated"),
    **dict.fromkeys(listed("round circular rund runde runder rundes"), "round"),
}
_OUTLINES = {"ragged": "ragged", "jagged": "ragged", "smooth": "smooth"}
_OUTLINE_NOUNS = listed("outline contour outlines contours")
_ARTICLES = listed(
    "a an one this that the thin long short small straight curved large tiny fine narrow ein eine "
    "einen einem einer"
)


def looks_said(reading: Reading) -> Iterator[Bound]:
    """How places are said to look."""
    for index in range(len(reading.tokens)):
        word = reading.word(index)
        if not word or index in reading.used:
            continue
        tone = _TONES.get(word) or _weak_tone(reading, index)
        if tone:
            yield _tone(reading, index, tone)
        elif word in _FORMS and _is_form(reading, index):
            yield _form(reading, index, _FORMS[word])
        elif word in _SHAPES and not reading.is_number(index + 1):
            yield _shape(index, _SHAPES[word])
        elif word in _OUTLINES and reading.word(index + 1) in _OUTLINE_NOUNS:
            yield _shape(index, _OUTLINES[word])


def _weak_tone(reading: Reading, index: int) -> str:
    following = reading.word(index + 1)
    beside = following in _FORMS or following in ("than", "elongated", "round")
    return _WEAK_TONES.get(reading.word(index), "") if beside else ""


def _is_form(reading: Reading, index: int) -> bool:
    """Whether a noun tells the form; "area", "the line" and "line 12" mean other things as well."""
    before = reading.word(index - 1)
    toned = before in _TONES or before in _WEAK_TONES or before in _SHAPES
    if _FORMS[reading.word(index)] == "spot":
        return True
    if _FORMS[reading.word(index)] == "area":
        return toned
    return toned or (before in _ARTICLES - {"the", "this"} and not reading.is_number(index + 1))


def _tone(reading: Reading, index: int, tone: str) -> Bound:
    than = reading.word(index + 1) == "than"
    beside = reading.word(index + 3) if reading.word(index + 2) in ("the", "its") else ""
    other = {"surrounding": "surroundings", "neighbourhood": "surroundings"}.get(beside, beside)

    def holds(place: PlaceFacts) -> bool:
        if than and other in ("reference", "surroundings") and other not in place.compared_with:
            return False
        return tone in place.tones

    def mend(place: PlaceFacts) -> tuple[Edit, ...]:
        instead = place.looks.split()[0]
        if than or reading.word(index) not in ("dark", "bright"):
            return ()
        return _swap(reading, index, instead)

    return Bound("looks", index, index, holds, mend, names=True)


def _form(reading: Reading, index: int, form: str) -> Bound:
    plural = reading.word(index).endswith("s")

    def mend(place: PlaceFacts) -> tuple[Edit, ...]:
        return () if plural else _swap(reading, index, place.looks.split()[-1])

    return Bound("looks", index, index, lambda place: form in place.forms, mend, names=True)


def _swap(reading: Reading, index: int, instead: str) -> tuple[Edit, ...]:
    """Another word, and the article that goes before it."""
    word = instead.capitalize() if reading.source(index)[:1].isupper() else instead
    edits = [reading.edit(index, index, word)]
    article = "an" if instead[0] in "aeiou" else "a"
    before = reading.word(index - 1)
    if before in ("a", "an") and before != article:
        source = reading.source(index - 1)
        cased = article.capitalize() if source[:1].isupper() else article
        edits.append(reading.edit(index - 1, index - 1, cased))
    return tuple(edits)


def _shape(index: int, shape: str) -> Bound:
    def holds(place: PlaceFacts) -> bool:
        return shape in place.forms

    return Bound("looks", index, index, holds, lambda place: (), names=True)


def tone_of(word: str) -> str:
    """The tone that a word says: ``dark``, ``bright``, or nothing."""
    return _TONES.get(word, "")


def form_of(word: str) -> str:
    """The form that a noun says: ``line``, ``spot``, or nothing; any place is some area."""
    form = _FORMS.get(word, "")
    return "" if form == "area" else form
