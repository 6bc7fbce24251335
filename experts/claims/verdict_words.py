"""Words that say what becomes of a part, folded; English, and some German.

Much can be said for "accept", so the lists are long, and a word that is missing is a gap.
"""

from __future__ import annotations

from experts.claims.words import listed
from experts.evidence import Verdict

# Words that begin so.
STEMS: dict[str, Verdict] = {
    **dict.fromkeys(
        listed(
            "accept approv ship greenl greenlit releas conform complian flawless faultless "
            "immaculat pristin spotless impeccabl satisfactor saleab sellab deliver dispatch "
            "blemishfree defectfree akzept freigeb freigegeb freigab angenommen annehm "
            "einwandfrei fehlerfrei makellos versandf ausliefer ausgeliefer zulassen brauchbar "
            "verwendbar aceit acepta accett apto conforme certif authoriz authoris greenlight "
            "admissib admit undamag unblemish unharm tadellos harmlos unbedenklich "
            "vernachlassigb unkritisch"
        ),
        "accept",
    ),
    **dict.fromkeys(
        listed(
            "reject refus refuse discard defectiv faulty condemn unaccept unusab unfit unsuitab "
            "nonconform noncomplian disqualif substandard withheld withhold abgelehnt ablehn "
            "beanstand zuruckgewies zuruckweis verworf verwerf ausschuss aussortier fehlerhaft "
            "unbrauchbar durchgefall abzulehn zuruckgehalt ausgesond aussond rechaz rejet scart "
            "unsatisf trash garbage inacept"
        ),
        "reject",
    ),
    **dict.fromkeys(
        listed(
            "review undecid borderline inconclusiv recheck reinspect nachpruf nachgepruf uberpruf "
            "indecis"
        ),
        "review",
    ),
}

# Exact words, wherever they stand.
EXACT: dict[str, Verdict] = {
    **dict.fromkeys(
        listed(
            "successful successfully satisfied unaffected unimpaired negligible insignificant "
            "irrelevant unimportant trivial uncritical cosmetic keeper ok okay okey pass passes "
            "passed passing sell sold salable io bestanden gutteil complies comply usable "
            "tolerable harmless unproblematic lgtm passt besteht okie kosher raus"
        ),
        "accept",
    ),
    **dict.fromkeys(
        listed(
            "dispose disposed scrap scraps scrapped scrapping eject ejected fail fails failed "
            "failing nok ng nio blocked block quarantined schrott"
        ),
        "reject",
    ),
    **dict.fromkeys(["escalate", "escalated"], "review"),
}

# Phrases; the longest counts.
PHRASES: dict[str, Verdict] = {
    **dict.fromkeys(
        [
            "fit for", "safe to", "ready to", "ready for", "good to go", "all good", "all clear",
            "go ahead", "give it a go", "green light", "thumbs up", "in order", "in ordnung",
            "bester ordnung",
            "in spec", "within spec", "within specification", "within specifications", "up to spec",
            "up to standard", "meets the requirements", "meets all requirements",
            "meets requirements", "meets the specification", "meets the specifications",
            "meets the standard", "meets the standards", "meets all standards", "nothing wrong",
            "nothing to worry", "no problem", "no problems", "no issue", "no issues", "no concern",
            "no concerns", "no complaint", "no complaints", "no objection", "no objections",
            "no reason for concern", "no cause for concern", "no need to worry", "no worries",
            "no doubt about its quality", "nothing unusual", "nothing abnormal",
            "nothing suspicious", "nothing conspicuous", "no damage", "keine fehler",
            "keine mangel", "kein problem", "ohne fehler", "ohne mangel", "ohne befund",
            "trouble free", "problem free", "free of faults", "error free", "fault free",
            "let it through", "let it pass", "wave it through", "waved through", "clear it",
            "cleared for", "clear for", "clear to", "suitable for", "first class", "first rate",
            "top quality", "high quality", "good quality", "best quality", "a ok", "thumb up",
            "good condition", "perfect condition", "good shape", "good enough", "use it", "keep it",
            "install it", "mount it", "pack it", "send it", "to the customer", "zum kunden",
            "i o", "o k", "does not matter", "doesn't matter", "no matter", "makes the grade",
            "made the grade", "made it through", "up to snuff", "no action", "no further action",
            "no intervention", "no rework", "nothing to see", "let it go", "let this go",
            "grade a",
        ],
        "accept",
    ),
    **dict.fromkeys(
        [
            "out of spec", "out of specification", "non conforming", "non compliant", "no good",
            "held back", "hold back", "hold it back", "sort out",
            "sorted out", "sort it out", "throw away", "throw it away", "thrown away", "n io",
            "n i o", "do not use", "out of order", "set aside",
            "take it out", "taken out", "no go",
        ],
        "reject",
    ),
    **dict.fromkeys(
        [
            "second look", "second opinion", "closer look by", "inspected by hand",
            "checked by hand", "person should",
            "person must", "person has to", "person decides", "human should", "human must",
            "human has to", "needs a human", "operator should", "operator must",
            "inspector should", "inspector must", "expert should", "expert must",
            "someone should", "someone must", "manual inspection", "manual check",
            "manually inspected", "manually checked", "inspected manually", "checked manually",
            "checked by a", "inspected by a", "decided by a", "judged by a", "up to a person",
            "on hold", "put on hold",
            "mensch muss", "mensch soll", "mensch sollte", "mensch entscheidet",
            "menschen entscheiden",
            "menschen entschieden", "menschen gepruft", "menschen beurteilt", "muss ein mensch",
            "soll ein mensch", "sollte ein mensch", "entscheidet ein mensch", "person muss",
            "person soll", "person sollte", "person entscheidet", "muss eine person",
            "soll eine person", "sollte eine person", "entscheidet eine person", "jemand muss",
            "muss jemand", "mitarbeiter muss", "prufer muss", "zu prufen", "zur prufung",
            "von hand prufen", "von hand gepruft", "manuell prufen", "manuell gepruft",
            "manuelle prufung", "lautet prufung", "urteil prufung", "ist prufung",
        ],
        "review",
    ),
}  # fmt: skip

