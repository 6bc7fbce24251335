"""Whether a text states that something is defective: options such as ``No defect.``, and questions.

A word speaks of good or of bad, and each negation around it turns that over: "not free of defects"
is bad. Clauses are read one by one, and the first word for something bad decides; words for good
count where there is none, as one may call good what a part is compared with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from experts.claims.kind_words import COMMON
from experts.claims.words import listed, singular
from experts.tools.places import fold

Side = Literal["good", "bad"]

_BAD = re.compile(
    r"(defect|anomal|abnormal|damag|fault|flaw|imperfect|irregular|blemish|broken|wrong|unusual|"
    r"unexpected|suspicious|conspicuous|strange|reject|fail|nonconform|unaccept|deviat|differ|"
    r"problem|issue|unqualified|incomplete|incorrect|missing|fehler|defekt|mangel|mangl|schad|beschadig|auffallig|ungewohn|kaputt|schlecht|"
    r"ausschuss|abweich|fehlt|fehlend|unvollstandig)\w*|bad|nok|ng|odd"
)
_GOOD = re.compile(
    r"(normal|flawless|faultless|undamag|unblemish|acceptabl|conform|fehlerfrei|fehlerlos|einwandfrei|"
    r"makellos|mangelfrei|defektfrei|unbeschadig|schadenfrei|unauffallig)\w*|"
    r"qualified|complete|correct|vollstandig|korrekt|good|ok|okay|fine|intact|perfect|healthy|accept(ed)?|pass(es|ed)?|gut(e[rsnm]?)?|heil|"
    r"ordnung"
)
_NEGATIONS = listed(
    "no not non none nothing never without neither nor cannot isn aren doesn don hasn haven wasn "
    "weren didn lack lacks absence absent free frei nicht nichts kein keine keinen keiner keinem "
    "keines keinerlei ohne weder"
)
# A negation reaches so many words: "no visible signs of damage".
_REACH = 4
# "Defects are not visible", "defect-free": behind a word only these count, and not so far.
_BEHIND = listed("not nicht never free frei absent isn aren wasn weren")
_REACH_BEHIND = 2

_LETTER = re.compile(r"^\s*\(?[A-H][.):]\s+")
# "No" is an answer at the end, before a stop and in "no, it is"; "no label" is not.
_ANSWER = re.compile(
    r"^\W*(yes|no|ja|nein|true|false|none|keiner?)\b"
    r"(?=\W*$|\s*[,;:.!–—-]|\s+(?:it|there|they|this|that|the|es|das)\b)",
    re.IGNORECASE,
)
_ANSWER_APART = re.compile(r"^\W*(?:yes|no|ja|nein|true|false)\s*[,;:.!–—-]", re.IGNORECASE)
_AGREES = listed("yes ja true")
_CLAUSES = re.compile(r"[,;:.!?()–—]|\b(?:but|aber|sondern)\b", re.IGNORECASE)
# "Isn't there a defect?" asks the same as without the negation.
_ASKED_NEGATIVELY = re.compile(r"^(isn|aren|doesn|don|hasn|haven) t\b")
# Kinds of defects that many a good part has by design.
_FEATURES = listed(
    "hole cut fold crease notch fibre fiber particle reflection shadow glare split tear wear cavity"
)
_KINDS = COMMON - _FEATURES


def side_of(text: str) -> Side | None:
    """Whether a text says that something is good or bad; ``None`` if it says neither.

    Args:
        text: In English or German.
    """
    good: Side | None = None
    for clause in _CLAUSES.split(text):
        words = fold(clause).split()
        for at, word in enumerate(words):
            if _GOOD.fullmatch(word):
                good = good or _turned("good", words, at)
            elif _BAD.fullmatch(word):
                return _turned("bad", words, at)
            elif singular(word) in _KINDS and _turned("bad", words, at) == "good":
                # "A scratch" answers which kind it is, but "no scratch" says that there is none.
                return "good"
    return good


def _turned(side: Side, words: Sequence[str], at: int) -> Side:
    before = sum(word in _NEGATIONS for word in words[max(0, at - _REACH) : at])
    behind = sum(word in _BEHIND for word in words[at + 1 : at + 1 + _REACH_BEHIND])
    if (before + behind) % 2 == 0:
        return side
    return "good" if side == "bad" else "bad"


def side_asked(asked: str) -> Side | None:
    """What a bare "yes" to a question means; ``None`` if it asks after something else.

    Args:
        asked: One sentence.
    """
    plain = _ASKED_NEGATIVELY.sub("", fold(asked))
    side = side_of(plain)
    return side or ("bad" if _KINDS & {singular(word) for word in plain.split()} else None)


def is_bare(option: str) -> bool:
    """Whether an option is no more than a "yes" or "no" to the question."""
    return _answer(option) is not None and _rest_side(option) is None


def sides_of(asked: str, options: Sequence[str]) -> tuple[Side | None, ...]:
    """For each option whether it says that something is good or bad.

    Args:
        asked: The question, one sentence.
        options: What can be chosen.
    """
    agreed = side_asked(asked)
    return tuple(_side_of_option(option, agreed) for option in options)


def _side_of_option(option: str, agreed: Side | None) -> Side | None:
    if not is_bare(option):
        return _rest_side(option)
    if agreed is None:
        return None
    if _answer(option) in _AGREES:
        return agreed
    return "bad" if agreed == "good" else "good"


def _answer(option: str) -> str | None:
    """The "yes" or "no" that an option begins with; a letter before it counts the options."""
    answer = _ANSWER.match(_LETTER.sub("", option))
    return answer.group(1).casefold() if answer else None


def _rest_side(option: str) -> Side | None:
    """The side of what follows an answer that stands apart: of "No, it is normal" the rest."""
    return side_of(_ANSWER_APART.sub("", _LETTER.sub("", option)))


def speaks_of_defect(text: str) -> bool:
    """Whether a text speaks of something bad at all, be it to deny it.

    Args:
        text: In English or German.
    """
    words = fold(text).split()
    return any(_BAD.fullmatch(word) for word in words) or bool(
        _KINDS & {singular(word) for word in words}
    )
