"""Words of invented factories: phrases that are filled in by chance, and names that nobody uses.

How they are put together stands in YAML beside this file: a family is a kind of factory, whose
words go together; slots are filled in with its phrases and with those that all families share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

from experts.mllm.texts import Texts, read_texts


def _lines(raw: object) -> object:
    return tuple(raw.split("\n")[:-1]) if isinstance(raw, str) else raw


Phrases = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Slots = dict[str, Phrases]

_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])(?!uni|use|one\b|eu)")
_VOWELS = "aeiou"
# Shorter ones are words of a language too often, and nobody invents longer ones.
LETTERS = range(4, 12)
MAX_SYLLABLES = 2
# How often another phrase is tried where one came already.
_TRIES = 8


class Families(Texts):
    """The words of each kind of factory, by slot."""

    families: dict[str, Slots]


class Shared(Texts):
    """The phrases that all factories share, by slot."""

    slots: Slots


@lru_cache(maxsize=1)
def families() -> dict[str, Slots]:
    """The slots of each family, with those that all share."""
    own = read_texts("inventing_families.yaml", Families, "echo.training").families
    shared = read_texts("inventing_texts.yaml", Shared, "echo.training").slots
    return {name: {**shared, **slots} for name, slots in own.items()}


class Wordsmith:
    """Words of one invented factory.

    Args:
        rng: The source of chance.
        slots: Phrases by slot.
        fixed: Words of slots that are the same in every phrase, for example ``part``.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        slots: Mapping[str, Sequence[str]],
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self.rng = rng
        self._slots = slots
        self._fixed = dict(fixed or {})

    def knowing(self, **fixed: str) -> Wordsmith:
        """The same, with further words that stay the same."""
        return Wordsmith(self.rng, self._slots, {**self._fixed, **fixed})

    def phrase(self, slot: str) -> str:
        """A phrase for a slot, filled in, with its articles put right."""
        return _ARTICLE.sub(r"\1n ", self._filled(slot, set()))

    def sentence(self, slot: str) -> str:
        """A phrase that begins as a sentence does."""
        return capital(self.phrase(slot))

    def chance(self, probability: float) -> bool:
        """Whether something happens that happens so often."""
        return bool(self.rng.random() < probability)

    def _filled(self, slot: str, said: set[str]) -> str:
        def fill(found: re.Match[str]) -> str:
            name = found[1]
            words = self._filled(name.lower(), said)
            return words if name.islower() else capital(words)

        if slot in self._fixed:
            return self._fixed[slot]
        return _SLOT.sub(fill, self._fresh(slot, said))

    def _fresh(self, slot: str, said: set[str]) -> str:
        """A phrase that did not come yet in the same sentence, if there is one."""
        choices = self._slots[slot]
        for _ in range(_TRIES):
            words = choices[int(self.rng.integers(len(choices)))]
            if words not in said:
                break
        said.add(words)
        return words


def capital(words: str) -> str:
    """The words with a capital in front."""
    return words[:1].upper() + words[1:]


def plural(noun: str) -> str:
    """The plural of a regular noun."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def made_up(smith: Wordsmith) -> str:
    """A word that can be spoken and means nothing, for example ``vorlim``."""
    while True:
        syllables = 1 + int(smith.rng.integers(MAX_SYLLABLES))
        parts = [f"{smith.phrase('onset')}{smith.phrase('nucleus')}" for _ in range(syllables)]
        word = f"{''.join(parts)}{smith.phrase('coda')}"
        if len(word) in LETTERS:
            return word
