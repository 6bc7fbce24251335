"""Labelled images without any defective part: good ones with simulated anomalies.

The tree is in the layout of MVTec AD. Each image is drawn from a seed of its own and written whole
or not at all, and tells in its PNG what was drawn; so a run that was killed goes on where it ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel, ConfigDict, ValidationError

from echo import __version__
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import EnrolError, ImageError, OutputError
from experts.images import find_images, read_picture
from experts.simulating.canvas import ByteArray, part_of, parts_lie_free
from experts.simulating.kinds import KINDS
from experts.simulating.preview import contact_sheet
from experts.simulating.simulate import Simulated, simulate

RECORD = "simulated.json"
PREVIEW = "preview.png"

# Two to enrol, and two to draw on.
MIN_IMAGES = 4
# Of the good images, so many are tested and drawn on; the others are to be enrolled.
_TEST_SHARE = 0.3
# So many are looked at to tell whether parts lie free.
_SAMPLE = 8
# An anomaly is tried on so many images before its kind is given up.
_TRIES = 10
_SHOWN = 5
# The text in an image's PNG that says what was drawn.
_TEXT = "echo-iad"


class SimulatedImage(BaseModel):
    """One image with an anomaly.

    Attributes:
        image: The image's path in the tree.
        mask: The mask's path in the tree.
        source: Name of the good image that it was drawn on.
        kind: One of ``experts.simulating.kinds.KINDS``.
        seed: The numbers that all of it was drawn from.
        box_xyxy: Of the mask, in pixels; the right and lower sides are outside.
        words: What it looks like, where and how large it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    mask: str
    source: str
    kind: str
    seed: tuple[int, int]
    box_xyxy: tuple[int, int, int, int]
    words: str


class SimulatedTree(BaseModel):
    """What a tree was made from, and what is in it.

    Attributes:
        echo: The version of Echo that drew.
        seed: Of all.
        count: How many images with anomalies.
        kinds: They take turns.
        train: SHA-256 of the good images to enrol, by name in the tree.
        test: The same of those that are tested and drawn on.
        images: Empty until all are drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    echo: str
    seed: int
    count: int
    kinds: tuple[str, ...]
    train: dict[str, str]
    test: dict[str, str]
    images: tuple[SimulatedImage, ...] = ()


def simulate_tree(
    good: str | Path,
    out: Path,
    *,
    count: int = 100,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    progress: bool | None = None,
) -> SimulatedTree:
    """Draw anomalies onto good images, and lay them out as MVTec AD is, with masks.

    A call with the same arguments goes on where another was cut off, and gives the same bytes.

    Args:
        good: Folder or pattern of images of good parts.
        out: The object's folder: new, empty, or of a call that was cut off.
        count: How many images with an anomaly.
        kinds: Of ``experts.simulating.kinds.KINDS``.
        seed: Of all that is drawn.
        progress: Whether to show a bar; by default if a person watches.

    Raises:
        ImageError: If an image cannot be read, or nothing of a kind would show on any.
        EnrolError: If there are too few images.
        OutputError: If the folder holds something else or cannot be written.
    """
    files = _named(good, out)
    with _held(out), Progress(progress) as bars:
        tree = _plan(files, count, kinds, seed)
        if not (out / RECORD).exists():
            _check_all(files, out, bars)
        _begin(tree, out)
        for part, names in (("train", tree.train), ("test", tree.test)):
            for name in names:
                _bring(files[name], out / part / "good" / name)
        artist = _Artist(tree, files, out)
        with bars.task("Simulating", count) as advance:
            images = []
            for number in range(count):
                images.append(artist.drawn(number))
                advance(1)
        tree = tree.model_copy(update={"images": tuple(images)})
        write_bytes(out / PREVIEW, _png(_preview(tree, out)))
        write_bytes(out / RECORD, _as_bytes(tree))
    return tree


def _named(good: str | Path, out: Path) -> dict[str, Path]:
    """The good images by the names they get in the tree."""
    if Path(good).is_dir() and out.resolve().is_relative_to(Path(good).resolve()):
        raise OutputError(
            f"{out}: lies among the good images of {good}, and would be taken for some of them; "
            "choose another folder"
        )
    paths = [Path(str(path)) for path in find_images(good)]
    if len(paths) < MIN_IMAGES:
        raise EnrolError(
            f"{good}: {len(paths)} images of good parts; at least {MIN_IMAGES} are needed, some to "
            "enrol and some to draw on"
        )
    base = Path(good) if Path(good).is_dir() else None
    files: dict[str, Path] = {}
    for path in paths:
        name = "_".join(path.relative_to(base).parts) if base else path.name
        while name in files:
            name = f"again_{name}"
        files[name] = path
    return files


def _plan(files: dict[str, Path], count: int, kinds: Sequence[str], seed: int) -> SimulatedTree:
    names = [str(name) for name in np.random.default_rng(seed).permutation(sorted(files))]
    tested = max(MIN_IMAGES // 2, round(_TEST_SHARE * len(names)))
    hashes = {name: _sha256(files[name]) for name in sorted(files)}
    return SimulatedTree(
        echo=__version__,
        seed=seed,
        count=count,
        kinds=tuple(kinds),
        train={name: hashes[name] for name in sorted(names[tested:])},
        test={name: hashes[name] for name in sorted(names[:tested])},
    )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror}); check the path") from error


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the folder against other processes, and clear what a killed one left half-written."""
    lock = writable_folder(out) / ".lock"
    was_there = lock.exists()
    try:
        with FileLock(lock, timeout=0):
            for left_over in out.rglob(".*.tmp"):
                left_over.unlink(missing_ok=True)
            try:
                yield
            except (ImageError, OutputError):
                # A folder that belongs to something else is left as it was.
                if not was_there and not (out / RECORD).exists():
                    lock.unlink(missing_ok=True)
                raise
    except Timeout as error:
        raise OutputError(f"{out}: is being written by another process; try again later") from error


