"""Finds verdicts in disguise: split, swapped, misspelt, in other letters or between tags."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from experts.claims.text import fold
from experts.claims.verdicts import verdict_by_stem
from experts.claims.words import listed

# Inside of other letters these are no accident.
_HIDDEN = ("accept", "reject", "approv")
_LEET = str.maketrans("013457@$", "oieastas")
_SPELT = re.compile(r"(?<![a-z0-9])[a-z](?:[^a-z0-9]{1,3}[a-z]){3}(?![a-z0-9])")
_TAG = re.compile(r"<[^<>]{0,60}>")
# One letter more, less or other than these is meant for them.
_STRONG = listed("accept accepted acceptable acceptance approve approved reject rejected")
_ALIKE = listed("accent accents expect expected except excepted eject ejected")


def hidden_verdict(text: str) -> bool:
    """Whether letters that are split, swapped or misspelt say something of the verdict."""
    plain = html.unescape(text)
    for shown in dict.fromkeys((plain, _TAG.sub("", plain))):
        folded = fold(shown).text
        words = re.findall(r"[a-z]+", folded)
        if _SPELT.search(folded):
            return True
        for squashed in (_letters(folded), _letters(folded.translate(_LEET))):
            for stem in _HIDDEN:
                if squashed.count(stem) > sum(word.count(stem) for word in words):
                    return True
        if any(_is_misspelt(word) for word in words):
            return True
    return False


def _letters(text: str) -> str:
    return "".join(c for c in text if "a" <= c <= "z")


def _without_one(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


_STRONG_LESS = frozenset(less for word in _STRONG for less in _without_one(word))


@lru_cache(maxsize=4096)
def _is_misspelt(word: str) -> bool:
    if not 5 <= len(word) <= 12 or word in _ALIKE or verdict_by_stem(word):
        return False
    return bool(_without_one(word) & _STRONG_LESS)
