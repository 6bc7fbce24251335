"""Which of several product lines an image is of, by the normal images that it is most similar to.

Two questions are kept apart. *Which line is the likeliest?* That of the most similar normal image
of all: the nearest neighbour rule (Cover & Hart, "Nearest Neighbor Pattern Classification", 1967).
How much a line's own images differ is left out of it on purpose: a defect takes an image far out of
a uniform line, and a line of motley images would seem near then. *May it be of that line at all?*
is answered by a conformal p-value for each line.

Suppose that the image is a good one of a line. Then it and the line's n images are exchangeable,
and so are the similarities of each of the n + 1 to the most similar other one. For an enrolled
image this is the larger of two: its similarity to the other enrolled ones, and to the image. The
latter is never above the image's own. So it is at most the image's own just where the former is,
which is known beforehand: the p-value is that of full conformal prediction (Vovk, Gammerman &
Shafer, "Algorithmic Learning in a Random World", 2005, ch. 2), and at most e with probability at
most e. A line refuses an image at p ≤ max(alpha, 1 / (n + 1)), so at most that share of its good
ones.

A line may well refuse its defective images, which are less similar than good ones: it promises
nothing of them. Nor does the embedding tell them from another product that is not enrolled, so the
answer names the nearest line in any case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experts.decoder.conformal import p_value, smallest_p_value
from experts.evidence import Evidence, Reference

FloatArray = NDArray[np.float32]

# So many images of a line are compared with its others, drawn by the seed. More would only bring
# p-values below a thousandth.
SAMPLE = 1000
SEED = 0
# They are compared in groups of so many.
CHUNK = 128
# Below this, distances are rounding.
ROUNDING = 1e-6


class LineMatch(Evidence):
    """What one line says of an image.

    Attributes:
        line: Its name.
        p_value: Of "this is a good image of the line"; 1 if it has one image only, which cannot be
            compared.
        fits: Whether the line does not refuse the image.
        reference: The most similar of its normal images.
    """

    line: str
    p_value: float
    fits: bool
    reference: Reference

    @property
    def similarity(self) -> float:
        """Cosine similarity to the most similar normal image of the line, −1 to 1."""
        return self.reference.similarity


class LineGuess(Evidence):
    """Which line an image is of.

    Attributes:
        image: Its name.
        best: The line of the most similar normal image; ``None`` if that line refuses the image.
        matches: What each line says, the nearest first. Where every image is known to be of some
            line, take the first, whatever ``best`` is.
        reason: In one sentence.
        left_out: Lines that could not be asked, a sentence each.
    """

    image: str
    best: str | None
    matches: tuple[LineMatch, ...]
    reason: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class LineSpread:
    """How similar the normal images of a line are to each other.

    Attributes:
        name: Of the line.
        encoder: Its name; similarities of different encoders do not compare.
        alpha: The share of good images that the line may refuse.
        similarities_n: Cosine similarity of each image, or of a sample, to the most similar other.
    """

    name: str
    encoder: str
    alpha: float
    similarities_n: FloatArray

    def match(self, reference: Reference) -> LineMatch:
        """What the line says of an image, given the most similar of its normal images."""
        n = len(self.similarities_n)
        p = p_value(-reference.similarity, np.sort(-self.similarities_n))
        limit = max(self.alpha, smallest_p_value(n)) if n else self.alpha
        return LineMatch(line=self.name, p_value=p, fits=p > limit, reference=reference)


def similarities_left_out(embeddings_NE: FloatArray) -> FloatArray:
    """Of each image, or of ``SAMPLE`` of many, the similarity to the most similar other, (n,).

    Args:
        embeddings_NE: L2-normalised. A single one has no other, so nothing is said of it.
    """
    count = len(embeddings_NE)
    if count < 2:
        return np.empty(0, np.float32)
    asking_n = np.random.default_rng(SEED).permutation(count)[:SAMPLE]
    nearest = []
    for start in range(0, len(asking_n), CHUNK):
        own_c = asking_n[start : start + CHUNK]
        alike_cN = embeddings_NE[own_c] @ embeddings_NE.T
        alike_cN[np.arange(len(own_c)), own_c] = -np.inf
        nearest.append(alike_cN.max(axis=1))
    return np.concatenate(nearest)


def guess_line(
    image: str, asked: Sequence[tuple[LineSpread, Reference]], left_out: Sequence[str] = ()
) -> LineGuess:
    """Say which line an image is of.

    Args:
        image: Its name.
        asked: At least one line, each with the most similar of its normal images.
        left_out: Why other lines could not be asked.
    """
    unit_of = _units([spread for spread, _ in asked])
    ranked = sorted(asked, key=lambda pair: (1 - pair[1].similarity) / unit_of[pair[0].encoder])
    matches = tuple(spread.match(reference) for spread, reference in ranked)
    return LineGuess(
        image=image,
        best=best_of(matches),
        matches=matches,
        reason=_in_words(matches),
        left_out=tuple(left_out),
    )


def best_of(matches: Sequence[LineMatch]) -> str | None:
    """The nearest line, if it does not refuse the image.

    Args:
        matches: The nearest first.
    """
    return matches[0].line if matches and matches[0].fits else None


def _units(spreads: Sequence[LineSpread]) -> dict[str, float]:
    """How far images of one line lie apart to each encoder, the mean over its lines.

    Only so can lines of different encoders be ranked; among those of one it changes nothing.
    """
    apart: dict[str, list[float]] = defaultdict(list)
    for spread in spreads:
        if len(spread.similarities_n):
            apart[spread.encoder].append(float(1 - spread.similarities_n.mean()))
    means = {encoder: float(np.mean(of_lines)) for encoder, of_lines in apart.items()}
    # An encoder whose lines have a single image each knows no better than the others.
    usual = float(np.mean([*means.values()])) if means else 1.0
    return {s.encoder: max(means.get(s.encoder, usual), ROUNDING) for s in spreads}


def _in_words(matches: Sequence[LineMatch]) -> str:
    nearest, *others = matches
    also = ", ".join(match.line for match in others if match.fits)
    if nearest.fits:
        beside = f"; it fits {also}, too" if also else ""
        return f"fits {nearest.line}, whose normal images it is most similar to{beside}"
    of = f"of {also}, which it fits" if also else "of a product that is not enrolled"
    return (
        f"nearest to {nearest.line}, but less similar to its normal images than these usually are "
        f"to each other: defective, unusual, or {of}"
    )
