"""What a sentence says of where a defect comes from, and of what becomes of it once replaced."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.facts import Facts, HealedFacts
from experts.claims.kind_words import COMMON, english_for, substance_in
from experts.claims.kinds import Lexicon
from experts.claims.reading import Claim, Reading, is_negator
from experts.claims.words import COPULAS, GENERIC, HEDGES, PRONOUNS, listed, singular

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
    "das den dem des ein eine einen einem einer von vom aus im in am bei mit"
)
_FAR = 6
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
    """Caused by something: the knowledge file must tell of it."""
    for index in range(len(reading.tokens)):
        length = reading.follows(index, *_COMES_FROM)
        if not length:
            continue
        named = [i for i in reading.after(index + length - 1, _FAR) if _tells(reading, i)]
        if named and not any(_is_known(reading, i, facts, lexicon) for i in named):
            yield Claim("cause", "wrong", "nothing in the evidence says where it comes from")


def _tells(reading: Reading, index: int) -> bool:
    word = reading.word(index)
    return bool(word) and word not in _SMALL | COPULAS | HEDGES and not is_negator(word)


def _is_known(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> bool:
    word = reading.word(index)
    if word in _COMPUTED | PRONOUNS | GENERIC | facts.part_words or lexicon.covers(reading, index):
        return True
    if singular(word) in COMMON or english_for(word):
        # Other checks say whether it is of that kind.
        return True
    return any(known[:_STEM] == word[:_STEM] for known in facts.words)


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


def _about(reading: Reading, healed: HealedFacts) -> list[str]:
    """The regions that are named, or all that were replaced."""
    named = [token.text for token in reading.tokens if token.kind == "region"]
    return [i for i in named if i in healed.after] or list(healed.after)


def _is_so(says: str, slightly: bool, ids: list[str], healed: HealedFacts) -> bool:
    whole = len(ids) == len(healed.after)
    stays = any(healed.stays(i) for i in ids) or (whole and not healed.explains)
    if says != "weaker":
        return stays == (says == "stays")
    shares = [healed.after[i] / healed.before[i] for i in ids if healed.before[i]]
    weaker = bool(shares) and max(shares) < 1 - _LEAST
    if slightly:
        return stays and bool(shares) and min(shares) > 1 - _SLIGHT
    return weaker
