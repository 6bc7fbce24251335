"""What kinds of defects are called all over, in English and in German; folded."""

from __future__ import annotations

from functools import lru_cache

from experts.claims.words import listed, singular

# Of these no sentence may speak unless the line knows the word.
_COMMON = listed(
    "abrasion abrasions adhesion blister blisters blowhole blowholes bubble bubbles bruise "
    "bruises bump bumps burn burns burr burrs chip chips chipping cavity cavities contamination "
    "contaminations corrosion crack cracks cracking crater craters crease creases cut cuts "
    "deformation delamination dent dents deposit deposits dirt discoloration discolouration dust "
    "erosion fibre fibres fiber fibers fissure fissures flake flakes flaking fold folds fracture "
    "fractures gouge gouges hair hairs hole holes impurity impurities inclusion inclusions "
    "indentation indentations leak microcrack microcracks misalignment misprint nick nicks notch "
    "notches oxidation particle particles peeling pit pits pitting pore pores porosity residue "
    "residues rupture rust scratch scratches scrape scrapes scuff scuffs shrinkage slag smear "
    "smears smudge smudges spall spalling reflection reflections artifact artifacts artefact "
    "artefacts shadow shadows glare splinter splinters split splits stain stains tarnish tear "
    "tears void voids warp warping wear wrinkle wrinkles"
)
COMMON = frozenset(singular(word) for word in _COMMON)

# A German noun, and all that it may be in English.
_GERMAN: dict[str, str] = {
    "abdruck": "indentation", "abnutzung": "wear abrasion", "abplatzer": "chip chipping spall",
    "abplatzung": "chip chipping spall flaking", "abrieb": "abrasion wear scuff",
    "abschurfung": "scrape scuff abrasion", "absplitterung": "chip chipping splinter",
    "ablagerung": "deposit residue", "ablosung": "peeling delamination", "anlaufen": "tarnish",
    "beule": "bump dent", "blase": "bubble blister", "blaschen": "bubble blister",
    "brandstelle": "burn", "brandfleck": "burn stain", "bruch": "fracture rupture",
    "delamination": "delamination", "delle": "dent indentation", "einschluss": "inclusion",
    "einschnitt": "cut notch", "erosion": "erosion", "falte": "fold wrinkle crease",
    "faser": "fibre fiber", "fehldruck": "misprint", "furche": "gouge", "grat": "burr",
    "grubchen": "pit pitting", "haarriss": "crack microcrack fissure",
    "kerbe": "notch nick", "knick": "crease fold", "korrosion": "corrosion", "krater": "crater",
    "kratzer": "scratch scrape", "loch": "hole", "lochfrass": "pitting", "lunker": "cavity void "
    "blowhole shrinkage", "oxidation": "oxidation", "partikel": "particle", "pore": "pore",
    "porositat": "porosity", "quetschung": "bruise", "reflexion": "reflection glare",
    "riefe": "gouge scratch", "riss": "crack fissure fracture tear split microcrack",
    "rost": "rust corrosion", "ruckstand": "residue deposit", "rille": "gouge",
    "schatten": "shadow", "schlacke": "slag", "schliere": "smear", "schmierer": "smear smudge",
    "schmutz": "dirt contamination", "schnitt": "cut", "schramme": "scratch scrape scuff",
    "spalt": "split", "spiegelung": "reflection glare", "splitter": "splinter chip",
    "staub": "dust", "undichtigkeit": "leak", "verbrennung": "burn",
    "verfarbung": "discoloration discolouration stain tarnish", "verformung": "deformation warp",
    "verschleiss": "wear", "verschmutzung": "contamination dirt", "versatz": "misalignment",
    "verunreinigung": "contamination impurity", "verzug": "warp warping",
    "vertiefung": "pit indentation dent", "hohlraum": "void cavity", "fremdkorper": "inclusion",
    "abriss": "tear rupture", "fussel": "fibre fiber", "fraktur": "fracture",
    "haar": "hair fibre fiber", "mausbiss": "mousebite bite", "kurzschluss": "short",
    "unterbrechung": "open", "unterbrochen": "open", "dorn": "spur", "sporn": "spur",
    "nadelloch": "pinhole",
}  # fmt: skip
_KINDS = {german: frozenset(english.split()) for german, english in _GERMAN.items()}
# What kinds are called, in either language.
NAMES = frozenset((*COMMON, *_KINDS))
# English names for which there is a German one.
HAVE_GERMAN = frozenset(kind for kinds in _KINDS.values() for kind in kinds)
# Where these end a longer word, they still name the kind: "Oberflächenkratzer"; "Fleck" alone says
# how a place looks, "Kaffeefleck" what it is.
_HEADS = {
    "fleck": frozenset({"stain"}),
    **{
        head: _KINDS[head]
        for head in (
            "kratzer", "delle", "beule", "ruckstand", "ablagerung", "verschmutzung", "verfarbung",
            "einschluss", "schramme", "riss",
        )
    },
}  # fmt: skip
_NO_KINDS = listed("umriss umrisse umrissen umrisses grundriss abriss aufriss")
_ENDINGS = ("", "n", "en", "e", "s", "es", "er", "ern", "nen")

# Named for themselves or before the name of a kind, they say where it comes from.
SUBSTANCES = listed(
    "coffee tea oil oily grease greasy lubricant water moisture humidity paint glue adhesive ink "
    "solvent acid chemical chemicals soap coolant resin wax blood chocolate sugar salt sweat "
    "fingerprint fingerprints saliva juice wine milk beer soot ash mud sand clay tar detergent "
    "kaffee tee ol fett schmierfett schmiermittel wasser feuchtigkeit lack kleber klebstoff tinte "
    "losungsmittel saure chemikalie chemikalien seife kuhlmittel harz wachs blut schweiss russ "
    "fingerabdruck fingerabdrucke schlamm"
)


@lru_cache(maxsize=4096)
def english_for(word: str) -> frozenset[str]:
    """What a German word for a kind of defect may be in English; nothing for all other words."""
    if word in _NO_KINDS:
        return frozenset()
    stems = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
    for stem in stems:
        if stem in _KINDS:
            return _KINDS[stem]
    for stem in stems:
        head = next((h for h in _HEADS if stem.endswith(h) and stem != h), None)
        if head:
            return _HEADS[head]
    return frozenset()


def names_kind(word: str) -> bool:
    """Whether a word is one for a kind of defect, in either language."""
    return singular(word) in COMMON or bool(english_for(word))


@lru_cache(maxsize=4096)
def substance_in(word: str) -> str:
    """The substance that a word names, or begins with as "Kaffeefleck" does; empty for none."""
    if word in SUBSTANCES:
        return word
    if "stain" in english_for(word) or english_for(word) & {"residue", "deposit", "smear"}:
        return max((s for s in SUBSTANCES if word.startswith(s)), key=len, default="")
    return ""
