"""Which answers the benchmark's own scoring would have counted.

That of its scripts for models that run locally: the last capital letter from A to E that stands
alone in a text is the answer, or, without any, the option that is spelt most like the text. An
image with a question that has no answer is left out whole. What is no such letter then, an option
beyond the fifth, the scoring takes out of the list that it walks over; so it counts in no
denominator, and nor does the answer after it, which slips into the place that was just left.

It does not see whether a letter was offered, or the wording that was answered. README.md beside the
benchmarks lists all faults of that scoring; none of them is copied. This module only tells how many
answers its figures would rest on.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from difflib import get_close_matches

from benchmarks.mmad.data import Benchmark, Question
from benchmarks.mmad.journal import Answer

_LETTERS = "ABCDE"
_LETTER = re.compile(rf"\b[{_LETTERS}]\b")
# How a run notes that its model failed.
_FAILED = "no answer: "


def counted_by_the_benchmark(benchmark: Benchmark, answers: Mapping[str, Answer]) -> frozenset[str]:
    """Ids of the questions whose answers the benchmark's script would have counted."""
    counted = []
    skipped = False
    for query in benchmark.queries:
        found = [answers.get(question.id) for question in query.questions]
        of_image = [answer for answer in found if answer is not None and not _failed(answer)]
        if len(of_image) < len(found):
            continue
        for question, answer in zip(query.questions, of_image, strict=True):
            if skipped:
                skipped = False
            elif _both_are_letters(question, benchmark.key.answers[question.id], answer):
                counted.append(question.id)
            else:
                skipped = True
    return frozenset(counted)


def _failed(answer: Answer) -> bool:
    return answer.answer is None and answer.raw.startswith(_FAILED)


def _both_are_letters(question: Question, right: str, answer: Answer) -> bool:
    by_place = dict(zip(question.options, string.ascii_uppercase, strict=False))
    read = _read(question, answer) or ""
    return by_place.get(right) in {*_LETTERS} and by_place.get(read, read) in {*_LETTERS}


def _read(question: Question, answer: Answer) -> str | None:
    """What the script takes for the answer; an answer from probabilities is a letter already."""
    if answer.probabilities is not None:
        return answer.answer
    letters: list[str] = _LETTER.findall(answer.raw)
    if letters:
        return letters[-1]
    closest = get_close_matches(answer.raw, list(question.options.values()), n=1, cutoff=0.0)
    return next((letter for letter, text in question.options.items() if text in closest), None)
