"""Finds sentences that say what shall be done, or answer, in words that cannot be checked."""

from __future__ import annotations

from experts.claims.facts import Facts
from experts.claims.reading import Reading
from experts.claims.verdict_words import HEADINGS, MAY, ORDERS, SKIPPED, TELLING
from experts.claims.words import PRONOUNS, listed

_ANSWERS = listed(
    "yes no sure correct absolutely exactly indeed agreed certainly ja nein true definitely of "
    "course right yep nope affirmative negative please"
)


def unclear_order(reading: Reading, facts: Facts) -> bool:
    """Whether a sentence says what may be done with the part, in words that cannot be checked."""
    told = TELLING | {words[0] for words in facts.kinds}
    if reading.word(0) in ORDERS or _is_under_heading(reading):
        return True
    for index in range(len(reading.tokens)):
        if reading.word(index) not in MAY or not _speaks_of_part(reading, facts):
            continue
        verb = index + 1
        while reading.word(verb) in SKIPPED:
            verb += 1
        if reading.word(verb) and reading.word(verb) not in told and verb not in reading.used:
            return True
    return False


def is_bare_answer(reading: Reading) -> bool:
    """Whether a sentence is a yes or no to a question that nobody here knows."""
    words = [token.text for token in reading.tokens]
    return bool(words) and set(words) - {",", ";"} <= _ANSWERS


def _is_under_heading(reading: Reading) -> bool:
    """Whether something is said as the verdict, in words that are not known for one."""
    for index in range(len(reading.tokens) - 2):
        is_said = reading.mark(index + 1) in (":", "=", ";") or reading.word(index + 1) == "is"
        if reading.word(index) in HEADINGS and is_said:
            return True
    return False


def _speaks_of_part(reading: Reading, facts: Facts) -> bool:
    return reading.has(facts.part_words | PRONOUNS | {"you", "we"})
