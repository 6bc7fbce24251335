"""Invented opinions of language models that contest a verdict, so that a person must look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experts.decoder.conformal import images_needed
from experts.evidence import NO_DEFECT, Opinion
from experts.opinion import OTHER
from experts.standing import standing


def contesting(rng: np.random.Generator, model: str, kinds: Sequence[str], alpha: float) -> Opinion:
    """An opinion that a part is good, by a model that people know to be right on such parts.

    Args:
        rng: The source of chance.
        model: How it is called.
        kinds: The kinds of defect that it could choose from.
        alpha: The false-reject rate that the line promises.
    """
    judged = int(rng.integers(images_needed(alpha), 3 * images_needed(alpha)))
    no_defect = float(rng.uniform(0.6, 0.95))
    others = rng.dirichlet(np.ones(len(kinds) + 1)) * (1 - no_defect)
    good, defective = rng.uniform(0.4, 1, judged), rng.uniform(0, 0.5, judged)
    return Opinion(
        model=model,
        revision="1",
        prompts_version=1,
        candidates=(*kinds, OTHER, NO_DEFECT),
        probabilities=(*others.tolist(), no_defect),
        from_logits=True,
        prompt_tokens=int(rng.integers(400, 4000)),
        standing=standing(no_defect, good.tolist(), defective.tolist()),
    )
