"""Teaching: a line is shown what kinds of defects look like, and what each is called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from echo import storage
from echo.enrolment import require_images, write_changed, write_tensors
from echo.intake import path_of
from echo.manifest import KINDS, ShownExample
from echo.progress import Progress
from experts.errors import EnrolError, ImageError
from experts.images import ImageSource, Picture, find_images, read_picture, source_name

if TYPE_CHECKING:
    from echo.line import ProductLine
    from experts.decoder.descriptor import Place
    from experts.decoder.encoder import Encoder
    from experts.evidence import AnomalyMap
    from experts.kinds import KindModel

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MAX_NAME_LENGTH = 60
# A place of no kind that was shown is called so.
RESERVED = frozenset({"unknown", "unknown kind"})


class _Lesson(NamedTuple):
    example: ShownExample
    descriptor_D: FloatArray


def teach(
    line: ProductLine,
    kind: str,
    images: str | os.PathLike[str] | Iterable[ImageSource],
    masks: str | os.PathLike[str] | Iterable[ImageSource] | None,
    bars: Progress,
) -> None:
    """Add examples of a kind to a line, learn from all of them again, and write the line.

    Args, errors: as ``ProductLine.teach``.
    """
    require_images(line, "there is nothing normal to tell a defect from")
    name = _name_of(line, kind)
    sources = find_images(images)
    drawn = _pair(sources, masks)
    lessons = {lesson.example.sha256: lesson for lesson in _known(line)}
    with bars.task("Learning examples", len(sources)) as advance:
        for number, (source, mask) in enumerate(zip(sources, drawn, strict=True), start=1):
            picture = read_picture(source)
            _check_unseen(line, name, picture)
            place, descriptor_D = _describe(line, picture, mask)
            example = ShownExample(
                kind=name,
                path=path_of(picture, number),
                sha256=picture.sha256,
                box_xyxy=place.box_xyxy,
            )
            lessons[picture.sha256] = _Lesson(example, descriptor_D)
            advance(1)
    _write(line, list(lessons.values()))


def forget(line: ProductLine, kind: str) -> None:
    """Drop the examples of a kind from a line, and write it.

    Args, errors: as ``ProductLine.forget``.
    """
    name = _name_of(line, kind)
    if name not in line.kinds:
        known = f"it was shown {', '.join(line.kinds)}" if line.kinds else "it was shown no kind"
        raise EnrolError(f"line {line.name!r} was never shown {name!r}; {known}")
    _write(line, [lesson for lesson in _known(line) if lesson.example.kind != name])


def lesson_in_words(line: ProductLine) -> list[str]:
    """What a line knows of kinds of defects, what that promises, and what is missing."""
    model = line.kind_model
    if model is None:
        return ["It knows no kind of defect now."]
    from experts.decoder.conformal import percent

    known = ", ".join(f"{name} {count}" for name, count in line.kinds.items())
    sentences = [
        f"Examples of each kind: {known}. Of places of these kinds at least "
        f"{percent(model.coverage)} have their own kind named, alone or among others."
    ]
    if line.knowledge is not None:
        defects = [defect.name for defect in line.knowledge.file.defects]
        file = line.manifest.knowledge_name
        if strange := [name for name in line.kinds if name not in defects]:
            sentences.append(
                f"Not in {file}, so all its limits apply to such places: {', '.join(strange)}."
            )
        if missing := [name for name in defects if name not in line.kinds]:
            sentences.append(
                f"Not shown yet, so a place of such a kind may be taken for another: "
                f"{', '.join(missing)}."
            )
    return sentences


def load_kinds(raw: bytes, count: int, encoder: Encoder) -> KindModel:
    """Learn again from a line's examples.

    Args:
        raw: The part of the line that holds them.
        count: How many they are.
        encoder: What they were described with.

    Raises:
        ValueError: If the part holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from experts.decoder.descriptor import descriptor_size
    from experts.kinds import KindModel

    try:
        model = KindModel.from_tensors(load(raw))
    except (SafetensorError, KeyError, IndexError) as error:
        raise ValueError(str(error)) from error
    expected = (count, descriptor_size(encoder))
    if model.descriptors_ND.shape != expected:
        raise ValueError(f"holds {model.descriptors_ND.shape} numbers, expected {expected}")
    return model


def _name_of(line: ProductLine, kind: str) -> str:
    """The name that the knowledge file or an earlier lesson gives to a kind, else as given."""
    text = " ".join(kind.split())
    if not text.isprintable() or not 0 < len(text) <= MAX_NAME_LENGTH:
        raise EnrolError(
            f"the kind is called {kind!r}; expected 1 to {MAX_NAME_LENGTH} printable characters, "
            "for example crack"
        )
    if text.casefold() in RESERVED:
        raise EnrolError(f"no kind can be called {kind!r}: that is what fits none; choose another")
    named = line.knowledge.defect_named(text) if line.knowledge else None
    same = (known for known in line.kinds if known.casefold() == text.casefold())
    return named or next(same, text)


