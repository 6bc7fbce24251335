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

import faiss
import numpy as np
from numpy.typing import NDArray

# So much of what an exact search finds must be found.
RECALL = 0.99
# So many images ask, drawn by the seed; of few images, this share.
QUERIES = 200
SHARE = 0.2
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


def choose_index(embeddings_NE: NDArray[np.float32], k: int) -> Choice:
    """Build the index that compares the fewest vectors and finds at least ``RECALL``.

    Some of the images ask a graph of the others, as new ones would ask it: an image in the graph
    is found more easily than one that is not. How wide the graph is searched is doubled until its
    recall is reached.

    A line is indexed anew whenever it is enrolled or grows, so a graph has to be worth its
    building: within as many searches as it holds images. Each image is put into it by a search of
    its own, ``BUILD_WIDTH`` wide (algorithm 1 of the paper), so that comes on top of a search.

    The same embeddings give the same index.

    Args:
        embeddings_NE: L2-normalised.
        k: How many neighbours will be asked for at most.
    """
    count = len(embeddings_NE)
    asking_N = np.zeros(count, bool)
    order = np.random.default_rng(SEED).permutation(count)
    asking_N[order[: min(QUERIES, int(SHARE * count))]] = True
    asking_QE, others_nE = embeddings_NE[asking_N], embeddings_NE[~asking_N]
    if k < len(others_nE) and len(asking_QE):
        with _one_thread():
            found = _narrowest(others_nE, asking_QE, k)
            if found is not None:
                width, share, comparisons = found
                return Choice(_graph(embeddings_NE, width), share, comparisons)
    return Choice(exact_index(embeddings_NE), 1.0, count)


def exact_index(embeddings_NE: NDArray[np.float32]) -> faiss.Index:
    """The index that compares every vector."""
    index = faiss.IndexFlatIP(embeddings_NE.shape[1])
    index.add(embeddings_NE)
    return index


def describe(index: faiss.Index) -> str:
    """What an index is, in a word or two."""
    if isinstance(index, faiss.IndexHNSW):
        return f"graph, {index.hnsw.efSearch} wide"
    return "exact"


def recall(found_Qk: NDArray[np.intp], exact_Qk: NDArray[np.intp]) -> float:
    """Share of the exact neighbours that were found, the mean over queries."""
    pairs = zip(found_Qk.tolist(), exact_Qk.tolist(), strict=True)
    return float(np.mean([len(set(found) & set(exact)) / len(exact) for found, exact in pairs]))


def _narrowest(
    others_nE: NDArray[np.float32], asking_QE: NDArray[np.float32], k: int
) -> tuple[int, float, float] | None:
    """Width, recall and comparisons of the narrowest search that suffices, if it is worth it."""
    exact_Qk = exact_index(others_nE).search(asking_QE, k)[1]
    graph = _graph(others_nE, BUILD_WIDTH)
    building = _search(graph, asking_QE, 1)[1]
    width = k
    while width < len(others_nE):
        graph.hnsw.efSearch = width
        found_Qk, comparisons = _search(graph, asking_QE, k)
        if building + comparisons >= len(others_nE):
            return None
        share = recall(found_Qk, exact_Qk)
        if share >= RECALL:
            return width, share, comparisons
        width *= 2
    return None


def _graph(embeddings_NE: NDArray[np.float32], width: int) -> faiss.IndexHNSWFlat:
    graph = faiss.IndexHNSWFlat(embeddings_NE.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = BUILD_WIDTH
    graph.hnsw.efSearch = width
    graph.add(embeddings_NE)
    return graph


def _search(
    graph: faiss.IndexHNSWFlat, asking_QE: NDArray[np.float32], k: int
) -> tuple[NDArray[np.intp], float]:
    """What is found, and how many vectors a search compares in the mean."""
    # One count for the process: a search in another thread adds to it, in favour of the exact one.
    # FAISS's types leave it out.
    stats = faiss.cvar.hnsw_stats  # type: ignore[attr-defined]
    before = stats.ndis
    found_Qk = graph.search(asking_QE, k)[1]
    return found_Qk, float((stats.ndis - before) / len(asking_QE))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Which links a graph gets may depend on which thread comes first."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
