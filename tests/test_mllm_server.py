"""A language model behind a server: what is sent, how answers are read, and where the key goes."""

from __future__ import annotations

import base64
import io
import json
import logging
import math
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel
from rich.console import Console

from benchmarks.mllm_server import bench_server
from experts.errors import MLLMAnswerError, MLLMError, MLLMSettingError, MLLMUnavailableError
from experts.mllm import assistant, system, user
from experts.mllm.content import reduced
from experts.mllm.server import ServerMLLM, breaker, wire
from experts.mllm.server.address import read_address
from experts.mllm.server.stream import StopCutter
from experts.mllm.structured import closed_schema
from tests.bad_server import GOOD, question, right_answer, serving

KEY = "sk-echo-7f3a9"
FOREIGN_KEY = "sk-other-company"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BACKOFF", lambda _state: 0.005)
    monkeypatch.setattr(breaker, "_breakers", {})
    monkeypatch.delenv("ECHO_IAD_MLLM_KEY", raising=False)


@pytest.mark.parametrize(
    ("setting", "url", "model"),
    [
        ("http://host:8000/v1#Qwen/Qwen2.5-VL-7B", "http://host:8000/v1", "Qwen/Qwen2.5-VL-7B"),
        ("http://host:8000", "http://host:8000/v1", None),
        ("https://Host/#m%20x", "https://host/v1", "m x"),
        ("  http://host/proxy/v2/#m ", "http://host/proxy/v2", "m"),
        ("http://[::1]:11434/v1#gemma3:4b", "http://[::1]:11434/v1", "gemma3:4b"),
    ],
)
def test_an_address(setting: str, url: str, model: str | None) -> None:
    address = read_address(setting)
    assert (address.url, address.model) == (url, model)


def test_a_server_is_the_same_whatever_is_asked_of_it() -> None:
    origins = {read_address(s).origin for s in ("http://h", "http://h:80/v2#m", "http://H/v1#n")}
    assert origins == {"http://h:80"}


PASSWORD = "swordfish"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ftp://host/v1", "'ftp://host/v1' is no address of a server, which begins with http://"),
        ("host:8000", "'host:8000' is no address of a server"),
        ("http://", "'http://' is no address of a server"),
        ("http://host:80x", "'http://host:80x' cannot be read as an address; write it like http:"),
        (f"http://me:{PASSWORD}@host/v1", "holds a user name or password; take them out and put"),
        (f"http://{PASSWORD}@host/v1", "holds a user name or password"),
        (f"ftp://me:{PASSWORD}@host/v1", "holds a user name or password"),
        (f"http://me:{PASSWORD}#@host", "the address of the language model's server cannot be"),
        (f"http://host/v1?key={PASSWORD}", "must have no part that begins with '?'"),
    ],
)
def test_what_is_no_address_is_refused_and_no_secret_repeated(setting: str, said: str) -> None:
    with pytest.raises(MLLMSettingError) as caught:
        ServerMLLM(setting)
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="max_pixels ≥ 1, got 1, 2 and 0"):
        ServerMLLM("http://host", timeout_s=1, max_pixels=0)


def test_texts_and_images_are_sent_in_their_order() -> None:
    dot = Image.new("RGB", (40, 10), (0, 0, 0))
    dot.putpixel((39, 9), (1, 2, 3))
    with serving() as server:
        server.client().generate(
            [
                system("You inspect."),
                user("A good one:", dot, "This one:", dot.convert("RGBA"), question(3)),
                assistant("Well."),
                user(question(4)),
            ],
            max_tokens=7,
            stop=["END"],
        )
        body = server.asked[0].body
    assert {k: v for k, v in body.items() if k != "messages"} == {
        "model": "adder",
        "max_tokens": 7,
        "temperature": 0.0,
        "stop": ["END"],
        "chat_template_kwargs": {"enable_thinking": False},
    }
    said, shown, answered, again = body["messages"]
    assert said == {"role": "system", "content": "You inspect."}
    assert answered == {"role": "assistant", "content": "Well."}
    assert again == {"role": "user", "content": question(4)}
    assert [part["type"] for part in shown["content"]] == ["text", "image_url"] * 2 + ["text"]
    for part in shown["content"][1::2]:
        assert list(image_of(part).get_flattened_data()) == list(dot.get_flattened_data())


def image_of(part: Mapping[str, Any]) -> Image.Image:
    kind, _, data = part["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/png"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_large_images_are_shrunk_before_they_are_sent() -> None:
    with serving() as server:
        picture = user(Image.new("L", (400, 100)), question(3))
        server.client(max_pixels=100).generate([picture])
        sent = image_of(server.asked[0].body["messages"][0]["content"][0])
    assert (sent.size, sent.mode) == ((20, 5), "L")


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 2_000_000))
def test_shrinking_keeps_the_budget_and_the_shape(width: int, height: int, budget: int) -> None:
    size = reduced(Image.new("1", (width, height)), budget).size
    if width * height <= budget:
        assert size == (width, height)
        return
    scale = math.sqrt(budget / (width * height))
    assert min(size) >= 1
    assert math.prod(size) <= budget
    if min(width, height) * scale >= 1:
        assert abs(size[0] - width * scale) <= 1
        assert abs(size[1] - height * scale) <= 1


