from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

from echo.cli import main
from echo.line import ProductLine
from tests.rule_files import WASHER

# How long an example takes tells more of a busy machine than of the code.
settings.register_profile("quiet", deadline=None)
settings.load_profile("quiet")

SIDE_PX = 96
ENROLLED = 24


def good_part(seed: int) -> NDArray[np.uint8]:
    """Noise on upright stripes, uint8 (96, 96, 3)."""
    noise_HW = np.random.default_rng(seed).normal(0, 6, (SIDE_PX, SIDE_PX))
    stripes_W = 25 * np.sin(np.arange(SIDE_PX) * 2 * np.pi / 12)
    grey_HW = np.clip(140 + stripes_W + noise_HW, 0, 255).astype(np.uint8)
    return np.repeat(grey_HW[:, :, None], 3, axis=2)


def bad_part(seed: int) -> NDArray[np.uint8]:
    """A good part with a dark blot, 24 px across, right of and below the centre."""
    part_HW3 = good_part(seed)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    part_HW3[(y - 60) ** 2 + (x - 60) ** 2 <= 12**2] = 15
    return part_HW3


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class Run(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Run]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs the command line in this process, in a wide window, with an empty home."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("ECHO_IAD_HOME", str(tmp_path / "home"))

    def command(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["echo-iad", *map(str, arguments)])
        code = main()
        return Run(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def good_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for seed in range(ENROLLED):
        save(folder / f"good-{seed:02d}.png", good_part(seed))
    return folder


@pytest.fixture(scope="session")
def washer_home(tmp_path_factory: pytest.TempPathFactory, good_folder: Path) -> Path:
    """A home with the line ``washer``; tests that change it take a copy."""
    home = tmp_path_factory.mktemp("washer-home")
    ProductLine.enroll("washer", good_folder, home=home, progress=False)
    return home


@pytest.fixture(scope="session")
def nut_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the line ``nut``, which has few images, so that nothing is rejected."""
    home = tmp_path_factory.mktemp("nut-home")
    ProductLine.enroll("nut", [good_part(i) for i in range(6)], home=home, progress=False)
    return home


@pytest.fixture
def washer_file(tmp_path: Path) -> Path:
    """A knowledge file with limits of every quantity, in px and in mm."""
    path = tmp_path / "washer.yaml"
    path.write_text(WASHER)
    return path
