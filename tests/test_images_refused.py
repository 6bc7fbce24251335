"""What is no image, or one that Echo does not read, is refused in one sentence."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experts.errors import ImageError
from experts.images import MIN_SIDE_PX, read_picture
from tests.conftest import save
from tests.pixels import assert_refused, colours, encoded


def test_text_that_calls_itself_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("I am no image")
    assert_refused(
        path, f"{path}: not an image that can be read; use PNG, JPEG, TIFF, BMP, PGM or WebP"
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_truncated_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    whole = encoded(colours(64, 64), kind)
    path.write_bytes(whole[: len(whole) // 2])
    pattern = r"the image is truncated or damaged \(.+\); export it again"
    with pytest.raises(ImageError, match=rf"\A{re.escape(str(path))}: {pattern}\Z"):
        read_picture(path)


def test_truncated_image_that_the_caller_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    whole = encoded(colours(64, 64), "PNG")
    path.write_bytes(whole[: len(whole) // 2])
    with Image.open(path) as image, pytest.raises(ImageError, match="truncated or damaged"):
        read_picture(image)


def test_damaged_pixels_inside_a_png() -> None:
    whole = bytearray(encoded(colours(64, 64), "PNG"))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(ImageError, match=r"\Abytes: the image is truncated or damaged \(.+\); "):
        read_picture(bytes(whole))


STRIP_OFFSETS = struct.pack("<H", 273)


# Text, fraction, bytes, signed fraction, float and double where Pillow seeks to a whole number.
@pytest.mark.parametrize("wrong_type", [2, 5, 7, 10, 11, 12])
def test_a_tiff_whose_header_makes_pillow_raise_a_type_error(wrong_type: int) -> None:
    raw = bytearray(encoded(colours(), "TIFF"))
    first = struct.unpack_from("<I", raw, 4)[0] + 2
    (entry,) = (at for at in range(first, len(raw), 12) if raw[at : at + 2] == STRIP_OFFSETS)
    struct.pack_into("<H", raw, entry + 2, wrong_type)
    with Image.open(io.BytesIO(raw)) as image, pytest.raises(TypeError):
        image.load()
    with pytest.raises(ImageError, match=r"\Abytes: the image is truncated or damaged \(.+\); "):
        read_picture(bytes(raw))


def test_empty_missing_and_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.touch()
    assert_refused(empty, f"{empty}: the file is empty (0 bytes); export it again")
    assert_refused(b"", "bytes: the file is empty (0 bytes); export it again")
    missing = str(tmp_path / "missing.png")
    assert_refused(missing, f"{missing}: there is no such file; check the path")
    assert_refused(tmp_path, f"{tmp_path}: is a folder; name an image file in it")


def test_a_name_that_no_file_can_have() -> None:
    name = "x" * 5000 + ".png"
    with pytest.raises(ImageError, match=rf"\A{name}: "):
        read_picture(name)


def test_too_small(tmp_path: Path) -> None:
    path = save(tmp_path / "dot.png", colours(1, 1))
    needed = "at least 16 px on each side are needed to inspect it"
    assert_refused(path, f"{path}: the image is 1 × 1 px; {needed}")
    assert_refused(colours(15, 400), f"array: the image is 400 × 15 px; {needed}")
    assert read_picture(colours(MIN_SIDE_PX, MIN_SIDE_PX)).size_HW == (16, 16)


@pytest.mark.parametrize("size", [(10_000, 9_500), (12_000, 10_000), (20_000, 10_000)])
def test_too_many_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", size).save(path)
    assert_refused(
        path,
        f"{path}: the image has more than 89 megapixels; cut it into tiles or scale it down",
    )


def test_a_small_file_that_claims_a_huge_image() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    assert_refused(
        bomb, "bytes: the image has more than 89 megapixels; cut it into tiles or scale it down"
    )


def test_an_array_of_too_many_pixels() -> None:
    huge = np.broadcast_to(np.uint8(0), (10_000, 9_000))
    assert_refused(
        huge, "array: the image has more than 89 megapixels; cut it into tiles or scale it down"
    )
