"""Intake: how a line looks at images, and how these are taken in to be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from echo.manifest import THUMBNAILS, Comparison, EnrolledImage
from echo.progress import Progress
from experts.decoder.encoder import Encoder
from experts.decoder.framing import SAMPLE, Framing, choose_framing, frame_of, see
from experts.decoder.poses import (
    ALL_VIEWS,
    HALF_TURN,
    HALF_TURNS,
    MAX_IMAGES,
    View,
    choose_views,
    view_patches,
)
from experts.decoder.template import small_copy, template_in
from experts.images import ImageSource, Picture, read_picture

if TYPE_CHECKING:
    from experts.decoder.coreset import Advance
    from experts.decoder.fit import DecoderFit
    from experts.decoder.golden import SketchBook


class Look(NamedTuple):
    """How a line looks at images.

    Attributes:
        framing: The frame into which each part is brought; ``None``: the image is taken as it is.
        views: Further ones in which normal images are learned.
    """

    framing: Framing | None
    views: Sequence[View]


def learning_order(count: int, seed: int) -> list[int]:
    """The order in which images are learned, which does not depend on them."""
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order


def choose_look(sources: Sequence[ImageSource], model: Encoder, bars: Progress) -> Look:
    """How to look at images like these, by the first ones: they give the seed, where there is one.

    Args:
        sources: Normal images in learning order.
        model: The encoder.
        bars: Where progress is shown.
    """
    framing = choose_framing(read_picture(source) for source in sources[:SAMPLE])
    if len(sources) > MAX_IMAGES:
        return Look(framing, ())
    pictures = [read_picture(source) for source in sources]
    turned = framing is not None and framing.turned
    if framing is not None:
        pictures = [frame_of(picture, framing).picture for picture in pictures]
    with bars.task("Looking whether the part is aligned", len(pictures)) as advance:
        views = choose_views(pictures, model, advance, HALF_TURNS if turned else ALL_VIEWS)
    # Few images may show one end first by chance, where the outline does not tell the ends.
    return Look(framing, views or HALF_TURN if turned else views)


class Taken(NamedTuple):
    """Images that were taken in, in the order in which they were given.

    Attributes:
        images: What the manifest says of them.
        embeddings_NE: float32, L2-normalised.
        order: Which image was learned first, second, ...
    """

    images: Sequence[EnrolledImage]
    embeddings_NE: NDArray[np.float32]
    order: Sequence[int]

    def scores(self, fit: DecoderFit) -> dict[int, float]:
        """The scores of the images that calibrate the line, by their place among these."""
        found = zip(self.order, fit.scores, strict=False)
        return {i: score for i, score in found if score is not None}

    def compared(self, fit: DecoderFit) -> tuple[EnrolledImage, ...]:
        """The images, with how each compares with the others."""
        left_out = {
            i: Comparison.model_validate(found._asdict())
            for i, found in zip(self.order, fit.left_out, strict=False)
        }
        return tuple(
            image.model_copy(update={"left_out": left_out.get(i)})
            for i, image in enumerate(self.images)
        )


def take_in(
    sources: Sequence[ImageSource],
    order: Sequence[int],
    model: Encoder,
    look: Look,
    staging: Path,
    learners: tuple[DecoderFit, SketchBook],
    advance: Advance,
    first: int = 0,
) -> Taken:
    """Read and encode images, and hand each to those who learn from it.

    Args:
        sources: The images, all different.
        order: In which they are learned.
        model: The encoder.
        look: How they are looked at.
        staging: The folder that takes their small copies.
        learners: Who learns.
        advance: Called with the number of images that were handed on.
        first: How many images the line has before these.
    """
    fit, book = learners
    count = len(sources)
    images: dict[int, EnrolledImage] = {}
    embeddings_NE = np.empty((count, model.embedding_dim), np.float32)
    (staging / THUMBNAILS).mkdir()
    for start in range(0, count, model.batch_size):
        batch = order[start : start + model.batch_size]
        pictures = [read_picture(sources[i]) for i in batch]
        encoded = see(pictures, model, look.framing)
        for i, picture, features in zip(batch, pictures, encoded, strict=True):
            embeddings_NE[i] = features.embedding_E
            found = features.frame is None or features.frame.found
            copy = small_copy(picture.rgb_HW3)
            images[i] = _keep(picture, copy, first + i + 1, staging, found=found)
            book.add(i, template_in(copy))
            seen = features.frame.picture if features.frame else picture
            fit.add(features, seen.grey_HW, view_patches(seen, look.views, model))
        advance(len(pictures))
    return Taken([images[i] for i in range(count)], embeddings_NE, order)


def _keep(
    picture: Picture, copy: bytes, number: int, staging: Path, *, found: bool
) -> EnrolledImage:
    thumbnail = f"{THUMBNAILS}/{number:05d}.jpg"
    (staging / thumbnail).write_bytes(copy)
    path, digest = path_of(picture, number), picture.sha256
    return EnrolledImage(path=path, sha256=digest, thumbnail=thumbnail, part_found=found)


def path_of(picture: Picture, number: int) -> str:
    """Where a picture came from: its file, or how it was given and which one it was."""
    path = Path(picture.name)
    return str(path.resolve()) if path.is_file() else f"{picture.name}-{number:05d}"
