"""Drawn screws that lie anywhere at any angle: what few images of a free part are worth.

They are no photos, but everyone can draw them again: a screw with head, shaft and thread, shaded
and noisy, on a bright uneven background. The thread starts anywhere, as on real screws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.products import Product, Sample
from echo.progress import Progress
from echo.report import to_png
from echo.storage import writable_folder, write_bytes

FloatArray = NDArray[np.float64]

SIZE_PX = 512
TRAIN, GOOD, DEFECTIVE_PER_KIND = 20, 60, 20
KINDS = ("thread", "bent", "scratch", "dent")
# Along the axis: the head's begin, the shaft's, the thread's, the tip's, and the end.
HEAD_PX, SHAFT_PX, THREAD_PX, TIP_PX, END_PX = -170, -130, -20, 120, 165
HEAD_RADIUS_PX, SHAFT_RADIUS_PX, THREAD_RADIUS_PX = 42, 16, 20
PITCH_PX = 14
NOISE = 2.5
# A pixel is defective if the defect changes it by so many levels.
VISIBLE = 6


@dataclass(frozen=True)
class Screw:
    """One screw as it lies; lengths in pixels, along the axis ``u`` and across it ``v``.

    Attributes:
        angle: Of its axis, in radians.
        centre_xy: Where its middle lies, from the image's.
        phase: Where the thread starts, in radians.
        brightness: Of the screw, about 1.
        background: Grey level.
        seed: Of the noise.
        kind: Of its defect, if it has one.
        place_uv: Of the defect.
        extent: How large it is; for a bend how strong.
        turned: Angle of a scratch, in radians.
        sign: To which side it bends, whether a scratch is bright.
    """

    angle: float
    centre_xy: tuple[float, float]
    phase: float
    brightness: float
    background: float
    seed: int
    kind: str | None = None
    place_uv: tuple[float, float] = (0, 0)
    extent: float = 0
    turned: float = 0
    sign: int = field(default=1)


def draw(screw: Screw) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The image (H, W), grey, and where its defect shows."""
    clean_HW = _render(screw)
    rng = np.random.default_rng(screw.seed)
    uneven_HW = 60 * ndimage.gaussian_filter(rng.normal(0, 1, (SIZE_PX, SIZE_PX)), 40)
    noise_HW = uneven_HW + rng.normal(0, NOISE, (SIZE_PX, SIZE_PX))
    change_HW = np.abs(clean_HW - _render(replace(screw, kind=None)))
    grey_HW = np.clip(np.rint(clean_HW + noise_HW), 0, 255).astype(np.uint8)
    return grey_HW, change_HW > VISIBLE


def _render(screw: Screw) -> FloatArray:
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX // 2
    x, y = columns - screw.centre_xy[0], rows - screw.centre_xy[1]
    u = x * math.cos(screw.angle) + y * math.sin(screw.angle)
    v = -x * math.sin(screw.angle) + y * math.cos(screw.angle)
    if screw.kind == "bent":
        v = v - screw.sign * screw.extent * np.maximum(u - screw.place_uv[0], 0) ** 2
    teeth = np.ones_like(u)
    if screw.kind == "thread":
        teeth[np.abs(u - screw.place_uv[0]) < screw.extent] = 0.15
    grey = screw.background * np.ones_like(u)
    radius = _radius(u, screw.phase, teeth)
    inside = (np.abs(v) <= radius) & (u > HEAD_PX) & (u < END_PX)
    if screw.kind == "dent":
        inside &= np.hypot(u - screw.place_uv[0], v - screw.place_uv[1]) > screw.extent
    grey[inside] = screw.brightness * _shade(u, v, radius, screw.phase, teeth)[inside]
    if screw.kind == "scratch":
        off_u, off_v = u - screw.place_uv[0], v - screw.place_uv[1]
        along = off_u * math.cos(screw.turned) + off_v * math.sin(screw.turned)
        across = -off_u * math.sin(screw.turned) + off_v * math.cos(screw.turned)
        line = inside & (np.abs(along) < screw.extent) & (np.abs(across) < 1.6)
        grey[line] += 45 * screw.sign
    return np.asarray(ndimage.gaussian_filter(grey, 0.8))


