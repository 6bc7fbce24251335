"""Fits anomalib's PatchCore on images and scores others, in a process of its own.

Run by ``benchmarks.versus_anomalib`` in an environment that has anomalib and not Echo. anomalib's
own model does the work with its defaults, without its training loop around it, so nothing is
counted against it but reading, features, coreset and search. Network, weights and input size are
those of Echo's embedded encoder. Of its layers anomalib can take those that end a stage: the
fourth and sixth give Echo's patch grid, with 432 channels beside Echo's 384.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from PIL import Image
from safetensors.torch import load_file

from benchmarks.memory import peak_mb

INPUT_PX = 352
BATCH_SIZE = 32  # anomalib's default
CORESET_RATIO = 0.1  # anomalib's default
LAYERS = ("blocks.4", "blocks.6")


def main(job_path: Path) -> None:
    """Do a job; see ``benchmarks.versus_anomalib`` for what stands in it and what comes out."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    model = _model(Path(job["weights"]))
    start = time.perf_counter()
    _fit(model, job["enrolled"])
    enrol_s = time.perf_counter() - start
    scores, times_ms = [], []
    model.eval()
    for number, path in enumerate(job["test"]):
        start = time.perf_counter()
        with torch.inference_mode():
            output = model(_read(path)[None])
        times_ms.append((time.perf_counter() - start) * 1e3)
        scores.append(float(output.pred_score))
        np.save(job_path.parent / f"{number}.npy", output.anomaly_map.squeeze().numpy())
    result = {"enrol_s": enrol_s, "times_ms": times_ms, "scores": scores, "peak_mb": peak_mb()}
    result["bank"] = len(model.memory_bank)
    (job_path.parent / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _model(weights: Path) -> PatchcoreModel:
    """PatchCore with the given weights; checked to see what Echo's network sees."""
    tensors = load_file(weights)
    seen, expected = tensors.pop("check.input"), tensors.pop("check.features")
    model = PatchcoreModel(layers=LAYERS, backbone="tf_efficientnet_lite0", pre_trained=False)
    network = model.feature_extractor.feature_extractor
    # The network ends with its last stage: head and classifier are left over.
    network.load_state_dict({key: tensors[key] for key in network.state_dict()})
    with torch.inference_mode():
        found = F.normalize(model.feature_extractor(seen)[LAYERS[0]], dim=1)
    if not torch.allclose(found, expected, atol=1e-4):
        raise SystemExit(f"{weights}: anomalib's network gives other features with these weights")
    return model


def _fit(model: PatchcoreModel, paths: list[str]) -> None:
    model.train()
    model.feature_extractor.eval()
    for first in range(0, len(paths), BATCH_SIZE):
        model(torch.stack([_read(path) for path in paths[first : first + BATCH_SIZE]]))
    model.subsample_embedding(CORESET_RATIO)


def _read(path: str) -> torch.Tensor:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((INPUT_PX, INPUT_PX), Image.Resampling.BILINEAR)
        pixels = np.array(small, np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
