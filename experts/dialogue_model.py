"""Lets a language model answer a question about an inspection, or ask for a closer look first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from experts.answers import Known, Told
from experts.claims.languages import is_english
from experts.dialogue import Answer
from experts.evidence import Look
from experts.knowledge.schema import DefectKnowledge
from experts.mllm import MLLM, Content, system, user
from experts.mllm.dialogue_prompts import dialogue_prompts
from experts.mllm.nano.texts import on_sheet
from experts.sheet import sayable, sheet
from experts.tools.call import MAX_TARGET, Call

MAX_ANSWER_TOKENS = 400
# Of what stands on a page some sentences at most.
MAX_READ_TOKENS = 160
# Of what was measured, said before and known in general, so many characters are told.
MAX_EVIDENCE = 8_000
MAX_BEFORE = 4_000
MAX_KNOWLEDGE = 3_000
# Of an answer that came before, so many.
MAX_TURN = 1_000
# A server may write more than it was asked for.
MAX_TRANSLATION = 20_000


class Reply(BaseModel):
    """What a model answers: a text, or which closer look it wants.

    Attributes:
        language: Of the question, in English.
        tool: The closer look; ``none`` if it answers.
        target: What is looked at.
        answer: In English; empty if it looks first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Annotated[str, Field(max_length=40)] = "English"
    tool: Literal["none", "zoom", "compare", "measure", "lookup"] = "none"
    target: Annotated[str, Field(max_length=MAX_TARGET)] = ""
    answer: Annotated[str, Field(max_length=4_000)] = ""

    @property
    def call(self) -> Call | None:
        """The closer look that it wants."""
        return None if self.tool == "none" else Call(tool=self.tool, target=self.target)


class Asking(NamedTuple):
    """What a model is asked, and what it is told and shown for that.

    Attributes:
        question: The question.
        known: What is known of the inspection.
        draft: What the evidence says on it.
        turns: What was asked and answered before, oldest first.
        looks: Closer looks for this question.
        shown: Headings and images.
        may_look: Whether it may ask for another look.
        goes_on: Whether the question can only be understood by those before.
    """

    question: str
    known: Known
    draft: Told
    turns: Sequence[Answer]
    looks: Sequence[Look]
    shown: Sequence[Content]
    may_look: bool
    goes_on: bool = False


def ask(model: MLLM, asking: Asking) -> Reply:
    """Ask a model.

    Raises:
        MLLMError: If it is of no help.
    """
    texts = dialogue_prompts().answer
    told = system(texts.system.format(verdict=asking.known.inspection.verdict))
    # What all questions share comes first, so that it is read once.
    content = (*asking.shown, *_told(asking))
    filled = model.generate_json([told, user(*content)], Reply, max_tokens=MAX_ANSWER_TOKENS)
    return filled.value


def ask_reader(model: MLLM, asking: Asking) -> Reply:
    """Ask a model that sees nothing: it reads a page of evidence, and takes no closer looks.

    It was trained on English questions that stand for themselves; to others it says nothing, and
    code answers.

    Raises:
        MLLMError: If it is of no help.
    """
    if asking.goes_on or asking.looks or not is_english(asking.question):
        return Reply()
    asked = on_sheet(sheet(asking.known), asking.question)
    said = model.say(asked, sayable(asking.known), max_tokens=MAX_READ_TOKENS).text.strip()
    return Reply(answer=said)


def _told(asking: Asking) -> Iterator[str]:
    texts, known = dialogue_prompts().answer, asking.known
    steps = [f"- {step.looked_at}: {step.found}" for step in known.inspection.steps]
    steps += [f"- {known.inspection.decision.reason}"] if not steps else []
    yield texts.evidence.format(evidence=_within(steps, MAX_EVIDENCE))
    if knowledge := _knowledge(asking):
        yield texts.knowledge.format(knowledge=_within(knowledge, MAX_KNOWLEDGE))
    if before := _before(asking.turns):
        yield texts.before.format(turns=before)
    for look in asking.looks:
        found = known.looked_up(look)
        yield texts.look.format(id=look.id, tool=look.tool, target=look.target, found=found)
    yield texts.draft.format(draft=asking.draft.text[:MAX_EVIDENCE])
    asks = texts.question if asking.may_look else texts.last
    yield asks.format(question=asking.question)


def _knowledge(asking: Asking) -> list[str]:
    """What of the knowledge file matters for the question; nothing that gives another verdict."""
    from experts.knowledge.relevance import Relevance

    known = asking.known
    if known.knowledge is None:
        return []
    names = [defect.name for defect in known.knowledge.file.defects]
    regions = known.inspection.regions
    excerpt = Relevance(known.knowledge).excerpt(names, regions, question=asking.question)
    said = [
        f"- {defect.name}: {known.quoted(' '.join(filter(None, _texts_of(defect))))}"
        for defect in excerpt.defects
    ]
    said += [f"- {q.question} {known.quoted(q.answer)}" for q in excerpt.questions]
    return said


def _texts_of(defect: DefectKnowledge) -> tuple[str | None, ...]:
    return defect.appearance, defect.cause, defect.effect


def _before(turns: Sequence[Answer]) -> str:
    """The newest turns that there is room for, oldest first."""
    texts, told, left = dialogue_prompts().answer, list[str](), MAX_BEFORE
    for turn in reversed(turns):
        said = texts.turn.format(question=turn.question, answer=turn.text[:MAX_TURN])
        left -= len(said)
        if left < 0:
            break
        told.insert(0, said)
    return "\n".join(told)


def _within(lines: Sequence[str], limit: int) -> str:
    """The first lines that there is room for."""
    kept: list[str] = []
    for line in lines:
        limit -= len(line) + 1
        if limit < 0:
            break
        kept.append(line)
    return "\n".join(kept)


def translate(model: MLLM, text: str, language: str) -> str:
    """Let a model translate a text; empty if it came to no end, or one far beyond that text's.

    Raises:
        MLLMError: If it is of no help.
    """
    texts = dialogue_prompts().translate
    asked = [system(texts.system), user(texts.question.format(language=language, text=text))]
    answer = model.generate(asked, max_tokens=2 * MAX_ANSWER_TOKENS)
    _, _, behind = answer.text.rpartition("</think>")
    whole = answer.finish == "stop" and len(behind) <= MAX_TRANSLATION
    return behind.strip() if whole else ""
