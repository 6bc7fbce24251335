"""Where labelled images lie: the layouts of public data sets, and a plain good/bad pair."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.products import Product, Sample, images_in
from experts.errors import ImageError

# Where a test folder and its masks lie in an object's folder: MVTec AD, and MVTec AD 2.
_TESTS = (("test", "ground_truth"), ("test_public", "test_public/ground_truth"))
_VISA_SPLIT = Path("split_csv", "1cls.csv")


def find_products(root: Path, wanted: Sequence[str] = ()) -> list[Product]:
    """The objects of a tree, by name: the path below ``root``, or ``root``'s own name.

    Args:
        root: A folder of objects, however deep they lie, or one object.
        wanted: Only these; empty takes all.

    Raises:
        ImageError: If there is none, or none of a wanted name.
    """
    if not root.is_dir():
        raise ImageError(f"{root}: no such folder; name a folder of labelled images")
    folders = dict(_objects(root, root, set()))
    missing = [name for name in wanted if name not in folders]
    if missing and folders:
        raise ImageError(
            f"{root}: no object {missing[0]!r}; there are {', '.join(sorted(folders))}"
        )
    if not folders:
        raise ImageError(
            f"{root}: no object in it; expected OBJECT/train/good with OBJECT/test, VisA's "
            "OBJECT/Data with split_csv/1cls.csv, or good with bad"
        )
    return [_read(folders[name], name) for name in sorted(folders) if not wanted or name in wanted]


def _objects(folder: Path, root: Path, seen: set[Path]) -> Iterator[tuple[str, Path]]:
    real = folder.resolve()
    if real in seen:  # a link that leads back
        return
    seen.add(real)
    if is_mvtec(folder) or is_visa(folder) or is_pair(folder):
        yield (folder.relative_to(root).as_posix() if folder != root else real.name), folder
        return
    below = (Path(entry) for entry in os.scandir(folder) if entry.is_dir())
    for path in sorted(p for p in below if not p.name.startswith(".")):
        yield from _objects(path, root, seen)


def _read(folder: Path, name: str) -> Product:
    if is_mvtec(folder):
        return read_mvtec(folder, name)
    return read_visa(folder, name) if is_visa(folder) else read_pair(folder, name)


def is_mvtec(folder: Path) -> bool:
    """Whether it is an object in the layout of MVTec AD or MVTec AD 2."""
    return (folder / "train" / "good").is_dir() and any((folder / t).is_dir() for t, _ in _TESTS)


def read_mvtec(folder: Path, name: str) -> Product:
    """Read ``train/good``, ``test/KIND`` and ``ground_truth/KIND``; all kinds but good are defects.

    VisA's converted form is the same. Of MVTec AD 2 ``test_public`` is taken, which has labels.
    """
    test, truth = next((folder / t, folder / m) for t, m in _TESTS if (folder / t).is_dir())
    masks = _Masks(truth)
    kinds = sorted(p for p in test.iterdir() if p.is_dir() and p.name not in {"good", truth.name})
    return Product(
        name,
        train=tuple(images_in(folder / "train" / "good")),
        good=tuple(images_in(test / "good")),
        defective=tuple(
            Sample(path, defective=True, masks=masks.of(path.relative_to(test)))
            for kind in kinds
            for path in images_in(kind)
        ),
    )


def is_visa(folder: Path) -> bool:
    """Whether it is an object as VisA is published."""
    return (folder / "Data" / "Images" / "Normal").is_dir()


def read_visa(folder: Path, name: str) -> Product:
    """Read VisA's one-class split: which normal images are enrolled, and which are tested.

    Raises:
        ImageError: If the split file beside the objects is missing or does not fit.
    """
    top = folder.resolve().parent
    table = top / _VISA_SPLIT
    train: list[Path] = []
    good: list[Path] = []
    defective: list[Sample] = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["object"] == folder.resolve().name]
            for row in rows:
                path = top / row["image"]
                if row["label"] != "normal":
                    masks = (top / row["mask"],) if row["mask"] else ()
                    defective.append(Sample(path, defective=True, masks=masks))
                else:
                    (train if row["split"] == "train" else good).append(path)
    except (OSError, UnicodeDecodeError, KeyError) as error:
        what = error.strerror if isinstance(error, OSError) else f"cannot be read: {error}"
        raise ImageError(
            f"{table}: {what}; VisA's own split (columns object, split, label, image, mask) "
            "is needed there"
        ) from error
    return Product(name, tuple(train), tuple(good), tuple(defective))


def is_pair(folder: Path) -> bool:
    """Whether good and defective images lie in two folders, ``good`` and ``bad``."""
    return (folder / "good").is_dir() and (folder / "bad").is_dir()


def read_pair(folder: Path, name: str) -> Product:
    """Read ``good`` and ``bad``; half of the good ones, drawn by the seed, are enrolled.

    Masks lie in ``masks`` or ``ground_truth``, below ``bad`` there or not.
    """
    good = images_in(folder / "good")
    sources = [_Masks(folder / base) for base in ("masks", "ground_truth")]

    def masks_of(path: Path) -> tuple[Path, ...]:
        inner = path.relative_to(folder / "bad")
        found = (source.of(p) for source in sources for p in (inner, Path("bad") / inner))
        return next((masks for masks in found if masks), ())

    return Product(
        name,
        train=(),
        good=tuple(good),
        defective=tuple(
            Sample(path, defective=True, masks=masks_of(path)) for path in images_in(folder / "bad")
        ),
        draws=len(good) // 2,
    )


class _Masks:
    """The masks below a folder, found by the image's path without its suffix.

    An image's mask is called ``STEM_mask`` or ``STEM``, or several lie in a folder ``STEM``.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[Path, Path] = {}
        self._folders: dict[Path, list[Path]] = defaultdict(list)
        for path in images_in(folder):
            inner = path.relative_to(folder)
            self._files[inner.with_suffix("")] = path
            self._folders[inner.parent].append(path)

    def of(self, image: Path) -> tuple[Path, ...]:
        """The masks of an image, given by its path below the test folder."""
        stem = image.with_suffix("")
        for name in (stem.with_name(f"{stem.name}_mask"), stem):
            if name in self._files:
                return (self._files[name],)
        return tuple(self._folders.get(stem, ()))
