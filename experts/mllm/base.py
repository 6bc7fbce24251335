"""What every multimodal language model of Echo can do: generate, choose, fill in a schema.

``MLLM`` is the protocol. Its backends: a local quantized model, a server, the scripted one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar, get_args

from PIL import Image
from pydantic import BaseModel

Role = Literal["system", "user", "assistant"]
Content = str | Image.Image
T = TypeVar("T", bound=BaseModel)

MAX_TOKENS = 512
MAX_REPAIRS = 2


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Whose turn it is.
        content: Texts and images of 8 bits a channel, in the order in which they are seen.

    Raises:
        TypeError: If it is anything else.
    """

    role: Role
    content: tuple[Content, ...]

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise TypeError(f"role must be one of {get_args(Role)}, got {self.role!r}")
        if not isinstance(self.content, tuple):
            raise TypeError(f"content must be a tuple, got {type(self.content).__name__}")
        for part in self.content:
            if not isinstance(part, str | Image.Image):
                raise TypeError(f"content must be texts and PIL images, got {type(part).__name__}")
            # Pillow would cut off what is brighter than 255, which may be all of it.
            if isinstance(part, Image.Image) and part.mode.startswith(("I", "F")):
                raise TypeError(
                    f"content must be images of 8 bits a channel, got one of mode {part.mode!r}; "
                    "convert it"
                )


def system(*content: Content) -> Message:
    """What the model is told about its task."""
    return Message("system", content)


def user(*content: Content) -> Message:
    """What the model is shown and asked."""
    return Message("user", content)


def assistant(*content: Content) -> Message:
    """What the model answered before."""
    return Message("assistant", content)


