"""What a sentence says of rules: whether they hold, which there are and what they allow."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.facts import Facts, LimitFacts
from experts.claims.kinds import Lexicon
from experts.claims.reading import Claim, Edit, Reading
from experts.claims.roles import named_limits
from experts.claims.words import listed

_RULES = listed(
    "limit limits tolerance tolerances rule rules clause clauses specification specifications "
    "standard standards criteria criterion expectations spec specs requirement requirements "
    "allowed allowable permitted permissible tolerated allowance maximum grenzwert grenzwerte "
    "grenze toleranz regel regeln erlaubt zulassig"
)
_WITHIN = (
    "within", "inside", "below", "under", "meets", "meet", "met", "satisfies", "satisfy",
    "satisfied", "complies with", "comply with", "respects", "respect", "respected", "holds",
    "hold", "fulfils", "fulfills", "fulfilled", "observed", "smaller than", "shorter than",
    "narrower than", "less than", "fewer than", "innerhalb", "eingehalten", "unter", "is kept",
    "are kept",
)  # fmt: skip
_BEYOND = (
    "exceeds", "exceed", "exceeded", "exceeding", "violates", "violate", "violated", "violating",
    "violation", "breaks", "break", "broken", "breached", "breaches", "breach", "beyond", "above",
    "over", "outside", "out of", "larger than", "longer than", "wider than", "greater than",
    "bigger than", "more than", "higher than", "uberschreitet", "uberschritten", "verletzt",
    "ausserhalb", "surpasses", "fails",
)  # fmt: skip
_TOO = {
    **dict.fromkeys(listed("long lang"), ("length",)),
    **dict.fromkeys(listed("wide thick broad breit"), ("width",)),
    **dict.fromkeys(listed("many viele"), ("count",)),
    **dict.fromkeys(
        listed("large big gross"), ("length", "width", "diameter", "area", "total_area")
    ),
    **dict.fromkeys(listed("close near"), ("distance_to_edge",)),
    **dict.fromkeys(listed("small short narrow far few"), ()),
}
_QUANTITY_WORDS = {
    **dict.fromkeys(listed("length long longer"), ("length",)),
    **dict.fromkeys(listed("width wide wider thickness"), ("width",)),
    **dict.fromkeys(listed("diameter"), ("diameter",)),
    **dict.fromkeys(listed("area"), ("area", "total_area")),
    **dict.fromkeys(listed("number count many"), ("count",)),
    **dict.fromkeys(listed("distance"), ("distance_to_edge",)),
}
_FAR = 8
_ALLOWS = listed("allows allow allowed permits permit permitted tolerates tolerated erlaubt")


def limit_claims(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """What is said of rules and of what came of them."""
    yield from _unknown_clauses(reading, facts)
    yield from _allowances(reading, facts, lexicon)
    for index in range(len(reading.tokens)):
        if index in reading.used:
            continue
        _skip_kind(reading, index, lexicon)
        if claim := _too(reading, index, facts) or _outcome(reading, index, facts, lexicon):
            yield claim


def _skip_kind(reading: Reading, index: int, lexicon: Lexicon) -> None:
    """The limit for scratches is said of a rule, not of a place."""
    is_rule = reading.word(index) in _RULES and reading.word(index + 1) in ("for", "of", "on")
    if is_rule and (match := lexicon.at(reading, index + 2)):
        reading.use(match.first, match.first + match.length - 1)


def _unknown_clauses(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """Rules that there are not: a name with a dot, or one in ticks behind "clause"."""
    for index in range(len(reading.tokens)):
        if reading.word(index) not in ("clause", "rule", "regel"):
            continue
        following = reading.tokens[index + 1 : index + 2]
        if not following or following[0].kind in ("clause", "mark", "number"):
            continue
        token = following[0]
        around = reading.text[max(0, token.start - 1) : token.end + 1]
        if "`" in around or (around.endswith(".") and reading.text[token.end + 1 :][:1].isalnum()):
            yield Claim("limit", "wrong", "there is no such clause")


def _allowances(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """None is allowed, no clause allows it."""
    for index in range(len(reading.tokens)):
        if reading.word(index) not in _ALLOWS:
            continue
        if reading.word(index + 1) in ("none", "nothing", "no"):
            reading.use(index, index + 1)
            yield _none_allowed(reading, index, facts, lexicon)
        elif noes := reading.negators(reading.before(index, _FAR)):
            reading.use(index, index)
            reading.used.update(noes)
            yield _none_allowed(reading, index, facts, lexicon)


def _none_allowed(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> Claim:
    limits = _of_kinds(reading, named_limits(reading, index, facts), lexicon)
    for match in filter(None, (lexicon.at(reading, i) for i in reading.in_segment(index))):
        reading.use(match.first, match.first + match.length - 1)
    none = any(limit.quantity == "count" and limit.limit == 0 for limit in limits)
    # What no clause speaks of is not allowed either; then it was rejected for that.
    unruled = facts.verdict == "reject" and not any(limit.within is False for limit in facts.limits)
    return _claim(none or unruled, "that is not what the rules say")


def _too(reading: Reading, index: int, facts: Facts) -> Claim | None:
    """Too long, too many."""
    if reading.word(index) not in ("too", "zu") or reading.word(index + 1) not in _TOO:
        return None
    reading.use(index, index + 1)
    noes = reading.negators(reading.before(index, 3))
    reading.used.update(noes)
    quantities = _TOO[reading.word(index + 1)]
    limits = [x for x in facts.limits if x.quantity in quantities and x.within is not None]
    broken = any(not limit.within for limit in limits)
    if noes and not limits:
        return Claim("limit", "doubt", "no rule was computed for that")
    return _claim(broken != bool(noes), "that is not what the rules say")


def _outcome(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> Claim | None:
    """Within the limit, exceeds what is allowed, violates rule x."""
    within, beyond = reading.follows(index, *_WITHIN), reading.follows(index, *_BEYOND)
    length = within or beyond
    if not length or not _speaks_of_rules(reading, index):
        return None
    noes = reading.negators(i for i in reading.before(index, 4))
    reading.use(index, index + length - 1)
    reading.used.update(noes)
    limits = _meant(reading, index, facts, lexicon)
    says_within = bool(within) != bool(noes)
    if not limits and facts.verdict == "accept" and not facts.places:
        # Where nothing stands out, there is nothing that could break a rule.
        return _claim(says_within, "no rule is broken")
    if not limits or len(noes) > 1:
        return Claim("limit", "doubt", "it is not clear which rule is meant")
    holding = [limit.within for limit in limits]
    right = all(holding) if says_within else not all(holding)
    ids = ", ".join(limit.id for limit in limits[:2])
    why = f"{ids} {'holds' if all(holding) else 'does not hold'}"
    return _claim(right, why, _mend(reading, index, length, limits, noes))


def _speaks_of_rules(reading: Reading, index: int) -> bool:
    """Whether a rule stands near, in the same part of the sentence or right behind it."""
    near = [*reading.before(index, _FAR), *reading.after(index, _FAR), index + 1]
    return any(
        reading.word(i) in _RULES
        or (i < len(reading.tokens) and reading.tokens[i].kind == "clause")
        for i in near
    )


def _meant(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> list[LimitFacts]:
    """The rules whose outcome is told, as far as words tell them apart."""
    named = any(token.kind == "clause" for token in reading.tokens)
    limits = [limit for limit in named_limits(reading, index, facts) if limit.within is not None]
    if named:
        return limits
    here = {reading.word(i) for i in reading.in_segment(index)}
    quantities = {q for word in here for q in _QUANTITY_WORDS.get(word, ())}
    by_quantity = [limit for limit in limits if not quantities or limit.quantity in quantities]
    by_number = [
        limit
        for limit in by_quantity
        if any(reading.is_number(i) and _says(reading, i, limit) for i in reading.in_segment(index))
    ]
    return _of_kinds(reading, by_number or by_quantity, lexicon)


def _of_kinds(reading: Reading, limits: list[LimitFacts], lexicon: Lexicon) -> list[LimitFacts]:
    """Those rules that are for a kind that the sentence names, and for any kind."""
    matches = (lexicon.at(reading, i) for i in range(len(reading.tokens)))
    names = {match.name for match in matches if match}
    return [x for x in limits if not names or x.defect is None or x.defect in names]


def _says(reading: Reading, index: int, limit: LimitFacts) -> bool:
    return reading.tokens[index].text.replace(",", ".") == f"{limit.limit:g}"


def _mend(
    reading: Reading, index: int, length: int, limits: list[LimitFacts], noes: list[int]
) -> tuple[Edit, ...]:
    """The other outcome in its place, for the commonest words."""
    if len(limits) != 1 or noes:
        return ()
    word = reading.word(index)
    last = index + length - 1
    if word == "within" and reading.word(index - 1) == "is":
        return (reading.edit(index, last, "not within"),)
    if word in ("exceeds", "violates", "breaks"):
        behind = reading.word(index + 1)
        instead = "is within" if word == "exceeds" and behind == "the" else ""
        instead = instead or ("meets" if word != "exceeds" else "")
        return (reading.edit(index, last, instead),) if instead else ()
    return ()


def _claim(right: bool, why: str, edits: tuple[Edit, ...] = ()) -> Claim:
    return Claim("limit", "right" if right else "wrong", why, () if right else edits)
