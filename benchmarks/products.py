"""Labelled images of one product, and how they are drawn into enrolled and tested ones."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experts.errors import EnrolError, ImageError
from experts.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        path: The image.
        defective: Its label.
        masks: Files whose union marks the defect; empty where the place is not known.
    """

    path: Path
    defective: bool
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Split:
    """What is enrolled and what is tested."""

    enrolled: list[Path]
    test: list[Sample]

    @property
    def has_masks(self) -> bool:
        """Whether the place of any defect is known."""
        return any(sample.masks for sample in self.test)


@dataclass(frozen=True)
class Product:
    """The labelled images of one product.

    Attributes:
        name: How results call it, for example ``MagneticTile/tile``.
        train: Good images that are meant to be enrolled; empty where nothing tells them apart.
        good: Good images for the test.
        defective: Defective images for the test.
        draws: How many good images a seed draws to be enrolled, where ``train`` is empty.
        shows: What the images show, in words; by default what stands last in ``name``.
    """

    name: str
    train: tuple[Path, ...]
    good: tuple[Path, ...]
    defective: tuple[Sample, ...]
    draws: int = 0
    shows: str | None = None

    @property
    def line_name(self) -> str:
        """What its line is called, which tells an encoder that knows texts what the images show."""
        words = self.shows or self.name.rsplit("/", 1)[-1]
        return re.sub("[^A-Za-z0-9]+", "-", words)[:64].strip("-") or "part"

    def split(self, seed: int, shots: int | None = None, *, resplit: bool = False) -> Split:
        """Draw the images to enrol; all good ones that are not drawn are tested.

        Args:
            seed: Of the draw.
            shots: Enrol only this many of them, or none; ``None`` enrols all.
            resplit: Pool ``train`` with ``good`` and draw as many as ``train`` holds.

        Raises:
            EnrolError: If there are fewer images than shots.
            ImageError: If no good image is there to enrol, though some shall be, or no good or no
                defective one is left for the test.
        """
        rng = np.random.default_rng(seed)
        enrolled, tested = list(self.train), list(self.good)
        if resplit or not self.train:
            pool = enrolled + tested
            chosen = set(rng.permutation(len(pool))[: len(self.train) or self.draws].tolist())
            enrolled = [pool[i] for i in sorted(chosen)]
            tested = [path for i, path in enumerate(pool) if i not in chosen]
        if shots is not None:
            if shots > len(enrolled):
                raise EnrolError(
                    f"{self.name}: {shots} shots are wanted, but only {len(enrolled)} good images "
                    "are there to enrol; ask for fewer"
                )
            enrolled = [enrolled[i] for i in sorted(rng.permutation(len(enrolled))[:shots])]
        elif not enrolled:
            raise ImageError(f"{self.name}: no good image is there to enrol; add some")
        for kind, images in (("good", tested), ("defective", self.defective)):
            if not images:
                raise ImageError(
                    f"{self.name}: no {kind} image is left for the test, and without both classes "
                    "nothing can be measured; add some"
                )
        return Split(
            enrolled, [Sample(path, defective=False) for path in tested] + [*self.defective]
        )


def images_in(folder: Path) -> list[Path]:
    """All images below a folder, by path, hidden ones left aside; none if it does not exist."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    inside = ((p, p.relative_to(folder).parts) for p in found)
    return sorted(p for p, parts in inside if not any(part.startswith(".") for part in parts))


def package_folder(module: str) -> Path:
    """Folder of an installed package that brings images.

    Raises:
        ImageError: If it is not installed, with the command that installs it.
    """
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise ImageError(
            f"the images of {module.replace('_', '-')} are not installed; "
            'run: pip install "echo-iad[demo]"'
        )
    return Path(folders[0])
