"""Which place each claim is about, and whether all that is said of it is true of one place.

Who speaks of "a dark line at the top left, 20 px long" says three things of one place. So claims
are taken together until another place is introduced, and one place must fit them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from experts.claims.bound import Bound
from experts.claims.facts import Facts, PlaceFacts
from experts.claims.reading import Claim, Reading
from experts.claims.words import COPULAS, COUNT_WORDS, FAULTS, GENERIC, PLACES, PRONOUNS, listed

_NEW = listed("a an another one other second third ein eine einen") | COUNT_WORDS.keys()
_BELITTLING = listed("just merely simply only nothing")
_RELATIVE = listed("which that who whose")
_PREDICATIVE = COPULAS | listed("as for not no likely possibly probably of like than")
_PART_OF_ALL = listed("most majority mostly mainly only except meisten nur")
_THE = listed("the der die das den dem")
_ALL = listed("all both each every alle beide jede jeder")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
# What is said of these is said of other images.
_OTHERS = listed("normal good reference references usually typically flawless perfect")
_FORMS = listed("line spot dot blob streak speck")


class Resolved(NamedTuple):
    """What came of the claims about places.

    Attributes:
        claims: One for each.
        about: Ids of the regions that the sentence speaks of; ``None`` if that is not clear.
    """

    claims: tuple[Claim, ...]
    about: frozenset[str] | None


@dataclass
class _Group:
    """Claims about one place, or about each of some.

    Attributes:
        start: Where it begins in the sentence.
        ids: Regions that are named.
        bounds: What is said of them.
        listed: Whether it goes on with a list of places.
    """

    start: int
    ids: list[str] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)


def named_places(reading: Reading) -> Iterator[tuple[int, str]]:
    """Where regions are named, and which: "region-1", "place 2", "the second region"."""
    for index, token in enumerate(reading.tokens):
        if token.kind == "region":
            yield index, token.text
        following = reading.tokens[index + 1 : index + 2]
        if token.text in ("region", "place", "defect", "#") and following:
            number = following[0].text
            is_share = reading.mark(index + 2) == "%"
            if following[0].kind == "number" and number.isdecimal() and not is_share:
                reading.use(index, index + 1)
                yield index, f"region-{number.lstrip('0')}"
        noun = reading.word(index + 1)
        if token.text in _ORDINALS and noun in FAULTS | PLACES and not noun.endswith("s"):
            yield index, f"region-{_ORDINALS[token.text]}"


def resolve(
    reading: Reading,
    facts: Facts,
    named: Sequence[tuple[int, str]],
    bounds: Sequence[Bound],
    context: frozenset[str] | None,
) -> Resolved:
    """Say which claims about places are right.

    Args:
        reading: The sentence.
        facts: What is known.
        named: The regions that it names.
        bounds: What it says of places.
        context: The regions that the sentence before spoke of.
    """
    known = {place.id for place in facts.places}
    unknown = [Claim("place", "wrong", f"there is no {i}") for _, i in named if i not in known]
    if unknown:
        return Resolved(tuple(unknown), None)
    groups = _groups(reading, facts, named, bounds)
    if bounds and any(reading.word(i) in _OTHERS for i in range(3)):
        return Resolved((Claim("place", "doubt", "it says that of other images"),), None)
    if bounds and _calls_normal(reading, facts):
        return Resolved((Claim("place", "doubt", "it calls that normal"),), None)
    left = {reading.word(i) for i in range(len(reading.tokens)) if i not in reading.used}
    if bounds and len(facts.places) > 1 and left & _PART_OF_ALL:
        return Resolved(
            (Claim("place", "doubt", "of which places it says that is not clear"),), None
        )
    claims: list[Claim] = []
    about: list[frozenset[str]] = []
    for number, group in enumerate(groups):
        end = groups[number + 1].start if number + 1 < len(groups) else len(reading.tokens)
        found, ids = _check(reading, facts, group, end, context)
        claims += found
        about.append(ids)
    single = about[0] if len(about) == 1 and about[0] else None
    return Resolved(tuple(claims), single)


def _calls_normal(reading: Reading, facts: Facts) -> bool:
    """Whether "normal" is said of something other than the images that it was compared with."""
    return any(
        reading.word(i) in ("normal", "natural", "intended")
        and i not in reading.used
        and reading.word(i + 1) not in facts.parts_words
        for i in range(len(reading.tokens))
    )


def _groups(
    reading: Reading,
    facts: Facts,
    named: Sequence[tuple[int, str]],
    bounds: Sequence[Bound],
) -> list[_Group]:
    groups = [_Group(0)]
    events: list[tuple[int, str | Bound]] = [*named, *((b.first, b) for b in bounds)]
    for at, event in sorted(events, key=lambda entry: entry[0]):
        group = groups[-1]
        if isinstance(event, str):
            if group.bounds and group.ids:
                groups.append(group := _Group(at))
            group.ids.append(event)
            continue
        if group.bounds and _begins_anew(reading, facts, group, event):
            groups.append(group := _Group(group.bounds[-1].last + 1))
        group.bounds.append(event)
    return [group for group in groups if group.ids or group.bounds]


def _begins_anew(reading: Reading, facts: Facts, group: _Group, bound: Bound) -> bool:
    """Whether a claim is about another place than those before it."""
    last = group.bounds[-1].last
    if reading.segment[last] == reading.segment[bound.first]:
        return False
    between = [reading.word(i) for i in range(last + 1, bound.first)]
    if not _has_head(reading, group) or _RELATIVE.intersection(between):
        return False
    heads = bound.names or bool(GENERIC.intersection(between))
    if heads and any(_introduces(reading, i) for i in range(last + 1, bound.first)):
        return True
    fits = any(all(b.holds(p) for b in (*group.bounds, bound)) for p in facts.places)
    if fits or group.ids:
        return False
    is_list = bound.what == "place" and any(b.what == "place" for b in group.bounds)
    introduces = bound.what in ("kind", "looks") or bool(GENERIC.intersection(between))
    return is_list or (introduces and bool(_THE.intersection(between)))


def _has_head(reading: Reading, group: _Group) -> bool:
    """Whether a group has said of what it speaks; "in the centre, a line" has not yet."""
    said = {bound.what for bound in group.bounds}
    words = (reading.word(i) for i in range(group.bounds[-1].first))
    return bool(group.ids or said & {"kind", "looks", "rank"} or GENERIC.intersection(words))


def _introduces(reading: Reading, index: int) -> bool:
    """Whether "a", "another" and the like bring in another place, not a predicate."""
    before = reading.word(index - 1)
    there = reading.word(index - 2) == "there"
    return reading.word(index) in _NEW and (there or before not in _PREDICATIVE)


def _check(
    reading: Reading, facts: Facts, group: _Group, end: int, context: frozenset[str] | None
) -> tuple[list[Claim], frozenset[str]]:
    """The claims of a group, and the regions that it is about."""
    places = _meant(reading, facts, group, end, context)
    if places is not None:
        failing = [b for b in group.bounds if not all(b.holds(p) for p in places) or not places]
        claims = _claims(reading, group, failing, places, end)
        return claims, frozenset(p.id for p in places)
    fitting = [p for p in facts.places if all(b.holds(p) for b in group.bounds)]
    if fitting:
        return _claims(reading, group, [], fitting, end), frozenset(p.id for p in fitting)
    named = _best_named(facts, group)
    failing = [b for b in group.bounds if not all(b.holds(p) for p in named)] or group.bounds
    return _claims(reading, group, failing, named, end), frozenset()


def _meant(
    reading: Reading, facts: Facts, group: _Group, end: int, context: frozenset[str] | None
) -> Sequence[PlaceFacts] | None:
    """The regions of which all must be true; ``None`` if it must be true of any one."""
    if group.ids:
        return [place for place in facts.places if place.id in group.ids]
    if len(facts.places) < 2:
        return facts.places
    words = [reading.word(i) for i in range(group.start, end)]
    if _ALL.intersection(words):
        return facts.places
    pronoun = any(word in PRONOUNS for word in words[:3])
    named = any(bound.names for bound in group.bounds)
    if not named and any(token.kind == "clause" for token in reading.tokens):
        return None
    if pronoun or not named:
        return [p for p in facts.places if context is None or p.id in context]
    generic = any(
        word in GENERIC and words[i - 1 : i] == ["the"] for i, word in enumerate(words) if i
    )
    if generic and context is not None:
        return [p for p in facts.places if p.id in context]
    return None


def _best_named(facts: Facts, group: _Group) -> list[PlaceFacts]:
    """The place that the kind, the place or the looks tell apart, whichever is said first."""
    for what in dict.fromkeys(bound.what for bound in group.bounds if bound.names):
        naming = [b for b in group.bounds if b.what == what]
        fitting = [p for p in facts.places if all(b.holds(p) for b in naming)]
        if naming and len(fitting) == 1:
            return fitting
    return list(facts.places)


def _claims(
    reading: Reading,
    group: _Group,
    failing: Sequence[Bound],
    places: Sequence[PlaceFacts],
    end: int,
) -> list[Claim]:
    claims = []
    anchored = _is_anchored(reading, group, end) and not reading.has(_BELITTLING)
    for bound in group.bounds:
        if bound not in failing:
            claims.append(Claim(bound.what, "right"))
            continue
        edits = bound.mend(places[0]) if len(places) == 1 and anchored else ()
        why = f"{bound.what} is not so in the evidence"
        claims.append(Claim(bound.what, "wrong", why, edits))
    return claims


def _is_anchored(reading: Reading, group: _Group, end: int) -> bool:
    """Whether it is a region that a group speaks of, and not some other thing in the image."""
    if group.ids or {bound.what for bound in group.bounds} > {"kind"}:
        return True
    words = [reading.word(i) for i in range(group.start, end)]
    return bool((GENERIC | _FORMS).intersection(words)) or any(w in PRONOUNS for w in words[:2])
