"""The two computations of ``benchmarks.rules``, on drawn masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.rules import RULES, by_echo, by_hand
from experts.knowledge import KnowledgeGuide, load_knowledge

KINDS = ("blowhole", "break", "crack", "fray", "uneven")


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGuide:
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(RULES)
    return KnowledgeGuide(load_knowledge(path))


def drawn(seed: int) -> NDArray[np.bool_]:
    """Blots, and lines at any angle, on (120, 180) pixels."""
    rng = np.random.default_rng(seed)
    mask_HW = np.zeros((120, 180), bool)
    for _ in range(int(rng.integers(1, 5))):
        y, x = rng.integers(0, 120), rng.integers(0, 180)
        angle, length = rng.uniform(0, np.pi), rng.integers(1, 70)
        steps = np.arange(0, length, 0.5)
        rows = np.rint(y + steps * np.sin(angle)).astype(int).clip(0, 119)
        columns = np.rint(x + steps * np.cos(angle)).astype(int).clip(0, 179)
        mask_HW[rows, columns] = True
        if rng.random() < 0.5:
            mask_HW = ndimage.binary_dilation(mask_HW, iterations=int(rng.integers(1, 12)))
    return mask_HW


def test_both_agree_on_drawn_masks(guide: KnowledgeGuide) -> None:
    verdicts = set()
    broken: set[str] = set()
    for seed in range(60):
        for kind in KINDS:
            ours = by_echo(drawn(seed), kind, guide)
            assert ours == by_hand(drawn(seed), kind), (seed, kind)
            verdicts.add(ours[0])
            broken |= ours[1]
    assert verdicts == {"accept", "review", "reject"}
    # Each clause was broken once at least, so each was compared where it matters.
    assert broken == {clause.id for clause in guide.knowledge.clauses}


def test_an_image_without_defects_breaks_nothing(guide: KnowledgeGuide) -> None:
    empty = np.zeros((20, 30), bool)
    assert by_echo(empty, "good", guide) == by_hand(empty, "good") == ("accept", frozenset())


def test_a_change_of_a_limit_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(RULES.replace("at_most: 5, unit: mm", "at_most: 3, unit: mm"))
    other = KnowledgeGuide(load_knowledge(path))
    masks = [drawn(seed) for seed in range(60)]
    assert any(by_echo(mask, "crack", other) != by_hand(mask, "crack") for mask in masks)
