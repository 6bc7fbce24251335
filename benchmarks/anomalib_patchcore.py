"""Enrols images with anomalib's PatchCore and prints seconds and bank size as JSON.

Run by ``benchmarks.enrolment``, which lists the images on the standard input, in an environment
that has anomalib and not Echo. anomalib's own model does the work, without its training loop around
it, so nothing is counted against it but features and coreset. Network, input size and patch grid
are those of Echo's embedded encoder; of its layers anomalib can take the fourth and sixth, 432
channels beside Echo's 384. The weights stay random, which takes the same time.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from PIL import Image

INPUT_PX = 256
BATCH_SIZE = 32  # anomalib's default


def main(ratio: float, paths: list[str]) -> None:
    """Fit PatchCore on the images, keeping a share of ``ratio`` of the patches."""
    model = PatchcoreModel(
        layers=["blocks.4", "blocks.6"],
        backbone="tf_efficientnet_lite0",
        pre_trained=False,
    )
    model.train()
    start = time.perf_counter()
    for first in range(0, len(paths), BATCH_SIZE):
        batch = torch.stack([_read(path) for path in paths[first : first + BATCH_SIZE]])
        model(batch)
    encoded_s = time.perf_counter() - start
    model.subsample_embedding(ratio)
    seconds = time.perf_counter() - start
    bank = len(model.memory_bank)
    print(json.dumps({"seconds": seconds, "encoded_s": encoded_s, "bank": bank}))


def _read(path: str) -> torch.Tensor:
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB").resize((INPUT_PX, INPUT_PX)), np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.stdin.read().splitlines())
