"""How the embedded model reads conversations: texts alone, and the answers to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from PIL import Image
from transformers import BatchEncoding, PreTrainedTokenizerBase

from experts.mllm.base import Message, system, user, with_question
from experts.mllm.local.prompting import Prompt, Prompter
from experts.mllm.texts import Text, Texts, read_texts


class NanoTexts(Texts):
    """What is said to the embedded model, and which version of it this is."""

    version: int
    system: Text
    choose: Text


@cache
def texts() -> NanoTexts:
    """The texts that come with Echo."""
    return read_texts("nano/texts.yaml", NanoTexts)


def on_sheet(sheet: str, question: str) -> list[Message]:
    """A question on a sheet, as the model is trained to be asked."""
    return [system(texts().system), user(sheet, question)]


def with_options(messages: Sequence[Message], options: Sequence[str]) -> tuple[Message, ...]:
    """A question with the answers to choose from: it chooses by their text, not by letters."""
    listed = " | ".join(option.strip() for option in options)
    return with_question(messages, texts().choose.format(options=listed))


class TextPrompter(Prompter):
    """Reads conversations by a tokenizer; images are left out, as the model has no eyes.

    Args:
        tokenizer: Of the model, with its chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(_Processor(tokenizer), None, 1)

    def read(self, messages: Sequence[Message]) -> Prompt:
        """Turn a conversation into tokens; see ``Prompter.read``."""
        return super().read(without_images(messages))

    def answer_ids(
        self, messages: Sequence[Message], prompt: Prompt, answers: Sequence[str]
    ) -> tuple[tuple[int, ...], ...]:
        """Tokens of each answer; see ``Prompter.answer_ids``."""
        return super().answer_ids(without_images(messages), prompt, answers)


def without_images(messages: Sequence[Message]) -> list[Message]:
    """The texts of a conversation."""
    return [
        Message(m.role, tuple(part for part in m.content if not isinstance(part, Image.Image)))
        for m in messages
    ]


class _Processor:
    """A tokenizer in the form of a processor, which also takes images."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.chat_template = tokenizer.chat_template

    def __call__(self, text: str, **options: Any) -> BatchEncoding:
        return self.tokenizer(text, **options)

    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], **how: Any) -> Any:
        """Render turns; their parts are all texts, which the template takes as one."""
        turns = [
            {"role": turn["role"], "content": "".join(part["text"] for part in turn["content"])}
            for turn in conversation
        ]
        return self.tokenizer.apply_chat_template(turns, **how)
