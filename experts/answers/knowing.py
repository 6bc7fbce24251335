"""What the knowledge file says: of the kinds of defects that a place may be, and on questions."""

from __future__ import annotations

from collections.abc import Sequence

from experts.answers.known import Known, Told
from experts.answers.words import share_known, stems
from experts.evidence import Clause, Region
from experts.knowledge.schema import DefectKnowledge, Question

# Of so many kinds of defects something is told at once.
MAX_DEFECTS = 3
# So much of what is asked must be in what the file answers.
ALIKE = 0.5
MIN_STEMS = 2
NO_FILE = "The line has no knowledge file."


def background(known: Known, regions: Sequence[Region]) -> Told:
    """Where the defects that the regions may be come from, and what they do."""
    if known.knowledge is None:
        return Told((NO_FILE,))
    wanted = list(dict.fromkeys(name for r in regions for name in _candidates(known, r)))
    defects = [d for name in wanted for d in known.knowledge.file.defects if d.name == name]
    if not defects:
        return Told(("The knowledge file says nothing about what this may be.",))
    told = [_defect(known, defect, looks=False) for defect in defects[:MAX_DEFECTS]]
    if len(defects) > MAX_DEFECTS:
        others = ", ".join(defect.name for defect in defects[MAX_DEFECTS : MAX_DEFECTS + 8])
        told.append(f"It may also be: {others}; ask what the knowledge file says about one.")
    ids = tuple(region.id for region in regions)
    return Told(tuple(told), ("knowledge", *ids), ids)


def _candidates(known: Known, region: Region) -> tuple[str, ...]:
    if region.kinds is not None and region.kinds.names:
        return region.kinds.names
    defects = known.inspection.decision.defects
    said = next((d.candidates for d in defects if d.region_id == region.id), ())
    if said:
        return said
    checks = (c for c in known.inspection.clause_checks if region.id in c.region_ids)
    return tuple(c.clause.defect for c in checks if c.clause.defect)


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


def names_a_kind(question: str, known: Known) -> bool:
    """Whether a question names a kind of defect of the knowledge file."""
    return bool(_named(question, known))


def _named(question: str, known: Known) -> list[DefectKnowledge]:
    asked = stems(question)
    return [d for d, names in known.by_stems if any(name and name <= asked for name in names)]


def _answer(question: str, known: Known) -> str:
    """The answer to the question of the file that is most alike, if one is."""
    asked = stems(question)
    questions = known.knowledge.file.questions if known.knowledge else []
    if len(asked) < MIN_STEMS or not questions:
        return ""

    def alike(candidate: Question) -> float:
        return share_known(question, stems(f"{candidate.question} {candidate.answer}"))

    best = max(questions, key=alike)
    answer = known.quoted(best.answer)
    if alike(best) < ALIKE or len(stems(answer)) < MIN_STEMS:
        return ""
    return f"The knowledge file answers on this: {answer}"


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
