"""A language model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama and their like."""

from __future__ import annotations

from experts.mllm.server.model import ServerMLLM

__all__ = ["ServerMLLM"]
