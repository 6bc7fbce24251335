"""Places with known attributes, for the visual prefix: simulated anomalies and real defects.

What the encoder sees of each is kept in a folder, in chunks that are written whole, so that a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.elpv import solar_cells
from benchmarks.layouts import read_mvtec
from benchmarks.masks import read_masks
from benchmarks.products import Product, Sample, Split
from benchmarks.textile import textiles
from echo import Inspector, ProductLine
from experts.decision import is_suspicious
from experts.decoder.encoder import load_encoder
from experts.decoder.regions import PLACES, find_regions, place_in_words, strongest_region
from experts.errors import BenchmarkError, ImageError
from experts.evidence import AnomalyMap, Region, Sight
from experts.images import Picture, read_picture
from experts.mllm.nano.glimpse import glimpse
from experts.mllm.nano.prefix import PrefixInputs
from experts.mllm.nano.pretraining import (
    UNKNOWN,
    Attributes,
    attributes_of,
    truth_of,
)
from experts.simulating.kinds import KINDS
from experts.simulating.simulate import simulate
from experts.tools.scene import Equipment, Scene

BoolArray = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
# An image, its mask, the same without the defect if there is such, and the label of its kind.
_Case = tuple[Picture, BoolArray, Picture | None, int]
Source = Literal["simulated", "real"]
CHUNK = 25
# What differs from an aligned template by so much of the grey range belongs to the defect: boxes
# mark more than that.
CHANGED = 0.2


@dataclass(frozen=True)
class Subject:
    """A product whose places are looked at.

    Attributes:
        name: How the table calls it.
        product: Its images.
        knowledge: Name of its knowledge file among Echo's own.
        templates: Folder with an aligned normal image of each defective one, of the same name.
        kinds: For kinds of its real defects the simulated kind that is like them.
    """

    name: str
    product: Product
    knowledge: str
    templates: Path | None = None
    kinds: Mapping[str, str] | None = None


class Kept(NamedTuple):
    """Samples of a line.

    Attributes:
        inputs: Of the prefix; the texts are left at 0.
        truth_NA: int64, a column for each of ``ATTRIBUTES``.
        code_NA: The same as code reads it off the region; no kind.
        peak_N: int64, in which of ``PLACES`` the map is highest.
        measured_NM: float32, the region's measures.
        flagged_N: bool, whether the line found any place, so that evidence text tells of one; else
            the place that stands out most was taken.
    """

    inputs: PrefixInputs
    truth_NA: Tensor
    code_NA: Tensor
    peak_N: Tensor
    measured_NM: Tensor
    flagged_N: Tensor


def subjects(data: Path, enrolled: int) -> list[Subject]:
    """The four products: tile and circuit board with real defects, solar cell and textile.

    Args:
        data: The tree with the first two; all their good images are enrolled.
        enrolled: How many are of each of the others.
    """
    tile, board = data / "MagneticTile" / "tile", data / "DeepPCB" / "pcb"
    return [
        Subject(
            "tile",
            read_mvtec(tile, "tile"),
            "magnetic_tile",
            kinds={"crack": "crack", "blowhole": "pit", "break": "missing", "uneven": "stain"},
        ),
        Subject(
            "pcb",
            read_mvtec(board, "pcb"),
            "printed_circuit_board",
            templates=board / "train" / "good",
            kinds={"open": "missing", "mousebite": "chip", "pinhole": "pit", "copper": "foreign"},
        ),
        Subject("solar cell", solar_cells("mono", enrolled), "solar_cell"),
        Subject("textile", textiles("local", enrolled), "textile"),
    ]


class Looking:
    """Looks at the places of a product, as its line does.

    Args:
        subject: The product.
        folder: Where what was seen is kept.
        seed: Of all draws.
    """

    def __init__(
        self,
        subject: Subject,
        folder: Path,
        seed: int,
    ) -> None:
        self._subject, self._folder, self._seed = subject, folder, seed

    def places(self, source: Source, count: int, after: Callable[[int], None]) -> Kept:
        """``count`` samples, or as many as there are.

        Args:
            source: Simulated anomalies on good images that the line does not know, or the product's
                own defects that have masks.
            count: How many.
            after: Told how many more are there.
        """
        if source == "real":
            count = min(count, len(self._marked))
        chunks = []
        for start in range(0, count, CHUNK):
            stop = min(start + CHUNK, count)
            path = self._folder / f"{self._key(source)}-{start:04d}-{stop:04d}.safetensors"
            if not path.is_file():
                rows = [self._row(source, index) for index in range(start, stop)]
                _write({k: torch.stack([row[k] for row in rows]) for k in rows[0]}, path)
            chunks.append(load_file(path))
            after(stop - start)
        return _unpack({k: torch.cat([chunk[k] for chunk in chunks]) for k in chunks[0]})

    def _key(self, source: Source) -> str:
        name = self._subject.name.replace(" ", "_")
        return f"{name}-{source}-seed{self._seed}-of{len(self._split.enrolled)}"

    def _row(self, source: Source, index: int) -> dict[str, Tensor]:
        make = self._simulated if source == "simulated" else self._real
        picture, mask_HW, normal, kind = make(index)
        truth = truth_of(mask_HW, picture.grey_HW, normal.grey_HW if normal else None, kind)
        return self._look(picture, truth)

    def _simulated(self, index: int) -> _Case:
        rng = np.random.default_rng([self._seed, index])
        good = [sample.path for sample in self._split.test if not sample.defective]
        for attempt in range(index, index + len(KINDS)):
            normal, other = (read_picture(good[int(i)]) for i in rng.integers(len(good), size=2))
            kind = attempt % len(KINDS)
            try:
                drawn = simulate(normal.rgb_HW3, KINDS[kind], rng, other.rgb_HW3)
            except ImageError:  # some kinds do not show on some products
                continue
            return Picture(f"{KINDS[kind]}-{index}", drawn.image_HW3), drawn.mask_HW, normal, kind
        raise BenchmarkError(f"{self._subject.name}: no simulated anomaly shows on its images")

    def _real(self, index: int) -> _Case:
        sample = self._marked[index]
        picture = read_picture(sample.path)
        mask_HW = read_masks(sample.masks, sample.path, picture.size_HW)
        like = (self._subject.kinds or {}).get(sample.path.parent.name)
        kind = KINDS.index(like) if like is not None else UNKNOWN
        if self._subject.templates is None:
            return picture, mask_HW, None, kind
        template = read_picture(self._subject.templates / sample.path.name)
        changed_HW = mask_HW & (np.abs(picture.grey_HW - template.grey_HW) > CHANGED)
        return picture, changed_HW if changed_HW.any() else mask_HW, template, kind

    def _look(self, picture: Picture, truth: Attributes) -> dict[str, Tensor]:
        gear = self._gear
        (features,) = self._line.see([picture])
        laid = gear.finder.find(picture) if gear.finder else None
        anomaly = gear.decoder.decode(picture, features, laid)
        flagged = is_suspicious(anomaly, gear.alpha) and anomaly.part_found
        regions = find_regions(anomaly, picture.grey_HW) if flagged else ()
        region = next(iter(regions), None) or strongest_region(anomaly, picture.grey_HW)
        if region is None:
            raise BenchmarkError(f"{picture.name}: the map is 0 everywhere, so it shows no place")
        sight = Sight.of_image(picture.size_HW)
        scene = Scene(picture, features, sight, (), anomaly, regions)
        inputs = glimpse(scene, gear, load_encoder(), torch.zeros(2, 1), region)
        return {
            "map": inputs.maps_N1HW[0].half(),
            "seen": inputs.seen_NSC[0].half(),
            "normal": inputs.normal_NSC[0].half(),
            "heat": inputs.heat_NS[0].half(),
            "truth": torch.tensor(truth),
            "code": torch.tensor(attributes_of(region, picture.size_HW)),
            "peak": torch.tensor(_peak(anomaly)),
            "measured": torch.tensor(_measured(region, anomaly)),
            "flagged": torch.tensor(bool(regions)),
        }

    @cached_property
    def _marked(self) -> list[Sample]:
        """The real defects whose masks mark something, in an order of the seed's."""
        marked = [
            sample
            for sample in self._subject.product.defective
            if any(read_picture(mask).grey_HW.any() for mask in sample.masks)
        ]
        order = np.random.default_rng(self._seed).permutation(len(marked))
        return [marked[i] for i in order]

    @cached_property
    def _split(self) -> Split:
        return self._subject.product.split(self._seed)

    @cached_property
    def _line(self) -> ProductLine:
        """Enrolled when the first sample is missing; it lives as long as this does."""
        home = self._stack.enter_context(tempfile.TemporaryDirectory())
        images = self._split.enrolled
        return ProductLine.enroll("prefix", images, home=home, progress=False)

    @cached_property
    def _gear(self) -> Equipment:
        return Inspector(self._line, keep=False, mllm="none").equipment

    @cached_property
    def _stack(self) -> ExitStack:
        return ExitStack()

    def __enter__(self) -> Looking:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _peak(anomaly: AnomalyMap) -> int:
    scores_HW = anomaly.scores_HW
    y, x = np.unravel_index(int(scores_HW.argmax()), scores_HW.shape)
    return PLACES.index(place_in_words((int(x), int(y), int(x) + 1, int(y) + 1), scores_HW.shape))