def test_what_an_answer_costs_and_who_gave_it() -> None:
    with serving() as server:
        server.models = [{"id": "adder", "root": "/models/adder-q4", "created": 7}]
        model = server.client()
        assert model.revision == "unknown"
        whole = model.generate([user(question(5))])
        pieces: list[str] = []
        streamed = model.generate([user(question(5))], stream=pieces.append)
    assert (whole.text, whole.finish) == ("5 says 40.", "stop")
    assert (streamed.text, pieces) == (whole.text, ["5", " says", " 40."])
    for cost in (whole.cost, streamed.cost):
        assert (cost.prompt_tokens, cost.cached_tokens, cost.answer_tokens) == (11, 8, 3)
        assert cost.seconds > 0
    assert model.name == f"adder @ {server.url}"
    assert model.revision == "fingerprint fp_1, root /models/adder-q4"


def test_the_only_model_of_a_server_is_taken() -> None:
    with serving() as server:
        model = ServerMLLM(server.url)
        assert model.name == server.url
        model.check()
        assert model.name == f"adder @ {server.url}"
        assert model.generate([user(question(5))]).text == right_answer(question(5))
        assert server.asked[0].body["model"] == "adder"


def test_several_models_leave_a_choice() -> None:
    with serving() as server:
        server.models = [{"id": "adder"}, {"id": "org/other"}]
        for ask in (
            ServerMLLM(server.url).check,
            lambda: ServerMLLM(server.url).generate([user("?")]),
        ):
            with pytest.raises(MLLMSettingError) as caught:
                ask()
            assert str(caught.value) == (
                f"{server.url}: serves several models (adder, org/other); choose one by writing "
                f"its name behind a #, as in {server.url}#adder"
            )
        server.client().check()
        with pytest.raises(MLLMSettingError, match="serves adder, org/other, not third; name a"):
            ServerMLLM(f"{server.url}#third").check()
        server.models = []
        server.client().check()
        with pytest.raises(MLLMUnavailableError, match="serves no model; start the server with"):
            ServerMLLM(server.url).check()


def test_a_server_that_came_back_with_another_model() -> None:
    state = {"kind": GOOD}
    with serving(lambda _asked, _times: state["kind"]) as server:
        model = ServerMLLM(server.url)
        model.generate([user(question(1))])
        server.models, state["kind"] = [{"id": "newer"}], "status_404"
        with pytest.raises(MLLMUnavailableError, match="HTTP 404"):
            model.generate([user(question(2))])
        state["kind"] = GOOD
        model.generate([user(question(3))])
        assert server.asked[-1].body["model"] == "newer"