def _check_all(files: dict[str, Path], out: Path, bars: Progress) -> None:
    """Make sure that the folder is empty and each image can be read, before anything is written."""
    if any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise OutputError(
            f"{out}: is not empty, and was not made by this command; choose a new folder"
        )
    with bars.task("Reading", len(files)) as advance:
        for path in files.values():
            read_picture(path)
            advance(1)


def _begin(tree: SimulatedTree, out: Path) -> None:
    """Write down what is to be drawn, or make sure that it is what was begun."""
    path = out / RECORD
    if not path.exists():
        write_bytes(path, _as_bytes(tree))
        return
    try:
        begun = SimulatedTree.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(f"{path}: cannot be read; choose a new folder") from error
    if differing := _differing(begun, tree):
        raise OutputError(
            f"{out}: was begun with other {' and '.join(differing)}; give the same, or choose a "
            "new folder"
        )


def _differing(begun: SimulatedTree, tree: SimulatedTree) -> list[str]:
    names = {
        "echo": "versions of Echo",
        "seed": "seed",
        "count": "count",
        "kinds": "kinds",
    }
    differing = [
        told for name, told in names.items() if getattr(begun, name) != getattr(tree, name)
    ]
    if {**begun.train, **begun.test} != {**tree.train, **tree.test}:
        differing.append("good images")
    return differing


def _as_bytes(tree: SimulatedTree) -> bytes:
    return (json.dumps(tree.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()


def _bring(source: Path, target: Path) -> None:
    """Copy a file, unless that is done."""
    if target.exists():
        return
    writable_folder(target.parent)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ImageError(f"{source}: cannot be opened ({error.strerror})") from error
    write_bytes(target, data)


class _Artist:
    """Draws the images of a tree, each once.

    Args:
        tree: What is to be drawn.
        files: The good images by name.
        out: Where they go.
    """

    def __init__(self, tree: SimulatedTree, files: dict[str, Path], out: Path) -> None:
        self._tree = tree
        self._files = files
        self._out = out
        self._pixels = lru_cache(maxsize=64)(self._read)
        self._names = sorted(files)
        sample = list(tree.test)[:_SAMPLE]
        self._free = parts_lie_free(self._pixels(name) for name in sample)

    def _read(self, name: str) -> ByteArray:
        return read_picture(self._files[name]).rgb_HW3

    def drawn(self, number: int) -> SimulatedImage:
        """What is in the tree under that number; drawn if need be."""
        kind = self._tree.kinds[number % len(self._tree.kinds)]
        stem = f"{number // len(self._tree.kinds):03d}"
        image = Path("test", kind, f"{stem}.png")
        mask = Path("ground_truth", kind, f"{stem}_mask.png")
        done = _told_in(self._out / image) if (self._out / mask).exists() else None
        return done or self._draw(number, kind, image, mask)

    def _draw(self, number: int, kind: str, image: Path, mask: Path) -> SimulatedImage:
        source, simulated = self._simulated(number, kind)
        told = SimulatedImage(
            image=image.as_posix(),
            mask=mask.as_posix(),
            source=source,
            kind=kind,
            seed=(self._tree.seed, number),
            box_xyxy=simulated.box_xyxy,
            words=simulated.words,
        )
        for path in (image, mask):
            writable_folder(self._out / path.parent)
        # The image comes last: if it is there, all is.
        write_bytes(self._out / mask, _png(simulated.mask_HW.astype(np.uint8) * 255))
        write_bytes(self._out / image, _png(simulated.image_HW3, told.model_dump_json()))
        return told

    def _simulated(self, number: int, kind: str) -> tuple[str, Simulated]:
        rng = np.random.default_rng([self._tree.seed, number])
        for _ in range(_TRIES):
            name, other = str(rng.choice(list(self._tree.test))), str(rng.choice(self._names))
            image_HW3, other_HW3 = self._pixels(name), self._pixels(other)
            part_HW = part_of(image_HW3) if self._free else np.ones(image_HW3.shape[:2], np.bool_)
            try:
                return name, simulate(image_HW3, kind, rng, other_HW3, part_HW)
            except ImageError:
                continue
        raise ImageError(
            f"{self._out}: a simulated {kind} would be seen on none of {_TRIES} good images; leave "
            "this kind out by --kinds, in a new folder"
        )


def _told_in(path: Path) -> SimulatedImage | None:
    """What an image's own text says was drawn; none if it is missing or was not made here."""
    try:
        with Image.open(path) as image:
            image.load()
            return SimulatedImage.model_validate_json(str(image.info.get(_TEXT, "")))
    except (OSError, ValueError):
        return None


def _png(pixels: ByteArray, text: str | None = None) -> bytes:
    """As PNG; grey if all channels are the same."""
    if pixels.ndim == 3 and (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, 0]
    about = PngInfo()
    if text is not None:
        about.add_itxt(_TEXT, text)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=about)
    return stream.getvalue()


def _preview(tree: SimulatedTree, out: Path) -> ByteArray:
    rows: dict[str, list[SimulatedImage]] = {kind: [] for kind in tree.kinds}
    for image in tree.images:
        rows[image.kind].append(image)
    return contact_sheet(
        {
            kind: [
                (
                    read_picture(out / i.image).rgb_HW3,
                    read_picture(out / i.mask).rgb_HW3[..., 0] > 0,
                )
                for i in row[:_SHOWN]
            ]
            for kind, row in rows.items()
            if row
        }
    )
