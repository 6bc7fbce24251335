"""Which images a folder, a pattern or a list stands for."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experts.errors import ImageError
from experts.images import ImageSource, find_images, stream_images
from tests.conftest import save
from tests.pixels import GREY, RGB

SUFFIXES = ".bmp, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"


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
