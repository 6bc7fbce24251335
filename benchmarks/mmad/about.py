"""What was run: a reader of figures must know it before comparing them with others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# What is known of one run, in values that JSON has. ``normal_images`` is by line the number of
# normal images that it was enrolled from; the other names tell themselves.
About = Mapping[str, Any]
ENROLLED = "normal_images"
_CALLED = {
    "mllm": "language model",
    "line": "product line of an image",
    ENROLLED: "normal images that lines were enrolled from",
}


def listed(about: About) -> list[str]:
    """One sentence each; ``None`` is told as "none"."""
    return [
        f"{_CALLED.get(name, name.replace('_', ' '))}: "
        f"{(range_of([about]) or 'none') if name == ENROLLED else _told(value)}"
        for name, value in about.items()
    ]


def enrolled(runs: Iterable[About]) -> str:
    """From how many normal images lines were enrolled, for a caption; empty if none were."""
    number = range_of(runs)
    one = "image" if number == "1" else "images"
    return f"lines enrolled from {number} normal {one} each" if number else ""


def range_of(runs: Iterable[About]) -> str:
    """The numbers of normal images of all lines, as "20" or "20 to 391"; empty without lines."""
    numbers = {n for about in runs for n in (about.get(ENROLLED) or {}).values()}
    return " to ".join(f"{n:,}" for n in sorted({min(numbers), max(numbers)})) if numbers else ""


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return _told([f"{name} {_told(one)}" for name, one in value.items()])
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value)) or "none"
    return "none" if value is None else str(value)
