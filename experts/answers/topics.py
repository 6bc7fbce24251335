"""What questions can be about, and the words that tell it, in English and German."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Topic = Literal[
    "verdict",
    "why",
    "where",
    "kind",
    "severity",
    "size",
    "scale",
    "image",
    "count",
    "rule",
    "score",
    "certainty",
    "reference",
    "steps",
    "time",
    "origin",
    "next",
    "background",
    "healed",
    "opinion",
    "normal",
    "thanks",
]

_PART = (
    r"(whole |entire |ganze[ns]? )?(part|piece|product|image|photo|picture|teil\w*|bild\w*|foto)"
)
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
    r"\bwhat (is|was|are|were) (it|this|that|these|they|region|wrong|found|there)|\bdescribe|"
    r"\bwhat (do|did|can) you (find|see)|\bwas sieh\w+|\bwas (ist|sind|fur|fuer)\b|"
    r"\bwelche[rns]? (art|fehler|defekt)|"
    r"\bsieht\b.*\baus\b|\bbeschreib|\bwas hast du gefunden",
    "severity": r"\bcritical|\bsever|\bserious|\bgrave\b|\bhow bad\b|\bkritisch|\bschlimm\b|"
    r"\bschwerwieg|\bgravier|\bernst\b",
    "size": r"\bhow (big|large|long|wide|small|thick|broad|far)|\bsize|\blength|\bwidth|"
    r"\barea\b|\bdiameter|\bdimension|\bmillimet|\bmm\b|\bgross|\blang\b|\blange?\b|\blaeng|"
    r"\bbreit|\bflach|\bflaech|\bdurchmess|\babmess|\bmass\b|\bmasse\b",
    "scale": r"\bmillimet|\bmm\b|\bmicrons?\b|\binch|\bzoll\b|\bmassstab|\bscale\b",
    "image": rf"\b(size|width|height|length|area|surface|grosse|breite|hohe|flache) "
    rf"(of the|of this|des|vom) {_PART}\b|\bresolution\b|\bauflosung|"
    rf"\bhow (big|large|wide|long|high|tall) (is|are) (the|this|my) {_PART}\b|"
    rf"\bwie (gross|breit|lang|hoch) (ist|sind) (das|der|die|dieses) {_PART}\b",
    "count": r"\bhow many|\bnumber of|\bcount\b|\bother (place|defect|spot|region)|"
    r"\bany(thing)? (else|more)\b|\bwie ?viel|\banzahl|\bmehrere|\bnoch (mehr|andere)",
    "rule": r"\brule|\bclause|\blimit|\ballow|\btoleran|\bthreshold|\bpermit|\bspec\b|"
    r"\bspecification|\btoo (big|large|long|many|wide)|\bregel|\bklausel|\bgrenz|\berlaub|"
    r"\bzulass|\bzulaess|\bvorschrift|\bzu (gross|lang|breit|viele)|"
    r"\bmay (an?|the|there)\b|\bdarf (ein|der|die|kein)|\bdurfen\b|\bduerfen\b",
    "score": r"\bscores?\b|\banomaliewert|\bpunktzahl",
    "certainty": r"\bhow (sure|certain)|\bcertain|\bconfiden|\bprobab|\bp[- ]?value|\breliab|"
    r"\btrust|\bare you sure|\bsicher\b|\bsicherheit|\bwahrschein|\bkonfiden|\bvertrau|"
    r"\bp[- ]?wert|\bzuverlass|\bzuverlaess|\bwie gewiss|\bunusual|\bungewohnlich|"
    r"\bwhat (does|is) (a |the |this )?(p|alpha)\b|\bwas (bedeutet|heisst|ist) (das )?(p|alpha)\b",
    "reference": r"\bcompared? (it |this )?(with|to)\b|\bcompared\b|\breference|\bsimilar|"
    r"\bverglich|\bvergleich|\breferenz|\bahnlich|\baehnlich",
    "steps": r"\bwhat did you do|\bhow did you|\bsteps?\b|\bhow do you know|\bprocedure|"
    r"\bschritt|\bzustande\b|\bwie (bist|kamst|kommst|hast|weisst)|\bvorgeh|"
    r"\bwas hast du (getan|gemacht)",
    "time": r"\bhow long did\b|\bhow fast\b|\bhow much time|\bseconds\b|\bwie lange (hat|dauert)|"
    r"\bwie schnell|\bsekunde",
    "origin": r"\bwhich (line|encoder|version|file|image|photo)\b|\bwhat (line|encoder|version)\b|"
    r"\bwelche[sr]? (linie|encoder|version|datei|bild)\b",
    "next": r"\bwhat (now|next)|\bnext\b|\bwhat (should|shall|must|do|can) (i|we)\b|\bwho \w+|"
    r"\bdecides?\b|\breview|\bwas (nun|jetzt)|\bwer \w+|\bweiter\b|\bweitergeh|"
    r"\bwas (soll|muss|kann)",
    "background": r"\bwhat (does|do) (it|that|this|these|they) do\b|\bwas (macht|bewirkt)|"
    r"\bcauses?\b|\bcaused|\beffect|\bconsequence|\bcomes? from|\bhappen|"
    r"\bharm|\bdanger|\bprevent|\bmatter\b|\bursache|\bverursach|\bfolge[n]?\b|\bauswirk|\bwirkung|"
    r"\bwoher\b|\bgefahr|\bschad|\bentsteh",
    "opinion": r"\blanguage model|\bopinion|\b(the|your|das|dein|sprach) ?modell?\b|\bmodell|"
    r"\bmeinung|\bmeint\b",
    "normal": r"\bnormal\b|\bgood (part|one|image|\w+) look|\bsupposed to\b|"
    r"\bshould .*\blook|\bsollte? .*\baussehen|\bgute[sn]? \w+ aus",
    "thanks": r"^(many )?(thanks|thank you|thx|danke\w*|vielen dank|bye|goodbye|tschuss)\b(?! for)",
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
# Words of the second ones also stand in questions that only ask for the first.
_RATHER: Mapping[Topic, frozenset[Topic]] = {
    "normal": frozenset({"kind", "verdict"}),
    "reference": frozenset({"kind"}),
    "healed": frozenset({"background", "kind", "verdict"}),
    "opinion": frozenset({"kind"}),
    "severity": frozenset({"kind", "verdict"}),
    "image": frozenset({"kind", "size"}),
    "score": frozenset({"kind", "certainty"}),
    "certainty": frozenset({"kind", "background"}),
    "time": frozenset({"size", "steps"}),
    "origin": frozenset({"kind"}),
}
# These say something of the verdict only if a question asks nothing else.
_VERDICT_TOO = re.compile(
    r"\bgood\b|\bbad\b|\bfine\b|\bgut\b|\bschlecht\b|\buse\b|\bdefect|\bdefekt|\bfehler|\bfault|"
    r"\bbroken|\bkaputt|\bwrong\b|\bfalsch\b|\bright\b|\bsafe\b|\bproblem|\bsound\b|\bflaw"
)


def topics_of(words: str) -> list[Topic]:
    """What a question is about.

    Args:
        words: Of the question, folded, in one line.
    """
    found: list[Topic] = [topic for topic, words_of in _TOPICS.items() if words_of.search(words)]
    covered = {covered for topic in found for covered in _RATHER.get(topic, ())}
    return [topic for topic in found if topic not in covered]


def may_mean_verdict(words: str) -> bool:
    """Whether a question that asks nothing else may ask what becomes of the part."""
    return bool(_VERDICT_TOO.search(words))
