"""What is said to the embedded model: a sheet, a question on it, and the answers to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from experts.mllm.base import Message, system, user, with_question
from experts.mllm.texts import Text, Texts, read_texts


class NanoTexts(Texts):
    """What is said to the embedded model, and which version of it this is."""

    version: int
    system: Text
    choose: Text
    explain: Text


@cache
def texts() -> NanoTexts:
    """The texts that come with Echo."""
    return read_texts("nano/texts.yaml", NanoTexts)


def on_sheet(sheet: str, *question: str) -> tuple[Message, ...]:
    """A sheet, and a question on it, if there is only one, as the model is trained to be asked."""
    return system(texts().system), user(sheet, *question)


def with_options(messages: Sequence[Message], options: Sequence[str]) -> tuple[Message, ...]:
    """A question with the answers to choose from: it chooses by their text, not by letters."""
    listed = " | ".join(option.strip() for option in options)
    return with_question(messages, texts().choose.format(options=listed))
