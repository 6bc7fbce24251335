"""Objects from a language model: a schema is filled in wholly, or it counts as failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from experts.errors import MLLMAnswerError
from experts.mllm.base import Cost, Filled, Generation, Message, assistant, user, with_question

if TYPE_CHECKING:
    from experts.mllm.base import MLLM

T = TypeVar("T", bound=BaseModel)

ASKED = """\
Answer with one JSON object and nothing else. It must fit this JSON Schema:
{schema}"""
REPAIR = """\
That is not valid: {fault}.
Answer again with one JSON object that fits the schema, and nothing else."""

# Of an answer, so much is shown in an error and so much is sent back to be mended.
SHOWN = 80
# Names of fields may be the model's, too.
MAX_FAULT = 200
SENT_BACK = 4_000


def fill(
    model: MLLM,
    messages: Sequence[Message],
    schema: type[T],
    max_tokens: int,
    max_repairs: int,
) -> Filled[T]:
    """See ``MLLM.generate_json``."""
    asked = ASKED.format(schema=json.dumps(closed_schema(schema), ensure_ascii=False))
    conversation = with_question(messages, asked)
    cost, faults = Cost(), []
    for attempt in range(1, max_repairs + 2):
        answer = model._generate_for(conversation, schema, max_tokens)
        cost += answer.cost
        try:
            return Filled(read_object(answer, schema), attempt, cost)
        except MLLMAnswerError as error:
            faults.append(str(error))
        # Only the last try is shown, so that the conversation stays within bounds.
        conversation = (
            *with_question(messages, asked),
            assistant(answer.text[:SENT_BACK] or "{}"),
            user(REPAIR.format(fault=faults[-1])),
        )
    tries = "1 try" if len(faults) == 1 else f"{len(faults)} tries"
    raise MLLMAnswerError(
        f"{model.name}: gave no valid {schema.__name__} in {tries}: {faults[-1]}; ask for less at "
        "a time, or use a larger model"
    )


def closed_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model, in which no object has other fields than those it names."""
    document = schema.model_json_schema()
    for part in (document, *document.get("$defs", {}).values()):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
    return document


def read_object(answer: Generation, schema: type[T]) -> T:
    """The one object of an answer; a sentence or a code fence around it does no harm.

    Raises:
        MLLMAnswerError: If it was cut off, or holds none, several, or one that is not valid.
    """
    if answer.finish == "length":
        raise MLLMAnswerError(f"the answer was cut off after {answer.cost.answer_tokens} tokens")
    # What a model thinks aloud is not its answer.
    _, _, behind = answer.text.rpartition("</think>")
    text = behind if "{" in behind else answer.text
    found = list(_objects(text))
    if len(found) != 1:
        what = "no JSON object" if not found else f"{len(found)} JSON objects"
        raise MLLMAnswerError(f"the answer holds {what}, expected one: {_shown(text)}")
    try:
        return schema.model_validate_json(found[0])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        fault = _line(f"{place}: {first['msg']}" if place else first["msg"], MAX_FAULT)
        raise MLLMAnswerError(f"{fault} (the answer was {_shown(found[0])})") from error


def _objects(text: str) -> Iterator[str]:
    """The texts of the outermost JSON objects; keys that come twice make an object invalid."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    start = text.find("{")
    while start >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
        except _TwiceError as error:
            raise MLLMAnswerError(
                f"the answer has the key {_shown(error.args[0])} twice"
            ) from error
        except (ValueError, RecursionError) as error:
            # What stands inside a broken object must not be taken for the whole.
            raise MLLMAnswerError(f"the answer is no valid JSON: {_shown(text)}") from error
        yield text[start:end]
        start = text.find("{", end)


class _TwiceError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise _TwiceError(key)
    return dict(pairs)


def _shown(text: str) -> str:
    return repr(_line(text, SHOWN))


def _line(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
