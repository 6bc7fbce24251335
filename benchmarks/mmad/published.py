"""What others reached on MMAD, as it was published."""

from __future__ import annotations

import functools

from experts.mllm.texts import Texts, read_texts


class Source(Texts):
    """Where figures were published.

    Attributes:
        title: What it is.
        url: Where it is.
    """

    title: str
    url: str


class Published(Texts):
    """The figures of one model in one source, with one normal image beside each question.

    Attributes:
        name: The model's.
        source: Key of the source; a model may stand in several with different figures.
        file: The table in the source, where it has several.
        figures: Percent, by subtask and ``Average``; the latter alone where no more was published.
        outlined: Whether plots show its subtasks.
        note: What a reader must know of the figures.
    """

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


class _Document(Texts):
    sources: dict[str, Source]
    models: tuple[Published, ...]


@functools.cache
def _document() -> _Document:
    return read_texts("published.yaml", _Document, "benchmarks.mmad")


def published() -> tuple[Published, ...]:
    """All published figures, in the order of the file."""
    return _document().models


def sources() -> dict[str, Source]:
    """Where they were published, by the key that ``Published.source`` has."""
    return _document().sources
