"""Connections that end when they must, whatever trickles in."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2

# So much is written between two looks at the clock.
PIECE = 1 << 16


class _Deadline(threading.local):
    """When the try that this thread makes is over, by the monotonic clock."""

    at = math.inf


_deadline = _Deadline()


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """What this thread sends and receives in here is over after so many seconds."""
    # Who is given a piece of an answer may ask for another one.
    before, _deadline.at = _deadline.at, time.monotonic() + limit_s
    try:
        yield
    finally:
        _deadline.at = before


def left_s(timeout: float | None) -> float:
    """Seconds that this thread still has, of so many at most."""
    return min(math.inf if timeout is None else timeout, _deadline.at - time.monotonic())


class BoundedTransport(httpx2.HTTPTransport):
    """Ends what runs beyond ``within``.

    The library bounds each read alone, so a server that sends a byte now and then would never be
    at its end. It takes neither proxies nor certificates from the environment.

    Args:
        secure: Whether it is for https://, so that certificates are needed.
    """

    def __init__(self, secure: bool) -> None:
        # Instead of the pool that the library makes. Certificates take long to load.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(trust_env=False) if secure else None,
            max_connections=None,
            network_backend=_Backend(),
        )


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if (rest_s := left_s(timeout)) <= 0:
            raise httpcore2.ReadTimeout
        return self._stream.read(max_bytes, rest_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):
            if (rest_s := left_s(timeout)) <= 0:
                raise httpcore2.WriteTimeout
            self._stream.write(buffer[start : start + PIECE], rest_s)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left_s(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
