"""Keeps of a model's sentences that cannot be checked only those in the evidence's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from experts.answers.words import share_known, stems
from experts.claims import Checked, Facts, check
from experts.claims.checking import MAY_JUDGE, faithfulness
from experts.claims.facts import quote_key
from experts.claims.reading import is_negator
from experts.claims.text import fold, joined, sentences
from experts.claims.words import listed
from experts.evidence import Said

UNGROUNDED = "nothing in the evidence says so"
# What is left is checked again, as sentences may mean something else beside others.
_MAX_ROUNDS = 4
# Of an accepted part so many of the words must be known, of one that is held back all.
_MOST = 0.6
# They say that a sentence speaks of good parts, or of what the knowledge file says of them.
_OF_GOOD_PARTS = re.compile(
    r"(?:according to )?(?:in |on |as )?(?:the |an? |every |each |all |any )*"
    r"(?:(?:knowledge )?file(?: says| tells| states)?|good|normal|flawless|defect-free)\b"
)
_OF_THIS_PART = re.compile(r"\b(?:region|look)-\d+\b|\b(?:it|its|this|these|here|they|such)\b")
_BETWEEN_PARTS = re.compile(
    r"[,;:()]\s|\s[-–—]\s|\b(?:and|but|yet|because|since|so|while|whereas|although|though|which)\b"
)
_LESS = listed("only just merely simply nothing too but although however anyway nur bloss aber")


class Words(NamedTuple):
    """Stems of words from which sentences may be made that cannot be checked otherwise.

    Attributes:
        of_part: Of what the evidence says of this part.
        of_good: Of what the knowledge file says of good parts, and in general.
    """

    of_part: frozenset[str]
    of_good: frozenset[str]


class Grounded(NamedTuple):
    """What is left of a model's words.

    Attributes:
        text: Empty if nothing is.
        sentences: Each as it came, and what came of it.
        faithfulness: Share of those with claims that were right as they came; ``None`` if none
            had any.
    """

    text: str
    sentences: tuple[Said, ...]
    faithfulness: float | None


def words_of(facts: Facts, more: Sequence[str] = ()) -> Words:
    """The words that are known of an inspection.

    What the knowledge file says of a good part is evidence only of one that is accepted.

    Args:
        facts: What is known.
        more: Other texts of the evidence.
    """
    kinds = [w for kind in facts.kinds_told for said in kind for w in said]
    said = [*facts.seen, *facts.part_words, *kinds, *more]
    if not facts.held_back:
        said += facts.normal_words
    good = (*facts.words, *facts.normal_words, *facts.part_words, *facts.parts_words, "good normal")
    return Words(stems(" ".join(said)), stems(" ".join(good)))


def ground(text: str, facts: Facts, words: Words, *, strict: bool = False) -> Grounded:
    """Check a text; a sentence without claims stays only if it is made of known words.

    Args:
        text: What a model says.
        facts: What is known of the inspection.
        words: From which sentences may be made that cannot be checked.
        strict: Whether none stays of which no claim could be checked.
    """
    checked = check(text, facts)
    first = tuple(_told(s, facts, words, strict=strict) for s in checked.sentences)
    left = _left(text, checked, first)
    for _ in range(_MAX_ROUNDS):
        again = check(left, facts)
        found = tuple(_told(s, facts, words, strict=strict) for s in again.sentences)
        after = _left(left, again, found)
        if after == left:
            return Grounded(left, first, faithfulness(first))
        left = after
    return Grounded("", first, faithfulness(first))


def _left(text: str, checked: Checked, told: Sequence[Said]) -> str:
    """The text with what is left of each of its sentences."""
    if not checked.text:
        return ""
    return joined(text, sentences(text), [said.said for said in told])


def _told(said: Said, facts: Facts, words: Words, *, strict: bool) -> Said:
    """A sentence that cannot be checked is left out, if the evidence does not say it either."""
    if said.said is None or not any(c.isalnum() for c in said.said):
        return said
    if said.outcome != "none":
        rests = not facts.held_back or not _rides_along(said.said, facts, words)
    else:
        rests = not strict and _is_grounded(said.said, facts, words)
    if rests:
        return said
    return Said(text=said.text, said=None, outcome="dropped", why=UNGROUNDED)


def _is_grounded(sentence: str, facts: Facts, words: Words) -> bool:
    folded = fold(sentence).text
    if not tells(sentence):
        return False
    of_good = None if _OF_THIS_PART.search(folded) else _OF_GOOD_PARTS.match(folded)
    if of_good:
        sentence = folded[of_good.end() :]
    known = words.of_part | words.of_good if of_good else words.of_part
    if not facts.held_back:
        return share_known(sentence, known) >= _MOST
    if not of_good and (_denies(folded) or folded.rstrip("\"')]*_ ").endswith("?")):
        return False
    return share_known(sentence, known) == 1


def _rides_along(sentence: str, facts: Facts, words: Words) -> bool:
    """Whether beside what is right a part of a sentence says something that nothing tells."""
    parts = [part.strip() for part in _BETWEEN_PARTS.split(sentence)]
    if len(parts) < 2 or quote_key(sentence) in facts.quotes:
        return False
    free = (p for p in parts if tells(p) and share_known(p, words.of_part) < 1)
    alone = (said for part in free for said in check(part, facts).sentences)
    return any(said.outcome == "none" or said.why == MAY_JUDGE for said in alone)


def tells(sentence: str) -> bool:
    """Whether a sentence says something by itself; "No." is an answer to any question."""
    return len(stems(sentence)) > 1


def _denies(folded: str) -> bool:
    """Whether something is denied or made less of."""
    return any(
        word in _LESS or is_negator(word) for word in re.findall(r"[a-z]+(?:'[a-z]+)?", folded)
    )
