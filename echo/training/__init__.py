"""Trains the embedded language model: lessons, recipe, training."""
