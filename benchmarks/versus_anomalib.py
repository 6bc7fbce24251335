"""Echo beside anomalib's PatchCore: same weights, same input pixels, same images, one run.

Each side enrols and inspects in a process of its own, one after the other. A job is a folder with
``job.json`` (``enrolled`` and ``test``: paths; ``weights``: a file, for anomalib); it is done when
it holds ``result.json`` (``enrol_s``, ``times_ms`` and ``scores`` per tested image, ``peak_mb``)
and one map a tested image, ``0.npy``, ``1.npy`` …. Both are then held against the labels by the
same code. anomalib needs packages of its own, so it runs in another environment; see
``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from benchmarks.layouts import find_products
from benchmarks.masks import read_masks
from benchmarks.metrics import auroc, average_precision, f1_max
from benchmarks.pixels import PixelCounts
from benchmarks.products import Split
from echo.storage import writable_folder, write_bytes
from experts.decoder.efficientnet import LAYER_CHANNELS, EfficientNetEncoder
from experts.errors import EchoError, ImageError
from experts.images import read_picture

ROWS = {
    "image_auroc": "image AUROC",
    "image_ap": "AP",
    "image_f1_max": "F1-max",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "enrol_s": "seconds to enrol",
    "inspect_ms": "ms an image, median",
    "peak_mb": "peak memory, MB",
}
INPUT_PX = 352
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run both on one object; print the table and write ``versus_anomalib.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="a tree of labelled images")
    parser.add_argument("--object", required=True, help="for example MagneticTile/tile")
    parser.add_argument("--anomalib", required=True, help="Python that has anomalib")
    parser.add_argument("--out", type=Path, default=Path("bench-out/versus"))
    options = parser.parse_args()
    try:
        (product,) = find_products(options.root, [options.object])
        compare(product.split(seed=0), options.object, options.anomalib, options.out)
    except EchoError as error:
        raise SystemExit(f"versus_anomalib: {error}") from error


def compare(split: Split, name: str, anomalib: str, out: Path) -> dict[str, Any]:
    """Run both sides on a split whose defects have masks, one after the other.

    Args:
        split: What is enrolled and what is tested.
        name: Of the object.
        anomalib: Python that has anomalib.
        out: Folder of the results.

    Raises:
        EchoError: If the images cannot be used, a side fails, or ``out`` cannot be written.
    """
    if not split.has_masks:
        raise ImageError(f"{name}: no masks; choose an object whose defects have masks")
    folder = writable_folder(out)
    sides = {
        "echo": (sys.executable, "benchmarks.versus_echo"),
        "anomalib": (anomalib, "benchmarks.anomalib_patchcore"),
    }
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary, "weights.safetensors")
        _export_weights(weights)
        for side, (python, module) in sides.items():
            job = Path(temporary, side)
            _run(python, module, job, split, weights)
            figures[side] = _figures(job, split)
    ratios = {key: figures["echo"][key] / figures["anomalib"][key] for key in ROWS}
    results = {
        "object": name,
        "enrolled": len(split.enrolled),
        "tested": len(split.test),
        **figures,
        "ratio": ratios,
    }
    Console().print(_table(results))
    write_bytes(folder / "versus_anomalib.json", json.dumps(results, indent=1).encode())
    return results


def _export_weights(path: Path) -> None:
    """The embedded encoder's weights by timm's names, with an input and what the network sees."""
    encoder = EfficientNetEncoder()
    seen = torch.rand(2, 3, INPUT_PX, INPUT_PX, generator=torch.Generator().manual_seed(0)) * 2 - 1
    _, patches_NHWC = encoder.forward(seen)
    # The layer that both sides use lies in the middle, already of length 1.
    first, second, _ = LAYER_CHANNELS
    features = patches_NHWC[..., first : first + second].permute(0, 3, 1, 2)
    state = {key: value.contiguous() for key, value in encoder._net.state_dict().items()}
    save_file({**state, "check.input": seen, "check.features": features.contiguous()}, path)


def _run(python: str, module: str, job: Path, split: Split, weights: Path) -> None:
    job.mkdir()
    description = {
        "enrolled": [str(path.resolve()) for path in split.enrolled],
        "test": [str(sample.path.resolve()) for sample in split.test],
        "weights": str(weights),
    }
    (job / "job.json").write_text(json.dumps(description), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        subprocess.run([python, "-m", module, str(job / "job.json")], env=environment, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EchoError(f"{python}: {module} failed ({error}); see its output above") from error


def _figures(job: Path, split: Split) -> dict[str, float]:
    result = json.loads((job / "result.json").read_text(encoding="utf-8"))
    pixels = PixelCounts()
    for number, sample in enumerate(split.test):
        mask_HW = read_masks(sample.masks, sample.path, read_picture(sample.path).size_HW)
        if mask_HW.any() == sample.defective:
            pixels.add(_resized(np.load(job / f"{number}.npy"), mask_HW.shape), mask_HW)
    defective = [sample.defective for sample in split.test]
    return {
        "image_auroc": auroc(defective, result["scores"]),
        "image_ap": average_precision(defective, result["scores"]),
        "image_f1_max": f1_max(defective, result["scores"]),
        "pixel_auroc": pixels.auroc(),
        "aupro": pixels.aupro(),
        "enrol_s": result["enrol_s"],
        "inspect_ms": statistics.median(result["times_ms"]),
        "peak_mb": result["peak_mb"],
    }


def _resized(map_HW: NDArray[np.float32], size_HW: tuple[int, ...]) -> NDArray[np.float32]:
    """A map at the image's size, linearly interpolated; Echo's have it already."""
    if map_HW.shape == size_HW:
        return map_HW
    batch = torch.from_numpy(map_HW)[None, None]
    resized = F.interpolate(batch, size=size_HW, mode="bilinear", align_corners=False)
    return np.asarray(resized[0, 0].numpy(), np.float32)


def _table(results: dict[str, Any]) -> Table:
    title = f"{results['object']}: {results['enrolled']} enrolled, {results['tested']} inspected"
    table = Table("", "echo-iad", "anomalib PatchCore", "ratio", title=title)
    for key, label in ROWS.items():
        form = "{:.1f}" if key in {"enrol_s", "inspect_ms", "peak_mb"} else "{:.4f}"
        values = [form.format(results[side][key]) for side in ("echo", "anomalib")]
        table.add_row(label, *values, f"{results['ratio'][key]:.3f}")
    return table


if __name__ == "__main__":
    main()
