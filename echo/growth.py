"""Growth: a line takes further normal images, or loses some of those that it has."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from echo import storage
from echo.enrolment import (
    RulesFile,
    Settings,
    check_count,
    choose,
    compare_twins,
    require_images,
    templates_in,
    write_changed,
    write_embeddings,
    write_line,
    write_tensors,
)
from echo.intake import Taken, learning_order, take_in
from echo.manifest import DECODER, EMBEDDINGS, KNOWLEDGE, SKETCHES, EnrolledImage
from echo.progress import Progress
from experts.errors import EnrolError, ImageError
from experts.images import ImageSource, find_images, read_picture

if TYPE_CHECKING:
    from echo.line import ProductLine
    from experts.decoder.fit import DecoderFit
    from experts.decoder.golden import Sketches
    from experts.decoder.twins import TwinCalibration

# What is written anew when images are added.
GROWING = frozenset({DECODER, EMBEDDINGS, SKETCHES})


def add(
    line: ProductLine, images: str | os.PathLike[str] | Iterable[ImageSource], bars: Progress
) -> None:
    """Extend a line by further images, and write it.

    Args, errors: as ``ProductLine.add``.
    """
    require_images(line, "further ones have nothing to join")
    given = find_images(images)
    sources, copies = choose(given, bars, {image.sha256 for image in line.manifest.images})
    if not sources:
        raise EnrolError(
            f"{len(given)} of {len(given)} images are in line {line.name!r} already; give others"
        )
    with storage.replace_folder(line.folder) as staging:
        line.check_current()
        _extend(line, sources, copies, staging, bars)


def _extend(
    line: ProductLine, sources: list[ImageSource], copies: int, staging: Path, bars: Progress
) -> None:
    from experts.decoder.fit import DecoderFit
    from experts.decoder.golden import SketchBook

    old, count = line.manifest, len(sources)
    book = SketchBook(line.alpha, free=line.look.framing is not None)
    order = learning_order(count, old.seed)
    with (
        bars.task("Reading, encoding and learning", 3 * count) as advance,
        DecoderFit(count, line.alpha, earlier=line.model, advance=advance) as fit,
    ):
        taken = take_in(
            sources,
            order,
            line.encoder,
            line.look,
            staging,
            (fit, book),
            advance,
            first=len(old.images),
        )
        _check_unshown(line, taken.images)
        decoder = fit.finish()
    embeddings_NE = np.concatenate([line.extractor.embeddings_NE, taken.embeddings_NE])
    write_embeddings(staging / EMBEDDINGS, embeddings_NE)
    sketches = book.append_to(line.sketches)
    write_tensors(staging / DECODER, decoder.to_tensors())
    twins = _compare_twins(line, taken, fit, sketches, staging, bars)
    write_tensors(staging / SKETCHES, sketches.to_tensors() | twins.to_tensors())
    update = {
        "calibration_size": len(decoder.calibration.scores_n),
        "images": (*old.images, *taken.compared(fit)),
        "copies": old.copies + copies,
    }
    write_changed(line, staging, GROWING, update)


def _compare_twins(
    line: ProductLine,
    taken: Taken,
    fit: DecoderFit,
    sketches: Sketches,
    staging: Path,
    bars: Progress,
) -> TwinCalibration:
    """Of a line's images and of further ones."""
    earlier, first = line.twins, len(line.manifest.images)
    new = templates_in(staging, taken.images, first)
    scores = dict(zip(earlier.numbers_n.tolist(), earlier.scores_n.tolist(), strict=True))
    scores |= {first + place: score for place, score in taken.scores(fit).items()}

    def template(number: int) -> NDArray[np.uint8]:
        return line.template(number) if number < first else new(number)

    return compare_twins(sketches, scores, template, earlier, bars)


def _check_unshown(line: ProductLine, images: Iterable[EnrolledImage]) -> None:
    """Make sure that no image stands for a defect already."""
    shown = {example.sha256: example.kind for example in line.manifest.examples}
    for image in images:
        if kind := shown.get(image.sha256):
            raise EnrolError(
                f"{image.path}: was shown to line {line.name!r} as {kind!r}; leave it out, or "
                f"forget that kind first: echo-iad teach {line.name} --forget {kind!r}"
            )


def remove(line: ProductLine, images: Iterable[str | int | Path], bars: Progress) -> None:
    """Learn a line anew without some of its images, and write it.

    Args, errors: as ``ProductLine.remove``.
    """
    require_images(line, "there is none to remove")
    old = line.manifest
    gone = {_number_of(line, image) for image in images}
    rest = [image for number, image in enumerate(old.images) if number not in gone]
    check_count(len(rest), 0, line.alpha, single=False)
    _check_there(rest, bars)
    rules = None
    if line.knowledge is not None:
        rules = RulesFile((line.folder / KNOWLEDGE).read_bytes(), old.knowledge_path or KNOWLEDGE)
    settings = Settings(line.name, line.alpha, old.alpha, old.seed, old.copies, rules)
    with storage.replace_folder(line.folder) as staging:
        line.check_current()
        write_line([Path(image.path) for image in rest], line.encoder, staging, settings, bars)


def _number_of(line: ProductLine, image: str | int | Path) -> int:
    """Which image of a line is meant, from 0."""
    images = line.manifest.images
    text = str(image)
    if text.isascii() and text.isdigit():
        if not 1 <= int(text) <= len(images):
            raise EnrolError(
                f"line {line.name!r} has no image {text}; its images are 1 to {len(images)}"
            )
        return int(text) - 1
    paths = [enrolled.path for enrolled in images]
    for found in ([text], [str(Path(text).resolve())]):
        if found[0] in paths:
            return paths.index(found[0])
    named = [number for number, path in enumerate(paths) if Path(path).name == text]
    if not named:
        raise EnrolError(
            f"{text}: is no image of line {line.name!r}; give its path, its file name or its "
            f"number: echo-iad audit {line.name}"
        )
    if len(named) > 1:
        raise EnrolError(
            f"{text}: line {line.name!r} has {len(named)} images of that name, for example "
            f"{paths[named[0]]} and {paths[named[1]]}; give the whole path"
        )
    return named[0]


def _check_there(images: Iterable[EnrolledImage], bars: Progress) -> None:
    """Make sure that images can still be learned from as they were."""
    images = list(images)
    with bars.task("Reading", len(images)) as advance:
        for image in images:
            if not Path(image.path).is_absolute():
                raise ImageError(
                    f"{image.path}: was not given as a file, so the line cannot be learned anew "
                    "without the others; enrol it again from those that shall stay"
                )
            if not Path(image.path).is_file():
                raise ImageError(
                    f"{image.path}: is not there any more, and the line cannot be learned anew "
                    "without it; bring it back, remove it too, or enrol the line again"
                )
            if read_picture(Path(image.path)).sha256 != image.sha256:
                raise ImageError(
                    f"{image.path}: was changed since it was enrolled; bring the old one back, "
                    "remove it too, or enrol the line again"
                )
            advance(1)
