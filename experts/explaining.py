"""A language model's words on an inspection, each sentence checked against the evidence.

Where and what is settled before a word is written (localisation apart from dialogue, as in EIAD);
what the words claim of place, size, count, kind or verdict is compared with it, see
``experts.claims``: a false sentence is corrected or left out. One that claims nothing stays only in
the evidence's own words, see ``experts.grounding``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from experts.answers import Known
from experts.claims import Facts
from experts.claims.checking import faithfulness
from experts.claims.text import sentences
from experts.evidence import Explanation, Step
from experts.grounding import Grounded, ground, words_of
from experts.mllm import MLLM, Generation
from experts.mllm.base import with_question
from experts.mllm.nano.texts import on_sheet, texts
from experts.mllm.prompts import prompts
from experts.opinion import name_of, revision_of
from experts.plain_text import legible
from experts.sheet import ended, explaining, sheet, with_quotes
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


def explain(model: MLLM, thinking: Thinking, known: Known) -> Told:
    """Let a model explain an inspection that has come to its end.

    Args:
        model: The language model.
        thinking: What it thought.
        known: What is known of the inspection.

    Raises:
        MLLMError: If the model is of no help.
    """
    answer, facts, version = _written(model, thinking, known)
    text = legible(answer.text, MAX_EXPLANATION * LETTERS_PER_TOKEN)
    if answer.finish == "length" or len(text) < len(answer.text.strip()):
        text = whole_sentences(text)
    words = words_of(facts)
    last = ground(text, facts, words)
    thoughts = [(thought, ground(thought.text, facts, words)) for thought in thinking.thoughts]
    every = tuple(chain(*(said.sentences for _, said in thoughts), last.sentences))
    explanation = Explanation(
        text=last.text.strip(),
        sentences=every,
        faithfulness=faithfulness(every),
        model=name_of(model),
        revision=revision_of(model),
        prompts_version=version,
    )
    return Told(explanation, tuple(_steps(thoughts, name_of(model))), answer.cost.seconds)


def _written(model: MLLM, thinking: Thinking, known: Known) -> tuple[Generation, Facts, int]:
    """What a model writes, what its words are compared with, and the version of the question.

    One that sees nothing puts sentences together that are right; others write freely.
    """
    if model.sees:
        question = prompts().explain.question.format(reason=known.inspection.decision.reason)
        asked = with_question(thinking.talk, question)
        return model.generate(asked, max_tokens=MAX_EXPLANATION), known.facts, prompts().version
    asked, sentences = on_sheet(sheet(known), texts().explain), explaining(known)
    answer = model.say(asked, sentences[1:], many=True, max_tokens=MAX_EXPLANATION)
    # How it ended is not left to the model.
    text = _each_once(f"{ended(known)} {answer.text}", sentences)
    facts = with_quotes(known.facts, sentences)
    return replace(answer, text=text), facts, texts().version


def _each_once(text: str, sentences: Sequence[str]) -> str:
    """A text in which none of these sentences comes a second time."""
    for sentence in sentences:
        before, found, behind = text.partition(sentence)
        text = before + found + behind.replace(sentence, "")
    return " ".join(text.split())


def whole_sentences(text: str) -> str:
    """A text that was cut off, without its last sentence, which has no end."""
    spans = sentences(text)
    return text[: spans[-2].end] if len(spans) > 1 else ""


def _steps(thoughts: Sequence[tuple[Thought, Grounded]], model: str) -> Iterable[Step]:
    for thought, grounded in thoughts:
        if found := grounded.text.strip():
            yield Step(
                looked_at=thought.looked_at,
                found=found,
                evidence_ids=thought.evidence_ids,
                by=model,
            )
