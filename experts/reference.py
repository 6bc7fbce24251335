"""The Reference Extractor: the normal images that are most similar to the query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from experts.evidence import Reference

# An approximate index shall find so many of the most similar images.
MAX_NEIGHBOURS = 16


class ReferenceExtractor:
    """Finds similar normal images by cosine similarity of global embeddings (FAISS).

    Args:
        index: Of the embeddings in the order of the images; see ``experts.search_index``.
        paths: Of the images.
        thumbnails: Their small copies.
    """

    def __init__(
        self, index: faiss.Index, paths: Sequence[Path], thumbnails: Sequence[Path]
    ) -> None:
        self.index = index
        self._paths = list(paths)
        self._thumbnails = list(thumbnails)

    @property
    def embeddings_NE(self) -> NDArray[np.float32]:
        """Those of the line's images, L2-normalised, in their order."""
        return np.asarray(self.index.reconstruct_n(0, self.index.ntotal), np.float32)

    def retrieve(self, embedding_E: NDArray[np.float32], k: int = 1) -> tuple[Reference, ...]:
        """Return the ``k`` most similar normal images, best first.

        Args:
            embedding_E: L2-normalised embedding of the query.
            k: How many; fewer are returned if the line has fewer images.
        """
        return tuple(reference for _, reference in self.nearest(embedding_E, k))

    def nearest(
        self, embedding_E: NDArray[np.float32], k: int
    ) -> tuple[tuple[int, Reference], ...]:
        """As ``retrieve``, each with its number in the line, from 0."""
        k = min(k, len(self._paths))
        if k == 0:
            return ()
        similarities_K, numbers_K = self._search(embedding_E, k)
        return tuple(
            (
                number,
                Reference(
                    id=f"reference-{rank}",
                    path=self._paths[number],
                    thumbnail=self._thumbnails[number],
                    similarity=similarity,
                    rank=rank,
                ),
            )
            for rank, (similarity, number) in enumerate(
                zip(similarities_K.tolist(), numbers_K.tolist(), strict=True), start=1
            )
        )

    def _search(
        self, embedding_E: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        similarities_1K, numbers_1K = self.index.search(embedding_E[None], k)
        if numbers_1K.min() >= 0:
            return similarities_1K[0], numbers_1K[0]
        # An approximate index may come to an end before it has found so many.
        similarities_N = self.embeddings_NE @ embedding_E
        numbers_K = np.argsort(-similarities_N, kind="stable")[:k]
        return similarities_N[numbers_K], numbers_K
