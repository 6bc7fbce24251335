"""What a line's folder holds, read when it is first used and checked against the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from echo.manifest import (
    ADAPTER,
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    DECODER,
    EMBEDDINGS,
    KINDS,
    KNOWLEDGE,
    SKETCHES,
    THUMBNAILS,
    Manifest,
    read_manifest,
)
from experts.decoder.encoder import Encoder, load_encoder
from experts.errors import (
    DamagedLineError,
    ImageError,
    IncompatibleLineError,
    KnowledgeError,
    LineError,
)
from experts.evidence import Reference
from experts.knowledge import Knowledge, parse_knowledge
from experts.mllm.nano.base import REVISION_DIGITS, Adapters

if TYPE_CHECKING:
    from echo.intake import Look
    from experts.decoder.decoder import AnomalyDecoder
    from experts.decoder.encoder import Features
    from experts.decoder.golden import Sketches
    from experts.decoder.model import DecoderModel
    from experts.decoder.twins import TwinCalibration, TwinFinder
    from experts.images import Picture
    from experts.kinds import KindModel
    from experts.naming import KindExpert
    from experts.reference import ReferenceExtractor
    from experts.tools.scene import Photo


T = TypeVar("T")


@dataclass(frozen=True)
class LineParts:
    """The parts of a line, and the experts that are made of them.

    Attributes:
        folder: Where it lies on disk.
        manifest: What it consists of.
        sha256: Hash of the manifest, which holds the hashes of all parts.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def name(self) -> str:
        """Name of the line."""
        return self.manifest.name

    @property
    def home(self) -> Path:
        """Echo's home, which holds the line."""
        return self.folder.parent.parent

    @property
    def alpha(self) -> float:
        """The false-reject rate that the line promises: that of its rules, or of its enrolment."""
        return self.manifest.alpha_by(self.knowledge)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that the line was made with."""
        model = load_encoder(self.manifest.encoder)
        if model.weights_sha256 != self.manifest.weights_sha256:
            raise IncompatibleLineError(
                f"line {self.name!r} was made with other weights of {model.name!r} "
                f"({self.manifest.weights_sha256[:12]}…, installed {model.weights_sha256[:12]}…); "
                "enrol it again"
            )
        return model

    @cached_property
    def look(self) -> Look:
        """How the line looks at images."""
        from echo.intake import Look
        from experts.decoder.framing import Framing
        from experts.decoder.poses import View

        framing = self.manifest.framing
        views = [View(*view) for view in self.manifest.views]
        return Look(Framing(*framing) if framing is not None else None, views)

    def see(self, pictures: Sequence[Picture]) -> list[Features]:
        """Encode pictures as the line looks at them."""
        from experts.decoder.framing import see

        return see(pictures, self.encoder, self.look.framing)

    @cached_property
    def model(self) -> DecoderModel:
        """What the decoder learned."""
        from experts.decoder.model import DecoderModel

        model = self._from_tensors(DECODER, DecoderModel.from_tensors)
        encoder = self.encoder
        widths = [("patches", len(b.projection.mean_C), encoder.patch_dim) for b in model.banks]
        if model.text is not None:
            widths.append(("texts", len(model.text.normal_D), encoder.embedding_dim))
        for what, width, expected in widths:
            if width != expected:
                raise IncompatibleLineError(
                    f"line {self.name!r} holds {what} of {width} numbers, the "
                    f"encoder {encoder.name!r} makes {expected}; enrol it again"
                )
        return model

    @cached_property
    def decoder(self) -> AnomalyDecoder:
        """The expert that detects."""
        return self.decoder_for(self.alpha)

    def decoder_for(self, alpha: float) -> AnomalyDecoder:
        """As ``decoder``, for another false-reject rate."""
        from experts.decoder.decoder import AnomalyDecoder

        return AnomalyDecoder(self.model, alpha, self.encoder.name)

    @cached_property
    def kind_model(self) -> KindModel | None:
        """What the line learned of kinds of defects, if it was shown any."""
        if KINDS not in self.manifest.parts:
            return None
        from echo.teaching import load_kinds

        try:
            return load_kinds(self._part(KINDS), len(self.manifest.examples), self.encoder)
        except ValueError as error:
            raise self._damaged(KINDS, str(error)) from error

    @cached_property
    def namer(self) -> KindExpert | None:
        """The expert that names kinds of defects, if the line was shown any."""
        from experts.naming import KindExpert

        model = self.kind_model
        return KindExpert(model, self.encoder, self.thumbnail) if model else None

    @property
    def adapters(self) -> Adapters | None:
        """The line's own adapters of the embedded language model, if it was trained for the line.

        Raises:
            DamagedLineError: If they are not as they were trained.
        """
        if ADAPTER_WEIGHTS not in self.manifest.parts:
            return None
        for part in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            self._part(part)
        return Adapters(self.folder / ADAPTER, self.manifest.parts[ADAPTER_WEIGHTS])

    @property
    def language_revision(self) -> str | None:
        """The revision of the embedded language model with the line's own adapters, if any."""
        digest = self.manifest.parts.get(ADAPTER_WEIGHTS)
        return digest and digest[:REVISION_DIGITS]

    @cached_property
    def sketches(self) -> Sketches:
        """Tiny copies of the normal images."""
        from experts.decoder.golden import Sketches

        return self._from_tensors(SKETCHES, Sketches.from_tensors)

    @cached_property
    def finder(self) -> TwinFinder:
        """The expert that compares a part with the normal image that lies on it, if one does."""
        return self.finder_for(self.alpha)

    def finder_for(self, alpha: float) -> TwinFinder:
        """As ``finder``, for another false-reject rate."""
        from experts.decoder.twins import TwinFinder

        paths = [Path(image.path) for image in self.manifest.images]
        return TwinFinder(self.sketches, self.twins, alpha, self.template, paths)

    @cached_property
    def twins(self) -> TwinCalibration:
        """How the normal images that calibrate the line differ from their twins."""
        from experts.decoder.twins import TwinCalibration

        return self._from_tensors(SKETCHES, TwinCalibration.from_tensors)

    @cached_property
    def extractor(self) -> ReferenceExtractor:
        """The expert that finds similar normal images of this line."""
        import faiss

        from experts.reference import ReferenceExtractor

        raw = np.frombuffer(self._part(EMBEDDINGS), np.uint8)
        try:
            index = faiss.deserialize_index(raw)
        except RuntimeError as error:
            raise self._damaged(EMBEDDINGS, "not a FAISS index") from error
        images = self.manifest.images
        return ReferenceExtractor(
            index, [Path(i.path) for i in images], [self.folder / i.thumbnail for i in images]
        )

    @cached_property
    def knowledge(self) -> Knowledge | None:
        """The revision of the line's rules that was kept last, if it has any."""
        from echo.rules import cited

        digest = self.knowledge_sha256
        if digest is None:
            return None
        raw = self._part(KNOWLEDGE)
        try:
            rules = parse_knowledge(raw, self.folder / KNOWLEDGE)
        except KnowledgeError as error:
            raise IncompatibleLineError(
                f"line {self.name!r} holds rules that cannot be read ({str(error).splitlines()[0]})"
                f"; put right ones in force: echo-iad knowledge use {self.name} FILE"
            ) from error
        return cited(rules, self.manifest.knowledge_name or KNOWLEDGE, digest)

    @property
    def knowledge_sha256(self) -> str | None:
        """Hash of the knowledge file, if the line has one."""
        return self.manifest.parts.get(KNOWLEDGE)

    def check_current(self) -> None:
        """Make sure that the line on disk is still this one.

        Raises:
            LineError: If it was replaced or removed since it was opened.
        """
        if read_manifest(self.folder)[1] != self.sha256:
            raise self._replaced()

    def thumbnail(self, reference: Reference) -> Image.Image:
        """The line's small copy of a normal image, RGB.

        Raises:
            DamagedLineError: If it is missing or not the one that was enrolled.
            LineError: If the line was replaced since it was opened.
        """
        return self._copy(f"{THUMBNAILS}/{reference.thumbnail.name}")

    def photo(self, path: Path) -> Photo:
        """The normal image that was enrolled from a file: its pixels, as they were.

        Where the file is gone or shows something else by now, the line's small copy of it.

        Args:
            path: As a ``Reference`` gives it.

        Raises:
            DamagedLineError: If the copy is missing or not the one that was enrolled.
            LineError: If the line has no such image, or was replaced since it was opened.
        """
        from experts.images import Picture, read_picture
        from experts.tools.scene import Photo

        enrolled = [image for image in self.manifest.images if Path(image.path) == path]
        if not enrolled:
            raise LineError(f"line {self.name!r} has no normal image {path}; load it again")
        with contextlib.suppress(ImageError):
            picture = read_picture(path)
            if picture.sha256 in {image.sha256 for image in enrolled}:
                return Photo(picture, original=True)
        copy = np.asarray(self._copy(enrolled[0].thumbnail))
        return Photo(Picture(str(path), copy), original=False)

    def copy_of(self, number: int) -> Image.Image:
        """As ``thumbnail``, of the normal image of that number in the line, from 0."""
        return self._copy(self.manifest.images[number].thumbnail)

    def template(self, number: int) -> NDArray[np.uint8]:
        """The template of the normal image of that number in the line, from 0."""
        from experts.decoder.template import template_in

        return template_in(self._part(self.manifest.images[number].thumbnail))

    def _copy(self, part: str) -> Image.Image:
        with Image.open(io.BytesIO(self._part(part))) as image:
            return image.convert("RGB")

    def _from_tensors(self, name: str, make: Callable[[dict[str, NDArray[Any]]], T]) -> T:
        """What a part of named arrays holds."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return make(load(self._part(name)))
        except (SafetensorError, KeyError, ValueError) as error:
            raise self._damaged(name, str(error)) from error

    def _part(self, name: str) -> bytes:
        """Read a part of the line and check it against the manifest."""
        path = self.folder / name
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise self._damaged(name, error.strerror or str(error)) from error
        if hashlib.sha256(raw).hexdigest() != self.manifest.parts.get(name):
            raise self._damaged(name, "its contents are not those that were enrolled")
        return raw

    def _damaged(self, part: str, why: str) -> LineError:
        if self._is_replaced():
            return self._replaced()
        return DamagedLineError(
            f"line {self.name!r} is damaged: {self.folder / part}: {why}; enrol the line again"
        )

    def _replaced(self) -> LineError:
        return LineError(f"line {self.name!r} was replaced since it was opened; load it again")

    def _is_replaced(self) -> bool:
        try:
            return read_manifest(self.folder)[1] != self.sha256
        except LineError:
            return False
