"""Reading pictures: whatever comes in, an upright RGB array comes out, or one clear sentence."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from experts.errors import ImageError

ImageSource: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | bytes

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

# How images are called that were not given as files.
NO_FILES = frozenset({"array", "bytes", "image"})

# Below this no patch of any encoder holds a part of a product.
MIN_SIDE_PX = 16


@dataclass(frozen=True)
class Picture:
    """An image as Echo sees it.

    Attributes:
        name: File path as given, or one of ``NO_FILES``.
        rgb_HW3: uint8, upright, read-only.
    """

    name: str
    rgb_HW3: NDArray[np.uint8]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb_HW3.shape[0], self.rgb_HW3.shape[1]

    @cached_property
    def grey_HW(self) -> NDArray[np.float32]:
        """Luma by ITU-R BT.601, float32, 0 to 1."""
        return np.asarray(Image.fromarray(self.rgb_HW3).convert("L"), np.float32) / np.float32(255)

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels and the shape, whatever file they came from."""
        digest = hashlib.sha256(repr(self.rgb_HW3.shape).encode())
        digest.update(np.ascontiguousarray(self.rgb_HW3).data)
        return digest.hexdigest()


def read_picture(source: ImageSource) -> Picture:
    """Read a path, PIL image, numpy array (HW or HWC; uint8, uint16, bool or float) or bytes.

    Floats and 16-bit integers are taken over their full range (0 to 1, 0 to 65535; float images
    that exceed 1 are taken as 0 to 255, or as 0 to 65535 if they exceed that). Transparency is
    laid on white; EXIF rotation is applied.

    Raises:
        ImageError: With the file's name, what is wrong and what to do.
    """
    name = source_name(source)
    try:
        rgb = _rgb_of(source)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ImageError(
            f"{name}: the image is {width} × {height} px; "
            f"at least {MIN_SIDE_PX} px on each side are needed to inspect it"
        )
    rgb.flags.writeable = False
    return Picture(name, rgb)


def source_name(source: ImageSource) -> str:
    """How an image is called: its path, or one of ``NO_FILES``; what is no image, by its type."""
    if isinstance(source, str | os.PathLike):
        return _printable(source) or "''"
    if isinstance(source, Image.Image):
        return _printable(getattr(source, "filename", "")) or "image"
    if isinstance(source, np.ndarray):
        return "array"
    return type(source).__name__


def _printable(path: str | bytes | os.PathLike[str]) -> str:
    # Names that are not UTF-8 must still be printable, and fit into JSON.
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _rgb_of(source: ImageSource) -> NDArray[np.uint8]:
    if isinstance(source, np.ndarray):
        return _array_to_rgb(source)
    if isinstance(source, Image.Image):
        with _reading():
            return _pil_to_rgb(source)
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), empty=not source)
    if not isinstance(source, str | os.PathLike):
        raise ImageError(
            f"expected a path, PIL image, numpy array or bytes, got {type(source).__name__}"
        )
    if not os.fspath(source):
        raise ImageError("is no path; name an image file")
    return _read_file(Path(source))


def _read_file(path: Path) -> NDArray[np.uint8]:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("there is no such file; check the path") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"cannot be opened ({why}); check the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("is a folder; name an image file in it")
    return _decode(path, empty=status.st_size == 0)


def _decode(stream: Path | io.BytesIO, *, empty: bool) -> NDArray[np.uint8]:
    if empty:
        raise ImageError("the file is empty (0 bytes); export it again")
    with _reading(), Image.open(stream) as image:
        return _pil_to_rgb(image)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Turn what Pillow raises while it opens or decodes into one clear sentence."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            "not an image that can be read; use PNG, JPEG, TIFF, BMP, PGM or WebP"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large()) from error
    except PermissionError as error:
        raise ImageError("no permission to read the file; change its rights") from error
    except Exception as error:  # a damaged header leads Pillow's plugins into errors of any type
        why = str(error) or type(error).__name__
        raise ImageError(f"the image is truncated or damaged ({why}); export it again") from error


def _too_large() -> str:
    limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
    return f"the image has more than {limit:.0f} megapixels; cut it into tiles or scale it down"


def _pil_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise ImageError(_too_large())
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _array_to_rgb(_full_range(np.asarray(image)))
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image.convert("RGB"))


def _full_range(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pillow gives 16-bit greyscale as int32 in some formats; bring it back to uint16."""
    if pixels.dtype.kind == "i":
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(
                f"integer pixels from {pixels.min()} to {pixels.max()}; expected 0 to 65535"
            )
        return pixels.astype(np.uint16)
    return pixels


def _array_to_rgb(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in {1, 3, 4} or array.size == 0:
        raise ImageError(
            f"expected an array of shape (H, W) or (H, W, 1, 3 or 4), got {array.shape}"
        )
    if array.shape[0] * array.shape[1] > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise ImageError(_too_large())
    pixels = _to_uint8(array)
    if pixels.shape[2] == 4:
        return _pil_to_rgb(Image.fromarray(pixels))
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return pixels.copy()


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        return np.rint(array / 257.0).astype(np.uint8)
    if array.dtype.kind != "f":
        raise ImageError(f"expected uint8, uint16, bool or float pixels, got {array.dtype}")
    if not np.isfinite(array).all():
        raise ImageError("holds NaN or infinite pixels; replace them")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 65535:
        raise ImageError(f"float pixels from {low:g} to {high:g}; expected 0 to 1")
    full = 1.0 if high <= 1 else 255.0 if high <= 255 else 65535.0
    return np.rint(array * (255.0 / full)).astype(np.uint8)


def find_images(images: str | os.PathLike[str] | Iterable[ImageSource]) -> list[ImageSource]:
    """List the images of a folder (with subfolders) or a glob, sorted by path, or of a list.

    Raises:
        ImageError: If the folder does not exist or holds no image, the glob matches none, or
            ``images`` is a single image or nothing that holds images.
    """
    return list(stream_images(images))


def stream_images(
    images: str | os.PathLike[str] | Iterable[ImageSource],
) -> Iterator[ImageSource]:
    """As ``find_images``, but an iterable is not read ahead, however long it is."""
    if isinstance(images, str | os.PathLike):
        return iter(_find(images))
    is_one = isinstance(images, bytes | Image.Image) or (
        isinstance(images, np.ndarray) and images.ndim < 4
    )
    if is_one or not isinstance(images, Iterable):
        raise ImageError(
            "expected a folder, a pattern or a list of images, "
            f"got a single {type(images).__name__}; put images into a list"
        )
    return iter(images)


def _find(images: str | os.PathLike[str]) -> Sequence[ImageSource]:
    if not os.fspath(images):
        raise ImageError("'' is no path; expected a folder, a file or a pattern")
    path = Path(images)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if _is_image_file(p) and not _is_hidden(p, path))
        if not found:
            raise ImageError(
                f"{path}: the folder holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})"
            )
    elif path.is_file():
        found = [path]
    else:
        found = _glob(path)
        if not found:
            raise ImageError(f"{path}: no such folder or file, and no file matches it as a pattern")
    return found


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _glob(pattern: Path) -> list[Path]:
    anchor = Path(pattern.anchor or ".")
    relative = str(pattern.relative_to(pattern.anchor)) if pattern.anchor else str(pattern)
    try:
        found = (p for p in anchor.glob(relative) if not p.name.startswith("."))
        return sorted(p for p in found if _is_image_file(p))
    except (ValueError, NotImplementedError):
        return []  # no pattern that pathlib reads, so nothing matches it; the caller says so
