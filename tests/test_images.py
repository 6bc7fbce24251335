"""Any image that Echo reads comes out upright, in colour and with eight bits."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from experts.images import read_picture, source_name
from tests.conftest import save
from tests.pixels import GREY, RGB, SIDE, assert_refused, colours

RAMP_HW = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)


def grey_of(source: Any) -> NDArray[np.uint8]:
    """The grey levels of a picture whose channels must be equal."""
    rgb_HW3 = read_picture(source).rgb_HW3
    assert (rgb_HW3 == rgb_HW3[..., :1]).all()
    return rgb_HW3[..., 0]


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
