"""Servers that misbehave: no answer is lost, doubled or mixed up, and each fault has a name."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from experts.errors import MLLMAnswerError, MLLMError, MLLMUnavailableError
from experts.mllm import user
from experts.mllm.server import ServerMLLM, breaker, wire
from experts.mllm.server.breaker import CircuitBreaker, CircuitOpenError
from tests.bad_server import (
    GOOD,
    BadServer,
    dice,
    question,
    right_answer,
    right_letter,
    serving,
)

TIMEOUT_S = 0.4
# What answers at once may take its time on a machine that is busy.
PATIENT_S = 20.0
Error = type[MLLMError]
U, A = MLLMUnavailableError, MLLMAnswerError
OVERLOADED = "see whether the server is overloaded, or ask for less at a time"
CUT = "see whether the server has crashed, or what stands between it and this machine"
NOT_ONE = "see whether that address is that of an OpenAI-compatible server"
LOOK = "look into the server's log"

# What one try of a whole answer says: the error, what happened, what to do, tries of three.
SENTENCES: dict[str, tuple[Error, str, str, int]] = {
    "slow": (U, "timed out after 0.4 s, before it answered", OVERLOADED, 2),
    "drip_head": (U, "timed out after 0.4 s, before it answered", OVERLOADED, 2),
    "drip_body": (U, "timed out after 0.4 s, in the middle of its answer", OVERLOADED, 2),
    "status_500": (U, "answered HTTP 500: 'CUDA out of memory'", LOOK, 3),
    "status_503": (U, f"answered HTTP 503: '<html>busy {'x' * 188}…'", OVERLOADED, 3),
    "status_429": (U, "answered HTTP 429: 'too many requests' and asks to wait 0 s", OVERLOADED, 3),
    "status_429_for_long": (
        U,
        "answered HTTP 429: 'come back tomorrow' and asks to wait 86400 s",
        OVERLOADED,
        1,
    ),
    "status_401": (
        U,
        "answered HTTP 401: 'Incorrect API key provided: None'",
        "put the key that it asks for into the environment variable ECHO_IAD_MLLM_KEY",
        1,
    ),
    "status_404": (
        U,
        "answered HTTP 404: 'The model `adder` does not exist.'",
        "see whether the address is right and the model is one that it serves",
        1,
    ),
    "status_400": (
        A,
        "answered HTTP 400: 'the prompt is too long'",
        "see what it says about the question",
        1,
    ),
    "cut_at_once": (U, "cut the connection before it answered", CUT, 3),
    "cut_head": (U, "cut the connection before it answered", CUT, 3),
    "cut_body": (U, "cut the connection in the middle of its answer, after 20 bytes", CUT, 3),
    "no_http": (A, "spoke no valid HTTP", NOT_ONE, 3),
    "garbage": (A, """sent no valid JSON: '{"choices": [{"mess��'""", NOT_ONE, 3),
    "other_shape": (
        A,
        "sent JSON of another shape (choices: Field required): "
        """'{"result": "5 says 40."}'""",
        NOT_ONE,
        3,
    ),
    "no_choices": (A, "sent JSON of another shape (choices: ", NOT_ONE, 3),
    "content_type": (A, "sent content type text/html instead of application/json", NOT_ONE, 3),
    "empty": (A, "sent an empty answer", NOT_ONE, 3),
    "endless": (A, "sent more than 10 MB, which is no answer", NOT_ONE, 3),
    "redirect": (
        U,
        "answered HTTP 307, which leads to 127.0.0.1:9",
        "Echo goes nowhere else than it is told, so if that is where the model is, say so",
        1,
    ),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between tries, and no memory of servers that had the same port."""
    monkeypatch.setattr(wire, "BACKOFF", lambda _state: 0.005)
    monkeypatch.setattr(breaker, "_breakers", {})


def client(server: BadServer, timeout_s: float = PATIENT_S, retries: int = 2) -> ServerMLLM:
    return server.client(timeout_s=timeout_s, retries=retries)


def tries_of(server: BadServer) -> list[str]:
    return [asked.kind for asked in server.asked]


@pytest.mark.parametrize("kind", SENTENCES)
def test_each_misbehaviour_has_its_sentence(kind: str) -> None:
    error, what, remedy, tries = SENTENCES[kind]
    last = f" (the last of {tries} tries)" if tries > 1 else ""
    timeout_s = TIMEOUT_S if what.startswith("timed out") else PATIENT_S
    with serving(kind) as server, pytest.raises(MLLMError) as caught:
        client(server, timeout_s).generate([user(question(5))])
    assert type(caught.value) is error
    said = str(caught.value)
    assert said.startswith(f"{server.url}: {what}")
    assert said.endswith(f"{last}; {remedy}")
    if kind not in {"drip_body", "no_http", "no_choices"}:
        assert said == f"{server.url}: {what}{last}; {remedy}"
    # Once more without the one field that not all servers know.
    assert tries_of(server) == [kind] * (tries + (kind == "status_400"))


