"""A server that answers byte by byte as a test says: what HTTP and its like leave open."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experts.errors import MLLMAnswerError, MLLMError, MLLMSettingError, MLLMUnavailableError
from experts.mllm import user
from experts.mllm.server import ServerMLLM, breaker, wire
from experts.mllm.server.body import Writer
from experts.mllm.server.transport import left_s, within

# What is asked, and the bytes that answer it.
Answer = Callable[[str], bytes]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BACKOFF", lambda _state: 0.005)
    monkeypatch.setattr(breaker, "_breakers", {})
    monkeypatch.delenv("ECHO_IAD_MLLM_KEY", raising=False)


@contextmanager
def answering(answer: Answer | bytes, models: Any = ({"id": "m"},)) -> Iterator[str]:
    """Where a server listens that keeps every connection open; it serves one call after another."""
    to = answer if callable(answer) else lambda _asked: answer
    listed = http({"object": "list", "data": models})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, to, listed), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1#m"
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, to: Answer, listed: bytes) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection, to, listed), daemon=True).start()


def _talk(connection: socket.socket, to: Answer, listed: bytes) -> None:
    with suppress(OSError), connection, connection.makefile("rwb") as stream:
        while head := stream.readline():
            length = 0
            while (line := stream.readline().strip()) and line:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if head.startswith(b"GET"):
                stream.write(listed)
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


def events(*events: Any) -> bytes:
    data = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return http("".join(f"data: {event}\n\n" for event in data).encode(), "text/event-stream")


def piece(text: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}}]}


DONE = "[DONE]"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (events({"choices": [{"delta": {"role": "assistant"}}]}, piece("a"), DONE), "a"),
        (events("", piece("a"), "", DONE), "a"),
        (events(piece("a"), piece("other", 1), piece("b"), DONE), "ab"),
        (events(piece("a") | {"error": None}, DONE), "a"),
        (events(piece("a"), {"choices": [], "usage": None}, DONE), "a"),
    ],
    ids=["role first", "kept alive", "two answers", "no error", "nothing counted"],
)
def test_what_a_stream_may_hold_besides(answer: bytes, text: str) -> None:
    pieces: list[str] = []
    with answering(answer) as url:
        assert ServerMLLM(url, retries=0).generate([user("?")], stream=pieces.append).text == text
    assert "".join(pieces) == text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (events(DONE), "cut the connection in the middle of its answer, after 14 bytes"),
        (events({"choices": [], "error": "out of memory"}, DONE), "reported an error: 'out of mem"),
        (events(piece("a") | {"error": {"message": "died"}}, DONE), "reported an error: 'died'"),
        (http({"error": {"message": "died", "code": 500}}), "reported an error: 'died'; look into"),
        (http({"error": "died", "choices": []}), "reported an error: 'died'; look into the server"),
    ],
)
@pytest.mark.parametrize("stream", [None, lambda _piece: None])
def test_an_answer_that_is_none(
    answer: bytes, sentence: str, stream: Callable[[str], None] | None
) -> None:
    if stream is None and b"event-stream" in answer:
        sentence = "sent content type text/event-stream instead of application/json"
    with answering(answer) as url, pytest.raises(MLLMError) as caught:
        ServerMLLM(url, retries=0).generate([user("?")], stream=stream)
    assert f"v1: {sentence}" in str(caught.value)


def test_a_packed_stream_does_not_fill_the_memory() -> None:
    """A hundred times of what is unpacked at most."""
    answer = events(*[piece("x" * 100_000)] * 1000)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"event-stream" in head
    packed = http(gzip.compress(body), "text/event-stream", Content_Encoding="gzip")
    assert len(packed) < 1_000_000
    given: list[int] = []
    with (
        answering(packed) as url,
        pytest.raises(MLLMAnswerError, match="sent more than 10 MB, which is no answer"),
    ):
        ServerMLLM(url, retries=0).generate(
            [user("?")], stream=lambda text: given.append(len(text))
        )
    assert 0 < sum(given) <= wire.MAX_BYTES


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"prompt_tokens": 7, "completion_tokens": None}},
        {"usage": {"prompt_tokens": 7, "completion_tokens": -1, "prompt_tokens_details": "none"}},
        {"usage": "none", "system_fingerprint": 7},
    ],
)
def test_an_answer_is_not_lost_for_what_it_can_do_without(odd: dict[str, Any]) -> None:
    with answering(http(saying("yes") | odd)) as url:
        answer = ServerMLLM(url, retries=0).generate([user("?")])
    assert (answer.text, answer.cost.answer_tokens) == ("yes", 0)
    assert answer.cost.prompt_tokens in {0, 7}


def weighed(logprobs: Any) -> bytes:
    answer = saying("B")
    answer["choices"][0]["logprobs"] = logprobs
    return http(answer)


def top(a: Any, b: Any) -> dict[str, Any]:
    tokens = [{"token": "A", "logprob": a}, {"token": "B", "logprob": b}]
    return {"content": [{"token": "A", "logprob": a, "top_logprobs": tokens}]}


@pytest.mark.parametrize("impossible", [None, -math.inf, -9999.0])
def test_what_is_impossible_has_no_probability(impossible: float | None) -> None:
    with answering(weighed(top(-0.1, impossible))) as url:
        chosen = ServerMLLM(url, retries=0).choose([user("?")], ["A", "B"])
    assert (chosen.probabilities, chosen.from_logits) == ((1.0, 0.0), True)


@pytest.mark.parametrize(
    "logprobs",
    [
        top(math.nan, -1.0),
        top(math.inf, -1.0),
        top(17.5, 16.0),
        top(None, None),
        top("high", "low"),
        {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": None}]},
        {"content": [{"top_logprobs": {"A": -0.1, "B": -3.0}}]},
        {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": -0.1}]},
        [],
    ],
    ids=str,
)
def test_probabilities_that_are_none_leave_the_answer_itself(logprobs: Any) -> None:
    with answering(weighed(logprobs)) as url:
        chosen = ServerMLLM(url, retries=0).choose([user("?")], ["A", "B"])
    assert (chosen.best, chosen.from_logits) == ("B", False)


KEY = "sk-echo-5c1d"


@pytest.mark.parametrize(
    "answer",
    [
        http(saying("yes"), X_Request=f"Bearer {KEY}"),
        http(b"", status=f"401 {KEY} is no key"),
        http(b"", status="302 Found", Location=f"http://{KEY}@host/{KEY}"),
        http(b"?", f"text/{KEY}"),
        f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode(),
        f"HTTP/1.1 500 Error\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    ],
)
def test_a_server_that_repeats_the_key(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ECHO_IAD_MLLM_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said = []
    with answering(answer) as url:
        try:
            ServerMLLM(url, retries=0).generate([user("?")])
        except MLLMError as error:
            said.append(str(error))
    logged = [record.getMessage() for record in caplog.records]
    assert any("…" in line for line in logged), "the server has repeated it"
    assert KEY not in repr([said, logged])


def test_a_content_type_without_end() -> None:
    with answering(http(b"?", "x" * 20_000)) as url, pytest.raises(MLLMAnswerError) as caught:
        ServerMLLM(url, retries=0).generate([user("?")])
    assert f"sent content type {199 * 'x'}… instead of application/json" in str(caught.value)


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        (None, "serves no model; start the server with one"),
        ([], "serves no model; start the server with one"),
        (
            [{"id": "a b#c"}, {"id": "d"}],
            "serves several models (a b#c, d); choose one by writing its name behind a #, as in "
            "http://host/v1#a%20b%23c",
        ),
        (
            [{"id": f"model-{n}"} for n in range(10_000)],
            f"serves several models ({', '.join(f'model-{n}' for n in range(40))[:199]}…); choose "
            "one by writing its name behind a #, as in http://host/v1#model-0",
        ),
    ],
    ids=["null", "none", "odd names", "many"],
)
def test_models_that_are_listed(models: Any, sentence: str) -> None:
    with answering(b"", models) as setting, pytest.raises(MLLMError) as caught:
        ServerMLLM(url := setting.removesuffix("#m")).check()
    assert str(caught.value).replace(url, "http://host/v1") == f"http://host/v1: {sentence}"


def test_a_model_that_is_listed_twice_or_with_odd_properties_is_still_one() -> None:
    models = [{"id": "m", "root": 3, "meta": []}, {"id": "m", "meta": {"n_params": "many"}}]
    with answering(b"", models) as url:
        model = ServerMLLM(url.removesuffix("#m"))
        model.check()
    assert model.name.startswith("m @ ")


def test_the_tag_that_ollama_adds_may_be_left_out() -> None:
    with answering(b"", [{"id": "gemma3:latest"}, {"id": "other:4b"}]) as url:
        ServerMLLM(url.replace("#m", "#gemma3")).check()
        with pytest.raises(MLLMSettingError, match="serves gemma3:latest, other:4b, not other; na"):
            ServerMLLM(url.replace("#m", "#other")).check()


def test_a_call_from_within_another_leaves_it_its_time() -> None:
    with within(0.5):
        with within(60.0):
            assert left_s(None) > 50
        assert left_s(None) <= 0.5
    assert left_s(7.0) == 7.0


def test_colours_of_a_palette_are_mixed_when_an_image_is_shrunk() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[::3] = 255
    sent: list[np.ndarray] = []
    for image in (Image.fromarray(stripes), Image.fromarray(stripes).convert("P")):
        content = Writer(256).messages([user(image)])[0]["content"][0]
        data = base64.b64decode(content["image_url"]["url"].partition(",")[2])
        sent.append(np.asarray(Image.open(io.BytesIO(data)).convert("L")))
    assert len(np.unique(sent[0])) > 2
    assert np.abs(sent[0].astype(int) - sent[1]).max() <= 1
