"""What a sentence says of the kind of a defect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from experts.claims.facts import Facts, PlaceFacts, Words, words_of
from experts.claims.kind_words import COMMON, english_for
from experts.claims.reading import Edit, Reading
from experts.claims.words import HEDGES, listed, singular
from experts.wording import MAX_NAMED

# Names of kinds that are words for other things as well; they count behind one of these only.
_EVERYDAY = listed(
    "score colour color flip print cut cuts fold folds hole holes break wear tear tears thread "
    "bent deformed line spot area good normal dark bright light open short part edge surface burn "
    "burns split splits leak void chip chips"
)
_LOOKS = listed("dark bright black white light odd spot spots line lines area areas")
_LEADS = listed(
    "a an for kind type be or is named called no this some taken as with shows show likely "
    "possibly either of ein eine einen einem einer kein keine als oder ist art"
)
_GERMAN_ARTICLES = listed("der die das den dem ein eine einen dieser diese")
_UNKNOWN = ("unknown kind", "unknown type", "of no kind", "no known kind", "kind is unknown")
# It is one of these, and nothing tells which.
_OPEN = HEDGES | {"like", "similar", "can"}


class Match(NamedTuple):
    """A kind that a sentence names.

    Attributes:
        name: As the knowledge file calls it; empty for one that the line does not know.
        first: Its first token.
        length: Of how many tokens it is.
    """

    name: str
    first: int
    length: int


class Lexicon:
    """Finds the kinds that a sentence names, in time that does not grow with their number."""

    def __init__(self, facts: Facts) -> None:
        self._names: dict[str, list[tuple[Words, str]]] = {}
        for words, name in facts.kinds.items():
            # "Dark spot" says how a place looks, whatever it is.
            if _LOOKS.issuperset(words):
                continue
            self._names.setdefault(singular(words[0]), []).append((words, name))
        for known in self._names.values():
            known.sort(key=lambda entry: -len(entry[0]))
        self._by_head: dict[str, set[str]] = {}
        for words, name in facts.kinds.items():
            for head in {singular(words[-1]), *english_for(words[-1])}:
                self._by_head.setdefault(head, set()).add(name)
        self._longest = max((len(words) for words in facts.kinds), default=0)
        self._normal = {
            said for word in facts.normal_words for said in (singular(word), *english_for(word))
        }
        self._common = COMMON - self._normal

    def at(self, reading: Reading, index: int) -> Match | None:
        """The kind whose name begins at a token."""
        first = singular(reading.word(index))
        if not first:
            return None
        for words, name in self._names.get(first, ()):
            if self._fits(reading, index, words):
                return Match(name, index, len(words))
        if first in self._common and self._is_meant(reading, index, first):
            return Match(self._of_other_language(first), index, 1)
        return self._german_at(reading, index)

    def _of_other_language(self, english: str) -> str:
        """How the knowledge file calls in German what is said in English; empty if it does not."""
        names = self._by_head.get(english, set())
        german = {name for name in names if english_for(words_of(name)[-1])}
        return min(german) if len(german) == 1 else ""

    def _german_at(self, reading: Reading, index: int) -> Match | None:
        """A German word for a kind; the line may know it by its English name."""
        meant = english_for(reading.word(index))
        if not meant or meant & self._normal:
            return None
        if meant <= _EVERYDAY and reading.word(index - 1) not in _LEADS:
            return None
        names = {name for word in meant for name in self._by_head.get(word, ())}
        return Match(min(names) if len(names) == 1 else "", index, 1)

    def covers(self, reading: Reading, index: int) -> bool:
        """Whether a token belongs to the name of a kind that the line knows."""
        for first in range(max(0, index - self._longest), index + 1):
            match = self.at(reading, first)
            if match and match.name and first + match.length > index:
                return True
        return False

    def _fits(self, reading: Reading, index: int, words: Words) -> bool:
        said = [singular(reading.word(index + i)) for i in range(len(words))]
        if said != [singular(word) for word in words]:
            return False
        return len(words) > 1 or self._is_meant(reading, index, words[0])

    def _is_meant(self, reading: Reading, index: int, word: str) -> bool:
        return word not in _EVERYDAY or reading.word(index - 1) in _LEADS


class Kinds(NamedTuple):
    """All that one place is said to be.

    Attributes:
        names: Of the kinds, as the knowledge file has them; empty for one that it lacks.
        first: The first token.
        last: The last token.
        open: Whether more than these are left open.
        unknown: Whether it is said to be of no kind that is known.
        denied: Whether it is said to be none of these.
    """

    names: tuple[str, ...]
    first: int
    last: int
    open: bool
    unknown: bool = False
    denied: bool = False

    def holds(self, place: PlaceFacts) -> bool:
        """Whether that is true of a place."""
        if self.unknown:
            return place.unknown
        said = set(self.names)
        if self.denied:
            return not said & set(place.kinds)
        return said <= set(place.kinds) and (self.open or said >= set(place.kinds))

    def mend(self, reading: Reading, place: PlaceFacts) -> tuple[Edit, ...]:
        """What would be true of a place, if it can be said in a few words."""
        german = reading.word(self.first - 1) in _GERMAN_ARTICLES or any(
            english_for(reading.word(i)) for i in range(self.first, self.last + 1)
        )
        if (
            german
            or reading.word(self.last + 1) == "of"
            or self.unknown
            or self.denied
            or not 0 < len(place.kinds) <= MAX_NAMED
        ):
            return ()
        instead = " or ".join(filter(None, [", ".join(place.kinds[:-1]), place.kinds[-1]]))
        article = self.first - (reading.word(self.first - 1) in ("a", "an"))
        says_is = reading.word(article - 1) in ("is", "are")
        if len(place.kinds) > 1 and says_is and article < self.first:
            return (reading.edit(article - 1, self.last, f"may be {instead}"),)
        return (reading.edit(self.first, self.last, instead),)


def kinds_said(reading: Reading, lexicon: Lexicon) -> Iterator[Kinds]:
    """What kinds places are said to be of; names with "or" between them are of one place."""
    index = 0
    pending: list[Match] = []
    while index < len(reading.tokens):
        match = lexicon.at(reading, index) if index not in reading.used else None
        if match is not None:
            pending.append(match)
            index += match.length
            continue
        if length := reading.follows(index, *_UNKNOWN):
            reading.use(index, index + length - 1)
            yield Kinds((), index, index + length - 1, open=False, unknown=True)
        if pending and not _joins(reading, index):
            yield _kinds(reading, pending)
            pending = []
        index += 1
    if pending:
        yield _kinds(reading, pending)


def _joins(reading: Reading, index: int) -> bool:
    """Whether a token stands between two names of one list."""
    return reading.word(index) in ("or", "a", "an", "oder") or reading.mark(index) in (",", "/")


def _kinds(reading: Reading, matches: list[Match]) -> Kinds:
    first, last = matches[0].first, matches[-1].first + matches[-1].length - 1
    for match in matches:
        reading.use(match.first, match.first + match.length - 1)
    words = {reading.word(i) for i in reading.in_segment(first)}
    words |= {reading.word(i) for i in range(max(0, first - 4), first)}
    noes = reading.negators(reading.before(first, 4))
    reading.used.update(noes[:1])
    free = "free" in (*reading.words_before(first, 2), reading.word(last + 1))
    others = reading.word(last + 1) in ("or",) and reading.word(last + 2) == "one"
    return Kinds(
        names=tuple(match.name for match in matches),
        first=first,
        last=last,
        open=bool(words & _OPEN) or others,
        denied=bool(noes) or free,
    )
