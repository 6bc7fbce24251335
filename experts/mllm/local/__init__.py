"""A multimodal language model in this process, quantized, by transformers and bitsandbytes."""

from __future__ import annotations

from experts.mllm.local.loading import load
from experts.mllm.local.model import LocalMLLM

__all__ = ["LocalMLLM", "load"]
