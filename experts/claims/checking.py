"""Checks a text about one inspection, sentence by sentence, against its evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

from experts.claims.bound import Bound
from experts.claims.causes import cause_claims, healing_claims, substance_claims
from experts.claims.comparisons import comparisons, superlatives
from experts.claims.counts import count_claims, fault_claims, names_a_fault
from experts.claims.disguise import hidden_verdict
from experts.claims.facts import Facts, quote_key
from experts.claims.groups import named_places, resolve
from experts.claims.kinds import Lexicon, kinds_said
from experts.claims.languages import is_foreign, tells_language
from experts.claims.limits import limit_claims
from experts.claims.looks import looks_said
from experts.claims.normality import normality_claims
from experts.claims.opinions import opinion_claims
from experts.claims.orders import BUYERS, is_bare_answer, unclear_judgement, unclear_order
from experts.claims.places import places_said
from experts.claims.ranks import rank_claims
from experts.claims.reading import Claim, Reading, edited, is_negator
from experts.claims.sizes import number_claims
from experts.claims.text import joined, sentences
from experts.claims.verdict_words import HEADINGS
from experts.claims.verdicts import verdict_claims
from experts.claims.words import (
    CONDITIONALS,
    COUNT_WORDS,
    FIRST_CONDITIONALS,
    TWISTING,
    TWISTS,
    listed,
)
from experts.evidence import Said

Outcome = Literal["none", "right", "corrected", "dropped"]

_ASKING = listed(
    "is are was were do does did can could should shall will would may might has have what which "
    "where when who whom whose how must ist sind kann soll muss hat welche welcher wo wie wer "
    "wann"
)
_TAGS = ("isn't it", "is it not", "right", "doesn't it", "aren't they", "oder")
# So begins what code says of good parts and of kinds of defects, out of the knowledge file.
_GOOD = "a good"
_FROM_FILE = (_GOOD, "looks of", "cause of", "effect of")
# They may point at this part.
_POINTING = HEADINGS | listed("this these those here you your yours everything something")
# They count or compare; "one" may stand for a thing.
_NUMBER_WORDS = (
    COUNT_WORDS.keys() | listed("twice double triple thrice half quarter hundred thousand")
) - {"one"}
_LESS_AND_LESS: tuple[tuple[Outcome, ...], ...] = (("none", "right"), ("none",), ())
# Why a sentence cannot be read.
FOREIGN = "a language that cannot be checked"
# It claims nothing that is known, and yet may say what becomes of the part.
MAY_JUDGE = "it may judge the part"
# Nobody says so much in one sentence.
MAX_SENTENCE = 1500


@dataclass(frozen=True)
class Checked:
    """What came of a text.

    Attributes:
        sentences: In order.
        text: What is left to say.
    """

    sentences: tuple[Said, ...]
    text: str

    def count(self, outcome: Outcome) -> int:
        """How many sentences came out so."""
        return sum(sentence.outcome == outcome for sentence in self.sentences)

    @property
    def faithfulness(self) -> float | None:
        """Share of the sentences with claims that were right as they came; see there."""
        return faithfulness(self.sentences)


def faithfulness(sentences: Sequence[Said]) -> float | None:
    """Share of the sentences with claims that were right as they came; ``None`` if none had any.

    What cannot be told counts as not right.
    """
    claiming = [said for said in sentences if said.outcome != "none"]
    right = sum(said.outcome == "right" for said in claiming)
    return right / len(claiming) if claiming else None


class _Found(NamedTuple):
    """The claims of a sentence, and the regions that it speaks of, if that is clear."""

    claims: tuple[Claim, ...]
    about: frozenset[str] | None


def check(text: str, facts: Facts) -> Checked:
    """Check each sentence of a text against the evidence of an inspection.

    A sentence that is wrong is corrected where the right value is clear, and else left out; so is
    one of which that cannot be told. What is left, checked again, is right and stays as it is.

    Args:
        text: Any text.
        facts: What is known of the inspection.
    """
    lexicon = Lexicon(facts)
    checked = _checked(text, facts, lexicon)
    # Sentences that are right each for itself may run together once others are left out.
    for kept in _LESS_AND_LESS:
        if _is_stable(text, checked, facts, lexicon):
            return checked
        checked = _reduced(text, checked, kept)
    return replace(checked, text="")


def _checked(text: str, facts: Facts, lexicon: Lexicon) -> Checked:
    spans = sentences(text)
    found: list[Said] = []
    context: frozenset[str] | None = None
    in_foreign = len(spans) > 1 and is_foreign(Reading.of(text, facts))
    for span in spans:
        sentence, context = _sentence(text[span.start : span.end], facts, lexicon, context)
        if in_foreign and sentence.outcome in ("corrected", "dropped"):
            sentence = _by_language_of_text(sentence, facts, lexicon)
        found.append(sentence)
    return Checked(tuple(found), joined(text, spans, [sentence.said for sentence in found]))


def _by_language_of_text(said: Said, facts: Facts, lexicon: Lexicon) -> Said:
    """A sentence of a text in a language that cannot be checked is in that language, too.

    A short one may have no word that tells. What it says of the verdict still counts.
    """
    reading = Reading.of(said.text, facts)
    if tells_language(reading) or hidden_verdict(said.text):
        return said
    return said if any(verdict_claims(reading, facts, lexicon)) else _dropped(said.text, FOREIGN)


def _is_stable(text: str, checked: Checked, facts: Facts, lexicon: Lexicon) -> bool:
    """Whether what is left of a text stays as it is when it is checked again."""
    if hidden_verdict(checked.text):
        return False
    again = checked if checked.text == text else _checked(checked.text, facts, lexicon)
    changed = again.count("corrected") + again.count("dropped")
    return again.text == checked.text and not changed


def _reduced(text: str, checked: Checked, kept: Collection[Outcome]) -> Checked:
    """With only those sentences that came out in some ways."""
    found = tuple(
        s
        if s.said is None or s.outcome in kept
        else _dropped(s.text, "not clear beside the others")
        for s in checked.sentences
    )
    return Checked(found, joined(text, sentences(text), [s.said for s in found]))


def _as_it_came(text: str, outcome: Outcome) -> Said:
    return Said(text=text, said=text, outcome=outcome)


def _dropped(text: str, why: str) -> Said:
    return Said(text=text, said=None, outcome="dropped", why=why)


def _sentence(
    text: str, facts: Facts, lexicon: Lexicon, context: frozenset[str] | None
) -> tuple[Said, frozenset[str] | None]:
    """What comes of a sentence, and which regions the next one may call "it"."""
    reading = Reading.of(text, facts)
    if not any(c.isalnum() for c in reading.folded.text):
        return _as_it_came(text, "none"), context
    if why := _unreadable(text, reading):
        return _dropped(text, why), None
    if source := facts.quotes.get(quote_key(text)):
        return _quoted(text, reading, facts, lexicon, source == "evidence"), None
    if _is_question(reading):
        return _as_it_came(text, "none"), None
    found = _claims(reading, facts, lexicon, context)
    why = _doubt(reading, facts, found.claims)
    if why:
        return _dropped(text, why), None
    wrong = [claim for claim in found.claims if claim.state == "wrong"]
    if not wrong:
        return _as_it_came(text, "right" if found.claims else "none"), found.about
    return _corrected(text, wrong, facts, lexicon, context)


def _corrected(
    text: str,
    wrong: Sequence[Claim],
    facts: Facts,
    lexicon: Lexicon,
    context: frozenset[str] | None,
) -> tuple[Said, frozenset[str] | None]:
    """The sentence with its wrong claims put right, if that makes it right; else it is left out."""
    why = wrong[0].why
    if all(claim.edits for claim in wrong):
        said = edited(text, [edit for claim in wrong for edit in claim.edits])
        again = Reading.of(said, facts)
        found = _claims(again, facts, lexicon, context)
        right = found.claims and all(claim.state == "right" for claim in found.claims)
        if right and not _doubt(again, facts, found.claims):
            return Said(text=text, said=said, outcome="corrected", why=why), found.about
    return _dropped(text, why), None


def _quoted(text: str, reading: Reading, facts: Facts, lexicon: Lexicon, is_evidence: bool) -> Said:
    """A sentence of the evidence or of the knowledge file, word for word.

    Whoever writes a knowledge file could write a verdict into it, and its notes go into reasons.
    """
    list(opinion_claims(reading, facts))
    claims = [*verdict_claims(reading, facts, lexicon)]
    if not is_evidence:
        claims += fault_claims(reading, facts)
    if is_evidence and reading.follows(0, *_FROM_FILE):
        points = _points(reading, text)
        if points and facts.held_back and reading.follows(0, _GOOD):
            return _dropped(text, MAY_JUDGE)
        if not points and not _names_part(text, facts, lexicon):
            claims = [claim for claim in claims if claim.what != "judgement"]
    # "Its leads are whole and clean" is said of good parts, "this part is clean" of this one.
    elif not is_evidence and not reading.has(facts.part_words | _POINTING | {"it"}):
        claims = [claim for claim in claims if claim.what != "judgement"]
    found = next((claim for claim in claims if claim.state == "wrong"), None)
    if found:
        return _dropped(text, found.why)
    return _as_it_came(text, "right" if is_evidence else "none")


def _points(reading: Reading, text: str) -> bool:
    """Whether what is said of good parts turns to this one: "verdict: fine", "what you see"."""
    tokens = range(len(reading.tokens))
    named = any(token.kind == "region" for token in reading.tokens)
    the_one = any(reading.follows(i, "the one", "that one") for i in tokens)
    heads = set(":=") & set(text.partition(":")[2])
    return named or the_one or bool(heads) or reading.has(_POINTING)


def _names_part(text: str, facts: Facts, lexicon: Lexicon) -> bool:
    """Whether a clause that judges names the part: "a piece of ferrite; marks are normal" does not.

    Every clause is of a sentence that begins with "A good tile: ..." or "Looks of crack: ...".
    """
    for clause in text.partition(":")[2].split(";"):
        reading = Reading.of(clause, facts)
        if reading.has(facts.part_words | {"it"}):
            claims = verdict_claims(reading, facts, lexicon)
            if any(claim.what == "judgement" and claim.state == "wrong" for claim in claims):
                return True
    return False


def _unreadable(text: str, reading: Reading) -> str:
    """Why nothing can be told of a sentence, if so."""
    if reading.folded.strange:
        return reading.folded.strange
    if hidden_verdict(text):
        return "a verdict in disguise"
    if is_foreign(reading):
        return FOREIGN
    return "too long for one sentence" if len(text) > MAX_SENTENCE else ""


def _is_question(reading: Reading) -> bool:
    """Whether a sentence asks, and does not only look as if it did."""
    if not _ends_asking(reading):
        return False
    count = len(reading.tokens)
    tag = any(reading.follows(count - len(tag.split()), tag) for tag in _TAGS)
    return reading.word(0) in _ASKING and not tag


def _ends_asking(reading: Reading) -> bool:
    return reading.folded.text.rstrip("\"')]*_ ").endswith("?")


def _claims(
    reading: Reading, facts: Facts, lexicon: Lexicon, context: frozenset[str] | None
) -> _Found:
    """What a sentence claims; the order matters, as each check explains words to the next."""
    if reading.word(0) in ("no", "yes", "nein", "ja") and reading.mark(1) == ",":
        reading.use(0, 0)
    claims: list[Claim] = [*opinion_claims(reading, facts)]
    named = list(named_places(reading))
    claims += [
        *healing_claims(reading, facts),
        *substance_claims(reading, facts),
        *cause_claims(reading, facts, lexicon),
        *limit_claims(reading, facts, lexicon),
        *comparisons(reading, facts, lexicon),
        *rank_claims(reading, facts),
        *count_claims(reading, facts, lexicon),
        *normality_claims(reading, facts, lexicon),
        *verdict_claims(reading, facts, lexicon),
    ]
    claims += [
        Claim("name", "wrong", "there is no such file")
        for token in reading.tokens
        if token.kind == "name" and not token.text
    ]
    bounds = [
        Bound(
            "place", where.first, where.last, where.holds, partial(where.mend, reading), names=True
        )
        for where in places_said(reading, facts.part_words)
    ]
    bounds += [
        Bound(
            "kind", kinds.first, kinds.last, kinds.holds, partial(kinds.mend, reading), names=True
        )
        for kinds in kinds_said(reading, lexicon)
    ]
    bounds += looks_said(reading)
    bounds += superlatives(reading, facts)
    for claim in number_claims(reading, facts):
        if isinstance(claim, Bound):
            bounds.append(claim)
        else:
            claims.append(claim)
    claims += _other_numbers(reading)
    resolved = resolve(reading, facts, named, sorted(bounds, key=lambda b: b.first), context)
    return _Found((*claims, *resolved.claims), resolved.about)


def _other_numbers(reading: Reading) -> list[Claim]:
    """Numbers in words that count nothing which is known here."""
    left = [t for i, t in enumerate(reading.tokens) if t.kind == "word" and i not in reading.used]
    said = [t for t in left if t.text in _NUMBER_WORDS]
    return [Claim("number", "wrong", f"no evidence for {token.text}") for token in said]


def _doubt(reading: Reading, facts: Facts, claims: Sequence[Claim]) -> str:
    """Why it cannot be told what a sentence says, if so."""
    left = [i for i in range(len(reading.tokens)) if i not in reading.used]
    words = {reading.word(i) for i in left}
    if is_bare_answer(reading):
        return "an answer to a question that is not known"
    if twist := sorted(words & TWISTS):
        return f"{twist[0]!r} may turn it round"
    if any(reading.follows(i, *TWISTING) for i in range(len(reading.tokens))):
        return "it turns round what it says"
    if left and left[-1] == len(reading.tokens) - 1 and is_negator(reading.word(left[-1])):
        return "it does not end"
    if not any(claim.what in ("verdict", "judgement") for claim in claims) and unclear_order(
        reading, facts
    ):
        return "what may be done is not clear"
    if names_a_fault(reading, facts):
        return "no defect was found"
    if facts.held_back and words & BUYERS:
        return "what a customer does with it is not known"
    if claims:
        return _doubt_of_claims(reading, words, claims)
    return MAY_JUDGE if unclear_judgement(reading, facts) else ""


def _doubt_of_claims(reading: Reading, words: Collection[str], claims: Sequence[Claim]) -> str:
    """Why it cannot be told what is claimed, if so."""
    if _ends_asking(reading):
        return "it does not tell but ask"
    if CONDITIONALS.intersection(words) or reading.word(0) in FIRST_CONDITIONALS:
        return "it only supposes that"
    if doubt := next((claim for claim in claims if claim.state == "doubt"), None):
        return doubt.why
    return "what it denies is not clear" if any(map(is_negator, words)) else ""
