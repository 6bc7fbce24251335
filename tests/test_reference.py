from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from echo.enrolment import write_embeddings
from echo.line import ProductLine
from experts.reference import ReferenceExtractor
from experts.search_index import LINKS, RECALL, SEED, choose_index, describe, recall

FloatArray = NDArray[np.float32]
SIZE = 32


def unit(rows_NE: NDArray[np.float64]) -> FloatArray:
    return np.asarray(rows_NE / np.linalg.norm(rows_NE, axis=1, keepdims=True), np.float32)


def alike(count: int, seed: int = 0) -> FloatArray:
    """Embeddings as those of real parts: few directions matter, and all parts are much alike."""
    rng = np.random.default_rng(seed)
    spread_E = 0.5 * 0.7 ** np.arange(SIZE)
    return unit(np.eye(SIZE)[0] + rng.normal(0, 1, (count, SIZE)) * spread_E)


def extractor_of(index: faiss.Index) -> ReferenceExtractor:
    files = [Path(f"{number}.png") for number in range(index.ntotal)]
    return ReferenceExtractor(index, files, files)


def test_small_lines_are_searched_exactly() -> None:
    for count in (0, 1, 2, 16, 17, 18, 50, 100):
        choice = choose_index(alike(count), 16)
        assert describe(choice.index) == "exact"
        assert (choice.recall, choice.comparisons, choice.index.ntotal) == (1, count, count)


def test_a_large_line_gets_a_graph_that_finds_what_an_exact_search_finds() -> None:
    embeddings_NE = alike(2_000)
    choice = choose_index(embeddings_NE, 16)
    assert describe(choice.index).startswith("graph, ")
    assert choice.recall >= RECALL
    assert choice.comparisons < 1_000
    queries_QE = alike(100, seed=1)
    exact_Qk = np.argsort(-(queries_QE @ embeddings_NE.T), axis=1)[:, :16]
    found_Qk = choice.index.search(queries_QE, 16)[1]
    assert recall(found_Qk, exact_Qk) >= RECALL - 0.01


def test_recall_equals_its_definition() -> None:
    embeddings_NE = alike(300)
    choice = choose_index(embeddings_NE, 4)
    assert isinstance(choice.index, faiss.IndexHNSWFlat)
    asking = np.random.default_rng(SEED).permutation(300)[:60].tolist()
    others = [number for number in range(300) if number not in asking]
    graph = faiss.IndexHNSWFlat(SIZE, LINKS, faiss.METRIC_INNER_PRODUCT)
    for number in others:
        graph.add(embeddings_NE[[number]])
    graph.hnsw.efSearch = choice.index.hnsw.efSearch
    shares = []
    for number in asking:
        similarities = {i: embeddings_NE[others[i]] @ embeddings_NE[number] for i in range(240)}
        exact = sorted(similarities, key=lambda i: -similarities[i])[:4]
        found = graph.search(embeddings_NE[[number]], 4)[1][0].tolist()
        shares.append(len(set(exact) & set(found)) / 4)
    assert choice.recall == pytest.approx(np.mean(shares))


def test_where_a_graph_saves_nothing_the_search_is_exact() -> None:
    # Directions without any order: all are about as far from each other.
    rows_NE = unit(np.random.default_rng(0).normal(size=(600, 192)))
    assert describe(choose_index(rows_NE, 16).index) == "exact"
    # Of images that are all the same, a graph finds others than an exact search.
    same_NE = np.repeat(alike(5), 200, axis=0)
    assert describe(choose_index(same_NE, 16).index) == "exact"


def test_the_same_embeddings_give_the_same_index() -> None:
    embeddings_NE = alike(1_500)
    threads = faiss.omp_get_max_threads()
    try:
        stored = []
        for count in (1, 4):
            faiss.omp_set_num_threads(count)
            stored.append(faiss.serialize_index(choose_index(embeddings_NE, 16).index).tobytes())
            assert faiss.omp_get_max_threads() == count
    finally:
        faiss.omp_set_num_threads(threads)
    assert stored[0] == stored[1]


@pytest.mark.parametrize("count", [20, 1_500])
def test_what_is_written_gives_the_vectors_and_their_similarity(tmp_path: Path, count: int) -> None:
    embeddings_NE = alike(count)
    path = tmp_path / "embeddings.faiss"
    write_embeddings(path, embeddings_NE)
    chosen = choose_index(embeddings_NE, 16).index
    extractor = extractor_of(faiss.deserialize_index(np.fromfile(path, np.uint8)))
    assert describe(extractor.index) == describe(chosen)
    np.testing.assert_array_equal(extractor.embeddings_NE, embeddings_NE)
    query_E = alike(1, seed=2)[0]
    found = extractor.nearest(query_E, 16)
    assert [reference.rank for _, reference in found] == list(range(1, 17))
    for number, reference in found:
        assert reference.path == Path(f"{number}.png")
        assert reference.similarity == pytest.approx(embeddings_NE[number] @ query_E, abs=1e-6)
    assert extractor.retrieve(query_E)[0].similarity == found[0][1].similarity


def test_as_many_are_found_as_were_asked_for() -> None:
    # One image in each of ten lists, of which one is looked at.
    embeddings_NE = np.eye(10, dtype=np.float32)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(10), 10, 10, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.train(embeddings_NE)
    index.add(embeddings_NE)
    query_E = unit(np.arange(10.0)[None])[0]
    assert index.search(query_E[None], 3)[1].min() == -1
    found = extractor_of(index).nearest(query_E, 3)
    assert [number for number, _ in found] == [9, 8, 7]
    assert found[0][1].similarity == pytest.approx(query_E[9])


def test_a_line_without_images_has_no_similar_one() -> None:
    extractor = extractor_of(choose_index(alike(0), 16).index)
    assert extractor.retrieve(alike(1)[0]) == ()


def test_a_line_finds_its_own_images(washer_home: Path) -> None:
    extractor = ProductLine.load("washer", home=washer_home).extractor
    for number, embedding_E in enumerate(extractor.embeddings_NE):
        ((found, reference),) = extractor.nearest(embedding_E, 1)
        assert found == number
        assert reference.similarity == pytest.approx(1)
