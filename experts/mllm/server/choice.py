"""Choosing through a server: letters are weighed by the probabilities that it gives.

Servers tell the most probable first tokens of an answer and no more, so that a text of several
tokens cannot be weighed. Options that are single characters are weighed as they are; others are
listed under letters. Where no probabilities are given, the server is asked for one of them.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experts.mllm.base import Message, assistant, user, with_question
from experts.mllm.server.shapes import Completion, Token

# What OpenAI's interface allows at most, and where vLLM's bound lies.
TOP_LOGPROBS = 20
LISTED = """\
Choose one of these answers:
{listed}
Answer with its letter and nothing else."""
ONE_OF = "Answer with one of {names} and nothing else."
NONE_OF = "That is none of the answers. Answer with one of {names} and nothing else."


@dataclass(frozen=True)
class Ballot:
    """A question whose options have names that can be weighed or asked for.

    Attributes:
        messages: The conversation, with the options listed where they are not names themselves.
        options: As they were given.
        names: One for each option: the option itself, or the letter that it is listed under.
    """

    messages: tuple[Message, ...]
    options: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def weighable(self) -> bool:
        """Whether every name may be the first token of an answer."""
        return all(len(name) == 1 for name in self.names)

    def asked_plainly(self) -> tuple[Message, ...]:
        """The conversation, saying what an answer must be."""
        if self.names == self.options:
            return with_question(self.messages, ONE_OF.format(names=", ".join(self.names)))
        return self.messages

    def corrected(self, answer: str) -> tuple[Message, ...]:
        """The conversation, with an answer that was none."""
        said = NONE_OF.format(names=", ".join(self.names))
        return (*self.asked_plainly(), assistant(answer), user(said))

    @property
    def response_format(self) -> dict[str, Any]:
        """What makes a server answer with a name, in the form that OpenAI calls strict."""
        schema = {
            "type": "object",
            "properties": {"answer": {"type": "string", "enum": list(self.names)}},
            "required": ["answer"],
            "additionalProperties": False,
        }
        named = {"name": "choice", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}


def ballot(messages: Sequence[Message], options: tuple[str, ...]) -> Ballot:
    """Give the options names."""
    if all(len(o) == 1 and o.isascii() and o.isalnum() for o in options):
        return Ballot(tuple(messages), options, options)
    if len(options) > len(string.ascii_uppercase):
        return Ballot(tuple(messages), options, options)
    letters = tuple(string.ascii_uppercase[: len(options)])
    listed = "\n".join(f"{letter}: {text}" for letter, text in zip(letters, options, strict=True))
    return Ballot(with_question(messages, LISTED.format(listed=listed)), options, letters)


def first_tokens(completion: Completion) -> tuple[Token, ...]:
    """The most probable first tokens of an answer; none if the server does not tell."""
    logprobs = completion.choices[0].logprobs
    places = (logprobs.content if logprobs else None) or ()
    return places[0].top_logprobs if places else ()


def weigh(tokens: Sequence[Token], names: Sequence[str]) -> tuple[float, ...] | None:
    """The probability of each name among them, or None if not one of them is in sight.

    "A" and " A" are one answer, written with and without the space before a word, so both count.
    "a" does not: it is an article, and much more often begins a sentence than names an option.

    A name that is not among the tokens is less probable than the least of those, and all such names
    share what all the tokens leave. Each gets half of the most that it may have so.
    """
    found = dict.fromkeys(names, 0.0)
    for token in tokens:
        if (name := token.token.strip(" \t\r\n▁Ġ")) in found:
            found[name] += math.exp(min(token.logprob, 0.0))
    if not any(found.values()):
        return None
    unseen = [name for name, weight in found.items() if weight == 0.0]
    if unseen:
        weights = [math.exp(min(token.logprob, 0.0)) for token in tokens]
        most = min(min(weights), max(0.0, 1 - math.fsum(weights)) / len(unseen))
        found |= dict.fromkeys(unseen, most / 2)
    total = math.fsum(found.values())
    return tuple(found[name] / total for name in names)


def name_of(answer: str, asked: Ballot) -> str | None:
    """The name that an answer gives, or None if it gives none, or does not give it alone.

    It may be the JSON that was asked for, the name, the option's text, or the name with the text.
    A name anywhere within a sentence is no answer: "A" is a word.
    """
    text = re.sub(r"\A.*</think>", "", answer, flags=re.DOTALL).strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        text = str(found.get("answer", ""))
    # The names are what is asked for: an option may read like the letter of another.
    for name in (text, _bare(text)):
        if name in asked.names:
            return name
    found_names = {
        name
        for name, option in zip(asked.names, asked.options, strict=True)
        for said in (name, option, f"{name}: {option}", f"{name}. {option}", f"{name}) {option}")
        if _bare(said) == _bare(text)
    }
    return found_names.pop() if len(found_names) == 1 else None


def _bare(text: str) -> str:
    """Without marks around it, as in **A**, (A), "A" or A."""
    return text.strip(" \t\r\n*`'\"()[].:")
