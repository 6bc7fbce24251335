"""The embedded language model: SmolLM2-135M-Instruct with adapters of Echo's own."""
