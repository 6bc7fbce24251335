"""What a sentence says to the contrary of what stands out: that it is normal, or no matter.

Who calls a place a grinding mark, both images alike, the detector fooled or a look needless takes
the verdict back without naming it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from experts.claims.facts import Facts
from experts.claims.kinds import Lexicon
from experts.claims.looks import form_of, tone_of
from experts.claims.reading import Claim, Reading, is_negator
from experts.claims.words import COPULAS, COUNT_WORDS, FAULTS, GENERIC, PRONOUNS, listed

_BELITTLING = listed("only just merely simply nur bloss lediglich")
_BUT = ("nothing but", "nothing else than", "nothing more than", "nichts als")
# No knowledge file need name these: they explain away whatever is seen.
_HARMLESS = listed(
    "light lighting shadow shadows reflection reflections glare noise dust dirt texture pattern "
    "artifact artifacts artefact artefacts variation variations print imprint number numbers lint "
    "design background blur staub schmutz licht schatten spiegelung reflexion rauschen muster"
)
_SAME = listed(
    "same identical alike indistinguishable equal equals match matches matching like resembles "
    "resemble corresponds gleich gleiche gleichen gleicht identisch identische dasselbe dieselbe "
    "derselbe wie"
)
# These compare images even where no other one is named.
_SURELY_SAME = listed("identical alike indistinguishable identisch")
_POSITIONS = listed("place places position positions location area stelle ort part")
_OTHER_IMAGE = listed(
    "reference references referenz referenzbild referenzbildes referenzbilds vergleichsbild "
    "gutteil template twin zwilling"
)
_GOOD = listed("good normal gute guten normale normalen")
_ALSO = listed("also too likewise both auch ebenfalls ebenso")
_PRESENT = listed(
    "appears appear visible seen present found occurs occur exists exist shows show contains has "
    "zeigt sichtbar vorhanden"
)
_USUAL = listed(
    "usual usually belong belongs common commonplace customary expected natural naturally "
    "inherent intended everyday ublich ublicherweise gehort gehoren naturlich gewohnlich"
)
_SUCH = listed("such solche solcher derartige")
_AS_MEANT = (
    *("part of the", "part of its", "as it should", "as they should", "what it should"),
    *("as intended", "as designed", "by design", "as expected", "wie es soll", "teil der"),
)
_LOOKING = listed(
    "look looks looking check checks checked checking inspect inspected examine examined "
    "attention worry worried concern care person persons human people decide decides bother "
    "ansehen anschauen prufen kontrollieren hinsehen beachten"
)
_AGAIN = ("look twice", "look again", "look closer", "look closely", "look carefully",
          "check it", "check again", "check this", "take a look", "have a look", "double check",
          "genauer ansehen", "genau ansehen", "noch einmal ansehen", "nochmal ansehen")  # fmt: skip
_DETECTORS = listed(
    "echo detector detectors detection system software program algorithm machine camera map ai ki "
    "decoder encoder sensor detektor erkennung maschine kamera"
)
_ERRING = listed(
    "fooled misled tricked deceived confused irritated strict stricter harsh sensitive picky "
    "fussy pedantic erred errs error errors unreliable overreacts overreacted overreacting "
    "exaggerates exaggerating fails failed misjudged misjudges missed misses overlooked overlooks "
    "blind imagines hallucinates broken faulty streng empfindlich getauscht irrt kleinlich "
    "ubersehen"
)
_NOUN_ENDS = listed(
    "of at in on near with by from to along across than that which who where is are was were runs "
    "lies von im am bei mit aus"
)
_ARTICLES = listed("a an ein eine einen")
_SHOWING = listed("shows show zeigt")
# They tell how large or how many, not what it is.
_PLAIN = listed(
    "small large big long short thin thick narrow wide tiny little fine straight curved clear "
    "single kind type sort possible likely"
)
_SIDES = listed(
    "top bottom left right upper lower centre center middle edge edges corner side oben unten "
    "links rechts mitte rand"
)


def normality_claims(reading: Reading, facts: Facts, lexicon: Lexicon) -> Iterator[Claim]:
    """What is said against what stands out; each is wrong where something does."""
    yield from _of_looking(reading, facts)
    if any(_blames(reading, i) for i in range(len(reading.tokens))):
        yield _wrong("nothing in the evidence says that it erred")
    if not facts.held_back:
        return
    yield from _of_sameness(reading, facts)
    if _is_belittled(reading, facts):
        yield _wrong("it takes that for something normal")
    if _is_called_usual(reading, facts):
        yield _wrong("it calls that usual")
    if any(_is_another_thing(reading, i, facts, lexicon) for i in range(len(reading.tokens))):
        yield _wrong("nothing in the evidence says that it is that")


def _wrong(why: str) -> Claim:
    return Claim("normality", "wrong", why)


def _of_looking(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """Nobody needs to look at it; better look twice."""
    for index in range(len(reading.tokens)):
        if length := reading.follows(index, *_AGAIN):
            noes = reading.negators(reading.before(index, 6))
            reading.use(index, index + length - 1)
            reading.used.update(noes)
            meant = "accept" if noes else "review"
            yield _of_verdict(facts.verdict == meant and len(noes) < 2, facts)
        elif _waives(reading, index):
            noes = reading.negators(reading.in_segment(index))
            reading.used.update((index, *noes))
            yield _of_verdict(facts.verdict == "accept" and len(noes) < 2, facts)


def _of_verdict(is_right: bool, facts: Facts) -> Claim:
    return Claim("verdict", "right" if is_right else "wrong", f"the verdict is {facts.verdict}")


def _waives(reading: Reading, index: int) -> bool:
    """Whether a look is said to be needless: "nobody has to check this", "you need not worry"."""
    if reading.word(index) not in _LOOKING or index in reading.used:
        return False
    near = [reading.word(i) for i in reading.before(index, 6)]
    must = {"need", "needs", "needed", "has", "have", "must", "muss", "mussen", "should", "braucht"}
    behind = {reading.word(index + 1), reading.word(index + 2)}
    is_denied = any(is_negator(word) for word in near)
    return is_denied and bool(must & ({*near} | behind))


def _blames(reading: Reading, index: int) -> bool:
    """Whether the detector is said to have erred."""
    if reading.word(index) not in _DETECTORS:
        return False
    return any(reading.word(i) in _ERRING for i in reading.in_segment(index))


def _of_sameness(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """The image looks like the reference; region-1 is seen there, too."""
    other = [i for i in range(len(reading.tokens)) if _is_other_image(reading, i, facts)]
    for index in range(len(reading.tokens)):
        if not _says_same(reading, index, other, facts):
            continue
        noes = reading.negators(reading.before(index, 6))
        reading.used.update(noes)
        # That nothing of it is to be seen there is what makes a place stand out.
        if len(noes) == 1 and facts.places:
            yield Claim("normality", "right")
        else:
            yield _wrong("it stands out from the normal ones")
        return


def _is_other_image(reading: Reading, index: int, facts: Facts) -> bool:
    word = reading.word(index)
    if word in _OTHER_IMAGE:
        return True
    following = reading.word(index + 1)
    return word in _GOOD and following in facts.part_words | facts.parts_words | {"one", "ones"}


def _says_same(reading: Reading, index: int, other: Collection[int], facts: Facts) -> bool:
    word = reading.word(index)
    if word in _SURELY_SAME:
        return not reading.has(GENERIC) and sum(t.kind == "region" for t in reading.tokens) < 2
    both = reading.has({"both", "beide", "two"}) and reading.has(facts.parts_words | {"bilder"})
    if word in _SAME and (other or both):
        is_measured = any(token.kind == "number" for token in reading.tokens)
        return not is_measured and reading.word(index + 1) not in _POSITIONS
    if word == "as" and any(i in other for i in range(index + 2, index + 6)):
        return reading.word(index - 2) == "as"
    if not other or not (word in _ALSO or word in _PRESENT):
        return False
    return _is_seen_there(reading, index, other)


def _is_seen_there(reading: Reading, index: int, other: Collection[int]) -> bool:
    """Whether a place is said to be seen in another image: "appears in the reference"."""
    tokens = reading.tokens
    if not any(t.kind == "region" or t.text in GENERIC or form_of(t.text) for t in tokens):
        return False
    if reading.word(index) in _ALSO:
        return True
    return reading.word(index + 1) == "in" and any(index < i <= index + 4 for i in other)


def _is_belittled(reading: Reading, facts: Facts) -> bool:
    """Only grinding marks; nothing but dust."""
    for index in range(len(reading.tokens)):
        length = reading.follows(index, *_BUT) or int(reading.word(index) in _BELITTLING)
        if not length or reading.is_number(index + length):
            continue
        if reading.word(index + length) in COUNT_WORDS:
            continue
        behind = {reading.word(i) for i in reading.after(index + length - 1, 8)}
        if behind & _HARMLESS or any(_is_of_good_parts(word, facts) for word in behind):
            return True
    return False


def _is_of_good_parts(word: str, facts: Facts) -> bool:
    """Whether the knowledge file says a word of good parts, and nothing else is meant by it."""
    plain = (
        tone_of(word) or form_of(word) or word in GENERIC - FAULTS | COPULAS | _SIDES | _NOUN_ENDS
    )
    known = word in facts.seen | facts.part_words | facts.parts_words
    return len(word) > 3 and word in facts.normal_words and not plain and not known


def _is_called_usual(reading: Reading, facts: Facts) -> bool:
    """It belongs there; that is how such parts look."""
    many = facts.parts_words | facts.part_words
    for index in range(len(reading.tokens)):
        word, following = reading.word(index), reading.word(index + 1)
        if word in _USUAL and index not in reading.used:
            return True
        if reading.follows(index, *_AS_MEANT) and index not in reading.used:
            return True
        if word in _SUCH and following in many:
            return True
        if word == "how" and any(
            reading.word(i) in ("look", "looks") for i in range(index, index + 6)
        ):
            return reading.word(index - 1) in COPULAS
    return False


def _is_another_thing(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> bool:
    """Whether what is seen is said to be a thing that the evidence does not name."""
    word = reading.word(index)
    article = index + 1
    while reading.word(article) in _BELITTLING | {"also", "clearly", "be", "not", "seen"}:
        article += 1
    opens = word in COPULAS | {"be"} or reading.mark(index) in (",", "(", ";", ":")
    if not opens or reading.word(article) not in _ARTICLES:
        return False
    if not _is_of_place(reading, index):
        return False
    for at in reading.after(article, 6):
        said = reading.word(at)
        if said in _NOUN_ENDS:
            return False
        if said and not _is_known(reading, at, facts, lexicon):
            return True
    return False


def _is_of_place(reading: Reading, index: int) -> bool:
    """Whether the words before speak of a place, or of what is seen."""
    for at in range(max(0, index - 8), index):
        word = reading.word(at)
        seen = word in GENERIC | PRONOUNS | {"what", "seen", "there"} or form_of(word)
        if seen or reading.tokens[at].kind == "region":
            return True
    return False


def _is_known(reading: Reading, index: int, facts: Facts, lexicon: Lexicon) -> bool:
    word = reading.word(index)
    if index in reading.used or lexicon.at(reading, index) or lexicon.covers(reading, index):
        return True
    if tone_of(word) or form_of(word) or word in GENERIC | _PLAIN | COPULAS | _SIDES:
        return True
    return word in facts.seen | facts.part_words | facts.parts_words
