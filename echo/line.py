"""A product line: what was learned from its normal images, as a folder on disk.

lines/NAME/
    manifest.json              versions, settings, the images, and a hash of every part
    embeddings.faiss           one embedding per normal image
    decoder.safetensors        what the decoder learned: memory banks, statistics, calibration,
                               and what texts say of the product
    sketches.safetensors       tiny copies of the normal images, to find the twin of a part
    knowledge.yaml             the line's rules, if it has any
    kinds.safetensors          the examples of kinds of defects, if it was shown any
    adapter/                   the language model's own adapters, if it was trained for the line
    thumbnails/00001.jpg …     small copies of the normal images

A line that was enrolled without images has only the first, the third and the rules.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from echo import storage
from echo.enrolment import (
    RulesFile,
    Settings,
    check_count,
    check_words,
    choose,
    write_line,
    write_line_of_words,
)
from echo.manifest import check_compatible, read_manifest
from echo.parts import LineParts
from echo.progress import Progress
from echo.rules import with_newest_rules
from echo.settings import lines_folder
from experts.decoder.conformal import (
    images_needed,
    percent,
    rate_range,
    room_for_twins,
    smallest_p_value,
)
from experts.decoder.encoder import DEFAULT_ENCODER, load_encoder
from experts.errors import EnrolError, LineError, UnknownLineError
from experts.images import ImageSource, find_images
from experts.knowledge import parse_knowledge
from experts.knowledge.reading import read_file

if TYPE_CHECKING:
    from echo.audit import Audit

DEFAULT_ALPHA = 0.05
MIN_ALPHA = 1e-6

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class BrokenLine:
    """A folder among the lines that cannot be opened.

    Attributes:
        folder: Where it lies on disk.
        error: One sentence: what is wrong, what to do.
    """

    folder: Path
    error: str

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name


@dataclass(frozen=True)
class ProductLine(LineParts):
    """An enrolled product line; its parts are loaded when they are first used."""

    @classmethod
    def enroll(
        cls,
        name: str,
        images: PathLike | Iterable[ImageSource] | None,
        knowledge: PathLike | None = None,
        *,
        alpha: float | None = None,
        encoder: str = DEFAULT_ENCODER,
        home: PathLike | None = None,
        seed: int = 0,
        single: bool = False,
        progress: bool | None = None,
    ) -> ProductLine:
        """Learn a line from images of good parts, and write it to disk in one step.

        An existing line of that name is replaced at the very end, or not at all, with the kinds
        of defects that it was shown: they were seen beside the old images. Of images with equal
        pixels only the first counts: a copy would vouch for its original.

        Args:
            name: Letters, digits, ``-``, ``_`` and ``.``.
            images: Folder, glob pattern, or a list of anything that ``inspect`` takes. ``None``
                takes an encoder that knows texts: such a line goes by words alone. It scores and
                maps, but sends every part to review.
            knowledge: Knowledge file. It is copied into the line, and its later edits count from
                the next inspection on, see ``echo.rules``. An encoder that knows texts learns from
                its words, or else takes the line's name for what the images show.
            alpha: Highest false-reject rate that is allowed, above 0 and below 1; by default that
                of the knowledge file, or else 0.05.
            encoder: Name of a registered encoder.
            home: Where lines are kept; see ``echo.settings``.
            seed: Of the one random choice, which images seed the memory bank.
            single: Make do with one image, for benchmarks: such a line scores and maps, but sends
                every part to review, since there is nothing to compare a score with.
            progress: Show progress bars; by default if the terminal can show them.

        Raises:
            EnrolError: If there are too few images, none and an encoder that knows no texts, or
                alpha or seed is out of range.
            ImageError: If an image cannot be read.
            KnowledgeError: If the knowledge file is at fault.
            LineError: If the name or the folder cannot be used.
            WeightsError: If the encoder's weights or its tokenizer are missing.
        """
        _check_name(name)
        _check_numbers(alpha, seed)
        rules = _read_rules(knowledge)
        # What holds once the file says nothing about it.
        without_rules = alpha if alpha is not None else DEFAULT_ALPHA
        alpha = _agreed_alpha(alpha, rules)
        sources = None if images is None else find_images(images)
        if sources is None:
            _check_blind(name, home)
        else:
            check_count(len(sources), 0, alpha, single=single)
        model = load_encoder(encoder)
        if sources is None:
            check_words(model)
        with Progress(progress) as bars, storage.replace_folder(_folder(name, home)) as staging:
            settings = Settings(name, alpha, without_rules, seed, 0, rules)
            if sources is None:
                write_line_of_words(model, staging, settings, bars)
            else:
                sources, copies = choose(sources, bars)
                check_count(len(sources), copies, alpha, single=single)
                write_line(sources, model, staging, settings._replace(copies=copies), bars)
        return cls.load(name, home=home)

    @classmethod
    def load(cls, name: str, *, home: PathLike | None = None) -> ProductLine:
        """Open an enrolled line.

        Raises:
            UnknownLineError: If there is none of that name.
            DamagedLineError: If its manifest is unreadable or that of another line.
            IncompatibleLineError: If it was made by another format or encoder.
        """
        _check_name(name)
        folder = _folder(name, home)
        storage.recover(folder)
        if not folder.is_dir():
            known = [line.name for line in ProductLine.list(home=home)]
            have = f"enrolled are {', '.join(known)}" if known else "none is enrolled"
            raise UnknownLineError(
                f"no line {name!r} in {folder.parent}; {have}; "
                f"enrol it: echo-iad enroll {name} FOLDER_OF_GOOD_IMAGES"
            )
        return cls.at(folder)

    @classmethod
    def at(cls, folder: Path) -> ProductLine:
        """Open the line that lies in a folder; errors as ``load``."""
        manifest, digest = read_manifest(folder)
        check_compatible(manifest, folder)
        return cls(folder, manifest, digest)

    @staticmethod
    def survey(*, home: PathLike | None = None) -> tuple[ProductLine | BrokenLine, ...]:
        """All lines by name, those too that cannot be opened."""
        found: list[ProductLine | BrokenLine] = []
        for folder in storage.folders(lines_folder(home)):
            try:
                line = ProductLine.at(folder)
                # Rules that cannot be read break a line, too.
                _ = line.knowledge
                found.append(line)
            except LineError as error:
                found.append(BrokenLine(folder, str(error)))
        return tuple(found)

    @staticmethod
    def list(*, home: PathLike | None = None) -> list[ProductLine]:
        """All lines that can be opened, by name."""
        return [line for line in ProductLine.survey(home=home) if isinstance(line, ProductLine)]

    @property
    def kinds(self) -> dict[str, int]:
        """The kinds of defects that the line was shown, by name, and how many examples of each."""
        return dict(sorted(Counter(e.kind for e in self.manifest.examples).items()))

    @property
    def promise(self) -> str:
        """What the line can promise about false rejects, in one sentence."""
        n, alpha = self.manifest.calibration_size, self.alpha
        uncovered = self.manifest.twins and not room_for_twins(n, alpha)
        beside = "; reviews for a difference from a twin come on top" if uncovered else ""
        if not self.manifest.images:
            return (
                "no normal image tells how high good parts score, so every part goes to review; "
                f"for {percent(alpha)} enrol at least {images_needed(alpha)}"
            )
        if smallest_p_value(n) <= alpha:
            low, high = rate_range(n, alpha)
            return (
                f"on average at most {percent(alpha)} of good parts are held back "
                f"({n} calibration images; of nine lines in ten the rate lies between "
                f"{percent(low)} and {percent(high)}{beside})"
            )
        return (
            f"{n} calibration images cannot promise fewer false rejects than "
            f"{percent(smallest_p_value(n))}, so nothing is rejected, only sent to review{beside}; "
            f"for {percent(alpha)} enrol at least {images_needed(alpha)}"
        )

    def teach(
        self,
        kind: str,
        images: PathLike | Iterable[ImageSource],
        masks: PathLike | Iterable[ImageSource] | None = None,
        *,
        progress: bool | None = None,
    ) -> ProductLine:
        """Show the line examples of a kind of defect, 3 to 5 or more; gives the line as it is then.

        The defect is the region that a mask covers, or else the one that stands out most. An
        image that was shown as this kind before counts once, with its new mask. The line is
        replaced in one step; on any error it stays as it was.

        Args:
            kind: Any name. A name or synonym of the knowledge file stands for that defect.
            images: Folder, glob pattern, or a list of anything that ``inspect`` takes.
            masks: Folder, glob pattern or list of mask files, one for each image, of the same
                stem or ``STEM_mask``; or a list of arrays or the like, in the order of the images.
                All but 0 is defective.
            progress: Show a progress bar; by default if the terminal can show it.

        Raises:
            EnrolError: If the name cannot be used, there are too few examples, an image is normal
                or of another kind to the line, or the line was enrolled without images.
            ImageError: If an image or a mask cannot be read, a mask is missing, empty or of
                another size, or nothing stands out in an image without one.
            LineError: If the line is damaged, cannot be written or was replaced since it was
                opened.
        """
        from echo import teaching

        with Progress(progress) as bars:
            teaching.teach(with_newest_rules(self), kind, images, masks, bars)
        return ProductLine.at(self.folder)

    def forget(self, kind: str) -> ProductLine:
        """Drop all examples of a kind of defect; gives the line as it is then.

        Raises:
            EnrolError: If it was shown none of that kind.
            LineError: If the line cannot be written or was replaced since it was opened.
        """
        from echo import teaching

        teaching.forget(with_newest_rules(self), kind)
        return ProductLine.at(self.folder)

    def add(
        self, images: PathLike | Iterable[ImageSource], *, progress: bool | None = None
    ) -> ProductLine:
        """Extend the line by further images of good parts; gives the line as it is then.

        Each contributes to the memory banks as any image but the seed images does, and is one more
        to compare new parts with. The calibration scores of before stay: they were taken against
        smaller banks, so they are at least what they would be now, and the promise holds, a little
        on the safe side. What rests on the seed images stays too; a line that was enrolled from
        too few images has none, and gets the further channels only if it is enrolled anew.
        Its images keep the share of the banks that each had, so the banks grow with their number.
        Images that the line has already are left out. Kinds that were taught stay. The line is
        replaced in one step; on any error it stays as it was.

        Args:
            images: Folder, glob pattern, or a list of anything that ``inspect`` takes.
            progress: Show progress bars; by default if the terminal can show them.

        Raises:
            EnrolError: If the line has all of them already, was shown one as a defect, or was
                enrolled without images.
            ImageError: If an image cannot be read.
            LineError: If the line is damaged, cannot be written or was replaced since it was
                opened.
        """
        from echo import growth

        with Progress(progress) as bars:
            growth.add(with_newest_rules(self), images, bars)
        return ProductLine.at(self.folder)

    def remove(
        self, images: Iterable[str | int | Path], *, progress: bool | None = None
    ) -> ProductLine:
        """Take images out of the line with all that was learned from them.

        A smaller bank raises the scores of new parts, and the projection and the statistics rest
        on all images; so the line is learned anew from the other images where they lie, exactly
        as if it were enrolled without these. The kinds of defects that it was shown are lost, as
        when a line is enrolled again.

        Args:
            images: Each as its path, its file's name if no other has it, or its number from 1.
            progress: Show progress bars; by default if the terminal can show them.

        Raises:
            EnrolError: If the line has no such image, or too few are left.
            ImageError: If one of the other images is gone or changed.
            LineError: If the line cannot be written or was replaced since it was opened.
        """
        from echo import growth

        with Progress(progress) as bars:
            growth.remove(with_newest_rules(self), images, bars)
        return ProductLine.at(self.folder)

    def audit(self) -> Audit:
        """Which images are suspicious or nearly the same, and what one more would bring.

        Raises:
            EnrolError: If the line was enrolled without images.
            LineError: If the line is damaged or was replaced since it was opened.
        """
        from echo.audit import audit_line

        return audit_line(self)


def _check_numbers(alpha: float | None, seed: int) -> None:
    if alpha is not None and not MIN_ALPHA <= alpha < 1:
        raise EnrolError(
            f"alpha is {alpha!r}; expected a false-reject rate from {MIN_ALPHA} to below 1, "
            "such as 0.05"
        )
    if seed < 0:
        raise EnrolError(f"seed is {seed!r}; expected 0 or more")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or ".." in name:
        raise LineError(
            f"line name {name!r}: expected 1 to 64 letters, digits, '-', '_' or single dots, "
            "beginning with a letter or digit; for example solar-cell"
        )


def _check_blind(name: str, home: PathLike | None) -> None:
    """Make sure that a line without images replaces none that has some."""
    for line in ProductLine.list(home=home):
        if line.name == name and (count := len(line.manifest.images)):
            raise EnrolError(
                f"line {name!r} was enrolled from {count} images, and one without images would "
                "replace it; give the images again, or another name"
            )


def _folder(name: str, home: PathLike | None) -> Path:
    return lines_folder(home) / name


def _read_rules(path: PathLike | None) -> RulesFile | None:
    if path is None:
        return None
    source = Path(path)
    raw = read_file(source)
    knowledge = parse_knowledge(raw, source)
    return RulesFile(raw, str(source.absolute()), knowledge.file.alpha)


def _agreed_alpha(given: float | None, rules: RulesFile | None) -> float:
    """The false-reject rate that the caller and the rules ask for; they must not contradict."""
    written = rules.alpha if rules else None
    if given is not None and written is not None and given != written:
        raise EnrolError(
            f"alpha is {given:g}, but {rules.path if rules else ''} says {written:g}; "
            "remove one of the two"
        )
    return next((alpha for alpha in (given, written) if alpha is not None), DEFAULT_ALPHA)
