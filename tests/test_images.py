from __future__ import annotations

import io
import itertools
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from experts.errors import ImageError
from experts.images import (
    MIN_SIDE_PX,
    ImageSource,
    find_images,
    read_picture,
    source_name,
    stream_images,
)
from tests.conftest import save

SIDE = 32
RAMP_HW = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
SUFFIXES = ".bmp, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"


def colours(height: int = SIDE, width: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(pixels: NDArray[Any] | Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind)
    return stream.getvalue()


def assert_refused(source: Any, sentence: str) -> None:
    """The whole message is this sentence."""
    with pytest.raises(ImageError, match=rf"\A{re.escape(sentence)}\Z"):
        read_picture(source)


def grey_of(source: Any) -> NDArray[np.uint8]:
    """The grey levels of a picture whose channels must be equal."""
    rgb_HW3 = read_picture(source).rgb_HW3
    assert (rgb_HW3 == rgb_HW3[..., :1]).all()
    return rgb_HW3[..., 0]


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


def test_sixteen_bit_grey_png_keeps_its_full_range(tmp_path: Path) -> None:
    pixels = (RAMP_HW * (65535 // (SIDE * SIDE - 1))).astype(np.uint16)
    pixels[-1, -1] = 65535
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    expected = np.round(pixels.astype(float) / 65535 * 255)
    for source in (path, path.read_bytes(), pixels, Image.fromarray(pixels)):
        assert (grey_of(source) == expected).all()


def test_big_endian_sixteen_bit_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.frombytes("I;16B", (SIDE, SIDE), (RAMP_HW * 64).astype(">u2").tobytes()).save(path)
    assert path.read_bytes()[:2] == b"MM"
    assert (grey_of(path) == np.round(RAMP_HW * 64 / 65535 * 255)).all()


def test_sixteen_bit_values_by_hand() -> None:
    pixels = np.zeros((SIDE, SIDE), np.uint16)
    pixels[0, :5] = [0, 128, 129, 257, 65535]
    assert grey_of(pixels)[0, :5].tolist() == [0, 0, 1, 1, 255]


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_tiff(tmp_path: Path, top: float) -> None:
    path = tmp_path / "a.tiff"
    pixels = (RAMP_HW / RAMP_HW.max() * top).astype(np.float32)
    Image.fromarray(pixels).save(path)
    expected = np.round(RAMP_HW / RAMP_HW.max() * 255)
    assert abs(grey_of(path).astype(float) - expected).max() <= 1
    assert (grey_of(path)[0, 0], grey_of(path)[-1, -1]) == (0, 255)


def test_thirty_two_bit_integers_are_taken_as_sixteen_bit_or_refused() -> None:
    assert (grey_of(Image.fromarray(np.full((SIDE, SIDE), 65535, np.int32))) == 255).all()
    assert_refused(
        Image.fromarray(np.full((SIDE, SIDE), -5, np.int32)),
        "image: integer pixels from -5 to -5; expected 0 to 65535",
    )


def test_cmyk_jpeg_equals_pillow_s_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    smooth = np.repeat((RAMP_HW // 4)[:, :, None], 3, axis=2).astype(np.uint8)
    Image.fromarray(smooth).convert("CMYK").save(path, quality=100)
    assert abs(read_picture(path).rgb_HW3.astype(int) - smooth).max() <= 4


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (SIDE, SIDE), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, SIDE // 2, SIDE))
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "clear.png", transparency=0)
    opaque, clear = (read_picture(tmp_path / f"{n}.png").rgb_HW3 for n in ("opaque", "clear"))
    assert opaque[0, 0].tolist() == clear[0, 0].tolist() == [200, 100, 50]
    assert opaque[0, -1].tolist() == [10, 20, 30]
    assert clear[0, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa", "PA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[:, 8:16, 3] = 255
    pixels[:, 16:24] = (102, 102, 102, 255)
    pixels[:, 24:, 3] = 51  # a fifth of black on white
    image = Image.fromarray(pixels)
    image = image.convert("LA").convert("La") if mode == "La" else image.convert(mode)
    assert read_picture(image).rgb_HW3[0, ::8, 0].tolist() == [255, 0, 102, 204]


def test_transparent_colour_of_an_rgb_png() -> None:
    pixels = np.full((SIDE, SIDE, 3), 7, np.uint8)
    pixels[:, 16:] = (1, 2, 3)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", transparency=(1, 2, 3))
    assert read_picture(stream.getvalue()).rgb_HW3[0, [0, -1]].tolist() == [[7] * 3, [255] * 3]


# What a camera stores for each EXIF orientation, so that the upright image comes out.
STORED_AS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: up.transpose(1, 0, 2),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up, 2).transpose(1, 0, 2),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int) -> None:
    upright = colours(20, 40)
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    stored.save(path, exif=exif)
    picture = read_picture(path)
    assert picture.size_HW == (20, 40)
    assert (picture.rgb_HW3 == upright).all()


RGB = colours()
GREY = RGB[..., 0]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, np.stack([GREY] * 3, axis=2)),
        (GREY[..., None], np.stack([GREY] * 3, axis=2)),
        (RGB, RGB),
        (np.dstack([RGB, np.full_like(GREY, 255)]), RGB),
        (np.dstack([RGB, np.zeros_like(GREY)]), np.full_like(RGB, 255)),
        (GREY > 100, np.stack([np.where(GREY > 100, 255, 0)] * 3, axis=2)),
        (RGB.astype(np.uint16) * 257, RGB),
        ((RGB.astype(np.uint16) * 257).astype(">u2"), RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float16), RGB),
        (RGB.astype(np.float32), RGB),
        (RGB[::-1, ::-1], RGB[::-1, ::-1]),
    ],
    ids=[
        "HW",
        "HW1",
        "HWC",
        "HWC4",
        "clear",
        "bool",
        "u16",
        "big-endian",
        "float64",
        "float16",
        "to-255",
        "flipped",
    ],
)
def test_arrays(array: NDArray[Any], expected: NDArray[Any]) -> None:
    before = array.copy()
    rgb_HW3 = read_picture(array).rgb_HW3
    assert rgb_HW3.dtype == np.uint8
    assert (rgb_HW3 == expected).all()
    assert (array == before).all()


