"""What questions ask, in MMAD's wordings and in others, and what options state."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from experts.choosing import what_is_asked
from experts.choosing.placing import places_in
from experts.choosing.stating import Side, side_of, sides_of

BARE = ("Yes.", "No.")
JA_NEIN = ("Ja.", "Nein.")
NAMES = ("Scratch.", "Crack.", "Hole.", "Contamination.")
LOOKS = ("A thin dark line.", "A round pit.", "A bright area.", "A piece is missing.")
EFFECTS = ("It may leak.", "It looks bad.", "It breaks under load.", "None of these.")
CAUSES = ("Mishandling.", "Wrong temperature.", "Dust.", "A worn tool.")
THINGS = ("A bottle.", "A cable.", "A screw.", "A circuit board.")
COLOURS = ("Brown.", "Green.", "Grey.", "Blue.")
GOOD_ONES = (
    "A grey weave that is as fine in one corner as in the other, and even from edge to edge.",
    "Black tracks with clean edges on a white ground, and holes in the middle of their pads.",
    "A closed black zipper from top to bottom, with teeth in one straight row of even pitch.",
)
NUMBERS = ("One.", "Two.", "Three.", "Four.")
NINE = ("Top left.", "Top.", "Right.", "Center.")
LONG_PLACES = (
    "On the upper left side of the bottle opening.",
    "At the edge and near the center.",
    "Scattered across the surface.",
    "On the right side of the bottle opening.",
)
MOSTLY_PLACES = ("On the left wire.", "In the middle.", "On the label.", "At the bottom.")
GIVEN = "There is a defect in the object. "

QUESTIONS: Sequence[tuple[str, Sequence[str], str]] = [
    # Presence: "yes" may be either side.
    ("Is there any defect in the object?", BARE, "presence"),
    ("Is there any defect in the object?", ("No.", "Yes."), "presence"),
    ("Are there any anomalies in the test image?", BARE, "presence"),
    ("Does this part show any damage?", BARE, "presence"),
    ("Is anything wrong with the product?", BARE, "presence"),
    ("Is the object normal?", BARE, "presence"),
    ("Is the object free of defects?", BARE, "presence"),
    ("Does the object look normal?", BARE, "presence"),
    ("Is the appearance of the object normal?", BARE, "presence"),
    ("Isn't there a defect in the object?", BARE, "presence"),
    ("Would this part pass the inspection?", BARE, "presence"),
    ("Should this part be rejected?", BARE, "presence"),
    ("Is any component missing?", BARE, "presence"),
    ("Is the assembly complete?", BARE, "presence"),
    ("Are there any scratches on the surface?", BARE, "presence"),
    ("Compared with the normal image, is there any defect?", BARE, "presence"),
    ("The first image is a normal sample. Is there any defect in the second?", BARE, "presence"),
    ("Is there any defect?", ("Yes.", "No.", "Uncertain."), "presence"),
    ("Is there any defect?", ("Yes, there is a defect.", "No, it is normal."), "presence"),
    ("What is the state of the object?", ("Normal.", "Abnormal."), "presence"),
    ("Which statement is true?", ("No defect.", "There is a defect."), "presence"),
    ("Which category does the image belong to?", ("Normal.", "Anomalous."), "presence"),
    ("What is the condition of the part?", ("Good.", "Not good."), "presence"),
    ("How would you rate this part?", ("OK.", "NOK."), "presence"),
    ("Does the object have any defects?", ("A. Yes", "B. No"), "presence"),
    ("Is this product qualified?", ("Qualified.", "Unqualified."), "presence"),
    ("Is this a defective part?", ("Defective.", "Non-defective."), "presence"),
    ("Hat das Teil einen Fehler?", JA_NEIN, "presence"),
    ("Gibt es einen Defekt?", JA_NEIN, "presence"),
    ("Ist das Teil in Ordnung?", JA_NEIN, "presence"),
    ("Ist das Teil fehlerfrei?", JA_NEIN, "presence"),
    ("Was trifft zu?", ("Kein Fehler.", "Das Teil ist beschädigt."), "presence"),
    # Place.
    (f"{GIVEN}Where is the defect?", NINE, "place"),
    (f"{GIVEN}Where is the defect?", LONG_PLACES, "place"),
    (f"{GIVEN}Where is the defect?", MOSTLY_PLACES, "place"),
    (f"{GIVEN}Where is it?", NINE, "place"),
    (f"{GIVEN}Where is the defect? Choose the best answer.", NINE, "place"),
    ("Where is the anomaly located?", LONG_PLACES, "place"),
    ("Where can damage be found?", NINE, "place"),
    ("In which area is the scratch?", NINE, "place"),
    ("Which part of the image is anomalous?", NINE, "place"),
    ("What is the position of the flaw?", MOSTLY_PLACES, "place"),
    ("Wo liegt der Fehler?", ("Oben links.", "Unten rechts.", "In der Mitte."), "place"),
    ("An welcher Stelle ist der Defekt?", ("Oben.", "Unten.", "Links."), "place"),
    ("Which region differs from the reference?", NINE, "place"),
    ("On which side of the board is the damage?", ("Left.", "Right."), "place"),
    # Kind.
    (f"{GIVEN}What is the type of the defect?", NAMES, "kind"),
    (f"{GIVEN}What type is it?", NAMES, "kind"),
    ("What kind of defect is it?", NAMES, "kind"),
    ("What type of damage appears on the surface?", NAMES, "kind"),
    ("Which of these describes the type of the defect?", NAMES, "kind"),
    ("Which defect is present in the image?", NAMES, "kind"),
    ("What is wrong with the object?", NAMES, "kind"),
    ("To which class does the anomaly belong?", NAMES, "kind"),
    ("What is this flaw called?", NAMES, "kind"),
    ("What is the category of the defect?", ("Broken tip.", "Damaged rim.", "No defect."), "kind"),
    ("What is the type of the defect?", ("Defective print.", "Damaged.", "No defect."), "kind"),
    ("Um welche Fehlerart handelt es sich?", ("Kratzer.", "Riss.", "Delle."), "kind"),
    ("Welche Art von Defekt ist zu sehen?", ("Kratzer.", "Riss.", "Delle."), "kind"),
    ("In the test image, which type of anomaly is on the cable?", NAMES, "kind"),
    ("Um welchen Fehler handelt es sich?", ("Kratzer.", "Riss."), "kind"),
    (f"{GIVEN}What is its type?", ("No label.", "No cap.", "No wire."), "kind"),
    # Appearance.
    (f"{GIVEN}What is the appearance of the defect?", LOOKS, "appearance"),
    (f"{GIVEN}What does it look like?", LOOKS, "appearance"),
    ("How does the defect appear?", LOOKS, "appearance"),
    ("How can the appearance of the damage be described?", LOOKS, "appearance"),
    ("Which describes the defect best?", LOOKS, "appearance"),
    ("What is the colour of the defect?", COLOURS, "appearance"),
    ("What is the shape of the anomaly?", ("Round.", "Long.", "Square."), "appearance"),
    ("What are the visual characteristics of the flaw?", LOOKS, "appearance"),
    ("Wie sieht der Fehler aus?", ("Dunkel.", "Hell."), "appearance"),
    ("How large is the defect?", ("Small.", "Large."), "appearance"),
    # Effect.
    (f"{GIVEN}What is the effect of the defect?", EFFECTS, "effect"),
    (f"{GIVEN}What could happen because of it?", EFFECTS, "effect"),
    ("What impact does the defect have on its appearance?", EFFECTS, "effect"),
    ("How does the defect affect the function?", EFFECTS, "effect"),
    ("What could be caused by the defect?", EFFECTS, "effect"),
    ("What might this defect cause?", EFFECTS, "effect"),
    ("What consequences may the damage have?", EFFECTS, "effect"),
    ("What does the anomaly lead to?", EFFECTS, "effect"),
    ("Welche Auswirkung hat der Fehler?", ("Es leckt.", "Es rostet."), "effect"),
    ("Welche Folgen hat der Schaden?", ("Es leckt.", "Es rostet."), "effect"),
    ("What would be the result of using the object with this defect?", EFFECTS, "effect"),
    # Cause.
    (f"{GIVEN}What is the most likely cause of the defect?", CAUSES, "cause"),
    ("What caused the damage?", CAUSES, "cause"),
    ("Why did the defect occur?", CAUSES, "cause"),
    ("What is the origin of this flaw?", CAUSES, "cause"),
    ("Was ist die Ursache des Fehlers?", ("Staub.", "Hitze."), "cause"),
    ("Wodurch ist der Defekt entstanden?", ("Staub.", "Hitze."), "cause"),
    ("What led to the defect?", CAUSES, "cause"),
    ("How was the defect formed?", CAUSES, "cause"),
    ("What most likely produced this defect?", CAUSES, "cause"),
    ("How did the scratch get there?", CAUSES, "cause"),
    # Product.
    ("What kind of product is displayed in the image?", THINGS, "product"),
    ("What kind of product is shown in the image?", THINGS, "product"),
    ("What is the object in the image?", THINGS, "product"),
    ("What type of industrial object is this?", THINGS, "product"),
    ("Which product is being inspected?", THINGS, "product"),
    ("What is shown in the picture?", THINGS, "product"),
    ("What object can be seen in the image?", THINGS, "product"),
    ("Um welches Produkt handelt es sich?", THINGS, "product"),
    ("What does the image show?", THINGS, "product"),
    ("Identify the object.", THINGS, "product"),
    ("What is the name of the object?", THINGS, "product"),
    ("What category does the object belong to?", THINGS, "product"),
    (f"{GIVEN}What is the type of the object?", THINGS, "product"),
    ("Welches Produkt ist abgebildet?", ("Eine Flasche.", "Ein Kabel."), "product"),
    ("Was für ein Bauteil ist zu sehen?", ("Eine Flasche.", "Ein Kabel."), "product"),
    # What a good part is like.
    ("What do the dark areas in the image represent?", THINGS, "good part"),
    ("What is the overall colour of the object?", COLOURS, "good part"),
    ("What is the surface of the object like?", LOOKS, "good part"),
    ("What is the structure of the object?", LOOKS, "good part"),
    ("What does a normal object of this product look like?", GOOD_ONES, "good part"),
    ("What is the normal appearance of the object in the image?", GOOD_ONES, "good part"),
    ("Which text describes the object when it has no defect?", GOOD_ONES, "good part"),
    ("Wie sieht ein einwandfreies Teil aus?", GOOD_ONES, "good part"),
    ("Which of these is true?", GOOD_ONES, "good part"),
    ("What material is the object made of?", ("Glass.", "Steel."), "good part"),
    ("What kind of material is the product in the image made of?", COLOURS, "good part"),
    ("What is the main component of the object?", THINGS, "good part"),
    ("What type of pattern is on the object shown in the image?", LOOKS, "good part"),
    ("How many holes are there in the object?", NUMBERS, "good part"),
    ("How many wires are there?", NUMBERS, "good part"),
    ("Where is the logo on the object?", NINE, "good part"),
    ("What is the object in the image used for?", EFFECTS, "good part"),
    ("What is in the middle of the object?", THINGS, "good part"),
    ("Is the label readable?", BARE, "good part"),
    (f"{GIVEN}What is the colour of the object?", COLOURS, "good part"),
    ("Welche Farbe hat das Objekt?", ("Braun.", "Grün."), "good part"),
    # What nothing here can tell.
    ("Where is the defect?", ("On the case.", "On the lead.", "On the label."), "other"),
    ("How many defects are there?", NUMBERS, "other"),
    (f"{GIVEN}Is it on the left?", BARE, "other"),
    ("Is there a defect in the top left?", BARE, "other"),
    ("Does the defect affect the function?", BARE, "other"),
    ("How severe is the defect?", ("Minor.", "Major.", "Critical."), "other"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "options", "about"), QUESTIONS)
def test_what_a_question_asks(question: str, options: Sequence[str], about: str) -> None:
    assert what_is_asked(question, options) == about


def test_letters_and_stops_do_not_matter() -> None:
    for question, options, about in QUESTIONS:
        plain = [option.rstrip(".").upper() for option in options]
        assert what_is_asked(question.upper(), plain) == about, question


@pytest.mark.parametrize(
    ("asked", "options", "sides"),
    [
        ("Is there any defect in the object?", BARE, ("bad", "good")),
        ("Is there no defect in the object?", BARE, ("good", "bad")),
        ("Isn't there a defect in the object?", BARE, ("bad", "good")),
        ("Is the object normal?", BARE, ("good", "bad")),
        ("Is the object abnormal?", BARE, ("bad", "good")),
        ("Is the object free of defects?", BARE, ("good", "bad")),
        ("Is the object free from any visible flaws?", BARE, ("good", "bad")),
        ("Is this part defect-free?", BARE, ("good", "bad")),
        ("Is the part without damage?", BARE, ("good", "bad")),
        ("Is the object undamaged?", BARE, ("good", "bad")),
        ("Does it differ from the normal image?", BARE, ("bad", "good")),
        ("Should the part be accepted?", BARE, ("good", "bad")),
        ("Should the part be rejected?", BARE, ("bad", "good")),
        ("Ist das Teil in Ordnung?", JA_NEIN, ("good", "bad")),
        ("Ist das Teil nicht in Ordnung?", JA_NEIN, ("bad", "good")),
        ("Hat das Teil keine Fehler?", JA_NEIN, ("good", "bad")),
        ("Ist das Teil beschädigt?", JA_NEIN, ("bad", "good")),
        # Options that speak for themselves do not hang on the question.
        ("Is it normal?", ("Normal.", "Abnormal."), ("good", "bad")),
        ("Is it normal?", ("Yes, it is normal.", "No, it is defective."), ("good", "bad")),
        ("Is it defective?", ("No, it is not normal.", "Yes, no defect."), ("bad", "good")),
        ("Is the assembly complete?", ("Yes it is", "No it isn't"), ("good", "bad")),
        ("Is a wire missing?", BARE, ("bad", "good")),
        ("Fehlt etwas?", JA_NEIN, ("bad", "good")),
        ("Is the label readable?", BARE, (None, None)),
        ("What is missing?", ("No label", "No cap"), (None, None)),
        ("Is there a defect?", ("Yes", "No", "Cannot tell"), ("bad", "good", None)),
    ],
)
def test_the_sides_of_options(
    asked: str, options: Sequence[str], sides: tuple[Side | None, ...]
) -> None:
    assert sides_of(asked, options) == sides


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("No defect.", "good"),
        ("There is a defect.", "bad"),
        ("There is no visible sign of damage.", "good"),
        ("Defects are not visible.", "good"),
        ("Not free of defects.", "bad"),
        ("Not normal.", "bad"),
        ("Defective, not normal.", "bad"),
        ("No scratches, dents, or defects.", "good"),
        ("Good, without flaws.", "good"),
        ("Not OK", "bad"),
        ("NOK", "bad"),
        ("NG", "bad"),
        ("Nicht in Ordnung.", "bad"),
        ("Fehlerfrei.", "good"),
        ("Kein Mangel.", "good"),
        ("Ohne sichtbare Schäden", "good"),
        ("A bottle.", None),
        ("", None),
    ],
)
def test_the_side_of_a_text(text: str, side: Side | None) -> None:
    assert side_of(text) == side


@pytest.mark.parametrize(
    ("option", "places"),
    [
        ("Top left.", ("the top left",)),
        ("On the upper left side of the bottle opening.", ("the top left",)),
        ("On the lower, left side.", ("the bottom left",)),
        ("In the top left, near the edge.", ("the top left",)),
        ("At the edge and near the center.", ("any edge", "the centre")),
        ("Top left and bottom right.", ("the top left", "the bottom right")),
        ("Top left, bottom right", ("the top left", "the bottom right")),
        ("Along the entire rim.", ("any edge",)),
        ("Scattered across the surface.", ("everywhere",)),
        ("Überall.", ("everywhere",)),
        ("Oben links und in der Mitte.", ("the top left", "the centre")),
        ("On the label.", ()),
        ("", ()),
    ],
)
def test_the_places_in_an_option(option: str, places: tuple[str, ...]) -> None:
    assert places_in(option) == places