STREAMED = {
    "cut_stream": (U, "cut the connection in the middle of its answer, after ", CUT),
    "ended_stream": (U, "cut the connection in the middle of its answer, after ", CUT),
    "endless_stream": (A, "sent more than 10 MB, which is no answer", NOT_ONE),
}


@pytest.mark.parametrize("kind", STREAMED)
def test_what_was_streamed_is_not_asked_for_again(kind: str) -> None:
    error, what, remedy = STREAMED[kind]
    pieces: list[str] = []
    with serving(kind) as server, pytest.raises(MLLMError) as caught:
        client(server).generate([user(question(5))], stream=pieces.append)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{server.url}: {what}")
    assert str(caught.value).endswith(remedy)
    assert tries_of(server) == [kind]
    assert pieces[0] in {"5", "on and on " * 2000}


def test_a_stream_that_gave_nothing_is_asked_for_again() -> None:
    kinds = ["error_in_stream", "cut_at_once", GOOD]
    pieces: list[str] = []
    with serving(lambda _asked, times: kinds[times - 1]) as server:
        answer = client(server).generate([user(question(5))], stream=pieces.append)
    assert (answer.text, "".join(pieces)) == (right_answer(question(5)),) * 2
    assert tries_of(server) == kinds


def test_an_error_within_a_stream_is_told() -> None:
    with serving("error_in_stream") as server, pytest.raises(U) as caught:
        client(server).generate([user(question(5))], stream=lambda _piece: None)
    assert ": reported an error: 'the engine died' (the last of 3 tries); look into" in str(
        caught.value
    )


def test_a_server_that_is_not_there() -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(U) as caught:
        ServerMLLM(f"{url}#adder").generate([user("?")])
    assert str(caught.value) == (
        f"{url}: refused the connection (the last of 3 tries); start the server, or correct its "
        "address"
    )


def test_a_machine_that_is_not_there() -> None:
    with pytest.raises(U) as caught:
        ServerMLLM("http://no-such-machine.invalid#adder", retries=0).generate([user("?")])
    assert str(caught.value) == (
        "http://no-such-machine.invalid/v1: no machine of that name is known; correct the server's "
        "address"
    )


def test_a_secure_address_of_a_server_that_is_not() -> None:
    with serving() as server, pytest.raises(U, match=r"https://.*: no secure connection \("):
        ServerMLLM(server.url.replace("http:", "https:") + "#adder").generate([user("?")])


def test_a_server_is_asked_again_when_it_says_so() -> None:
    kinds = ["status_429", "status_503", GOOD]
    with serving(lambda _asked, times: kinds[times - 1]) as server:
        assert client(server).generate([user(question(5))]).text == right_answer(question(5))
    assert tries_of(server) == kinds


def outcome(model: ServerMLLM, number: int) -> str:
    """An answer, or the sentence of a failure; written, streamed and chosen in turn."""
    asked = [user(question(number))]
    try:
        if number % 3 == 0:
            return model.generate(asked).text
        if number % 3 == 1:
            pieces: list[str] = []
            text = model.generate(asked, stream=pieces.append).text
            assert "".join(pieces) == text
            return text
        return model.choose(asked, ("A", "B")).best
    except MLLMError as error:
        return str(error)


def right(number: int) -> str:
    return right_letter(question(number)) if number % 3 == 2 else right_answer(question(number))


# Not tried again, so that they would only fail more of the calls.
FINAL = {"status_400", "status_401", "status_404", "status_429_for_long", "redirect"}
SLOW = ["slow", "drip_head", "drip_body"]
QUICK = [kind for kind in (*SENTENCES, "cut_stream", "ended_stream") if kind not in {*FINAL, *SLOW}]
CALLS = 1000
THREADS = 32


@pytest.fixture(params=[(10**9, 10.0), (5, 0.02)], ids=["never opens", "opens"])
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    failures, open_s = request.param
    monkeypatch.setattr(breaker, "FAILURES", failures)
    monkeypatch.setattr(breaker, "OPEN_S", open_s)
    return bool(failures > CALLS)


