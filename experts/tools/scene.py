"""What closer looks are taken at, and what they are taken with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.encoder import Encoder, Features
from experts.decoder.framing import Framing, see
from experts.decoder.twins import TwinFinder
from experts.evidence import AnomalyMap, Look, Reference, Region, Sight
from experts.images import Picture
from experts.knowledge import Knowledge
from experts.reference import ReferenceExtractor


@dataclass(frozen=True)
class Scene:
    """An inspected image.

    Attributes:
        picture: The image.
        features: Its features, from the line's encoder.
        sight: Its view and scale.
        references: Most similar normal images, best first.
        anomaly: Its map.
        regions: Places that stand out.
    """

    picture: Picture
    features: Features
    sight: Sight
    references: tuple[Reference, ...]
    anomaly: AnomalyMap
    regions: tuple[Region, ...]

    @property
    def step_px(self) -> float:
        """From patch to patch, as the line's encoder sees it, in pixels of the image."""
        frame = self.features.frame
        return max(self.features.stride_px) * (frame.placement.zoom if frame is not None else 1.0)

    def region(self, id_: str) -> Region | None:
        """The region of that id."""
        return next((region for region in self.regions if region.id == id_), None)


class Photo(NamedTuple):
    """A normal image of a line.

    Attributes:
        picture: What it shows; a small copy has fewer pixels.
        original: Whether it is the file that was enrolled, or else the line's small copy of it.
    """

    picture: Picture
    original: bool


@dataclass(frozen=True)
class Equipment:
    """What the tools need of a line.

    Attributes:
        encoder: Its encoder.
        framing: The frame of its parts, if they lie free.
        decoder: The expert that detects.
        finder: ``None`` for a line without images.
        extractor: ``None`` for a line without images.
        photo: Gives the normal image that was enrolled from a file.
        knowledge: Its rules, if it has any.
        alpha: The false-reject rate that it promises.
    """

    encoder: Encoder
    framing: Framing | None
    decoder: AnomalyDecoder
    finder: TwinFinder | None
    extractor: ReferenceExtractor | None
    photo: Callable[[Path], Photo]
    knowledge: Knowledge | None
    alpha: float

    def nearest(self, scene: Scene, k: int) -> tuple[Reference, ...]:
        """The ``k`` most similar normal images that are not the image itself, best first."""
        if self.extractor is None:
            return ()
        found = self.extractor.retrieve(scene.features.embedding_E, k + 1)
        return tuple(r for r in found if not self.is_same(scene, r))[:k]

    def twin(self, scene: Scene) -> Path | None:
        """The file of the normal image that shows the very same part, unless that is the image."""
        twin = scene.anomaly.twin
        return (
            twin.path if twin is not None and not self._is_enrolled_as(scene, twin.path) else None
        )

    def beside(self, scene: Scene, k: int) -> list[Path]:
        """The normal images to lay beside an image, by their files.

        The one that shows the very same part, if there is one: others show other parts. Or else the
        ``k`` most similar ones that are not the image itself, best first.
        """
        if (twin := self.twin(scene)) is not None:
            return [twin]
        return [reference.path for reference in self.nearest(scene, k)]

    def is_same(self, scene: Scene, reference: Reference) -> bool:
        """Whether a reference is the inspected image, which was enrolled itself."""
        # Only what is most similar of all may be; the others need not be read for that.
        return reference.similarity > ALMOST_SAME and self._is_enrolled_as(scene, reference.path)

    def _is_enrolled_as(self, scene: Scene, path: Path) -> bool:
        return self.photo(path).picture.sha256 == scene.picture.sha256

    def decode(self, picture: Picture) -> AnomalyMap:
        """Inspect a picture as the line inspects images: one pass of the encoder."""
        (features,) = see([picture], self.encoder, self.framing)
        laid = self.finder.find(picture) if self.finder else None
        return self.decoder.decode(picture, features, laid)


# Equal pixels have equal embeddings, but for the last digits.
ALMOST_SAME = 0.9999


class Looked(NamedTuple):
    """A closer look, and what there is to see.

    Attributes:
        look: What was found.
        images: Each with its caption, RGB.
    """

    look: Look
    images: tuple[tuple[str, Image.Image], ...] = ()
