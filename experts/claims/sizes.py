"""What a sentence says in numbers: sizes, limits, scores, and what stands in no evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from experts.claims.bound import Bound, no_mend
from experts.claims.facts import Facts, LimitFacts, PlaceFacts
from experts.claims.numbers import Amount, amount_at, with_unit_of
from experts.claims.reading import Claim, Edit, Reading
from experts.claims.roles import named_limits, roles_of
from experts.claims.words import listed
from experts.wording import in_words

_BY = listed("x by auf mal times")
# Roles of lengths, the first of each being what "long" and the like are mended to.
_LENGTHS = ("length", "width", "diameter", "box", "edge")
# Of a size that nothing tells more of, these are meant.
_ANY_LENGTH = ("length", "width", "diameter", "box")
# Plain numbers and percentages of the whole image, and of a place.
_OF_IMAGE = (
    *("score", "p", "alpha", "similarity", "confidence", "compared", "above", "enrol", "size"),
    *("grey", "area", "opinion", "scale", "line"),
)
_OF_PLACE = ("times", "peak", "grey", "elongation", "probability", "coverage", "corner", "area")


def number_claims(reading: Reading, facts: Facts) -> Iterator[Claim | Bound]:
    """What is said in numbers that no other claim explains."""
    index, roles = 0, frozenset[str]()
    listed_from = -1
    while index < len(reading.tokens):
        amount = amount_at(reading, index) if index not in reading.used else None
        if amount is None:
            index += 1
            continue
        second = _second(reading, amount)
        last = second.last if second else amount.last
        reading.use(index - amount.lead, last)
        # In a list of numbers each is what the first is said to be.
        is_listed = index == listed_from
        roles = roles_of(reading, amount, facts) or (roles if is_listed else frozenset())
        if second:
            yield _pair(reading, amount, second, facts)
        else:
            yield _single(reading, amount, roles, facts)
        index = last + 1
        listed_from = index + 1 if reading.mark(index) == "," else -1


def _second(reading: Reading, amount: Amount) -> Amount | None:
    """The other number of "12 × 2 mm" and of "10 to 12 mm"."""
    link = amount.last + 1
    if reading.word(link) not in _BY | {"to", "bis", "and"} and reading.mark(link) != "-":
        # "12 times 2" has its link where a unit stands.
        link = amount.last if amount.unit == "times" else link
    is_link = reading.word(link) in _BY or _is_range(reading, amount, link)
    second = amount_at(reading, link + 1) if is_link else None
    return second if second is not None and second.lead == 0 else None


def _is_range(reading: Reading, amount: Amount, link: int) -> bool:
    if reading.mark(link) == "-" or reading.word(link) in ("to", "bis"):
        return True
    return reading.word(link) == "and" and "between" in reading.words_before(amount.first, 2)


def _pair(reading: Reading, first: Amount, second: Amount, facts: Facts) -> Claim | Bound:
    first = with_unit_of(first, second)._replace(approximate=first.approximate)
    second = second._replace(approximate=first.approximate)
    if _is_range(reading, first, first.last + 1):
        return _range(reading, first, second, facts)
    if _is_image_size(reading, first, second, facts):
        return Claim("number", "right")
    if first.unit not in ("px", "mm") or first.power != 1:
        return _no_evidence(reading, first)

    def holds(place: PlaceFacts) -> bool:
        sides = [(a, b) for a in place.lengths_px["length"] for b in place.lengths_px["width"]]
        sides.append((place.lengths_px["box"][0], place.lengths_px["box"][1]))
        said = [(_in_unit(a, first, facts), _in_unit(b, second, facts)) for a, b in sides]
        return any(
            (first.means(a) and second.means(b)) or (first.means(b) and second.means(a))
            for a, b in said
        )

    def mend(place: PlaceFacts) -> tuple[Edit, ...]:
        long, wide = place.lengths_px["length"][0], place.lengths_px["width"][0]
        return (*_written(reading, first, long, facts), *_written(reading, second, wide, facts))

    return Bound("size", first.first, second.last, holds, mend)


def _range(reading: Reading, low: Amount, high: Amount, facts: Facts) -> Claim | Bound:
    low, high = low._replace(bound=">="), high._replace(bound="<=")
    if low.unit not in ("px", "mm"):
        return _no_evidence(reading, low)
    roles = roles_of(reading, high, facts) | roles_of(reading, low, facts)

    def holds(place: PlaceFacts) -> bool:
        values = [_in_unit(v, low, facts) for v in _values(place, low, roles)]
        return any(low.means(value) and high.means(value) for value in values)

    return Bound("size", low.first, high.last, holds, no_mend)


def _is_image_size(reading: Reading, first: Amount, second: Amount, facts: Facts) -> bool:
    width, height = facts.numbers["size"]
    before = reading.words_before(first.first, 6)
    return (
        bool({"image", "photo", "picture", "resolution"}.intersection(before))
        and first.unit != "mm"
        and first.means(width)
        and second.means(height)
    )


def _single(reading: Reading, amount: Amount, roles: frozenset[str], facts: Facts) -> Claim | Bound:
    if "limit" in roles:
        return _limit(reading, amount, roles, facts)
    if amount.unit in ("px", "mm"):
        return _size(reading, amount, roles, facts)
    return _plain(reading, amount, roles, facts)


def _limit(reading: Reading, amount: Amount, roles: frozenset[str], facts: Facts) -> Claim:
    """What a rule allows."""
    limits = [
        limit for limit in named_limits(reading, amount.first, facts, roles) if _fits(limit, amount)
    ]
    exact = amount.exactly()
    if any(exact.means(_limit_in_unit(limit, amount, facts)) for limit in limits):
        return Claim("limit", "right")
    if "alpha" in roles and amount.share().means_any(facts.numbers["alpha"]):
        return Claim("number", "right")
    edits: tuple[Edit, ...] = ()
    if len({(limit.limit, limit.unit) for limit in limits}) == 1:
        value = _limit_in_unit(limits[0], amount, facts)
        edits = (
            () if math.isnan(value) else (reading.edit(amount.first, amount.first, f"{value:g}"),)
        )
    return Claim("limit", "wrong", f"no limit of {reading.source(amount.first)}", edits)


def _fits(limit: LimitFacts, amount: Amount) -> bool:
    """Whether a limit can be said in a unit."""
    if amount.unit in ("px", "mm"):
        return limit.unit in ("px", "mm") and limit.power == amount.power
    return limit.unit == ("%" if amount.unit == "%" else "")


def _limit_in_unit(limit: LimitFacts, amount: Amount, facts: Facts) -> float:
    value = limit.limit
    if amount.unit in ("px", "mm"):
        if limit.unit == "mm":
            value = value / facts.mm_per_px**limit.power if facts.mm_per_px else math.nan
            return _in_unit(value, amount, facts) if facts.mm_per_px else _same_unit(limit, amount)
        return _in_unit(value, amount, facts)
    return value


def _same_unit(limit: LimitFacts, amount: Amount) -> float:
    return limit.limit / amount.mm**amount.power if amount.mm else math.nan


def _size(reading: Reading, amount: Amount, roles: frozenset[str], facts: Facts) -> Bound | Claim:
    """A length or an area of a place."""
    if "unknown" in roles:
        return _no_evidence(reading, amount)
    clauses = [
        limit
        for limit in named_limits(reading, amount.first, facts, roles)
        if limit.measured is not None and limit.unit in ("px", "mm") and limit.power == amount.power
    ]
    is_named = any(token.kind == "clause" for token in reading.tokens)
    if "measured" in roles and is_named:
        right = amount.means_any(_measured_in_unit(limit, amount, facts) for limit in clauses)
        return Claim("limit", "right" if right else "wrong", "that was not measured")

    def holds(place: PlaceFacts) -> bool:
        if amount.means_any(_in_unit(v, amount, facts) for v in _values(place, amount, roles)):
            return True
        if "measured" not in roles and "edge" not in roles:
            return False
        own = [limit for limit in clauses if place.id in limit.place_ids]
        return amount.means_any(_measured_in_unit(limit, amount, facts) for limit in own)

    def mend(place: PlaceFacts) -> tuple[Edit, ...]:
        role = next((role for role in _LENGTHS if role in roles), "")
        if amount.bound or len(roles & set(_LENGTHS)) > 1:
            return ()
        if amount.power == 2 or "area" in roles:
            return _written(reading, amount, place.area_px, facts)
        values = place.lengths_px.get(role, ())
        return _written(reading, amount, values[0], facts) if values and role != "box" else ()

    return Bound("size", amount.first, amount.last, holds, mend)


def _measured_in_unit(limit: LimitFacts, amount: Amount, facts: Facts) -> float:
    return _limit_in_unit(replace(limit, limit=limit.measured or 0.0), amount, facts)


def _values(place: PlaceFacts, amount: Amount, roles: frozenset[str]) -> tuple[float, ...]:
    """What of a place a length or an area may mean, in pixels."""
    if amount.power == 2 or "area" in roles:
        return (place.area_px,)
    known = [role for role in _LENGTHS if role in roles]
    return tuple(v for role in known or _ANY_LENGTH for v in place.lengths_px.get(role, ()))


def _in_unit(pixels: float, amount: Amount, facts: Facts) -> float:
    """A length or an area in pixels in the unit that is said."""
    if amount.unit != "mm":
        return pixels
    if facts.mm_per_px is None or amount.mm is None:
        return math.nan
    return float(pixels * (facts.mm_per_px / amount.mm) ** amount.power)


def _written(reading: Reading, amount: Amount, pixels: float, facts: Facts) -> tuple[Edit, ...]:
    """A length or an area of a place written in the unit that is said, or in pixels."""
    if amount.unit == "mm" and facts.mm_per_px is None:
        unit = "px²" if amount.power == 2 else "px"
        return (reading.edit(amount.first, amount.last, f"{pixels:.0f} {unit}"),)
    value = _in_unit(pixels, amount, facts)
    text = in_words(value, 2) if amount.unit == "mm" else f"{value:.0f}"
    return (reading.edit(amount.first, amount.first, text),)


def _plain(reading: Reading, amount: Amount, roles: frozenset[str], facts: Facts) -> Claim | Bound:
    """A number without a unit, or of percent, by what stands beside it."""
    said = amount.share() if amount.unit == "%" else amount
    of_image = [v for role in _OF_IMAGE if role in roles for v in facts.numbers[role]]
    if said.means_any(of_image) or _is_measured(reading, amount, roles, facts):
        return Claim("number", "right")
    wanted = [role for role in _OF_PLACE if role in roles]
    if not wanted:
        return _no_evidence(reading, amount)

    def holds(place: PlaceFacts) -> bool:
        return said.means_any(
            v
            for role in wanted
            for v in (*place.numbers.get(role, ()), *place.lengths_px.get(role, ()))
        )

    return Bound("number", amount.first, amount.last, holds, no_mend)


def _is_measured(reading: Reading, amount: Amount, roles: frozenset[str], facts: Facts) -> bool:
    """Whether a rule measured a count, a score or a percentage so."""
    if "measured" not in roles:
        return False
    unit = "%" if amount.unit == "%" else ""
    limits = named_limits(reading, amount.first, facts, roles)
    return amount.means_any(
        limit.measured for limit in limits if limit.measured is not None and limit.unit == unit
    )


def _no_evidence(reading: Reading, amount: Amount) -> Claim:
    return Claim("number", "wrong", f"no evidence for {reading.source(amount.first)}")
