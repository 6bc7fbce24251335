"""Text as it is compared: folded letters with their positions, and where sentences end."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from experts.claims.words import listed

# What NFKD leaves as it is, or takes apart so that its meaning is lost.
_FOLDED = {
    **dict.fromkeys("‐‑‒–−﹣－", "-"),
    **dict.fromkeys("—―", " - "),
    **dict.fromkeys("’‘ʼ′‛`´", "'"),
    **dict.fromkeys("“”„«»‹›", '"'),
    **dict.fromkeys("×✕✖∗", "x"),
    **dict.fromkeys("✅☑✔👍🆗💯🟢", " accept "),
    **dict.fromkeys("❌✗✘👎🚫⛔🔴", " reject "),
    "µ": "u",
    "μ": "u",
    "α": " alpha ",
    "≠": " not ",
    "¬": " not ",
    "ø": "o",
    "æ": "ae",
    "œ": "oe",
    "ł": "l",
    "đ": "d",
    "⌀": " diameter ",
    "∅": " diameter ",
    "½": " half ",
}
# Struck out, which takes back what is said.
_STRIKE = re.compile("[\u0335-\u0338]|~~|<(?:s|del|strike)\\b")
_LETTER_OF_SYMBOL = re.compile(r"LETTER ([A-Z])$")
# Sentences end here, if nothing but brackets and quotes follows before a blank. Possessive and
# behind a lookbehind, so that a million dots take no longer than a million letters.
_END = re.compile(r"(?<![.!?…])[.!?…]++[)\]\"'”’»*_`]*+(?=\s|\Z)|[。！？]|\n")
_ABBREVIATIONS = listed(
    "e.g i.e z.b d.h u.a n.i.o i.o o.k approx ca nr vs fig max min dia incl resp bzw abb cf no sec "
    "ggf evtl inkl vgl usw mind"
)
_BULLET = re.compile(r"[ \t]*(?:(?:[-*+•▪>#|]+|\d{1,3}[.)]|\[[ xX]\])(?=\s|\Z)[ \t]*)*")
# A line that begins so is one of a list, not the rest of the line before.
_NEW_LINE = re.compile(
    r"[ \t]*(?:\n|\Z|[-*+•▪>#|]+(?:\s|\Z)|\d{1,3}[.)](?:\s|\Z)|[\"{}\[\]]|[^\W\d][\w ()-]{0,30}:)"
)


class Folded(NamedTuple):
    """A text as it is compared.

    Attributes:
        text: Latin letters without case and accents, other signs as they are.
        at: For each of its characters the index in the text as it came, and its length at the end.
        strange: Why the letters cannot be trusted; empty if they can.
    """

    text: str
    at: tuple[int, ...]
    strange: str


@lru_cache(maxsize=4096)
def fold_character(character: str) -> str:
    """A character as it is compared; nothing for what cannot be seen."""
    if character in _FOLDED:
        return _FOLDED[character]
    if character.isspace():
        return " "
    if unicodedata.category(character) == "So":
        found = _LETTER_OF_SYMBOL.search(unicodedata.name(character, ""))
        return found[1].lower() if found else character
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    parts = unicodedata.normalize("NFKD", character).casefold()
    return "".join(_FOLDED.get(p, p) for p in parts if _is_seen(p))


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in ("Mn", "Me", "Cf", "Cc", "Cs", "Co", "Cn")


def fold(text: str) -> Folded:
    """A text as it is compared."""
    letters: list[str] = []
    at: list[int] = []
    for index, character in enumerate(text):
        folded = fold_character(character)
        letters.append(folded)
        at += [index] * len(folded)
    folded_text = "".join(letters)
    return Folded(folded_text, (*at, len(text)), _strange(text, folded_text))


def _strange(text: str, folded: str) -> str:
    if _STRIKE.search(text):
        return "struck out"
    if not folded.isascii():
        words = re.findall(r"[^\W\d_]{2,}", folded)
        if any(not word.isascii() for word in words):
            return "letters that cannot be checked"
    return ""


class Span(NamedTuple):
    """A sentence in its text, without what stands before it and the blanks behind it."""

    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """Where the sentences of a text are; bullets, numbers of lists and blanks belong to none."""
    spans: list[Span] = []
    start = 0
    at_line_start = True
    for end in (*_ends(text), len(text)):
        first = _begin(text, start, end, at_line_start)
        last = first + len(text[first:end].rstrip())
        if last > first:
            spans.append(Span(first, last))
        at_line_start = "\n" in text[start:end][-1:] or (at_line_start and last == first)
        start = end
    return spans


def _begin(text: str, start: int, end: int, at_line_start: bool) -> int:
    first = end - len(text[start:end].lstrip())
    if at_line_start or "\n" in text[start:first]:
        bullet = _BULLET.match(text, first, end)
        first = bullet.end() if bullet else first
    return end - len(text[first:end].lstrip())


def _ends(text: str) -> list[int]:
    ends = []
    for found in _END.finditer(text):
        here, end = found.start(), found.end()
        if text[here] == "\n":
            if _continues(text, here):
                continue
        elif text[here] == "." and end - here == 1 and _is_inside(text, here):
            continue
        ends.append(end)
    return ends


def _continues(text: str, newline: int) -> bool:
    """Whether a line goes on in the next one."""
    return not _NEW_LINE.match(text, newline + 1)


def _is_inside(text: str, dot: int) -> bool:
    """Whether a dot ends an abbreviation or the number of a list, not a sentence."""
    words = text[max(0, dot - 12) : dot].split()
    word = words[-1].lstrip("([\"'*_").casefold() if words else ""
    if word == "no":
        return text[dot + 1 : dot + 3].strip()[:1].isdigit()
    if word in _ABBREVIATIONS:
        return True
    near = text[max(0, dot - 12) : dot]
    begins_line = "\n" in near or dot <= 12
    return (
        begins_line and not text[dot + 1 : dot + 2].strip() and _is_number(near.rpartition("\n")[2])
    )


def _is_number(text: str) -> bool:
    return text.strip().isdecimal()


def joined(text: str, spans: list[Span], said: list[str | None]) -> str:
    """The text with each sentence replaced by what is said instead, or left out."""
    parts: list[str] = []
    end = 0
    carried = ""
    for span, words in zip(spans, said, strict=True):
        gap = _gap(carried, text[end : span.start])
        end = span.end
        if words is None:
            carried = gap
        else:
            parts += [gap, words]
            carried = ""
    mended = "".join([*parts, text[end:]])
    return mended if None not in said else mended.strip()


def _gap(carried: str, gap: str) -> str:
    """What stands between two sentences, once those between them are left out."""
    if carried and "\n" not in gap:
        return carried
    if carried.count("\n") > gap.count("\n"):
        return carried[: carried.rfind("\n")] + gap[gap.rfind("\n") :]
    return gap
