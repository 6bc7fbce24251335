"""A language model that says what it was told to: for tests of whatever uses one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from experts.errors import MLLMAnswerError, MLLMError
from experts.mllm.base import (
    MAX_TOKENS,
    MLLM,
    Choice,
    Cost,
    Generation,
    Message,
    check_asked,
)

# What it says: a text; an option or the probability of each; an error to be raised.
Line = str | Mapping[str, float] | MLLMError


class ScriptedMLLM(MLLM):
    """Answers with the lines of a script, one after the other, and keeps what it was asked.

    Args:
        script: The lines, or a function that gives the one for a conversation (and the options,
            if there are any). A text is written or names an option; a mapping gives probabilities
            to options; an error is raised, as a failing model would do.
        name: What it calls itself.

    Attributes:
        asked: Each conversation so far, with its options; there are none when it was to write.
    """

    def __init__(
        self,
        script: Iterable[Line] | Callable[[Sequence[Message], tuple[str, ...]], Line],
        *,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.revision = "scripted"
        self.asked: list[tuple[tuple[Message, ...], tuple[str, ...]]] = []
        self._next: Callable[[Sequence[Message], tuple[str, ...]], Line]
        if callable(script):
            self._next = script
        else:
            lines = iter(script)
            self._next = lambda _messages, _options: _take(lines, self.name)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = MAX_TOKENS,
        stop: Sequence[str] = (),
        stream: Callable[[str], None] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Generation:
        """Say the next line, a word at a time; a word counts as a token."""
        check_asked(messages, max_tokens, temperature)
        line = self._line(messages, ())
        if not isinstance(line, str):
            raise TypeError(f"{self.name}: was asked to write, but its script says {line!r}")
        text = line[: min([line.index(end) for end in stop if end in line], default=len(line))]
        words = text.split(" ")
        said = words[:max_tokens]
        for n, word in enumerate(said):
            if stream is not None:
                stream(f" {word}" if n else word)
        finish: Literal["stop", "length"] = "length" if len(words) > max_tokens else "stop"
        return Generation(" ".join(said), finish, _cost(messages, len(said)))

    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        return [self._choose_one(messages, options) for messages, options in asked]

    def _choose_one(self, messages: Sequence[Message], options: tuple[str, ...]) -> Choice:
        line = self._line(messages, options)
        weights = {line: 1.0} if isinstance(line, str) else dict(line)
        if unknown := set(weights) - set(options):
            raise ValueError(f"{self.name}: its script names {unknown}, which is not in {options}")
        total = sum(weights.values())
        probabilities = tuple(weights.get(option, 0.0) / total for option in options)
        return Choice(options, probabilities, not isinstance(line, str), _cost(messages, 1))

    def _line(
        self, messages: Sequence[Message], options: tuple[str, ...]
    ) -> str | Mapping[str, float]:
        self.asked.append((tuple(messages), options))
        line = self._next(messages, options)
        if isinstance(line, MLLMError):
            raise line
        return line


def _take(lines: Iterable[Line], name: str) -> Line:
    for line in lines:
        return line
    raise MLLMAnswerError(f"{name}: its script has ended; give it more lines")


def _cost(messages: Sequence[Message], answer_tokens: int) -> Cost:
    texts = [part for message in messages for part in message.content if isinstance(part, str)]
    return Cost(prompt_tokens=sum(len(t.split()) for t in texts), answer_tokens=answer_tokens)
