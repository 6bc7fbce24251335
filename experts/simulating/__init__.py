"""Draws anomalies onto normal images, with masks: AnomalyGPT's way of training without defects."""
