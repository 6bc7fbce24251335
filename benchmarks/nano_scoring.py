"""What counts as an answer in conversations: whether a text says what was asked for.

An answer may say more, as code's own lines stand beside a model's, but it must say the very thing
that the evidence says on the question: a text that says nothing, or something else, never counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from experts.answers.known import NOT_THERE
from experts.answers.telling import HELP
from experts.answers.telling import NOTHING as CANNOT_SAY
from experts.evidence import Verdict
from experts.sheet import NO_PLACE, NOT_KNOWN, NOTHING, Deciding, restatements

# The stems by which an answer tells each verdict, however it is put.
STEMS: dict[Verdict, str] = {
    "accept": r"\baccept", "reject": r"\breject", "review": r"\breview|\bheld\b|\bperson\b"
}  # fmt: skip
_OF_VERDICT = frozenset((*restatements(), "verdict", "next"))
_PLACELESS = re.compile(r"(?:nothing|no (?:single )?place) stands? out(?: on it| from the back)?\b")
_PART_OF_IT = re.compile(r"stands? out (?:at|in|on) the\b")
_SAYS_NOTHING = re.compile(r"says nothing (?:of|about)\b")
_NO_KIND = re.compile(r"not known|no kind|nothing tells these apart|several may")
_HEAD = re.compile(r"^(?:(?:Yes|No), )?(?:[A-Z][\w ]*? of [^:]+: |A good [^:]+: |[^:]+: )?")
# In pixels, with words that else say where a place lies.
_BOX = re.compile(r"Its box in pixels: [^\n.]*\.")
_REGION = re.compile(r"region-\d+")
_KINDS_OF = re.compile(r"(?:taken for|may be) [^.;]+")
_OF_FILE = frozenset({"normal", "product", "kinds_known", "cause", "effect", "severity"})
_OF_WHAT = re.compile(r"^[A-Z][\w ]*? of ([^:]+): ")


class Wanted(NamedTuple):
    """What an answer must say.

    Attributes:
        about: What was asked, a topic of ``echo.training``.
        answer: The sentence of the page, or of code, that tells it.
        verdict: Of the Decision Maker.
    """

    about: str
    answer: str
    verdict: Verdict


def says(text: str, wanted: Wanted) -> bool:
    """Whether an answer says what was asked for.

    Args:
        text: The answer, one line or several.
        wanted: What it must say.
    """
    if wanted.answer == NOT_KNOWN:
        return _declines(text, wanted.about)
    if wanted.about in _OF_VERDICT:
        return _tells_verdict(text, wanted)
    if wanted.answer in (NO_PLACE, NOTHING):
        return _placeless(text)
    if wanted.answer.endswith("that is not known."):
        return _lacks(text, wanted.answer)
    if wanted.about in _OF_PLACES:
        return _tells_places(text, wanted.answer)
    if wanted.about in ("kind", "kind_region", "is_kind"):
        return _tells_kinds(text, wanted.answer)
    parts = [plain(part) for part in _PARTS.get(wanted.about, _whole)(wanted.answer)]
    # As code puts it where no limit is set.
    words = f" {plain(text.replace('no clause allows any', 'none'))} "
    return any(parts) and all(f" {part} " in words for part in parts if part)


def plain(text: str) -> str:
    """The words alone, in lower case."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def first_told(text: str) -> Verdict | None:
    """The verdict that a text tells; where it speaks of several, the first is it.

    A reason may go on with what another verdict would have taken.
    """
    found = [(f.start(), v) for v, stem in STEMS.items() if (f := re.search(stem, text.casefold()))]
    return min(found)[1] if found else None


def restated(line: str) -> tuple[Deciding, str] | None:
    """Which question on the part as a whole a line restates, and its answer; ``None`` if none."""
    for topic, question in restatements().items():
        if line.startswith(question):
            return topic, line.removeprefix(question).lstrip()
    return None


def _declines(text: str, about: str) -> bool:
    lines = text.splitlines()
    if any(line in lines for line in (NOT_KNOWN, NOT_THERE, CANNOT_SAY, HELP)):
        return True
    is_of_file = about in _OF_FILE or about.endswith(("_of", "is_kind"))
    told = ("The line has no knowledge file", "is no kind of defect that the knowledge file")
    return is_of_file and any(said in text for said in told)