def _radius(u: FloatArray, phase: float, teeth: FloatArray) -> FloatArray:
    radius = np.select(
        [u < SHAFT_PX, u < THREAD_PX, u < TIP_PX],
        [HEAD_RADIUS_PX, SHAFT_RADIUS_PX, THREAD_RADIUS_PX],
        THREAD_RADIUS_PX * (END_PX - u) / (END_PX - TIP_PX),
    )
    tooth = 4 * np.abs((u / PITCH_PX + phase / (2 * math.pi)) % 1 - 0.5) - 1
    return np.asarray(np.where(u > THREAD_PX, radius + 3.5 * tooth * teeth, radius))


def _shade(
    u: FloatArray, v: FloatArray, radius: FloatArray, phase: float, teeth: FloatArray
) -> FloatArray:
    """A cylinder lit from one side, with ridges along the thread and a ribbed head."""
    off = v / np.maximum(radius, 1)
    ridges = 11 * teeth * np.sin(2 * math.pi * (u / PITCH_PX + 0.12 * off) + phase)
    ribs = np.where(u < SHAFT_PX, 6 * np.cos(0.2 * u), 0)
    return np.asarray(93 + 37 * (1 - off**2) - 19 * off + np.where(u > THREAD_PX, ridges, ribs))


def lie_down(rng: np.random.Generator, kind: str | None = None) -> Screw:
    """A screw somewhere, good or with a defect of that kind."""
    screw = Screw(
        angle=rng.uniform(0, 2 * math.pi),
        centre_xy=(rng.uniform(-35, 35), rng.uniform(-35, 35)),
        phase=rng.uniform(0, 2 * math.pi),
        brightness=rng.uniform(0.93, 1.05),
        background=rng.uniform(195, 212),
        seed=int(rng.integers(2**31)),
        kind=kind,
        sign=int(rng.choice([-1, 1])),
    )
    if kind == "thread":
        return replace(screw, place_uv=(rng.uniform(0, 110), 0), extent=rng.uniform(8, 14))
    if kind == "bent":
        return replace(screw, place_uv=(90, 0), extent=rng.uniform(0.0012, 0.0022))
    if kind == "scratch":
        place = (rng.choice([rng.uniform(-165, -135), rng.uniform(-120, -30)]), rng.uniform(-9, 9))
        turned = rng.uniform(0, math.pi)
        return replace(screw, place_uv=place, extent=rng.uniform(8, 14), turned=turned)
    if kind == "dent":
        place = (rng.uniform(-168, -132), HEAD_RADIUS_PX * screw.sign)
        return replace(screw, place_uv=place, extent=rng.uniform(7, 11))
    return screw


def screws(folder: Path) -> Product:
    """Draw all screws into a folder, in the layout of MVTec AD; what is there already stays.

    Raises:
        OutputError: If the folder cannot be written.
    """
    rng = np.random.default_rng(0)
    wanted = [(f"train/good/{i:03d}", lie_down(rng)) for i in range(TRAIN)]
    wanted += [(f"test/good/{i:03d}", lie_down(rng)) for i in range(GOOD)]
    for kind in KINDS:
        each = range(DEFECTIVE_PER_KIND)
        wanted += [(f"test/{kind}/{i:03d}", lie_down(rng, kind)) for i in each]
    with Progress() as bars, bars.task("Drawing screws", len(wanted)) as advance:
        for name, screw in wanted:
            _save(folder, name, screw)
            advance(1)

    def paths(part: str) -> tuple[Path, ...]:
        return tuple(folder / f"{name}.png" for name, _ in wanted if name.startswith(part))

    defective = tuple(
        Sample(path, defective=True, masks=(_mask_of(folder, path.relative_to(folder)),))
        for kind in KINDS
        for path in paths(f"test/{kind}/")
    )
    return Product("screws", paths("train/"), paths("test/good/"), defective)


def _save(folder: Path, name: str, screw: Screw) -> None:
    path = folder / f"{name}.png"
    if path.exists():
        return
    writable_folder(path.parent)
    grey_HW, mask_HW = draw(screw)
    if screw.kind is not None:
        mask_path = _mask_of(folder, Path(f"{name}.png"))
        writable_folder(mask_path.parent)
        write_bytes(mask_path, to_png(Image.fromarray(mask_HW.astype(np.uint8) * 255)))
    # The image last: where it is, all is.
    write_bytes(path, to_png(Image.fromarray(grey_HW)))


def _mask_of(folder: Path, path: Path) -> Path:
    return folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
