"""Tells sentences in languages that cannot be checked, by their small words."""

from __future__ import annotations

from experts.claims.reading import Reading
from experts.claims.words import listed

# English and German, folded.
_KNOWN = listed(
    "the a an is are of in at to and or it its this that these with for on by be not no as from "
    "was has have there which but if so der die das ist und ein eine im am mit von den dem nicht "
    "zu auf bei liegt kein keine sind wurde sich oder es"
)
# French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish, Turkish, Czech.
_OTHER = listed(
    "le la les une est pas dans sur avec pour et du cette ne il elle ce el los las una esta esto "
    "con por para y pieza sin del lo gli della non di questo questa pezzo os uma nao com peca het "
    "een van niet deze op met voor zijn jest nie na czesc och att inte det som ikke og ve bir bu "
    "degil je neni dil son sont ha e o"
)


def is_foreign(reading: Reading) -> bool:
    """Whether more small words are of other languages than of English and German."""
    words = [token.text for token in reading.tokens if token.kind == "word"]
    others = sum(word in _OTHER for word in words)
    return others > 0 and others > sum(word in _KNOWN for word in words)
