"""Reads what a question asks, by the stems of its words, in English and German."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from experts.answers.pointing import (
    CORNERS,
    EDGE,
    WHOLE_IMAGE,
    Rank,
    read_numbers,
    read_other,
    read_place,
    read_rank,
)
from experts.answers.topics import OF_VERDICT, Topic, judges, may_mean_verdict, topics_of
from experts.answers.words import stems
from experts.claims.text import fold
from experts.evidence import Region, Tool
from experts.tools import Call
from experts.tools.call import MAX_K, MAX_TARGET

_TOOLS: tuple[tuple[Tool, re.Pattern[str]], ...] = (
    (
        "zoom",
        re.compile(
            r"\bzoom|\bclosely\b|\b(look|looking) (\w+ ){0,2}(closer|again)|\bcloser\b|\bmagnif|"
            r"\benlarge|\b(better|second) look|\bcheck (\w+ ){0,3}again|\bnaher\b|"
            r"\bnaeher\b|\bgenauer\b|\bvergrosser|\bvergroesser|\bschau|\bsieh dir\b"
        ),
    ),
    (
        "compare",
        re.compile(
            r"(^|\b(please|you|and|now|bitte|dann|,) )(compare|vergleich\w*)\b(?! (you|du|ihr)\b)|"
            r"\bbeside (other|further|more|another)|\bnext to (a|other)|\bmit (anderen|weiteren)|"
            r"\bvergleiche? (es|sie|das|die|den|region)"
        ),
    ),
    (
        "measure",
        re.compile(
            r"(^|\b(please|you|and|now|bitte|,) )measure\b|\bvermiss|\bvermess|\bmiss\b|\bmessen\b|"
            r"\bhow (far|close|near) ([\w-]+ ){0,4}(from|to)\b|\bdistance|\babstand|"
            r"\bwie weit\b(?! (uber|ueber|daruber)\b)"
        ),
    ),
    (
        "lookup",
        re.compile(
            r"\blook(ed|ing)? up\b|(?<!model )\bsays? about\b|\bknowledge\b|\bhandbook|"
            r"\bnachschlag|\bschlag \w+ nach|\bwissen\b|\bwissensdatei|\btell me (more )?about\b|"
            r"\bwas (sagt|steht)\b(?! (das|dein|euer|ihr) \w*modell\b)"
        ),
    ),
)
# Asks what was done, and for nothing to be done.
_WITH_WHAT = re.compile(r"\b(what|which|who|whom|womit|wem|welche\w*)\b")
_COUNTS = {
    word: number
    for number, words in enumerate(
        ("one ein einem", "two zwei", "three drei", "four vier", "five funf"), start=1
    )
    for word in words.split()
}
_WITH_SO_MANY = re.compile(rf"\b(?:with|to|beside|mit|neben) (\d{{1,3}}|{'|'.join(_COUNTS)})\b")
_THESE = re.compile(
    r"\b(it|its|this|that|one|es|sie|er|ihn|dieser?|dieses|diesen|das|den|dort|da)\b"
)
_SUBJECT = re.compile(
    r"\b(?:about|on|up|to|über|uber|ueber|für|zu|zum|zur|nach|is|ist|are)\s+"
    r"(?:an?\s+|the\s+|d\w\w\s+)?(.+)$"
)
_WHETHER = re.compile(
    r"\b(is|are|was|were|could|might|ist|sind|war|waren|konnte|konnten|koennte) "
    r"(it|this|that|these|they|there|region|one|any|es|das|dies\w*|sie|da|der|die|hier|nicht)\b|"
    r"\bare there\b|\bgibt es\b|\bdoes (it|the \w+|this \w+) have\b|\bhat (es|das|sie|er)\b"
)
_IS_IT_A = re.compile(
    r"\b(is|are|ist|sind) (it|this|that|these|es|das|dies|sie) (an?|eine?)\b|"
    r"\b(can|could|may|might) (it|this|that|these|they) (\w+ly |just |also )?be\b"
    r"(?! (\w+ed|sold|sent|built|kept|cut|put)\b)|"
    r"\b(kann|konnte|koennte|konnten) (es|das|dies|sie) .*\bsein\b"
)
_HOW_MANY = re.compile(r"\bhow many\b|\bwie ?viele\b")
# A question that is complete does not go on with what was asked before; "what about" does.
_COMPLETE = re.compile(
    r"^((and|und|but|aber|so|ok|now|then) )*"
    r"(is|are|was|were|does|do|did|has|have|can|could|will|would|should|may|might|must|which|where|"
    r"who|when|why|how(?! about)|what(?! (about|of))|ist|sind|war|waren|gibt|hat|haben|kann|konnte|"
    r"liegt|liegen|muss|soll|darf|wird|welche\w*|wo|wer|wann|warum|wie|was(?! ist mit))\b"
)
_THANKS = re.compile(
    r"^(many )?(thanks|thank you|thx|danke\w*|vielen dank|besten dank)(?! for)\b"
    r"((so |very )?much|a lot|vielmals|schon|sehr|dir|ihnen|[\s,.])*(and |und |but |aber )?"
)
# They are told of the regions; nothing has to be looked at again.
_COMPUTED = frozenset({"apart", "edge", "centre", "margin"})
_FROM_TO = re.compile(r"\b(from|to|vom|von|zum|zur)\b")
_WHOLE = re.compile(
    r"\b(whole|entire|ganze[nrs]?)\b|\b(compare|vergleiche?) (the|this|das|dieses) "
    r"(image|photo|picture|bild|foto)\b"
)
# A question that names so few things goes on with what was asked before.
_FEW = 2


class Before(NamedTuple):
    """What a conversation was about before a question.

    Attributes:
        about: Ids of the regions that were spoken of.
        topics: What was asked.
        tool: The closer look that was taken.
        reason_told: Whether the reason of the verdict was told.
    """

    about: Sequence[str] = ()
    topics: Sequence[Topic] = ()
    tool: Tool | None = None
    reason_told: bool = False


@dataclass(frozen=True)
class Asked:
    """A question, as far as its words tell what it asks.

    Attributes:
        text: As it came.
        topics: What it is about; empty if nothing tells.
        numbers: Of the regions that it names, from 1.
        place: In words, such as ``the top left``; empty if it names none.
        rank: The order of the places that it speaks of, such as which is the largest.
        follows: Whether it speaks of something that was named before.
        whether: Whether it asks if something is so, as "is it a crack?" does.
        call: The closer look that it asks for.
        in_short: Whether the reason of the verdict was told before.
    """

    text: str
    topics: tuple[Topic, ...]
    numbers: tuple[int, ...]
    place: str
    rank: Rank | None
    follows: bool
    whether: bool
    call: Call | None
    in_short: bool = False

    @property
    def of_verdict(self) -> bool:
        """Whether it asks what becomes of the part, or what might have become of it."""
        return not OF_VERDICT.isdisjoint(self.topics)

    @property
    def about_verdict(self) -> bool:
        """Whether it asks what becomes of the part, or it cannot be told what it asks."""
        return not (self.topics or self.rank) or self.of_verdict


def read_question(text: str, regions: Sequence[Region] = (), before: Before | None = None) -> Asked:
    """Read a question.

    Args:
        text: The question.
        regions: Those of the inspection.
        before: What the conversation was about; ``None`` if it begins.
    """
    before = before or Before()
    words = _words(text)
    if (rest := _THANKS.sub("", words)) != words and (rest := rest.strip(" ,.-")):
        asked = read_question(rest, regions, before)
        if asked.topics or asked.rank or asked.call:
            return replace(asked, text=text)
    numbers = _numbers(words, regions, before)
    rank, rest = read_rank(words, numbers, _kind_words(regions))
    if rank and rank.picks and regions and not numbers:
        numbers = (region_number(rank.ordered(regions)[0]),)
    place = read_place(rest)
    follows = bool(_THESE.search(words))
    tool, topics = _asks(rest, numbers, place)
    if not (topics or tool or rank) and _goes_on(
        rest, points=bool(numbers or place), follows=follows
    ):
        tool, topics = before.tool, [topic for topic in before.topics if topic != "thanks"]
    # What it is far from is not what is asked about.
    place = "" if _COMPUTED & set(topics) else _at(place, tool, rest)
    if not topics and tool is None and not rank:
        topics = _at_least(rest, place=place, numbers=numbers)
    target = _target(numbers, "" if place in (EDGE, CORNERS) else place, regions, before)
    return Asked(
        text,
        tuple(topics),
        numbers,
        place,
        rank,
        follows,
        bool(_WHETHER.search(rest) or _HOW_MANY.search(rest) or _IS_IT_A.search(rest)),
        _call(tool, text, rest, target) if tool else None,
        before.reason_told,
    )


def _numbers(words: str, regions: Sequence[Region], before: Before) -> tuple[int, ...]:
    """The numbers of the regions that are meant: those that are named, or the other ones."""
    numbers = read_numbers(words)
    there = [region_number(region) for region in regions]
    said = [number for number in there if f"region-{number}" in before.about]
    return read_other(words, numbers, said, there) or numbers


def _kind_words(regions: Sequence[Region]) -> frozenset[str]:
    """The words of the kinds that the regions may be of."""
    named = (name for region in regions if region.kinds for name in region.kinds.names)
    return frozenset(word for name in named for word in fold(name).text.split())


def _asks(words: str, numbers: Sequence[int], place: str) -> tuple[Tool | None, list[Topic]]:
    """The closer look and the topics that a question asks for by its own words."""
    tool, topics = _tool(words), topics_of(words)
    if tool == "compare" and len(numbers) > 1:
        # Two places are put beside each other by what was measured.
        return None, ["kind", "size"]
    if tool == "measure" and _FROM_TO.search(words):
        if len(numbers) > 1:
            topics = ["apart"]
        elif place not in ("", WHOLE_IMAGE, EDGE, "the centre"):
            topics = ["edge"]
    return (None if _COMPUTED & set(topics) else tool), topics


def _at(place: str, tool: Tool | None, words: str) -> str:
    """The place that is asked about; how far a region is from the edge is asked of the region."""
    if tool in ("zoom", "compare") and place in (EDGE, CORNERS):
        return WHOLE_IMAGE
    if tool == "compare" and not _WHOLE.search(words):
        return "" if place == WHOLE_IMAGE else place
    return place if tool in ("zoom", "compare") or place != WHOLE_IMAGE else ""


def region_number(region: Region) -> int:
    """The number in the id of a region."""
    return int(region.id.rpartition("-")[2])


def _tool(words: str) -> Tool | None:
    tool = next((tool for tool, pattern in _TOOLS if pattern.search(words)), None)
    return None if tool == "compare" and _WITH_WHAT.search(words) else tool


def _goes_on(words: str, *, points: bool, follows: bool) -> bool:
    """Whether a question that asks nothing by itself asks what was asked before."""
    named = len(stems(words))
    if _COMPLETE.search(words):
        return False
    return (points and named <= _FEW) or (follows and not named)


def _at_least(words: str, *, place: str, numbers: Sequence[int]) -> list[Topic]:
    """What a question may ask of which no word tells it."""
    if place:
        return ["verdict"] if judges(words) else ["where"]
    if may_mean_verdict(words):
        return ["verdict"]
    names_few = bool(numbers) and len(stems(words)) <= _FEW
    return ["kind"] if names_few or _IS_IT_A.search(words) else []


def _target(numbers: Sequence[int], place: str, regions: Sequence[Region], before: Before) -> str:
    """What a closer look is taken at: what is named, what was spoken of, or the strongest."""
    if numbers:
        return f"region-{numbers[0]}"
    return place or next(iter((*before.about, *(region.id for region in regions))), "")


def _call(tool: Tool, text: str, words: str, target: str) -> Call:
    if tool == "lookup":
        return Call(tool=tool, target=_subject(text)[:MAX_TARGET])
    if tool == "compare" and (many := _WITH_SO_MANY.search(words)):
        count = int(many[1]) if many[1].isdecimal() else _COUNTS[many[1]]
        return Call(tool=tool, target=target, k=min(max(count, 1), MAX_K))
    return Call(tool=tool, target=target)


def _words(text: str) -> str:
    """A question as it is compared: folded, in one line, with blanks around its marks."""
    return " ".join(re.sub(r"[^\w\s.,-]", " ", fold(text).text).split())


def _subject(text: str) -> str:
    """What a question wants to know something about: what stands at its end."""
    line = " ".join(text.split()).rstrip("?!. ")
    found = _SUBJECT.search(line)
    return found[1] if found else line
