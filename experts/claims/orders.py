"""Finds sentences that say what shall be done, or answer, in words that cannot be checked."""

from __future__ import annotations

from experts.claims.facts import Facts
from experts.claims.reading import Reading
from experts.claims.verdict_words import HEADINGS, MAY, ORDERS, SKIPPED, TELLING, TELLING_TOO
from experts.claims.words import COPULAS, GENERIC, PRONOUNS, listed

_ANSWERS = listed(
    "not at all never way yes no sure correct absolutely exactly indeed agreed certainly ja nein "
    "true definitely of course right yep nope affirmative negative please"
)
# Who speaks of them speaks of what becomes of the part.
BUYERS = listed("customer customers client clients buyer buyers kunde kunden consumer user users")
_NOTHING = listed("anything nothing nichts hardly kein keine keinen no none")
# Nor can it be told from an image what a defect does.
_WORKING = listed("function functions functionality functional performance impact usability")
_SUBJECTS = listed("it this that they everything es dies")
_PICTURES = listed("image photo object article")
_VERBS = listed(
    "has had have shows lies stands hangs measures contains consists corresponds suggests points "
    "reflects runs crosses covers touches begins ends liegt zeigt hat"
)
_SEEN = listed(
    "shown photographed pictured turned rotated lying similar comparable different made visible "
    "clearly why where what how still enrolled ground zu"
)


def unclear_order(reading: Reading, facts: Facts) -> bool:
    """Whether a sentence says what may be done with the part, in words that cannot be checked."""
    told = TELLING | TELLING_TOO | {words[0] for words in facts.kinds}
    if reading.word(0) in ORDERS or _is_under_heading(reading):
        return True
    for index in range(len(reading.tokens)):
        if reading.word(index) not in MAY or not _speaks_of_part(reading, facts):
            continue
        verb = index + 1
        while reading.word(verb) in SKIPPED:
            verb += 1
        if reading.word(verb) in told or verb in reading.used or _supposes(reading, verb):
            continue
        if reading.word(verb):
            return True
    return False


def _supposes(reading: Reading, index: int) -> bool:
    """Whether it goes on as "kann ein Kratzer oder Riss sein" does."""
    last = [token.text for token in reading.tokens if token.kind == "word"][-1:]
    return reading.word(index) in ("ein", "eine") and last == ["sein"]


def unclear_judgement(reading: Reading, facts: Facts) -> bool:
    """Whether a sentence that claims nothing known may yet judge the part.

    "The surface is ground" tells of the surface; "it sails through" tells what becomes of the part,
    in words that nobody can list.
    """
    if reading.has(BUYERS | _NOTHING | _WORKING):
        return True
    if reading.folded.text.rstrip("\"')]*_ ").endswith((".", "!")) and not _has_verb(reading):
        return True
    verb = _behind_subject(reading, facts)
    return verb is not None and not _is_plain(reading, verb, facts)


def _has_verb(reading: Reading) -> bool:
    words = [token.text for token in reading.tokens if token.kind == "word"]
    return any(word in COPULAS | _VERBS or _stem(word) in TELLING for word in words[1:])


def _behind_subject(reading: Reading, facts: Facts) -> int | None:
    """Where the verb stands, if the part is what a sentence is about."""
    parts = facts.part_words - _PICTURES
    for index in range(4):
        word = reading.word(index)
        if word in _SUBJECTS or word in parts:
            verb = index + 1
            while reading.word(verb) in parts | SKIPPED | {"one", "itself"}:
                verb += 1
            return verb
    return None


def _is_plain(reading: Reading, verb: int, facts: Facts) -> bool:
    """Whether a predicate only tells what is seen, where it comes from or what it does."""
    word = reading.word(verb)
    if word not in COPULAS:
        return not word or word in _VERBS or _stem(word) in TELLING
    behind = verb + 1
    while reading.word(behind) in SKIPPED | COPULAS:
        behind += 1
    if reading.word(behind) in ("a", "an", "the", "one"):
        nouns = facts.part_words | facts.parts_words | GENERIC
        return reading.word(behind + 1) in nouns
    return not reading.word(behind) or reading.word(behind) in TELLING | TELLING_TOO | _SEEN


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") else word


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
