"""Which places a question points at: by number, by a place in words, or as the largest of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from experts.claims.kind_words import NAMES
from experts.claims.size_words import ORDERS, Measure
from experts.claims.words import GENERIC, listed, singular
from experts.evidence import Region
from experts.tools import places
from experts.wording import in_words

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
# "Second look", "the first step" and "the second board" count no places.
_NO_ORDINAL = re.compile(
    r"\b((a|another|one|per|which|what|welche\w*) second\b(?! (place|spot|defect|region|one|mark))|"
    r"zweite(n|s)? mal|at first|(do|happens?) first|"
    rf"({'|'.join(_ORDINALS)}) (of all|things?|looks?|times?|steps?|inspections?|images?|photos?|"
    r"pictures?|boards?|tiles?|parts?|pieces?|rules?|clauses?|questions?|answers?|halves|half|"
    r"references?|lines?|runs?|mal|schritte?|inspektion\w*|prufung\w*|bild\w*|fotos?|teile?|"
    r"platten?|platinen?|regeln?|klauseln?|fragen?|antwort\w*|halfte))\b"
)
# "Is that right" and "above the limit" name no place, nor does "right?" behind a statement.
_NO_PLACE = re.compile(
    r"\b(all right|right (now|away|after|answer|one|verdict|decision)|not right|"
    r"(is|was) (that|this|it) right|anything left|left over|be left|side effects?|"
    r"on the other hand|(above|below) (the |all |its |this )?(limits?|that|alpha|\d\w*)|"
    r"oberflache\w*|recht haben)\b|(?<!top)(?<!upper)(?<!bottom)(?<!lower)(?<!oben)(?<!unten),"
    r" (right|rechts)$"
)
# Of no side: any edge, any corner. How far it is to the edge is asked of a place elsewhere.
EDGE, CORNERS, WHOLE_IMAGE = "the edge", "the corners", "the whole image"
_NEAR = re.compile(
    r"\b(edges?|rims?|borders?|margins?|rand|rand(e|es|er|ern)|raender|raendern|kanten?)\b"
)
_FAR_FROM = re.compile(r"\b(from|to|vom|zum|von (der|einer)|zur) (\w+ )?$")
_CORNER = re.compile(r"\b(corners?|ecken?)\b")
_OTHER = re.compile(
    r"\b(the|den|die|das|der) (others?|andere[nrs]?)\b(?! (hand|side|seite|way|image|bild|board|"
    r"tile|part|teil|line))"
)
# "No 2 boards are alike" names none.
_NO_NUMBER = re.compile(r"\bno \d+ (boards|tiles|parts|pieces|images|photos|pictures|of)\b")
_NOT = re.compile(r"\b(not|nicht)\b")


@dataclass(frozen=True)
class _Measure:
    """By what places are put in order.

    Attributes:
        called: What sentences call the first and the last of the order.
        value: What the order goes by.
        told: The value in words.
    """

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
    return px if mm is None else f"{in_words(mm, 3)} {unit}"


_MEASURES: Mapping[Measure, _Measure] = {
    "length": _Measure(("longest", "shortest"), lambda region: region.length_px, _length),
    "width": _Measure(("widest", "narrowest"), lambda region: region.width_px, _width),
    "area": _Measure(("largest", "smallest"), lambda region: float(region.area_px), _area),
    "peak": _Measure(
        ("strongest", "weakest"),
        lambda region: region.peak_score,
        lambda region: f"map value {region.peak_score:.3g}",
    ),
}


class _Wording(NamedTuple):
    """Words for one end of an order, folded, as patterns; ``most`` points at one place."""

    measure: Measure
    least: bool
    most: str
    more: str


_WORDINGS = (
    *(
        _Wording(o.measure, o.sign < 0, "|".join(sorted(o.all_most)), "|".join(sorted(o.all_more)))
        for o in ORDERS
    ),
    # Questions say more than sentences that can be checked.
    _Wording(
        "peak",
        False,
        r"most (unusual|striking|severe|serious|anomalous|suspicious|conspicuous|noticeable|"
        r"critical|obvious)|verdachtigste\w*|gravierendste\w*",
        r"more (unusual|striking|severe|serious|suspicious)|schlimmer|auffalliger|verdachtiger",
    ),
    _Wording("area", False, "greatest", "greater"),
    _Wording("peak", True, r"least (unusual|severe|serious)|harmloseste\w*", "harmloser"),
)
_WHICH = re.compile(r"\b(which|welche\w*)\b")
# What is allowed, or larger than a limit, is no question of order; nor is what no longer is there.
_NO_RANK = re.compile(
    r"\b(than|als) (the limit|die grenze|\d)|\bno longer\b|"
    r"\b(allowed|permitted|permissible|tolerated|allowable|erlaubt\w*|zulassig\w*|zulaessig\w*)\b"
)
# A superlative picks a place if one of these, or a kind, stands behind it, or no noun at all.
_PLACES = GENERIC | listed("one ones thing things blemish spot dot fleck flecken ort fund funde")
_NO_NOUNS = listed(
    "is was are were of in on at by and or but than as there here it they then now please to "
    "ist sind war waren von vom am an auf im und oder aber als da dort hier es sie bitte px mm"
)
_BEHIND = re.compile(r"\s*(?:[,.]|(\w+)(?: (\w+))?)")
_NOUN_ENDINGS = ("", "e", "n", "en", "s", "es")


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


def read_rank(
    words: str, numbers: Sequence[int], kinds: Iterable[str] = ()
) -> tuple[Rank | None, str]:
    """The order that a question speaks of, and the question without these words.

    Args:
        words: Of the question, folded, in one line.
        numbers: Of the regions that it names.
        kinds: Words for the kinds that the regions may be of, folded.
    """
    if _NO_RANK.search(words):
        return None, words
    for wording in _WORDINGS:
        for picks, pattern in ((True, wording.most), (False, wording.more)):
            found = re.search(rf"\b({pattern})\b", words)
            if found is None or not _of_places(words[found.end() :], frozenset(kinds)):
                continue
            if picks or numbers or _WHICH.search(words):
                rest = words[: found.start()] + words[found.end() :]
                rank = Rank(_MEASURES[wording.measure], wording.least, picks)
                return rank, " ".join(rest.split())
    return None, words


def _of_places(behind: str, kinds: frozenset[str]) -> bool:
    """Whether places are compared, by the words behind the comparison; one may stand between."""
    found = _BEHIND.match(behind)
    if found is None or found[1] is None or found[1] in _NO_NOUNS or found[1].isdecimal():
        return True
    return any(word and _is_place(word, kinds) for word in found.groups())


def _is_place(word: str, kinds: frozenset[str]) -> bool:
    stems = {word.removesuffix(ending) for ending in _NOUN_ENDINGS} | {singular(word)}
    return word in _PLACES or bool(stems & (NAMES | kinds))


def read_other(
    words: str, numbers: Sequence[int], said: Sequence[int], there: Sequence[int]
) -> tuple[int, ...]:
    """The numbers of the other regions, where a question asks for "the other one"; else none.

    Args:
        words: Of the question, folded, in one line.
        numbers: Of the regions that it names; "not the first, the other" names one.
        said: Of those that were spoken of before.
        there: Of all regions.
    """
    if not _OTHER.search(words) or (numbers and not _NOT.search(words)):
        return ()
    known = numbers or (said if 0 < len(said) < len(there) else there[:1])
    return tuple(number for number in there if number not in known)


def read_numbers(words: str) -> tuple[int, ...]:
    """The numbers of the regions that a question names, from 1, in its order."""
    return tuple(dict.fromkeys(_numbers(words)))


def _numbers(words: str) -> Iterator[int]:
    yield from places.numbers_in(_NO_NUMBER.sub(" ", words))
    for word in re.findall(r"\w+", _NO_ORDINAL.sub(" ", words)):
        if word in _ORDINALS:
            yield _ORDINALS[word]


def read_place(words: str) -> str:
    """The place that a question names, such as ``the top left``; empty if it names none."""
    left = _NO_PLACE.sub(" ", words)
    place = places.in_words(places.fold(left)) or ""
    near = _NEAR.search(left)
    if near and place == WHOLE_IMAGE and not _FAR_FROM.search(left[: near.start()]):
        return EDGE
    return CORNERS if _CORNER.search(left) and place in ("", WHOLE_IMAGE) else place


def at_place(place: str) -> str:
    """A place as it follows what is there, such as ``in the centre``."""
    if place == CORNERS:
        return "in the corners"
    return f"{'in' if place == 'the centre' else 'at'} {place}"


def regions_at(
    place: str, regions: Sequence[Region], size_HW: tuple[int, int]
) -> tuple[Region, ...]:
    """The regions that reach into a place, wherever their middle lies.

    Args:
        place: As ``read_place`` gives it.
        regions: Of the image.
        size_HW: Of the image, in pixels.
    """
    if place == EDGE:
        return tuple(region for region in regions if _at_edge(region, size_HW))
    corners = [f"the {row} {side}" for row in ("top", "bottom") for side in ("left", "right")]
    boxes = [places.box_of(p, size_HW) for p in (corners if place == CORNERS else (place,))]
    return tuple(r for r in regions if any(places.reaches(r, box) for box in boxes))


def _at_edge(region: Region, size_HW: tuple[int, int]) -> bool:
    if region.traits is not None:
        return region.traits.situation == "at the edge"
    left, top, right, bottom = region.box_xyxy
    return left <= 0 or top <= 0 or right >= size_HW[1] or bottom >= size_HW[0]
