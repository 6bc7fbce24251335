"""What an OpenAI-compatible server answers, as far as Echo reads it."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experts.mllm.base import Cost
from experts.mllm.server.fault import FaultError, quoted, unusable

S = TypeVar("S", bound="Shape")

Count = Annotated[int, Field(ge=0)]


class Shape(BaseModel):
    """Fields that Echo does not know may be there: each server adds its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PromptDetails(Shape):
    """Of the prompt, how many tokens the server remembered."""

    cached_tokens: Count | None = None


class Usage(Shape):
    """How many tokens were read and written."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    prompt_tokens_details: PromptDetails | None = None

    def cost(self, seconds: float) -> Cost:
        """The same, with the time it took."""
        details = self.prompt_tokens_details
        cached = (details.cached_tokens if details else None) or 0
        return Cost(self.prompt_tokens, cached, self.completion_tokens, seconds)


class Token(Shape):
    """A token that might have come, and the logarithm of its probability."""

    token: str
    logprob: Annotated[float, Field(allow_inf_nan=False)]


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
    logprobs: Places | None = None


class Completion(Shape):
    """An answer, whole."""

    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]
    usage: Usage | None = None
    system_fingerprint: str | None = None


class Delta(Shape):
    """A piece of the answer."""

    delta: Said = Said()
    finish_reason: str | None = None


class Chunk(Shape):
    """What a server sends of an answer that comes in pieces."""

    choices: tuple[Delta, ...]
    usage: Usage | None = None
    system_fingerprint: str | None = None


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
    root: str | None = None
    meta: Meta | None = None

    def state(self) -> list[str]:
        """What tells this model from others of its name."""
        parts = [f"root {self.root}"] if self.root and self.root != self.id else []
        if self.meta and self.meta.n_params and self.meta.size:
            parts.append(f"{self.meta.n_params} parameters in {self.meta.size} bytes")
        return parts


class Models(Shape):
    """All models that are served."""

    data: tuple[Entry, ...]


def read_shape(data: bytes | str, shape: type[S]) -> S:
    """Read JSON that must have a shape.

    Raises:
        FaultError: If it is none, or has another shape.
    """
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        raise _misshapen(data, error) from None


def _misshapen(data: bytes | str, error: ValidationError) -> FaultError:
    text = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return unusable(f"sent no valid JSON: {quoted(text)}")
    place = ".".join(str(part) for part in first["loc"]) or "whole"
    return unusable(f"sent JSON of another shape ({place}: {first['msg']}): {quoted(text)}")
