"""What an OpenAI-compatible server answers, as far as Echo reads it."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from experts.mllm.base import Cost
from experts.mllm.server.fault import LOOK, FaultError, message, quoted, unusable

S = TypeVar("S", bound="Shape")


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


# What an answer can do without: it is not lost for the form of such a field.
IfReadable = WrapValidator(_or_none)
Count = Annotated[int | None, Field(ge=0), IfReadable]
Text = Annotated[str | None, IfReadable]


class Shape(BaseModel):
    """Fields that Echo does not know may be there: each server adds its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PromptDetails(Shape):
    """Of the prompt, how many tokens the server remembered."""

    cached_tokens: Count = None


class Usage(Shape):
    """How many tokens were read and written."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[PromptDetails | None, IfReadable] = None

    def cost(self, seconds: float) -> Cost:
        """The same, with the time it took."""
        details = self.prompt_tokens_details
        cached = (details.cached_tokens if details else None) or 0
        return Cost(self.prompt_tokens or 0, cached, self.completion_tokens or 0, seconds)


def _impossible_if_none(value: Any) -> Any:
    """JSON has no infinity, so some servers write null for the logarithm of 0."""
    return -math.inf if value is None else value


class Token(Shape):
    """A token that might have come, and the logarithm of its probability.

    What is far above 0 is none, but for example a logit.
    """

    token: str
    logprob: Annotated[float, BeforeValidator(_impossible_if_none), Field(le=0.01)]


class Place(Shape):
    """Where a token came: the most probable ones for it."""

    top_logprobs: tuple[Token, ...] = ()


class Places(Shape):
    """The probabilities of an answer, token by token."""

    content: tuple[Place, ...] | None = None


class Said(Shape):
    """A text, whole or in part; what the model thinks aloud is in another field and is not read."""

    content: str | None = None
    refusal: str | None = None


class Choice(Shape):
    """The answer."""

    message: Said
    finish_reason: str | None = None
    logprobs: Annotated[Places | None, IfReadable] = None


class Completion(Shape):
    """An answer, whole."""

    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]
    usage: Annotated[Usage | None, IfReadable] = None
    system_fingerprint: Text = None


class Delta(Shape):
    """A piece of an answer; the first is the one that was asked for."""

    index: int = 0
    delta: Said = Said()
    finish_reason: str | None = None


class Chunk(Shape):
    """What a server sends of an answer that comes in pieces."""

    error: Any = None
    choices: tuple[Delta, ...]
    usage: Annotated[Usage | None, IfReadable] = None
    system_fingerprint: Text = None


class Meta(Shape):
    """What llama.cpp tells of a model's weights."""

    n_params: int | None = None
    size: int | None = None


class Entry(Shape):
    """A model that is served.

    Attributes:
        id: What it is asked for by.
        root: Where it comes from, as vLLM says.
        meta: Its size, as llama.cpp says. When it was made is not read: to several servers that is
            the time of asking.
    """

    id: str
    root: Text = None
    meta: Annotated[Meta | None, IfReadable] = None

    def state(self) -> list[str]:
        """What tells this model from others of its name."""
        parts = [f"root {self.root}"] if self.root and self.root != self.id else []
        if self.meta and self.meta.n_params and self.meta.size:
            parts.append(f"{self.meta.n_params} parameters in {self.meta.size} bytes")
        return parts


class Models(Shape):
    """All models that are served; some servers write null if there is none."""

    data: tuple[Entry, ...] | None


def read_shape(data: bytes | str, shape: type[S]) -> S:
    """Read JSON that must have a shape.

    Raises:
        FaultError: If it is none, or has another shape.
    """
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        raise _misshapen(data, error) from None


class Failure(Shape):
    """What some servers send as if it were an answer."""

    error: Any


def reported(data: bytes | str) -> FaultError | None:
    """The error that stands in place of an answer, if one does."""
    try:
        failure = Failure.model_validate_json(data)
    except ValidationError:
        return None
    if not failure.error:
        return None
    words = message(data.encode() if isinstance(data, str) else data)
    return FaultError(f"reported an error: {quoted(words)}", LOOK)


def _misshapen(data: bytes | str, error: ValidationError) -> FaultError:
    if fault := reported(data):
        return fault
    text = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return unusable(f"sent no valid JSON: {quoted(text)}")
    place = ".".join(str(part) for part in first["loc"]) or "whole"
    return unusable(f"sent JSON of another shape ({place}: {first['msg']}): {quoted(text)}")
