"""Makes lessons: an inspection's sheet, and questions that code knows the answers to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from echo.training import asking_file, asking_part, asking_places
from echo.training.lessons import Ask, Lesson
from echo.training.pen import Pen
from echo.training.wordings import Phrases
from experts.answers.known import Known
from experts.sheet import sayable, sheet

# How often each is asked; what is hard to tell apart, and what must never be wrong, more often.
_ASKING: dict[str, tuple[Callable[[Pen], Ask | None], float]] = {
    "defective": (asking_part.yes_or_no("defective"), 2),
    "flawless": (asking_part.yes_or_no("flawless"), 2),
    "ship": (asking_part.yes_or_no("ship"), 2),
    "hold_back": (asking_part.yes_or_no("hold_back"), 2),
    "scrap": (asking_part.yes_or_no("scrap"), 1.8),
    "look_again": (asking_part.yes_or_no("look_again"), 1.8),
    "verdict": (asking_part.verdict, 1),
    "why": (asking_part.why, 1),
    "next": (asking_part.next_, 1),
    "unknown": (asking_part.unknown, 3),
    "explain": (asking_part.explain, 1),
    "where": (asking_places.where, 2.5),
    "looks": (asking_places.looks, 1.5),
    "size": (asking_places.size, 1.5),
    "count": (asking_places.count, 1),
    "any_place": (asking_places.any_place, 0.6),
    "kind": (asking_places.kind, 2.5),
    "is_kind": (asking_places.is_kind, 2),
    "rule": (asking_places.rule, 0.8),
    "measured": (asking_places.measured, 0.8),
    "appearance_of": (asking_file.fact_of("appearance_of"), 2),
    "cause_of": (asking_file.fact_of("cause_of"), 2),
    "effect_of": (asking_file.fact_of("effect_of"), 2),
    "severity_of": (asking_file.fact_of("severity_of"), 1),
    "limit_of": (asking_file.fact_of("limit_of"), 1.3),
    "synonym_of": (asking_file.fact_of("synonym_of"), 0.5),
    "cause": (asking_file.fact_of_found("cause"), 0.8),
    "effect": (asking_file.fact_of_found("effect"), 0.8),
    "severity": (asking_file.fact_of_found("severity"), 0.8),
    "normal": (asking_file.normal, 0.9),
    "product": (asking_file.product, 0.7),
    "kinds_known": (asking_file.kinds_known, 0.6),
}


def lesson(known: Known, line: str, count: int, rng: np.random.Generator, words: Phrases) -> Lesson:
    """A lesson on an inspection.

    Args:
        known: What is known of it.
        line: Whose it is.
        count: How many questions at most; what makes no sense here is not asked.
        rng: Draws.
        words: From which wordings questions are drawn; only their topics are asked.
    """
    pen, said = Pen(known, rng, words), tuple(sayable(known))
    topics = [_ASKING[topic] for topic in _ASKING if topic in words.topics]
    weights = np.array([weight for _, weight in topics])
    asks: dict[str, Ask] = {}
    while not asks:
        drawn = rng.choice(len(topics), size=count, p=weights / weights.sum())
        made = (topics[n][0](pen) for n in drawn.tolist())
        # Where there is nothing else to choose from, there is nothing to ask.
        asks |= {a.question: a for a in made if a and (a.wrong or a.many or a.answer in said)}
    return Lesson(line, sheet(known), said, tuple(asks.values()))
