"""A small benchmark of two products, with questions made from its labels, and lines for them."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from benchmarks.mmad.bench import Settings, run
from benchmarks.mmad.data import QUESTIONS
from benchmarks.mmad.journal import ANSWERS
from benchmarks.mmad.making import make_questions, write_questions
from benchmarks.mmad.making_knowledge import Library
from benchmarks.mmad.making_tree import read_tree
from experts.decoder import efficientnet
from tests.conftest import save
from tests.factory import make_washers, write_knowledge
from tests.labelled import make_parts

# What must never reach whoever answers: a folder and so also the path of masks.
CANARY = "canaryite"
OPTION = "Canaryite."
INPUT_AREA_PX = 64 * 64
# A child writes at most so many lines before it is killed, and lives a little longer.
MOST_LINES, LATER_S, PATIENCE_S = 8, 0.02, 60.0


def board(seed: int) -> NDArray[np.uint8]:
    """Another product: a grid on green."""
    rng = np.random.default_rng(seed)
    board_HW3 = np.full((96, 96, 3), (20, 120, 40), np.uint8)
    board_HW3[8::16] = board_HW3[:, 8::16] = (200, 200, 200)
    return np.clip(board_HW3 + rng.normal(0, 3, board_HW3.shape), 0, 255).astype(np.uint8)


def make_benchmark(root: Path) -> Path:
    """Two objects with a defect each whose kind is the canary's name, and questions on them."""
    make_washers(root / "Acme" / "washer")
    grid = root / "Acme" / "grid"
    make_parts(grid / "train" / "good", board, 10, at=0)
    make_parts(grid / "test" / "good", board, 3, at=50)
    for number in range(3):
        part_HW3, mask_HW = board(100 + number), np.zeros((96, 96), np.uint8)
        mask_HW[6:22, 6:22] = 255
        part_HW3[mask_HW > 0] = (250, 20, 20)
        save(grid / "test" / CANARY / f"{number}.png", part_HW3)
        marked = grid / "ground_truth" / CANARY / f"{number}_mask.png"
        marked.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask_HW).save(marked)
    write_knowledge(root / "washer.yaml")
    made = make_questions(read_tree(root), Library(root / "washer.yaml"), progress=False)
    write_questions(made, root / QUESTIONS)
    # An option may say it, as one of several; what tells that it is right may not.
    raw = json.loads((root / QUESTIONS).read_text("utf-8"))
    for entry in raw.values():
        for asked in entry["conversation"]:
            options = asked["Options"]
            asked["Options"] = {k: v.replace(OPTION, "Red stain.") for k, v in options.items()}
            asked["comment"] = f"{CANARY}: the answer is {asked['Answer']}"
    (root / QUESTIONS).write_text(json.dumps(raw), "utf-8")
    return root


def answer(root: Path, out: Path) -> None:
    """Answer all questions by evidence."""
    settings = Settings(lines=root / "lines", knowledge=root / "washer.yaml")
    run(root, out, settings, None, Console(quiet=True))


def main(root: Path, out: Path, kills: int, seed: int) -> None:
    """Kill children at random moments while they answer, then let one end; prints what came."""
    torch.set_num_threads(1)
    efficientnet.INPUT_AREA_PX = INPUT_AREA_PX
    # What a start takes is done once, before children are forked; and so it is the other run, too.
    answer(root, out.with_name("whole"))
    rng, lines = random.Random(seed), [0]
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            answer(root, out)
            os._exit(0)
        # Machines differ: the moment is one of what was written, and a little later.
        _wait_for(out, lines[-1] + rng.randint(0, MOST_LINES))
        time.sleep(rng.uniform(0, LATER_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines.append(_written(out))
    answer(root, out)
    print(json.dumps({"lines": lines[1:]}))


def _wait_for(out: Path, lines: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while _written(out) < lines and time.monotonic() < end:
        time.sleep(0.001)


def _written(out: Path) -> int:
    kept = out / "echo" / ANSWERS
    return kept.read_bytes().count(b"\n") if kept.exists() else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
