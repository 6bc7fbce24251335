"""What a sentence says in comparing places with each other: by their sizes, and by their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from experts.claims.bound import Bound, no_mend
from experts.claims.facts import Facts, PlaceFacts
from experts.claims.kinds import Lexicon
from experts.claims.looks import form_of, tone_of
from experts.claims.reading import Claim, Reading
from experts.claims.size_words import ORDERS, Measure
from experts.claims.words import COPULAS, FAULTS, GENERIC, listed

_Measure = Callable[[PlaceFacts], float]


_MEASURES: dict[Measure, _Measure] = {
    "area": lambda place: place.area_px,
    "length": lambda place: place.lengths_px["length"][0],
    "width": lambda place: place.lengths_px["width"][0],
    "peak": lambda place: place.numbers["peak"][0],
}
_MOST = {
    word: (_MEASURES[order.measure], order.sign) for order in ORDERS for word in order.all_most
}
_MORE = {
    word: (_MEASURES[order.measure], order.sign) for order in ORDERS for word in order.all_more
}
# These compare as well, by what nothing here measures.
_UNMEASURED = listed("deeper greater brighter darker lighter tiefer")
_OTHER_THINGS = listed(
    "reference surroundings surrounding neighbourhood referenz umgebung referenzbild"
)
_THAN = listed("than als")
_NUMBER = {"more": 1, "mehr": 1, "fewer": -1, "less": -1, "weniger": -1}
_OTHERS = listed("other others rest anderen andere ubrigen")
_SKIPPED = listed("the a an on in at der die das den dem ein eine einen im am of ones one places")
_FAR = 8
_SIDES = {
    "top": listed("top upper oben obere oberen"),
    "bottom": listed("bottom lower unten untere unteren"),
    "left": listed("left links linke linken"),
    "right": listed("right rechts rechte rechten"),
    "centre": listed("centre center middle mitte"),
}


class _Side(NamedTuple):
    """What stands on one side of a comparison.

    Attributes:
        places: The places that are meant.
        tokens: The tokens that say so.
    """

    places: tuple[PlaceFacts, ...]
    tokens: tuple[int, ...]


def superlatives(reading: Reading, facts: Facts) -> Iterator[Bound]:
    """The largest place, the longest; "am größten"."""
    for index in range(len(reading.tokens)):
        if index in reading.used or reading.word(index) not in _MOST:
            continue
        measure, sign = _MOST[reading.word(index)]
        most = max((sign * measure(place) for place in facts.places), default=0.0)

        def holds(
            place: PlaceFacts, measure: _Measure = measure, sign: int = sign, most: float = most
        ) -> bool:
            return sign * measure(place) >= most

        reading.use(index, index)
        yield Bound("rank", index, index, holds, no_mend, names=True)


def comparisons(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """Region-2 is larger than region-1; there are more dark places than bright ones."""
    for index in range(len(reading.tokens)):
        word = reading.word(index)
        if index in reading.used:
            continue
        if word in _NUMBER and (claim := _by_number(reading, index, facts, lexicon)):
            yield claim
        elif word in _MORE or word in _UNMEASURED:
            yield from _by_size(reading, index, facts, lexicon)


def _by_size(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    word = reading.word(index)
    beside = {reading.word(i) for i in range(index + 1, index + 5)}
    if _OTHER_THINGS & beside or _is_bound(reading, index):
        return
    unclear = Claim("rank", "doubt", "what it is compared with is not clear")
    if word in _UNMEASURED or reading.word(index + 1) not in _THAN:
        yield unclear
        return
    this = _named(reading, sorted(reading.before(index, _FAR)), facts, lexicon)
    this = this or _nearest_region(reading, index, facts)
    others = _named(reading, reading.after(index + 1, _FAR), facts, lexicon)
    others = others or (_all_others(reading, index + 2, this, facts) if this else None)
    if this is None or others is None:
        yield unclear
        return
    measure, sign = _MORE[word]
    noes = reading.negators(reading.before(index, _FAR))
    reading.used.update((*this.tokens, index, index + 1, *others.tokens, *noes))
    least = min(sign * measure(place) for place in this.places)
    right = least > max(sign * measure(place) for place in others.places)
    state = len(noes) < 2 and right != bool(noes)
    yield Claim("rank", "right" if state else "wrong", "that is not how the sizes compare")


def _nearest_region(reading: Reading, index: int, facts: Facts) -> _Side | None:
    """The region that was named last: "region-2, a bright spot, is larger"."""
    named = [token.text for token in reading.tokens[:index] if token.kind == "region"]
    places = tuple(p for p in facts.places if named and p.id == named[-1])
    return _Side(places, ()) if places else None


def _all_others(reading: Reading, index: int, this: _Side, facts: Facts) -> _Side | None:
    """What "than the others" and "than all other places" mean."""
    last = next((i for i in range(index, index + 4) if reading.word(i) in _OTHERS), None)
    left = tuple(place for place in facts.places if place not in this.places)
    return _Side(left, tuple(range(index, last + 1))) if left and last is not None else None


def _is_bound(reading: Reading, index: int) -> bool:
    """Whether it is compared with a number or a rule: "longer than 0.9 mm", "than allowed"."""
    behind = index + 2
    while reading.word(behind) in _SKIPPED | {"about", "etwa"}:
        behind += 1
    rules = listed("allowed limit limits permitted alpha erlaubt zulassig grenzwert limitations")
    return reading.is_number(behind) or reading.word(behind) in rules


def _named(reading: Reading, near: Sequence[int], facts: Facts, lexicon: Lexicon) -> _Side | None:
    """The places that regions, or kinds of which there is one place, name nearby."""
    places: list[PlaceFacts] = []
    tokens: list[int] = []
    for index in near:
        token = reading.tokens[index]
        if token.kind == "region":
            found = [p for p in facts.places if p.id == token.text]
        elif token.text in ("region", "place") and reading.is_number(index + 1):
            name = f"region-{reading.tokens[index + 1].text.lstrip('0')}"
            found = [p for p in facts.places if p.id == name]
        elif match := lexicon.at(reading, index):
            found = [p for p in facts.places if match.name in p.kinds]
            found = found if len(found) == 1 else []
            tokens += range(index, index + match.length) if found else ()
        else:
            continue
        if not found:
            return None
        places += found
    return _Side(tuple(places), tuple(tokens)) if places else None


def _by_number(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> Claim | None:
    """More of some places than of others; nothing if it is no such sentence."""
    than = next((i for i in reading.after(index, _FAR) if reading.word(i) in _THAN), None)
    if than is None or than == index + 1:
        return None
    end = next((i for i in reading.after(than, _FAR) if reading.word(i) in COPULAS), None)
    behind = range(than + 1, end) if end else reading.after(than, _FAR)
    this, other = (
        _counted(reading, span, facts, lexicon) for span in (range(index + 1, than), behind)
    )
    unclear = Claim("count", "doubt", "what is counted is not clear")
    if this is None or other is None or facts.crowded:
        return unclear
    noes = reading.negators(reading.before(index, _FAR))
    if noes:
        return unclear
    reading.use(index, behind[-1])
    sign = _NUMBER[reading.word(index)]
    right = sign * (this - other) > 0
    return Claim("count", "right" if right else "wrong", "that is not how many there are")


def _counted(reading: Reading, span: Sequence[int], facts: Facts, lexicon: Lexicon) -> int | None:
    """How many places have the looks, the kind and the place that some words say."""
    places = list(facts.places)
    told = False
    for index in span:
        word = reading.word(index)
        side = next((side for side, words in _SIDES.items() if word in words), "")
        if match := lexicon.at(reading, index):
            certain = [p for p in places if p.kinds == (match.name,)]
            if len(certain) != sum(match.name in p.kinds for p in places):
                return None
            places, told = certain, True
        elif tone := tone_of(word):
            places, told = [p for p in places if tone in p.tones], True
        elif form := form_of(word):
            places, told = [p for p in places if form in p.forms], True
        elif side:
            places, told = [p for p in places if side in p.place.split()], True
        elif word and word not in _SKIPPED | GENERIC - FAULTS:
            return None
    return len(places) if told else None