def _measured(region: Region, anomaly: AnomalyMap) -> list[float]:
    """What code knows of a region, for a model that weighs it."""
    seen, side = region.traits, float(np.prod(anomaly.image_size_HW)) ** 0.5
    if seen is None:
        raise ValueError(f"{region.id} has no traits")
    return [
        np.log(region.area_px) - 2 * np.log(side),
        np.log(region.length_px / side),
        np.log(region.width_px / side),
        np.log(seen.elongation),
        seen.difference,
        abs(seen.difference),
        seen.raggedness,
        seen.edge_distance_px / side,
        region.contrast,
        np.log(region.peak_score / anomaly.limit),
    ]


def _unpack(tensors: Mapping[str, Tensor]) -> Kept:
    inputs = PrefixInputs(
        maps_N1HW=tensors["map"].float(),
        seen_NSC=tensors["seen"].float(),
        normal_NSC=tensors["normal"].float(),
        heat_NS=tensors["heat"].float(),
        texts_N2E=torch.zeros(len(tensors["map"]), 2, 1),
    )
    return Kept(
        inputs,
        tensors["truth"],
        tensors["code"],
        tensors["peak"],
        tensors["measured"].float(),
        tensors["flagged"],
    )


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(tensors, part)
    part.replace(path)


def majority(labels_N: Tensor) -> int:
    """The commonest of some labels."""
    return int(labels_N.bincount().argmax())
