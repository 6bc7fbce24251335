"""What is said to a language model; all of it stands in ``prompts.yaml``, with a version."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

Text = Annotated[str, Field(min_length=1)]


class _Texts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OpinionTexts(_Texts):
    """What asks for an opinion on an unusual image."""

    system: Text
    reference: Text
    query: Text
    region: Text
    normal: Text
    question: Text
    defect: Text
    any_defect: Text
    no_defect: Text
    other: Text


class ProposeTexts(_Texts):
    """What asks for abnormal prompts."""

    question: Text


class Prompts(_Texts):
    """All texts, and which version of them this is."""

    version: int
    opinion: OpinionTexts
    propose: ProposeTexts


@cache
def prompts() -> Prompts:
    """The texts that come with Echo."""
    raw = files("experts.mllm").joinpath("prompts.yaml").read_text("utf-8")
    return Prompts.model_validate(YAML(typ="safe").load(raw))
