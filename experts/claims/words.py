"""Words that several checks know, folded: lower case, no accents; English, and some German."""

from __future__ import annotations


def listed(words: str) -> frozenset[str]:
    """Words that are written one beside the other."""
    return frozenset(words.split())


# They part a sentence, so that a "not" before them says nothing of what follows.
BREAKS = listed(
    ", ; : ( ) / | and but because since so while whereas although though which und aber weil "
    "denn daher obwohl wahrend"
)

NEGATORS = listed(
    "not no never none neither nor without cannot cant dont doesnt isnt arent wasnt didnt wont "
    "hardly scarcely barely nothing nowhere nobody lack lacks lacking nicht kein keine keinen "
    "keinem keiner keines ohne nie niemals weder nichts"
)

# A sentence that supposes something says nothing of what is.
CONDITIONALS = listed(
    "if unless would wouldn't suppose supposing provided assuming assume otherwise whether "
    "imagine hypothetically until wenn falls sofern"
)
# At the beginning of what is no question they suppose, too.
FIRST_CONDITIONALS = listed("should were had")

HEDGES = listed(
    "may might could possibly perhaps maybe probably likely seems seem appears appear apparently "
    "presumably resembles resemble suggests suggest supposedly allegedly potential potentially "
    "possible unsure uncertain either vielleicht moglicherweise konnte wahrscheinlich vermutlich "
    "scheint wohl"
)

# They take back, turn round or give orders; what is meant beside them cannot be told.
TWISTS = listed(
    "prevents prevent preventing hinders forbids precludes against lifted withdrawn revoked "
    "cancelled canceled waived rescinded annulled reverted unnecessary needless pointless "
    "superfluous initially true truth doubt doubts doubted deny denies denied dispute disputes "
    "disputed refute refutes refuted unjustified unwarranted unfair unfounded baseless "
    "overcautious overstated exaggerated ignore ignored ignores ignoring disregard override "
    "overrides overridden overrule overruled forget pretend opposite contrary false falsely wrong "
    "wrongly incorrect incorrectly mistaken mistakenly mistake untrue joke joking kidding sarcasm "
    "irony reversed overturn overturned jailbreak instruction instructions ignoriere ignorieren "
    "vergiss falsch gegenteil aufgehoben zuruckgenommen widerrufen unrecht ungerechtfertigt "
    "unnotig irrtumlich versehentlich"
)

TWISTING = (
    "anything but",
    "everything but",
    "nothing of the sort",
    "nothing of the kind",
    *("fail to", "fails to", "failed to", "refuse to", "refuses to", "refused to"),
    *("so called", "at first", "for now", "in the past", "no more"),
    *("used to be", "going to be", "supposed to", "meant to", "said to be"),
)

COUNT_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "dozen": 12, "zwei": 2, "drei": 3, "vier": 4, "funf": 5, "sechs": 6, "sieben": 7, "acht": 8,
    "neun": 9, "zehn": 10,
}  # fmt: skip

# What a region is called by who says nothing of its kind or its looks; and of these, those that
# say it is a fault.
FAULTS = listed(
    "defect defects flaw flaws fault faults blemish blemishes imperfection imperfections damage "
    "damages irregularity irregularities problem problems issue issues fehler defekt defekte "
    "mangel schaden"
)
ODDITIES = listed(
    "anomaly anomalies abnormality abnormalities deviation deviations mark marks feature features "
    "indication indications finding findings auffalligkeit auffalligkeiten"
)
PLACES = listed(
    "place places region regions spot spots area areas location locations stelle stellen bereich "
    "bereiche"
)
GENERIC = FAULTS | ODDITIES | PLACES

PRONOUNS = listed("it its this that these those they them their both es sie dies diese")

COPULAS = listed(
    "isn't aren't wasn't ain't isnt arent is are was were be been being looks look appears appear "
    "seems seem remains remain 's stays ist sind war sieht wirkt"
)


def singular(word: str) -> str:
    """A noun without its plural ending, roughly; the same for both numbers of one noun."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
