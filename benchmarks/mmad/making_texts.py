"""What made questions say; the texts stand in ``making_texts.yaml``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, Field

from experts.claims.words import singular
from experts.mllm.texts import Texts, read_texts


def _listed(text: str) -> frozenset[str]:
    return frozenset(singular(word) for word in text.split())


Words = Annotated[frozenset[str], BeforeValidator(_listed)]
Wordings = Annotated[tuple[str, ...], Field(min_length=1)]


class Stems(Texts):
    """The wordings of each question; what it is about is the name of its field."""

    detection: Wordings
    kind: Wordings
    place: Wordings
    appearance: Wordings
    size: Wordings
    effect: Wordings
    product: Wordings
    normal: Wordings


class Size(Texts):
    """A size in words.

    Attributes:
        at_least: Share of the image that belongs to it.
        below: Share that no longer does.
        words: The option.
    """

    at_least: float = Field(alias="from")
    below: float
    words: str


class MakingTexts(Texts):
    """All of the file; what each field is for stands there."""

    stems: Stems
    places: Annotated[tuple[str, ...], Field(min_length=9, max_length=9)]
    sizes: tuple[Size, ...]
    general_kinds: dict[str, Words]
    product_groups: tuple[Words, ...]
    says_nothing: Words
    says_several: Words
    no_product: Words
    small_words: Words


@lru_cache(maxsize=1)
def texts() -> MakingTexts:
    """The texts, read once."""
    return read_texts("making_texts.yaml", MakingTexts, "benchmarks.mmad")


def readable(name: str) -> str:
    """The name of a folder in words: ``mouse_bite``, ``MouseBite`` → ``mouse bite``."""
    parted = re.sub(r"(?<=[a-zäöüß\d])(?=[A-ZÄÖÜ])", " ", name)
    words = re.split(r"[\W_]+", parted)
    kept = (word if len(word) > 1 and word.isupper() else word.lower() for word in words)
    return " ".join(word for word in kept if word)


def words_of(text: str) -> frozenset[str]:
    """The words of a text that tell it apart from others: in lower case, singular, no numbers."""
    return (
        _listed(" ".join(re.findall(r"[^\W\d_]+", readable(text).casefold()))) - texts().small_words
    )


def option(text: str) -> str:
    """A text as an option: with a capital, and with a full stop at its end."""
    line = " ".join(text.split())
    return f"{line[:1].upper()}{line[1:]}{'' if line.endswith(('.', '!', '?')) else '.'}"
