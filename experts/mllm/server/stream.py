"""Answers as they come: whole or in pieces, ended by the stop texts whatever the server does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx2

from experts.errors import MLLMAnswerError
from experts.mllm.server.fault import CUT, FaultError, quoted
from experts.mllm.server.shapes import Chunk, Completion, Said, Usage, read_shape, reported
from experts.mllm.server.wire import MAX_BYTES, read_json, too_large

DONE = "[DONE]"


@dataclass(frozen=True)
class Written:
    """An answer as the server gave it; ``usage`` is None if it did not count."""

    text: str
    finish_reason: str | None
    usage: Usage | None
    fingerprint: str | None


class CallbackError(Exception):
    """What the user's own function raised while it was given a piece."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class StopCutter:
    """Passes a text on in pieces, up to the first stop text.

    What may be the beginning of a stop text is held back until it is known.
    """

    def __init__(self, stop: Sequence[str], give: Callable[[str], None]) -> None:
        self._stop = [text for text in stop if text]
        self._give = give
        self._held = ""
        self._given: list[str] = []
        self.ended = False

    @property
    def text(self) -> str:
        """All that was passed on."""
        return "".join(self._given)

    def add(self, piece: str) -> None:
        """Take the next piece."""
        self._held += piece
        found = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        if found:
            self._held, self.ended = self._held[: min(found)], True
            self.end()
            return
        keep = max((_overlap(self._held, text) for text in self._stop), default=0)
        passed, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        self._pass(passed)

    def end(self) -> None:
        """Pass on what is held back: nothing follows."""
        held, self._held = self._held, ""
        self._pass(held)

    def _pass(self, text: str) -> None:
        if text:
            self._given.append(text)
            self._give(text)


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text are the beginning of the stop text."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0


def read_whole(response: httpx2.Response) -> Completion:
    """Read an answer that comes at once.

    Raises:
        FaultError: If it is none.
    """
    return read_shape(read_json(response), Completion)


def written(completion: Completion, stop: Sequence[str]) -> Written:
    """The text of an answer.

    Raises:
        FaultError: If the model would not answer.
    """
    choice = completion.choices[0]
    _refuse(choice.message, choice.finish_reason)
    cutter = StopCutter(stop, lambda _piece: None)
    cutter.add(choice.message.content or "")
    cutter.end()
    reason = "stop" if cutter.ended else choice.finish_reason
    return Written(cutter.text, reason, completion.usage, completion.system_fingerprint)


def read_pieces(
    response: httpx2.Response, stop: Sequence[str], give: Callable[[str], None]
) -> Written:
    """Read an answer that comes in pieces, and pass them on.

    Raises:
        FaultError: If it breaks off or is none.
        CallbackError: If ``give`` fails.
    """

    def guarded(piece: str) -> None:
        try:
            give(piece)
        except Exception as error:
            raise CallbackError(error) from error

    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _read_events(response, StopCutter(stop, guarded))
    # Some servers answer at once whatever they are asked for.
    whole = written(read_whole(response), stop)
    guarded(whole.text)
    return whole


def _read_events(response: httpx2.Response, cutter: StopCutter) -> Written:
    reason, usage, fingerprint = None, None, None
    begun, size = False, 0
    for event in httpx2.EventSource(response, max_event_size=MAX_BYTES):
        # What was sent may be packed, so what came of it counts as well.
        size += len(event.data)
        if max(size, response.num_bytes_downloaded) > MAX_BYTES:
            raise too_large()
        if event.data.strip() == DONE:
            reason = reason or ("stop" if begun else None)
            break
        # Without data it only keeps the connection alive.
        chunk = _chunk(event.data) if event.data else Chunk(choices=())
        usage, fingerprint = chunk.usage or usage, chunk.system_fingerprint or fingerprint
        for piece in chunk.choices:
            if piece.index == 0:
                begun = True
                _refuse(piece.delta, piece.finish_reason)
                reason = piece.finish_reason or reason
                cutter.add(piece.delta.content or "")
        if cutter.ended:
            reason = "stop"
            break
    if reason is None:
        received = response.num_bytes_downloaded
        raise FaultError(
            f"cut the connection in the middle of its answer, after {received} bytes", CUT
        )
    cutter.end()
    return Written(cutter.text, reason, usage, fingerprint)


def _chunk(data: str) -> Chunk:
    chunk = read_shape(data, Chunk)
    if chunk.error and (fault := reported(data)):
        raise fault
    return chunk


def _refuse(said: Said, finish_reason: str | None) -> None:
    refused = finish_reason == "content_filter"
    if refused or (said.refusal and not said.content):
        why = quoted(said.refusal or "its filter stopped the answer")
        raise FaultError(
            f"refused to answer: {why}",
            "ask in other words, or use another model",
            error=MLLMAnswerError,
            again=False,
            healthy=True,
        )
