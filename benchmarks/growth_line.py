"""Enrols and inspects the images of one size of ``benchmarks.growth``, in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import peak_mb
from echo import Inspector, ProductLine
from experts.decoder.encoder import load_encoder
from experts.images import read_picture
from experts.reference import MAX_NEIGHBOURS, ReferenceExtractor
from experts.search_index import choose_index, describe, exact_index, recall

QUERIES = 60
WARM_UP = 10
# Each query is searched for so often: a search takes microseconds.
ROUNDS = 50

FloatArray = NDArray[np.float32]


def main(folder: Path) -> None:
    """Enrol ``folder/good``, inspect ``folder/queries``, and write ``folder/row.json``.

    The first ``WARM_UP`` queries are not timed. ``base_mb`` is what the process takes with the
    encoder loaded, ``peak_mb`` the most that it has taken by the end of the enrolment.
    """
    encoder = load_encoder()
    row: dict[str, float | str] = {"base_mb": peak_mb()}
    start = time.perf_counter()
    line = ProductLine.enroll("growth", folder / "good", home=folder / "home")
    row |= {"enrol_s": time.perf_counter() - start, "peak_mb": peak_mb()}
    files = (path for path in line.folder.rglob("*") if path.is_file())
    row["folder_mb"] = sum(path.stat().st_size for path in files) / 1e6
    inspector = Inspector(line, keep=False, mllm="none")
    queries = sorted((folder / "queries").iterdir())
    timings = [inspector.inspect(path).timings_ms for path in queries]
    timed = timings[WARM_UP:]
    row["search_ms"] = statistics.median(t["reference"] + t["decode"] for t in timed)
    row["inspect_ms"] = statistics.median(sum(t.values()) for t in timed)
    pictures = (read_picture(path) for path in queries)
    embeddings_QE = np.stack([encoder.encode([p])[0].embedding_E for p in pictures])
    row |= search_figures(line.extractor, embeddings_QE)
    (folder / "row.json").write_text(json.dumps(row), encoding="utf-8")


def search_figures(
    extractor: ReferenceExtractor, embeddings_QE: FloatArray
) -> dict[str, float | str]:
    """Compare a line's index with an exact search of the same embeddings, both timed in turn.

    Args:
        extractor: The line's.
        embeddings_QE: Of images that the line does not have.

    Returns:
        ``index``; ``recall`` and ``compared`` (vectors for each query) as measured when it was
        chosen, on enrolled images; ``recall_new`` on the queries; ``index_us`` and ``exact_us``,
        medians of a search; ``index_over_exact``, the median of the single ratios.
    """
    embeddings_NE = extractor.embeddings_NE
    chosen = choose_index(embeddings_NE, MAX_NEIGHBOURS)
    exact = exact_index(embeddings_NE)
    k = min(MAX_NEIGHBOURS, len(embeddings_NE))
    found_Qk, exact_Qk = (i.search(embeddings_QE, k)[1] for i in (extractor.index, exact))
    times = [
        (_us(extractor.index, embedding_E, k), _us(exact, embedding_E, k))
        for _ in range(ROUNDS)
        for embedding_E in embeddings_QE
    ]
    return {
        "index": describe(extractor.index),
        "recall": chosen.recall,
        "compared": chosen.comparisons,
        "recall_new": recall(found_Qk, exact_Qk),
        "index_us": statistics.median(ours for ours, _ in times),
        "exact_us": statistics.median(theirs for _, theirs in times),
        "index_over_exact": statistics.median(ours / theirs for ours, theirs in times),
    }


def _us(index: faiss.Index, embedding_E: FloatArray, k: int) -> float:
    start = time.perf_counter()
    index.search(embedding_E[None], k)
    return (time.perf_counter() - start) * 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
