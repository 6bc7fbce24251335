"""Makes lessons: an inspection's sheet, and questions that code knows the answers to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from echo.training import asking_file, asking_part, asking_places
from echo.training.lessons import Ask, Lesson
from echo.training.pen import Pen
from echo.training.wordings import Split
from experts.answers.known import Known
from experts.sheet import sheet

# How often each is asked; what is hard to tell apart, and what must never be wrong, more often.
_ASKING: dict[Callable[[Pen], Ask | None], float] = {
    asking_part.yes_or_no("defective"): 2,
    asking_part.yes_or_no("flawless"): 2,
    asking_part.yes_or_no("ship"): 2,
    asking_part.yes_or_no("hold_back"): 2,
    asking_part.yes_or_no("scrap"): 0.6,
    asking_part.yes_or_no("look_again"): 0.6,
    asking_part.verdict: 1,
    asking_part.why: 0.5,
    asking_part.next_: 0.7,
    asking_part.unknown: 3,
    asking_part.explain: 1,
    asking_places.where: 2.5,
    asking_places.looks: 1.5,
    asking_places.size: 1.5,
    asking_places.count: 1,
    asking_places.any_place: 0.6,
    asking_places.kind: 2,
    asking_places.is_kind: 1.2,
    asking_places.rule: 0.8,
    asking_places.measured: 0.4,
    asking_file.fact_of("appearance_of"): 1.6,
    asking_file.fact_of("cause_of"): 1.6,
    asking_file.fact_of("effect_of"): 1.6,
    asking_file.fact_of("severity_of"): 1,
    asking_file.fact_of("limit_of"): 1,
    asking_file.fact_of("synonym_of"): 0.5,
    asking_file.fact_of_found("cause"): 0.8,
    asking_file.fact_of_found("effect"): 0.8,
    asking_file.fact_of_found("severity"): 0.5,
    asking_file.normal: 0.9,
    asking_file.product: 0.7,
    asking_file.kinds_known: 0.6,
}


def lesson(known: Known, line: str, count: int, rng: np.random.Generator, split: Split) -> Lesson:
    """A lesson on an inspection.

    Args:
        known: What is known of it.
        line: Whose it is.
        count: How many questions at most; what makes no sense here is not asked.
        rng: Draws.
        split: Which wordings are taken.
    """
    pen = Pen(known, rng, split)
    makers, weights = list(_ASKING), np.array(list(_ASKING.values()))
    drawn = rng.choice(len(makers), size=count, p=weights / weights.sum())
    asks = {ask.question: ask for n in drawn if (ask := makers[int(n)](pen)) is not None}
    return Lesson(line, sheet(known), tuple(asks.values()))
