"""Makes sure that an answer, and its translation, say nothing but what the evidence says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from experts.answers import Asked, Known, Told, Topic
from experts.answers.knowing import in_general
from experts.answers.weighing import next_step
from experts.claims import Facts, check
from experts.claims.facts import quote_key
from experts.claims.text import fold, sentences
from experts.claims.translations import difference
from experts.evidence import Look, Said, Verdict
from experts.grounding import Grounded, Words, ground, tells, words_of
from experts.sheet import NOT_KNOWN, normal_line, sayable, with_quotes

# In answer to these a model says what something is, which may make less of it.
_OF_NATURE: frozenset[Topic] = frozenset(
    ("kind", "severity", "normal", "reference", "background", "opinion", "healed")
)
# Why a sentence in a language that cannot be read need not be refused.
_FOREIGN = frozenset({"a language that cannot be checked", "letters that cannot be checked"})
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_UNIT = re.compile(r"\s*(px²|mm²|px|mm|%|µm)?")
_NAME = re.compile(r"`[^`]*`|\b(?:region|look|reference)-\d+\b|\b[\w-]+\.[A-Za-z]\w{1,4}\b")
# French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish, Turkish, Czech; folded.
_VERDICTS: Mapping[Verdict, re.Pattern[str]] = {
    "accept": re.compile(
        r"\b(accept|acept|accett|aceit|akcept|zaakcept|goedgek|aanvaard|godk|kabul|prijat|schval|"
        r"conforme?\b|bonne?\b|buen[ao]\b|buon[ao]\b|libera|approv|aprob|approuv|goed\b)"
    ),
    "reject": re.compile(
        r"\b(reject|rejet|refus|rechaz|respint|rifiut|scart|rejeit|afgek|afgew|odrzuc|underk|avvis|"
        r"kasser|redd|zamit)"
    ),
}


def grounded(
    text: str, asked: Asked, known: Known, draft: Told, said: Sequence[str] = ()
) -> Grounded:
    """Check what a model says in answer to a question.

    What claims nothing that can be checked stays only if its words are those of the evidence; in
    answer to what becomes of the part it does not stay at all, as "by all means" then is a verdict.

    Args:
        text: What it says.
        asked: The question.
        known: What is known of the inspection.
        draft: What code says on the question; it may be repeated word for word.
        said: What else may be, because code says it.
    """
    facts = with_quotes(facts_with(known, draft), said)
    strict = asked.of_verdict
    left = ground(text, facts, _words_of(known, facts, draft), strict=strict)
    return left._replace(text=_with_verdict(_in_general(left.text, known), asked, known))


def _in_general(text: str, known: Known) -> str:
    """Beside what the file says of good parts stands that it is not said of this one."""
    if text and text == normal_line(known) and known.inspection.verdict != "accept":
        return f"{text}\n{in_general(known)}"
    return text


def unknown(asked: Asked | None, known: Known) -> Grounded:
    """The answer that something is not known; where the verdict is asked for, beside it.

    Args:
        asked: The question; ``None`` if it is not on this part.
        known: What is known of the inspection.
    """
    said = Said(text=NOT_KNOWN, said=NOT_KNOWN, outcome="none")
    text = NOT_KNOWN if asked is None else _with_verdict(NOT_KNOWN, asked, known)
    return Grounded(text, (said,), faithfulness=None)


def facts_with(known: Known, draft: Told) -> Facts:
    """What sentences of a model are compared with: the evidence, and what code says of it.

    Of the knowledge file nothing may be said word for word but what code quotes, and says that it
    does: who writes the file may write "Put it on the truck" into it.
    """
    facts = known.facts
    quotes = {key: by for key, by in facts.quotes.items() if by == "evidence" and tells(key)}
    for text in (*draft.sentences, *(known.looked_up(look) for look in known.looks)):
        keys = list(_keys(text))
        if len(keys) == 1 or not _quotes_file(text):
            quotes |= {key: "evidence" for key in keys if tells(key)}
    told = replace(facts, quotes=quotes, names=(*facts.names, *_names(known.looks)))
    return with_quotes(told, sayable(known))


def _quotes_file(text: str) -> bool:
    return "knowledge file" in text or "“" in text


def _keys(text: str) -> Iterable[str]:
    return (quote_key(text[span.start : span.end]) for span in sentences(text))


def _names(looks: Sequence[Look]) -> list[str]:
    return [look.id for look in looks]


def _words_of(known: Known, facts: Facts, draft: Told) -> Words:
    """What the evidence says, and code beside it; what code quotes of the file is no evidence."""
    looked = [look.found for look in known.looks if look.tool != "lookup"]
    return words_of(facts, [text for text in (*draft.sentences, *looked) if not _quotes_file(text)])


def _with_verdict(text: str, asked: Asked, known: Known) -> str:
    """An answer to what becomes of the part says the verdict in words of code.

    Of a part that is held back, so does one to a question of which it cannot be told whether it
    asks that, and one that may make less of what stands out.
    """
    if not text:
        return text
    is_held_back = known.inspection.verdict != "accept"
    beside = is_held_back and (not asked.topics or bool(_OF_NATURE.intersection(asked.topics)))
    decides = asked.about_verdict and bool(asked.topics)
    code = [*next_step(known, ()).sentences] if beside or decides else []
    code += [known.inspection.decision.reason] if decides else []
    return "\n".join((*(said for said in code if said not in text), text))


def fits(translation: str, text: str, language: str, known: Known, draft: Told) -> bool:
    """Whether a translation says what the text says, as far as that can be checked.

    German is read sentence by sentence, see ``experts.claims.translations``: it must speak of the
    same numbers, names, places, looks, kinds and verdicts, and deny the same. Of any other language
    only numbers and names can be read, so nothing may be said of the verdict there: nobody could
    tell whether it is turned round. Even so it may say what the text does not, so it stands below
    the text, and is marked.

    Args:
        translation: What a model made of the text.
        text: In English.
        language: Which one it is put in.
        known: What is known of the inspection.
        draft: What code says on the question.
    """
    if not translation:
        return False
    facts = facts_with(known, draft)
    if language.casefold() in ("german", "deutsch", "de"):
        return not difference(translation, text, facts)
    if _numbers(translation) != _numbers(text):
        return False
    if Counter(_NAME.findall(translation)) != Counter(_NAME.findall(text)):
        return False
    if _verdicts(translation) or _verdicts(text):
        return False
    if len(sentences(translation)) > len(sentences(text)):
        return False
    found = check(translation, facts).sentences
    return not any(s.outcome in ("corrected", "dropped") and s.why not in _FOREIGN for s in found)


def _numbers(text: str) -> Counter[tuple[str, str]]:
    """Numbers and what they count, whatever stands before decimals."""
    digits = "".join(fold(c).text if c.isdecimal() else c for c in text)
    found: Counter[tuple[str, str]] = Counter()
    for number in _NUMBER.finditer(digits):
        unit = _UNIT.match(digits, number.end())
        found[number[0].replace(",", "."), (unit and unit[1]) or ""] += 1
    return found


def _verdicts(text: str) -> set[Verdict]:
    folded = fold(text).text
    return {verdict for verdict, words in _VERDICTS.items() if words.search(folded)}
