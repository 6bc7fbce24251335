"""Which option a text chooses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mmad.parsing import parse_letter

PLACES = {"A": "Top left.", "B": "In the centre.", "C": "Bottom right.", "D": "A crack at the top."}
YES_NO = {"A": "Yes.", "B": "No."}
NO_YES = {"A": "No.", "B": "Yes."}

CHOOSES: list[tuple[str, Mapping[str, str], str]] = [
    ("B", PLACES, "B"),
    ("B.", PLACES, "B"),
    ("(B)", PLACES, "B"),
    ("[B]", PLACES, "B"),
    ('"B"', PLACES, "B"),
    (" B \n", PLACES, "B"),
    ("B:", PLACES, "B"),
    ("b", PLACES, "B"),
    ("a", PLACES, "A"),
    ("(c)", PLACES, "C"),
    ("b) in the centre", PLACES, "B"),
    ("B", PLACES, "B"),
    ("**B**", PLACES, "B"),
    ("**B**. The mark lies in the middle.", PLACES, "B"),
    ("Answer: B", PLACES, "B"),
    ("answer: b", PLACES, "B"),
    ("Answer: B.", PLACES, "B"),
    ("**Answer:** B", PLACES, "B"),
    ("**Answer**: (B)", PLACES, "B"),
    ("Answer: A", PLACES, "A"),
    ("The answer is A.", PLACES, "A"),
    ("The answer is B because A is not where the mark lies.", PLACES, "B"),
    ("The answer is A because B is not where the mark lies.", PLACES, "A"),
    ("The correct answer is option C.", PLACES, "C"),
    ("The mark is large. Final answer: C", PLACES, "C"),
    (r"Thus \boxed{C}", PLACES, "C"),
    ("I would choose B.", PLACES, "B"),
    ("The correct option is B.", PLACES, "B"),
    ("The correct choice is (B).", PLACES, "B"),
    ("The best option is B.", PLACES, "B"),
    ("The best option is A because the mark is there.", PLACES, "A"),
    ("My choice is B", PLACES, "B"),
    ("It's B.", PLACES, "B"),
    ("It is **C**, as the mark is there.", PLACES, "C"),
    ("It's not B. It's C.", PLACES, "C"),
    ("I think it's C.", PLACES, "C"),
    ("We believe that it is option C.", PLACES, "C"),
    ("The mark is large. I think it's A.", PLACES, "A"),
    ("The mark is large. Therefore, option B.", PLACES, "B"),
    ("The mark is large, so B.", PLACES, "B"),
    ("Question 1: B", PLACES, "B"),
    ("Question 1: (B) In the centre.", PLACES, "B"),
    ("B) is correct", PLACES, "B"),
    ("B. Isn't round.", {"A": "Round.", "B": "Isn't round."}, "B"),
    ("B) is wrong. The answer is C.", PLACES, "C"),
    ("Option B", PLACES, "B"),
    ("Option B: In the centre.", PLACES, "B"),
    ("B. In the centre.", PLACES, "B"),
    ("B) In the centre", PLACES, "B"),
    ("B: In the centre.", PLACES, "B"),
    ("B - in the centre", PLACES, "B"),
    ("B In the centre.", PLACES, "B"),
    ("B, as the mark is there.", PLACES, "B"),
    ("B because the mark is there.", PLACES, "B"),
    ("A is correct.", PLACES, "A"),
    ("B\n\nThe mark lies in the middle; A crack would look different.", PLACES, "B"),
    ("In the centre.", PLACES, "B"),
    ("in the centre", PLACES, "B"),
    ("The answer is: in the centre.", PLACES, "B"),
    # The text of D begins with the article.
    ("A crack at the top.", PLACES, "D"),
    ("Answer: A crack at the top", PLACES, "D"),
    ("D. A crack at the top.", PLACES, "D"),
    ("D. A crack is visible.", PLACES, "D"),
    ("No", YES_NO, "B"),
    ("No.", NO_YES, "A"),
    ("Yes, there is a scratch.", YES_NO, "A"),
    ("No. The surface is even.", NO_YES, "A"),
    ("B. Yes, there is a scratch.", NO_YES, "B"),
    ("A. I cannot see any defect.", NO_YES, "A"),
    ("B. In the centre, not top left.", PLACES, "B"),
    ("<think>Is it A? No, B looks wrong.</think>C", PLACES, "C"),
    ("<think>Answer: A</think>\n\nAnswer: C", PLACES, "C"),
    ("It could be A.</think>C", PLACES, "C"),
    ('{"answer": "B"}', PLACES, "B"),
    ('{"Answer": "B. In the centre."}', PLACES, "B"),
    ('```json\n{"reason": "A is empty", "answer": "B"}\n```', PLACES, "B"),
    ('["B"]', PLACES, "B"),
    ("I", {"H": "No.", "I": "Yes."}, "I"),
    # Letters are what is asked for, even where an option reads like the letter of another.
    ("A", {"A": "Letter B", "B": "A"}, "A"),
]
CHOOSES_NONE: list[tuple[str, Mapping[str, str]]] = [
    ("", PLACES),
    ("   \n", PLACES),
    ("...", PLACES),
    ("I cannot answer", PLACES),
    ("I cannot answer A question like this.", PLACES),
    ("Answer: I cannot tell", {"H": "No.", "I": "Yes."}),
    ("Sorry, I can't assist with that.", PLACES),
    ("Sorry, no.", NO_YES),
    ("No, I cannot answer this.", NO_YES),
    ("A crack is visible", PLACES),
    ("A crack is visible.", YES_NO),
    ("The answer is a crack near B", PLACES),
    ("Answer: A crack is visible", PLACES),
    ("There is A in the image.", PLACES),
    ("A-shaped marks are there.", PLACES),
    ("Both look right.", PLACES),
    ("A and B", PLACES),
    ("A or B", PLACES),
    ("A, B", PLACES),
    ("A/B", PLACES),
    ("A. B.", PLACES),
    ("B, C", PLACES),
    ("The answer is B or C.", PLACES),
    ("The answer is A or B.", PLACES),
    ("Answer: A, B, C", PLACES),
    ("Answer: A\nAnswer: B", PLACES),
    ("B. The answer is C.", PLACES),
    ("The answer is not B.", PLACES),
    ("B is not the answer.", PLACES),
    ("Option B is wrong.", PLACES),
    ("B) is wrong.", PLACES),
    ("(B) isn't right.", PLACES),
    ("The wrong option is B.", PLACES),
    ("The correct option is not B.", PLACES),
    ("The correct option is B or C.", PLACES),
    ("The best option is a crack.", PLACES),
    ("The best option is A crack.", PLACES),
    ("It's a crack.", PLACES),
    ("It is A crack.", PLACES),
    ("It's a - so to say - crack.", PLACES),
    ("It is B or C.", PLACES),
    ("It's B. No, it's C.", PLACES),
    ("I don't think it's C.", PLACES),
    ("If the cap were missing, it's B.", PLACES),
    ("It's B if the cap is missing.", PLACES),
    ("So I, as an inspector, see nothing.", {"H": "No.", "I": "Yes."}),
    ("Therefore a crack.", PLACES),
    ("Therefore, A crack.", PLACES),
    ("Question 1: A crack", PLACES),
    ("Question 1: B\nQuestion 2: C", PLACES),
    ("Yes and no.", YES_NO),
    ("Yes, or no.", YES_NO),
    ("Maybe yes.", YES_NO),
    ("E", PLACES),
    ("Answer: E", PLACES),
    ("C", YES_NO),
    # The letter of one option before the text of another.
    ("B. Top left.", PLACES),
    ("A. No.", YES_NO),
    ("top left, or in the centre", PLACES),
    ("<think>It is B", PLACES),
    ("<think>Answer: B</think>", PLACES),
    ('{"answer": null}', PLACES),
    ('{"answer": ["A", "B"]}', PLACES),
    ('{"defects": "B"}', PLACES),
    ("{}", PLACES),
    ("2", PLACES),
    # The same text twice tells nothing.
    ("Scratch", {"A": "Scratch.", "B": "scratch"}),
]


@pytest.mark.parametrize(("text", "options", "letter"), CHOOSES)
def test_a_choice_is_read(text: str, options: Mapping[str, str], letter: str) -> None:
    assert parse_letter(text, options) == letter


@pytest.mark.parametrize(("text", "options"), CHOOSES_NONE)
def test_what_chooses_nothing_is_not_guessed(text: str, options: Mapping[str, str]) -> None:
    assert parse_letter(text, options) is None


LONG = {
    "blanks": "answer:" + " " * 100_000 + "!",
    "clauses": "a, " * 40_000,
    "options": "Top left, " * 20_000,
    "letters": "A" * 100_000,
    "lines": "it is" + "\n" * 100_000 + "!",
    "conclusions": "so it is " * 12_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_long_texts_are_read_to_their_end(text: str) -> None:
    # Where blanks can be divided in many ways, or starts are compared again and again, this would
    # take minutes.
    assert parse_letter(text, {"B": "In the centre."}) is None


@given(st.text(max_size=60))
def test_any_text_is_read_as_an_offered_letter_or_none(text: str) -> None:
    assert parse_letter(text, PLACES) in {None, *PLACES}


@given(st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "Answer: {}", "**{}**", "{}."]))
def test_each_letter_is_read_alike(letter: str, form: str) -> None:
    assert parse_letter(form.format(letter), PLACES) == letter
