"""Looks words up in a line's knowledge file; what comes from there is quoted, as data.

An entry is about what is asked as far as it has the words that are asked for; rare words count more
(inverse document frequency, Spärck Jones 1972). A name of which all words are there counts as much
as all words together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experts.claims.kind_words import english_for
from experts.evidence import Clause, Look
from experts.knowledge import Knowledge
from experts.knowledge.schema import DefectKnowledge, Question
from experts.tools.places import fold, listed
from experts.tools.scene import Looked

# An entry must have this share of what is asked for, by weight.
ENOUGH = 0.34
# And this share of what the best one has.
BESIDE_BEST = 0.6
NAMED = 1.0
# Words are forms of one word if they begin alike, over so many letters and this share of both.
STEM_LETTERS, STEM_SHARE = 4, 0.6
# Of so many entries each is told, and so much of each text.
MAX_ENTRIES, MAX_QUOTED = 3, 300

_NO_CONTENT = listed(
    "a about all also an and any are at be been but by can come comes could did do does "
    "file for from had has have here how i if in into is it its just knowledge like look "
    "looks lookup may me mean means more my not of on one or our out over please rule rules "
    "say says shall should so some tell than that the their them there these they this "
    "those to too up was we were what when where which who why will with would you your "
    "aber als am auf aus bei bin bis das dass dem den der des die diese dieser du ein eine "
    "einem einen einer er es fur hat haben ich ihr im in ist kann mit nach nicht oder sich "
    "sie sind uber und vom von was wer wie wird wo woher warum welche zu zum zur "
    "appearance cause causes caused effect effects happen happens ursache ursachen wirkung "
    "aussehen entsteht entstehen passiert"
)


class _Entry(NamedTuple):
    """Something that the file says.

    Attributes:
        names: What it is called; empty for what has no name.
        text: What words are compared with.
        sentence: What is told of it.
    """

    names: tuple[str, ...]
    text: str
    sentence: str


def lookup(asked: str, knowledge: Knowledge | None, number: int) -> Looked:
    """What the knowledge file says of something.

    Args:
        asked: In any words.
        knowledge: Of the line, if it has any.
        number: Of the look.
    """
    # Not repeated: what a language model asks for is no finding, and may be anything.
    name, target = f"look-{number}", ""
    if knowledge is None:
        found = "The line has no knowledge file to look anything up in."
        return Looked(Look(id=name, tool="lookup", target=target, found=found))
    found, entries = _find(asked, knowledge)
    numbers = {"entries": float(entries)}
    return Looked(Look(id=name, tool="lookup", target=target, found=found, numbers=numbers))


def _find(asked: str, knowledge: Knowledge) -> tuple[str, int]:
    """What the file says, and how many of its entries say so."""
    if not fold(asked):
        return "Nothing says what to look up.", 0
    entries = list(_entries(knowledge))
    shares = _shares(asked, entries)
    order = sorted(range(len(entries)), key=lambda i: -shares[i])[:MAX_ENTRIES]
    enough = max(ENOUGH, BESIDE_BEST * shares[order[0]])
    fitting = [entries[i].sentence for i in order if shares[i] >= enough]
    if not fitting:
        return "Nothing about that is in the knowledge file.", 0
    return " ".join(fitting), len(fitting)


def _shares(asked: str, entries: Sequence[_Entry]) -> list[float]:
    """How much of what is asked for each entry has, 0 to 1; and more if it is named."""
    wanted = [word for word in dict.fromkeys(fold(asked).split()) if word not in _NO_CONTENT]
    words = [set(fold(entry.text).split()) for entry in entries]
    has = [[any(_alike(want, word) for word in of_entry) for want in wanted] for of_entry in words]
    weights = [
        math.log(1 + len(entries) / (1 + sum(row[i] for row in has))) for i in range(len(wanted))
    ]
    whole = sum(weights) or 1.0
    return [
        sum(weight for weight, is_there in zip(weights, row, strict=True) if is_there) / whole
        + NAMED * any(_is_said(name, wanted) for name in entry.names)
        for entry, row in zip(entries, has, strict=True)
    ]


def _is_said(name: str, wanted: Sequence[str]) -> bool:
    """Whether each word of a name is there, in some form."""
    words = fold(name).split()
    return bool(words) and all(any(_alike(word, want) for want in wanted) for word in words)


def _alike(word: str, other: str) -> bool:
    """Whether words are forms of one, as ``scratch`` and ``scratches``, or the first is German."""
    if word == other or other in english_for(word):
        return True
    same = next((i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    shared = min(len(word), len(other)) if same is None else same
    return shared >= max(STEM_LETTERS, STEM_SHARE * max(len(word), len(other)))


def _entries(knowledge: Knowledge) -> Iterator[_Entry]:
    file = knowledge.file
    for defect in file.defects:
        clauses = [clause for clause in knowledge.clauses if clause.defect == defect.name]
        yield _of_defect(defect, clauses)
    for clause in knowledge.clauses:
        if clause.defect is None:
            text = f"{clause.id} {clause.note or ''} {clause.zone or ''} {clause.quantity}"
            yield _Entry((clause.id,), text, f"For any place: {_rule(clause)}.")
    for question in file.questions:
        yield _of_question(question)
    names = (file.product, *file.aliases)
    normal = f"normal good part {file.part} {' '.join(names)} {file.normal}"
    yield _Entry(names, normal, f"Of a good {_quoted(file.part)} it says {_quoted(file.normal)}.")


def _of_defect(defect: DefectKnowledge, clauses: list[Clause]) -> _Entry:
    said = {
        "appearance": defect.appearance,
        "cause": defect.cause,
        "effect": defect.effect,
    }
    texts = [f"{name} {_quoted(text)}" for name, text in said.items() if text]
    rules = "; ".join(_rule(clause) for clause in clauses) or "no clause allows any"
    sentence = (
        f"Of {_quoted(defect.name)} the knowledge file says: {', '.join(texts)}; severity "
        f"{defect.severity}; {rules}."
    )
    names = (defect.name, *defect.synonyms, *(clause.id for clause in clauses))
    text = " ".join([*names, *(text for text in said.values() if text)])
    return _Entry(names, text, sentence)


def _of_question(question: Question) -> _Entry:
    sentence = f"To {_quoted(question.question)} it answers {_quoted(question.answer)}."
    return _Entry((), f"{question.question} {question.answer}", sentence)


def _rule(clause: Clause) -> str:
    where = f" in {_quoted(clause.zone)}" if clause.zone else ""
    note = f" ({_quoted(clause.note)})" if clause.note else ""
    return f"clause `{clause.id}` allows {clause.allows}{where}, else {clause.then}{note}"


def _quoted(text: str) -> str:
    """A text of the file, marked as one: on one line, without quotes of its own, not too long."""
    flat = " ".join(text.replace("“", "'").replace("”", "'").replace('"', "'").split())
    return f"“{flat if len(flat) <= MAX_QUOTED else f'{flat[:MAX_QUOTED]}…'}”"
