"""How probable a model finds each answer: several questions and their options in one pass.

An option's score is the mean log-probability of its tokens after the question, so that long ones
are not at a disadvantage; the probabilities are the softmax of these scores over the options. For
options of one token each, such as letters, that is the model's own distribution among them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import Cache

from experts.errors import MLLMAnswerError
from experts.mllm.local.prefix import Reader, shared_beginning
from experts.mllm.local.prompting import Prompt

# Rows that are weighed together take so many bytes at most.
MAX_BYTES = 512 * 2**20
# Reading so many tokens at once takes hardly longer than reading one.
MAX_REPEATED_TOKENS = 128


@dataclass(frozen=True)
class Asked:
    """A question as tokens, and the tokens of each of its options."""

    prompt: Prompt
    answers: tuple[tuple[int, ...], ...]


class Weighed(NamedTuple):
    """What came of a question: each option's probability, and what of the prompt was known."""

    probabilities: tuple[float, ...]
    known_tokens: int


def weigh(reader: Reader, questions: Sequence[Asked], vocabulary: int) -> list[Weighed]:
    """Weigh the options of questions that show the same images.

    Args:
        reader: Of the model.
        questions: They begin alike.
        vocabulary: How many tokens the model tells apart.

    Raises:
        MLLMAnswerError: If the model gives no numbers, as one whose values overflow.
    """
    first = questions[0].prompt
    # The last token of a question is always read here: it foretells the first one of an answer.
    base = min(min(shared_beginning(first, q.prompt), len(q.prompt.ids_T) - 1) for q in questions)
    # One pass from where all is known anyway beats two short ones, unless rows repeat too much.
    earlier = min(base, reader.known(first))
    if sum(map(len, _rows(questions, earlier))) <= MAX_REPEATED_TOKENS:
        base = earlier
    cache, known = reader.read(first, base)
    rows = _rows(questions, base)
    # What stands before the first answer foretells nothing that is asked.
    offsets = [len(q.prompt.ids_T) - 1 - base for q in questions]
    first_offset = min(offsets)
    means: dict[tuple[int, int], float] = {}
    per_row = (len(rows[0]) - first_offset) * vocabulary * 4 + bytes_of(cache)
    for start, chunk in _chunks(rows, per_row):
        is_last = start + len(chunk) == len(rows)
        logits_NTV = _read_rows(reader, cache, chunk, first_offset, is_last=is_last)
        for q, question in enumerate(questions):
            for a, answer in enumerate(question.answers):
                row = _row_of(question.prompt, answer, base, chunk)
                if row is not None:
                    here_TV = logits_NTV[row, offsets[q] - first_offset :]
                    means[q, a] = _mean_log_probability(here_TV, answer)
    weighed = []
    for q, question in enumerate(questions):
        scores = torch.tensor([means[q, a] for a in range(len(question.answers))])
        if (probabilities := scores.softmax(0)).isnan().any():
            raise MLLMAnswerError(
                "weighs its answers with what is no number; load it at another precision, or take "
                "another model"
            )
        # The first one reads what all of them share.
        weighed.append(Weighed(tuple(probabilities.tolist()), base if q else known))
    return weighed


def bytes_of(cache: Cache | None) -> int:
    """What a cache takes, whatever its layers keep."""
    kept = [value for layer in cache.layers for value in vars(layer).values()] if cache else []
    states = [state for value in kept if isinstance(value, dict) for state in value.values()]
    return sum(t.nbytes for t in [*kept, *states] if isinstance(t, torch.Tensor))


def _rows(questions: Sequence[Asked], base: int) -> list[tuple[int, ...]]:
    """What must be read behind the shared beginning; what begins another row is part of it."""
    wanted = {_needed(q.prompt, answer, base) for q in questions for answer in q.answers}
    rows: list[tuple[int, ...]] = []
    for row in sorted(wanted, key=lambda row: (-len(row), row)):
        if not any(other[: len(row)] == row for other in rows):
            rows.append(row)
    return rows


def _needed(prompt: Prompt, answer: Sequence[int], base: int) -> tuple[int, ...]:
    # Nothing follows the last token of an answer, so it need not be read.
    return (*prompt.ids_T[base:].tolist(), *answer[:-1])


def _row_of(
    prompt: Prompt, answer: Sequence[int], base: int, chunk: Sequence[tuple[int, ...]]
) -> int | None:
    needed = _needed(prompt, answer, base)
    return next((n for n, row in enumerate(chunk) if row[: len(needed)] == needed), None)


def _chunks(
    rows: Sequence[tuple[int, ...]], bytes_of_row: int
) -> Iterator[tuple[int, Sequence[tuple[int, ...]]]]:
    # Rows come longest first; each has logits and a cache of its own.
    size = max(1, MAX_BYTES // bytes_of_row)
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]


def _read_rows(
    reader: Reader,
    cache: Cache | None,
    rows: Sequence[tuple[int, ...]],
    first: int,
    *,
    is_last: bool,
) -> torch.Tensor:
    """Logits behind each token of each row from the first on; shorter rows are padded behind."""
    own = cache if is_last else copy.deepcopy(cache)
    if own is not None:
        own.reorder_cache(torch.zeros(len(rows), dtype=torch.long))
    longest = max(map(len, rows))
    ids_NT = torch.tensor([(*row, *[0] * (longest - len(row))) for row in rows])
    wanted = longest - first
    logits_NTV: torch.Tensor = reader.step(own, ids_NT, last=wanted).logits
    return logits_NTV[:, -wanted:]


def _mean_log_probability(logits_TV: torch.Tensor, answer: Sequence[int]) -> float:
    log_TV = logits_TV[: len(answer)].float().log_softmax(dim=-1)
    ids_T1 = torch.tensor(answer, device=log_TV.device)[:, None]
    return float(log_TV.gather(1, ids_T1).mean())
