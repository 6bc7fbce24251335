"""Answers the questions on an image: by evidence alone, with a language model, or by that alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image

from benchmarks.mmad.asking import WHOLE, ask_plainly, put, show
from benchmarks.mmad.data import Query, Question
from benchmarks.mmad.journal import Answer
from benchmarks.mmad.parsing import parse_letter
from benchmarks.mmad.seeing import EXPERTS, Expert, Seen
from experts.choosing import Grounds, weigh, what_is_asked
from experts.errors import MLLMAnswerError
from experts.mllm import MLLM, Choice, Message
from experts.mllm import Question as Choosing
from experts.mllm.nano.texts import on_sheet

Templates = Literal["random", "similar", "retrieved"]
# As many tokens as the benchmark's scripts let a model write.
MAX_TOKENS = 128
# What the detector answers, whatever a model thinks.
_BY_EVIDENCE = frozenset({"presence", "place"})


@dataclass(frozen=True)
class Way:
    """A way to answer.

    Attributes:
        name: Of its folder, for example ``echo`` or ``no-decoder``.
        experts: Who is asked; ``None``: the language model alone, as the benchmark asks it.
        templates: Which normal images a language model is shown.
        shots: How many of them.
        model: The language model, if there is one.
    """

    name: str
    experts: frozenset[Expert] | None = frozenset(EXPERTS)
    templates: Templates = "retrieved"
    shots: int = 1
    model: MLLM | None = field(default=None, repr=False)

    @property
    def thinks(self) -> bool:
        """Whether the language model reasons about the image before it is asked."""
        experts = self.experts or frozenset()
        sees = self.model is not None and self.model.sees
        return sees and "reasoning" in experts and experts >= WHOLE

    @property
    def finds_line(self) -> bool:
        """Whether the product is found by its normal images, and not told by the templates."""
        return self.experts is not None and "reference" in self.experts


def answer(
    query: Query, questions: Sequence[Question], seen: Seen | None, way: Way
) -> list[Answer]:
    """Answer questions on one image.

    Args:
        query: The image; of it only pixels and templates are used.
        questions: Those of its questions that are to be answered.
        seen: What was found out; ``None`` for the language model alone.
        way: How.

    Raises:
        MLLMError: If the language model cannot be asked.
    """
    if way.experts is None or seen is None:
        return list(_plainly(query, questions, way))
    grounds = seen.grounds(way.experts)
    by_evidence = [q for q in questions if _is_for_evidence(q, grounds, way)]
    answers = [_by_evidence(question, grounds, way) for question in by_evidence]
    asked = [question for question in questions if question not in by_evidence]
    if asked and way.model is not None:
        ask = _with_model if way.model.sees else _by_reading
        answers += ask(asked, query, seen, way, way.model)
    order = {question.id: number for number, question in enumerate(questions)}
    return sorted(answers, key=lambda answered: order[answered.id])


def _is_for_evidence(question: Question, grounds: Grounds, way: Way) -> bool:
    """Whether no language model is asked; one that only reads what experts found, seldom is."""
    options = list(question.options.values())
    if way.model is None:
        return True
    if not way.model.sees:
        whole = (way.experts or frozenset()) >= frozenset(EXPERTS)
        return not whole or bool(weigh(question.text, options, grounds).evidence_ids)
    return grounds.anomaly is not None and what_is_asked(question.text, options) in _BY_EVIDENCE


def _by_evidence(question: Question, grounds: Grounds, way: Way) -> Answer:
    start = time.perf_counter()
    weighed = weigh(question.text, list(question.options.values()), grounds)
    shares = dict(zip(question.options, weighed.probabilities, strict=True))
    knows = "knowledge" in weighed.evidence_ids
    decides = "decision" in (way.experts or ())
    return _answered(
        question,
        _best(shares, question),
        probabilities=shares,
        evidence_ids=tuple(i for i in weighed.evidence_ids if i != "decision" or decides),
        by="knowledge" if knows else "evidence",
        seconds=time.perf_counter() - start,
    )


def _best(shares: Mapping[str, float], question: Question) -> str:
    """The most probable letter; where all are alike, one that the question itself decides.

    The first of them would be right or wrong more often than chance.
    """
    best = max(shares.values())
    alike = [letter for letter, share in shares.items() if share > best - 1e-9]
    return alike[int(question.sha256, 16) % len(alike)]


def _with_model(
    questions: Sequence[Question], query: Query, seen: Seen, way: Way, model: MLLM
) -> list[Answer]:
    """All questions at once: what they share, the images above all, is read once."""
    experts = way.experts or frozenset()
    images, templates = list(seen.shown(experts)), _templates(query, seen, way)
    if images and way.templates == "retrieved" and "reference" in experts:
        # The most similar one is in the album, beside the photo.
        templates = templates[1:]
    messages = show(seen, images, templates, experts)
    start = time.perf_counter()
    choices = _choices(model, messages, questions)
    seconds = (time.perf_counter() - start) / len(questions)
    ids = tuple(dict.fromkeys(i for step in seen.inspection.steps for i in step.evidence_ids))
    return [
        _answered(
            question,
            choice.best if isinstance(choice, Choice) else None,
            probabilities=dict(zip(question.options, choice.probabilities, strict=True))
            if isinstance(choice, Choice)
            else None,
            raw=choice.best if isinstance(choice, Choice) else f"no answer: {choice}",
            evidence_ids=ids if experts >= WHOLE else (),
            by=model.name,
            seconds=seconds,
        )
        for question, choice in zip(questions, choices, strict=True)
    ]


def _by_reading(
    questions: Sequence[Question], _query: Query, seen: Seen, _way: Way, model: MLLM
) -> list[Answer]:
    """With a model that sees nothing: it reads a page, and chooses by the text of the options."""
    start = time.perf_counter()
    options = [tuple(dict.fromkeys(filter(None, q.options.values()))) for q in questions]
    asked = [Choosing(q.text, texts) for q, texts in zip(questions, options, strict=True)]
    choices = model.choose_each(on_sheet(seen.page), asked)
    seconds = (time.perf_counter() - start) / len(questions)
    answers = []
    for question, choice in zip(questions, choices, strict=True):
        shares = dict(zip(choice.options, choice.probabilities, strict=True))
        letters = {letter: shares.get(text, 0.0) for letter, text in question.options.items()}
        total = sum(letters.values())
        answers.append(
            _answered(
                question,
                _best(letters, question),
                probabilities={letter: share / total for letter, share in letters.items()},
                raw=choice.best,
                by=model.name,
                seconds=seconds,
            )
        )
    return answers


def _choices(
    model: MLLM, messages: Sequence[Message], questions: Sequence[Question]
) -> Sequence[Choice | MLLMAnswerError]:
    """What the model chooses; one question that it has no answer to keeps it from no other."""
    asked = [Choosing(put(question), tuple(question.options)) for question in questions]
    try:
        return model.choose_each(messages, asked)
    except MLLMAnswerError as error:
        if len(asked) == 1:
            return [error]
    return [_choices(model, messages, [question])[0] for question in questions]


def _plainly(query: Query, questions: Sequence[Question], way: Way) -> Iterator[Answer]:
    """Each question by itself, and what the model writes is read."""
    from experts.images import read_picture

    if way.model is None:
        raise ValueError("without a language model there is nobody to ask plainly")
    image = Image.fromarray(read_picture(query.path).rgb_HW3)
    templates = _templates(query, None, way)
    for question in questions:
        start = time.perf_counter()
        try:
            messages = ask_plainly(question, image, templates)
            raw = way.model.generate(messages, max_tokens=MAX_TOKENS).text
        except MLLMAnswerError as error:
            raw = f"no answer: {error}"
        seconds = time.perf_counter() - start
        letter = parse_letter(raw, question.options)
        yield _answered(question, letter, raw=raw, by=way.model.name, seconds=seconds)


def _templates(query: Query, seen: Seen | None, way: Way) -> Sequence[Path]:
    """The normal images that a model is shown."""
    if way.templates == "retrieved":
        found = [reference.path for reference in seen.inspection.references] if seen else []
        return found[: way.shots]
    return query.templates[way.templates][: way.shots]


def _answered(
    question: Question,
    letter: str | None,
    *,
    by: str,
    seconds: float,
    probabilities: Mapping[str, float] | None = None,
    raw: str = "",
    evidence_ids: tuple[str, ...] = (),
) -> Answer:
    return Answer(
        id=question.id,
        asked=question.sha256,
        options=question.options,
        answer=letter,
        probabilities=probabilities,
        raw=raw,
        evidence_ids=evidence_ids,
        by=by,
        seconds=round(seconds, 6),
    )
