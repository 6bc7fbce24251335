"""Whether a German text says what an English one does, as far as words can tell.

Both are read for the same things: numbers with their units, names, verdicts, places, looks, kinds,
and whether something is denied, bounded or only possible. Sentence by sentence these are the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain

from experts.claims.disguise import hidden_verdict
from experts.claims.facts import Facts
from experts.claims.kind_words import HAVE_GERMAN, SUBSTANCES, english_for, substance_in
from experts.claims.kinds import Lexicon
from experts.claims.reading import Reading
from experts.claims.text import fold, sentences
from experts.claims.translation_vocabulary import has_riders
from experts.claims.translation_words import (
    BETWEEN,
    CONTRASTS,
    COUNTS,
    FORMS,
    IDIOMS,
    MAY_NOT_COME,
    MUST_STAY,
    NEGATION,
    ONE,
    PARTS,
    PLACES,
    SAID_BY_BOTH,
    SIDES,
    TIMES,
    TONES,
    UNITS,
    Pair,
)
from experts.claims.verdict_words import EXACT, HARMLESS, PHRASES
from experts.claims.verdicts import verdict_by_stem, verdict_claims
from experts.claims.words import NEGATORS, TWISTS, singular
from experts.evidence import Verdict

_NAME = re.compile(
    r"`[^`]*`|\b(?:region|look|reference)[- ]\d+\b|\b[\w-]+\.[a-z]\w{1,4}\b", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.,])[-−+]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*")
_UNIT = re.compile(r"[\s-]*([^\W\d_]+[²2]?(?![^\W_])|%)")
# Dots that end no sentence, as in "z. B." and "i. O.".
_SHORT = re.compile(r"\b([zduison])\. ?([bhaouä])\.(?: ?([o])\.)?", re.IGNORECASE)
# A translation is about as long as what it says.
_LONGER, _LONGER_BY = 2, 6
# Of the letters of a kind so many tell it: "scratched" speaks of scratches.
_STEM = 5
_IRREGULAR = {"worn": "wear", "torn": "tear", "broken": "fracture", "bent": "deformation"}
_HARMLESS = re.compile(rf"\b(?:{'|'.join(HARMLESS)})\b")
# So many words in a row are no accident.
_COMMON = 2
_LONGEST_PHRASE = max(len(phrase.split()) for phrase in PHRASES)


def difference(german: str, english: str, facts: Facts) -> str:
    """What a German text says otherwise than an English one, in a few words; empty if nothing.

    Args:
        german: The translation.
        english: What it was made of; all that it says is right.
        facts: What is known of the inspection.
    """
    german, english = _SHORT.sub(r"\1\2\3", german), _SHORT.sub(r"\1\2\3", english)
    if strange := fold(german).strange:
        return strange
    if hidden_verdict(german) and not hidden_verdict(english):
        return "a verdict in disguise"
    if len(_sentences(german)) > len(_sentences(english)):
        return "more sentences"
    lexicon = Lexicon(facts)
    for said, meant in _aligned(german, english):
        if len(said.split()) > _LONGER * len(meant.split()) + _LONGER_BY:
            return "much longer"
        if has_riders(_NAME.sub(" ", said), _NAME.sub(" ", meant), facts):
            return "more than that"
        why = _differs(*_without_common(said, meant), facts)
        if why := why or _other_judgement(said, meant, facts, lexicon):
            return why
    return ""


def _sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


def _aligned(german: str, english: str) -> Iterator[tuple[str, str]]:
    """Sentences that belong together; lines or the whole, where their number differs."""
    lines = [[line for line in text.split("\n") if line.strip()] for text in (german, english)]
    pairs = zip(*lines, strict=True) if len(lines[0]) == len(lines[1]) else [(german, english)]
    for said, meant in pairs:
        parts = _sentences(said), _sentences(meant)
        if len(parts[0]) == len(parts[1]):
            yield from zip(*parts, strict=True)
        else:
            yield said, meant


def _without_common(german: str, english: str) -> tuple[str, str]:
    """Both without what they say word for word: a knowledge file may be in German itself."""
    said, meant = german.split(), english.split()
    blocks = SequenceMatcher(None, said, meant, autojunk=False).get_matching_blocks()
    for block in reversed(blocks):
        words = said[block.a : block.a + block.size]
        # Numbers stay, as their order counts.
        if len(words) >= _COMMON and not any(c.isdecimal() for word in words for c in word):
            said[block.a : block.a + block.size] = meant[block.b : block.b + block.size] = ["…"]
    return " ".join(said), " ".join(meant)


def _differs(german: str, english: str, facts: Facts) -> str:
    if _names(german) != _names(english):
        return "other names"
    texts = _NAME.sub(" NAME ", german), _NAME.sub(" NAME ", english)
    if _other_numbers(*texts):
        return "other numbers"
    said, meant = fold(texts[0]).text.casefold(), fold(texts[1]).text.casefold()
    if _other_verdicts(said, meant):
        return "another verdict"
    if _has_any(said, TWISTS) and not _has_any(meant, TWISTS):
        return "something that turns it round"
    if _kinds_differ(said, meant, facts):
        return "another kind"
    if why := _differs_in_mood(said, meant):
        return why
    return _differs_in_words(_in_idioms(said, "german"), _in_idioms(meant, "english"))


def _has_any(text: str, words: Collection[str]) -> bool:
    return any(word in words for word in re.findall(r"[a-z]+", text))


def _in_idioms(text: str, language: str) -> str:
    for pattern, said in IDIOMS[language]:
        text = pattern.sub(f" {said} ", text)
    return " ".join(text.split())


def _differs_in_words(german: str, english: str) -> str:
    """What differs of what is told by single words, once idioms are read."""
    if _denied_otherwise(german, english):
        return "denied otherwise"
    if _places(german, german=True) != _places(english, german=False):
        return "another place"
    for pairs, what in ((TONES, "looks"), (TIMES, "time"), (SIDES, "size")):
        said, meant = _in_order(german, pairs, german=True), _in_order(english, pairs, german=False)
        if said != meant and (what == "looks" or (said and meant)):
            return f"another {what}"
    for pair in FORMS:
        if len(pair.german.findall(german)) > len(pair.english.findall(english)):
            return "another form"
    for contrast in CONTRASTS:
        meant_poles = {p for p in contrast.poles if p.english.search(english)}
        said_poles = {p for p in contrast.poles if p.german.search(german)}
        if meant_poles and (
            said_poles - meant_poles or (contrast.exact and said_poles != meant_poles)
        ):
            return "the contrary"
    return ""


def _denied_otherwise(german: str, english: str) -> bool:
    """Whether something else is denied; part by part, where both have as many parts."""
    said = [len(NEGATION.findall(part)) for part in PARTS.german.split(german)]
    meant = [len(NEGATION.findall(part)) for part in PARTS.english.split(english)]
    return said != meant if len(said) == len(meant) else sum(said) != sum(meant)


def _differs_in_mood(german: str, english: str) -> str:
    for pair in SAID_BY_BOTH:
        if bool(pair.german.search(german)) != bool(pair.english.search(english)):
            return "something else"
    if any(p.english.search(english) and not p.german.search(german) for p in MUST_STAY):
        return "surer"
    if any(p.german.search(german) and not p.english.search(english) for p in MAY_NOT_COME):
        return "something that may or must be"
    return ""


def _names(text: str) -> list[str]:
    return [name.casefold().replace(" ", "-") for name in _NAME.findall(text)]


def _other_numbers(german: str, english: str) -> bool:
    """Whether numbers and what they count differ, or their order; a "1" may stand in a word."""
    said, meant = list(_numbers(german)), list(_numbers(english))
    one = ("1", "")
    if [n for n in said if n != one] != [n for n in meant if n != one]:
        return True
    spare_ones = meant.count(one) - said.count(one)
    if spare_ones > 0:
        return len(ONE.german.findall(fold(german).text)) < spare_ones
    return len(ONE.english.findall(fold(english).text)) < -spare_ones


def _numbers(text: str) -> Iterator[tuple[str, str]]:
    digits = "".join(fold(c).text if c.isdecimal() else c for c in text.casefold())
    spelt = re.sub(r"[^\W\d_]+", lambda word: COUNTS.get(fold(word[0]).text, word[0]), digits)
    for number in _NUMBER.finditer(spelt):
        unit = _UNIT.match(spelt, number.end())
        value = number[0].replace(",", ".").replace("−", "-").removeprefix("+")
        yield value, UNITS.get(unit[1], "") if unit else ""


def _places(text: str, *, german: bool) -> list[frozenset[str]]:
    """Places in the order in which they are said; words beside each other are of one place."""
    found: list[set[str]] = []
    goes_on = False
    words = re.findall(r"[a-z']+|[^\sa-z']+", text.lower())
    for index, word in enumerate(words):
        behind = " ".join(words[index : index + 2])
        patterns = ((side, p.german if german else p.english) for side, p in PLACES.items())
        sides = {side for side, p in patterns if (m := p.match(behind)) and m.end() >= len(word)}
        if sides and goes_on:
            found[-1] |= sides
        elif sides:
            found.append(sides)
        goes_on = bool(sides) or (goes_on and word in BETWEEN)
    # "Oben in der Mitte" is the top.
    return [frozenset(s - {"centre"} if s - {"centre", "edge"} else s) for s in found]


def _in_order(text: str, pairs: Sequence[Pair], *, german: bool) -> list[int]:
    found = (
        (match.start(), number)
        for number, pair in enumerate(pairs)
        for match in (pair.german if german else pair.english).finditer(text)
    )
    return [number for _, number in sorted(found)]


def _other_verdicts(german: str, english: str) -> bool:
    """Whether one speaks of a verdict that the other does not speak of."""
    return not (
        _verdicts(_without_harmless(english)) <= _verdicts(german)
        and _verdicts(_without_harmless(german)) <= _verdicts(english)
    )


def _without_harmless(text: str) -> str:
    return _HARMLESS.sub(" ", text)


def _verdicts(text: str) -> set[Verdict]:
    words = re.findall(r"[a-z]+", text)
    found = {v for word in words if (v := EXACT.get(word) or verdict_by_stem(word))}
    for length in range(2, _LONGEST_PHRASE + 1):
        for first in range(len(words) - length + 1):
            # What these deny is compared by itself.
            if words[first] not in NEGATORS and (
                verdict := PHRASES.get(" ".join(words[first : first + length]))
            ):
                found.add(verdict)
    return found


def _kinds_differ(german: str, english: str, facts: Facts) -> bool:
    """Whether a kind or a substance comes in, or one that the line knows is lost."""
    # "Im Schnitt" cuts nothing.
    meant = re.findall(r"[a-z]+", english)
    said = re.findall(r"[a-z]+", german.replace("im schnitt", ""))
    stems = {_IRREGULAR.get(word, singular(word))[:_STEM] for word in meant}
    kinds = [english_for(word) for word in said if word not in meant]
    if any(kind and not any(k[:_STEM] in stems for k in kind) for kind in kinds):
        return True
    if any(map(substance_in, said)) and not SUBSTANCES.intersection(meant):
        return True
    named = {w[0] for w in facts.kinds if len(w) == 1 and w[0] in map(singular, meant)}
    rendered = set(chain(*kinds, said, ["stain"] if re.search(r"\bfleck", german) else []))
    return any(name not in rendered and name in HAVE_GERMAN for name in named)


def _other_judgement(german: str, english: str, facts: Facts, lexicon: Lexicon) -> str:
    """Whether a sentence judges the part in a way that is wrong, and that it was not made of.

    Where the English one speaks of another verdict itself, as of false rejects, only adjectives are
    read so: what they say is in none of the lists that are compared.
    """
    plainly = _verdicts(fold(english).text.casefold()) <= {facts.verdict}
    wrong = [
        any(
            claim.state == "wrong" and (plainly or claim.what == "judgement")
            for claim in verdict_claims(Reading.of(text, facts), facts, lexicon)
        )
        for text in (german, english)
    ]
    return "another judgement" if wrong[0] and not wrong[1] else ""
