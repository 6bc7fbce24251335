"""How well a place fits words about how a defect looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from experts.evidence import Region

Trait = Literal["tone", "form", "extent"]

# What a region shows is +1 for the first of a pair, -1 for the second, 0 for neither. That a place
# is small says nothing, as nearly all defects are; outlines are too fine for a map of patches, and
# "at the edge" may be that of a track as well as that of the part.
_WORDS: Mapping[Trait, tuple[str, str]] = {
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
_PATTERNS = {
    trait: (
        re.compile(rf"\b({more})\b", re.IGNORECASE),
        re.compile(rf"\b({less})\b", re.IGNORECASE),
    )
    for trait, (more, less) in _WORDS.items()
}
# Wording only: of the image's area, so little is small, and so much is large; so many times as
# long as wide is a line, and less than so many is round; so much of the grey range is seen.
SMALL, LARGE = 0.01, 0.1
LINE, ROUND = 3.0, 2.0
VISIBLE = 0.02


def shown(region: Region, image_area_px: int) -> dict[Trait, int]:
    """What a region shows of each trait: +1, -1, or 0 where it is between."""
    traits = region.traits
    elongation = traits.elongation if traits else region.length_px / max(region.width_px, 1.0)
    difference = traits.difference if traits else region.contrast
    return {
        "tone": _side(-difference, VISIBLE, -VISIBLE),
        "form": _side(elongation, LINE, ROUND),
        "extent": _side(region.area_px / image_area_px, LARGE, SMALL),
    }


def _side(value: float, above: float, below: float) -> int:
    return int(value > above) - int(value < below)


def described(text: str) -> dict[Trait, int]:
    """What a text says of each trait: +1, -1, or 0 where it says neither, or both."""
    return {
        trait: int(bool(more.search(text))) - int(bool(less.search(text)))
        for trait, (more, less) in _PATTERNS.items()
    }


def fit(shows: Mapping[Trait, int], text: str) -> float:
    """How well a text fits what a region shows: traits that agree less those that do not."""
    return float(sum(shows.get(trait, 0) * said for trait, said in described(text).items()))
