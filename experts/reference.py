"""The Reference Extractor: the normal images that are most similar to the query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from experts.evidence import Reference


class ReferenceExtractor:
    """Finds similar normal images by cosine similarity of global embeddings (FAISS, exact)."""

    def __init__(
        self, index: faiss.Index, paths: Sequence[Path], thumbnails: Sequence[Path]
    ) -> None:
        self._index = index
        self._paths = list(paths)
        self._thumbnails = list(thumbnails)

    @property
    def embeddings_NE(self) -> NDArray[np.float32]:
        """Those of the line's images, L2-normalised, in their order."""
        return np.asarray(self._index.reconstruct_n(0, self._index.ntotal), np.float32)

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
        similarities_1K, indices_1K = self._index.search(embedding_E[None], k)
        return tuple(
            (
                int(index),
                Reference(
                    id=f"reference-{rank}",
                    path=self._paths[index],
                    thumbnail=self._thumbnails[index],
                    similarity=float(similarity),
                    rank=rank,
                ),
            )
            for rank, (similarity, index) in enumerate(
                zip(similarities_1K[0], indices_1K[0], strict=True), start=1
            )
        )
