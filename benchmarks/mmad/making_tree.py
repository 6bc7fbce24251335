"""The labelled images of a tree that questions are made from, and what is missing in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.layouts import find_products, is_mvtec, is_pair, is_visa
from benchmarks.products import Product
from experts.errors import BenchmarkError

# Folders below which an object's test images lie.
_TESTS = ("test", "test_public")
# Questions are named by dataset and object, so objects lie two folders below those of the file.
_DEPTH = 2


@dataclass(frozen=True)
class Labelled:
    """A test image.

    Attributes:
        path: The image.
        kind: The folder of its kind of defect; ``None`` for a good one.
        masks: Files that mark its defect.
    """

    path: Path
    kind: str | None
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LabelledObject:
    """An object with its images.

    Attributes:
        name: Dataset and object.
        test: The folder that its kinds lie in.
        normal: Images that are meant to be enrolled.
        images: Those that are asked about, good ones first.
    """

    name: str
    test: Path
    normal: tuple[Path, ...]
    images: tuple[Labelled, ...]

    @property
    def kinds(self) -> list[str]:
        """The folders of kinds, in order."""
        return list(dict.fromkeys(i.kind for i in self.images if i.kind is not None))


@dataclass(frozen=True)
class Tree:
    """All objects.

    Attributes:
        base: The folder that names of images are relative to.
        objects: By name.
    """

    base: Path
    objects: tuple[LabelledObject, ...]


def read_tree(root: Path, wanted: Sequence[str] = ()) -> Tree:
    """Find the images of objects in the layout of MVTec AD.

    Args:
        root: One object, a folder of objects, or a folder of data sets with objects.
        wanted: Only these, as ``dataset/object``, ``object`` or ``dataset``; all if empty.

    Raises:
        ImageError: If there is no object at all.
        BenchmarkError: If images or masks are missing, or objects do not lie as they should.
    """
    root = root.resolve()
    _refuse_halves(root)
    found = {_folder(root, product): product for product in find_products(root)}
    base = _base(root, list(found))
    names = {folder: folder.relative_to(base).as_posix() for folder in found}
    kept = [folder for folder in found if _is_wanted(names[folder], wanted)]
    for name in wanted:
        if not any(_is_wanted(names[folder], [name]) for folder in kept):
            raise BenchmarkError(
                f"{root}: no object {name!r}; there are {', '.join(sorted(names.values()))}"
            )
    return Tree(base, tuple(_read(folder, names[folder], found[folder]) for folder in kept))


def _folder(root: Path, product: Product) -> Path:
    is_one = is_mvtec(root) or is_visa(root) or is_pair(root)
    return root if is_one else root / product.name


def _base(root: Path, folders: Sequence[Path]) -> Path:
    """The folder two levels above all objects."""
    depths = {len(folder.relative_to(root).parts) for folder in folders}
    depth = depths.pop()
    if depths or depth > _DEPTH:
        raise BenchmarkError(
            f"{root}: its objects do not all lie in it, or all in data sets in it; name one "
            "object, a folder of objects, or a folder of data sets with objects"
        )
    if len(root.parts) - 1 < _DEPTH - depth:
        raise BenchmarkError(
            f"{root}: questions are named by data set and object, so the object must lie in the "
            "folder of a data set; put it into one"
        )
    return root.parents[_DEPTH - depth - 1] if depth < _DEPTH else root


def _is_wanted(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(w in (name, *name.split("/")) for w in wanted)


def _refuse_halves(root: Path) -> None:
    """Refuse objects that lack their test images, or their normal ones, which would be left out."""
    for levels in ("", "*/", "*/*/"):
        for good in sorted(root.glob(f"{levels}train/good")):
            folder = good.parent.parent
            if not is_mvtec(folder):
                raise BenchmarkError(
                    f"{folder}: has train/good, but no folder test; put defective images into "
                    f"{folder / 'test' / 'KIND'} and good ones into {folder / 'test' / 'good'}"
                )
        for truth in sorted(root.glob(f"{levels}ground_truth")):
            folder = truth.parent
            tested = any((folder / test).is_dir() for test in _TESTS)
            if tested and not is_mvtec(folder) and not is_pair(folder):
                raise BenchmarkError(
                    f"{folder}: has test images, but no folder train/good; put normal images there"
                )


def _read(folder: Path, name: str, product: Product) -> LabelledObject:
    if not is_mvtec(folder):
        raise BenchmarkError(
            f"{folder}: expected the layout of MVTec AD (train/good, test/KIND and "
            "ground_truth/KIND), which tells kinds of defects apart; convert it, or leave it out "
            "by --object"
        )
    test = next(folder / name for name in _TESTS if (folder / name).is_dir())
    images = [Labelled(path, None) for path in product.good]
    images += [
        Labelled(sample.path, sample.path.relative_to(test).parts[0], sample.masks)
        for sample in product.defective
    ]
    for what, paths, where in (
        ("normal image", product.train, folder / "train" / "good"),
        ("good test image", product.good, test / "good"),
        ("defective test image", product.defective, test / "KIND"),
    ):
        if not paths:
            raise BenchmarkError(f"{folder}: has no {what}; put some into {where}")
    _check_masks(images)
    return LabelledObject(name, test, product.train, tuple(images))


def _check_masks(images: Sequence[Labelled]) -> None:
    missing = [image for image in images if image.kind is not None and not image.masks]
    if missing:
        first = missing[0].path
        more = f", and so have {len(missing) - 1} more images" if len(missing) > 1 else ""
        raise BenchmarkError(
            f"{first}: has no mask of its defect{more}; put it into "
            f"ground_truth/{missing[0].kind} as {first.stem}_mask.png"
        )


def mask_path(image: Labelled, test: Path) -> str:
    """Where an image's mask lies, as MMAD says it: below the object's folder of test images.

    Of several masks it is their folder.
    """
    path = image.masks[0] if len(image.masks) == 1 else image.masks[0].parent
    return Path(os.path.relpath(path, test)).as_posix()