@pytest.mark.parametrize("array", [GREY, RGB, RGB[..., :1], np.dstack([RGB, GREY])])
def test_the_picture_is_read_only_and_the_caller_s_array_is_not(array: NDArray[np.uint8]) -> None:
    own = array.copy()
    rgb_HW3 = read_picture(own).rgb_HW3
    seen = rgb_HW3.copy()
    assert not rgb_HW3.flags.writeable
    own[:] = 255 - own
    assert (rgb_HW3 == seen).all()


def test_the_caller_s_image_stays_as_it_is() -> None:
    image = Image.fromarray(np.dstack([RGB, GREY]))
    read_picture(image)
    assert image.mode == "RGBA"
    assert (np.asarray(image) == np.dstack([RGB, GREY])).all()


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.full((20, 20), np.nan), "holds NaN or infinite pixels; replace them"),
        (np.full((20, 20), np.inf), "holds NaN or infinite pixels; replace them"),
        (np.full((20, 20), -0.5), "float pixels from -0.5 to -0.5; expected 0 to 1"),
        (np.full((20, 20), 7e4), "float pixels from 70000 to 70000; expected 0 to 1"),
        (
            np.zeros((20, 20), np.int64),
            "expected uint8, uint16, bool or float pixels, got int64",
        ),
        *(
            (
                np.zeros(shape, np.uint8),
                f"expected an array of shape (H, W) or (H, W, 1, 3 or 4), got {shape}",
            )
            for shape in ((20,), (20, 20, 2), (3, 20, 20), (2, 20, 20, 3), (0, 20, 3))
        ),
    ],
)
def test_arrays_that_are_refused(array: NDArray[Any], complaint: str) -> None:
    assert_refused(array, f"array: {complaint}")


