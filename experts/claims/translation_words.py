"""Words by which a German sentence and an English one are told to say the same; folded.

Each concept is a pair of patterns, the English one and the German one, for whole words.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from experts.claims.size_words import ORDERS
from experts.claims.words import listed


class Pair(NamedTuple):
    """How something is said in both languages."""

    english: re.Pattern[str]
    german: re.Pattern[str]


def _pair(english: str, german: str) -> Pair:
    return Pair(re.compile(rf"\b(?:{english})\b"), re.compile(rf"\b(?:{german})\b"))


# Ways to say a thing that are taken for one, before anything else is read; what they become is in
# capitals, as folded text has none.
IDIOMS = {
    "english": [
        (re.compile(pattern), said)
        for pattern, said in (
            (
                r"\b(?:no|not|cannot)(?: \w+){0,2}? (?:less|fewer)\b(?= (?:\w+ ){0,3}than)",
                "ATLEAST",
            ),
            (r"\bat least\b", "ATLEAST"),
            (r"\b(?:no|not) more than\b|\bat most\b|\bup to\b", "ATMOST"),
            (r"\bno longer\b", "NOT"),
            (r"\bany ?more\b", ""),
            (r"\b(?:not|isn't) (?:within|inside|met|kept)\b|\bdoes not (?:hold|meet)\b", "BEYOND"),
            (r"\bexceed(?:s|ed|ing)?\b|\bviolate[sd]?\b|\boutside\b|\bbroken\b", "BEYOND"),
            (r"\bwithin\b|\bholds?\b|\bis met\b|\bare met\b|\bis kept\b|\bare kept\b", "WITHIN"),
            (r"\b(?:is|are) left\b", "remain"),
            (r"\b(?:not|NOT)\s+WITHIN\b", "BEYOND"),
        )
    ],
    "german": [
        (re.compile(pattern), said)
        for pattern, said in (
            (r"\bnicht(?: \w+)? weniger\b(?= (?:\w+ ){0,3}als)", "ATLEAST"),
            (r"\b(?:mindestens|wenigstens)\b", "ATLEAST"),
            (r"\bnicht mehr als\b|\bhochstens\b|\bmaximal\w*\b|\bbis\b(?: zu\b)?", "ATMOST"),
            (r"\bnicht (?:mehr|langer)\b", "NOT"),
            (r"\bunauffallig\w*\b", "NOT auffallig"),
            (r"\bhalt(?:en)?\b(?: \w+){1,4}? nicht ein\b", "BEYOND"),
            (
                r"\bausserhalb\b|"
                r"\b(?:uberschreite\w*|uberschritten|verletzt)\b|\buber (?:dem|der) gren\w+",
                "BEYOND",
            ),
            (
                r"\b(?:innerhalb|eingehalten|erfullt|einhalten|einhalt|halt|halten|gewahrt|gelten|gilt)\b|"
                r"\bim (?:grenzwert|rahmen|limit|zulassigen bereich)\b|\bunter (?:dem|der) gren\w+",
                "WITHIN",
            ),
            (r"\b(?:nicht|NOT)\s+WITHIN\b", "BEYOND"),
        )
    ],
}
# In both languages at once, as a sentence may quote the other one.
NEGATION = re.compile(
    r"\b(?:NOT|not|no|none|never|neither|without|nothing|nobody|nowhere|cannot|\w+n't|"
    r"nicht|kein\w{0,4}|nie|niemals|ohne|weder|nichts|niemand\w*|nirgends)\b"
)

# Between parts of a sentence that are denied each for itself.
PARTS = Pair(
    re.compile(r"[;:]|\b(?:but|so|and)\b"),
    re.compile(r"[;:]|\b(?:aber|jedoch|doch|also|daher|deshalb|sodass|und)\b"),
)
# Both say it or neither does.
SAID_BY_BOTH = (
    _pair(
        r"person|people|human|someone", r"mensch\w*|person\w*|jemand\w*|mitarbeiter\w*|prufer\w*"
    ),
    _pair(r"critical", r"kritisch\w*"),
)
# Where the English sentence has it, the German one has it as well.
MUST_STAY = (
    _pair(
        r"may (?:also )?be|might be|could be",
        r"kann|konn(?:en|te|ten)|darf|durfte|moglich\w*|vielleicht|eventuell|infrage|frage|"
        r"betracht|womoglich",
    ),
)
# The German sentence has it only where the English one does.
MAY_NOT_COME = (
    _pair(
        r"may|might|can|could|cannot|must|should|shall|possibl[ey]|likely|needs?|to \w+",
        r"kann|konn(?:en|te|ten)|darf|durf(?:en|te|ten)|muss|mussen|soll|sollen|sollte[n]?|"
        r"moglicherweise|vielleicht|eventuell|womoglich",
    ),
    _pair(
        r"almost|nearly|suppos\w*|alleged\w*|actually",
        r"fast|beinahe|nahezu|angeblich\w*|vermeintlich\w*|eigentlich\w*|scheinbar\w*",
    ),
    _pair(r"hardly|barely|scarcely", r"kaum|schwerlich"),
    _pair(r"good|well|fine|better|best", r"gut|gute[nrms]?|bestens|prima|besser"),
    _pair(
        r"small\w*|tin(?:y|ier|iest)|little|less|fewer|minor|lower|short\w*|narrow\w*",
        r"klein\w*|winzig\w*|minimal\w*",
    ),
    _pair(r"out|outside|beyond|over|past", r"hinaus|heraus|ragt|ragen|ubersteht"),
    _pair(r"yes|sure|course|certainly", r"ja|jawohl|naturlich|selbstverstandlich|klar"),
)


class Contrast(NamedTuple):
    """Words that say the contrary of each other.

    Attributes:
        poles: Each way.
        exact: Whether the German sentence must have those of the English one, or only no others.
    """

    poles: tuple[Pair, ...]
    exact: bool


CONTRASTS = (
    Contrast((_pair("ATLEAST", "ATLEAST"), _pair("ATMOST", "ATMOST")), exact=True),
    Contrast((_pair("WITHIN", "WITHIN"), _pair("BEYOND", "BEYOND")), exact=True),
    Contrast(
        (
            _pair(
                r"more|higher|larger|longer|wider|greater|bigger|beyond|over|above|stronger",
                r"mehr|(?:hoher|grosser|langer|breiter|starker)\w*(?: \w+){0,2} als|jenseits|"
                r"daruber|uber all\w+|oberhalb|weitere\w?",
            ),
            _pair(
                r"less|fewer|lower|smaller|shorter|narrower|below|under|weaker",
                r"weniger|(?:niedriger|geringer|kleiner|kurzer|schmaler|schwacher)\w*"
                r"(?: \w+){0,2} als|darunter|unter all\w+|unterhalb",
            ),
        ),
        exact=False,
    ),
    Contrast(
        tuple(
            _pair("|".join(order.most), "|".join(rf"{stem}\w+" for stem in order.most_german))
            for order in ORDERS
        ),
        exact=True,
    ),
    Contrast(
        (_pair(r"only|just", r"nur|lediglich|allein"), _pair(r"too(?! \w)|also", r"auch")),
        exact=False,
    ),
    Contrast(
        (_pair(r"high\w*", r"hoch(?!stens)\w*|hoh\w*"), _pair(r"low\w*", r"niedrig\w*|tief\w*")),
        exact=False,
    ),
    Contrast(
        (
            _pair(r"confidence|confident|sure|certain\w*", r"konfidenz\w*|sicher\w*|vertrauen\w*"),
            _pair(r"unsure|uncertain\w*|doubt\w*", r"unsicher\w*|ungewiss\w*|zweifel\w*"),
        ),
        exact=False,
    ),
    Contrast((_pair(r"few|little", r"wenige?\w?"), _pair(r"many|much", r"viele?\w?")), exact=False),
    Contrast(
        (
            _pair(r"elongated", r"langlich\w*|\w*gestreckt\w*"),
            _pair(r"round|circular", r"rund(?! \d)|rund(?:e[nrsm]?|lich\w*)|kreis\w+"),
        ),
        exact=True,
    ),
    Contrast(
        (
            _pair(r"smooth", r"glatt\w*"),
            _pair(r"ragged|jagged", r"ausgefranst\w*|zackig\w*|gezackt\w*|unregelmassig\w*|rau\w*"),
        ),
        exact=True,
    ),
    Contrast(
        (
            _pair(r"reference", r"referenz\w*|vergleichsbild\w*"),
            _pair(r"surroundings?|around", r"umgebung\w*|umgebend\w*"),
        ),
        exact=False,
    ),
    Contrast(
        (
            _pair(r"similar\w*|like|alike", r"ahnlich\w*|ahnel\w*|gleich\w*"),
            _pair(r"differ\w*", r"unterschied\w*|unterscheid\w*|abweich\w*|weicht|differenz\w*"),
        ),
        exact=False,
    ),
    Contrast(
        (
            _pair(r"good|normal|fine", r"gut|gute\w?|guten?teile?\w?|gutteil\w*|normal\w*"),
            _pair(
                r"bad|defect\w*|fault\w*|flaw\w*", r"schlecht\w*|defekt\w*|fehlerhaft\w*|fehler\w?"
            ),
        ),
        exact=False,
    ),
    Contrast(
        (
            _pair(r"all|every|each|any", r"all\w{0,2}|jede\w?|jeglich\w*|samtliche\w?"),
            _pair(r"some|several", r"einige\w?|manche\w?|mehrere\w?"),
        ),
        exact=False,
    ),
)
# In the order in which they are said.
TONES = (_pair(r"dark\w*|black\w*", r"dunk(?:el|l)\w*|schwarz\w*"), _pair(r"bright\w*", r"hell\w*"))
TIMES = (_pair("before", "vorher|zuvor|davor"), _pair("after", "nachher|danach|hinterher"))
SIDES = (
    _pair(r"long|length", r"lang|lange|langen"),
    _pair(r"wide|width|broad", r"breit|breite|breiten"),
)
# How a place looks; "Stelle" leaves it open.
FORMS = (
    _pair(r"lines?|streaks?", r"linien?|strich\w{0,2}|streifen|zeile\w?"),
    _pair(r"spots?|dots?|blobs?|specks?|stains?|marks?", r"fleck\w{0,2}|punkte?n?|tupfen"),
)

PLACES = {
    "top": _pair(r"top|topmost|upper", r"oben|ober(?:e[nrsm]?|ste[nrsm]?)|ober(?:kante|rand)"),
    "bottom": _pair(
        r"bottom|bottommost|lower(?= (?:left|right|edge|corner|half|part|third|area|centre))",
        r"unten|unter(?:e[nrsm]?|ste[nrsm]?)|unter(?:kante|rand)",
    ),
    "left": _pair(r"left|leftmost", r"links|linke[nrsm]?"),
    "right": _pair(r"right|rightmost", r"rechts|rechte[nrsm]?"),
    "centre": _pair(
        r"centre|center|middle|central",
        r"(?:bild)?mitte|mittig|zentrum|zentral\w*|"
        r"mittlere[nrsm]?(?= (?:bereich|teil|drittel|abschnitt|linke|rechte|obere|untere))",
    ),
    "edge": _pair(
        r"edges?|borders?|rim|margin",
        r"\w*rand|\w*rande[sr]?|randern|randbereich\w*|\w*kanten?",
    ),
}
# They stand between words of one place.
BETWEEN = listed(
    "the of its in im am an der dem den des part side corner area half third region ecke seite "
    "bereich teil halfte drittel bildbereich hand very"
)
COUNTS = {
    word: str(number)
    for number, words in enumerate(
        (
            "two zwei", "three drei", "four vier", "five funf", "six sechs", "seven sieben",
            "eight acht", "nine neun", "ten zehn", "eleven elf", "twelve zwolf",
        ),
        start=2,
    )
    for word in words.split()
}  # fmt: skip
ONE = _pair(r"one|an?|single", r"ein|eine[nrsm]?|eins|einzige[nrsm]?|einzelne[nrsm]?")
UNITS = {
    **dict.fromkeys(("px", "pixel", "pixels", "pixeln"), "px"),
    **dict.fromkeys(("px²", "px2", "px^2", "quadratpixel", "pixel²", "quadratpixeln"), "px²"),
    **dict.fromkeys(("mm", "millimeter", "millimetern", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("mm²", "mm2", "mm^2", "quadratmillimeter", "quadratmillimetern"), "mm²"),
    **dict.fromkeys(("%", "prozent", "percent"), "%"),
    **dict.fromkeys(("cm", "zentimeter", "zentimetern", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("s", "sekunde", "sekunden", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "millisekunde", "millisekunden", "milliseconds"), "ms"),
    **dict.fromkeys(("µm", "μm", "mikrometer", "mikrometern"), "µm"),
}
