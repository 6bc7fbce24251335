"""What a sentence says of the verdict: any rephrasing of accept, reject and review, with its no."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from experts.claims.facts import Facts
from experts.claims.kinds import Lexicon
from experts.claims.reading import Claim, Edit, Reading
from experts.claims.verdict_words import (
    BEHIND_PREDICATE,
    ELSEWHERE,
    EXACT,
    HARMLESS,
    HIGH,
    JUDGING,
    LOW,
    MAY,
    PHRASES,
    RANKED,
    STANDING_OUT,
    STEMS,
    USES,
    WEAKENING,
)
from experts.claims.words import COPULAS, HEDGES, listed
from experts.evidence import Verdict

_LONGEST_PHRASE = max(len(phrase.split()) for phrase in PHRASES)
_SHORTEST_STEM = min(len(stem) for stem in STEMS)
# Without words beside it, a judgement can be of the part only.
_ALONE = 4
_NO_WITHIN = 8
_COPULA_WITHIN = 5
# Words that begin so tell what is done with the part, not how it is.
_DECIDING = (
    "accept",
    "approv",
    "ship",
    "releas",
    "deliver",
    "dispatch",
    "pass",
    "clear",
    "sold",
    "sell",
    "akzept",
    "freigeg",
    "angenommen",
    "review",
)
_GIVES_REASON = listed("because since as so therefore thus hence due weil da daher")


class _Term(NamedTuple):
    """A place that says something of the verdict; ``None`` says that the image stands out."""

    first: int
    last: int
    verdict: Verdict | None


def verdict_claims(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """What is said of the verdict.

    "Faulty imprint" may be the name of a kind, and is none then; a name cannot accept, though.
    """
    _skip_harmless(reading)
    terms = [
        term
        for term in _terms(reading, facts)
        if term.verdict != "reject" or not lexicon.covers(reading, term.first)
    ]
    for term in terms:
        reading.use(term.first, term.last)
    claims: list[Claim] = []
    denied = False
    for number, term in enumerate(terms):
        # "Not accepted, shipped or sold" denies them all.
        goes_on = denied and number > 0 and _goes_on(reading, terms[number - 1], term)
        claim, denied = _claim(reading, term, facts, goes_on)
        claims.append(claim)
    if terms and any(_is_elsewhere(reading, i, facts) for i in range(len(reading.tokens))):
        claims = [claim._replace(state="doubt", why="of what it says that") for claim in claims]
    wrong = [i for i, claim in enumerate(claims) if claim.state == "wrong"]
    if len(claims) == 1 and wrong:
        claims[0] = claims[0]._replace(edits=_mend(reading, terms[0], facts))
    yield from claims


def _skip_harmless(reading: Reading) -> None:
    for index in range(len(reading.tokens)):
        if length := reading.follows(index, *HARMLESS):
            reading.use(index, index + length - 1)


def _terms(reading: Reading, facts: Facts) -> Iterator[_Term]:
    index = 0
    while index < len(reading.tokens):
        found = None if index in reading.used else _term_at(reading, index, facts)
        if found:
            yield found
        index = found.last + 1 if found else index + 1


def _term_at(reading: Reading, index: int, facts: Facts) -> _Term | None:
    word = reading.word(index)
    if not word:
        return None
    words = [word]
    while len(words) < _LONGEST_PHRASE and reading.word(index + len(words)):
        words.append(reading.word(index + len(words)))
    for length in range(len(words), 1, -1):
        if verdict := PHRASES.get(" ".join(words[:length])):
            return _Term(index, index + length - 1, verdict)
    if standing := _standing_out(reading, index, word):
        return standing
    verdict = EXACT.get(word) or verdict_by_stem(word)
    if word in USES and MAY.union(["cannot", "can't", "do"]).intersection(
        reading.words_before(index, 4)
    ):
        verdict = "accept"
    if verdict is None and (word in JUDGING or word in STANDING_OUT):
        if not _judges(reading, index, facts):
            return None
        return _Term(index, index, JUDGING.get(word))
    return _Term(index, index, verdict) if verdict else None


def _standing_out(reading: Reading, index: int, word: str) -> _Term | None:
    """Anything unusual; a score that is high, a p-value that is low, and the other way round."""
    following = reading.word(index + 1)
    if word in ("anything", "something") and following in STANDING_OUT | {"wrong", "odd"}:
        return _Term(index, index + 1, None)
    if word not in RANKED or following not in COPULAS:
        return None
    for at in range(index + 2, index + 4):
        if reading.word(at) in HIGH | LOW:
            said = "high" if reading.word(at) in HIGH else "low"
            return _Term(index, at, None if said == RANKED[word] else "accept")
    return None


@lru_cache(maxsize=4096)
def verdict_by_stem(word: str) -> Verdict | None:
    """What a word says of the verdict by its beginning."""
    for length in range(len(word), _SHORTEST_STEM - 1, -1):
        if verdict := STEMS.get(word[:length]):
            return verdict
    return None


def _judges(reading: Reading, index: int, facts: Facts) -> bool:
    """Whether an adjective judges the part: its predicate, before its name, or alone."""
    following = reading.word(index + 1)
    before = [reading.word(i) for i in range(max(0, index - _COPULA_WITHIN), index)]
    if following in facts.parts_words:
        return False
    # Else it is a side.
    if reading.word(index) == "right" and before[-1:] and before[-1] not in COPULAS | {"all"}:
        return False
    if following in facts.part_words:
        # "A good part has …" and "unlike a good part" speak of others.
        return any(word in COPULAS | {"this", "like", "as"} for word in before)
    if following and following not in BEHIND_PREDICATE:
        return False
    if reading.mark(index - 1) in (":", "="):
        return True
    return bool(COPULAS.intersection(before)) or len(reading.tokens) <= _ALONE


def _decides(word: str) -> bool:
    """Whether a word tells what is done with the part, not how it is."""
    return word.startswith(_DECIDING)


def _goes_on(reading: Reading, before: _Term, term: _Term) -> bool:
    """Whether a term continues a list of terms that say the same."""
    linked = reading.mark(term.first - 1) == "," or reading.word(term.first - 1) in ("or", "oder")
    return linked and before.last == term.first - 2 and before.verdict == term.verdict


def _claim(reading: Reading, term: _Term, facts: Facts, goes_on: bool) -> tuple[Claim, bool]:
    """What a term claims, and whether it is denied."""
    near = reading.before(term.first, _NO_WITHIN)
    noes = reading.negators(near)
    if [reading.word(i) for i in noes] == ["nor", "neither"]:
        reading.used.add(noes.pop())
    here = [reading.word(i) for i in reading.in_segment(term.first)]
    only = any(reading.word(i + 1) in ("only", "just", "merely", "nur") for i in noes)
    if only or len(noes) > 1 or WEAKENING.intersection(here) or _is_hedged(here):
        return Claim("verdict", "doubt", "what it says of the verdict is not clear"), False
    reading.used.update(noes)
    denied = goes_on or bool(noes)
    if denied and facts.verdict == "review" and not _decides(reading.word(term.first)):
        # What waits for a person cannot be shipped; that it is not good nobody knows.
        return Claim("verdict", "doubt", "the verdict is review"), False
    right = _is_right(term.verdict, denied, facts)
    what = "judgement" if reading.word(term.first) in JUDGING else "verdict"
    why = f"the verdict is {facts.verdict}"
    return Claim(what, "right" if right else "wrong", why), denied


def _is_hedged(words: list[str]) -> bool:
    """Whether it is only supposed; "may be shipped" allows, and "seems fine" judges."""
    return bool((HEDGES - COPULAS - {"may"}).intersection(words))


def _is_right(meant: Verdict | None, negated: bool, facts: Facts) -> bool:
    if meant is None:
        return (
            facts.suspicious and facts.verdict != "accept" if not negated else not facts.suspicious
        )
    if not negated:
        return facts.verdict == meant
    # What is not rejected is not yet good, where a person shall look.
    return facts.verdict == "accept" if meant == "reject" else facts.verdict != meant


def _is_elsewhere(reading: Reading, index: int, facts: Facts) -> bool:
    word = reading.word(index)
    if word not in ELSEWHERE:
        return False
    return word.endswith(("ly", "day", "en", "times")) or (
        reading.word(index + 1) in facts.part_words | facts.parts_words
    )


def _mend(reading: Reading, term: _Term, facts: Facts) -> tuple[Edit, ...]:
    """The right verdict in its place, where the sentence says no more than it."""
    word = reading.word(term.first)
    if reading.has(_GIVES_REASON) or term.first != term.last:
        return ()
    before = reading.words_before(term.first, 3)
    if word in ("accept", "reject", "review"):
        colon = reading.mark(term.first - 1) in (":", "=")
        named = reading.word(term.first - 2 if colon else term.first - 1) == "verdict"
        is_said = before[:1] == ["is"] and "verdict" in before
        instead: str = facts.verdict if named or is_said else ""
    elif word in ("accepted", "rejected") and (
        before[:1] in (["is"], ["was"], ["be"], ["been"]) or _is_heading(reading, term)
    ):
        forms = {"accept": "accepted", "reject": "rejected", "review": "sent to review"}
        instead = forms[facts.verdict]
    else:
        instead = ""
    cased = _in_case(instead, reading.source(term.first))
    return (reading.edit(term.first, term.last, cased),) if instead else ()


def _is_heading(reading: Reading, term: _Term) -> bool:
    """Whether a verdict stands alone, or before a colon."""
    return term.first == 0 and (len(reading.tokens) == 1 or bool(reading.mark(1)))


def _in_case(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[:1].isupper() else word
