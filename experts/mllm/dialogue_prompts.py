"""What is said to a model in a conversation; all of it stands in ``dialogue.yaml``."""

from __future__ import annotations

from functools import cache

from experts.mllm.texts import Text, Texts, read_texts


class AnswerTexts(Texts):
    """What asks for an answer or a closer look."""

    system: Text
    evidence: Text
    knowledge: Text
    before: Text
    turn: Text
    look: Text
    draft: Text
    question: Text
    last: Text


class TranslateTexts(Texts):
    """What asks for a translation."""

    system: Text
    question: Text


class DialoguePrompts(Texts):
    """All texts, and which version of them this is."""

    version: int
    answer: AnswerTexts
    translate: TranslateTexts


@cache
def dialogue_prompts() -> DialoguePrompts:
    """The texts that come with Echo."""
    return read_texts("dialogue.yaml", DialoguePrompts)
