"""Choosing through a server: letters that are weighed, or an answer that must be one of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import pytest
from rich.console import Console

from benchmarks.mllm_server import bench_server
from experts.errors import MLLMAnswerError
from experts.mllm import Question, user
from experts.mllm.server import breaker, wire
from experts.mllm.server.choice import ballot, name_of, weigh
from experts.mllm.server.shapes import Token
from tests.bad_server import GOOD, question, serving, text_of


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BACKOFF", lambda _state: 0.005)
    monkeypatch.setattr(breaker, "_breakers", {})


def test_letters_are_weighed_as_they_are() -> None:
    with serving() as server:
        server.tokens = lambda _asked: {"A": math.log(0.3), " A": math.log(0.1), "B": math.log(0.4)}
        chosen = server.client().choose([user(question(5))], ["A", "B"])
        body = server.asked[0].body
    assert chosen.from_logits
    assert chosen.probabilities == pytest.approx((0.5, 0.5))
    assert chosen.cost.answer_tokens == 3
    assert body["messages"] == [{"role": "user", "content": question(5)}]
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)


def test_texts_are_listed_under_letters() -> None:
    with serving() as server:
        server.tokens = lambda _asked: {"B": math.log(0.6), "A": math.log(0.2)}
        first, second = server.client().choose_each(
            [user("Look.")], [Question("Which?", ("a scratch", "none")), Question("?", ("x", "yy"))]
        )
        body = server.asked[0].body
    assert first.best == "none"
    assert first.probabilities == pytest.approx((0.25, 0.75))
    assert second.best == "yy"
    # Neighbouring texts are one, on lines of their own.
    assert body["messages"][0]["content"] == (
        "Look.\nWhich?\nChoose one of these answers:\nA: a scratch\nB: none\n"
        "Answer with its letter and nothing else."
    )


@pytest.mark.parametrize(
    ("tokens", "names", "expected"),
    [
        # As they are listed, whatever else is probable.
        ({"The": 0.5, "A": 0.3, "B": 0.1}, "AB", (0.75, 0.25)),
        # With and without a space; the article is no answer.
        ({"a": 0.6, " A": 0.2, "A": 0.1, "B": 0.1}, "AB", (0.75, 0.25)),
        # C is not listed: at most 0.1, the least that is, and half of that.
        ({"A": 0.5, "B": 0.1}, "ABC", (0.5 / 0.65, 0.1 / 0.65, 0.05 / 0.65)),
        # What all leave is less than that, and two share it.
        ({"A": 0.7, "x": 0.26}, "ABC", (0.7 / 0.72, 0.01 / 0.72, 0.01 / 0.72)),
        # Nothing is left.
        ({"A": 1.0}, "AB", (1.0, 0.0)),
        ({"<think>": 0.9, "The": 0.1}, "AB", None),
        ({}, "AB", None),
    ],
)
def test_weighing(
    tokens: Mapping[str, float], names: str, expected: tuple[float, ...] | None
) -> None:
    given_tokens = [Token(token=token, logprob=math.log(p)) for token, p in tokens.items()]
    weights = weigh(given_tokens, names)
    assert weights == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_an_option_out_of_sight_never_wins() -> None:
    tokens = [Token(token=token, logprob=math.log(0.1)) for token in ("x", "y", "B")]
    weights = weigh(tokens, "AB")
    assert weights is not None
    assert weights[0] < weights[1]


@pytest.mark.parametrize("how", ["refuses", "refuses vaguely", "ignores", "thinks first"])
def test_without_probabilities_the_answer_itself_counts(how: str) -> None:
    with serving() as server:
        if how == "thinks first":
            server.tokens = lambda _asked: {"<think>": -0.001}
        elif how == "ignores":
            server.tokens = lambda _asked: {}
        else:
            server.features = {"response_format", "chat_template_kwargs"}
            server.refusal = "{field} is unknown" if how == "refuses" else "bad request"
        model = server.client()
        options = ["the sum is even", "the sum is odd"]
        chosen = [model.choose([user(question(n))], options) for n in (1, 2, 1)]
        bodies = [asked.body for asked in server.asked]
    assert [c.best for c in chosen] == ["the sum is even"] * 3
    assert {c.probabilities for c in chosen} == {(1.0, 0.0)}
    assert not any(c.from_logits for c in chosen)
    weighed = ["logprobs" in body for body in bodies]
    quiet = ["chat_template_kwargs" in body for body in bodies]
    if how == "thinks first":
        # Next time it may not.
        assert weighed == [True, False] * 3
    elif how == "ignores":
        assert weighed == [True, False, False, False]
    elif how == "refuses":
        # That it is the probabilities that it refuses shows when it answers without them.
        assert weighed == [True, False, False, False, False]
        assert all(quiet)
    else:
        assert weighed == [True, True, False, False, False, False]
        assert quiet == [True, False, False, False, False, False]


def test_a_server_that_only_writes_is_asked_again_if_it_writes_something_else() -> None:
    said = iter(["weighed in vain", "It is even, I think: A.", "Maybe", "**B**."])
    with serving() as server:
        server.features = set()
        server.answer = lambda _asked: next(said)
        chosen = server.client().choose([user(question(1))], ["A", "B"])
        bodies = [asked.body for asked in server.asked if asked.kind == GOOD]
    assert (chosen.best, chosen.from_logits) == ("B", False)
    assert chosen.cost.answer_tokens == 4 * 3
    _, first, _, last = (body["messages"] for body in bodies)
    assert text_of(first[-1]) == f"{question(1)}\nAnswer with one of A, B and nothing else."
    assert last[:-2] == first
    assert last[-2] == {"role": "assistant", "content": "Maybe"}
    assert text_of(last[-1]) == (
        "That is none of the answers. Answer with one of A, B and nothing else."
    )


def test_an_answer_that_is_no_option() -> None:
    with serving() as server:
        server.plain_letter = lambda _asked: "neither"
        server.tokens = lambda _asked: {}
        with pytest.raises(MLLMAnswerError) as caught:
            server.client().choose([user(question(1))], ["A", "B"])
        assert len([a for a in server.asked if not a.body.get("logprobs")]) == 3
    assert str(caught.value) == (
        f"""{server.url}: answered '{{"answer": "neither"}}', which is none of A, B (the last """
        "of 3 tries); ask with fewer options, or use a larger model"
    )


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("A", "A"),
        (" **B**. ", "B"),
        ("(A)", "A"),
        ('{"answer": "B"}', "B"),
        ("a scratch", "A"),
        ("B: no defect", "B"),
        ("B) no defect.", "B"),
        ("<think>A or B? A.</think>\nB", "B"),
        ("A scratch is seen", None),
        ("A or B", None),
        ("A: no defect", None),
        ("I choose B", None),
        ('{"answer": 3}', None),
        ('["A"]', "A"),
        ("", None),
    ],
)
def test_reading_an_answer(answer: str, name: str | None) -> None:
    assert name_of(answer, ballot([], ("a scratch", "no defect"))) == name


@pytest.mark.parametrize("answer", ["B", "**B**.", '{"answer": "B"}'])
def test_a_letter_goes_before_an_option_that_reads_like_it(answer: str) -> None:
    assert name_of(answer, ballot([], ("B", "no defect"))) == "B"
    assert name_of("B: no defect", ballot([], ("B", "no defect"))) == "B"


def test_a_benchmark_in_which_nothing_is_answered() -> None:
    kinds = itertools.chain([GOOD, GOOD], itertools.repeat("status_400"))
    with serving(lambda _asked, _times: next(kinds)) as server:
        server.tokens = lambda _asked: {"A": -0.1}
        results = bench_server(f"{server.url}#adder", 2, 8, Console(quiet=True))
        with pytest.raises(ValueError, match="expected inspectors and calls ≥ 1, got 0 and 8"):
            bench_server(f"{server.url}#adder", 0, 8, Console(quiet=True))
    for row in results["levels"]:
        assert sum(row["failures"].values()) == row["calls"] == 8
        assert row["times_one_inspector"] is row["p50_s"] is row["p95_s"] is None
