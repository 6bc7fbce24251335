"""What the knowledge file says: of the kinds of defects that a place may be, and on questions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from experts.answers.known import Known, Told
from experts.answers.weighing import next_step
from experts.answers.words import stems
from experts.claims.kind_words import english_for, names_kind
from experts.claims.text import fold
from experts.evidence import Clause, Region
from experts.knowledge.schema import DefectKnowledge, Question

# Of so many kinds of defects something is told at once.
MAX_DEFECTS = 3
# And so many of one severity are named.
MAX_NAMES = 4
SEVERITIES = ("critical", "major", "minor")
# So much of what is asked must be in a question of the file, and in so many words.
ALIKE = 0.5
MIN_STEMS = 2
# A question is one of the file's own if they share so much of either.
VERBATIM = 0.8
ANSWERS = "The knowledge file answers on this: "


def background(known: Known, regions: Sequence[Region]) -> Told:
    """Where the defects that the regions may be come from, and what they do."""
    if known.knowledge is None:
        return Told((known.without_file,))
    wanted = list(dict.fromkeys(name for r in regions for name in known.candidates(r)))
    defects = [d for name in wanted for d in known.knowledge.file.defects if d.name == name]
    if not defects:
        return Told(("The knowledge file says nothing about what this may be.",))
    told = [_defect(known, defect, looks=False) for defect in defects[:MAX_DEFECTS]]
    if len(defects) > MAX_DEFECTS:
        others = ", ".join(defect.name for defect in defects[MAX_DEFECTS : MAX_DEFECTS + 8])
        told.append(f"It may also be: {others}; ask what the knowledge file says about one.")
    ids = tuple(region.id for region in regions)
    return Told(tuple(told), ("knowledge", *ids), ids)


def severity(known: Known, regions: Sequence[Region]) -> Told:
    """How grave the file calls what the regions may be."""
    if known.knowledge is None:
        return Told((known.without_file,))
    wanted = {name for region in regions for name in known.candidates(region)}
    grave: dict[str, list[str]] = {}
    for defect in known.knowledge.file.defects:
        if defect.name in wanted:
            grave.setdefault(defect.severity, []).append(known.named(defect.name))
    if not grave:
        return Told(("The knowledge file says nothing about how grave this may be.",))
    order = sorted(grave, key=SEVERITIES.index)
    said = "; ".join(f"{_few(grave[severity])} {severity}" for severity in order)
    ids = tuple(region.id for region in regions)
    sentences = (
        f"Of what this may be the knowledge file calls {said}.",
        *next_step(known, ()).sentences,
    )
    return Told(sentences, ("knowledge", *ids), ids)


def _few(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def normal(known: Known, _regions: Sequence[Region]) -> Told:
    """What the file says of a good part."""
    if known.knowledge is None:
        return Told((known.without_file,))
    text = known.quoted(known.knowledge.file.normal)
    if not text:
        return Told()
    return Told(
        (f"The knowledge file says of a good part: {text}", in_general(known)), ("knowledge",)
    )


def answered(question: str, known: Known) -> Told:
    """The file's answer to one of its own questions, asked in its words; else nothing."""
    asked = stems(question)
    for candidate in known.knowledge.file.questions if known.knowledge else ():
        own = stems(candidate.question)
        shared = len(own & asked)
        if own and shared >= VERBATIM * max(len(own), len(asked)):
            answer = known.quoted(candidate.answer)
            if len(stems(answer)) >= MIN_STEMS:
                return Told((f"{ANSWERS}{answer}", in_general(known)), ("knowledge",))
    return Told()


def from_knowledge(question: str, known: Known) -> Told:
    """What the file says of the defects that a question names, or on a question like it."""
    if known.knowledge is None:
        return Told()
    said = [answer] if (answer := _answer(question, known)) else []
    if not said:
        said = [_defect(known, d, looks=True) for d in _named(question, known)[:MAX_DEFECTS]]
    if not said:
        return Told()
    return Told((*said, in_general(known)), ("knowledge",))


def in_general(known: Known) -> str:
    """Sets what the file says apart from the verdict: who writes it may write anything into it."""
    part = known.knowledge.file.part if known.knowledge else "part"
    verdict = known.inspection.verdict
    return f"This is said in general; the verdict on this {part} is {verdict}."


def kinds_named(question: str, known: Known) -> tuple[str, ...]:
    """The kinds of defect of the knowledge file that a question names."""
    return tuple(defect.name for defect in _named(question, known))


def kind_words(question: str) -> tuple[str, ...]:
    """Words for kinds of defect that a question uses, whether the file has them or not."""
    words = re.findall(r"[^\W_]+", question)
    return tuple(dict.fromkeys(word for word in words if names_kind(fold(word).text)))


def no_kinds(words: Sequence[str], known: Known) -> Told:
    """That these words for kinds of defect are none of the file's; nothing without a file."""
    if known.knowledge is None:
        return Told()
    said = [f"“{word}”" for word in words[:MAX_DEFECTS]]
    are = f"{' and '.join(said)} are no kinds" if len(said) > 1 else f"{said[0]} is no kind"
    return Told((f"{are} of defect that the knowledge file names.",), ("knowledge",))


def _named(question: str, known: Known) -> list[DefectKnowledge]:
    words = re.findall(r"\w+", fold(question).text)
    asked = stems(question) | stems(" ".join(name for w in words for name in english_for(w)))
    return [d for d, names in known.by_stems if any(name and name <= asked for name in names)]


def _answer(question: str, known: Known) -> str:
    """The answer to the question of the file that is most alike, if one is."""
    if known.knowledge is None or not known.knowledge.file.questions:
        return ""
    file = known.knowledge.file
    # Every question may name the product, so that tells nothing.
    about = stems(" ".join((file.product, file.part, file.parts, *file.aliases)))
    asked = stems(question) - about

    def shared(candidate: Question) -> int:
        return len(asked & stems(candidate.question))

    best = max(file.questions, key=shared)
    answer = known.quoted(best.answer)
    if shared(best) < max(MIN_STEMS, ALIKE * len(asked)) or len(stems(answer)) < MIN_STEMS:
        return ""
    return f"{ANSWERS}{answer}"


def _defect(known: Known, defect: DefectKnowledge, *, looks: bool) -> str:
    """What the file says of a kind of defect, in sentences."""
    told = []
    for what, text in (
        ("appearance", defect.appearance if looks else None),
        ("cause", defect.cause),
        ("effect", defect.effect),
    ):
        if quoted := known.quoted(text):
            told.append(f"{what}: {quoted}")
    rules = "; ".join(_rule(clause) for clause in _rules(known, defect))
    told.append(f"allowed: {rules}." if rules else "allowed: no clause allows any.")
    return f"The knowledge file says of {defect.name}, {defect.severity}: {' '.join(told)}"


def _rules(known: Known, defect: DefectKnowledge) -> list[Clause]:
    clauses = known.knowledge.clauses if known.knowledge else ()
    return [clause for clause in clauses if clause.defect == defect.name]


def _rule(clause: Clause) -> str:
    where = f" in {clause.zone}" if clause.zone else ""
    return f"{clause.allows}{where} (`{clause.id}`)"
