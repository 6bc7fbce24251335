"""Which line an image is of: asks all lines of a home, each encoder once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from echo.inspector import Failure
from echo.line import BrokenLine, ProductLine
from experts.decoder.framing import Framing
from experts.errors import ImageError, LineError, WeightsError
from experts.evidence import Reference
from experts.images import ImageSource, Picture, read_picture, source_name, stream_images
from experts.lines import LineGuess, LineSpread, guess_line, similarities_left_out


def which_line(image: ImageSource, home: str | os.PathLike[str] | None = None) -> LineGuess:
    """Say which of the enrolled lines an image is of.

    Of many images ask ``LineFinder``, which opens the lines only once.

    Args:
        image: Anything that ``Inspector.inspect`` takes.
        home: Where lines are kept; see ``echo.settings``.

    Raises:
        ImageError: If the image cannot be read.
        LineError: If there is no line to ask.
    """
    return LineFinder.open(home).which(image)


class _Opened(NamedTuple):
    line: ProductLine
    spread: LineSpread


@dataclass(frozen=True)
class _Lookalikes:
    """Lines that look at images in the same way, so that one pass of the encoder serves all."""

    lines: Sequence[_Opened]

    def ask(self, pictures: Sequence[Picture]) -> list[list[tuple[LineSpread, Reference]]]:
        """For each picture the most similar normal image of every line."""
        return [
            [(spread, line.extractor.retrieve(seen.embedding_E)[0]) for line, spread in self.lines]
            for seen in self.lines[0].line.see(pictures)
        ]


class LineFinder:
    """Says which of several lines images are of.

    An image is encoded once for all lines of an encoder that take it as it is, and once more for
    each line that looks at parts in a frame of its own.

    Args:
        lines: As ``ProductLine.survey`` gives them. Those without images and those that cannot be
            opened are left out.

    Attributes:
        left_out: Why lines were left out, a sentence each.

    Raises:
        LineError: If no line is left.
    """

    def __init__(self, lines: Iterable[ProductLine | BrokenLine]) -> None:
        left_out: list[str] = []
        alike: dict[tuple[str, Framing | None], list[_Opened]] = defaultdict(list)
        for found in lines:
            try:
                opened = _open(found)
            except (LineError, WeightsError) as error:
                left_out.append(str(error))
            else:
                alike[opened.spread.encoder, opened.line.look.framing].append(opened)
        if not alike:
            none = "no line is enrolled; begin with: echo-iad enroll NAME FOLDER_OF_GOOD_IMAGES"
            raise LineError(
                f"no line can be compared with: {'; '.join(left_out)}" if left_out else none
            )
        self.left_out = tuple(left_out)
        self._groups = [_Lookalikes(of_one_look) for of_one_look in alike.values()]
        self._batch_size = min(group.lines[0].line.encoder.batch_size for group in self._groups)

    @classmethod
    def open(cls, home: str | os.PathLike[str] | None = None) -> LineFinder:
        """Of all lines of a home; see ``echo.settings``.

        Raises:
            LineError: If there is no line to ask.
        """
        return cls(ProductLine.survey(home=home))

    def which(self, image: ImageSource) -> LineGuess:
        """Say which line an image is of: path, PIL image, numpy array (HW or HWC), encoded bytes.

        Raises:
            ImageError: If the image cannot be read.
        """
        (guess,) = self._guess([read_picture(image)])
        return guess

    def which_many(
        self, images: str | os.PathLike[str] | Iterable[ImageSource]
    ) -> Iterator[LineGuess | Failure]:
        """Ask of images in order; one that cannot be read yields a ``Failure`` in its place.

        Args:
            images: As ``Inspector.inspect_many`` takes them; of an iterable one batch is read
                ahead.

        Raises:
            ImageError: If there is no such folder, or ``images`` is a single image.
        """
        return self._which_stream(stream_images(images))

    def _which_stream(self, sources: Iterator[ImageSource]) -> Iterator[LineGuess | Failure]:
        while batch := [_read(source) for source in islice(sources, self._batch_size)]:
            guesses = iter(self._guess([read for read in batch if isinstance(read, Picture)]))
            for read in batch:
                yield read if isinstance(read, Failure) else next(guesses)

    def _guess(self, pictures: Sequence[Picture]) -> list[LineGuess]:
        if not pictures:
            return []
        answers = zip(*(group.ask(pictures) for group in self._groups), strict=True)
        return [
            guess_line(picture.name, [pair for group in asked for pair in group], self.left_out)
            for picture, asked in zip(pictures, answers, strict=True)
        ]


def _open(line: ProductLine | BrokenLine) -> _Opened:
    """A line with how alike its images are.

    Raises:
        LineError: If the line is broken or has no images.
        WeightsError: If its encoder cannot be loaded.
    """
    if isinstance(line, BrokenLine):
        raise LineError(line.error)
    if not line.manifest.images:
        raise LineError(
            f"line {line.name!r} was enrolled without images, so there is none to compare with; "
            "enrol it with images"
        )
    spread = LineSpread(
        name=line.name,
        # Loaded here: it says so if the embeddings were made with other weights.
        encoder=line.encoder.name,
        alpha=line.alpha,
        similarities_n=similarities_left_out(line.extractor.embeddings_NE),
    )
    return _Opened(line, spread)


def _read(source: ImageSource) -> Picture | Failure:
    try:
        return read_picture(source)
    except ImageError as error:
        return Failure(image=source_name(source), error=str(error))
