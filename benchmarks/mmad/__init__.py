"""The MMAD benchmark: reads it, answers it, scores the answers."""
