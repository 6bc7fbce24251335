"""The index that similar images are found in: exact, or a graph where that saves comparisons.

The graph is HNSW: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
Using Hierarchical Navigable Small World Graphs" (2018). No size and no clock decides, only what is
measured on the images themselves: whether it finds what an exact search finds, and how many
vectors it compares on the way. Inverted lists compare more of them for the same recall.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

# So much of what an exact search finds must be found.
RECALL = 0.99
# So many images ask, drawn by the seed.
QUERIES = 200
SEED = 0
# Links of each image in the graph, and how many it is chosen from; both as FAISS sets them.
LINKS = 16
BUILD_WIDTH = 40


@dataclass(frozen=True)
class Choice:
    """An index, and what was measured of it.

    Attributes:
        index: Inner product, the vectors themselves in their order.
        recall: Share of the exact neighbours that it finds, the mean over the images that asked.
        comparisons: Vectors that a search compares with the query, the mean over them.
    """

    index: faiss.Index
    recall: float
    comparisons: float


class _Questions(NamedTuple):
    """Images that ask for their neighbours, themselves left out, and what an exact search says."""

    numbers_Q: NDArray[np.intp]
    embeddings_QE: NDArray[np.float32]
    neighbours_Qk: NDArray[np.intp]

    def recall_of(self, index: faiss.Index) -> float:
        k = self.neighbours_Qk.shape[1]
        found_Qk = _without(index.search(self.embeddings_QE, k + 1)[1], self.numbers_Q)
        return recall(found_Qk, self.neighbours_Qk)


def choose_index(embeddings_NE: NDArray[np.float32], k: int) -> Choice:
    """Build the index that compares the fewest vectors and finds at least ``RECALL``.

    A line is indexed anew whenever it is enrolled or grows, so a graph has to be worth its
    building: within as many searches as it holds images. Each image is put into it by a search of
    its own, ``BUILD_WIDTH`` wide (algorithm 1 of the paper), so that comes on top of a search. How
    wide a graph is searched is doubled until its recall is reached.

    The same embeddings give the same index.

    Args:
        embeddings_NE: L2-normalised.
        k: How many neighbours will be asked for at most.
    """
    count, size = embeddings_NE.shape
    exact = faiss.IndexFlatIP(size)
    exact.add(embeddings_NE)
    k = min(k, count - 1)
    if k < 1:
        return Choice(exact, 1.0, count)
    with _one_thread():
        questions = _ask(exact, embeddings_NE, k)
        graph = faiss.IndexHNSWFlat(size, LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILD_WIDTH
        graph.add(embeddings_NE)
        building = _comparisons(graph, questions, BUILD_WIDTH)
        width = k + 1
        while width < count:
            comparisons = _comparisons(graph, questions, width)
            if building + comparisons >= count:
                break
            found = questions.recall_of(graph)
            if found >= RECALL:
                return Choice(graph, found, comparisons)
            width *= 2
    return Choice(exact, 1.0, count)


def describe(index: faiss.Index) -> str:
    """What an index is, in a word or two."""
    if isinstance(index, faiss.IndexHNSW):
        return f"graph, {index.hnsw.efSearch} wide"
    return "exact"


def recall(found_Qk: NDArray[np.intp], exact_Qk: NDArray[np.intp]) -> float:
    """Share of the exact neighbours that were found, the mean over queries."""
    pairs = zip(found_Qk.tolist(), exact_Qk.tolist(), strict=True)
    return float(np.mean([len(set(found) & set(exact)) / len(exact) for found, exact in pairs]))


def _ask(exact: faiss.Index, embeddings_NE: NDArray[np.float32], k: int) -> _Questions:
    order = np.random.default_rng(SEED).permutation(len(embeddings_NE))
    numbers_Q = np.sort(order[:QUERIES])
    embeddings_QE = embeddings_NE[numbers_Q]
    nearest_Qk = _without(exact.search(embeddings_QE, k + 1)[1], numbers_Q)
    return _Questions(numbers_Q, embeddings_QE, nearest_Qk)


def _without(found_QK: NDArray[np.intp], numbers_Q: NDArray[np.intp]) -> NDArray[np.intp]:
    """What was found but for the image itself, one fewer; where it is missing, but for the last."""
    is_own_QK = found_QK == numbers_Q[:, None]
    is_own_QK[~is_own_QK.any(axis=1), -1] = True
    return np.asarray(found_QK[~is_own_QK].reshape(len(found_QK), -1))


def _comparisons(graph: faiss.IndexHNSW, questions: _Questions, width: int) -> float:
    """Make searches so wide, and give how many vectors each compares in the mean."""
    graph.hnsw.efSearch = width
    # One count for the process: a search in another thread adds to it, in favour of the exact one.
    # FAISS's types leave it out.
    stats = faiss.cvar.hnsw_stats  # type: ignore[attr-defined]
    before = stats.ndis
    graph.search(questions.embeddings_QE, 1)
    return float((stats.ndis - before) / len(questions.embeddings_QE))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Which links a graph gets may depend on which thread comes first."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
