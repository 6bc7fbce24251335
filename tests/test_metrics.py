from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.metrics import auroc


def test_auroc_by_hand() -> None:
    assert auroc([0, 0, 1, 1], [1, 3, 2, 4]) == 0.75
    assert auroc([0, 1], [5, 5]) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auroc_equals_the_library_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random(200) < 0.3
    scores = np.round(rng.normal(size=200) + labels, 1)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_auroc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="need both classes, got 2 good and 0 defective"):
        auroc([0, 0], [1, 2])
