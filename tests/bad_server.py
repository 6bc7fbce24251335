"""A real server that speaks OpenAI's interface and misbehaves, each question by its own dice.

It sums numbers: "Question 7: what is 7 + 35?" has one right answer, so nobody can be given the
answer to another question without its being noticed.
"""

from __future__ import annotations

import json
import random
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from experts.mllm.server import ServerMLLM

GOOD = "good"
# Longer than any test waits, and over at once when the server stops.
SLOW_S = 20.0
FEATURES = {"logprobs", "response_format", "stream_options", "seed", "chat_template_kwargs"}
SENTENCE = "Question {number}: what is {number} + {other}?"


def question(number: int) -> str:
    return SENTENCE.format(number=number, other=number * 7 % 1000)


def right_answer(asked: str) -> str:
    found = re.search(r"Question (\d+): what is (\d+) \+ (\d+)\?", asked)
    if found is None:
        return "That is no question."
    number, one, other = found.groups()
    return f"{number} says {int(one) + int(other)}."


def right_letter(asked: str) -> str:
    """Whether the sum is even; the options are A for yes, B for no."""
    return "A" if int(right_answer(asked).split()[-1].rstrip(".")) % 2 == 0 else "B"


class Asked(NamedTuple):
    """A request, how the server behaved, and what it gave as an answer, if it gave one whole."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    question: str
    kind: str
    answer: str | None


class BadServer(ThreadingHTTPServer):
    """Misbehaves as ``choose`` says, given a question and how often it was asked before.

    Attributes:
        log: All requests, in the order in which they were dealt with.
        elsewhere: Where a redirect leads.
        features: What it takes besides the bare minimum; others are refused as unknown fields.
        models: What it lists.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, choose: Callable[[str, int], str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.choose = choose
        self.log: list[Asked] = []
        self.elsewhere = "http://127.0.0.1:9/v1"
        self.features = set(FEATURES)
        self.refusal = "unknown field: {field}"
        self.models: Sequence[Mapping[str, Any]] = ({"id": "adder", "object": "model"},)
        self.answer: Callable[[str], str] = right_answer
        self.plain_letter: Callable[[str], str] = right_letter
        self.tokens: Callable[[str], Mapping[str, float]] = sure_of_the_letter
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._times: dict[str, int] = {}
        self.faults: list[BaseException | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def asked(self) -> list[Asked]:
        """Of the log, the requests for an answer."""
        return [asked for asked in self.log if asked.path.endswith("completions")]

    def client(self, **options: Any) -> ServerMLLM:
        return ServerMLLM(f"{self.url}#adder", **options)

    def note(self, asked: Asked) -> None:
        with self._lock:
            self.log.append(asked)

    def kind_for(self, asked: str) -> str:
        with self._lock:
            times = self._times[asked] = self._times.get(asked, 0) + 1
        return self.choose(asked, times)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what is a fault of this file; a client that goes away is none."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.faults.append(error)


def sure_of_the_letter(asked: str) -> Mapping[str, float]:
    return {right_letter(asked): -0.01, "The": -5.0, " Z": -6.0}


@contextmanager
def serving(choose: Callable[[str, int], str] | str = GOOD) -> Iterator[BadServer]:
    """A running server; it always does the same if only a kind is named."""
    server = BadServer(choose if callable(choose) else lambda _asked, _times: choose)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
        assert server.faults == []


def dice(seed: int, kinds: Sequence[str], share: float) -> Callable[[str, int], str]:
    """A kind for each time that a question is asked, whatever the order of questions."""

    def choose(asked: str, times: int) -> str:
        draw = random.Random(f"{seed} {asked} {times}")
        return draw.choice(kinds) if draw.random() < share else GOOD

    return choose


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server calls it by
        pass

    def do_GET(self) -> None:
        self._note(question="", kind=GOOD, body={}, answer=None)
        self._send_json({"object": "list", "data": list(self.server.models)})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = text_of(body["messages"][-1])
        for field in sorted((FEATURES - self.server.features) & set(body)):
            said = self.server.refusal.format(field=field)
            self._note(asked, f"refuses {field}", body, None)
            self._send_json({"error": {"message": said}}, status=400)
            return
        kind = self.server.kind_for(asked)
        text = self._answer(body, asked)
        self._note(asked, kind, body, text if kind == GOOD else None)
        if kind == GOOD:
            self._good(body, asked, text)
        else:
            getattr(self, f"_{kind}")(body, text)

    def _answer(self, body: Mapping[str, Any], asked: str) -> str:
        if body.get("response_format"):
            return json.dumps({"answer": self.server.plain_letter(asked)})
        return self.server.answer(asked)

    def _note(self, question: str, kind: str, body: dict[str, Any], answer: str | None) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.note(Asked(self.path, headers, body, question, kind, answer))

    # What a good server does.

    def _good(self, body: Mapping[str, Any], asked: str, text: str) -> None:
        if body.get("stream"):
            self._start("text/event-stream")
            for event in events(text):
                self._chunk(f"data: {event}\n\n".encode())
            self._chunk(b"")
        elif body.get("logprobs"):
            self._send_json(completion("", weighed(self.server.tokens(asked))))
        else:
            self._send_json(completion(text))

    def _send_json(self, answer: Any, status: int = 200, **headers: str) -> None:
        self._send(json.dumps(answer).encode(), status, **headers)

    def _send(
        self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _start(self, kind: str) -> None:
        """The beginning of an answer whose length nobody knows."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    # What a bad one does.

    def _slow(self, body: Mapping[str, Any], text: str) -> None:
        self.server.stopping.wait(SLOW_S)
        self._hang_up()

    def _drip_head(self, body: Mapping[str, Any], text: str) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)

    def _drip_body(self, body: Mapping[str, Any], text: str) -> None:
        self._start("application/json")
        self._chunk(b"{")
        self._drip(b"1\r\n \r\n" * 10_000)

    def _drip(self, data: bytes) -> None:
        for at in range(len(data)):
            self.wfile.write(data[at : at + 1])
            if self.server.stopping.wait(0.02):
                break
        self._hang_up()

    def _status_500(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"error": {"message": "CUDA out of memory", "code": 500}}, 500)

    def _status_503(self, body: Mapping[str, Any], text: str) -> None:
        self._send(b"<html>busy " + b"x" * 500 + b"</html>", 503, "text/html")

    def _status_429(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"error": "too many requests"}, 429, Retry_After="0")

    def _status_429_for_long(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"error": "come back tomorrow"}, 429, Retry_After="86400")

    def _status_401(self, body: Mapping[str, Any], text: str) -> None:
        said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
        self._send_json({"error": {"message": said}}, 401)

    def _status_404(self, body: Mapping[str, Any], text: str) -> None:
        said = f"The model `{body['model']}` does not exist."
        self._send_json({"error": {"message": said}}, 404)

    def _status_400(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"detail": "the prompt is too long"}, 400)

    def _cut_at_once(self, body: Mapping[str, Any], text: str) -> None:
        self._hang_up()

    def _cut_head(self, body: Mapping[str, Any], text: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
        self._hang_up()

    def _cut_body(self, body: Mapping[str, Any], text: str) -> None:
        data = json.dumps(completion(text)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:20])
        self._hang_up()

    def _cut_stream(self, body: Mapping[str, Any], text: str) -> None:
        """In the middle of the events; as a whole answer it is cut like any other."""
        if not body.get("stream"):
            self._cut_body(body, text)
            return
        self._start("text/event-stream")
        for event in list(events(text))[:2]:
            self._chunk(f"data: {event}\n\n".encode())
        self._hang_up()

    def _ended_stream(self, body: Mapping[str, Any], text: str) -> None:
        """The same, but politely, as a proxy does whose server has died."""
        if not body.get("stream"):
            self._cut_body(body, text)
            return
        self._start("text/event-stream")
        for event in list(events(text))[:2]:
            self._chunk(f"data: {event}\n\n".encode())
        self._chunk(b"")

    def _error_in_stream(self, body: Mapping[str, Any], text: str) -> None:
        self._start("text/event-stream")
        self._chunk(b'data: {"error": {"message": "the engine died", "code": 500}}\n\n')
        self._chunk(b"")

    def _no_http(self, body: Mapping[str, Any], text: str) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self._hang_up()

    def _garbage(self, body: Mapping[str, Any], text: str) -> None:
        self._send(b'{"choices": [{"mess\xff\xfe')

    def _other_shape(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"result": text})

    def _no_choices(self, body: Mapping[str, Any], text: str) -> None:
        self._send_json({"choices": []})

    def _content_type(self, body: Mapping[str, Any], text: str) -> None:
        self._send(b"<html>Please log in</html>", kind="text/html; charset=utf-8")

    def _empty(self, body: Mapping[str, Any], text: str) -> None:
        self._send(b"")

    def _endless(self, body: Mapping[str, Any], text: str) -> None:
        self._start("application/json")
        while not self.server.stopping.is_set():
            self._chunk(b"[" * (1 << 18))

    def _endless_stream(self, body: Mapping[str, Any], text: str) -> None:
        self._start("text/event-stream")
        event = json.dumps({"choices": [{"delta": {"content": "on and on " * 2000}}]})
        while not self.server.stopping.is_set():
            self._chunk(f"data: {event}\n\n".encode())

    def _redirect(self, body: Mapping[str, Any], text: str) -> None:
        self._send(b"", 307, Location=f"{self.server.elsewhere}/chat/completions?secret=1")


def completion(text: str, logprobs: Any = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
    choice["finish_reason"] = "stop"
    if logprobs is not None:
        choice["logprobs"] = logprobs
    return {"choices": [choice], "usage": usage(), "system_fingerprint": "fp_1"}


def usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 11,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 8},
    }


def weighed(tokens: Mapping[str, float]) -> dict[str, Any] | None:
    if not tokens:
        return None
    top = [{"token": token, "logprob": logprob} for token, logprob in tokens.items()]
    return {"content": [{**top[0], "top_logprobs": top}]}


def events(text: str) -> Iterator[str]:
    """The text a word at a time, then how it ended, what it cost, and the end."""
    yield json.dumps({"choices": [{"delta": {"role": "assistant", "content": None}}]})
    for piece in re.findall(r"\s*\S+", text):
        yield json.dumps({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
    yield json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    yield json.dumps({"choices": [], "usage": usage()})
    yield "[DONE]"


def text_of(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")
