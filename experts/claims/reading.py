"""A sentence taken apart: words, numbers, names and marks, and which of them a claim explains."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from experts.claims.facts import Facts
from experts.claims.text import Folded, fold
from experts.claims.words import BREAKS, NEGATORS

Kind = Literal["word", "number", "mark", "name", "clause", "region"]
State = Literal["right", "wrong", "doubt"]

_TOKEN = re.compile(
    r"[a-z]+(?:'(?!s\b)[a-z]+)*|'s\b|(?<![\w.])-?(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[+-]?\d+(?![a-z0-9]))?"
    r"|\d+(?:[.,]\d+)*|\S"
)
# These say nothing by themselves; a dash counts between numbers only.
_SILENT = frozenset("\"'*_`[]{}#.!?^")
_WRAPPED = "\"'`()[]{}<>*_,;:.!?|"
_REGION = re.compile(r"(?:region|place|defect|#)[-_ ]?#?(\d{1,4})$")
_FILE = re.compile(r"[\w./\\-]+\.(?:png|jpe?g|bmp|tiff?|webp|gif|ya?ml|json)$")


class Token(NamedTuple):
    """A piece of a sentence.

    Attributes:
        text: As it is compared; of a clause or a region its id.
        kind: What it is.
        start: Where it begins in the sentence as it came.
        end: Where it ends.
    """

    text: str
    kind: Kind
    start: int
    end: int


class Edit(NamedTuple):
    """What to write instead of a piece of a sentence."""

    start: int
    end: int
    text: str


class Claim(NamedTuple):
    """Something that a sentence says and that can be compared with the evidence.

    Attributes:
        what: For example ``verdict`` or ``place``.
        state: Whether it is right; ``doubt`` if that cannot be told.
        why: In a few words, what is wrong with it.
        edits: What would make it right, if that is clear.
    """

    what: str
    state: State
    why: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass
class Reading:
    """A sentence and what has been understood of it.

    Attributes:
        text: The sentence as it came.
        tokens: Its pieces.
        segment: For each of them the number of the part of the sentence that it is in.
        used: Those that a claim explains.
    """

    text: str
    folded: Folded
    tokens: tuple[Token, ...]
    segment: tuple[int, ...]
    used: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, sentence: str, facts: Facts) -> Reading:
        """Take a sentence apart."""
        folded = fold(sentence)
        tokens = tuple(_tokens(folded, facts))
        return cls(sentence, folded, tokens, _segments(tokens))

    def word(self, index: int) -> str:
        """The text of a word; empty for all else and beyond the ends."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind == "word":
            return self.tokens[index].text
        return ""

    def mark(self, index: int) -> str:
        """The text of a mark; empty for all else and beyond the ends."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind == "mark":
            return self.tokens[index].text
        return ""

    def is_number(self, index: int) -> bool:
        """Whether there is a number."""
        return 0 <= index < len(self.tokens) and self.tokens[index].kind == "number"

    def follows(self, index: int, *phrases: str) -> int:
        """How many tokens of the first of some phrases stand from a place on; 0 if none does."""
        for words in _by_first_word(phrases).get(self.word(index), ()):
            if all(self.word(index + i) == word for i, word in enumerate(words)):
                return len(words)
        return 0

    def has(self, words: Collection[str]) -> bool:
        """Whether any of some words is there."""
        return any(token.kind == "word" and token.text in words for token in self.tokens)

    def words_before(self, index: int, count: int) -> list[str]:
        """Up to so many words before a place, in the same part of the sentence, nearest first."""
        return [self.tokens[i].text for i in self.before(index, count) if self.word(i)]

    def before(self, index: int, count: int) -> range:
        """Places of up to so many tokens before one, in the same part, nearest first."""
        here = self.segment[index]
        stop = index - 1
        while stop >= max(0, index - count) and self.segment[stop] == here:
            stop -= 1
        return range(index - 1, stop, -1)

    def after(self, index: int, count: int) -> range:
        """Places of up to so many tokens behind one, in the same part, nearest first."""
        here = self.segment[index]
        stop = index + 1
        while stop < min(len(self.tokens), index + count + 1) and self.segment[stop] == here:
            stop += 1
        return range(index + 1, stop)

    def in_segment(self, index: int) -> Iterator[int]:
        """All places of the same part of the sentence."""
        first = index
        while first and self.segment[first - 1] == self.segment[index]:
            first -= 1
        while first < len(self.tokens) and self.segment[first] == self.segment[index]:
            yield first
            first += 1

    def negators(self, places: Iterator[int] | range) -> list[int]:
        """Which of some places say no and are not explained yet."""
        return [i for i in places if i not in self.used and is_negator(self.word(i))]

    def use(self, first: int, last: int) -> None:
        """Say that a claim explains the tokens from one to another, both included."""
        self.used.update(range(first, last + 1))

    def edit(self, first: int, last: int, text: str) -> Edit:
        """Write something instead of the tokens from one to another, both included."""
        return Edit(self.tokens[first].start, self.tokens[last].end, text)

    def source(self, index: int) -> str:
        """A token as it came."""
        return self.text[self.tokens[index].start : self.tokens[index].end]


@lru_cache(maxsize=256)
def _by_first_word(phrases: tuple[str, ...]) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        words = tuple(phrase.split())
        found.setdefault(words[0], []).append(words)
    return found


def is_negator(word: str) -> bool:
    """Whether a word says no."""
    return word in NEGATORS or word.endswith("n't")


def edited(text: str, edits: Sequence[Edit]) -> str:
    """A sentence with some pieces replaced; the first of those that overlap counts."""
    parts: list[str] = []
    end = 0
    for edit in sorted(edits):
        if edit.start >= end:
            parts += [text[end : edit.start], edit.text]
            end = edit.end
    return "".join([*parts, text[end:]])


def _tokens(folded: Folded, facts: Facts) -> Iterator[Token]:
    masked = _mask(folded.text, facts.folded_names)
    for found in re.finditer(r"\S+", masked):
        chunk, start = found[0], found.start()
        core = chunk.strip(_WRAPPED).removesuffix("'s")
        offset = start + chunk.find(core) if core else start
        kind, text = _named(core, f"`{core}`" in chunk, facts)
        if kind is None:
            yield from _plain(folded, masked, start, found.end())
            continue
        yield from _plain(folded, masked, start, offset)
        yield _token(folded, text, kind, offset, offset + len(core))
        yield from _plain(folded, masked, offset + len(core), found.end())


def _mask(text: str, names: frozenset[str]) -> str:
    """The text with names that have blanks in one piece, so that they are seen as one."""
    for name in names:
        if " " in name and name in text:
            text = text.replace(name, name.replace(" ", "\u00a4"))
    return text


def _named(core: str, ticked: bool, facts: Facts) -> tuple[Kind | None, str]:
    """What a piece without blanks is the name of, if it is one, and what it names."""
    clause = facts.clause_ids.get(core.removeprefix("clause:"))
    if clause is not None and (ticked or not core.isalpha()):
        return "clause", clause
    plain = core.replace("\u00a4", " ")
    if plain in facts.folded_names:
        return "name", plain
    if _FILE.match(core):
        return "name", ""
    region = _REGION.match(core)
    return ("region", f"region-{region[1].lstrip('0')}") if region else (None, core)


def _token(folded: Folded, text: str, kind: Kind, start: int, end: int) -> Token:
    return Token(text, kind, folded.at[start], folded.at[end - 1] + 1)


def _plain(folded: Folded, masked: str, start: int, end: int) -> Iterator[Token]:
    for found in _TOKEN.finditer(masked, start, end):
        text = found[0]
        if text == "-" and not _between_numbers(masked, found.start()):
            if not _between_blanks(masked, found.start()):
                continue
            text = ";"
        if text == "!" and masked[found.end() : found.end() + 1].isalpha():
            text = "not"
        if text in _SILENT:
            continue
        kind: Kind = "word" if text[0].isalpha() or text == "'s" else "mark"
        if any(c.isdecimal() for c in text):
            kind = "number"
        yield _token(folded, text, kind, found.start(), found.end())


def _between_numbers(text: str, dash: int) -> bool:
    return text[max(0, dash - 2) : dash].strip()[-1:].isdecimal() and (
        text[dash + 1 : dash + 3].strip()[:1].isdecimal()
    )


def _between_blanks(text: str, dash: int) -> bool:
    return text[dash - 1 : dash].isspace() and text[dash + 1 : dash + 2].isspace()


def _segments(tokens: Sequence[Token]) -> tuple[int, ...]:
    numbers, number = [], 0
    for token in tokens:
        breaks = token.text in BREAKS and token.kind in ("word", "mark")
        number += breaks
        numbers.append(number)
        number += breaks and token.kind == "mark"
    return tuple(numbers)
