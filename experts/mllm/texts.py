"""Reads the texts that are said to a language model; they stand in YAML files beside this one."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

Text = Annotated[str, Field(min_length=1)]


class Texts(BaseModel):
    """Texts that belong together; a file that lacks one, or has another, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyTexts = TypeVar("AnyTexts", bound=Texts)


def read_texts(name: str, kind: type[AnyTexts]) -> AnyTexts:
    """All texts of a file.

    Args:
        name: Of the file.
        kind: Which texts it holds.
    """
    raw = files("experts.mllm").joinpath(name).read_text("utf-8")
    return kind.model_validate(YAML(typ="safe").load(raw))
