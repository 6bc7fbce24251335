"""Questions as people type them: with a greeting, in small letters, or with a slip of the finger.

Most questions stay as they are. What a question asks for never changes, so the model learns to read
past these (noise on training questions, as in Belinkov and Bisk 2018).
"""

from __future__ import annotations

import numpy as np

# Of all questions so many are typed in a hurry, and these are the ways, with their shares.
HURRIED = 0.35
_WAYS = {"opened": 0.4, "closed": 0.15, "small": 0.25, "slipped": 0.2}
# Shorter words are hard to tell from others once two letters are exchanged.
_LONG_ENOUGH = 5


def hurried(
    wording: str, rng: np.random.Generator, openings: tuple[str, ...], closings: tuple[str, ...]
) -> str:
    """A wording as it may be typed; its slots stay whole.

    Args:
        wording: One of ``Wordings``.
        rng: Draws.
        openings: What may stand before it.
        closings: What may stand behind it.
    """
    if rng.random() >= HURRIED:
        return wording
    match rng.choice(list(_WAYS), p=list(_WAYS.values())):
        case "opened":
            return f"{rng.choice(openings)} {wording}"
        case "closed":
            return f"{wording} {rng.choice(closings)}"
        case "small":
            return wording.casefold().rstrip("?.!")
        case _:
            return _slipped(wording, rng)


def _slipped(wording: str, rng: np.random.Generator) -> str:
    """With two neighbouring letters inside of one word exchanged."""
    words = wording.split(" ")
    fit = [n for n, word in enumerate(words) if word.isalpha() and len(word) >= _LONG_ENOUGH]
    if not fit:
        return wording
    word = words[chosen := int(rng.choice(fit))]
    at = int(rng.integers(1, len(word) - 2))
    words[chosen] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
