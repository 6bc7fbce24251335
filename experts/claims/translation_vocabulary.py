"""Words of the sentences that code writes on verdicts, rules and the knowledge file.

There a German text has no content word that the English one lacks: "Urteil: abgelehnt, aber egal"
says more than "The verdict is reject."
"""

from __future__ import annotations

import re

from experts.claims.facts import Facts
from experts.claims.kind_words import COMMON, english_for
from experts.claims.text import fold
from experts.claims.verdict_words import EXACT
from experts.claims.verdicts import verdict_by_stem
from experts.claims.words import listed, singular

# Whoever speaks of these says what becomes of the part, or by what.
_SCOPE = re.compile(
    r"\b(?:verdict|reject\w*|accept\w*|review|clauses?|rules?|limits?|knowledge file|decide[sd]?|"
    r"stands? out|promise\w*|confidence|of good parts|rank)\b"
)
# Who says this of a verdict says that it was itself turned down.
_TURNED_DOWN = re.compile(
    r"\b(?:urteil|entscheidung|bewertung|ergebnis|beurteilung)\w* (?:\w+ ){0,2}?"
    r"(?:wurde|wird|ward)\b"
)
_ENDINGS = ("ern", "en", "em", "er", "es", "e", "n", "s", "t")
_SHORTEST = 3
_WORD = re.compile(r"[^\W\d_²³]+")
# Words that a part may follow, as nobody can list how all products are called in German.
_BEFORE_PARTS = re.compile(
    r"(?:normal\w*|gut\w*|dies\w{1,2}|jede\w|d(?:er|ie|as|en|em|es)|ein\w{0,2}|kein\w{0,2}|ihr\w{0,2}|"
    r"von|zum|zur|vom|mehr|weniger)$"
)

_GERMAN_LISTED = listed(
    "ab aber abgehoben ablesen abstand alle allgemein als also andere angegeben angelernt "
    "angewendet anhand anmerkung ansicht ansonsten anteil anwenden anzahl anzulernen art auch auf "
    "auffallen auffallig auffallt aufgrund auflosung aufnahme aus ausschnitt aussehen ausserhalb "
    "auswirkung auszusehen basiert bauteil bedeutet bei beide beispiel belege belegen berechnet "
    "bereich bereits betracht betragt beurteilt bewegt bewertet bewertung bezuglich bild bis "
    "bleiben blick breit breite bzw ca da dabei daher damit danach dann dar darauf darf darin "
    "daruber darunter das dass dasselbe davon dazu deckt dem den denn der deren derselbe des "
    "deshalb dessen deutlich die dies dieselbe differenz dort drei drittel druber drunter dunkel "
    "dunkl durch durchmesser durchschnitt eben ebenfalls ebenso ecke ein eindeutig einfluss "
    "eingehalten eingeordnet eingestuft einhalten einheit einordnen einstufung eintrag einzeln "
    "einzige elf elongiert entfernt enthalt enthalten entscheiden entscheidend entscheidet "
    "entscheidung entschieden er erfasst erfullt ergebnis erhalt erlaubt erreichen erscheinung "
    "erscheinungsbild ersetzt erwartung erwartungsgemass erwartungswert erzielen erzielt es etwa "
    "etwas eventuell fach fall fallen falls fallt falsch fehlablehnung fehler fest flache fleck "
    "folge foto frage fragen fuhrt funf fur gab ganz gehalten gehen gehort geht gelten gemass "
    "gemessen genau genauer gering geringfugig gesagt gesamt gesamtflache geschieht gesehen getan "
    "gewohnlich gezeigt gibt gilt glatt gleich grau grauwert grenze grenzwert gross grosse grund "
    "grundsatzlich gruppe gut gutteil haben halt halte hat hebt hell hervor hier hinweis hoch "
    "hochst hochstens hochstwert hohe hoher ihm ihn ihr im immer in infrage innerhalb insgesamt "
    "inspektion ist ja jede jedoch jeweils kalibrieren kann kante karten kartenwert kein klar "
    "klausel klein kommt konfidenz konnen konnte kriterium kritisch lag lang lange langlich "
    "lassen lasst laut lauten lautet legt liegen liegt limit linie links mal man massgeblich "
    "massnahme massstab maximal mehr mehrere mensch messung messwert millimeter mindestens mit "
    "mitte mittel modell mogliche moglicherweise muss nach nachher nachschlagen nachste naher "
    "nennt neu neun nicht nichts noch normal notiz nun nur ob oben ober oberhalb oder ohne "
    "ohnehin person pixel produkt produktlinie prozent prufen prufung punkt punktzahl "
    "quadratpixel rand rang rechts referenz referenzbild regel reichen rund sagt schlecht "
    "schliesslich schwelle schwellenwert schwer schwere schwerwiegend sechs sehr sein seite "
    "selbst sich sicher sicherheit sicht sichtbar sie sieben sieht sind so solche soll somit "
    "sonst sowie spitzenwert sprachmodell stark statt stattdessen stechen stehen steht stelle "
    "sticht streifen streng strengst strich stufe stufen tat teil text toleranz trifft tun tut "
    "uber uberhaupt uberschreitet uberschritten ubertrifft ubrige ubrigen um umfasst umgebung und "
    "ungewohnlich unten unter unterhalb unterscheiden unterschied unterschieden ursache urteil "
    "verbleiben vergleich verglichen verlangt verletzt vermessen verschieden versprechen "
    "verspricht versprochen verstossen vertrauen vertrauenswert viel vier voll voller vollig vom "
    "von voneinander vor voraussichtlich vorgabe vorhanden vorher wahrscheinlichkeit war waren "
    "warum was weder wegen weicht weil weit weitere welch wenig wenn wer werden wert wertung wie "
    "wird wirkung wissensdatei wo wobei womit worden wozu wurde zahl zahlt zehn zeigt zeile "
    "ziffer zone zu zulassig zum zur zuruckgehalten zusatz zustand zuviel zuvor zwei zweite "
    "zwischen"
)
_ENGLISH_LISTED = listed(
    "about accept accepted after all allow allowed allows also and another any anything anyway "
    "apart appearance applied apply are area around as ask at average away back bad be because "
    "before beyond bottom bright but by calibrate calls can cannot cause centre clause clearly "
    "closer comes compare compared computed confidence could count counts cover critical dark "
    "decide decided decides defect diameter differ difference differs distance does done each "
    "edge effect else enrol every expectation false far few fewer file for from general good "
    "grave grey has held high highest hold how if image in inside is it its kind knowledge large "
    "larger largest least left length less like limit line little long longer look many map may "
    "me measured middle minor mm more most much must native near new next no none normal not "
    "nothing of on one only or other out outside over p part per person photo pixel place "
    "probability promise promised px range rank ranks reach reference region reject rejected "
    "rejects replaced resolution review right rule said same say scale score scored scores seen "
    "set severity shape show shown side similar similarity since single size small so spot stand "
    "stands still strictest such sure surroundings taken takes tell tells than that the them then "
    "there these they this three times to told too top total twin two unknown unusual up usual "
    "usually value verdict view was were what where which whole why wide width with within yes "
    "you zone"
)