@dataclass(frozen=True)
class Cost:
    """What an answer cost.

    Attributes:
        prompt_tokens: Tokens that were read, those of images among them.
        cached_tokens: Of these, how many the model remembered from an earlier question.
        answer_tokens: Tokens that were written, or weighed as options.
        seconds: Wall-clock time.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.answer_tokens + other.answer_tokens,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Generation:
    """A text that was written.

    Attributes:
        text: Without the stop text that ended it.
        finish: ``stop`` if the model ended it, ``length`` if it ran into ``max_tokens``.
        cost: What it cost.
    """

    text: str
    finish: Literal["stop", "length"]
    cost: Cost


class Question(NamedTuple):
    """A question with the answers to choose from."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """How a model chooses among options.

    Attributes:
        options: As they were given.
        probabilities: One for each option; they add up to 1.
        from_logits: Whether the model's own probabilities stand behind it. If not, the model could
            only be asked for one of them, which has 1 and all others 0.
        cost: What it cost.
    """

    options: tuple[str, ...]
    probabilities: tuple[float, ...]
    from_logits: bool
    cost: Cost

    @property
    def best(self) -> str:
        """The most probable option, the first of equals."""
        return self.options[self.probabilities.index(max(self.probabilities))]


@dataclass(frozen=True)
class Filled(Generic[T]):
    """A schema that a model filled in.

    Attributes:
        value: The valid object.
        tries: How many answers it took.
        cost: What all of them cost.
    """

    value: T
    tries: int
    cost: Cost


class MLLM(ABC):
    """A multimodal language model. Without a temperature all that it does is deterministic.

    Attributes:
        name: Which model it is, as the setting names it.
        revision: Which state of it: a commit, a hash of its files, or what its server says.
        sees: Whether it is shown images and asked what they show; if not, it only reads what
            experts found, see ``experts.sheet``.
    """

    name: str
    revision: str
    sees: bool = True

    @abstractmethod
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
        """Write an answer.

        Args:
            messages: The conversation, ending with what is asked.
            max_tokens: The longest answer.
            stop: Texts that end the answer; they are not part of it.
            stream: Called with each piece of the answer as it comes; together they are its text.
            temperature: 0 takes the most probable token each time; else tokens are drawn.
            seed: What the draws begin with.

        Raises:
            ValueError: If there are no messages, no tokens to write, or a temperature below 0.
            MLLMUnavailableError: If the model cannot be loaded or reached, or breaks down.
            MLLMAnswerError: If what comes back is no answer.
        """

    def say(
        self,
        messages: Sequence[Message],
        sentences: Sequence[str],
        *,
        many: bool = False,
        max_tokens: int = MAX_TOKENS,
    ) -> Generation:
        """Write an answer that is one of these sentences, or is made of some of them.

        A backend that can force this, does it here; of others the answer must be checked.

        Args:
            messages: The conversation, ending with what is asked.
            sentences: What may be said, at least one.
            many: Whether several may follow each other.
            max_tokens: The longest answer.

        Raises:
            ValueError: If there are no messages or sentences.
            MLLMUnavailableError: If the model cannot be loaded or reached, or breaks down.
            MLLMAnswerError: If what comes back is no answer.
        """
        check_asked(messages, max_tokens, 0.0)
        check_options(sentences)
        return self.generate(messages, max_tokens=max_tokens)

    @abstractmethod
    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        """Weigh the options after each conversation; those alike in the beginning share its cost.

        A backend takes care of this; what is asked was checked before.
        """

    def choose(self, messages: Sequence[Message], options: Sequence[str]) -> Choice:
        """Choose among answers, by the probability of each option's text per token.

        Args:
            messages: The conversation, ending with what is asked.
            options: The answers, such as letters that were listed in the question, or full texts.

        Raises:
            ValueError: If there are no messages or options, or if options are empty or alike.
            MLLMUnavailableError: If the model cannot be loaded or reached, or breaks down.
            MLLMAnswerError: If what comes back is no answer.
        """
        check_asked(messages, 1, 0.0)
        return self._choose([(messages, check_options(options))])[0]

    def choose_each(
        self, messages: Sequence[Message], questions: Sequence[Question]
    ) -> list[Choice]:
        """Choose an answer to each of several questions on the same images.

        What the questions share is read once, and a local model weighs them together. Nothing of
        one question is seen by another.

        Args:
            messages: What all questions are about.
            questions: Each is put at the end of ``messages``.

        Raises:
            ValueError: If there are no options, or if they are empty or alike.
            MLLMUnavailableError: If the model cannot be loaded or reached, or breaks down.
            MLLMAnswerError: If what comes back is no answer.
        """
        asked = [(with_question(messages, q.text), check_options(q.options)) for q in questions]
        return self._choose(asked) if asked else []

    def generate_json(
        self,
        messages: Sequence[Message],
        schema: type[T],
        *,
        max_tokens: int = MAX_TOKENS,
        max_repairs: int = MAX_REPAIRS,
    ) -> Filled[T]:
        """Fill in a schema: a valid object or a clear failure, never one that was half read.

        Args:
            messages: The conversation, ending with what is asked.
            schema: A pydantic model.
            max_tokens: The longest answer, for each try.
            max_repairs: How often the model may mend a faulty answer, told what is wrong with it.

        Raises:
            MLLMUnavailableError: If the model cannot be loaded or reached, or breaks down.
            MLLMAnswerError: If no try is valid.
        """
        from experts.mllm.structured import fill

        check_asked(messages, max_tokens, 0.0)
        if max_repairs < 0:
            raise ValueError(f"expected max_repairs ≥ 0, got {max_repairs}")
        return fill(self, messages, schema, max_tokens, max_repairs)

    def _generate_for(
        self, messages: Sequence[Message], schema: type[BaseModel], max_tokens: int
    ) -> Generation:
        """Write an answer that shall fit a schema; a backend that can force this, does it here."""
        return self.generate(messages, max_tokens=max_tokens)

    def close(self) -> None:
        """Give back what the model holds: memory, connections. It may be used again."""
        return


def with_question(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """A conversation that ends with a question, in the user's last turn if that is the last."""
    if messages and messages[-1].role == "user":
        return (*messages[:-1], user(*messages[-1].content, text))
    return (*messages, user(text))


def check_asked(messages: Sequence[Message], max_tokens: int, temperature: float) -> None:
    """Make sure that a model can be asked to write.

    Raises:
        ValueError: If not.
    """
    if not any(message.content for message in messages):
        raise ValueError("messages must say or show something, got none that does")
    if max_tokens < 1 or not 0 <= temperature < math.inf:
        raise ValueError(
            f"expected max_tokens ≥ 1 and temperature ≥ 0, got {max_tokens} and {temperature}"
        )


def check_options(options: Sequence[str]) -> tuple[str, ...]:
    """Make sure that there is something to choose from.

    Raises:
        ValueError: If not.
    """
    options = tuple(options)
    if not options or not all(option.strip() for option in options):
        raise ValueError(f"options to choose from must be texts that are not empty, got {options}")
    if len(set(options)) < len(options):
        raise ValueError(f"options to choose from must differ, got {options}")
    return options
