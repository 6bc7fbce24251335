"""What others reached on MMAD, as it was published."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

FILE = Path(__file__).with_name("published.yaml")
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Source(BaseModel):
    """Where figures were published.

    Attributes:
        title: What it is.
        url: Where it is.
    """

    model_config = _STRICT

    title: str
    url: str


class Published(BaseModel):
    """The figures of one model in one source, with one normal image beside each question.

    Attributes:
        name: The model's.
        source: Key of the source; a model may stand in several with different figures.
        file: The table in the source, where it has several.
        figures: Percent, by subtask and ``Average``; the latter alone where no more was published.
        outlined: Whether plots show its subtasks.
        note: What a reader must know of the figures.
    """

    model_config = _STRICT

    name: str
    source: str
    file: str = ""
    figures: dict[str, float]
    outlined: bool = False
    note: str = ""

    @property
    def average(self) -> float:
        """The overall figure."""
        return self.figures["Average"]


class _Document(BaseModel):
    model_config = _STRICT

    sources: dict[str, Source]
    models: tuple[Published, ...]


@functools.cache
def _document() -> _Document:
    from ruamel.yaml import YAML

    raw = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))
    return TypeAdapter(_Document).validate_python(raw)


def published() -> tuple[Published, ...]:
    """All published figures, in the order of the file."""
    return _document().models


def sources() -> dict[str, Source]:
    """Where they were published, by the key that ``Published.source`` has."""
    return _document().sources