def has_riders(german: str, english: str, facts: Facts) -> bool:
    """Whether a German sentence on the verdict, a rule or the file says more than the English one.

    What is quoted of a knowledge file is free text; for so many of its words the German sentence
    may have words of its own.

    Args:
        german: What shall say the same.
        english: As code wrote it.
        facts: What is known of the inspection.
    """
    meant = fold(english).text
    if not _SCOPE.search(meant):
        return False
    if _TURNED_DOWN.search(fold(german).text):
        return True
    words = set(_WORD.findall(meant))
    parts = facts.part_words | facts.parts_words
    free = [w for w in words if not _is_ours(w) and w not in parts]
    names = sum(w in parts for w in _WORD.findall(meant))
    foreign = 0
    before = ""
    for found in _WORD.finditer(german):
        word = fold(found[0]).text
        if not (word in words or _is_known_german(word)):
            is_name = names > 0 and found[0][:1].isupper() and _BEFORE_PARTS.match(before)
            names -= bool(is_name)
            foreign += not is_name
        before = word
    return foreign > len(free) + len(free) // 2


def _is_ours(word: str) -> bool:
    """Whether an English word is one of code's, so that the German for it is known."""
    return (
        len(word) < _SHORTEST
        or word in _ENGLISH_LISTED
        or singular(word) in _ENGLISH
        or (singular(word) in COMMON)
    )


def _is_known_german(word: str) -> bool:
    if len(word) < _SHORTEST or word in _GERMAN_LISTED or english_for(word):
        return True
    return bool(EXACT.get(word) or verdict_by_stem(word)) or bool(_roots(word) & _GERMAN)


def _roots(word: str) -> set[str]:
    """A German word, and what is left of it without an ending."""
    ends = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return {word, *(root for root in ends if len(root) >= _SHORTEST)}


_ENGLISH = frozenset(map(singular, _ENGLISH_LISTED))
_GERMAN = frozenset(root for word in _GERMAN_LISTED for root in _roots(word))
