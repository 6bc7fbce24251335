"""Reads what a question asks, by the stems of its words, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from experts.claims.text import fold
from experts.tools import Call

Topic = Literal[
    "verdict",
    "why",
    "where",
    "kind",
    "size",
    "count",
    "rule",
    "certainty",
    "reference",
    "steps",
    "next",
    "background",
    "healed",
    "opinion",
    "normal",
]

# Letters are folded: "Größe" is "grosse", "näher" is "naher"; people also write "naeher".
_WORDS_OF: Mapping[Topic, str] = {
    "healed": r"\bwhat if\b|\bif (it|this|that|the \w+) (was|were|is) (not|removed|repaired)|"
    r"\bwithout\b|\breally (the cause|because)|responsible|"
    r"\bohne\b|\bwirklich die ursache|\bschuld\b",
    "why": r"\bwhy\b|\breason|\bhow come\b|\bexplain|\bwarum\b|\bwieso\b|\bweshalb\b|"
    r"\bgrund\b|\bbegrund|\berklar|\berklaer",
    "where": r"\bwhere\b|\bposition|\blocat|\bwhich (side|place|spot)|\bwo\b|"
    r"\bwelcher? (stelle|ort|seite)|\blage\b",
    "kind": r"\b(what|which) (kind|type|sort|defect)|\b(kind|type|sort) of\b|\blooks? like\b|"
    r"\bwhat (is|was|are) (it|this|that|these|they|region|wrong|found|there)|\bdescribe|"
    r"\bwhat (do|did|can) you (find|see)|\bwas sieh\w+|\bwas (ist|sind|fur|fuer)\b|"
    r"\bwelche[rns]? (art|fehler|defekt)|"
    r"\bsieht\b.*\baus\b|\bbeschreib|\bwas hast du gefunden",
    "size": r"\bhow (big|large|long|wide|small|thick|broad|far)|\bsize|\blength|\bwidth|"
    r"\barea\b|\bdiameter|\bdimension|\bmillimet|\bmm\b|\bgross|\blang\b|\blange?\b|\blaeng|"
    r"\bbreit|\bflach|\bflaech|\bdurchmess|\babmess|\bmass\b|\bmasse\b",
    "count": r"\bhow many|\bnumber of|\bcount\b|\bother (place|defect|spot|region)|"
    r"\bany(thing)? (else|more)\b|\bwie ?viel|\banzahl|\bmehrere|\bnoch (mehr|andere)",
    "rule": r"\brule|\bclause|\blimit|\ballow|\btoleran|\bthreshold|\bpermit|\bspec\b|"
    r"\bspecification|\btoo (big|large|long|many|wide)|\bregel|\bklausel|\bgrenz|\berlaub|"
    r"\bzulass|\bzulaess|\bvorschrift|\bzu (gross|lang|breit|viele)|"
    r"\bmay (an?|the|there)\b|\bdarf (ein|der|die|kein)|\bdurfen\b|\bduerfen\b",
    "certainty": r"\bhow (sure|certain)|\bcertain|\bconfiden|\bprobab|\bp[- ]?value|\breliab|"
    r"\btrust|\bare you sure|\bsicher\b|\bsicherheit|\bwahrschein|\bkonfiden|\bvertrau|"
    r"\bp[- ]?wert|\bzuverlass|\bzuverlaess|\bwie gewiss|\bunusual|\bungewohnlich",
    "reference": r"\bcompared? (it |this )?(with|to)\b|\bcompared\b|\breference|\bsimilar|"
    r"\bverglich|\bvergleich|\breferenz|\bahnlich|\baehnlich",
    "steps": r"\bwhat did you do|\bhow did you|\bsteps?\b|\bhow do you know|\bprocedure|"
    r"\bschritt|\bwie (bist|kamst|kommst|hast|weisst)|\bwas hast du (getan|gemacht)|\bvorgeh",
    "next": r"\bwhat (now|next)|\bnext\b|\bwhat (should|shall|must|do|can) (i|we)\b|\bwho \w+|"
    r"\bdecides?\b|\breview|\bwas (nun|jetzt)|\bwer \w+|\bweiter|\bwas (soll|muss|kann)",
    "background": r"\bwhat (does|do) (it|that|this|these|they) do\b|\bwas (macht|bewirkt)|"
    r"\bcauses?\b|\bcaused|\beffect|\bconsequence|\bcomes? from|\bhappen|"
    r"\bharm|\bdanger|\bprevent|\bmatter\b|\bursache|\bverursach|\bfolge[n]?\b|\bauswirk|\bwirkung|"
    r"\bwoher\b|\bgefahr|\bschad|\bentsteh",
    "opinion": r"\blanguage model|\bopinion|\bthe model\b|\bmodell|\bmeinung|\bmeint\b",
    "normal": r"\bnormal\b|\bgood (part|one|image|\w+) look|\bsupposed to\b|"
    r"\bshould .*\blook|\bsollte? .*\baussehen|\bgute[sn]? \w+ aus",
    "verdict": r"\bverdict|\bdecision|\bdecide|\baccept|\breject|\bship|\bdeliver|\bsend\b|"
    r"\brelease|\bpass(es|ed)?\b|\bscrap|\burteil|\bentscheid|\bannehm|\bangenommen|\bakzept|"
    r"\babgelehnt|\bablehn|\bausliefer|\bliefer|\bversend|\bverschick|\bfreigeb|\bfreigabe|"
    r"\bausschuss|\bin ordnung|\bi\.? ?o\b|\bdurchlass|\bok\b|\bokay\b|\bo\.k|\busable|"
    r"\bsell\b|\bverkauf|\bverwend|\bverwert|\bbenutz|\bcan (i|we|it|this)\b|"
    r"\b(may|can|could) (i|we|it|this|they)\b (go|leave|be)|\bin spec\b|\bwaste\b|\bkeep\b|"
    r"\bdefective\b|\braus\b|\bdarf (das|es|ich|sie|er|man)\b|\bkann (das|es|ich|sie|er|man)\b|"
    r"\bis (it|this|the part) (a )?(good|bad|fine|defect|broken|faulty|wrong)",
}
_TOPICS = {topic: re.compile(words) for topic, words in _WORDS_OF.items()}
# These say something of the verdict only if a question asks nothing else.
_VERDICT_TOO = re.compile(
    r"\bgood\b|\bbad\b|\bfine\b|\bgut\b|\bschlecht\b|\buse\b|\bdefect|\bdefekt|\bfehler|\bfault|"
    r"\bbroken|\bkaputt|\bwrong\b|\bfalsch\b|\bright\b|\bsafe\b|\bproblem|\bsound\b|\bflaw"
)
_TOOLS: tuple[tuple[Literal["zoom", "compare", "measure", "lookup"], re.Pattern[str]], ...] = (
    (
        "zoom",
        re.compile(
            r"\bzoom|\bclosely\b|\b(look|looking) (\w+ ){0,2}(closer|again)|\bcloser\b|\bmagnif|"
            r"\benlarge|\b(better|second) look|\bcheck (\w+ ){0,3}again|\bnaher\b|"
            r"\bnaeher\b|\bgenauer\b|\bvergrosser|\bvergroesser|\bschau|\bsieh dir\b"
        ),
    ),
    (
        "compare",
        re.compile(
            r"(^|\b(please|you|and|now|bitte|dann|,) )(compare|vergleich\w*)\b(?! (you|du|ihr)\b)|"
            r"\bbeside (other|further|more|another)|\bnext to (a|other)|\bmit (anderen|weiteren)|"
            r"\bvergleiche? (es|sie|das|die|den|region)"
        ),
    ),
    (
        "measure",
        re.compile(
            r"(^|\b(please|you|and|now|bitte|,) )measure\b|\bvermiss|\bvermess|\bmiss\b|\bmessen\b|"
            r"\bhow far (from|to)\b|\bdistance|\babstand|\bwie weit\b(?! (uber|ueber|daruber)\b)"
        ),
    ),
    (
        "lookup",
        re.compile(
            r"\blook(ed|ing)? up\b|\bsays? about\b|\bknowledge\b|\bhandbook|\bnachschlag|"
            r"\bschlag \w+ nach|"
            r"\bwissen\b|\bwissensdatei|\btell me (more )?about\b|\bwas (sagt|steht)\b"
        ),
    ),
)
# Asks what was done, and for nothing to be done.
_WITH_WHAT = re.compile(r"\b(what|which|who|whom|womit|wem|welche\w*)\b")
_REGION = re.compile(r"\bregion[- ]?(\d{1,3})\b")
_ORDINALS: Mapping[str, int] = {
    word: number
    for number, words in enumerate(
        (
            "first 1st erste ersten erster erstes strongest starkste starksten",
            "second 2nd zweite zweiten zweiter zweites",
            "third 3rd dritte dritten dritter drittes",
            "fourth 4th vierte vierten",
            "fifth 5th funfte funften",
        ),
        start=1,
    )
    for word in words.split()
}
# "Second look" and "at first" count nothing.
_NO_ORDINAL = re.compile(r"\b(second look|at first|first of all)\b")
_PLACES: Mapping[str, re.Pattern[str]] = {
    word: re.compile(pattern)
    for word, pattern in {
        "top": r"\b(top|upper|uppermost|above|oben|ober\w*)\b",
        "bottom": r"\b(bottom|lower|lowest|below|unten|unter(e|en|er|em|es|ste|sten)|underside)\b",
        "left": r"\b(left|links|link(e|en|er|em|es))\b",
        # "Is that right" asks for no side.
        "right": r"\b(right (edge|side|corner|half|border|end|part)|(the|top|bottom|upper|lower|"
        r"centre|center|middle|far)[ -]right|on the right|rechts|recht(e|en|er|em|es))\b",
        "centre": r"\b(centre|center|middle|mitte|mittig|mittler(e|en|er))\b",
    }.items()
}
_THESE = re.compile(
    r"\b(it|its|this|that|one|es|sie|er|ihn|dieser?|dieses|diesen|das|den|dort|da)\b"
)
_SUBJECT = re.compile(
    r"\b(?:about|on|up|to|über|uber|ueber|für|zu|zum|zur|nach|is|ist|are)\s+"
    r"(?:an?\s+|the\s+|d\w\w\s+)?(.+)$"
)


@dataclass(frozen=True)
class Asked:
    """A question, as far as its words tell what it asks.

    Attributes:
        text: As it came.
        topics: What it is about; empty if nothing tells.
        numbers: Of the regions that it names, from 1.
        place: In words, such as ``top left``; empty if it names none.
        follows: Whether it speaks of something that was named before.
        call: The closer look that it asks for.
    """

    text: str
    topics: tuple[Topic, ...]
    numbers: tuple[int, ...]
    place: str
    follows: bool
    call: Call | None

    @property
    def about_verdict(self) -> bool:
        """Whether it asks what becomes of the part, or it cannot be told what it asks."""
        return not self.topics or bool({"verdict", "next"} & set(self.topics))


def read_question(text: str, about: Sequence[str] = ()) -> Asked:
    """Read a question.

    Args:
        text: The question.
        about: Ids of the regions that the conversation was about before.
    """
    words = _words(text)
    numbers = tuple(dict.fromkeys(_numbers(words)))
    place = " ".join(word for word, pattern in _PLACES.items() if pattern.search(words))
    tool = next((tool for tool, pattern in _TOOLS if pattern.search(words)), None)
    if tool == "compare" and _WITH_WHAT.search(words):
        tool = None
    topics = [topic for topic, pattern in _TOPICS.items() if pattern.search(words)]
    if not topics and tool is None and not place:
        topics += ["verdict"] if _VERDICT_TOO.search(words) else []
    if place and tool is None:
        topics = topics or ["where"]
    call = None
    if tool == "lookup":
        call = Call(tool=tool, target=_subject(text)[:200])
    elif tool is not None:
        target = f"region-{numbers[0]}" if numbers else _spot(text, tool) or next(iter(about), "")
        call = Call(tool=tool, target=target)
    return Asked(text, tuple(topics), numbers, place, bool(_THESE.search(words)), call)


def _spot(text: str, tool: str) -> str:
    """The place that a closer look is wanted at, as the tools call it; empty if none is named."""
    from experts.tools import places

    found = places.in_words(places.fold(text)) or ""
    # How far a place is from the edge is asked of the place.
    return "" if found == "the whole image" and tool != "zoom" else found


def _words(text: str) -> str:
    """A question as it is compared: folded, in one line, with blanks around its marks."""
    return " ".join(re.sub(r"[^\w\s.,-]", " ", fold(text).text).split())


def _numbers(words: str) -> Iterator[int]:
    for found in _REGION.finditer(words):
        yield int(found[1])
    plain = _NO_ORDINAL.sub(" ", words)
    for word in re.findall(r"\w+", plain):
        if word in _ORDINALS:
            yield _ORDINALS[word]


def _subject(text: str) -> str:
    """What a question wants to know something about: what stands at its end."""
    line = " ".join(text.split()).rstrip("?!. ")
    found = _SUBJECT.search(line)
    return found[1] if found else line
