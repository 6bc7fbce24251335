"""Text of others, such as words of a model, names of files or of errors, made fit to be shown."""

from __future__ import annotations

import unicodedata

from experts.errors import EchoError

# Of what went wrong, so many letters are told.
MAX_FAULT = 500
# Controls, formats, halves of characters, ends of lines; two formats join letters of some scripts.
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_KEPT = "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def plain(text: str) -> str:
    """A text that steers no terminal and that can be stored.

    What would move, colour or turn around something on the screen is shown as �, and so are halves
    of characters.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(c) in _STEERING and c not in _KEPT
        else c
        for c in text.replace("\r\n", "\n")
    )


def legible(text: str, max_letters: int) -> str:
    """What a model says: plain, and not too long.

    Args:
        text: As it came.
        max_letters: So much of it is kept; a server may give more than it was asked for.
    """
    return plain(text[:max_letters]).strip()


def fault_of(error: Exception) -> str:
    """What went wrong, on one line; of an error that nobody foresaw with its type."""
    why = str(error) if isinstance(error, EchoError) else f"{type(error).__name__}: {error}"
    return " ".join(legible(why, MAX_FAULT).split())


def without(what: str, error: Exception) -> str:
    """That it goes on without something, and why, on one line.

    Args:
        what: For example ``language model``.
        error: Why it is not there.
    """
    return f"without {what}: {fault_of(error)}"[:MAX_FAULT]
