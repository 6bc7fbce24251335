"""Numbers and units as they are said, and whether a value is meant by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from experts.claims.reading import Reading
from experts.claims.words import listed

# "About 12" may be so far off.
APPROXIMATE = 0.15
_ROUNDING = 1e-6
# Of digits, with a sign; nothing here is measured in larger powers of ten.
_LONGEST_EXPONENT = 3
_HIGHEST_POWER = 99
_APPROX = listed(
    "about roughly approximately approx around nearly almost circa ca some near close etwa rund "
    "ungefahr knapp gut"
)
_MM: dict[str, float] = {
    **dict.fromkeys(listed("mm millimetre millimetres millimeter millimeters millimetern"), 1.0),
    **dict.fromkeys(listed("cm centimetre centimetres centimeter centimeters zentimeter"), 10.0),
    **dict.fromkeys(listed("m metre metres meter meters"), 1000.0),
    **dict.fromkeys(
        listed("um micrometre micrometres micrometer micrometers micron microns mikrometer"), 1e-3
    ),
    **dict.fromkeys(listed("nm nanometre nanometres nanometer nanometers"), 1e-6),
    **dict.fromkeys(listed("inch inches"), 25.4),
    **dict.fromkeys(listed("mil mils thou"), 0.0254),
}
_PX = listed("px pixel pixels pixeln")
_SQUARE = listed("square sq quadrat")
_TIMES = listed("times fold x mal fache")
_ABOVE = ("more than", "larger than", "longer than", "wider than", "greater than", "bigger than",
          "higher than", "thicker than", "above", "over", "beyond", "exceeds", "exceed",
          "exceeding", "upwards of", "langer als", "grosser als", "breiter als",
          "mehr als")  # fmt: skip
_BELOW = ("less than", "smaller than", "shorter than", "narrower than", "fewer than", "below",
          "under", "lower than", "thinner than", "kurzer als", "kleiner als",
          "weniger als")  # fmt: skip
_AT_LEAST = ("at least", "no less than", "not less than", "mindestens", "from")
_AT_MOST = ("at most", "up to", "no more than", "not more than", "no larger than", "not exceeding",
            "maximum of", "within", "hochstens", "maximal", "bis zu")  # fmt: skip
_BOUNDS = {
    **dict.fromkeys(_ABOVE, ">"),
    **dict.fromkeys(_BELOW, "<"),
    **dict.fromkeys(_AT_LEAST, ">="),
    **dict.fromkeys(_AT_MOST, "<="),
}
_SIGNS = {"<": "<", ">": ">", "≤": "<=", "≥": ">="}


class Amount(NamedTuple):
    """A number as it is said.

    Attributes:
        first: Its first token, with a unit in the middle of a pair.
        last: Its last token, that of the unit.
        values: What it may mean; a comma may stand before decimals or thousands.
        digits: Decimals that it is said with, one for each value.
        power: 2 for an area.
        mm: How many mm the unit has; ``None`` for pixels and for no unit.
        unit: ``mm``, ``px``, ``%``, ``times`` or empty.
        approximate: Whether it is said to be about right.
        bound: ``<``, ``>``, ``<=``, ``>=`` or empty.
        lead: How many tokens before it say so.
    """

    first: int
    last: int
    values: tuple[float, ...]
    digits: tuple[int, ...]
    power: int
    mm: float | None
    unit: str
    approximate: bool
    bound: str
    lead: int

    def means(self, value: float) -> bool:
        """Whether a value, in the unit that is said, is meant."""
        return any(self._means(value, *said) for said in zip(self.values, self.digits, strict=True))

    def _means(self, value: float, said: float, digits: int) -> bool:
        slack = _ROUNDING * abs(value)
        half = 0.5 * 10.0**-digits + slack
        if self.bound in ("<", "<="):
            return value < said + (half if self.bound == "<=" else 0)
        if self.bound in (">", ">="):
            return value > said - (half if self.bound == ">=" else 0)
        if self.approximate:
            half = max(half, APPROXIMATE * abs(value) + slack)
        return abs(said - value) <= half

    def means_any(self, values: Iterable[float]) -> bool:
        """Whether any of some values is meant."""
        return any(self.means(value) for value in values)

    def share(self) -> Amount:
        """A number of percent as a share of 1."""
        return self._replace(
            values=tuple(value / 100 for value in self.values),
            digits=tuple(digits + 2 for digits in self.digits),
        )

    def exactly(self) -> Amount:
        """The same number without what says that it is a bound."""
        return self._replace(bound="")


def amount_at(reading: Reading, index: int) -> Amount | None:
    """The number at a token, with the unit behind it."""
    if not reading.is_number(index):
        return None
    readings = _readings(reading.tokens[index].text)
    unit, mm, power, length = _unit(reading, index + 1)
    key = reading.word(index - 2) if reading.mark(index - 1) == ":" else ""
    if not unit and (key in _PX or key in _MM):
        # As in an object: "length_mm": 1.2
        unit, mm = ("px", None) if key in _PX else ("mm", _MM[key])
    bound, approximate, lead = _lead(reading, index)
    return Amount(
        first=index,
        last=index + length,
        values=tuple(value for value, _ in readings),
        digits=tuple(digits for _, digits in readings),
        power=power,
        mm=mm,
        unit=unit,
        approximate=approximate,
        bound=bound,
        lead=lead,
    )


def with_unit_of(amount: Amount, other: Amount) -> Amount:
    """A number without a unit, in the unit of the next one: "12 × 2 mm"."""
    if amount.unit:
        return amount
    return amount._replace(unit=other.unit, mm=other.mm, power=other.power)


def _readings(text: str) -> list[tuple[float, int]]:
    """What a number may mean, and with how many decimals it is said."""
    body, _, exponent = text.partition("e")
    if len(exponent) > _LONGEST_EXPONENT:
        return []
    power = min(int(exponent or 0), _HIGHEST_POWER)
    marks = [c for c in body if c in ".,"]
    forms: set[str] = set()
    if not marks:
        forms = {body}
    elif len(set(marks)) == 2:
        last = marks[-1]
        if marks.count(last) == 1:
            forms = {body.replace("," if last == "." else ".", "").replace(last, ".")}
    elif len(marks) == 1:
        forms = {body.replace(",", ".")}
        if marks == [","] and len(body.partition(",")[2]) == 3:
            forms.add(body.replace(",", ""))
    elif all(len(group) == 3 for group in body.replace(",", ".").split(".")[1:]):
        forms = {body.replace(marks[0], "")}
    return [
        (float(form) * 10.0**power, len(form.partition(".")[2]) - power) for form in sorted(forms)
    ]


def _unit(reading: Reading, index: int) -> tuple[str, float | None, int, int]:
    """Unit, its mm, its power, and of how many tokens it is."""
    power, length = 1, 0
    if reading.word(index) in _SQUARE:
        power, length = 2, 1
    word = reading.word(index + length)
    if word in _PX or word in _MM:
        length += 1
        squared = reading.tokens[index + length : index + length + 1]
        if squared and squared[0].text == "2" and _touches(reading, index + length):
            power, length = 2, length + 1
        return ("px", None, power, length) if word in _PX else ("mm", _MM[word], power, length)
    if reading.mark(index) == "%" or reading.word(index) in ("percent", "prozent"):
        return "%", None, 1, 1
    if reading.word(index) in _TIMES and not reading.is_number(index + 1):
        return "times", None, 1, 1
    return "", None, 1, 0


def _touches(reading: Reading, index: int) -> bool:
    between = reading.text[reading.tokens[index - 1].end : reading.tokens[index].start]
    return between in ("", "^", "**")


def _lead(reading: Reading, index: int) -> tuple[str, bool, int]:
    """Bound, whether it is about right, and how many tokens before a number say so."""
    lead, approximate, bound = 0, False, ""
    while lead < 6:
        at = index - lead - 1
        if reading.word(at) in _APPROX or reading.mark(at) in ("~", "≈"):
            approximate, lead = True, lead + 1
        elif reading.mark(at) in _SIGNS and not bound:
            bound, lead = _SIGNS[reading.mark(at)], lead + 1
        elif not bound and (found := _bound_before(reading, at)):
            bound, lead = found[0], lead + found[1]
        elif reading.word(at) in ("the", "a", "an", "of", "only", "just") and bound == "":
            # "More than the 0.4 mm" is a bound as well.
            if not _bound_before(reading, at - 1):
                break
            lead += 1
        else:
            break
    return bound, approximate, lead


def _bound_before(reading: Reading, at: int) -> tuple[str, int] | None:
    for length in (3, 2, 1):
        phrase = " ".join(reading.word(at - i) for i in reversed(range(length)))
        if phrase in _BOUNDS:
            return _BOUNDS[phrase], length
    return None
