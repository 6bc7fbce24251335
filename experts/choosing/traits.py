"""How well a place fits words about how a defect looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from experts.evidence import Region

Trait = Literal["tone", "form", "extent", "alone", "joins"]

# What a region shows is +1 for the first of a pair, -1 for the second, 0 for neither. That a place
# is small says nothing, as nearly all defects are, and outlines are too fine for a map of patches.
_LOOKS: Mapping[Trait, tuple[str, str]] = {
    "tone": (
        r"dark\w*|black\w*|shadow\w*|deep|dull\w*",
        r"bright\w*|white|light|pale|shin\w*|gloss\w*|reflect\w*",
    ),
    "form": (
        r"lines?|thin|long|elongated|strips?|streaks?|threads?|narrow|linear|hairlines?|cracks?|"
        r"scratch\w*|stripes?",
        r"round\w*|oval|circular|spots?|dots?|specks?|pits?|holes?|bubbles?|blobs?|pores?",
    ),
    "extent": (
        r"large|broad|wide|whole|entire|big|areas?|patch\w*|chunks?|pieces?|most of|uneven\w*",
        r"(?!)",
    ),
}
_JOINS = (
    r"between|bridg\w*|gaps?|cuts?|interrupt\w*|connect\w*|join\w*|in two|in half|across|through|"
    r"sever\w*|splits?|two"
)
_AT_EDGE = (
    r"edges?|borders?|rims?|corners?|notch\w*|nick\w*|bites?|bitten|chip\w*|protru\w*|thorns?|"
    r"stick\w* out|jut\w*|spikes?|spurs?|burrs?|bulg\w*|attached"
)
_ALONE = (
    r"isolated|inside|within|surrounded|islands?|alone|separate|detached|touch\w* no\w*|stray|"
    r"enclosed"
)
# How it stands to its surroundings: alone among what it differs from, at the edge of what is like
# it, or between two such.
_STANDING: Mapping[Trait, tuple[str, str]] = {
    "alone": (_ALONE, rf"{_AT_EDGE}|{_JOINS}"),
    "joins": (_JOINS, rf"{_AT_EDGE}|{_ALONE}"),
}


def _compiled(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b({words})\b", re.IGNORECASE)


_OF_ITSELF, _OF_BOTH = (
    {trait: (_compiled(more), _compiled(less)) for trait, (more, less) in words.items()}
    for words in (_LOOKS, _STANDING)
)
# "A dark thorn that sticks out into the white ground": of the white only its surroundings are.
_AROUND = re.compile(
    r"\b(in|inside|within|on|onto|at|into|to|between|across|along|over|near|around|from|of|than|"
    r"beside|against)\b[^,;:.]*?(?=[,;:.]|\b(with|that|which|is|are|and has)\b|$)",
    re.IGNORECASE,
)
# Wording only: of the image's area, so little is small, and so much is large; so many times as
# long as wide is a line, and less than so many is round; so much of the grey range is seen.
SMALL, LARGE = 0.01, 0.1
LINE, ROUND = 3.0, 2.0
VISIBLE = 0.02
# Set against the same place of a normal image a defect differs by its whole tone; set against what
# lies around it, by as much as of that is not like it. All around is 1, a straight edge leaves 1/2.
ALONE, JOINS = 0.75, 0.5


def shown(region: Region, image_area_px: int) -> dict[Trait, int]:
    """What a region shows of each trait: +1, -1, or 0 where it is between or cannot be told."""
    traits = region.traits
    elongation = traits.elongation if traits else region.length_px / max(region.width_px, 1.0)
    difference = traits.difference if traits else region.contrast
    shows: dict[Trait, int] = {
        "tone": _side(-difference, VISIBLE, -VISIBLE),
        "form": _side(elongation, LINE, ROUND),
        "extent": _side(region.area_px / image_area_px, LARGE, SMALL),
    }
    if traits and traits.compared_with == "reference" and abs(difference) > VISIBLE:
        unlike = region.contrast / difference
        shows["alone"] = _side(unlike, ALONE, ALONE)
        shows["joins"] = _side(-unlike, -JOINS, -JOINS)
    return shows


def _side(value: float, above: float, below: float) -> int:
    return int(value > above) - int(value < below)


def described(text: str) -> dict[Trait, int]:
    """What a text says of each trait: +1, -1, or 0 where it says neither, or both."""
    itself = _AROUND.sub("", text)
    looks = {trait: _said(itself, *pair) for trait, pair in _OF_ITSELF.items()}
    return looks | {trait: _said(text, *pair) for trait, pair in _OF_BOTH.items()}


def _said(text: str, more: re.Pattern[str], less: re.Pattern[str]) -> int:
    return int(bool(more.search(text))) - int(bool(less.search(text)))


def fit(shows: Mapping[Trait, int], text: str) -> float:
    """How well a text fits what a region shows: traits that agree less those that do not."""
    return float(sum(shows.get(trait, 0) * said for trait, said in described(text).items()))
