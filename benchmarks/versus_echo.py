"""Enrols images and inspects others, in a process of its own; the counterpart of anomalib's."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_mb
from echo import Inspector, ProductLine
from experts.decoder.encoder import load_encoder


def main(job_path: Path) -> None:
    """Do a job; see ``benchmarks.versus_anomalib`` for what stands in it and what comes out."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    load_encoder()  # anomalib's network is built before its clock starts, too
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        line = ProductLine.enroll("versus", job["enrolled"], home=home)
        enrol_s = time.perf_counter() - start
        inspector = Inspector(line, keep=False, mllm="none")
        scores, times_ms = [], []
        for number, path in enumerate(job["test"]):
            start = time.perf_counter()
            anomaly = inspector.inspect(path).anomaly
            scores_HW = anomaly.scores_HW
            times_ms.append((time.perf_counter() - start) * 1e3)
            scores.append(anomaly.score)
            np.save(job_path.parent / f"{number}.npy", scores_HW)
    result = {"enrol_s": enrol_s, "times_ms": times_ms, "scores": scores, "peak_mb": peak_mb()}
    (job_path.parent / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