def _known(line: ProductLine) -> list[_Lesson]:
    if line.kind_model is None:
        return []
    pairs = zip(line.manifest.examples, line.kind_model.descriptors_ND, strict=True)
    return [_Lesson(example, descriptor_D) for example, descriptor_D in pairs]


def _check_unseen(line: ProductLine, kind: str, picture: Picture) -> None:
    """Make sure that the image does not stand for something else already."""
    if any(image.sha256 == picture.sha256 for image in line.manifest.images):
        raise EnrolError(
            f"{picture.name}: is one of the normal images of line {line.name!r}; leave it out "
            "here, or enrol the line without it"
        )
    for example in line.manifest.examples:
        if example.sha256 == picture.sha256 and example.kind != kind:
            raise EnrolError(
                f"{picture.name}: was shown as {example.kind!r} before; leave it out, or forget "
                f"that kind first: echo-iad teach {line.name} --forget {example.kind!r}"
            )


def _describe(
    line: ProductLine, picture: Picture, mask: ImageSource | None
) -> tuple[Place, FloatArray]:
    from experts.decoder.descriptor import describe_place

    mask_HW = _read_mask(mask, picture) if mask is not None else None
    (features,) = line.see([picture])
    anomaly = line.decoder.decode(picture, features, line.finder.find(picture))
    place = _find(picture, anomaly, mask_HW)
    (normal, *_) = line.extractor.retrieve(features.embedding_E)
    normal_HW3 = np.asarray(line.thumbnail(normal))
    return place, describe_place(picture.rgb_HW3, place, normal_HW3, line.encoder)


def _find(picture: Picture, anomaly: AnomalyMap, mask_HW: BoolArray | None) -> Place:
    from experts.decoder.descriptor import place_of_mask, place_of_region
    from experts.decoder.regions import marked_region, strongest_region

    if mask_HW is None:
        region = strongest_region(anomaly, picture.grey_HW)
        if region is None:
            raise ImageError(
                f"{picture.name}: nothing stands out from the normal images; "
                "mark the defect with a mask, or leave the image out"
            )
        return place_of_region(region, anomaly)
    region = marked_region(anomaly, picture.grey_HW, mask_HW)
    return place_of_region(region, anomaly) if region else place_of_mask(mask_HW)


def _read_mask(mask: ImageSource, picture: Picture) -> BoolArray:
    drawn = read_picture(mask)
    if drawn.size_HW != picture.size_HW:
        (height, width), (rows, columns) = drawn.size_HW, picture.size_HW
        raise ImageError(
            f"{drawn.name}: the mask is {width} × {height} px, but {picture.name} is "
            f"{columns} × {rows} px; draw it on the image at full size"
        )
    mask_HW: BoolArray = drawn.rgb_HW3.max(axis=2) > 0
    if not mask_HW.any():
        raise ImageError(
            f"{drawn.name}: the mask marks no pixel; mark the defect, or leave the masks out"
        )
    return mask_HW


def _pair(
    images: Sequence[ImageSource], masks: str | os.PathLike[str] | Iterable[ImageSource] | None
) -> list[ImageSource | None]:
    """The mask of each image: by the stem of its file, or of things without a file by order."""
    if masks is None:
        return [None] * len(images)
    drawn = find_images(masks)
    if any(isinstance(mask, str | os.PathLike) for mask in drawn):
        return [_mask_of(image, drawn) for image in images]
    if len(drawn) != len(images):
        raise ImageError(f"{len(drawn)} masks for {len(images)} images; give each image its own")
    return list(drawn)


def _mask_of(image: ImageSource, masks: Sequence[ImageSource]) -> ImageSource:
    stem = _stem(image)
    found = [mask for mask in masks if _stem(mask) in {stem, f"{stem}_mask"}]
    if stem is None or not found:
        raise ImageError(
            f"{source_name(image)}: none of the {len(masks)} masks belongs to it; draw "
            f"{stem or 'IMAGE'}_mask.png, or leave the image out"
        )
    if len(found) > 1:
        names = " and ".join(source_name(mask) for mask in found[:2])
        raise ImageError(
            f"{source_name(image)}: {names} may both be its mask; give the masks of one kind only"
        )
    return found[0]


def _stem(source: ImageSource) -> str | None:
    return Path(source).stem if isinstance(source, str | os.PathLike) else None


def _write(line: ProductLine, lessons: Sequence[_Lesson]) -> None:
    """Put a line with these lessons in the place of ``line``, or leave it as it is."""
    from experts.kinds import KindModel

    model = None
    if lessons:
        descriptors_ND = np.stack([lesson.descriptor_D for lesson in lessons])
        model = KindModel.fit(descriptors_ND, [lesson.example.kind for lesson in lessons])
    with storage.replace_folder(line.folder) as staging:
        line.check_current()
        if model is not None:
            write_tensors(staging / KINDS, model.to_tensors())
        examples = tuple(lesson.example for lesson in lessons)
        write_changed(line, staging, {KINDS}, {"examples": examples})
