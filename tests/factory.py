"""A small factory's labelled images: washers with several kinds of defects, and what is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import SIDE_PX, good_part, save
from tests.labelled import make_parts

KNOWLEDGE = """
product: ring washer
aliases: [washer]
normal: A flat ring with upright stripes and an even grey.
defects:
  - {name: pit, synonyms: [pore, deep pit], severity: minor,
     appearance: A round dark hollow., effect: Rust starts there.}
  - {name: scratch, severity: major,
     appearance: A long bright groove., effect: The seal lets oil through.}
  - {name: burr, severity: major,
     appearance: A ragged ridge that sticks out., effect: Hands are hurt when it is mounted.}
  - {name: tarnish, severity: minor, appearance: A brown veil with a soft outline.}
"""
# By folder: what the kind is called, and its texts.
KINDS = {
    "pore": ("Deep pit.", "A round dark hollow.", "Rust starts there."),
    "scratch": ("Scratch.", "A long bright groove.", "The seal lets oil through."),
    "Burr": ("Burr.", "A ragged ridge that sticks out.", "Hands are hurt when it is mounted."),
    "tarnish": ("Tarnish.", "A brown veil with a soft outline.", None),
}
# Left, top, right, bottom of each defect, by kind; of the last one no place is clear.
DEFECTS: dict[str, list[list[tuple[int, int, int, int]]]] = {
    "pore": [[(8, 8, 20, 20)], [(42, 6, 54, 18)], [(76, 76, 88, 88)], [(42, 42, 52, 52)]],
    "scratch": [[(4, 40, 26, 44)], [(74, 44, 94, 50)], [(10, 74, 20, 94)], [(2, 10, 94, 14)]],
    "Burr": [[(72, 4, 92, 10)], [(44, 78, 56, 90)], [(4, 4, 90, 90)]],
    "tarnish": [[(6, 6, 16, 16), (80, 80, 90, 90)]],
    "combined": [[(8, 8, 20, 20)], [(8, 8, 20, 20), (76, 76, 88, 88)]],
    "bad": [[(70, 70, 92, 92)]],
}


def mask(boxes: list[tuple[int, int, int, int]]) -> NDArray[np.uint8]:
    """Boxes as a mask, 0 or 255."""
    mask_HW = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for left, top, right, bottom in boxes:
        mask_HW[top:bottom, left:right] = 255
    return mask_HW


def make_washers(folder: Path) -> Path:
    """An object in the layout of MVTec AD; the first good test image is enrolled, too."""
    make_parts(folder / "train" / "good", good_part, 10, at=0)
    make_parts(folder / "test" / "good", good_part, 4, at=3)
    for kind, defects in DEFECTS.items():
        for number, boxes in enumerate(defects):
            mask_HW = mask(boxes)
            part_HW3 = good_part(100 + number)
            part_HW3[mask_HW > 0] = 20
            save(folder / "test" / kind / f"{number:03d}.png", part_HW3)
            marked = folder / "ground_truth" / kind / f"{number:03d}_mask.png"
            marked.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask_HW).save(marked)
    return folder


def write_knowledge(path: Path) -> Path:
    """What the factory knows of its washers."""
    path.write_text(KNOWLEDGE, encoding="utf-8")
    return path
