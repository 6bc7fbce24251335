"""What a number is said to be, by the words beside it, and which rules a sentence speaks of."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.facts import Facts, LimitFacts
from experts.claims.numbers import Amount
from experts.claims.reading import Reading
from experts.claims.words import listed

# Words, folded, and the role that they give a number beside them.
_ROLES: dict[str, str] = {
    **dict.fromkeys(listed("length long lengths lang lange longest"), "length"),
    **dict.fromkeys(listed("width wide widths breit breite thick thickness broad"), "width"),
    **dict.fromkeys(listed("diameter across durchmesser"), "diameter"),
    **dict.fromkeys(listed("height high tall hoch hohe"), "box"),
    **dict.fromkeys(listed("deep depth tief tiefe weighs weight"), "unknown"),
    **dict.fromkeys(listed("area covers cover covering flache surface occupies"), "area"),
    **dict.fromkeys(listed("image photo picture"), "area"),
    **dict.fromkeys(listed("distance away abstand"), "edge"),
    **dict.fromkeys(
        listed(
            "limit limits allowed allows allow permitted permits permissible tolerance tolerances "
            "tolerated max min maximum minimum allowance allowable erlaubt grenzwert grenze "
            "toleranz threshold limited"
        ),
        "limit",
    ),
    **dict.fromkeys(listed("measured measures measure measuring gemessen misst"), "measured"),
    **dict.fromkeys(listed("score scores scored scoring"), "score"),
    "p": "p",
    **dict.fromkeys(listed("alpha promise promises promised rate rejects"), "alpha"),
    **dict.fromkeys(listed("similarity similar cosine ahnlichkeit"), "similarity"),
    **dict.fromkeys(listed("confidence confident sicherheit konfidenz"), "confidence"),
    **dict.fromkeys(listed("enrol enroll enrolled"), "enrol"),
    "peak": "peak",
    **dict.fromkeys(
        listed("contrast difference grey gray brightness darker brighter differs"), "grey"
    ),
    **dict.fromkeys(listed("elongation elongated aspect"), "elongation"),
    **dict.fromkeys(listed("probability probable likelihood probabilities"), "probability"),
    **dict.fromkeys(listed("coverage named"), "coverage"),
    **dict.fromkeys(listed("box corner corners coordinates x y pixel position"), "corner"),
    **dict.fromkeys(listed("resolution size"), "size"),
    "line": "line",
    **dict.fromkeys(listed("scale per"), "scale"),
}
_BACK = 14
_AHEAD = 2
_AHEAD_OF_PARTS = 3
_STOPS = (",", ";", "(", ")", "|")
# Of the quantities of rules, those that a role may mean.
_QUANTITIES = {
    "length": ("length",),
    "width": ("width",),
    "diameter": ("diameter", "length"),
    "area": ("area", "total_area"),
    "edge": ("distance_to_edge",),
}


def roles_of(reading: Reading, amount: Amount, facts: Facts) -> frozenset[str]:
    """What a number is said to be; several roles where the words leave it open."""
    ahead = _ahead(reading, amount.last)
    roles = set(_beside(ahead))
    if amount.unit == "%" and "area" not in roles:
        roles |= {_ROLES[word] for word in ahead if word in _ROLES}
    if facts.parts_words.union(["normal", "good", "calibration"]).intersection(ahead):
        roles |= {"compared", "above", "enrol"}
    if amount.unit == "times":
        roles.add("times")
    # "20 px long" says what it is; what stands before may belong to another number.
    if roles & {"length", "width", "diameter", "box", "unknown"}:
        return frozenset(roles - {"area"})
    back = _back(reading, amount)
    roles |= {_ROLES[word] for word in back if word in _ROLES}
    if reading.tokens[amount.first - 1 : amount.first] and _is_opinion(reading, amount, facts):
        roles |= {"opinion", "probability"}
    if not roles and _stands_behind_clause(reading, amount):
        return frozenset({"limit" if amount.bound else "measured"})
    if {"limit", "up"} & (roles | set(back)) and "measured" not in back[:2] and _is_rule(back):
        roles.add("limit")
    return frozenset(roles)


def _beside(ahead: list[str]) -> Iterator[str]:
    """The roles right behind a number: "20 px long", "0.4 mm are allowed"."""
    for word in ahead[:_AHEAD]:
        if word in _ROLES:
            yield _ROLES[word]
        elif word not in ("is", "are", "was", "were"):
            return


def named_limits(
    reading: Reading, index: int, facts: Facts, roles: frozenset[str] = frozenset()
) -> list[LimitFacts]:
    """The rules that a sentence speaks of: the one that it names last, or all that fit."""
    named = [i for i, token in enumerate(reading.tokens) if token.kind == "clause"]
    quantities = {q for role in roles for q in _QUANTITIES.get(role, ())}
    if named:
        nearest = max((i for i in named if i < index), default=named[0])
        of_name = [limit for limit in facts.limits if limit.id == reading.tokens[nearest].text]
        # "Rule a (none) is broken, and the length exceeds 2 mm" speaks of another in its end.
        if not quantities or any(limit.quantity in quantities for limit in of_name):
            return of_name
    fitting = [limit for limit in facts.limits if limit.quantity in quantities]
    return fitting or list(facts.limits)


def _stands_behind_clause(reading: Reading, amount: Amount) -> bool:
    """Whether nothing but a mark stands between the name of a clause and a number."""
    before = amount.first - amount.lead - 1
    before -= bool(reading.mark(before))
    return before >= 0 and reading.tokens[before].kind == "clause"


def _is_rule(back: list[str]) -> bool:
    """Whether the words before a number speak of what a rule allows."""
    return any(_ROLES.get(word) == "limit" for word in back)


def _is_opinion(reading: Reading, amount: Amount, facts: Facts) -> bool:
    return amount.unit == "%" and bool(facts.opinion) and speaks_of_opinion(reading, facts)


def speaks_of_opinion(reading: Reading, facts: Facts) -> bool:
    """Whether a sentence tells what a language model takes the image for."""
    if not facts.opinion:
        return False
    return any(
        reading.follows(
            i, "takes the image for", "took the image for", "takes it for", "language model"
        )
        for i in range(len(reading.tokens))
    )


def _ahead(reading: Reading, last: int) -> list[str]:
    words: list[str] = []
    for index in range(last + 1, last + 4 + _AHEAD_OF_PARTS):
        word = reading.word(index)
        if not word and not (reading.is_number(index) and reading.word(index - 1) in ("of", "the")):
            break
        if word and word not in ("in", "of", "the"):
            words.append(word)
    return words


def _back(reading: Reading, amount: Amount) -> list[str]:
    """The words before a number, nearest first, up to the next number or mark."""
    words: list[str] = []
    for index in range(amount.first - 1, max(-1, amount.first - 1 - _BACK - amount.lead), -1):
        token = reading.tokens[index]
        bracket = token.text == "(" and index == amount.first - 1
        if token.kind == "number" or token.text in ("and", "but"):
            break
        if token.text in _STOPS and not bracket:
            break
        if token.kind == "word":
            words.append(token.text)
    return words
