"""Turns lessons into rows of tokens, as the model will be asked at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from echo.training.lessons import Ask, Lesson
from echo.training.packing import Branch
from experts.mllm.nano.prompting import TextPrompter
from experts.mllm.nano.texts import on_sheet, with_options


@dataclass(frozen=True)
class Row:
    """What is learned of one question.

    Attributes:
        about: What it asks.
        branches: One for each answer that is read, the right one first.
    """

    about: str
    branches: tuple[Branch, ...]


class LessonReader:
    """Reads lessons with the model's tokenizer.

    Args:
        prompter: Of the model.
        end_id: The token that ends a turn.
    """

    def __init__(self, prompter: TextPrompter, end_id: int) -> None:
        self._prompter = prompter
        self._end_id = end_id

    def read(self, lesson: Lesson, rng: np.random.Generator, *, wrong: bool = False) -> list[Row]:
        """All questions of a lesson as rows.

        Args:
            lesson: The lesson.
            rng: Draws the order in which options are listed.
            wrong: Whether wrong options are read, too; to learn the right one is enough, as the
                question lists all of them.
        """
        heads = self._heads(lesson)
        return [self._row(lesson.sheet, ask, rng, heads, wrong=wrong) for ask in lesson.asks]

    def _heads(self, lesson: Lesson) -> dict[str, tuple[int, ...]]:
        """Of each sentence the tokens by which it is told from all others; the rest is certain."""
        messages = on_sheet(lesson.sheet, lesson.asks[0].question)
        prompt = self._prompter.read(messages)
        every = self._prompter.answer_ids(messages, prompt, lesson.sayable)
        return {
            sentence: ids[: 1 + max(_alike(ids, other) for other in every if other != ids)]
            for sentence, ids in zip(lesson.sayable, every, strict=True)
        }

    def _row(
        self,
        sheet: str,
        ask: Ask,
        rng: np.random.Generator,
        heads: Mapping[str, tuple[int, ...]],
        *,
        wrong: bool,
    ) -> Row:
        messages = on_sheet(sheet, ask.question)
        answers = (ask.answer, *ask.wrong)
        if ask.wrong:
            listed = [answers[i] for i in rng.permutation(len(answers))]
            messages = with_options(messages, listed)
        prompt = self._prompter.read(messages)
        begin, ids = len(prompt.ids_T), prompt.ids_T.tolist()
        if ask.wrong:
            found = self._prompter.answer_ids(messages, prompt, answers if wrong else answers[:1])
        elif ask.many:
            (text,) = self._prompter.answer_ids(messages, prompt, answers)
            found = ((*text, self._end_id),)
        else:
            found = (heads[ask.answer],)
        return Row(ask.about, tuple(Branch((*ids, *answer), begin) for answer in found))


def _alike(ids: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sentences share at their beginning."""
    pairs = enumerate(zip(ids, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(ids), len(other)))
