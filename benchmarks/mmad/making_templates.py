"""Which normal images are shown beside a query: the most similar ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experts.decoder.encoder import load_encoder
from experts.images import read_picture
from experts.search_index import exact_index


def most_similar(
    queries: Sequence[Path],
    normal: Sequence[Path],
    count: int,
    advance: Callable[[float], None],
) -> list[list[Path]]:
    """For each query its most similar normal images, best first.

    Similarity is the cosine of the embedded encoder's global embeddings, as in Echo's own
    retrieval; every normal image is compared.

    Args:
        queries: Images.
        normal: Normal images of the same object, at least one.
        count: How many of them; fewer are returned if there are fewer.
        advance: Told how many images were encoded.

    Raises:
        ImageError: If an image cannot be read.
        WeightsError: If the encoder's weights are not there.
    """
    index = exact_index(_embeddings(normal, advance))
    queries_QE = _embeddings(queries, advance)
    _, numbers_Qk = index.search(queries_QE, min(count, len(normal)))
    return [[normal[number] for number in numbers] for numbers in numbers_Qk.tolist()]


def _embeddings(paths: Sequence[Path], advance: Callable[[float], None]) -> NDArray[np.float32]:
    """Their global embeddings, float32 (N, E), L2-normalised."""
    encoder = load_encoder()
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(paths), encoder.batch_size):
        batch = paths[start : start + encoder.batch_size]
        features = encoder.encode([read_picture(path) for path in batch])
        rows += [feature.embedding_E for feature in features]
        advance(len(batch))
    return np.stack(rows)
