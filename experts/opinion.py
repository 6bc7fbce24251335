"""What a language model takes an unusual image for: a kind of defect of the line, another, or none.

It is asked for one of a list, never for a number. Its opinion is evidence. Once people have judged
enough parts that it gave an opinion on, it may send a part to review, and never do more; see
``experts.standing``.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from math import isfinite

from experts.errors import MLLMAnswerError
from experts.evidence import NO_DEFECT, Opinion, Step
from experts.knowledge import KnowledgeFile
from experts.mllm import MLLM, Message
from experts.mllm.base import with_question
from experts.mllm.prompts import prompts
from experts.plain_text import legible

OTHER = "other"
# There are letters for so many kinds, besides the two above.
MAX_KINDS = len(string.ascii_uppercase) - 2
# Of the name and the revision of a model, so much is told.
MAX_NAME = 200
# By so much probabilities that add up to 1 may be off.
TOLERANCE = 1e-3
# The step names so many candidates, best first.
MAX_TOLD = 3


class OpinionExpert:
    """Asks a language model what an image shows.

    Args:
        knowledge: Of the line; its defects are the candidates.

    Attributes:
        question: What is asked.
    """

    def __init__(self, knowledge: KnowledgeFile | None) -> None:
        self._knowledge = knowledge
        self._texts = prompts().opinion
        self._candidates, described = self._listed()
        self._letters = tuple(string.ascii_uppercase[: len(described)])
        options = "\n".join(
            f"{a}. {text}" for a, text in zip(self._letters, described, strict=True)
        )
        self.question = self._texts.question.format(options=options)

    def ask(self, model: MLLM, talk: Sequence[Message]) -> tuple[Opinion, float]:
        """Return what the model takes the image for, and how many seconds it took.

        Args:
            model: The language model.
            talk: In which it was shown the image.

        Raises:
            MLLMError: If the model is of no help.
        """
        choice = model.choose(with_question(talk, self.question), self._letters)
        shares = choice.probabilities
        are_shares = all(0 <= share <= 1 for share in shares) and abs(sum(shares) - 1) < TOLERANCE
        if len(shares) != len(self._letters) or not are_shares:
            raise MLLMAnswerError(
                f"{model.name}: gave no probability for each of {len(self._letters)} answers; take "
                "another model"
            )
        opinion = Opinion(
            model=name_of(model),
            revision=revision_of(model),
            prompts_version=prompts().version,
            candidates=self._candidates,
            probabilities=shares,
            from_logits=choice.from_logits,
            prompt_tokens=choice.cost.prompt_tokens,
        )
        return opinion, choice.cost.seconds if isfinite(choice.cost.seconds) else 0.0

    def _listed(self) -> tuple[tuple[str, ...], list[str]]:
        """Their names, and what is said of them; what has no letter left counts as another."""
        texts, known = self._texts, self._knowledge.defects[:MAX_KINDS] if self._knowledge else []
        if not known:
            return ("defect", NO_DEFECT), [texts.any_defect, texts.no_defect]
        told = [texts.defect.format(name=d.name, appearance=d.appearance) for d in known]
        names = tuple(defect.name for defect in known)
        return (*names, NO_DEFECT, OTHER), [*told, texts.no_defect, texts.other]


def name_of(model: MLLM) -> str:
    """How a model is called, as it can be stored and shown."""
    return legible(model.name, MAX_NAME)


def revision_of(model: MLLM) -> str:
    """Which state of a model it is, as it can be stored and shown."""
    return legible(model.revision, MAX_NAME)


def opinion_step(opinion: Opinion, standing: str) -> Step:
    """The opinion as a step of the reasoning.

    Args:
        opinion: The opinion.
        standing: What it counts for, in a sentence.
    """
    return Step(
        looked_at=f"what {opinion.model} sees",
        found=f"It takes the image for: {opinion_in_words(opinion)}. {standing}",
        evidence_ids=("opinion",),
        by=opinion.model,
    )


def opinion_in_words(opinion: Opinion) -> str:
    """What it takes the image for, best first: ``pit 70%, no defect 20%, other 10%``."""
    ranked = sorted(zip(opinion.probabilities, opinion.candidates, strict=True), reverse=True)
    if not opinion.from_logits:
        return f"{ranked[0][1]}, without saying how sure it is"
    return ", ".join(f"{name} {share:.0%}" for share, name in ranked[:MAX_TOLD])
