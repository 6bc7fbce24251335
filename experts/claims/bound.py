"""Claims about a place: they are true of one region and false of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from experts.claims.facts import PlaceFacts
from experts.claims.reading import Edit


class Bound(NamedTuple):
    """Something that is said of a place.

    Attributes:
        what: ``place``, ``size``, ``kind``, ``looks`` or ``number``.
        first: Its first token.
        last: Its last token.
        holds: Whether it is true of a place.
        mend: What would make it so; nothing if that is not clear.
        names: Whether it may tell which place is meant, as kind, place and looks do.
    """

    what: str
    first: int
    last: int
    holds: Callable[[PlaceFacts], bool]
    mend: Callable[[PlaceFacts], tuple[Edit, ...]]
    names: bool = False


def no_mend(place: PlaceFacts) -> tuple[Edit, ...]:
    """Nothing makes it true."""
    return ()
