"""What a question with options asks, by its wording and by what can be chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from experts.tools.places import fold, in_words

About = Literal[
    "presence", "place", "kind", "appearance", "cause", "effect", "product", "good part"
]

_NO = re.compile(
    r"^(no|none|normal|good|ok|okay|intact|undamaged|flawless|nein|kein\w*|gut)\b|"
    r"\b(no|not|without|free of|ohne|keine?) (\w+ ){0,2}"
    r"(defects?|anomal\w*|damaged?|faults?|flaws?|abnormal\w*|defective|fehler)\b"
)
_YES = re.compile(
    r"^(yes|abnormal|defective|bad|ja|anomal\w*|damaged|faulty)\b|"
    r"\b(has|have|is|are) (\w+ ){0,2}(defects?|defective|damaged|abnormal|anomal\w*|faulty)\b"
)
_BARE = re.compile(r"^(yes|no|ja|nein)\b")
# "Is it normal?": a bare "yes" then says that it is good.
_ASKS_IF_GOOD = re.compile(
    r"\b(normal|good|intact|flawless|undamaged|free of|free from|without|acceptable|ok)\b"
)
_ASKS_IF_BAD = re.compile(
    r"\b(defect\w*|abnormal\w*|anomal\w*|damage\w*|fault\w*|flaw\w*|wrong|fehler\w*|schaden)\b"
)
_ABOUT: tuple[tuple[About, re.Pattern[str]], ...] = (
    (
        "effect",
        re.compile(
            r"\b(effects?|consequences?|impacts?|affects?|influences?|result in|lead to|risks?|"
            r"implications?|happens?|harm\w*|auswirk\w*|folgen?)\b"
        ),
    ),
    ("cause", re.compile(r"\b(causes?|caused|reasons?|why|due to|origin|ursachen?|warum)\b")),
    (
        "appearance",
        re.compile(
            r"\b(appear\w*|look\w*|describe\w*|description|visual\w*|characteri\w*|shape|colou?r|"
            r"aussehen|beschreib\w*)\b"
        ),
    ),
    (
        "kind",
        re.compile(r"\b(types?|kinds?|sorts?|category|categor\w+|class\w*|what defects?|art)\b"),
    ),
)
_DEFECT = re.compile(r"\b(defect\w*|anomal\w*|damage\w*|fault\w*|flaw\w*|fehler\w*|schaden)\b")
_PRODUCT = re.compile(
    r"\b(product|objects?|items?|parts?|category|class)\b.*\b(shown|image|picture|photo|depicted|"
    r"displayed|is (it|this|that))\b|\bwhat (kind|type|sort) of (product|object|item|part)\b|"
    r"\bwhat is (the|this) (product|object|item)\b|"
    r"\b(name|identify) (of )?the (product|object|item)"
)


def what_is_asked(question: str, options: Sequence[str]) -> About:
    """What a question asks.

    Args:
        question: In English; the usual German words are known, too.
        options: What can be chosen.
    """
    asked = fold(question)
    if says_which(asked, options) is not None:
        return "presence"
    placed = sum(bool(places_in(option)) for option in options)
    if placed == len(options) or (placed > len(options) / 2 and _asks_where(asked)):
        return "place"
    of_defect = _DEFECT.search(asked) is not None
    about = next((about for about, words in _ABOUT if words.search(asked)), None)
    if of_defect:
        return about or "kind"
    if _PRODUCT.search(asked):
        return "product"
    return "good part" if about in (None, "kind", "appearance") else about


def says_which(asked: str, options: Sequence[str]) -> Mapping[str, bool] | None:
    """For each option whether it says that something is defective; ``None`` if one says neither.

    Args:
        asked: The question, folded.
        options: What can be chosen.
    """
    said: dict[str, bool] = {}
    if_good = bool(_ASKS_IF_GOOD.search(asked)) and not _ASKS_IF_BAD.search(asked)
    for option in options:
        words = fold(option)
        if _NO.search(words):
            defective = False
        elif _YES.search(words):
            defective = True
        else:
            return None
        said[option] = defective != (if_good and _BARE.search(words) is not None)
    return said if len(set(said.values())) == 2 else None


def places_in(option: str) -> tuple[str, ...]:
    """The places that an option names, such as ``the top left``; several if it joins them."""
    parts = re.split(r"\b(?:and|und)\b|[,;/]", option.casefold())
    whole = in_words(fold(option))
    found = [whole] if whole else [words for part in parts if (words := in_words(fold(part)))]
    return tuple(words for words in found if words)


def _asks_where(asked: str) -> bool:
    return (
        re.search(r"\b(where|locat\w*|position\w*|place|area|region|wo|stelle)\b", asked)
        is not None
    )
