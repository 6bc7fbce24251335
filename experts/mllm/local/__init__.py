"""A multimodal language model in this process, quantized, by transformers and bitsandbytes."""

from __future__ import annotations

from experts.mllm.local.loading import MAX_PIXELS, Precision, load
from experts.mllm.local.model import LocalMLLM

__all__ = ["MAX_PIXELS", "LocalMLLM", "Precision", "load"]