# Adjectives that judge the part only as its predicate, before its name, or alone.
JUDGING: dict[str, Verdict] = {
    **dict.fromkeys(
        listed(
            "good fine clean sound perfect healthy intact great excellent normal regular safe "
            "right correct alright unremarkable unsuspicious inconspicuous whole superb wonderful "
            "nice proper gut sauber heil super prima perfekt ausgezeichnet hervorragend "
            "unauffallig serviceable functional acceptable ordinary ready clear suitable typical"
        ),
        "accept",
    ),
    **dict.fromkeys(
        listed(
            "bad damaged broken flawed poor terrible ruined unsound dangerous unsafe schlecht "
            "kaputt beschadigt defekt worthless useless"
        ),
        "reject",
    ),
    **dict.fromkeys(listed("unclear uncertain doubtful questionable"), "review"),
}
# Likewise, of an image that stands out, whatever the verdict.
STANDING_OUT = listed("suspicious abnormal unusual anomalous irregular conspicuous")
# What may stand behind such a predicate; before any other word they say how a thing looks.
BEHIND_PREDICATE = listed(
    "and or but to for because as in with now overall enough here again too so except apart "
    "despite at from on by since then und"
)

# Of these words nothing follows for the part: "false rejects", "good parts", "a normal image".
HARMLESS = (
    "cannot promise",
    "false reject", "false rejects", "false rejection", "false rejections", "reject rate",
    "rejection rate", "false accept", "false accepts", "good match", "good agreement",
    "good contrast", "good lighting", "good light", "good reference", "good example", "good view",
    "good focus", "to review the", "in order to", "limit that rejects",
    "limits that reject", "pass through", "passes through",
)  # fmt: skip

# What may be done with a part, where nothing else tells what is meant by it.
MAY = listed("can may should must shall could might ought need needs kann darf soll muss sollte")
# What may be done with it, if that is said of these.
USES = listed(
    "used use installed install mounted mount assembled assemble processed packed sent forwarded "
    "built handed verwendet verbaut eingebaut"
)
# What these verbs tell of a part is no use of it.
TELLING = listed(
    "seen visible found measured observed recognised recognized noticed detected explained "
    "compared caused attributed related indicate come result lead cause reduce raise affect grow "
    "corrode arise stem occur happen mean show look appear differ vary help point weaken damage "
    "read told said named called taken made described distinguished located identified confirmed "
    "ruled have known sure considered judged counted"
)
# Nor is what begins with these: "may be a scratch", "can be up to".
TELLING_TOO = listed(
    "a an the it they this that some any one of because more less from due either part larger "
    "smaller up"
)
SKIPPED = listed(
    "not be been also still therefore then now only easily clearly well safely to have has never "
    "no longer thus hence"
)
# Ways to say that another part is meant, or another time.
ELSEWHERE = listed(
    "previous earlier last next another other others former yesterday tomorrow later usually "
    "typically generally normally often sometimes vorherige vorige nachste andere"
)
# A judgement of the part that is taken back by these is not told by its words.
WEAKENING = listed(
    "almost nearly instead rather hardly barely supposed supposedly so-called think believe "
    "opinion guess hope feel claims claimed says said anything everything except far unlike wish "
    "want wants like"
)

# Who gives such an order says what becomes of the part.
ORDERS = listed(
    "keep use install mount pack send take hand give put forward let sell assemble throw remove "
    "treat consider return process proceed move leave continue mark label file sort bring pass "
    "behalte nimm sende verwende"
)
# What is said under these headings is said of the verdict.
HEADINGS = listed(
    "risk severity call answer class classification label prediction status decision result "
    "verdict quality rating grade disposition outcome conclusion judgement judgment "
    "recommendation assessment entscheidung ergebnis urteil qualitat bewertung"
)
# A score or a p-value that is said to be so says whether the image stands out.
RANKED = {"score": "high", "value": "low", "p": "low"}
HIGH = listed("high large elevated hoch big higher")
LOW = listed("low small tiny little niedrig klein lower")
