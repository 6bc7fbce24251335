"""Which places a question points at: by number, by a place in words, or as the largest of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from experts.evidence import Region
from experts.tools import places

_ORDINALS: Mapping[str, int] = {
    word: number
    for number, words in enumerate(
        (
            "first 1st erste ersten erster erstes",
            "second 2nd zweite zweiten zweiter zweites",
            "third 3rd dritte dritten dritter drittes",
            "fourth 4th vierte vierten vierter viertes",
            "fifth 5th funfte funften funfter funftes",
        ),
        start=1,
    )
    for word in words.split()
}
# "Second look" and "at first" count nothing.
_NO_ORDINAL = re.compile(
    r"\b((a|another|one|per|second) second|second (look|time)|zweite(n|s)? mal|at first|"
    r"first (of all|thing|time)|(do|happens?) first)\b"
)
# "Is that right" and "above the limit" name no place.
_NO_PLACE = re.compile(
    r"\b(all right|right (now|away|after|answer|one|verdict|decision)|not right|"
    r"(is|was) (that|this|it) right|anything left|left over|be left|side effects?|"
    r"(above|below) (the |all |its |this )?(limits?|that|alpha|\d\w*)|oberflache\w*|recht haben)\b"
)


@dataclass(frozen=True)
class _Measure:
    """By what places are put in order.

    Attributes:
        most: Words for the first of the order; folded, as a pattern.
        least: Words for its last.
        called: What sentences call the first and the last.
        value: What the order goes by.
        told: The value in words.
    """

    most: str
    least: str
    called: tuple[str, str]
    value: Callable[[Region], float]
    told: Callable[[Region], str]


def _length(region: Region) -> str:
    return _with_mm(f"{region.length_px:.0f} px", region.length_mm, "mm")


def _width(region: Region) -> str:
    return _with_mm(f"{region.width_px:.0f} px", region.width_mm, "mm")


def _area(region: Region) -> str:
    return _with_mm(f"{region.area_px} px²", region.area_mm2, "mm²")


def _with_mm(px: str, mm: float | None, unit: str) -> str:
    from experts.wording import in_words

    return px if mm is None else f"{in_words(mm, 3)} {unit}"


_MEASURES = (
    _Measure(
        r"longe(r|st)|lang(er|ste\w*)|laeng(er|ste\w*)",
        r"shorte(r|st)|kurz(er|este\w*)|kuerz(er|este\w*)",
        ("longest", "shortest"),
        lambda region: region.length_px,
        _length,
    ),
    _Measure(
        r"wide(r|st)|broade(r|st)|thicke(r|st)|breit(er|este\w*)|dick(er|ste\w*)",
        r"narrowe(r|st)|thinne(r|st)|schmal(er|ste\w*)|dunn(er|ste\w*)|duenn(er|ste\w*)",
        ("widest", "narrowest"),
        lambda region: region.width_px,
        _width,
    ),
    _Measure(
        r"large(r|st)|bigge(r|st)|greate(r|st)|gross(er|te\w*)|groess(er|te\w*)",
        r"smalle(r|st)|tinie(r|st)|klein(er|ste\w*)",
        ("largest", "smallest"),
        lambda region: float(region.area_px),
        _area,
    ),
    _Measure(
        r"worst|worse|stronge(r|st)|most (unusual|striking|severe|serious|anomalous)|"
        r"schlimm(er|ste\w*)|stark(er|ste\w*)|staerk(er|ste\w*)|auffallig(er|ste\w*)",
        r"weake(r|st)|mildest|schwach(er|ste\w*)|harmlos(er|este\w*)",
        ("strongest", "weakest"),
        lambda region: region.peak_score,
        lambda region: f"map value {region.peak_score:.3g}",
    ),
)
_SUPERLATIVE = re.compile(r"st$|st(e|en|er|es)$|grosste|most ")
_WHICH = re.compile(r"\b(which|welche\w*)\b")
# What is larger than allowed is no question of order; nor is what no longer is there.
_NO_RANK = re.compile(
    r"\b(than|als) (allowed|the limit|permitted|erlaubt|die grenze|\d)|\bno longer\b"
)


@dataclass(frozen=True)
class Rank:
    """Which of several places is meant, or asked for.

    Attributes:
        measure: By what they are put in order.
        least: Whether the last of the order is meant.
        picks: Whether one is pointed at, as by "the largest"; "larger" only compares.
    """

    measure: _Measure
    least: bool
    picks: bool

    def ordered(self, regions: Sequence[Region]) -> list[Region]:
        """The regions, the one that is meant first."""
        sign = 1 if self.least else -1
        return sorted(regions, key=lambda region: sign * self.measure.value(region))

    @property
    def called(self) -> str:
        """What sentences call the first one."""
        return self.measure.called[self.least]


def read_rank(words: str, numbers: Sequence[int]) -> tuple[Rank | None, str]:
    """The order that a question speaks of, and the question without these words.

    Args:
        words: Of the question, folded, in one line.
        numbers: Of the regions that it names.
    """
    if _NO_RANK.search(words):
        return None, words
    for measure in _MEASURES:
        for least, pattern in ((False, measure.most), (True, measure.least)):
            found = re.search(rf"\b({pattern})\b", words)
            if found is None:
                continue
            picks = bool(_SUPERLATIVE.search(found[0]))
            if picks or numbers or _WHICH.search(words):
                rest = words[: found.start()] + words[found.end() :]
                return Rank(measure, least, picks), " ".join(rest.split())
    return None, words


def read_numbers(words: str) -> tuple[int, ...]:
    """The numbers of the regions that a question names, from 1, in its order."""
    return tuple(dict.fromkeys(_numbers(words)))


def _numbers(words: str) -> Iterator[int]:
    yield from places.numbers_in(words)
    for word in re.findall(r"\w+", _NO_ORDINAL.sub(" ", words)):
        if word in _ORDINALS:
            yield _ORDINALS[word]


def read_place(words: str) -> str:
    """The place that a question names, such as ``the top left``; empty if it names none."""
    return places.in_words(places.fold(_NO_PLACE.sub(" ", words))) or ""
