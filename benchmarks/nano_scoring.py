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
_NOT_TOLD = re.compile(r"not known|says nothing|no such|nothing in the|no knowledge file")
_NO_KIND = re.compile(r"not known|no kind|nothing tells these apart|several may")
_HEAD = re.compile(r"^(?:(?:Yes|No), )?(?:[A-Z][\w ]*? of [^:]+: |A good [^:]+: |[^:]+: )?")
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
        return _declines(text)
    if wanted.about in _OF_VERDICT:
        return _tells_verdict(text, wanted)
    if wanted.answer in (NO_PLACE, NOTHING):
        return _placeless(text)
    if wanted.answer.endswith("that is not known."):
        return _NOT_TOLD.search(text.casefold()) is not None
    if wanted.about in ("kind", "kind_region", "is_kind"):
        return _tells_kind(text, wanted.answer)
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


def _declines(text: str) -> bool:
    told = (CANNOT_SAY, HELP, "no knowledge file", "is no kind of defect that the knowledge file")
    lines = text.splitlines()
    return NOT_KNOWN in lines or NOT_THERE in lines or any(said in text for said in told)


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


def _tells_kind(text: str, answer: str) -> bool:
    """The kinds as they are told, or, where none is, that it is not known or nothing is there."""
    told = f" {plain(text)} "
    if "is no kind of defect" in answer:
        return "is no kind of defect" in text
    if kinds := re.findall(r"(?:taken for|may be) [^.;]+", answer):
        return all(f" {plain(kind)} " in told for kind in kinds)
    if any(sentence in answer for sentence in (NO_PLACE, NOTHING)):
        return _placeless(text)
    return _NO_KIND.search(text.casefold()) is not None


def _seen(answer: str) -> list[str]:
    pattern = r"(?:lies (?:at|in) the|is about|is (?=an? )) ?(.+)\.$"
    parts = answer.rstrip(".").split("; ")
    return [found for part in parts for found in re.findall(pattern, f"{part}.")]


def _count(answer: str) -> list[str]:
    return [" ".join(answer.split()[:2])]


def _listed(answer: str) -> list[str]:
    return re.split(r"[,;] ", _whole(answer)[0].rstrip("."))


def _of_kind(answer: str) -> list[str]:
    return [*_OF_WHAT.findall(answer), *_listed(answer)]


def _rules(answer: str) -> list[str]:
    return re.findall(r"`[^`]+`", answer) or [answer]


def _whole(answer: str) -> list[str]:
    return [_HEAD.sub("", answer, count=1)]


# What must be found in an answer, piece by piece.
_PARTS: dict[str, Callable[[str], list[str]]] = {
    **dict.fromkeys(
        ("where", "where_region", "size", "size_region", "looks", "looks_region"), _seen
    ),
    **dict.fromkeys(("limit_of", "severity", "severity_of", "synonym_of"), _of_kind),
    "kinds_known": _listed,
    **dict.fromkeys(("count", "any_place"), _count),
    "rule": _rules,
}
