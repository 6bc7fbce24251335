"""A language model's words on an inspection, each sentence checked against the evidence.

Where and what is settled before a word is written (localisation apart from dialogue, as in EIAD);
what the words claim of place, size, count, kind or verdict is compared with it, see
``experts.claims``: a false sentence is corrected or left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from experts.claims import Checked, Facts, check
from experts.claims.text import sentences
from experts.evidence import Explanation, Said, Step
from experts.mllm import MLLM
from experts.mllm.base import with_question
from experts.mllm.prompts import prompts
from experts.opinion import name_of, revision_of
from experts.plain_text import legible
from experts.thinking import LETTERS_PER_TOKEN, Thinking, Thought

MAX_EXPLANATION = 256


class Told(NamedTuple):
    """What is left of a model's words.

    Attributes:
        explanation: The words at the end, and all sentences that were checked.
        steps: Of the reasoning, those of which something is left.
        seconds: What the model took.
    """

    explanation: Explanation
    steps: tuple[Step, ...]
    seconds: float


def explain(model: MLLM, thinking: Thinking, reason: str, facts: Facts) -> Told:
    """Let a model explain an inspection that has come to its end.

    Args:
        model: The language model.
        thinking: What it thought.
        reason: The reason of the decision.
        facts: What is known of the inspection.

    Raises:
        MLLMError: If the model is of no help.
    """
    question = prompts().explain.question.format(reason=reason)
    asked = with_question(thinking.talk, question)
    answer = model.generate(asked, max_tokens=MAX_EXPLANATION)
    text = legible(answer.text, MAX_EXPLANATION * LETTERS_PER_TOKEN)
    if answer.finish == "length" or len(text) < len(answer.text.strip()):
        text = whole_sentences(text)
    checked = check(text, facts)
    thoughts = [(thought, check(thought.text, facts)) for thought in thinking.thoughts]
    every = said([*(checked for _, checked in thoughts), checked])
    explanation = Explanation(
        text=checked.text.strip(),
        sentences=every,
        faithfulness=faithfulness(every),
        model=name_of(model),
        revision=revision_of(model),
        prompts_version=prompts().version,
    )
    return Told(explanation, tuple(_steps(thoughts, name_of(model))), answer.cost.seconds)


def whole_sentences(text: str) -> str:
    """A text that was cut off, without its last sentence, which has no end."""
    spans = sentences(text)
    return text[: spans[-2].end] if len(spans) > 1 else ""


def said(texts: Iterable[Checked]) -> tuple[Said, ...]:
    """All sentences, and what came of each."""
    return tuple(
        Said(text=s.text, said=s.said, outcome=s.outcome, why=s.why)
        for checked in texts
        for s in checked.sentences
    )


def faithfulness(every: Sequence[Said]) -> float:
    """Share of the sentences with claims that were right as they came; 1 if none had any."""
    claiming = [sentence for sentence in every if sentence.outcome != "none"]
    right = sum(sentence.outcome == "right" for sentence in claiming)
    return right / len(claiming) if claiming else 1.0


def _steps(thoughts: Sequence[tuple[Thought, Checked]], model: str) -> Iterable[Step]:
    for thought, checked in thoughts:
        if found := checked.text.strip():
            yield Step(
                looked_at=thought.looked_at,
                found=found,
                evidence_ids=thought.evidence_ids,
                by=model,
            )
