"""What a sentence says of how many defects or places there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from experts.claims.facts import Facts
from experts.claims.kinds import Lexicon
from experts.claims.reading import Claim, Edit, Reading
from experts.claims.words import (
    COUNT_WORDS,
    FAULTS,
    ODDITIES,
    PLACES,
    listed,
    singular,
)

# From so many on; the words mean no number in particular.
_AT_LEAST = {
    **dict.fromkeys(listed("several multiple mehrere einige few"), 2),
    **dict.fromkeys(listed("many numerous countless lots viele zahlreiche"), 3),
}
_EXACTLY = {"single": 1, "sole": 1, "only": 1, "einzige": 1, "einziger": 1, "both": 2, "couple": 2}
_FURTHER = {"another": 2, "second": 2, "third": 3}
_ONES = ("another one", "second one", "third one", "other one", "the other", "the others")
_MORE = listed("more other further additional another weitere weiterer andere")
# Between a number and what it counts there may be so many other words.
_ADJECTIVES = 3
_LOOKS = listed("line lines spot spots dot dots blob blobs streak streaks")
# What is behind them is not counted by what stands before them.
_STOPS = listed("of the in to that is are x by px pixel pixels mm cm m um percent times")
_FREE = ("free of", "free from", "frei von", "without", "ohne")
_NOTHING_SEEN = ("nothing stands out", "nothing else stands out", "nothing sticks out")


class _Noun(NamedTuple):
    """What is counted.

    Attributes:
        at: Where it stands.
        number: How many there are; −1 if that is not certain.
        plural: Whether it stands in the plural.
    """

    at: int
    number: int
    plural: bool


def count_claims(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """What is said of the number of defects and places."""
    yield from _nothing_seen(reading, facts)
    yield from fault_claims(reading, facts)
    yield from _in_lists(reading, facts)
    for index in range(len(reading.tokens)):
        if index in reading.used:
            continue
        if reading.follows(index, *_ONES) and len(facts.places) > 1:
            yield Claim("count", "doubt", "which one is meant is not clear")
        said = _number_at(reading, index)
        if said is None:
            continue
        noun = _noun_behind(reading, index, facts, lexicon)
        if noun is not None:
            yield _compare(reading, index, said, noun, facts)


def _nothing_seen(reading: Reading, facts: Facts) -> Iterator[Claim]:
    for index in range(len(reading.tokens)):
        if length := reading.follows(index, *_NOTHING_SEEN):
            reading.use(index, index + length - 1)
            yield _claim(not facts.places, facts)


def fault_claims(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """No defects, defect-free, free of any defects, does not show any defect."""
    for index in range(len(reading.tokens)):
        word = reading.word(index)
        if word not in FAULTS | ODDITIES or index in reading.used:
            continue
        near = reading.before(index, 6)
        noes = reading.negators(near)
        free = [i for i in near if reading.follows(i, *_FREE)]
        compound = reading.word(index + 1) == "free"
        if not (noes or free or compound):
            continue
        reading.use(index, index + compound)
        reading.used.update((*noes, *free[:1], *(i + 1 for i in free[:1])))
        between = {reading.word(i) for i in near if not noes or i > noes[0]}
        if len({*noes, *free}) > 1:
            yield Claim("count", "doubt", "how many there are is not clear")
        elif between & _MORE:
            yield _claim(len(facts.places) == 1 and not facts.crowded, facts)
        elif between & {"single"} and not facts.places and word in ODDITIES:
            yield _claim(True, facts)
        else:
            clean = facts.verdict == "accept" and not facts.defects
            yield _claim(clean and (word in FAULTS or not facts.places), facts)


def _in_lists(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """Defects: 3, anomalies: none."""
    for index in range(len(reading.tokens)):
        if reading.mark(index + 1) not in (":", "=") or index in reading.used:
            continue
        said = _number_at(reading, index + 2)
        if said is None or reading.word(index) not in FAULTS | ODDITIES | PLACES:
            continue
        # "Places: 20 px" tells a size.
        if reading.is_number(index + 2) and reading.word(index + 3):
            continue
        reading.use(index, index + 2)
        found = facts.defects if reading.word(index) in FAULTS else len(facts.places)
        yield _claim(said[0] == found, facts)


def _number_at(reading: Reading, index: int) -> tuple[int, bool] | None:
    """A number, and whether it is the least that there may be."""
    word = reading.word(index)
    if reading.is_number(index):
        text = reading.tokens[index].text
        return (int(text), False) if text.isdecimal() and len(text) < 6 else None
    if word in ("no", "kein", "keine", "zero", "none"):
        return 0, False
    if word in _AT_LEAST:
        return _AT_LEAST[word], True
    if word == "only" and reading.word(index - 1) != "the":
        return None
    if word in _FURTHER:
        return _FURTHER[word], True
    if word in _EXACTLY:
        return _EXACTLY[word], False
    return (COUNT_WORDS[word], False) if word in COUNT_WORDS else None


def _noun_behind(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> _Noun | None:
    """What a number counts, if it counts places, defects or a kind of them."""
    words: list[str] = []
    for at in reading.after(index, _ADJECTIVES + 1):
        word = reading.word(at)
        if not word or word in _STOPS:
            return None
        more = bool(_MORE.intersection([*words, reading.word(index - 1)]))
        kind = lexicon.at(reading, at)
        if word in FAULTS:
            return _Noun(at, facts.defects - more if facts.defects else 0, word.endswith("s"))
        if word in PLACES | ODDITIES and not kind:
            count = _alike(facts, words, "area" if word.startswith("area") else "")
            return _Noun(at, count - more, word.endswith("s"))
        if word in _LOOKS and not kind:
            return _Noun(at, _alike(facts, words, singular(word)) - more, word.endswith("s"))
        if kind:
            last = at + kind.length - 1
            sure = [p for p in facts.places if p.kinds == (kind.name,)]
            maybe = [p for p in facts.places if kind.name in p.kinds]
            count = len(sure) if len(sure) == len(maybe) else -1
            return _Noun(last, count, reading.word(last).endswith("s"))
        words.append(word)
    return None


def _alike(facts: Facts, words: list[str], form: str) -> int:
    """How many places have the looks that are said."""
    tones = {"dark", "bright", "odd"}.intersection(words)
    looked = form if form in ("line", "spot") or tones else ""
    return sum(
        tones <= place.tones and (not looked or looked in place.forms) for place in facts.places
    )


def _compare(
    reading: Reading, index: int, said: tuple[int, bool], noun: _Noun, facts: Facts
) -> Claim:
    number, least = said
    reading.used.update(i for i in range(index, noun.at) if _number_at(reading, i))
    if reading.word(index - 1) in ("only", "nur"):
        reading.use(index - 1, index - 1)
    if reading.word(noun.at) in FAULTS:
        reading.use(noun.at, noun.at)
    if number == 0:
        # What is not there has no looks either.
        reading.use(index, noun.at)
    before = reading.words_before(index, 3)
    bound = _bound(before)
    if bound:
        reading.used.update(reading.negators(reading.before(index, 3)))
    if noun.number < 0 or (facts.crowded and not least and bound != "least"):
        return Claim("count", "doubt", "how many there are is not certain")
    right = {
        "least": noun.number >= number,
        "more": noun.number > number,
        "most": noun.number <= number,
        "less": noun.number < number,
        "": noun.number >= number if least else noun.number == number,
    }[bound]
    mend: tuple[Edit, ...] = ()
    if not right and not bound and not least and noun.number > 1 < number and noun.plural:
        mend = (reading.edit(index, index, _number_like(noun.number, reading, index)),)
    return _claim(right, facts)._replace(edits=mend)


def _bound(before: list[str]) -> str:
    """Whether "at least", "more than" and the like stand before a number, nearest word first."""
    first, second = (*before, "", "")[:2]
    if (first, second) == ("least", "at"):
        return "least"
    if (first, second) in (("most", "at"), ("to", "up")) or before[:3] == ["than", "more", "no"]:
        return "most"
    if first == "than":
        return {"more": "more", "fewer": "less", "less": "less"}.get(second, "")
    return ""


def _number_like(number: int, reading: Reading, index: int) -> str:
    words = {value: word for word, value in reversed(COUNT_WORDS.items()) if value}
    if reading.is_number(index) or number not in words:
        return str(number)
    return words[number].capitalize() if reading.source(index)[:1].isupper() else words[number]


def _claim(right: bool, facts: Facts) -> Claim:
    found = len(facts.places)
    why = f"there {'is 1 place' if found == 1 else f'are {found} places'}"
    return Claim("count", "right" if right else "wrong", why)


def names_a_fault(reading: Reading, facts: Facts) -> bool:
    """Whether a sentence speaks of a defect as one that is there, though nothing was found."""
    if facts.verdict != "accept" or facts.places:
        return False
    return any(
        reading.word(i) in FAULTS and i not in reading.used for i in range(len(reading.tokens))
    )
