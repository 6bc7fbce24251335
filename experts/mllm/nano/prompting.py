"""How the embedded model reads conversations: by a tokenizer, texts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from transformers import BatchEncoding, PreTrainedTokenizerBase

from experts.mllm.base import Message
from experts.mllm.local.prompting import Prompt, Prompter


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