@given(st.text("ab!", max_size=12), st.lists(st.text("ab!", max_size=3), max_size=3), st.data())
def test_a_stop_text_ends_an_answer_however_it_is_cut(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    pieces: list[str] = []
    cutter = StopCutter(stop, pieces.append)
    rest = text
    while rest and not cutter.ended:
        length = data.draw(st.integers(1, len(rest)))
        cutter.add(rest[:length])
        rest = rest[length:]
    cutter.end()
    ends = [text.index(end) for end in stop if end and end in text]
    # A stop text within another may be known to have come before the other has.
    assert cutter.text == "".join(pieces)
    assert cutter.text == text[: min(ends, default=len(text))] or len({*stop} - {""}) > 1
    assert text.startswith(cutter.text)
    assert not any(end in cutter.text for end in stop if end)


def test_a_server_that_knows_no_stop_texts() -> None:
    with serving() as server:
        for stream in (None, lambda _piece: None):
            answer = server.client().generate([user(question(5))], stop=["s 4"], stream=stream)
            assert (answer.text, answer.finish) == ("5 say", "stop")


class Finding(BaseModel):
    kind: Literal["scratch", "pit"]
    count: int


@pytest.mark.parametrize("knows_schemas", [True, False])
def test_a_schema_is_sent_where_the_server_takes_it(knows_schemas: bool) -> None:
    with serving() as server:
        server.features -= set() if knows_schemas else {"response_format"}
        server.plain_letter = lambda _asked: "?"
        server.answer = lambda _asked: '{"kind": "pit", "count": 2}'
        model = server.client()
        if knows_schemas:
            with pytest.raises(MLLMAnswerError, match="gave no valid Finding in 1 try"):
                model.generate_json([user("?")], Finding, max_repairs=0)
        else:
            filled = model.generate_json([user("?")], Finding)
            assert (filled.value, filled.tries) == (Finding(kind="pit", count=2), 1)
            model.generate_json([user("?")], Finding)
        sent = [asked.body.get("response_format") for asked in server.asked]
    schema = {"name": "Finding", "schema": closed_schema(Finding)}
    wanted = {"type": "json_schema", "json_schema": schema}
    assert sent == ([wanted] if knows_schemas else [wanted, None, None])


def test_a_server_of_the_bare_minimum() -> None:
    """Each feature that it refuses is tried once."""
    with serving() as server:
        server.features, server.refusal = set(), "bad request"
        model = server.client()
        for _ in range(2):
            pieces: list[str] = []
            answer = model.generate([user(question(5))], temperature=0.5, stream=pieces.append)
            assert "".join(pieces) == answer.text == right_answer(question(5))
        refused = [asked.kind for asked in server.asked]
    assert refused[-2:] == [GOOD, GOOD]
    assert len(refused) == 3 + 2


def test_a_question_at_fault_is_not_put_again_without_what_was_taken_before() -> None:
    state = {"kind": GOOD}
    with serving(lambda _asked, _times: state["kind"]) as server:
        model = server.client()
        model.choose([user(question(5))], ["A", "B"])
        state["kind"] = "status_400"
        with pytest.raises(MLLMAnswerError, match="the prompt is too long"):
            model.choose([user(question(6))], ["A", "B"])
        assert len(server.asked) == 2
        state["kind"] = GOOD
        assert model.choose([user(question(7))], ["A", "B"]).from_logits


def test_a_callback_that_fails_is_no_failure_of_the_server() -> None:
    def give(_piece: str) -> None:
        raise ZeroDivisionError

    with serving() as server:
        model = server.client()
        for _ in range(2 * breaker.FAILURES):
            with pytest.raises(ZeroDivisionError):
                model.generate([user(question(5))], stream=give)
        assert len(server.asked) == 2 * breaker.FAILURES


def test_a_closed_model_may_be_used_again() -> None:
    with serving() as server:
        model = server.client()
        for _ in range(2):
            assert model.generate([user(question(5))]).text == right_answer(question(5))
            model.close()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other programs leave in a user's environment."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, FOREIGN_KEY)
    for name in ("OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.usefixtures("foreign")
def test_only_echos_own_key_goes_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        server.client().generate([user(question(5))])
        assert not [asked for asked in server.log if "authorization" in asked.headers]
        monkeypatch.setenv("ECHO_IAD_MLLM_KEY", f"{KEY}\n")
        server.client().generate([user(question(5))])
        assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
        assert FOREIGN_KEY not in json.dumps([asked.headers for asked in server.log])


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("kind", ["status_401", "status_500", "cut_at_once", "redirect", GOOD])
def test_the_key_is_said_nowhere(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even if the server repeats it."""
    monkeypatch.setenv("ECHO_IAD_MLLM_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    with serving(kind) as server, serving() as elsewhere:
        server.elsewhere = elsewhere.url
        model = server.client()
        try:
            said.append(model.generate([user(question(5))]))
        except MLLMError as error:
            said += [error, error.__cause__, error.__context__, repr(error)]
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert elsewhere.log == [], "a redirect leads nowhere"
    said += [model, vars(model), vars(model._wire), vars(model._session)]
    said += [(record.getMessage(), vars(record)) for record in caplog.records]
    assert caplog.records
    assert KEY not in repr(said)
    if kind == "status_401":
        assert "'Incorrect API key provided: Bearer …'; see whether that key may be" in str(said[0])


@pytest.mark.parametrize("bad", ["sk echo", "sk-\N{EM DASH}1", "sk-a\nX-Evil: 1"])
def test_a_key_that_is_none(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_IAD_MLLM_KEY", bad)
    with serving() as server:
        with pytest.raises(MLLMSettingError) as caught:
            server.client().generate([user(question(5))])
        assert server.log == []
    assert str(caught.value) == (
        "ECHO_IAD_MLLM_KEY holds a character that no key has, such as a space; set it anew"
    )


def test_inspectors_do_not_wait_for_each_other() -> None:
    """The server answers only when four questions lie before it."""
    gate = threading.Barrier(4, timeout=10)

    def tokens(_asked: str) -> Mapping[str, float]:
        gate.wait()
        return {"A": -0.1, "B": -3.0}

    with serving() as server:
        server.tokens = tokens
        shared = server.client()
        inspectors = [shared, shared, server.client(), server.client()]
        with ThreadPoolExecutor(4) as pool:
            chosen = list(pool.map(lambda m: m.choose([user("?")], ["A", "B"]).best, inspectors))
    assert chosen == ["A"] * 4


def test_the_benchmark_asks_as_many_as_it_says() -> None:
    with serving() as server:
        server.tokens = lambda _asked: {"A": -0.1}
        results = bench_server(f"{server.url}#adder", 3, 10, Console(quiet=True))
        texts = [asked.question for asked in server.asked]
        kinds = {len(asked.body["messages"][0]["content"]) for asked in server.asked[2:]}
    assert results["images"]
    assert kinds == {2}
    assert [row["inspectors"] for row in results["levels"]] == [1, 2, 3]
    assert [row["calls"] for row in results["levels"]] == [10, 10, 10]
    assert results["levels"][0]["times_one_inspector"] == 1
    assert len(set(texts)) == len(texts) - 1 == 2 + 30 - 1, "the first is asked with and without"
    with serving("status_400") as server, pytest.raises(MLLMAnswerError, match="HTTP 400"):
        bench_server(f"{server.url}#adder", 1, 10, Console(quiet=True))
