"""What a sentence says of where a defect comes from, and of what becomes of it once replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experts.claims.facts import Facts
from experts.claims.kind_words import COMMON, english_for, substance_in
from experts.claims.kinds import Lexicon
from experts.claims.looks import form_of, tone_of
from experts.claims.reading import Claim, Reading, is_negator
from experts.claims.words import COPULAS, GENERIC, HEDGES, PRONOUNS, listed, singular
from experts.evidence import Cause, Healed

_COMES_FROM = (
    "caused by", "due to", "because of", "owing to", "results from", "resulting from",
    "result of", "stems from", "stem from", "comes from", "come from", "originates from",
    "attributed to", "induced by", "produced by", "left by", "left behind by", "made by",
    "verursacht durch", "verursacht von", "entstanden durch", "hervorgerufen durch", "aufgrund",
    "infolge", "wegen", "stammt von", "stammt vom", "stammt aus", "ruhrt von", "kommt von",
    "kommt vom",
)  # fmt: skip
_SMALL = listed(
    "a an the some any this that its their it during in of on at to from with by and or der die "
    "das den dem des ein eine einen einem einer von vom aus im in am bei mit when while as after "
    "before then later both als wenn wahrend"
)
_FAR = 20
_BEHIND = listed("of at in on near with by from to von am im an bei mit aus")
# So many letters tell a word from others, whatever its ending.
_STEM = 5
# Of rules, and of the places themselves, something may be because.
_COMPUTED = listed(
    "limit limits rule rules clause clauses score value p length width area diameter size number "
    "count deviation difference grenzwert regel klausel lange breite flache"
)

_GONE = (
    "vanishes", "vanish", "vanished", "disappears", "disappear", "disappeared", "goes away",
    "go away", "went away", "is gone", "are gone", "nothing stands out any more", "verschwindet",
    "verschwinden", "verschwand", "verschwunden",
)  # fmt: skip
_STAYS = (
    "persists", "persist", "persisted", "still stands out", "still stand out", "still unusual",
    "remains unusual", "bleibt bestehen", "bleiben bestehen", "bleibt auffallig",
)  # fmt: skip
_WEAKER = (
    "weakens", "weaken", "weakened", "becomes weaker", "gets weaker", "fades", "faded",
    "diminishes", "diminished", "lessens", "lessened", "schwacht sich", "schwachte sich",
    "schwachen sich", "wird schwacher",
)  # fmt: skip
_SLIGHTLY = listed(
    "slightly little barely hardly marginally somewhat leicht kaum wenig geringfugig"
)
# It becomes weaker by less than this share only slightly.
_SLIGHT = 0.3
_LEAST = 0.05


def substance_claims(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """A coffee stain, oil residue, glue: nothing tells of these but a knowledge file that does."""
    for token in reading.tokens:
        if token.kind != "word" or not (said := substance_in(token.text)):
            continue
        if not {said, token.text} & facts.words:
            yield Claim("cause", "wrong", f"no evidence for {said}")


def cause_claims(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """Caused by something: the knowledge file must say it of a kind that the place may be."""
    for index in range(len(reading.tokens)):
        length = reading.follows(index, *_COMES_FROM)
        if not length:
            continue
        named = [i for i in reading.after(index + length - 1, _FAR) if _tells(reading, i)]
        if named and not (
            _is_computed(reading, named, facts, lexicon) or _is_told(reading, named, facts)
        ):
            yield Claim("cause", "wrong", "nothing in the evidence says where it comes from")


def _tells(reading: Reading, index: int) -> bool:
    word = reading.word(index)
    return bool(word) and word not in _SMALL | COPULAS | HEDGES and not is_negator(word)


def _is_computed(reading: Reading, named: Sequence[int], facts: Facts, lexicon: Lexicon) -> bool:
    """Whether it rests on something that other checks read: a rule, a size, a place, a kind."""
    known = _COMPUTED | PRONOUNS | GENERIC | facts.part_words
    # "The exposure at this place" is an exposure.
    thing = [i for i in named if not any(reading.word(j) in _BEHIND for j in range(named[0], i))]
    return any(
        reading.word(i) in known
        or tone_of(reading.word(i))
        or form_of(reading.word(i))
        or lexicon.covers(reading, i)
        or singular(reading.word(i)) in COMMON
        or english_for(reading.word(i))
        for i in thing
    )


def _is_told(reading: Reading, named: Sequence[int], facts: Facts) -> bool:
    """Whether one kind that the places may be has all that is named for its cause."""
    said = [reading.word(i) for i in named]
    causes = ({word[:_STEM] for word in kind.cause} for kind in facts.kinds_told)
    return any(all(word[:_STEM] in cause for word in said) for cause in causes)


def healing_claims(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """The anomaly vanishes once its place is replaced, stays, or becomes weaker."""
    for index in range(len(reading.tokens)):
        gone = reading.follows(index, *_GONE)
        stays = reading.follows(index, *_STAYS)
        weaker = reading.follows(index, *_WEAKER)
        length = gone or stays or weaker
        if not length or index in reading.used:
            continue
        slight = {*reading.words_before(index, 4)}
        slight |= {reading.word(i) for i in reading.after(index + length - 1, 3)}
        noes = reading.negators(reading.before(index, 4))
        # "Hardly weakens" says how much.
        noes = [i for i in noes if reading.word(i) not in _SLIGHTLY]
        if facts.healed is None:
            yield Claim("healed", "wrong", "that was not tried")
            continue
        reading.use(index, index + length - 1)
        reading.used.update(i for i in reading.in_segment(index) if reading.word(i) in _SLIGHTLY)
        reading.used.update(noes)
        says = "weaker" if weaker else "gone" if gone else "stays"
        right = _is_so(says, bool(slight & _SLIGHTLY), _about(reading, facts.healed), facts.healed)
        state = len(noes) < 2 and right != bool(noes)
        yield Claim("healed", "right" if state else "wrong", "that is not what became of it")


def _about(reading: Reading, cause: Cause) -> list[Healed]:
    """The regions that are named, or all that were replaced."""
    named = {token.text for token in reading.tokens if token.kind == "region"}
    return [h for h in cause.healed if h.region_id in named] or list(cause.healed)


def _is_so(says: str, slightly: bool, about: list[Healed], cause: Cause) -> bool:
    whole = len(about) == len(cause.healed)
    stays = any(healed.stays for healed in about) or (whole and not cause.explains)
    if says != "weaker":
        return stays == (says == "stays")
    shares = [healed.after / healed.before for healed in about if healed.before]
    weaker = bool(shares) and max(shares) < 1 - _LEAST
    if slightly:
        return stays and bool(shares) and min(shares) > 1 - _SLIGHT
    return weaker
