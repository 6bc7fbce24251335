"""What is said to a language model; all of it stands in ``prompts.yaml``, with a version."""

from __future__ import annotations

from functools import cache

from experts.mllm.texts import Text, Texts, read_texts


class ShownTexts(Texts):
    """What a model is told of its task, and the headings of what it is shown."""

    system: Text
    normal: Text
    reference: Text
    query: Text
    map: Text
    region: Text
    region_alone: Text
    measured: Text


class ThinkingTexts(Texts):
    """What asks for each stage of the reasoning."""

    observe: Text
    compare: Text
    examine: Text
    wish: Text
    looked: Text
    clauses: Text


class OpinionTexts(Texts):
    """What asks for an opinion on an unusual image."""

    question: Text
    defect: Text
    any_defect: Text
    no_defect: Text
    other: Text


class ExplainTexts(Texts):
    """What asks for words on the end of an inspection."""

    question: Text


class ProposeTexts(Texts):
    """What asks for abnormal prompts."""

    question: Text


class Prompts(Texts):
    """All texts, and which version of them this is."""

    version: int
    shown: ShownTexts
    thinking: ThinkingTexts
    opinion: OpinionTexts
    explain: ExplainTexts
    propose: ProposeTexts


@cache
def prompts() -> Prompts:
    """The texts that come with Echo."""
    return read_texts("prompts.yaml", Prompts)
