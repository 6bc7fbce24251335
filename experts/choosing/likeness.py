"""How alike texts are: by their groups of letters, so that inflected and compound words are alike.

TF-IDF (Salton & Buckley 1988) over three to five letters. How common a group is, is told by the
shipped knowledge files, which speak of products and their defects; one that they lack is rare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

FloatArray = NDArray[np.float64]


def likeness(options: Sequence[str], texts: Sequence[str]) -> FloatArray:
    """Cosine of each option with each text, (options, texts), 0 to 1.

    Args:
        options: What can be chosen.
        texts: What is known; an empty one is like nothing.
    """
    if not texts:
        return np.zeros((len(options), 0))
    counts, weights = _fitted()
    vectors = weights.transform(counts.transform([*options, *texts]))
    own, known = vectors[: len(options)], vectors[len(options) :]
    return np.asarray((own @ known.T).todense(), float)


@lru_cache(maxsize=1)
def _fitted() -> tuple[HashingVectorizer, TfidfTransformer]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), alternate_sign=False, norm=None
    )
    weights = TfidfTransformer(sublinear_tf=True)
    weights.fit(counts.transform(_sentences()))
    return counts, weights


def _sentences() -> Iterator[str]:
    """What the shipped knowledge files say, a text at a time."""
    from importlib import resources

    from experts.knowledge.reading import parse_knowledge

    for entry in resources.files("knowledge").iterdir():
        if entry.name.endswith(".yaml"):
            with resources.as_file(entry) as path:
                file = parse_knowledge(path.read_bytes(), path).file
            yield file.normal
            for defect in file.defects:
                yield from filter(None, (defect.appearance, defect.cause, defect.effect))
            for question in file.questions:
                yield from (question.question, question.answer)
