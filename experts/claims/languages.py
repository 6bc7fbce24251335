"""Tells sentences in languages that cannot be checked, by their small words."""

from __future__ import annotations

import re

from experts.claims.reading import Reading
from experts.claims.text import fold
from experts.claims.words import listed

# Folded, as all words here.
_ENGLISH = listed(
    "the a an is are of in at to and or it its this that these with for on by be not no as from "
    "was has have there which but if so"
)
_GERMAN = listed(
    "der die das ist und ein eine im am mit von den dem nicht "
    "zu auf bei liegt kein keine sind wurde sich oder es wird werden wie als aus um man nur noch "
    "mehr einem einen einer eines keiner keinen dieser dieses dass da dort hier uber unter "
    "zwischen vor nach bis ihr sein hat haben kann muss soll darf ja nein dies des nie je niemals "
    "aber weil"
)
# Words of questions in English; hardly one of four words or more goes without any of them.
_OF_QUESTIONS = listed(
    "what where how why can may should could would will do does did i you we they me my your any "
    "more much many one who when ship good bad ok please tell show give say name part defect fault "
    "wrong kind size big must need anything all get got he them their than then just still out up "
    "about over off send pass keep go let see make take use used call called mean list describe "
    "summary every each some next found near"
)
_MANY_WORDS = 4
# What castings are made in.
_TOOL = listed("die")
_KNOWN = _ENGLISH | _GERMAN
# French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish, Turkish, Czech.
_OTHER = listed(
    "le la les une est pas dans sur avec pour et du cette ne il elle ce el los las una esta esto "
    "con por para y pieza sin del lo gli della non di questo questa pezzo os uma nao com peca het "
    "een van niet deze op met voor zijn jest nie na czesc och att inte det som ikke og ve bir bu "
    "degil je neni dil son sont ha e o"
)


def is_foreign(reading: Reading) -> bool:
    """Whether more small words are of other languages than of English and German."""
    known, others = _small_words(reading)
    return others > known


def is_english(text: str) -> bool:
    """Whether a question seems to be in English, as far as letters and small words tell."""
    words = re.findall(r"[a-z]+", fold(text).text)
    letters = sum(character.isalpha() for character in text)
    if 2 * sum(map(len, words)) < letters:
        return False
    english = sum(word in _ENGLISH for word in words)
    if len(words) >= _MANY_WORDS and not english and _OF_QUESTIONS.isdisjoint(words):
        return False
    return sum(word in (_GERMAN | _OTHER) - _ENGLISH - _TOOL for word in words) <= english


def tells_language(reading: Reading) -> bool:
    """Whether there is any small word of English or German."""
    return _small_words(reading)[0] > 0


def _small_words(reading: Reading) -> tuple[int, int]:
    """How many small words are of English and German, and how many of other languages."""
    words = [token.text for token in reading.tokens if token.kind == "word"]
    return sum(word in _KNOWN for word in words), sum(word in _OTHER for word in words)
