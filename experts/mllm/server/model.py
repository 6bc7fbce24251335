"""A language model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama and their like."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import httpx2
from pydantic import BaseModel

from experts.errors import MLLMAnswerError
from experts.mllm.base import (
    MAX_TOKENS,
    MLLM,
    Choice,
    Cost,
    Generation,
    Message,
    check_asked,
)
from experts.mllm.server.address import read_address
from experts.mllm.server.body import Writer
from experts.mllm.server.choice import TOP_LOGPROBS, Ballot, ballot, first_tokens, name_of, weigh
from experts.mllm.server.fault import quoted
from experts.mllm.server.session import Session
from experts.mllm.server.shapes import Usage
from experts.mllm.server.stream import CallbackError, Written, read_pieces, read_whole, written
from experts.mllm.server.wire import Wire
from experts.mllm.structured import closed_schema

TIMEOUT_S = 60.0
RETRIES = 2
# About 1000 × 1000: what the usual models look at before they shrink an image themselves.
MAX_PIXELS = 1_048_576
CHOICE_TRIES = 3
# Enough for one of a few names, as JSON.
CHOICE_TOKENS = 64
LOGPROBS: dict[str, Any] = {"logprobs": {"logprobs": True, "top_logprobs": TOP_LOGPROBS}}
# What a model thinks aloud costs time, and its first token would not be the answer's.
QUIET: dict[str, Any] = {"no thinking": {"chat_template_kwargs": {"enable_thinking": False}}}


class ServerMLLM(MLLM):
    """The model of a server. Threads may share it, and several objects may share a server.

    The key that the server asks for is read from ``ECHO_IAD_MLLM_KEY`` with each call. Nothing else
    of the environment counts: no proxy, no key of another service. Redirects are not followed.

    A call is tried again if the server cannot be reached, breaks down or answers with what nobody
    can read. A server that fails five times in a row is left alone for ten seconds, by all objects
    of the process; until then calls to it fail at once.

    Options are weighed by the letters that they are listed under (see ``choice.py``).

    Args:
        setting: Such as ``http://host:8000/v1#model``; without a model, the only one it serves.
        timeout_s: What one try of a call may take; the call with all its tries takes at most three
            times as long.
        retries: How often a call is tried again.
        max_pixels: Larger images are shrunk to this area before they are sent.

    Raises:
        MLLMSettingError: If the setting is no address, or holds what must be kept secret.
    """

    def __init__(
        self,
        setting: str,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if timeout_s <= 0 or retries < 0 or max_pixels < 1:
            raise ValueError(
                "expected timeout_s > 0, retries ≥ 0 and max_pixels ≥ 1, got "
                f"{timeout_s}, {retries} and {max_pixels}"
            )
        address = read_address(setting)
        self._url = address.url
        self._wire = Wire(address, timeout_s, retries)
        self._session = Session(address, self._wire)
        self._max_pixels = max_pixels
        self._tell()

    def __repr__(self) -> str:
        return f"ServerMLLM({self.name!r})"

    def check(self) -> None:
        """Look whether the server is there and serves the model, without asking it anything.

        Raises:
            MLLMSettingError: If the setting leaves open which model, or names one that is not
                served.
            MLLMUnavailableError: If the server cannot be reached.
            MLLMAnswerError: If what comes back is no answer.
        """
        self._session.check()
        self._tell()

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
        """See ``MLLM.generate``. Once a piece went to ``stream``, nothing is tried again."""
        check_asked(messages, max_tokens, temperature)
        fields: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature}
        # A whole answer is cut here as well, should the server not do so.
        if stop:
            fields["stop"] = list(stop)
        optional = {"seed": {"seed": seed}} if temperature > 0 else {}
        return self._write(self._writer(), messages, fields, optional, stop, stream)

    def close(self) -> None:
        """Close the connections to the server."""
        self._wire.close()

    def _generate_for(
        self, messages: Sequence[Message], schema: type[BaseModel], max_tokens: int
    ) -> Generation:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.__name__)[:64]
        named = {"name": name, "schema": closed_schema(schema)}
        wanted = {"response_format": {"type": "json_schema", "json_schema": named}}
        fields: dict[str, Any] = {"max_tokens": max_tokens, "temperature": 0.0}
        # A server may know schemas and yet not all that this one says.
        return self._write(self._writer(), messages, fields, {f"schema {name}": wanted})

    def _choose(self, asked: Sequence[tuple[Sequence[Message], tuple[str, ...]]]) -> list[Choice]:
        # One after the other, so that the server finds in its memory what they share.
        writer = self._writer()
        return [self._choose_one(writer, ballot(*question)) for question in asked]

    def _choose_one(self, writer: Writer, asked: Ballot) -> Choice:
        start = time.perf_counter()
        cost = Cost()
        if asked.weighable and "logprobs" not in self._session.lacks:
            weights, cost = self._weigh(writer, asked)
            if weights is not None:
                return Choice(asked.options, weights, True, cost)
        name, more = self._choose_plainly(writer, asked)
        probabilities = tuple(float(name == other) for other in asked.names)
        cost = replace(cost + more, seconds=time.perf_counter() - start)
        return Choice(asked.options, probabilities, False, cost)

    def _weigh(self, writer: Writer, asked: Ballot) -> tuple[tuple[float, ...] | None, Cost]:
        start = time.perf_counter()
        fields = {"messages": writer.messages(asked.messages), "max_tokens": 1, "temperature": 0.0}
        completion = self._session.ask(fields, QUIET | LOGPROBS, read_whole)
        tokens = first_tokens(completion)
        if not tokens:
            self._session.lack("logprobs")
        self._learn(completion.system_fingerprint)
        cost = (completion.usage or Usage()).cost(time.perf_counter() - start)
        return weigh(tokens, asked.names), cost

    def _choose_plainly(self, writer: Writer, asked: Ballot) -> tuple[str, Cost]:
        messages, cost, said = asked.asked_plainly(), Cost(), ""
        fields = {"max_tokens": CHOICE_TOKENS, "temperature": 0.0}
        optional = {"choice": asked.response_format}
        for _ in range(CHOICE_TRIES):
            answer = self._write(writer, messages, fields, optional)
            cost, said = cost + answer.cost, answer.text
            if (name := name_of(said, asked)) is not None:
                return name, cost
            messages = asked.corrected(said or "…")
        raise MLLMAnswerError(
            f"{self._url}: answered {quoted(said)}, which is none of {', '.join(asked.names)} (the "
            f"last of {CHOICE_TRIES} tries); ask with fewer options, or use a larger model"
        )

    def _write(
        self,
        writer: Writer,
        messages: Sequence[Message],
        fields: Mapping[str, Any],
        optional: Mapping[str, Mapping[str, Any]],
        stop: Sequence[str] = (),
        stream: Callable[[str], None] | None = None,
    ) -> Generation:
        start = time.perf_counter()
        fields = {"messages": writer.messages(messages), **fields}
        optional = {**QUIET, **optional}
        if stream is None:
            answer = self._session.ask(fields, optional, lambda r: written(read_whole(r), stop))
        else:
            answer = self._stream(fields, optional, stop, stream)
        seconds = time.perf_counter() - start
        self._learn(answer.fingerprint)
        finish: Literal["stop", "length"] = "length" if answer.finish_reason == "length" else "stop"
        usage = answer.usage
        if usage is None:
            # Not counted by the server; known only if the answer ran into its bound.
            usage = Usage(completion_tokens=fields["max_tokens"] if finish == "length" else 0)
        return Generation(answer.text, finish, usage.cost(seconds))

    def _stream(
        self,
        fields: Mapping[str, Any],
        optional: Mapping[str, Mapping[str, Any]],
        stop: Sequence[str],
        stream: Callable[[str], None],
    ) -> Written:
        given = False

        def give(piece: str) -> None:
            nonlocal given
            given = True
            stream(piece)

        def read(response: httpx2.Response) -> Written:
            return read_pieces(response, stop, give)

        fields = {**fields, "stream": True}
        optional = {**optional, "usage": {"stream_options": {"include_usage": True}}}
        try:
            return self._session.ask(fields, optional, read, lambda: not given)
        except CallbackError as error:
            raise error.error from None

    def _writer(self) -> Writer:
        return Writer(self._max_pixels)

    def _learn(self, fingerprint: str | None) -> None:
        self._session.learn(fingerprint)
        self._tell()

    def _tell(self) -> None:
        self.name, self.revision = self._session.name, self._session.revision
