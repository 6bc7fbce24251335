"""A line's manifest: what its folder holds, what made it, and a hash of every part."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from experts.decoder.encoder import encoder_names, is_known_encoder
from experts.errors import DamagedLineError, IncompatibleLineError

if TYPE_CHECKING:
    from experts.knowledge import Knowledge

# Raised whenever a line of before would be read or compared otherwise: also with the encoder's
# input size, its layers, or the banks' neighbourhoods.
FORMAT_VERSION = 7

MANIFEST = "manifest.json"
EMBEDDINGS = "embeddings.faiss"
DECODER = "decoder.safetensors"
SKETCHES = "sketches.safetensors"
KNOWLEDGE = "knowledge.yaml"
KINDS = "kinds.safetensors"
THUMBNAILS = "thumbnails"
# Adapters of the embedded language model, in the form of peft.
ADAPTER = "adapter"
ADAPTER_CONFIG = f"{ADAPTER}/adapter_config.json"
ADAPTER_WEIGHTS = f"{ADAPTER}/adapter_model.safetensors"
# What may change while the line goes on measuring alike.
NOT_MEASURED_BY = frozenset({KNOWLEDGE, ADAPTER_CONFIG, ADAPTER_WEIGHTS})

# Of the square root of an image's area; a frame is never larger than the image.
Share = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]


class Comparison(BaseModel):
    """How a normal image compares with the others; see ``experts.decoder.fit.LeftOut``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: float
    seed: bool
    box_xyxy: tuple[int, int, int, int]
    size_HW: tuple[int, int]


class EnrolledImage(BaseModel):
    """One normal image of a line: where it came from, and the hash of its pixels.

    ``part_found`` says whether a part stands out from the background, where parts lie free.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str
    thumbnail: str
    part_found: bool = True
    left_out: Comparison | None = None


class ShownExample(BaseModel):
    """One example of a kind of defect: as ``EnrolledImage``, and where the defect was seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    path: str
    sha256: str
    box_xyxy: tuple[int, int, int, int]


class Manifest(BaseModel):
    """What a line's folder holds, and what made it.

    ``twins`` says whether parts are compared with their twins.
    ``knowledge_path`` is where people edit the line's knowledge file.
    ``framing`` is the frame into which parts are brought: height, width, and whether it is turned.
    ``views`` are the further ones in which its images were learned: degrees, and whether mirrored.
    ``decline`` is the exponent by which a score falls with the number of images, if it is known.
    ``examples`` stand in the order of the descriptors in ``kinds.safetensors``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    echo_version: str
    name: str
    encoder: str
    weights_sha256: str
    alpha: float
    seed: int
    calibration_size: int
    images: tuple[EnrolledImage, ...]
    copies: int
    twins: bool
    framing: tuple[Share, Share, bool] | None = None
    views: tuple[tuple[int, bool], ...] = ()
    decline: float | None = None
    knowledge_path: str | None
    examples: tuple[ShownExample, ...] = ()
    parts: dict[str, str]

    def alpha_by(self, knowledge: Knowledge | None) -> float:
        """The false-reject rate to promise: that of the rules, or else that of the enrolment."""
        written = knowledge.file.alpha if knowledge is not None else None
        return written if written is not None else self.alpha

    @property
    def knowledge_name(self) -> str | None:
        """What the knowledge file is called, if there is one."""
        return Path(self.knowledge_path).name if self.knowledge_path is not None else None


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Read a line's manifest and hash it.

    Raises:
        DamagedLineError: If it is missing, unreadable or that of another line.
        IncompatibleLineError: If it has another format version.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        version = _format_version(raw)
        if version != FORMAT_VERSION:
            raise IncompatibleLineError(
                f"line {folder.name!r} has format version {version!r}, this Echo reads "
                f"{FORMAT_VERSION}; enrol it again"
            )
        manifest = Manifest.model_validate_json(raw)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a valid manifest"
        raise DamagedLineError(
            f"line {folder.name!r} is damaged: {path}: {why}; enrol the line again"
        ) from error
    if manifest.name != folder.name:
        raise DamagedLineError(
            f"line {folder.name!r} is damaged: {path}: is that of the line {manifest.name!r}; "
            f"rename the folder to {manifest.name}, or enrol the line again"
        )
    return manifest, hashlib.sha256(raw).hexdigest()


def _format_version(raw: bytes) -> object:
    data = json.loads(raw)
    return data.get("format_version") if isinstance(data, dict) else None


def check_compatible(manifest: Manifest, folder: Path) -> None:
    """Make sure that the line's encoder is available.

    Raises:
        IncompatibleLineError: If not.
    """
    if not is_known_encoder(manifest.encoder):
        raise IncompatibleLineError(
            f"line {folder.name!r} was made by the encoder {manifest.encoder!r}, which is not "
            f"available (known: {', '.join(encoder_names())}); enrol it again"
        )
