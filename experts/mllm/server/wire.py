"""One call to a server: bounded in time and size, tried again where that may help."""

from __future__ import annotations

import json
import logging
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from experts.errors import MLLMSettingError
from experts.mllm.server.address import KEY_VARIABLE, ServerAddress
from experts.mllm.server.breaker import CircuitOpenError, breaker_of
from experts.mllm.server.fault import (
    READ,
    FaultError,
    key,
    of_status,
    of_transport,
    quoted,
    unusable,
    without_key,
)
from experts.mllm.server.transport import BoundedTransport, within

R = TypeVar("R")

CONNECT_S = 5.0
MAX_BYTES = 10_000_000
# A server that asks for more patience than this gets no second call.
MAX_WAIT_S = 30.0
# No try begins later than this many times what one may take, so a call takes one time more at most.
LAST_TRY = 2
# A connection serves one call. What a server sends beyond its answer would be taken for that to the
# next question, and one that it closes meanwhile would fail the next call.
HEADERS = {"User-Agent": "echo-iad", "Accept-Encoding": "identity", "Connection": "close"}
BACKOFF = wait_exponential_jitter(multiplier=0.25, max=8, jitter=0.25)


class Wire:
    """Calls to one server. Threads may share it.

    Args:
        address: The server.
        timeout_s: What one try may take, from its first byte sent to its last one received.
        retries: How often a call is tried again.
    """

    def __init__(self, address: ServerAddress, timeout_s: float, retries: int) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._retries = retries
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def call(
        self,
        path: str,
        body: dict[str, Any] | None,
        read: Callable[[httpx2.Response], R],
        *,
        timeout_s: float | None = None,
        retries: int | None = None,
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> R:
        """Ask, and read the answer, again and again within bounds.

        Args:
            path: Below the server's address.
            body: What is sent as JSON; None only asks for what is there.
            read: Reads a successful answer; it may raise a ``FaultError``.
            timeout_s: Instead of what all calls may take.
            retries: Instead of what all calls get.
            may_repeat: Whether, after a failure, the answer may still be asked for anew.

        Raises:
            FaultError: What the last try met.
        """
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        retries = self._retries if retries is None else retries
        content = None if body is None else json.dumps(body).encode()
        before: list[FaultError] = []

        def attempt() -> R:
            try:
                return self._guarded(path, content, read, timeout_s)
            except CircuitOpenError as error:
                # What this very call met says more than that the circuit is open by now.
                raise (_final(before[-1]) if before else _open(error)) from None
            except FaultError as fault:
                fault.tries = len(before) + 1
                fault.again &= may_repeat()
                before.append(fault)
                raise

        retrying = Retrying(
            retry=retry_if_exception(_worth_another_try),
            stop=stop_after_attempt(retries + 1) | stop_before_delay(LAST_TRY * timeout_s),
            wait=_pause,
            reraise=True,
        )
        return retrying(attempt)

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _guarded(
        self,
        path: str,
        content: bytes | None,
        read: Callable[[httpx2.Response], R],
        limit_s: float,
    ) -> R:
        breaker = breaker_of(self.address.origin)
        probe, healthy = breaker.admit(), None
        try:
            result = self._once(path, content, read, limit_s)
            healthy = True
            return result
        except FaultError as fault:
            healthy = fault.healthy
            raise
        finally:
            breaker.settle(probe, healthy)

    def _once(
        self,
        path: str,
        content: bytes | None,
        read: Callable[[httpx2.Response], R],
        limit_s: float,
    ) -> R:
        received = 0
        request = self._opened().build_request(
            "GET" if content is None else "POST",
            self.address.path(path),
            content=content,
            headers={} if content is None else {"Content-Type": "application/json"},
            timeout=httpx2.Timeout(limit_s, connect=min(CONNECT_S, limit_s)),
        )
        try:
            with within(limit_s):
                response = self._opened().send(request, stream=True, auth=_Key())
                try:
                    if not response.is_success:
                        raise of_status(response, _some(response))
                    return read(response)
                finally:
                    received = response.num_bytes_downloaded
                    response.close()
        except httpx2.HTTPError as error:
            connecting = isinstance(error, httpx2.ConnectTimeout)
            shown_s = min(CONNECT_S, limit_s) if connecting else limit_s
            raise of_transport(error, shown_s, received) from None

    def _opened(self) -> httpx2.Client:
        with self._lock:
            if self._client is None:
                # Nothing of the user's environment: no proxy, no key and no address of another.
                self._client = httpx2.Client(
                    transport=BoundedTransport(self.address.url.startswith("https:")),
                    trust_env=False,
                    follow_redirects=False,
                    headers=HEADERS,
                )
                # Whoever forgets to close leaves nothing open for longer than it is used.
                weakref.finalize(self, self._client.close)
            return self._client


def read_json(response: httpx2.Response) -> bytes:
    """The body of an answer that says it is JSON.

    Raises:
        FaultError: If it says it is something else, or if it is larger than any answer can be.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if kind.lower() != "application/json":
        shown = quoted(kind)[1:-1] if kind else "none"
        raise unusable(f"sent content type {shown} instead of application/json")
    chunks, size = [], 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_BYTES:
            raise too_large()
        chunks.append(chunk)
    if not size:
        raise unusable("sent an empty answer")
    return b"".join(chunks)


def too_large() -> FaultError:
    """It sends more than any answer can be."""
    return unusable(f"sent more than {MAX_BYTES // 1_000_000} MB, which is no answer")


def _some(response: httpx2.Response) -> bytes:
    """The beginning of what comes with an error; a cut there hides nothing."""
    said = b""
    try:
        for chunk in response.iter_bytes():
            said += chunk[:READ]
            if len(said) >= READ:
                break
    except httpx2.HTTPError:
        pass
    return said


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, FaultError) and error.again and (error.wait_s or 0.0) <= MAX_WAIT_S


def _pause(state: RetryCallState) -> float:
    """As long as the server asks for, at least as long as patience grows."""
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.wait_s if isinstance(error, FaultError) else None
    return max(asked_s or 0.0, BACKOFF(state))


def _final(fault: FaultError) -> FaultError:
    fault.again = False
    return fault


def _open(error: CircuitOpenError) -> FaultError:
    left = f"for {error.left_s:.1f} s more" if error.left_s else "while another call tries it"
    return FaultError(
        f"failed {error.failures} times in a row and is left alone {left} (circuit open)",
        "see what the failures before said",
        again=False,
    )


class _KeepsKey(logging.Filter):
    """The client keeps the key out of its logs, but a server may repeat it in what they do hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (shown := without_key(said)) != said:
            record.msg, record.args = shown, ()
        return True


# A filter does not count for the loggers below.
for _name in ("httpx2", "httpcore2.connection", "httpcore2.http11"):
    logging.getLogger(_name).addFilter(_KeepsKey())


class _Key(httpx2.Auth):
    """Puts the key into a request when it is sent, so that nothing here holds it."""

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        if secret := key():
            if not all("!" <= character <= "~" for character in secret):
                raise MLLMSettingError(
                    f"{KEY_VARIABLE} holds a character that no key has, such as a space; set it "
                    "anew"
                )
            request.headers["Authorization"] = f"Bearer {secret}"
        yield request
