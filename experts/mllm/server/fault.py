"""What can go wrong between a server and its client, each with a name and what to do about it."""

from __future__ import annotations

import email.utils
import json
import os
import socket
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from experts.errors import MLLMAnswerError, MLLMError, MLLMUnavailableError
from experts.mllm.server.address import KEY_VARIABLE

# Of what a server said, so much is shown, and so much is read at all if it only says what is wrong.
SHOWN = 200
READ = 20_000
OVERLOADED = "see whether the server is overloaded, or ask for less at a time"
LOOK = "look into the server's log"
NOT_ONE = "see whether that address is that of an OpenAI-compatible server"
CUT = "see whether the server has crashed, or what stands between it and this machine"


class FaultError(Exception):
    """What went wrong with one try.

    Attributes:
        what: What happened, to follow the server's address.
        remedy: What to do about it.
        error: What it is to whoever uses the language model.
        again: Whether another try may help.
        healthy: Whether the server is well all the same: then only this question is at fault.
        status: What HTTP calls it, if the server said so.
        said: What the server said, in full.
        wait_s: How long the server asks to be left alone.
        tries: The how many-th try it was.
    """

    def __init__(
        self,
        what: str,
        remedy: str,
        *,
        error: type[MLLMError] = MLLMUnavailableError,
        again: bool = True,
        healthy: bool = False,
        status: int | None = None,
        said: str = "",
        wait_s: float | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.error = error
        self.again = again
        self.healthy = healthy
        self.status = status
        self.said = said
        self.wait_s = wait_s
        self.tries = 1

    def named(self, url: str) -> MLLMError:
        """The error of a call that this ended."""
        tries = f" (the last of {self.tries} tries)" if self.tries > 1 else ""
        return self.error(f"{url}: {self.what}{tries}; {self.remedy}")


def unusable(what: str, remedy: str = NOT_ONE) -> FaultError:
    """It answered, but with what nobody can read; the next answer may be better."""
    return FaultError(what, remedy, error=MLLMAnswerError)


def key() -> str:
    """The key that the server asks for; it is nowhere kept."""
    return os.environ.get(KEY_VARIABLE, "").strip()


def without_key(text: str) -> str:
    """What a server said, if it has repeated the key."""
    secret = key()
    return text.replace(secret, "…") if secret else text


def quoted(text: str) -> str:
    """So much of a server's words as a sentence bears, on one line and without the key."""
    text = " ".join(without_key(text).split()).replace(";", ",")
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def of_status(response: httpx2.Response, body: bytes) -> FaultError:
    """What a status other than success means."""
    status, said = response.status_code, message(body)
    what = f"answered HTTP {status}" + (f": {quoted(said)}" if said.strip() else "")
    if 300 <= status < 400:
        return _redirect(response, status)
    if status in {401, 403}:
        do = "see whether that key may be used there" if key() else "put the key that it asks for"
        into = "" if key() else f" into the environment variable {KEY_VARIABLE}"
        return FaultError(what, do + into, again=False, healthy=True, status=status, said=said)
    if status == 404:
        remedy = "see whether the address is right and the model is one that it serves"
        return FaultError(what, remedy, again=False, healthy=True, status=status, said=said)
    if status in {408, 429} or status >= 500:
        wait_s = _retry_after_s(response.headers.get("retry-after"))
        if wait_s is not None:
            what += f" and asks to wait {wait_s:.0f} s"
        busy = status in {408, 429, 503}
        remedy = OVERLOADED if busy else LOOK
        return FaultError(
            what, remedy, healthy=status == 429, status=status, said=said, wait_s=wait_s
        )
    return FaultError(
        what,
        "see what it says about the question",
        error=MLLMAnswerError,
        again=False,
        healthy=True,
        status=status,
        said=said,
    )


def _redirect(response: httpx2.Response, status: int) -> FaultError:
    location, host = response.headers.get("location", ""), ""
    if location:
        with suppress(ValueError):
            # Only the host is shown: the rest may hold what belongs to nobody else.
            host = urlsplit(urljoin(str(response.url), location)).netloc.rpartition("@")[2]
    where = quoted(host)[1:-1] if host else "no address"
    return FaultError(
        f"answered HTTP {status}, which leads to {where}",
        "Echo goes nowhere else than it is told, so if that is where the model is, say so",
        again=False,
        status=status,
    )


def of_transport(error: httpx2.HTTPError, limit_s: float, received: int) -> FaultError:
    """What an error of the connection means, after so many bytes of the answer."""
    where = (
        f"in the middle of its answer, after {received} bytes" if received else "before it answered"
    )
    if isinstance(error, httpx2.ConnectTimeout):
        return FaultError(
            f"could not be reached within {limit_s:.3g} s", "see whether it runs and is reachable"
        )
    if isinstance(error, httpx2.TimeoutException):
        return FaultError(f"timed out after {limit_s:.3g} s, {where}", OVERLOADED)
    if isinstance(error, httpx2.ConnectError):
        return _unreached(error)
    if isinstance(error, httpx2.RemoteProtocolError) and not _closed(str(error)):
        return unusable(f"spoke no valid HTTP ({quoted(str(error))})")
    if isinstance(error, (httpx2.NetworkError, httpx2.RemoteProtocolError)):
        return FaultError(f"cut the connection {where}", CUT)
    return unusable(f"sent what cannot be read ({quoted(str(error))})")


def _unreached(error: httpx2.ConnectError) -> FaultError:
    cause = _root(error)
    if isinstance(cause, ConnectionRefusedError):
        return FaultError("refused the connection", "start the server, or correct its address")
    if isinstance(cause, socket.gaierror):
        return FaultError("no machine of that name is known", "correct the server's address")
    if isinstance(cause, ssl.SSLError):
        return FaultError(
            f"no secure connection ({quoted(cause.reason or str(cause))})",
            "see whether it is http:// or https://, and whether its certificate is trusted here",
            again=False,
        )
    number = cause.errno if isinstance(cause, OSError) else None
    why = os.strerror(number) if number is not None else str(error)
    return FaultError(f"cannot be reached ({quoted(why)})", "see whether it runs and is reachable")


def _root(error: BaseException) -> BaseException:
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def _closed(message: str) -> bool:
    """Whether it is no fault of HTTP but an early end; the library tells these by words alone."""
    return "disconnected" in message or "closed connection" in message


def message(body: bytes) -> str:
    """The words of an error, from any of the forms in which servers put them."""
    text = body.decode("utf-8", errors="replace")
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(name):
            said = said[name]
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _retry_after_s(value: str | None) -> float | None:
    """Seconds from now that a Retry-After means, which is a number or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at - time.time())
