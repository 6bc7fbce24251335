"""Folders of labelled images, laid out as the data sets lay them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.conftest import bad_part, good_part, save

TRAIN, GOOD, BAD = 6, 3, 3


def blot() -> NDArray[np.uint8]:
    """The mask of ``bad_part``'s blot, 0 or 255."""
    y, x = np.mgrid[:96, :96]
    return np.where((y - 60) ** 2 + (x - 60) ** 2 <= 12**2, 255, 0).astype(np.uint8)


def make_parts(folder: Path, part: Callable[[int], NDArray[np.uint8]], count: int, at: int) -> None:
    """Save so many parts, the first of the seed ``at``, under their numbers."""
    for number in range(count):
        save(folder / f"{number:03d}.png", part(at + number))


def make_mvtec(folder: Path, mask: str = "{}_mask.png") -> Path:
    """An object as MVTec AD lays it out, with blots as the one defect."""
    make_parts(folder / "train" / "good", good_part, TRAIN, at=0)
    make_parts(folder / "test" / "good", good_part, GOOD, at=100)
    make_parts(folder / "test" / "blot", bad_part, BAD, at=200)
    for number in range(BAD):
        save(folder / "ground_truth" / "blot" / mask.format(f"{number:03d}"), blot())
    return folder


def make_visa(root: Path) -> Path:
    """A tree as VisA lays it out, with candles, and capsules of which no image is there."""
    data = root / "candle" / "Data"
    make_parts(data / "Images" / "Normal", good_part, TRAIN + GOOD, at=0)
    make_parts(data / "Images" / "Anomaly", bad_part, BAD, at=200)
    lines = ["object,split,label,image,mask"]
    for number in range(TRAIN + GOOD):
        use = "train" if number % 3 else "test"
        lines.append(f"candle,{use},normal,candle/Data/Images/Normal/{number:03d}.png,")
    for number in range(BAD):
        save(data / "Masks" / "Anomaly" / f"{number:03d}.png", blot() // 255)
        image, mask = (f"candle/Data/{d}/Anomaly/{number:03d}.png" for d in ("Images", "Masks"))
        lines.append(f"candle,test,anomaly,{image},{mask}")
    lines.append("capsules,train,normal,capsules/Data/Images/Normal/000.JPG,")
    (root / "split_csv").mkdir()
    (root / "split_csv" / "1cls.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def make_pair(folder: Path) -> Path:
    """An object of two folders, of good parts and of bad ones, without masks."""
    make_parts(folder / "good", good_part, TRAIN, at=0)
    make_parts(folder / "bad" / "dark", bad_part, BAD, at=200)
    return folder
