"""Which answers the benchmark's own scoring would have counted.

Its script takes answers that are no letter out of the list that it walks over. So they count in no
denominator, and nor does the answer after each, which slips into the place that was just left. Only
the letters A to E are letters, by the place of an option and not by its name. It does not see
whether a letter was offered, or the wording that was answered.

README.md beside the benchmarks lists all faults of that scoring; none of them is copied. This
module only tells how many answers its figures would rest on.
"""

from __future__ import annotations

import string
from collections.abc import Mapping

from benchmarks.mmad.data import Benchmark, Question
from benchmarks.mmad.journal import Answer

_LETTERS = "ABCDE"


def counted_by_the_benchmark(benchmark: Benchmark, answers: Mapping[str, Answer]) -> frozenset[str]:
    """Ids of the questions whose answers the benchmark's script would have counted."""
    counted = []
    skipped = False
    for _, question in benchmark.questions:
        answer = answers.get(question.id)
        if answer is None:
            continue
        if skipped:
            skipped = False
        elif _both_are_letters(question, benchmark.key.answers[question.id], answer.answer):
            counted.append(question.id)
        else:
            skipped = True
    return frozenset(counted)


def _both_are_letters(question: Question, right: str, answer: str | None) -> bool:
    by_place = dict(zip(question.options, string.ascii_uppercase, strict=False))
    return by_place.get(right) in {*_LETTERS} and by_place.get(answer or "", answer) in {*_LETTERS}
