"""What the benchmarks of the embedded model count as right."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.nano import interval, unseen, written
from benchmarks.nano_verdicts import differs, tells
from echo.training.inventing import invent
from echo.training.wordings import phrases, plain
from experts.evidence import Verdict
from experts.sheet import Deciding, decided_lines, decides, restatements


def test_no_blind_wording_is_learned_from() -> None:
    train = phrases("train")
    learned = {
        plain(w) for group in (train.topics, train.mmad) for ws in group.values() for w in ws
    }
    blind = unseen().topics
    assert set(restatements()) <= set(blind)
    # The plainest wordings stand in both, and are left out.
    every = [plain(w) for wordings in written().values() for w in wordings]
    kept = [plain(w) for wordings in blind.values() for w in wordings]
    assert set(every) - learned == set(kept)
    assert len(kept) > 0.85 * len(every) > 1_000


@pytest.mark.parametrize(
    ("said", "topic", "verdict", "is_other"),
    [
        ("Yes, the tile is rejected.", "defective", "reject", False),
        ("No, the tile is rejected.", "defective", "reject", True),
        ("The tile is accepted.", "defective", "reject", True),
        ("No. It may go on.", "ship", "accept", True),
        ("May it go on? No, the tile is rejected.", "hold_back", "reject", False),
        ("May it go on? Yes, the tile is accepted.", "hold_back", "reject", True),
        ("Is it good? That is not decided: the tile is held for a person to look at.",
         "flawless", "review", False),
        ("region-1 lies at the top left.", "ship", "reject", False),
        ("No single place stands out.", "defective", "reject", False),
        ("Is it crack? No: the kind of region-1 is not known.", "defective", "reject", False),
        ("The tile is accepted, not rejected.", "ship", "reject", True),
    ],
)  # fmt: skip
def test_what_differs_from_the_verdict(
    said: str, topic: Deciding, verdict: Verdict, is_other: bool
) -> None:
    assert differs(said, topic, verdict) is is_other


def test_what_code_says_of_the_verdict_tells_it_and_never_differs() -> None:
    found = set()
    for seed in range(12):
        known = invent(np.random.default_rng(seed))
        verdict = known.inspection.verdict
        found.add(verdict)
        for topic, line in decided_lines(known).items():
            assert tells(line, topic, verdict)
            for asked in restatements():
                assert not differs(line, asked, verdict)
            if decides(topic, verdict) is not None:
                swapped = {"? Yes,": "? No,", "? No,": "? Yes,"}
                (mark,) = (m for m in swapped if m in line)
                assert differs(line.replace(mark, swapped[mark]), topic, verdict)
    assert found == {"accept", "reject", "review"}


def test_an_interval_holds_the_share() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(95, 100)
    assert 0.88 < low < 0.95 < high < 0.98
    assert interval(100, 100)[1] == pytest.approx(1.0)
