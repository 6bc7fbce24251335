"""That "yes" and "no" are the Decision Maker's, whichever way round a question is put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from experts.evidence import Verdict
from experts.mllm import Message, ScriptedMLLM
from experts.mllm.nano.siding import with_side, yes_means
from experts.mllm.nano.texts import texts

# What a model answers of an accepted and of a rejected part.
GOOD: Mapping[str, str] = {"accept": "Yes", "reject": "No"}
BAD: Mapping[str, str] = {"accept": "No", "reject": "Yes"}
SAME: Mapping[str, str] = {"accept": "Yes", "reject": "Yes"}


def reading(said: Mapping[str, str]) -> ScriptedMLLM:
    """A model that answers by the verdict on its page."""

    def choose(messages: Sequence[Message], options: tuple[str, ...]) -> str:
        assert options == ("Yes", "No")
        page = "\n".join(str(part) for message in messages for part in message.content)
        (verdict,) = (v for v in said if f"The verdict on this part is {v}." in page)
        return said[verdict]

    return ScriptedMLLM(choose)


@pytest.mark.parametrize(("said", "side"), [(GOOD, "good"), (BAD, "bad"), (SAME, None)])
def test_two_parts_tell_what_yes_means(said: Mapping[str, str], side: str | None) -> None:
    assert yes_means(reading(said), "Any question?") == side


@pytest.mark.parametrize("wrote", ["Yes", "No", "YES", "no"])
@pytest.mark.parametrize(
    ("said", "verdict", "begins"),
    [
        (GOOD, "accept", "Yes, the part"),
        (GOOD, "reject", "No, the part"),
        (BAD, "accept", "No, the part"),
        (BAD, "reject", "Yes, the part"),
        (SAME, "accept", "The part"),
        (SAME, "reject", "The part"),
        (GOOD, "review", "The part"),
        (BAD, "review", "The part"),
    ],
)
def test_what_was_written_does_not_matter(
    said: Mapping[str, str], verdict: Verdict, begins: str, wrote: str
) -> None:
    answer = with_side(reading(said), "Any question?", f"{wrote}, the part is as it is.", verdict)
    assert answer == f"{begins} is as it is."


@pytest.mark.parametrize("answer", ["The part is rejected.", "Nothing stands out.", "Yes", "Now."])
def test_other_answers_stay(answer: str) -> None:
    model = reading(GOOD)
    assert with_side(model, "Any question?", answer, "reject") == answer
    assert model.asked == []


def test_the_two_pages_tell_their_verdicts() -> None:
    assert "The verdict on this part is accept." in texts().accepted
    assert "The verdict on this part is reject." in texts().rejected
