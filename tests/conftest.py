from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

from echo.cli import main
from echo.inspector import Inspector
from echo.line import ProductLine
from experts.decoder import efficientnet
from experts.evidence import Inspection
from tests.rule_files import WASHER

if TYPE_CHECKING:
    from experts.mllm.nano.model import NanoMLLM

# Most tests are not about the embedded language model; those that are name it.
os.environ["ECHO_IAD_MLLM"] = "none"
# How long an example takes tells more of a busy machine than of the code.
settings.register_profile("quiet", deadline=None)
settings.load_profile("quiet")

# As Echo writes a time.
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"
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


def assert_fails(result: Run, sentence: str) -> None:
    """Nothing is printed but this one line on the error stream; the exit code is 2."""
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(f"echo-iad: {sentence}\n", result.err), result.err


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


@pytest.fixture
def small_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder takes images to a fifth of its pixels, for what does not depend on how finely.

    Lines that others enrolled stay as they are, so a test enrols its own with it.
    """
    monkeypatch.setattr(efficientnet, "INPUT_AREA_PX", 160 * 160)


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


@pytest.fixture
def own_home(washer_home: Path, tmp_path: Path) -> Path:
    """A home with the line ``washer``, without rules and without any history, for one test."""
    shutil.copytree(washer_home / "lines", tmp_path / "home" / "lines")
    return tmp_path / "home"


@pytest.fixture
def washer_line(own_home: Path) -> ProductLine:
    """The line ``washer`` in ``own_home``."""
    return ProductLine.load("washer", home=own_home)


@pytest.fixture(scope="session")
def washer_inspections(washer_home: Path) -> list[Inspection]:
    """A good part and a bad one of the line ``washer``, inspected."""
    inspector = Inspector(ProductLine.load("washer", home=washer_home), keep=False)
    return [inspector.inspect(good_part(300)), inspector.inspect(bad_part(300))]


@pytest.fixture
def good_photo(tmp_path: Path) -> Path:
    return save(tmp_path / "new" / "good.png", good_part(700))


@pytest.fixture
def bad_photo(tmp_path: Path) -> Path:
    return save(tmp_path / "new" / "bad.png", bad_part(700))


@pytest.fixture
def at_washer_home(run: Command, monkeypatch: pytest.MonkeyPatch, washer_home: Path) -> None:
    """Commands find the line ``washer``, which they must not change."""
    monkeypatch.setenv("ECHO_IAD_HOME", str(washer_home))


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    """Files: a good part, a bad one, and one that is no image."""
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    return {
        "good": save(tmp_path / "good.png", good_part(500)),
        "bad": save(tmp_path / "bad.png", bad_part(500)),
        "broken": broken,
    }


@pytest.fixture(scope="session")
def strict_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the line ``washer`` of four images, whose rules reject any bad part."""
    # It draws parts by this file.
    from tests.ruled_lines import STRICT, line_with

    home = tmp_path_factory.mktemp("strict-home")
    line_with(STRICT, home)
    return home


@pytest.fixture(scope="session")
def nut_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the line ``nut``, which has few images, so that nothing is rejected."""
    home = tmp_path_factory.mktemp("nut-home")
    ProductLine.enroll("nut", [good_part(i) for i in range(6)], home=home, progress=False)
    return home


@pytest.fixture
def nut_line(nut_home: Path, tmp_path: Path) -> ProductLine:
    """The line ``nut`` in a home of its own, without any history, for one test."""
    shutil.copytree(nut_home / "lines", tmp_path / "home" / "lines")
    return ProductLine.load("nut", home=tmp_path / "home")


@pytest.fixture
def washer_file(tmp_path: Path) -> Path:
    """A knowledge file with limits of every quantity, in px and in mm."""
    path = tmp_path / "washer.yaml"
    path.write_text(WASHER)
    return path


@pytest.fixture(scope="session")
def nano_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A home with the unpacked base weights of the embedded model, for all processes of a run."""
    # It takes seconds to import, and most tests do without.
    from experts.mllm.nano.base import unpacked

    own = tmp_path_factory.getbasetemp()
    home = (own if worker_id == "master" else own.parent) / "nano-home"
    unpacked(home)
    return home


@pytest.fixture(scope="session")
def nano(nano_home: Path) -> NanoMLLM:
    """The embedded language model, as it comes with Echo."""
    from experts.mllm.nano.loading import load_nano

    return load_nano(nano_home)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a tiny model of a family; each is built once."""
    # This takes seconds to import, and most tests do without.
    from tests.tiny_models import build

    root = tmp_path_factory.mktemp("models")

    def folder(family: str) -> Path:
        path = root / family
        if not path.exists():
            build(family, path)
        return path

    return folder
