"""What a sentence tells of a language model's opinion."""

from __future__ import annotations

from collections.abc import Iterator

from experts.claims.facts import Facts, words_of
from experts.claims.numbers import amount_at
from experts.claims.reading import Claim, Reading
from experts.claims.roles import speaks_of_opinion


def opinion_claims(reading: Reading, facts: Facts) -> Iterator[Claim]:
    """What the image is said to be taken for: "crack 62%", or the likeliest without a number."""
    if not speaks_of_opinion(reading, facts):
        return
    known = [(words_of(name), share) for name, share in facts.opinion.items()]
    likeliest = max(facts.opinion.values())
    for index in range(len(reading.tokens)):
        found = [(w, share) for w, share in known if w and reading.follows(index, " ".join(w))]
        if not found or index in reading.used:
            continue
        words, share = max(found, key=lambda entry: len(entry[0]))
        last = index + len(words) - 1
        number = next((i for i in (last + 1, last + 2) if reading.is_number(i)), None)
        amount = amount_at(reading, number) if number is not None else None
        reading.use(index, amount.last if amount else last)
        by_number = amount is not None and amount.unit == "%" and amount.share().means(share)
        right = by_number if amount else share == likeliest
        why = "that is not what the language model said"
        yield Claim("opinion", "right" if right else "wrong", why)
