"""Puts right and wrong texts into lettered options, so that the letters give nothing away."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.mmad.data import Subtask
from benchmarks.mmad.making_texts import words_of

LETTERS = "ABCD"
# Two texts that share more of their words than this may say the same.
ALIKE = 0.5


def generator(seed: int, name: str) -> np.random.Generator:
    """A random generator of its own for each name, the same for the same seed."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng([seed, *digest])


class Asker:
    """Makes the questions of one object.

    Right letters are dealt like cards: each letter once, in random order, before any comes again.
    So they are spread evenly over the questions of a subtask with equally many options.

    Args:
        seed: The same seed makes the same questions.
        name: Of the object.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._rng = generator(seed, name)
        self._decks: dict[tuple[str, int], list[int]] = {}

    def ask(
        self, subtask: Subtask, stems: Sequence[str], right: str, wrong: Sequence[str]
    ) -> dict[str, Any]:
        """A question as MMAD writes it.

        Args:
            subtask: Its type.
            stems: Its wordings; one is drawn.
            right: The right option.
            wrong: The wrong ones, at least one; three at most are drawn.
        """
        drawn = self._rng.permutation(len(wrong))[: len(LETTERS) - 1]
        options = [wrong[number] for number in drawn]
        at = self._letter(subtask, len(options) + 1)
        options.insert(at, right)
        return {
            "Question": stems[int(self._rng.integers(len(stems)))],
            "Answer": LETTERS[at],
            "Options": dict(zip(LETTERS, options, strict=False)),
            "type": subtask,
            "annotation": True,
        }

    def draw(self, items: Sequence[str], count: int) -> list[str]:
        """So many of them at random, or all if there are fewer."""
        return [items[number] for number in self._rng.permutation(len(items))[:count]]

    def _letter(self, subtask: str, count: int) -> int:
        deck = self._decks.setdefault((subtask, count), [])
        if not deck:
            deck.extend(self._rng.permutation(count).tolist())
        return deck.pop()


def apart(right: str, others: Sequence[str]) -> list[str]:
    """Those of other texts that do not say the same as the right one, or as each other."""
    kept: list[str] = []
    for text in others:
        if not any(_are_alike(text, known) for known in (right, *kept)):
            kept.append(text)
    return kept


def _are_alike(one: str, other: str) -> bool:
    ours, theirs = words_of(one), words_of(other)
    return len(ours & theirs) > ALIKE * len(ours | theirs) or one.casefold() == other.casefold()
