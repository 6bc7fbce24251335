"""What writes questions on one inspection: draws wordings, and whether one chooses or writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from echo.training.hurried import hurried
from echo.training.inventing_cards import no_kind
from echo.training.lessons import Ask
from echo.training.wordings import Phrases, filled
from experts.answers.known import Known
from experts.sheet import part_of

T = TypeVar("T")
# Of all that is wrong so many at most stand beside what is right.
MAX_WRONG = 4
# Half of what can be chosen is asked for with options, the rest is to be written.
CHOOSES = 0.5
# Of so many kinds that are asked for by name the file knows nothing.
FOREIGN = 0.12
# Benchmarks ask otherwise than factories.
LIKE_BENCHMARKS = 0.3


class Pen:
    """Writes questions on one inspection.

    Args:
        known: What is known of it.
        rng: Draws.
        phrases: Which wordings it takes.
    """

    def __init__(self, known: Known, rng: np.random.Generator, phrases: Phrases) -> None:
        self.known = known
        self._rng = rng
        self._phrases = phrases

    def chance(self, share: float) -> bool:
        """Whether something happens that does so in this share of cases."""
        return bool(self._rng.random() < share)

    def pick(self, among: Sequence[T]) -> T:
        """One of them."""
        return among[int(self._rng.integers(len(among)))]

    def some(self, among: Sequence[T], count: int) -> list[T]:
        """So many of them at most, in any order."""
        order = self._rng.permutation(len(among))[:count]
        return [among[int(i)] for i in order]

    def no_kind(self) -> str:
        """The name of a kind of defect that the knowledge file does not have."""
        file = self.known.knowledge.file if self.known.knowledge else None
        kinds = file.defects if file else ()
        return no_kind(self._rng, [name for kind in kinds for name in (kind.name, *kind.synonyms)])

    def write(self, topic: str, answer: str, mmad: str | None = None, **slots: str) -> Ask:
        """A question whose answer is to be written; see ``choose``."""
        return Ask(topic, self._asked(topic, mmad, **slots), answer)

    def choose(
        self, topic: str, answer: str, wrong: Sequence[str], mmad: str | None = None, **slots: str
    ) -> Ask:
        """A question with options.

        Args:
            topic: What is asked.
            answer: What is right.
            wrong: What is not; those that read like the right one are left out.
            mmad: The topic's name among benchmarks' questions, if they ask it.
            slots: Names for the wording.
        """
        others = list(dict.fromkeys(w for w in wrong if plainly(w) != plainly(answer)))
        count = int(self._rng.integers(1, MAX_WRONG + 1))
        style = self.pick((_as_it_is, _as_sentence, _bare))
        return Ask(
            topic,
            self._asked(topic, mmad, **slots),
            style(answer),
            tuple(dict.fromkeys(style(w) for w in self.some(others, count))),
        )

    def _asked(self, topic: str, mmad: str | None, **slots: str) -> str:
        if mmad and mmad in self._phrases.mmad and self.chance(LIKE_BENCHMARKS):
            return self._filled(self.pick(self._phrases.mmad[mmad]))
        wording, said = self.pick(self._phrases.topics[topic]), self._phrases
        if said.openings and said.closings:
            wording = hurried(wording, self._rng, said.openings, said.closings)
        return self._filled(wording, **slots)

    def _filled(self, wording: str, **slots: str) -> str:
        return filled(wording, part=part_of(self.known), product=self._product, **slots)

    @property
    def _product(self) -> str:
        return self.known.knowledge.file.product if self.known.knowledge else "part"


def plainly(text: str) -> str:
    """A text by which options are compared."""
    return " ".join(text.casefold().rstrip(".").split())


def _as_it_is(text: str) -> str:
    return text


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _bare(text: str) -> str:
    return text.rstrip(".")
