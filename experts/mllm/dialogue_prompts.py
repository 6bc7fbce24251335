"""What is said to a model in a conversation; all of it stands in ``dialogue.yaml``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

Text = Annotated[str, Field(min_length=1)]


class _Texts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerTexts(_Texts):
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


class TranslateTexts(_Texts):
    """What asks for a translation."""

    system: Text
    question: Text


class DialoguePrompts(_Texts):
    """All texts, and which version of them this is."""

    version: int
    answer: AnswerTexts
    translate: TranslateTexts


@cache
def dialogue_prompts() -> DialoguePrompts:
    """The texts that come with Echo."""
    raw = files("experts.mllm").joinpath("dialogue.yaml").read_text("utf-8")
    return DialoguePrompts.model_validate(YAML(typ="safe").load(raw))