def _lacks(text: str, answer: str) -> bool:
    """Whether it says that the knowledge file tells nothing of it."""
    lines = text.splitlines()
    if NOT_KNOWN in lines or NOT_THERE in lines or answer in lines:
        return True
    return _SAYS_NOTHING.search(text.casefold()) is not None


def _tells_verdict(text: str, wanted: Wanted) -> bool:
    """Restating another question answers that one, whatever the verdict beside it."""
    topics = [found[0] for line in text.splitlines() if (found := restated(line))]
    if wanted.about in topics:
        return True
    is_of_another = bool(topics) and wanted.about in restatements()
    return not is_of_another and first_told(text) == wanted.verdict


def _placeless(text: str) -> bool:
    return any(
        _PLACELESS.search(line.casefold()) and not _PART_OF_IT.search(line.casefold())
        for line in text.splitlines()
    )


def _told_of(text: str, region: str, *, alone: bool) -> str:
    """What a text says of a place: behind its name, up to that of the next.

    Where no place is named, all of it is of the only one that there is.
    """
    text = _BOX.sub(" ", text)
    names = list(_REGION.finditer(text))
    if not names:
        return text if alone else ""
    ends = [*(name.start() for name in names[1:]), len(text)]
    told = (text[n.end() : end] for n, end in zip(names, ends, strict=True) if n[0] == region)
    return "\n".join(told)


def _tells_places(text: str, answer: str) -> bool:
    """Whether of each place it says where it lies, how large it is, or what it looks like."""
    pieces = answer.rstrip(".").split("; ")
    return all(_tells_place(text, piece, alone=len(pieces) == 1) for piece in pieces)


def _tells_place(text: str, piece: str, *, alone: bool) -> bool:
    region = _REGION.search(piece)
    said = _told_of(text, region[0] if region else "", alone=alone)
    if place := re.search(r"lies (?:at|in) the (.+)$", piece):
        # "At the top" is not said by "at the top left".
        return re.search(rf"\b(?:at|in) the {place[1]}\b(?! (?:left|right))", said) is not None
    looks = re.search(r"is (?:about |(?=an? ))(.+)$", piece)
    return looks is not None and f" {plain(looks[1])} " in f" {plain(said)} "


def _tells_kinds(text: str, answer: str) -> bool:
    """Whether it tells the kind of each place, or that it is not known or nothing is there."""
    if "is no kind of defect" in answer:
        return "is no kind of defect" in text
    if any(sentence in answer for sentence in (NO_PLACE, NOTHING)):
        return _placeless(text)
    pieces = [piece for piece in answer.rstrip(".").split("; ") if _REGION.search(piece)]
    told = (_tells_kind(text, piece, alone=len(pieces) == 1) for piece in pieces)
    return bool(pieces) and all(told)


def _tells_kind(text: str, piece: str, *, alone: bool) -> bool:
    region = _REGION.search(piece)
    said = _told_of(text, region[0] if region else "", alone=alone)
    if kinds := _KINDS_OF.search(piece):
        return f" {plain(kinds[0])} " in f" {plain(said)} "
    return _NO_KIND.search(said.casefold()) is not None


def _count(answer: str) -> list[str]:
    return re.findall(r"\d+ places?", answer)


def _measured(answer: str) -> list[str]:
    return re.findall(r"`[^`]+`|measured [\d.,]*\d", answer) or [answer]


def _listed(answer: str) -> list[str]:
    return re.split(r"[,;] ", _whole(answer)[0].rstrip("."))


def _of_kind(answer: str) -> list[str]:
    """The pieces of a list, and what it is of."""
    return [*_OF_WHAT.findall(answer), *_listed(answer)]


def _rules(answer: str) -> list[str]:
    return re.findall(r"`[^`]+`", answer) or [answer]


def _whole(answer: str) -> list[str]:
    return [_HEAD.sub("", answer, count=1)]


_OF_PLACES = frozenset({"where", "where_region", "size", "size_region", "looks", "looks_region"})
# What must be found in an answer, piece by piece.
_PARTS: dict[str, Callable[[str], list[str]]] = {
    **dict.fromkeys(("limit_of", "severity", "severity_of", "synonym_of"), _of_kind),
    **dict.fromkeys(("count", "any_place"), _count),
    "kinds_known": _listed,
    "measured": _measured,
    "rule": _rules,
}
