"""What a sentence says of how an image ranks among the normal ones."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.facts import Facts
from experts.claims.reading import Claim, Reading
from experts.claims.words import COUNT_WORDS, listed

_ALL = listed("all every any each alle jedes")
_NONE = listed("none no keines kein")
_NORMAL = listed("normal good calibration enrolled")
_BETWEEN = listed("of the other single but")
_LESS = listed("lower less below under smaller fewer beneath")
_LOOK_AHEAD = 6

_BELOW = ("below", "under", "smaller than", "less than", "lower than", "at most")
_ABOVE = ("above", "over", "larger than", "greater than", "higher than", "more than", "exceeds")


def rank_claims(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """Beyond all 99 normal images, two of the normal ones score as high, p is below alpha."""
    yield from _against_alpha(reading, facts)
    for index in range(len(reading.tokens)):
        word = reading.word(index)
        if index in reading.used or word not in _ALL | _NONE | COUNT_WORDS.keys():
            continue
        last = _normal_behind(reading, index, facts)
        if last is None:
            continue
        above = facts.numbers["above"]
        if word in COUNT_WORDS:
            # "Three normal images" are those that it was compared with.
            few = reading.word(index + 1) == "of"
            right = COUNT_WORDS[word] in (above if few else facts.numbers["compared"])
        elif reading.word(index + 1) == "but":
            right = bool(above)
        else:
            right = not above
        reading.use(index, index)
        if _LESS.intersection(reading.words_before(index, 4)):
            yield Claim("number", "doubt", "how it ranks is not clear")
        else:
            yield Claim("number", "right" if right else "wrong", "that is not how it ranks")


def _against_alpha(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """The p-value is below alpha."""
    for index in range(len(reading.tokens)):
        if not reading.follows(index, "p value", "p"):
            continue
        for at in reading.after(index, _LOOK_AHEAD):
            length = reading.follows(at, *_BELOW) or reading.follows(at, *_ABOVE)
            behind = {reading.word(at + length), reading.word(at + length + 1)}
            if not length or "alpha" not in behind:
                continue
            noes = reading.negators(range(index, at))
            reading.used.update((*noes, *range(at, at + length)))
            says_below = bool(reading.follows(at, *_BELOW)) != bool(noes)
            right = (facts.numbers["p"][0] <= facts.numbers["alpha"][0]) == says_below
            yield Claim("number", "right" if right else "wrong", "that is not how it ranks")
            break


def _normal_behind(reading: Reading, index: int, facts: Facts) -> int | None:
    """Where normal images are named behind a number."""
    for at in range(index + 1, index + _LOOK_AHEAD):
        word = reading.word(at)
        if word in _NORMAL and (reading.word(at + 1) in facts.parts_words | {"images", "ones"}):
            return at + 1
        if not (reading.is_number(at) or word in _BETWEEN or word in COUNT_WORDS):
            return None
    return None
