"""Sentences that are put together, with a truth that is known without reading them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experts.claims import check
from experts.wording import measured_in_words
from tests.claim_facts import CASES, facts_of

FACTS = {name: facts_of(name) for name in CASES}
INSPECTIONS = {name: CASES[name]()[0] for name in CASES}
# A sentence, and whether it is true; None if what it says of that is not clear.
Said = tuple[str, bool | None]

ACCEPTING = ("accepted", "approved", "shipped", "fine", "flawless")
REJECTING = ("rejected", "scrapped", "defective", "unusable")
SUBJECTS = (
    "The part",
    "Therefore it",
    "Because of the scratch or crack, the washer",
    "**The part**",
)
SAYING = ("{s} is {x}.", "{s} was {x}!", "{s} must be {x}.", "{s} is therefore {x}.", "{s}: {x}")
DENYING = (
    "{s} is not {x}.",
    "{s} isn't {x}.",
    "{s} should not be {x}.",
    "{s} cannot be {x}.",
    "{s} is by no means {x}.",
    "{s} is definitely not {x}.",
)
TWISTING = (
    "{s} might be {x}.",
    "{s} would be {x}.",
    "{s} is {x} if it is clean.",
    "{s} is {x}, not.",
    "{s} is {x}? No.",
    "{s} is {x} or not.",
    "{s} is almost {x}.",
    "{s} is far from {x}.",
    "{s} fails to be {x}.",
    "{s} used to be {x}.",
    "I doubt that it is {x}.",
    "Nobody said that it is {x}.",
    "It is false that it is {x}.",
    "Why is it {x}?",
)


def verdicts(case: str) -> Iterator[Said]:
    verdict = INSPECTIONS[case].verdict
    for subject in SUBJECTS[: 4 if case == "one" else 2]:
        for word in (*ACCEPTING, *REJECTING):
            meant = "accept" if word in ACCEPTING else "reject"
            for form in SAYING:
                yield form.format(s=subject, x=word), verdict == meant
            for form in DENYING:
                # Of what waits for a person nobody knows that it is not defective.
                true = (verdict != "accept") == (meant == "accept")
                unclear = verdict == "review" and word not in ("accepted", "approved", "shipped")
                yield form.format(s=subject, x=word), None if unclear else true
            for form in TWISTING:
                yield form.format(s=subject, x=word), None


PLACES = {
    "top left": ("top left", "upper left corner", "top-left region"),
    "top": ("top centre",),
    "left": ("middle left",),
    "centre": ("centre", "middle"),
    "right": ("right centre",),
    "bottom left": ("lower left",),
    "bottom right": ("bottom right", "lower-right corner"),
}
LOOKS = ("dark line", "bright line", "dark spot", "bright spot")


def places(_: str) -> Iterator[Said]:
    for number, region in enumerate(INSPECTIONS["three"].regions, start=1):
        kinds = region.kinds.names if region.kinds else ()
        for subject in (f"Region-{number}", f"The {region.looks}"):
            for place, wordings in PLACES.items():
                for words in wordings:
                    for form in ("{} is at the {}.", "{}, as seen here, sits near the {}."):
                        yield form.format(subject, words), place == region.place
            for pixels in (4, 12, 15, 22, 30, 40, 50):
                exact = pixels == region.length_px
                yield f"{subject} is {pixels} px long.", exact
                yield f"The length of {subject.lower()} is {pixels} px.", exact
                near = abs(pixels - region.length_px) <= 0.15 * region.length_px
                yield f"{subject} is about {pixels} pixels long.", near
            for kind in ("scratch", "pit", "crack", "dent"):
                yield f"{subject} may be a {kind}.", kind in kinds
                yield f"{subject} is a {kind}.", kinds == (kind,)
        for looks in LOOKS:
            yield f"Region-{number} is a {looks}.", looks == region.looks
            yield f"Region-{number}, 1 of 3: {looks}", None if looks == region.looks else False


NUMBERS = {0: ("no", "0"), 1: ("one", "a single"), 2: ("two", "2"), 3: ("three",), 7: ("seven",)}
COUNTING = ("There are {n} {x}.", "{n} {x} were found.", "In total, {n} {x} stand out.")


def counts(case: str) -> Iterator[Said]:
    inspection = INSPECTIONS[case]
    found = {"places": len(inspection.regions), "defects": len(inspection.decision.defects)}
    for noun, number in found.items():
        for said, wordings in NUMBERS.items():
            for words in wordings:
                for form in COUNTING:
                    text = form.format(n=words, x=noun if said != 1 else noun[:-1])
                    yield text[:1].upper() + text[1:], number == said


HOLDING = ("Rule {} holds.", "It does not exceed the limit of {}.", "{}: within the limit")
BROKEN = ("It violates {}.", "Clause {} is not met.", "The limit of {} is exceeded.")


def rules(case: str) -> Iterator[Said]:
    for found in INSPECTIONS[case].clause_checks:
        name, unit = found.clause.id, found.clause.unit_in_words
        for form in HOLDING:
            yield form.format(name), found.within
        for form in BROKEN:
            yield form.format(name), not found.within
        for value in (0.2, 0.4, 1, 2, 3, 5, 7, 12, 40):
            for form in ("Rule {} allows {}.", "The limit of {} is {}.", "{}: at most {}"):
                yield form.format(name, f"{value}{unit}"), value == found.clause.limit
        for measured in (measured_in_words(found), f"0.3{unit}", f"6{unit}", f"77{unit}"):
            for form in ("Clause {}: measured {}.", "The value measured for {} is {}."):
                yield form.format(name, measured), measured == measured_in_words(found)


@pytest.mark.parametrize(
    ("said", "case"),
    [
        *((verdicts, case) for case in ("one", "none", "review")),
        (places, "three"),
        *((counts, case) for case in CASES),
        *((rules, case) for case in ("one", "three", "within")),
    ],
)
def test_what_is_true_stays_and_nothing_else(said: object, case: str) -> None:
    assert callable(said)
    sentences = list(said(case))
    assert len(sentences) > 25
    kept = {text: check(text, FACTS[case]).text == text for text, _ in sentences}
    assert [text for text, true in sentences if kept[text] and not true] == []
    assert [text for text, true in sentences if true and not kept[text]] == []
