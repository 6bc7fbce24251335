"""How times are told to people."""

from __future__ import annotations

from datetime import datetime


def local_time(time: datetime) -> str:
    """A time to the minute, as the clocks show it where this runs: ``2026-03-01 14:05``."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
