"""Enrolment beside anomalib's PatchCore on the same images, one after the other.

anomalib needs packages of its own, so it runs in another environment; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from echo import ProductLine
from experts.decoder.encoder import load_encoder
from experts.images import IMAGE_SUFFIXES

SCRIPT = Path(__file__).parent / "anomalib_patchcore.py"


def main() -> None:
    """Enrol a folder with both and print seconds, bank sizes and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="folder of good images")
    parser.add_argument("--anomalib", required=True, help="Python that has anomalib")
    parser.add_argument("--ratio", type=float, default=0.1, help="anomalib's coreset share")
    options = parser.parse_args()
    paths = sorted(p for p in options.images.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    ours = _enrol(paths)
    theirs = _fit_anomalib(options.anomalib, options.ratio, paths)
    print(f"{len(paths)} images")
    print(f"echo-iad: {ours['seconds']:.1f} s, bank of {ours['bank']}, calibrated")
    print(f"anomalib PatchCore: {theirs['seconds']:.1f} s, bank of {theirs['bank']}")
    print(f"ratio: {ours['seconds'] / theirs['seconds']:.3f}")


def _enrol(paths: list[Path]) -> dict[str, Any]:
    load_encoder()  # anomalib's network is built before its clock starts, too
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        line = ProductLine.enroll("bench", paths, home=home)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "bank": len(line.bank.patches_MC)}


def _fit_anomalib(python: str, ratio: float, paths: list[Path]) -> dict[str, Any]:
    run = subprocess.run(
        [python, str(SCRIPT), str(ratio)],
        input="\n".join(str(p.resolve()) for p in paths),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
