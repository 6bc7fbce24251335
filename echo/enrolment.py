"""Enrolment: which images a line is learned from, and how they become the parts of its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from echo import __version__, storage
from echo.manifest import (
    DECODER,
    EMBEDDINGS,
    FORMAT_VERSION,
    KNOWLEDGE,
    MANIFEST,
    SKETCHES,
    EnrolledImage,
    Manifest,
)
from echo.progress import Progress
from experts.decoder.conformal import images_needed, percent, smallest_p_value
from experts.decoder.encoder import Encoder
from experts.errors import EnrolError, ImageError
from experts.images import ImageSource, read_picture
from experts.knowledge import load_knowledge

if TYPE_CHECKING:
    from echo.line import ProductLine
    from experts.decoder.golden import Sketches
    from experts.decoder.text import TextBranch
    from experts.decoder.twins import TwinCalibration

MIN_IMAGES = 2
# Of the images that cannot be read, so many are named.
MAX_NAMED = 10


def choose(
    sources: list[ImageSource], bars: Progress, known: Collection[str] = ()
) -> tuple[list[ImageSource], int]:
    """Read every image once: the distinct ones, and how many copies were left out.

    Args:
        sources: The images.
        bars: Where progress is shown.
        known: Hashes of images that the line has; others are copies if they equal one of them.

    Raises:
        ImageError: If some cannot be read; it names them.
    """
    distinct: dict[str, ImageSource] = {}
    errors: list[str] = []
    with bars.task("Reading", len(sources)) as advance:
        for source in sources:
            try:
                digest = read_picture(source).sha256
                if digest not in known:
                    distinct.setdefault(digest, source)
            except ImageError as error:
                errors.append(str(error))
            advance(1)
    if len(errors) == 1:
        raise ImageError(errors[0])
    if errors:
        more = len(errors) - MAX_NAMED
        named = "; ".join(errors[:MAX_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise ImageError(f"{len(errors)} of {len(sources)} images cannot be used: {named}")
    return list(distinct.values()), len(sources) - len(distinct)


def check_count(count: int, copies: int, alpha: float, *, single: bool) -> None:
    """Make sure that there are enough images, all different.

    Args:
        count: How many different images there are.
        copies: How many copies of them were left out.
        alpha: The false-reject rate to promise.
        single: One is enough.

    Raises:
        EnrolError: If there are not.
    """
    if count >= MIN_IMAGES or (single and count == 1):
        return
    have = "no normal image" if count == 0 else "1 normal image"
    if copies:
        have += f" and {copies} {'copy' if copies == 1 else 'copies'} of it"
    promise = (
        "cannot promise anything about false rejects"
        if count == 0
        else "cannot be compared with another, so nothing can be promised about false rejects"
    )
    raise EnrolError(
        f"{have} was given, which {promise}; at least {MIN_IMAGES} are needed "
        f"(with {MIN_IMAGES} the false-reject promise is no better than "
        f"{percent(smallest_p_value(MIN_IMAGES))}), and {images_needed(alpha)} for {percent(alpha)}"
    )


def check_words(model: Encoder) -> None:
    """Make sure that an encoder can do without images.

    Raises:
        EnrolError: If it knows no texts.
    """
    from experts.decoder.text import as_text_encoder

    if as_text_encoder(model) is None:
        raise EnrolError(
            f"no image was given, and the encoder {model.name!r} knows no texts to go by instead; "
            "give images of good parts, or the encoder open_clip:ARCH/TAG"
        )


def require_images(line: ProductLine, problem: str) -> None:
    """Make sure that a line was enrolled from images.

    Args:
        line: The line.
        problem: What cannot be done without.

    Raises:
        EnrolError: If it was not.
    """
    if not line.manifest.images:
        raise EnrolError(
            f"line {line.name!r} was enrolled without images, so {problem}; enrol it from images "
            f"of good parts: echo-iad enroll {line.name} FOLDER --encoder {line.manifest.encoder}"
        )


class RulesFile(NamedTuple):
    """A knowledge file that was found right.

    Attributes:
        raw: Its contents.
        path: Where people edit it.
        alpha: The false-reject rate that it asks for, if it does.
    """

    raw: bytes
    path: str
    alpha: float | None = None


class Settings(NamedTuple):
    """What a line is enrolled with, beside its images.

    Attributes:
        name: Of the line.
        alpha: The false-reject rate to promise.
        without_rules: The one to promise once the rules say nothing about it.
        seed: Of the order in which the images are taken.
        copies: How many copies were left out.
        rules: The knowledge file, if there is one.
    """

    name: str
    alpha: float
    without_rules: float
    seed: int
    copies: int
    rules: RulesFile | None


def write_line(
    sources: list[ImageSource], model: Encoder, staging: Path, settings: Settings, bars: Progress
) -> None:
    """Learn from images and write the line's whole folder.

    They are read, encoded and learned in random order, one batch at a time.

    Args:
        sources: The images, all different.
        model: The encoder.
        staging: The folder to write into.
        settings: All else.
        bars: Where progress is shown.

    Raises:
        ImageError: If an image cannot be read any more.
        OutputError: If a part cannot be written.
        WeightsError: If the encoder knows texts, but its tokenizer is not there.
    """
    from echo.intake import choose_look, learning_order, take_in
    from experts.decoder.fit import DecoderFit
    from experts.decoder.golden import SketchBook

    text = _take_rules(model, staging, settings, bars)
    count = len(sources)
    order = learning_order(count, settings.seed)
    look = choose_look([sources[i] for i in order], model, bars)
    book = SketchBook(settings.alpha, free=look.framing is not None)
    with (
        bars.task("Reading, encoding and learning", 3 * count) as advance,
        DecoderFit(count, settings.alpha, text=text, advance=advance) as fit,
    ):
        taken = take_in(sources, order, model, look, staging, (fit, book), advance)
        decoder = fit.finish()
    write_embeddings(staging / EMBEDDINGS, taken.embeddings_NE)
    write_tensors(staging / DECODER, decoder.to_tensors())
    sketches = book.finish(fit.scores.count(None))
    template = templates_in(staging, taken.images)
    twins = compare_twins(sketches, taken.scores(fit), template, None, bars)
    write_tensors(staging / SKETCHES, sketches.to_tensors() | twins.to_tensors())
    learned = {
        "calibration_size": len(decoder.calibration.scores_n),
        "images": taken.compared(fit),
        "twins": sketches.has_twins,
        "framing": look.framing,
        "views": look.views,
        "decline": fit.decline,
    }
    write_manifest(staging, _manifest(model, staging, settings, learned))


def templates_in(
    staging: Path, images: Sequence[EnrolledImage], first: int = 0
) -> Callable[[int], NDArray[np.uint8]]:
    """What gives the templates of images by their numbers in the line.

    Args:
        staging: The folder that holds their small copies.
        images: The images.
        first: The number of the first of them.
    """
    from experts.decoder.template import template_in

    return lambda number: template_in((staging / images[number - first].thumbnail).read_bytes())


def compare_twins(
    sketches: Sketches,
    scores: Mapping[int, float],
    template: Callable[[int], NDArray[np.uint8]],
    earlier: TwinCalibration | None,
    bars: Progress,
) -> TwinCalibration:
    """Find out how much the images that calibrate a line differ from their twins.

    Args:
        sketches: Of all images of the line.
        scores: Of those that calibrate it, by their numbers.
        template: Gives the template of an image.
        earlier: Of the line before it grew.
        bars: Where progress is shown.
    """
    from experts.decoder.twins import calibrate_twins

    if not sketches.has_twins:
        return calibrate_twins(sketches, {}, template, earlier)
    with bars.task("Laying images on each other", len(scores)) as advance:
        return calibrate_twins(sketches, scores, template, earlier, advance)


def write_line_of_words(model: Encoder, staging: Path, settings: Settings, bars: Progress) -> None:
    """Write the whole folder of a line that is enrolled without images.

    Args:
        model: The encoder, one that knows texts.
        staging: The folder to write into.
        settings: All else.
        bars: Where progress is shown.

    Raises:
        OutputError: If a part cannot be written.
        WeightsError: If the encoder's tokenizer is not there.
    """
    from experts.decoder.fit import DecoderFit

    text = _take_rules(model, staging, settings, bars)
    with DecoderFit(0, settings.alpha, text=text) as fit:
        decoder = fit.finish()
    write_tensors(staging / DECODER, decoder.to_tensors())
    learned = {"calibration_size": 0, "images": (), "twins": False}
    write_manifest(staging, _manifest(model, staging, settings, learned))


def _take_rules(
    model: Encoder, staging: Path, settings: Settings, bars: Progress
) -> TextBranch | None:
    """Put the knowledge file into the line; gives what its texts say, if the encoder knows any."""
    from experts.decoder.text import TextBranch, as_text_encoder
    from experts.prompts import prompts_for

    file = None
    if settings.rules is not None:
        storage.write_bytes(staging / KNOWLEDGE, settings.rules.raw)
        file = load_knowledge(staging / KNOWLEDGE).file
    encoder = as_text_encoder(model)
    if encoder is None:
        return None
    product = file.product if file else re.sub("[-_.]+", " ", settings.name).strip()
    with bars.task("Learning the texts", 1) as advance:
        branch = TextBranch.from_prompts(encoder, prompts_for(product, file))
        advance(1)
    return branch


def _manifest(
    model: Encoder, staging: Path, settings: Settings, learned: Mapping[str, Any]
) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        echo_version=__version__,
        name=settings.name,
        encoder=model.name,
        weights_sha256=model.weights_sha256,
        alpha=settings.without_rules,
        seed=settings.seed,
        copies=settings.copies,
        knowledge_path=settings.rules.path if settings.rules else None,
        parts=storage.hash_files(staging),
        **learned,
    )


def write_embeddings(path: Path, embeddings_NE: NDArray[np.float32]) -> None:
    """Write the index that similar images are found in."""
    import faiss

    from experts.reference import MAX_NEIGHBOURS
    from experts.search_index import choose_index

    index = choose_index(embeddings_NE, MAX_NEIGHBOURS).index
    storage.write_bytes(path, faiss.serialize_index(index).tobytes())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, last of all parts."""
    storage.write_bytes(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())


def write_changed(
    line: ProductLine, staging: Path, changed: Collection[str], update: Mapping[str, Any]
) -> None:
    """Complete a folder that holds the parts of a line that are new, and write its manifest.

    Args:
        line: The line as it is.
        staging: The new parts; the others are linked.
        changed: Parts that are not taken over, whether there are new ones or not.
        update: What else is new in the manifest.
    """
    written = storage.hash_files(staging)
    kept = {name: h for name, h in line.manifest.parts.items() if name not in changed}
    storage.link_files(line.folder, kept, staging)
    parts = dict(sorted((kept | written).items()))
    write_manifest(staging, line.manifest.model_copy(update={**update, "parts": parts}))


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as safetensors."""
    from safetensors.numpy import save

    storage.write_bytes(path, save(dict(tensors)))
