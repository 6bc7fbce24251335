"""Multimodal language models: one protocol, and what runs behind it."""

from __future__ import annotations

from experts.mllm.base import (
    MLLM,
    Choice,
    Content,
    Cost,
    Filled,
    Generation,
    Message,
    Question,
    assistant,
    system,
    user,
    with_question,
)
from experts.mllm.scripted import ScriptedMLLM

__all__ = [
    "MLLM",
    "Choice",
    "Content",
    "Cost",
    "Filled",
    "Generation",
    "Message",
    "Question",
    "ScriptedMLLM",
    "assistant",
    "system",
    "user",
    "with_question",
]
