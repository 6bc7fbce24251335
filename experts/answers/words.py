"""Words by which texts are compared: folded, without their endings."""

from __future__ import annotations

import re

from experts.claims.text import fold
from experts.claims.words import listed

# So many letters of a word tell it from others, whatever its ending.
STEM = 5
MIN_LETTERS = 3
# They stand in any text.
_COMMON = listed(
    "the and are was were for with that this these those what which who whom why how where when "
    "can could will would should shall may might must does did has have had its not there here "
    "from into onto over under than then them they you your our ours about please tell show "
    "der die das den dem des ein eine einen einem einer und ist sind war waren mit fur von was "
    "wie wer warum welche welcher welches kann konnte soll muss hat haben nicht dort hier aus auf "
    "uber unter dann denn sie ihr wir bitte zeig sag one ones two first second third fourth fifth "
    "last other others another thing things erste ersten erstes zweite zweiten zweites dritte "
    "dritten drittes letzte letzten letztes andere anderen anderes"
)


def stems(text: str) -> frozenset[str]:
    """The stems of the words of a text that tell what it is about."""
    words = re.findall(r"[^\W_]+", fold(text).text)
    return frozenset(
        word.removesuffix("s")[:STEM]
        for word in words
        if len(word) >= MIN_LETTERS and word not in _COMMON
    )


def share_known(text: str, known: frozenset[str]) -> float:
    """Which share of the stems of a text is among the known ones; 0 for a text without any."""
    found = stems(text)
    return len(found & known) / len(found) if found else 0.0
