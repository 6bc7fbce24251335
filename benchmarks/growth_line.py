"""Enrols and inspects the images of one size of ``benchmarks.growth``, in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.memory import peak_mb
from echo import Inspector, ProductLine
from experts.decoder.encoder import load_encoder

QUERIES = 60
WARM_UP = 10


def main(folder: Path) -> None:
    """Enrol ``folder/good``, inspect ``folder/queries``, and write ``folder/row.json``.

    The first ``WARM_UP`` queries are not timed. ``base_mb`` is what the process takes with the
    encoder loaded, ``peak_mb`` the most that it has taken by the end of the enrolment.
    """
    load_encoder()
    row = {"base_mb": peak_mb()}
    start = time.perf_counter()
    line = ProductLine.enroll("growth", folder / "good", home=folder / "home")
    row |= {"enrol_s": time.perf_counter() - start, "peak_mb": peak_mb()}
    files = (path for path in line.folder.rglob("*") if path.is_file())
    row["folder_mb"] = sum(path.stat().st_size for path in files) / 1e6
    inspector = Inspector(line)
    timings = [inspector.inspect(p).timings_ms for p in sorted((folder / "queries").iterdir())]
    timed = timings[WARM_UP:]
    row["search_ms"] = statistics.median(t["reference"] + t["decode"] for t in timed)
    row["inspect_ms"] = statistics.median(sum(t.values()) for t in timed)
    (folder / "row.json").write_text(json.dumps(row), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
