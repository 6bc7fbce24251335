"""Scripted language models that can be led through a whole inspection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experts.mllm import Message, ScriptedMLLM
from experts.mllm.scripted import Line

NO_WISH: dict[str, Any] = {"tool": "none"}


def last_text(messages: Sequence[Message]) -> str:
    """The last thing that was said."""
    return [part for part in messages[-1].content if isinstance(part, str)][-1]


def asks_for_json(messages: Sequence[Message]) -> bool:
    """Whether a schema shall be filled in."""
    return "JSON Schema" in last_text(messages)


def thinker(
    *wishes: Mapping[str, Any],
    opinion: Line = "A",
    words: str | Callable[[str], str] = "Nothing to say.",
    name: str = "scripted",
) -> ScriptedMLLM:
    """Writes the same words in each stage, asks for closer looks, and has an opinion.

    Args:
        wishes: The closer looks that it asks for, one after the other; then none.
        opinion: What it chooses in the end.
        words: What it writes, or gives it for a question.
        name: What it calls itself.
    """
    waiting = [json.dumps(wish) for wish in wishes]

    def say(messages: Sequence[Message], options: tuple[str, ...]) -> Line:
        if options:
            return opinion
        if asks_for_json(messages):
            return waiting.pop(0) if waiting else json.dumps(NO_WISH)
        return words if isinstance(words, str) else words(last_text(messages))

    return ScriptedMLLM(say, name=name)


def failing_at(number: int, error: Exception, model: ScriptedMLLM) -> ScriptedMLLM:
    """As a model, but it fails when it is asked for that time, from 0."""

    def say(messages: Sequence[Message], options: tuple[str, ...]) -> Line:
        if len(failing.asked) - 1 == number:
            raise error
        return model._next(messages, options)

    failing = ScriptedMLLM(say, name=model.name)
    return failing
