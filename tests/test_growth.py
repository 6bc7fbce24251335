from __future__ import annotations

import io

import faiss
from rich.console import Console

from benchmarks.growth import FIGURES, SEARCH, _table
from benchmarks.growth_line import search_figures
from experts.reference import ReferenceExtractor
from experts.search_index import choose_index
from tests.test_reference import alike, extractor_of


def extractor(count: int) -> ReferenceExtractor:
    return extractor_of(choose_index(alike(count), 16).index)


def test_an_exact_index_finds_all() -> None:
    row = search_figures(extractor(10), alike(5, seed=1))
    assert (row["index"], row["compared"]) == ("exact", 10)
    assert row["recall"] == row["recall_new"] == 1


def test_a_graph_is_compared_with_an_exact_search() -> None:
    line = extractor(2_000)
    row = search_figures(line, alike(20, seed=1))
    assert str(row["index"]).startswith("graph, ")
    assert 0.99 <= float(row["recall"]) < 1
    assert 0.95 <= float(row["recall_new"]) <= 1
    assert float(row["compared"]) < 1_000
    ours, theirs = float(row["index_us"]), float(row["exact_us"])
    assert min(ours, theirs, float(row["index_over_exact"])) > 0
    # A graph that looks at too little is found out.
    assert isinstance(line.index, faiss.IndexHNSWFlat)
    line.index.hnsw.efSearch = 1
    worse = search_figures(line, alike(20, seed=1))
    assert worse["index"] == "graph, 1 wide"
    assert float(worse["recall_new"]) < float(row["recall_new"])


def test_the_tables_hold_all_figures() -> None:
    figures = FIGURES | SEARCH
    rows = {10: {key: float(i) for i, key in enumerate(figures)} | {"index": "exact"}}
    stream = io.StringIO()
    console = Console(width=200, file=stream)
    for title, columns in (("Growth", FIGURES), ("Search", SEARCH)):
        console.print(_table(title, columns, rows))
    text = stream.getvalue()
    for key, (_, form) in figures.items():
        assert form.format(rows[10][key]) in text
