from __future__ import annotations

import pytest

from experts.errors import LineError, MLLMUnavailableError
from experts.plain_text import MAX_FAULT, fault_of, legible, plain, without


def test_what_steers_a_terminal_is_shown_as_a_sign() -> None:
    assert plain("a\x1b[2Jb\u202ec\x00\ud83d") == "a\ufffd[2Jb\ufffdc\ufffd\ufffd"
    for kept in ("Grüße, 图像 – ½ × 3\u00a0mm\n\tZeile", "می\u200cخواهم", "🔍"):
        assert plain(kept) == kept
    assert plain("a\r\nb\rc") == "a\nb\ufffdc"


def test_what_a_model_says_has_an_end_and_can_be_stored() -> None:
    assert legible("  a pit\u2028 of 3 px \n", 100) == "a pit\ufffd of 3 px"
    assert legible("x" * 1000, 10) == "x" * 10
    legible("\ud83d \udc00", 10).encode()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (MLLMUnavailableError("a server:\n  is away"), "a server: is away"),
        (LineError("line 'nut' is damaged"), "line 'nut' is damaged"),
        (ValueError("a\x1b[2J\r\nb"), "ValueError: a\ufffd[2J b"),
        (KeyError(), "KeyError:"),
    ],
)
def test_an_error_becomes_one_line(error: Exception, fault: str) -> None:
    assert fault_of(error) == fault
    assert without("zoom", error) == f"without zoom: {fault}"


def test_a_long_error_is_cut() -> None:
    error = ValueError("x" * 10_000)
    assert len(fault_of(error)) == len(without("zoom", error)) == MAX_FAULT
