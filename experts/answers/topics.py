"""What questions can be about, and the words that tell it, in English and German."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from experts.claims.kind_words import NAMES

Topic = Literal[
    "verdict",
    "summary",
    "why",
    "margin",
    "where",
    "kind",
    "same",
    "severity",
    "size",
    "apart",
    "edge",
    "centre",
    "share",
    "scale",
    "image",
    "count",
    "rule",
    "score",
    "certainty",
    "odds",
    "reference",
    "twin",
    "learned",
    "steps",
    "time",
    "origin",
    "next",
    "resolve",
    "background",
    "healed",
    "opinion",
    "normal",
    "thanks",
]

_PART = (
    r"(whole |entire |ganze[ns]? )?(part|piece|product|image|photo|picture|teil\w*|bild\w*|foto)"
)
# What can be counted: places by any name, and all kinds that are known by name.
_COUNTED = (
    r"(place|spot|defect|fault|flaw|mark|region|area|anomal|issue|problem|finding|blemish|kind|"
    rf"stelle|fehler|defekt|fleck|bereich|mangel|ort|auffalligkeit|{'|'.join(sorted(NAMES))})"
    r"(s|es|e|n|en|ern?|y|ies)?"
)
_ENDS = r"\s*($|[.,])|\s+(are|is|were|was|did|do|does|have|has|of|sind|ist|gibt|hat|hast)\b"
# What lies on a part is asked of several places; of images and parts nothing is known.
_SEVERAL = (
    r"(both|they|these|those|all|two|three|regions?|places|spots|defects|marks|beide\w*|sie|alle|"
    r"zwei|drei|stellen|fehler|flecken|bereiche?|defekte)"
)
_DECIDES = (
    r"(decid|judg|check|approv|sign|releas|confirm|resolv|look|ask|call|contact|tell|entscheid|entschied|"
    r"urteil|beurteil|pruf|prueft|frag|freig|bestatig|schau|sieht)\w*"
)
_GONE = (
    r"(removed|repaired|gone|away|cleaned|missing|absent|healed|fixed|"
    r"(not|n t)( (there|here|present|removed|repaired)|$))"
)
# Letters are folded: "Größe" is "grosse", "näher" is "naher"; people also write "naeher".
_WORDS_OF: Mapping[Topic, str] = {
    "healed": rf"\bwhat if\b|\bif ([\w-]+ ){{1,5}}{_GONE}|"
    r"\bif (i|we|you|one|someone) (\w+ )?(remov|repair|clean|ignor|fix|delet|polish)\w*|"
    r"\b(wenn|falls) .*\b((entfern|reparier|fehl|beseitig|ignorier|ausbesser)\w*|weg|weggeh\w*|"
    r"heil|nicht (mehr )?(da|dort|ware|waere|waren|gabe|gaebe|vorhanden))\b|"
    r"\bwithout\b|\breally (the cause|because)|\bresponsible\b|"
    r"\bohne\b|\bwirklich die ursache|\bschuld\b",
    "summary": r"\bsummar|\bsum (\w+ )?up\b|\bin short\b|\boverview|\bzusammenfass|"
    r"\bfass\w* (\w+ )*zusammen|\buberblick|\bueberblick",
    "margin": r"\bhow (close|near|far) (\w+ ){1,4}(being )?(reject|accept|pass|fail|held)|"
    r"\bhow (close|near) .*\blimit|\bborderline|\bclose call\b|\bnarrowly\b|\bgrenzfall|"
    r"\bknapp\w*\b|\bwhat would (it|this|the \w+) (take|need)\b|"
    r"\b(how|what) .*\bto (pass|be accepted)\b|"
    r"\b(was|wie viel) (fehlt|musste|muesste|muss) .*(annahme|angenommen|besteh|durchk)",
    "why": r"\bwhy\b|\breason|\bhow come\b|\bexplain|\bwarum\b|\bwieso\b|\bweshalb\b|"
    r"\bgrund\b|\bbegrund|\berklar|\berklaer",
    "where": r"\bwhere\b|\bposition|\blocat|\bwhich (side|place|spot)|\bwo\b|"
    r"\bwelcher? (stelle|ort|seite)|\blage\b",
    "kind": r"\b(what|which) (kind|type|sort|defect)|\b(kind|type|sort) of\b|\blooks? like\b|"
    r"\bwhat (is|was|are|were) (it|this|that|these|they|region|wrong|found|there)|\bdescribe|"
    r"\bwhat (do|did|can) you (find|see)|\bwas sieh\w+|\bwas (ist|sind|fur|fuer)\b|"
    r"\bwelche[rns]? (art|fehler|defekt)|"
    r"\bsieht\b.*\baus\b|\bbeschreib|\bwas hast du gefunden",
    "same": rf"\b{_SEVERAL}\b.*\b(the same|alike|identical|equal|gleich\w*|identisch\w*|"
    r"(die|der|das)selbe\w*)\b(?!.*\b(image|photo|picture|board|tile|part|reference|bild|teil)s?)",
    "severity": r"\bcritical|\bsever|\bserious|\bgrave\b|\bhow bad\b|\bkritisch|\bschlimm\b|"
    r"\bschwerwieg|\bgravier|\bernst\b",
    "apart": r"\bapart\b(?! from)|\bdistances? between|\b(gap|space) between|\bauseinander|"
    r"\bvoneinander|\bzueinander|\babstand (\w+ )*zwischen|\b(beside|next to) each other",
    "edge": r"\b(clos(e|er|est)|near(er|est)?|farthest|furthest) (to|from) "
    r"(the |an |any )?(\w+ )?(edges?|rim|border|margin)\b|"
    r"\b(nachsten|naechsten|naher|naeher|weitesten) (an|am|zum|vom) (\w+ )?(rand|rande|kante)\b",
    "centre": r"\b(clos(e|er|est)|near(er|est)?|far|farthest|distance) (\w+ ){0,3}(to|from) "
    r"(the )?(centre|center|middle)\b|"
    r"\b(abstand|weit|nachsten|naher) (\w+ ){0,3}(zur|vom|von der|zum) (mitte|zentrum)\b",
    "share": r"\b(percent|percentage|proportion|fraction|share|prozent|anteil)\b.*"
    r"\b(affected|defective|damaged|covered|covers?|unusual|betroffen|defekt|beschadigt|bedeckt)|"
    r"\barea share|\bshare of the (area|image|surface)|\bflachenanteil|"
    r"\bhow much of (the|this|my|that)\b|\bwie ?viel (vom|von d\w+|des|der)\b",
    "size": r"\bhow (big|large|long|wide|small|thick|broad|far)|\bsize|\blength|\bwidth|"
    r"\barea\b|\bdiameter|\bdimension|\bmillimet|\bmm\b|\bgross|\blang\b|\blange?\b|\blaeng|"
    r"\bbreit|\bflach|\bflaech|\bdurchmess|\babmess|\bmass\b|\bmasse\b|"
    r"\bhow many (pixels|px) (is|are|does) (it|this|that|they|region|the (place|defect|spot))\b|"
    r"\b(is|are|was|were) ((?!too\b)[\w-]+ ){1,3}(big|large|long|wide|small|tiny|thick|broad)\b",
    "scale": r"\bmillimet|\bmm\b|\bmicrons?\b|\binch|\bzoll\b|\bmassstab|\bscale\b",
    "image": rf"\b(size|width|height|length|area|surface|grosse|breite|hohe|flache) "
    rf"(of the|of this|des|vom) {_PART}\b|\bresolution\b|\bauflosung|"
    rf"\bhow (big|large|wide|long|high|tall) (is|are) (the|this|my) {_PART}\b|"
    rf"\bwie (gross|breit|lang|hoch) (ist|sind) (das|der|die|dieses) {_PART}\b",
    "count": rf"\b(how many|number of|count of|wie ?viele?|anzahl)( (\w+ ){{0,2}}{_COUNTED}\b|"
    rf"{_ENDS})|\bcount (them|the {_COUNTED})|^count$|"
    r"(?<!the )\bother (place|defect|spot|region)|\bany(thing)? (else|more)\b|"
    r"\bmehrere|\bnoch (mehr|andere)",
    "rule": r"\brule|\bclause|\blimit|\ballow|\btoleran|\bthreshold|\bpermit|\bspec\b|"
    r"\bspecification|\btoo (big|large|long|many|wide)|\bregel|\bklausel|\bgrenz|\berlaub|"
    r"\bzulass|\bzulaess|\bvorschrift|\bzu (gross|lang|breit|viele)|"
    r"\bmay (an?|the|there)\b|\bdarf (ein|der|die|kein)|\bdurfen\b|\bduerfen\b",
    "score": r"\bscores?\b|\banomaliewert|\bpunktzahl",
    "certainty": r"\bhow (sure|certain)|\bcertain|\bconfiden|\bprobab|\bp[- ]?value|\breliab|"
    r"\btrust|\bare you sure|\bsicher\b|\bsicherheit|\bwahrschein|\bkonfiden|\bvertrau|"
    r"\bp[- ]?wert|\bzuverlass|\bzuverlaess|\bwie gewiss|\bunusual|\bungewohnlich|"
    r"\bwhat (does|is) (a |the |this )?(p|alpha)\b|\bwas (bedeutet|heisst|ist) (das )?(p|alpha)\b",
    "odds": r"\b(probab\w*|likel\w*|chances?|odds|wahrschein\w*)\b.*"
    r"\b(good|ok|okay|fine|bad|defective|faulty|an? (defect|fault)|gut|gute\w*|defekt|"
    r"schlecht|in ordnung)\b",
    "twin": r"\btwins?\b|\bzwilling",
    "learned": r"\b(how many|number of|wie ?viele?|anzahl)\b(?=.*\b(image|photo|picture|example|"
    r"sample|part|board|bild|foto|aufnahme|beispiel|teil))(?=.*\b(learn|know|train|enrol|compar|"
    r"normal|good|reference|gelernt|kenn|vergl|gesehen|referenz|gute))",
    "reference": r"\bcompared? (it |this )?(with|to)\b|\bcompared\b|\breference|\bsimilar|"
    r"\bverglich|\bvergleich|\breferenz|\bahnlich|\baehnlich",
    "steps": r"\bwhat did you do|\bhow did you|\bsteps?\b|\bhow do you know|\bprocedure|"
    r"\bschritt|\bzustande\b|\bwie (bist|kamst|kommst|hast|weisst)|\bvorgeh|"
    r"\bwas hast du (getan|gemacht)",
    "time": r"\bhow long did\b|\bhow fast\b|\bhow much time|\bseconds\b|\bwie lange (hat|dauert)|"
    r"\bwie schnell|\bsekunde",
    "origin": r"\bwhich (line|encoder|version|file|image|photo)\b|\bwhat (line|encoder|version)\b|"
    r"\bwelche[sr]? (linie|encoder|version|datei|bild)\b|"
    r"\bwho (inspected|examined|tested|analysed|analyzed|measured)\b|"
    r"\bwer (hat .*(gepruft|geprueft|untersucht|gemessen)|untersuchte|prufte)\b|"
    r"\b(when|what (time|day|date)) (was|were|did)\b.*"
    r"\b(inspect|examin|check|test|analy[sz]|measur|judg|decid|accept|reject)|"
    r"\b(wann|um wie ?viel uhr|an welchem tag) (wurde|war|hat|hast)\w*\b.*(pruf|pruef|untersuch|"
    r"gemessen|inspi|inspek|kontroll|beurteil|entschied|abgelehnt|angenommen)",
    "next": r"\bwhat (now|next)|\bnext\b|\bwhat (should|shall|must|do|can) (i|we)\b|"
    rf"\b(who|wer|wen)\b.*\b({_DECIDES}|responsible|in charge|verantwortlich|zustandig|"
    r"zustaendig|decision|verdict)\b|\b(who|wer) (must|has to|should|muss|soll)\b|"
    r"\bdecides?\b|\breview|\bwas (nun|jetzt)|\bweiter\b|\bweitergeh|"
    r"\bwas (soll|muss) (ich|man|jetzt|nun|wir)|\bwas kann (ich|man|wir) (tun|machen)",
    "resolve": r"\bresolve|\bhow (do|can|should|shall|must) (i|we) (judge|decide|approve|close)\b|"
    r"\bwie (entscheide|urteile|beurteile|schliesse) ich\b",
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
    r"\bsell\b|\bverkauf|\bverwend|\bverwert|\bbenutz|\bin spec\b|\bwaste\b|\bkeep\b|"
    r"\b(may|can|could) (i|we|it|this|they|the \w+) (go|leave|stay|out|"
    r"be (used|sold|sent|built|installed|mounted|kept))\b|"
    r"\b(kann|darf) \w+ (\w+ ){0,2}(bleiben|lassen|gehen|weg|durch|so)\b|"
    r"\b(worry|worried|concerned|sorgen|beunruhig\w*|bedenklich)\b|"
    r"\bdefective\b|\braus\b|\bdarf (das|es|ich|sie|er|man)\b|"
    r"\bis (it|this|the part) (a )?(good|bad|fine|defect|broken|faulty|wrong)",
}
_TOPICS = {topic: re.compile(words) for topic, words in _WORDS_OF.items()}
# Words of the second ones also stand in questions that only ask for the first.
_RATHER: Mapping[Topic, frozenset[Topic]] = {
    "normal": frozenset({"kind", "verdict"}),
    "reference": frozenset({"kind"}),
    "twin": frozenset({"reference", "kind"}),
    "learned": frozenset({"reference", "count", "normal", "steps"}),
    "healed": frozenset({"background", "kind", "verdict", "next", "why", "count"}),
    "odds": frozenset({"certainty", "verdict", "kind", "normal"}),
    "margin": frozenset({"verdict", "kind", "size", "rule"}),
    "same": frozenset({"kind", "verdict", "count"}),
    "share": frozenset({"verdict", "count", "kind", "size"}),
    "apart": frozenset({"size", "kind"}),
    "edge": frozenset({"size", "kind"}),
    "centre": frozenset({"size", "kind"}),
    "resolve": frozenset({"next", "verdict"}),
    "summary": frozenset({"verdict", "kind"}),
    "opinion": frozenset({"kind"}),
    "severity": frozenset({"kind", "verdict"}),
    "image": frozenset({"kind", "size"}),
    "score": frozenset({"kind", "certainty"}),
    "certainty": frozenset({"kind", "background"}),
    "time": frozenset({"size", "steps"}),
    "origin": frozenset({"kind"}),
}
# "Who decides?" asks for a person, and no verdict; "how many are defective" asks of other parts;
# how often a defect comes is not known here.
_NOT_ASKED: tuple[tuple[re.Pattern[str], frozenset[Topic]], ...] = (
    (re.compile(r"^(and |und )?(who|wer|wen)\b"), frozenset({"verdict", "healed"})),
    (re.compile(r"\b(how many|wie ?viele)\b"), frozenset({"verdict"})),
    (
        re.compile(r"\bhow (often|frequent)|\bwie (oft|haufig|haeufig)\b"),
        frozenset({"background", "count"}),
    ),
)
# These say something of the verdict only if a question asks nothing else.
_GOOD_OR_BAD = re.compile(
    r"\bgood\b|\bbad\b|\bfine\b|\bgut\b|\bschlecht\b|\bpasst\b|\buse\b|\bfaulty\b|"
    r"\bdefective\b|\bdefekt\b|"
    r"\bbroken|\bkaputt|\bwrong\b|\bfalsch\b|\b(that|this|it) right\b|\bsafe\b|\bsound\b"
)
_ANY_DEFECT = re.compile(
    r"\b(is|are|was|were|any|have|has|no|gibt|hat|haben|ist|sind|kein\w*|see|found)\b.*"
    r"\b(defect|defekt|fehler|fault|flaw|problem|mangel)"
)

# They ask what becomes of the part, or what might have become of it.
OF_VERDICT: frozenset[Topic] = frozenset(
    {"verdict", "next", "summary", "margin", "odds", "resolve", "healed"}
)


def topics_of(words: str) -> list[Topic]:
    """What a question is about.

    Args:
        words: Of the question, folded, in one line.
    """
    found: list[Topic] = [topic for topic, words_of in _TOPICS.items() if words_of.search(words)]
    not_asked = _not_asked(words)
    found = [topic for topic in found if topic not in not_asked]
    covered = {covered for topic in found for covered in _RATHER.get(topic, ())}
    return [topic for topic in found if topic not in covered]


def _not_asked(words: str) -> set[Topic]:
    return {topic for pattern, topics in _NOT_ASKED if pattern.search(words) for topic in topics}


def may_mean_verdict(words: str) -> bool:
    """Whether a question that asks nothing else may ask what becomes of the part."""
    return "verdict" not in _not_asked(words) and (judges(words) or bool(_ANY_DEFECT.search(words)))


def judges(words: str) -> bool:
    """Whether a question that asks nothing else asks if something is good."""
    return bool(_GOOD_OR_BAD.search(words))
