"""Reads texts that come with Echo, such as what is said to a language model; they stand in YAML."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

Text = Annotated[str, Field(min_length=1)]


class Texts(BaseModel):
    """Texts that belong together; a file that lacks one, or has another, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyTexts = TypeVar("AnyTexts", bound=BaseModel)


def read_texts(name: str, kind: type[AnyTexts], package: str = "experts.mllm") -> AnyTexts:
    """All texts of a file.

    Args:
        name: Of the file.
        kind: Which texts it holds.
        package: Which one the file comes with.
    """
    raw = files(package).joinpath(name).read_text("utf-8")
    return kind.model_validate(YAML(typ="safe").load(raw))
