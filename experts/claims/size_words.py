"""Words that put places in order, by what they are measured; folded, English and German."""

from __future__ import annotations

from typing import Literal, NamedTuple

from experts.claims.words import listed

Measure = Literal["area", "length", "width", "peak"]

_ENDINGS = ("", "e", "en", "em", "er", "es")


class Order(NamedTuple):
    """One end of an order.

    Attributes:
        measure: What is compared.
        sign: 1 where the first has most of it, −1 where it has least.
        most: English words for the first of all, such as ``largest``.
        more: English words for one before another, such as ``larger``.
        most_german: The beginnings of the German ones, such as ``grosst``, up to their endings.
        more_german: Likewise, such as ``grosser``.
    """

    measure: Measure
    sign: Literal[1, -1]
    most: frozenset[str]
    more: frozenset[str]
    most_german: frozenset[str]
    more_german: frozenset[str]

    @property
    def all_most(self) -> frozenset[str]:
        """All words for the first of all, in both languages."""
        return self.most | _inflected(self.most_german)

    @property
    def all_more(self) -> frozenset[str]:
        """All words for one before another, in both languages."""
        return self.more | _inflected(self.more_german)


def _inflected(stems: frozenset[str]) -> frozenset[str]:
    return frozenset(stem + ending for stem in stems for ending in _ENDINGS)


def _order(
    measure: Measure,
    sign: Literal[1, -1],
    english: tuple[str, str],
    german: tuple[str, str],
) -> Order:
    return Order(measure, sign, *map(listed, english), *map(listed, german))


ORDERS = (
    _order(
        "area",
        1,
        ("largest biggest greatest", "larger bigger"),
        ("grosst groesst", "grosser groesser"),
    ),
    _order(
        "area",
        -1,
        ("smallest tiniest", "smaller tinier"),
        ("kleinst winzigst", "kleiner winziger"),
    ),
    _order("length", 1, ("longest", "longer"), ("langst laengst", "langer laenger")),
    _order("length", -1, ("shortest", "shorter"), ("kurzest kuerzest", "kurzer kuerzer")),
    _order(
        "width",
        1,
        ("widest thickest broadest", "wider thicker broader"),
        ("breitest dickst", "breiter dicker"),
    ),
    _order(
        "width",
        -1,
        ("narrowest thinnest", "narrower thinner"),
        ("schmalst dunnst duennst", "schmaler dunner duenner"),
    ),
    _order(
        "peak",
        1,
        ("strongest clearest worst", "stronger clearer worse"),
        ("starkst staerkst deutlichst auffalligst schlimmst", "starker staerker deutlicher"),
    ),
    _order(
        "peak",
        -1,
        ("weakest faintest mildest", "weaker fainter milder"),
        ("schwachst schwaechst", "schwacher schwaecher"),
    ),
)