def test_a_thousand_calls_at_once(patience: bool) -> None:
    with serving(dice(1, QUICK * 2 + SLOW, 0.4)) as server:
        # On a busy machine a good answer must not take as long, or it would be asked for again.
        model = client(server, timeout_s=6.0)
        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = list(pool.map(lambda number: outcome(model, number), range(CALLS)))
        log = server.asked
    assert len(outcomes) == CALLS
    answered = [number for number in range(CALLS) if outcomes[number] == right(number)]
    failed = sorted(set(range(CALLS)) - set(answered))
    # Three tries, each of which fails at four in ten.
    share = len(answered) / CALLS
    assert share > 0.88 if patience else 0.02 < share < 1
    # None was answered twice, and none that was answered was taken for a failure.
    given = Counter(asked.question for asked in log if asked.answer is not None)
    assert given == Counter(question(number) for number in answered)
    kinds: dict[str, list[str]] = {}
    for asked in log:
        kinds.setdefault(asked.question, []).append(asked.kind)
    assert all(len(tried) <= 3 for tried in kinds.values())
    for number in failed:
        assert names_it(outcomes[number], kinds.get(question(number), []), server.url), (
            outcomes[number],
            kinds.get(question(number)),
        )
        assert not (patience and "circuit open" in outcomes[number])


def names_it(said: str, kinds: list[str], url: str) -> bool:
    """Whether a sentence is that of the last thing that the server did to the question."""
    if not kinds:
        return said.startswith(f"{url}: failed ") and "(circuit open)" in said
    last = {"cut_stream": "cut_body", "ended_stream": "cut_body"}.get(kinds[-1], kinds[-1])
    what = SENTENCES[last][1].replace("0.4 s", "6 s").partition(", after")[0].partition(": '{")[0]
    return said.startswith(f"{url}: {what}")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_open_circuit_fails_at_once_and_one_call_probes(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    state = {"kind": "status_500"}
    with serving(lambda _asked, _times: state["kind"]) as server:
        origin = server.url.removesuffix("/v1")
        monkeypatch.setattr(breaker, "_breakers", {origin: CircuitBreaker(2, 10.0, clock)})
        one, other = (client(server, retries=0) for _ in range(2))
        for _ in range(2):
            with pytest.raises(U, match="HTTP 500"):
                one.generate([user(question(5))])
        clock.now_s = 9.0
        with pytest.raises(U) as caught:
            other.generate([user(question(6))])
        assert str(caught.value) == (
            f"{server.url}: failed 2 times in a row and is left alone for 1.0 s more (circuit "
            "open); see what the failures before said"
        )
        assert len(tries_of(server)) == 2, "it was left alone"
        state["kind"], clock.now_s = GOOD, 10.0
        assert other.generate([user(question(6))]).text == right_answer(question(6))
        assert one.generate([user(question(7))]).text == right_answer(question(7))


def test_a_call_whose_failures_opened_the_circuit_tells_what_failed() -> None:
    with serving("status_500") as server:
        model = client(server, retries=9)
        with pytest.raises(U, match=r"HTTP 500: .* \(the last of 5 tries\)"):
            model.generate([user(question(5))])
    assert len(tries_of(server)) == breaker.FAILURES


def test_a_question_at_fault_does_not_open_the_circuit() -> None:
    with serving("status_400") as server:
        model = client(server)
        for number in range(2 * breaker.FAILURES):
            with pytest.raises(A, match="HTTP 400"):
                model.generate([user(question(number))])


def test_a_circuit_opens_after_failures_in_a_row(clock: Clock) -> None:
    circuit = CircuitBreaker(3, 10.0, clock)
    for healthy in (False, False, True, False, False):
        circuit.settle(circuit.admit(), healthy)
    circuit.settle(circuit.admit(), None)
    circuit.settle(circuit.admit(), False)
    clock.now_s = 4.0
    with pytest.raises(CircuitOpenError) as caught:
        circuit.admit()
    assert (caught.value.failures, caught.value.left_s) == (3, 6.0)


def test_one_probe_at_a_time_decides(clock: Clock) -> None:
    circuit = CircuitBreaker(1, 10.0, clock)
    late = circuit.admit()
    circuit.settle(circuit.admit(), False)
    clock.now_s = 10.0
    probe = circuit.admit()
    assert (late, probe) == (False, True)
    with pytest.raises(CircuitOpenError) as caught:
        circuit.admit()
    assert caught.value.left_s == 0
    # A call from before the circuit opened says nothing new; a probe that was broken off neither.
    circuit.settle(late, False)
    circuit.settle(probe, None)
    probe = circuit.admit()
    circuit.settle(probe, False)
    clock.now_s = 19.9
    with pytest.raises(CircuitOpenError):
        circuit.admit()
    clock.now_s = 20.0
    circuit.settle(circuit.admit(), True)
    assert not circuit.admit()


def test_a_circuit_is_safe_in_many_threads() -> None:
    circuit = CircuitBreaker(1, 0.0)
    circuit.settle(circuit.admit(), False)
    gate, probes, refused = threading.Barrier(16), [], []

    def call() -> None:
        gate.wait()
        try:
            probes.append(circuit.admit())
        except CircuitOpenError:
            refused.append(1)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (probes, len(refused)) == ([True], 15)
