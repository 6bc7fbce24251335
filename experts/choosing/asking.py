"""What a question with options asks, by its wording and by what can be chosen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from experts.choosing.placing import EVERYWHERE, places_in
from experts.choosing.stating import is_bare, side_of, sides_of, speaks_of_defect
from experts.tools.places import fold

About = Literal[
    "presence", "place", "kind", "appearance", "cause", "effect", "product", "good part", "other"
]

_DEFECT = r"(\w*(defect|anomal|damage|fault|flaw|problem|fehler|defekt|schaden)\w*|it|this|they)"
_PLACE = r"(place|area|region|side|end|part|section|corner)s?"
# The first of these words in a sentence tells what it asks: "What is the effect on its shape?"
_OF_DEFECT: dict[About, tuple[str, ...]] = {
    "effect": (
        r"effects?|consequences?|impacts?|affect\w*|influences?|results? (in|of)|leads? to|risks?",
        r"implications?|happens?|harm\w*|auswirk\w*|folgen?|bewirk\w*|fuhrt",
        # What a defect causes is not what causes it.
        rf"{_DEFECT} (\w+ )?cause|caused by (the|this|these|such)",
    ),
    "cause": (
        r"causes?|caused|reasons?|why|due to|origin\w*|arise|occur\w*|come about|led to|formed",
        r"how did|produced|(result|results|resulted|come|comes) from",
        r"\w*ursach\w*|warum|wodurch|woher|weshalb|entstand\w*|entsteh\w*",
    ),
    "appearance": (
        r"appearance|looks?|visual|colou?rs?|shaped?|texture|sizes?|dimensions?",
        r"how (large|big|long|wide)|how (\w+ ){1,4}appear|(characteris|characteriz)\w+",
        r"aussehen|aussieht|sieht|farbe|form|beschaffen\w*|gross",
    ),
    "kind": (
        r"types?|kinds?|sorts?|categor\w+|class\w*|name|called",
        r"art|\w*arten|\w*typ|(fehler|defekt|schadens)(art|klasse)|bezeichn\w*",
    ),
    "place": (
        rf"where|locat\w*|positions?|positioned|(which|what) (\w+ )?{_PLACE}",
        r"wo|stelle|bereich|lage|position|seite",
    ),
    "other": (r"how (many|much|often|severe|serious|deep)|number of|count|wie ?viele?|anzahl",),
}
_PATTERNS = {about: re.compile(rf"\b({'|'.join(words)})\b") for about, words in _OF_DEFECT.items()}
# These ask for a description, unless the sentence says of what: "describes the type".
_DESCRIBES = re.compile(r"\b(describ\w*|description|features?|characteristics?|beschreib\w*)\b")

_THING = (
    r"(products?|objects?|items?|parts?|components?|workpieces?|goods|samples?|produkt\w*|"
    r"objekt\w*|bauteil\w*|werkstuck\w*|gegenstand\w*|teil)"
)
_CLASS = r"(types?|kinds?|sorts?|category|categories|class|name|identity)"
_SHOWN = r"(shown|displayed|depicted|pictured|seen|visible|presented|inspected|examined)"
_IN_IMAGE = r"in (the|this) (test )?(image|picture|photo)"
_GEZEIGT = r"(zu sehen|abgebildet|gezeigt|dargestellt)"
# Where no defect is spoken of, these ask what the product is.
_PRODUCT = re.compile(
    "|".join(
        (
            rf"\b(what|which) ({_CLASS} of )?(\w+ )?{_THING}(?! of\b)( (is|are|was|can)\b|$)",
            rf"\b{_CLASS} of (the |this )?(\w+ )?{_THING}( (is|in|being|{_SHOWN})\b|$)",
            rf"\b{_CLASS} (does|is|do) (the |this )?(\w+ )?{_THING}\b",
            rf"\bwhat (is|are) ((the|this) )?({_THING} )?({_IN_IMAGE}|being|{_SHOWN}|called)\b",
            rf"\bwhat (is|are) (this|it|that|(the|this|that) {_THING})$",
            rf"\b(name|identify|recogni[sz]e|classify) (the |this )?{_THING}$",
            r"\b(image|picture|photo) (shows?|depicts?|displays?)$",
            rf"\b(welche\w*|was fur) .*\b({_THING}|{_GEZEIGT})$",
            rf"\b(welche\w*|was fur) .*{_THING} .*{_GEZEIGT}\b",
            rf"\bwas ist (\w+ ){{0,4}}{_GEZEIGT}\b",
            r"\bwas (zeigt|ist das)\b|\bum (welche\w*|was fur)\b",
        )
    )
)
# Of a thing that is shown these ask something else than what it is.
_PROPERTY = re.compile(
    r"\b(colou?r\w*|materials?|made|used|function|purpose|surface|shape\w*|structure\w*|patterns?|"
    r"textures?|layout|how|where|number of|farbe|werkstoff|oberflache|form|besteht)\b"
)
_NAMES_A_FEATURE = re.compile(r"\bwhere (is|are|was|can) (the|its|a) ")
_POINTS_BACK = re.compile(
    r"\b(the|this|that|these|those|its|der|die|das|den|dem|des|dieser?|dieses|diesen)\b"
)


# "What does it look like without a defect?"
_OF_GOOD_ONE = re.compile(
    r"\b(normal(ly)?|defect free|flawless|undamaged|intact|(without|no|free (of|from)) (an? |any )?"
    r"(defects?|anomal\w*|damage|faults?|flaws?)|good (one|part|product|object|item)|"
    r"einwandfrei\w*|fehlerfrei\w*|ohne (defekt|fehler|schaden))\b"
)
# Of more words an option says more than a place.
_PLACE_WORDS = 10


def what_is_asked(question: str, options: Sequence[str]) -> About:
    """What a question asks.

    Args:
        question: In English; the usual German words are known, too. What it says beforehand, such
            as that there is a defect, may stand in sentences of its own.
        options: What can be chosen.

    Returns:
        ``kind``, ``appearance``, ``cause`` and ``effect`` are those of a defect; ``good part`` is
        what a part looks like by design; ``other`` is what nothing here can tell.
    """
    said, asked = in_sentences(question)
    words = fold(asked)
    about = _about(words)
    of_defect = speaks_of_defect(asked)
    known = _is_known(said, words, of_defect)
    if _asks_presence(asked, options, about if known else None):
        return "presence"
    if _OF_GOOD_ONE.search(words) and about in ("appearance", None):
        return "good part"
    of_defect = of_defect or known
    if all(map(is_bare, options)):
        return "other" if of_defect else "good part"
    if _asks_place(words, options, of_defect, about):
        return "place"
    if of_defect:
        # Where on the part, by names of what it consists of, a map cannot tell.
        return "other" if about == "place" else about or "kind"
    if _PRODUCT.search(words) and not _PROPERTY.search(words):
        return "product"
    return about if about in ("cause", "effect") else "good part"


def _is_known(said: str, words: str, of_defect: bool) -> bool:
    """Whether a question takes for granted that there is a defect, and asks about that one."""
    if side_of(said) == "bad" and (of_defect or not re.search(rf"\b{_THING}\b", words)):
        return True
    return of_defect and _POINTS_BACK.search(words) is not None


def in_sentences(question: str) -> tuple[str, str]:
    """What a question says besides, and the sentence that asks: its last with a question mark."""
    sentences = re.split(r"(?<=[.?!:])\s+", question.strip())
    asking = [number for number, sentence in enumerate(sentences) if sentence.endswith("?")]
    asked = sentences.pop(asking[-1] if asking else -1)
    return " ".join(sentences), asked


def _about(words: str) -> About | None:
    """What is asked of a defect, by the word that comes first."""
    found = {
        a: match.start() for a, pattern in _PATTERNS.items() if (match := pattern.search(words))
    }
    if found:
        return min(found, key=lambda about: found[about])
    return "appearance" if _DESCRIBES.search(words) else None


def _asks_presence(asked: str, options: Sequence[str], about: About | None) -> bool:
    """Whether the options take sides, and the sentence asks for nothing else of a known defect."""
    sides = sides_of(asked, options)
    if not {"good", "bad"} <= set(sides):
        return False
    if any(map(is_bare, options)):
        named = set(places_in(asked)) - {EVERYWHERE}
        return about is None and not named and 2 * sides.count(None) < len(sides)
    return None not in sides and (len(sides) == 2 or about is None)


def _asks_place(words: str, options: Sequence[str], of_defect: bool, about: About | None) -> bool:
    placed = sum(bool(places_in(option)) for option in options)
    if not of_defect and _NAMES_A_FEATURE.search(words):
        return False
    if about == "place" and 2 * placed >= len(options):
        return True
    return placed == len(options) and max(len(o.split()) for o in options) <= _PLACE_WORDS
