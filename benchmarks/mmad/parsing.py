"""Reads which option a text chooses.

Some texts choose none: a refusal, several letters, a letter that is not offered, a sentence that
merely contains one. What cannot be read without guessing is no answer, and so counts as wrong.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

# Quantifiers are possessive where what follows cannot need what they took: a long run of blanks
# would else be divided among them in every way.
# A letter that stands alone; not the t of "can't".
_LETTER = r"(?P<letter>[A-Za-z])(?![\w'’])"
_OPEN = r"[\s*_\"'`(\[{]*+"
_NOUN = rf"(?:(?:option|choice|letter)\b[\s:]*+{_OPEN})?"
_DECLARED = re.compile(
    r"(?:(?:\banswer|\b(?:the|my|correct|right|best|final)\s+(?:option|choice))"
    r"\s*+[*_]*+\s*+(?:is|would\s+be|should\s+be|:|=)"
    r"|\b(?:I|we)(?:\s+would|\s+will|['’]d|['’]ll)?\s+(?:choose|select|pick|go\s+with)\b"
    rf"|\\boxed)[\s:]*+{_OPEN}{_NOUN}{_LETTER}",
    re.IGNORECASE,
)
# What a letter follows that may as well be a word of the sentence.
_IT_IS = r"\bit(?:['’]s|\s+is)\b\s*+"
_CONCLUDED = re.compile(
    rf"(?:(?:\A|(?<=[.!?:\n]\s)|(?<=\n)|\b(?:I|we)\s+(?:think|believe)\s+(?:that\s+)?){_IT_IS}"
    r"|\b(?:therefore|thus|hence|so)\b[\s,:]*+|\bquestion\s+\d{1,3}\s*+[:.)])"
    rf"{_OPEN}{_NOUN}{_LETTER}",
    re.IGNORECASE,
)
_CALLED = re.compile(rf"{_IT_IS}{_OPEN}{_NOUN}{_LETTER}", re.IGNORECASE)
_LEADING = re.compile(rf"\A{_OPEN}{_NOUN}{_LETTER}", re.IGNORECASE)
_PREFIX = re.compile(
    r"\A\W*+(?:(?:(?:the|my)\s+)?(?:(?:correct|final|best)\s+)?answer(?:\s+is\b|\s*[:=])[\s*]*+)?"
    r"(?:(?:option|choice)\s++(?=\W*+[A-Z]\b))?",
    re.IGNORECASE,
)
# What may follow a letter that is meant as one, where a word follows at once.
_GOES_ON = re.compile(
    r"\s+(?:because|since|as|is\s+(?:the\s+)?(?:correct|right|best|answer))\b", re.IGNORECASE
)
_ENDS = re.compile(r"[\s*_\"'`]*(?:\Z|\n|[.:;)\]}]|[,–—]|-\s)")
_ENDS_ALL = re.compile(r"[*_\"'`]*(?:\Z|\n|[.:;)\]}])")
_DENIED = re.compile(
    r"[\s*_\"'`)\]}]*+(?:is\s+(?:not|wrong|incorrect|false)|isn['’]t)\b", re.IGNORECASE
)
_ANOTHER = re.compile(rf"[\s*_)\]}}.:]*+(?:,|/|&|\bor\b|\band\b)?{_OPEN}{_LETTER}")
_REFUSAL = re.compile(
    r"\b(?:sorry|unable\s+to|not\s+able\s+to|can\s*not|can['’]t|could\s+not|couldn['’]t)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,.;:!\n–—]\s*+|\s-\s")
# Keys of an object under which models put what they choose.
_KEYS = ("answer", "final_answer", "choice", "option", "letter")


def parse_letter(text: str, options: Mapping[str, str]) -> str | None:
    """The option that a text chooses.

    Args:
        text: What a model wrote.
        options: The text of each option, by its letter.

    Returns:
        One of the letters; ``None`` if the text chooses none, or more than one.
    """
    said = _plain(text)
    if (field := _from_json(said)) is not None:
        said = _plain(field)
    letters = {letter.upper(): letter for letter in options}
    found = _whole(said, options) or _declared(said) | _concluded(said) | _leading(said, options)
    found = found or _first_words(said, options)
    return letters.get(found.pop().upper()) if len(found) == 1 else None


def _plain(text: str) -> str:
    """What was said, without what was thought before; a thought that never ends says nothing."""
    text = unicodedata.normalize("NFKC", text)
    _, _, text = text.rpartition("</think>")
    return text.partition("<think>")[0].strip()


def _from_json(said: str) -> str | None:
    """What an object says under one of the known keys; ``None`` if the text is no object."""
    fenced = re.fullmatch(r"```\w*\s*(.*?)\s*```", said, re.DOTALL)
    try:
        found = json.loads(fenced[1] if fenced else said)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return None
    fields = {str(key).casefold(): value for key, value in found.items()}
    value = next((fields[key] for key in _KEYS if key in fields), "")
    return value if isinstance(value, str) else ""


def _whole(said: str, options: Mapping[str, str]) -> set[str]:
    """The letters for which the text is nothing but the letter, the option, or both."""
    for text in dict.fromkeys((said, _PREFIX.sub("", said))):
        bare = _bare(text)
        # An option may read like the letter of another: the letters are what is asked for.
        found = {letter for letter in options if bare == letter.casefold()}
        found = found or {
            letter
            for letter, option in options.items()
            for form in ("{option}", "{letter} {option}")
            if bare == _bare(form.format(letter=letter, option=option))
        }
        if found:
            return found
    return set()


def _bare(text: str) -> str:
    """Words alone: no marks, one space between them, in small letters."""
    return " ".join(re.findall(r"[^\W_]+(?:['’.,/-][^\W_]+)*|[<>=±%°]", text.casefold()))


def _declared(said: str) -> set[str]:
    """The letters that are called the answer."""
    found: set[str] = set()
    for match in _DECLARED.finditer(said):
        if _is_meant(match["letter"], behind := said[match.end() :]):
            found |= {match["letter"].upper()} | _others(behind)
    return found


def _concluded(said: str) -> set[str]:
    """The letters that a sentence comes to, as in "It's B." or "Therefore, option B."."""
    found = _standing(_CONCLUDED, said)
    # Who calls it one thing and then another has chosen neither.
    return found | _standing(_CALLED, said) if found else found


def _standing(pattern: re.Pattern[str], said: str) -> set[str]:
    """The letters that a pattern finds and that cannot be words of the sentence."""
    found: set[str] = set()
    for match in pattern.finditer(said):
        letter, behind = match["letter"], said[match.end() :]
        ends = _ENDS_ALL if letter in "AI" else _ENDS
        if letter not in "ai" and (ends.match(behind) or _GOES_ON.match(behind)):
            found |= {letter.upper()} | _others(behind)
    return found


def _leading(said: str, options: Mapping[str, str]) -> set[str]:
    """The letter with which the text begins, and any other that it sets beside it."""
    match = _LEADING.match(said)
    if match is None:
        return set()
    letter, behind = match["letter"], said[match.end() :]
    if _DENIED.match(behind) or not (_ENDS.match(behind) or _GOES_ON.match(behind)):
        return set()
    # The letter of one option before the text of another chooses neither.
    named = {own.upper() for own in _begun(behind, options)}
    return {letter.upper()} | _others(behind) | named


def _is_meant(letter: str, behind: str) -> bool:
    """Whether it is a letter and no word: "a crack" and "I think" begin with words."""
    if _ENDS.match(behind):
        return True
    return letter.isupper() and (letter not in "AI" or bool(_GOES_ON.match(behind)))


def _others(behind: str) -> set[str]:
    """A second letter at once behind the first, as in "A or B"."""
    match = _ANOTHER.match(behind)
    if match is None or not match["letter"].isupper():
        return set()
    return {match["letter"]} if _is_meant(match["letter"], behind[match.end() :]) else set()


def _first_words(said: str, options: Mapping[str, str]) -> set[str]:
    """The options that a sentence begins with or mentions, as in "No, the surface is even."."""
    begun = set() if _REFUSAL.search(said) else _begun(said, options)
    if not begun:
        return set()
    (own, *_), words = begun, f" {_bare(said)} "
    rest = words.replace(f" {_bare(options[own])} ", " ")
    return begun | {other for other, text in options.items() if f" {_bare(text)} " in rest}


def _begun(said: str, options: Mapping[str, str]) -> set[str]:
    """The options whose text, up to a mark, begins what was said; of several the longest."""
    bares = {letter: _bare(option) for letter, option in options.items()}
    most = max(map(len, bares.values()), default=0)
    start, starts = "", set()
    for clause in _CLAUSE_END.split(said.strip(" .:)*-")):
        start = f"{start} {_bare(clause)}".strip()
        if len(start) > most:
            break
        starts.add(start)
    begun = {letter: bare for letter, bare in bares.items() if bare in starts}
    longest = max(map(len, begun.values()), default=0)
    return {letter for letter, bare in begun.items() if len(bare) == longest > 0}
