"""What a conversation about an inspection consists of: questions, closer looks, answers."""

from __future__ import annotations

import unicodedata
from typing import Protocol

from experts.errors import QuestionError
from experts.evidence import Evidence, Look, Said
from experts.tools import Call
from experts.tools.scene import Looked, Scene

# Nobody asks so much at once.
MAX_QUESTION = 2_000
# So many closer looks are taken for one question at most.
MAX_LOOKS = 3


class Answer(Evidence):
    """An answer to a question about an inspection.

    Attributes:
        question: As it was understood: in one line.
        text: The answer, in English; each sentence was written by code or checked.
        translation: The same in the language of the question, if a language model put it so and
            it says nothing else, as far as that can be checked. The text is what counts.
        language: Of the question, as the language model calls it.
        sentences: What the language model said, and what came of each sentence; empty without one.
        faithfulness: Share of its sentences with claims that were right as they came; ``None``
            if none had any.
        model: The language model whose words are in the text; ``None`` where code wrote it all.
        revision: Which state of it.
        prompts_version: Of the texts that asked it.
        looks: Closer looks that were taken for this answer.
        evidence_ids: What it rests on.
        about: Ids of the regions that it speaks of; "it" in the next question means them.
        topics: What the question was read to ask; "and the second one?" asks the same.
        faults: What went wrong, each in one sentence.
    """

    question: str
    text: str
    translation: str | None = None
    language: str = ""
    sentences: tuple[Said, ...] = ()
    faithfulness: float | None = None
    model: str | None = None
    revision: str | None = None
    prompts_version: int | None = None
    looks: tuple[Look, ...] = ()
    evidence_ids: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Tools(Protocol):
    """What takes closer looks."""

    def use(self, call: Call, scene: Scene, number: int) -> Looked:
        """Take one; a call that makes no sense gives a look that says so.

        Args:
            call: What is asked for.
            scene: What it is taken at.
            number: Of the look, from 1.
        """
        ...


def plain_question(text: str) -> str:
    """A question in one line, without signs that cannot be seen.

    Raises:
        QuestionError: If nothing is left, or it is too long.
    """
    seen = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    line = "".join(c for c in seen if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    line = " ".join(line.split())
    if not any(c.isalnum() for c in line):
        raise QuestionError("the question is empty; ask something, such as: Why?")
    if len(line) > MAX_QUESTION:
        raise QuestionError(
            f"the question has {len(line):,} characters; ask in at most {MAX_QUESTION:,}"
        )
    return line