@pytest.mark.parametrize("source", [None, 3, ["a.png"]])
def test_things_that_are_no_image(source: Any) -> None:
    kind = type(source).__name__
    assert_refused(source, f"{kind}: expected a path, PIL image, numpy array or bytes, got {kind}")
    assert source_name(source) == kind


def test_an_empty_path() -> None:
    assert_refused("", "'': is no path; name an image file")


def test_an_opened_image_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    path = save(tmp_path / os.fsdecode(b"gr\xfcn.png"), RGB)
    with Image.open(path) as image:
        assert read_picture(image).name == f"{tmp_path}/gr\\xfcn.png"


def test_path_bytes_and_image_give_the_same_pixels_and_hash(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    with Image.open(path) as image:
        pictures = [read_picture(s) for s in (path, str(path), path.read_bytes(), image, RGB)]
    assert [p.name for p in pictures] == [str(path), str(path), "bytes", str(path), "array"]
    assert {p.sha256 for p in pictures} == {pictures[0].sha256}
    assert all((p.rgb_HW3 == RGB).all() for p in pictures)


def test_the_hash_depends_on_the_shape() -> None:
    flat = np.zeros((16, 64), np.uint8)
    assert read_picture(flat).sha256 != read_picture(flat.reshape(32, 32)).sha256


def test_grey_is_the_luma() -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[0, :4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    assert read_picture(pixels).grey_HW[0, :4] == pytest.approx(
        [0.299, 0.587, 0.114, 1], abs=1 / 255
    )


def files_in(folder: Path, *names: str) -> list[Path]:
    return [save(folder / name, RGB[:16, :16]) for name in names]


def test_folder_lists_its_images_sorted_with_subfolders(tmp_path: Path) -> None:
    expected = files_in(tmp_path, "a.png", "b/2.JPG", "b/deep/1.tif", "c.bmp")
    files_in(tmp_path, ".hidden.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path) == find_images(str(tmp_path)) == expected


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    expected = files_in(tmp_path, "a.png")
    files_in(tmp_path, ".thumbnails/a.png")
    assert find_images(tmp_path) == expected


def test_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, nested = files_in(tmp_path, "1.png", "2.png", "sub/3.png")
    files_in(tmp_path, "1.jpg", ".4.png")
    assert find_images(tmp_path / "*.png") == [first, second]
    assert find_images(f"{tmp_path}/**/*.png") == [first, second, nested]
    monkeypatch.chdir(tmp_path)
    assert find_images("sub/*.png") == [Path("sub/3.png")]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (path,) = files_in(tmp_path, "part[1].png")
    assert find_images(path) == [path]


def test_a_list_is_taken_as_it_is() -> None:
    sources: list[ImageSource] = ["b.png", b"raw", RGB, Path("a.png")]
    assert find_images(iter(sources)) == sources


def test_a_list_is_not_read_ahead() -> None:
    endless = itertools.repeat(b"raw")
    assert next(stream_images(endless)) == b"raw"


def test_a_stack_of_images_is_a_list() -> None:
    assert len(find_images(np.stack([RGB, RGB]))) == 2


@pytest.mark.parametrize("single", [b"raw", RGB, GREY, Image.fromarray(RGB), 5, None])
def test_a_single_image_is_no_list(single: Any) -> None:
    sentence = (
        "expected a folder, a pattern or a list of images, "
        f"got a single {type(single).__name__}; put images into a list"
    )
    for find in (find_images, stream_images):
        with pytest.raises(ImageError, match=rf"\A{re.escape(sentence)}\Z"):
            find(single)


def test_nothing_is_found(tmp_path: Path) -> None:
    def refused(images: Path, sentence: str) -> None:
        with pytest.raises(ImageError, match=rf"\A{re.escape(sentence)}\Z"):
            find_images(images)

    refused(tmp_path, f"{tmp_path}: the folder holds no image ({SUFFIXES})")
    for name in ("*.png", "missing", "missing/*.png"):
        path = tmp_path / name
        refused(path, f"{path}: no such folder or file, and no file matches it as a pattern")
