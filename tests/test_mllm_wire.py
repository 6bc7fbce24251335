"""A server that answers byte by byte as a test says: what HTTP and its like leave open."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from experts.errors import MLLMSettingError, MLLMUnavailableError
from experts.mllm import user
from experts.mllm.server import ServerMLLM, breaker, wire

# What is asked, and the bytes that answer it.
Answer = Callable[[str], bytes]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BACKOFF", lambda _state: 0.005)
    monkeypatch.setattr(breaker, "_breakers", {})
    monkeypatch.delenv("ECHO_IAD_MLLM_KEY", raising=False)


@contextmanager
def answering(answer: Answer | bytes) -> Iterator[str]:
    """Where a server listens that keeps every connection open; it serves one call after another."""
    to = answer if callable(answer) else lambda _asked: answer
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, to), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1#m"
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, to: Answer) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection, to), daemon=True).start()


def _talk(connection: socket.socket, to: Answer) -> None:
    with suppress(OSError), connection, connection.makefile("rwb") as stream:
        while head := stream.readline():
            length = 0
            while (line := stream.readline().strip()) and line:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if head.startswith(b"GET"):
                stream.write(http({"data": [{"id": "m"}]}))
            else:
                asked = json.loads(stream.read(length))
                stream.write(to(asked["messages"][-1]["content"]))
            stream.flush()


def http(
    body: Any, kind: str = "application/json", status: str = "200 OK", **headers: str
) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def saying(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


def test_what_follows_an_answer_is_not_taken_for_the_next_one() -> None:
    def answer(asked: str) -> bytes:
        return http(saying(f"of {asked}")) + http(saying(f"too much of {asked}"))

    with answering(answer) as url:
        model = ServerMLLM(url, retries=0)
        said = [model.generate([user(str(n))]).text for n in range(6)]
    assert said == [f"of {n}" for n in range(6)]


@pytest.mark.parametrize("location", ["http://[::1", "http://[/", "", None])
def test_a_redirect_that_leads_nowhere(location: str | None) -> None:
    headers = {} if location is None else {"Location": location}
    with (
        answering(http(b"", status="302 Found", **headers)) as url,
        pytest.raises(MLLMUnavailableError, match="answered HTTP 302, which leads to no address; "),
    ):
        ServerMLLM(url).generate([user("?")])


@pytest.mark.parametrize("host", ["a..b", ".", 64 * "a" + ".de", "xn--ü", "host/\0", 300 * "a"])
def test_a_host_that_nobody_can_look_up(host: str) -> None:
    with pytest.raises(MLLMSettingError, match="cannot be read as an address; write it like http"):
        ServerMLLM(f"http://{host}#m")
