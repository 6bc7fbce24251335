"""Which images of a folder are enrolled and tested, and where their defects are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.elpv import solar_cells
from benchmarks.layouts import find_products
from benchmarks.masks import read_masks
from benchmarks.products import Product
from benchmarks.textile import textiles
from experts.errors import EnrolError, ImageError
from tests.conftest import good_part, save
from tests.labelled import BAD, GOOD, TRAIN, blot, make_mvtec, make_pair, make_parts, make_visa


def counts(product: Product) -> tuple[int, int, int, int]:
    masks = sum(len(sample.masks) for sample in product.defective)
    return len(product.train), len(product.good), len(product.defective), masks


def test_objects_of_all_layouts_in_one_tree(tmp_path: Path) -> None:
    make_mvtec(tmp_path / "Tile" / "tile")
    make_visa(tmp_path / "visa")
    make_pair(tmp_path / "plain")
    (tmp_path / "plain" / "again").symlink_to(tmp_path)
    found = find_products(tmp_path)
    assert [p.name for p in found] == ["Tile/tile", "plain", "visa/candle"]
    assert [counts(p) for p in found] == [(6, 3, 3, 3), (0, 6, 3, 0), (6, 3, 3, 3)]
    assert [p.name for p in find_products(tmp_path, ["plain"])] == ["plain"]
    assert [p.name for p in find_products(tmp_path / "Tile" / "tile")] == ["tile"]


def test_a_link_that_leads_back_is_no_loop(tmp_path: Path) -> None:
    make_pair(tmp_path / "a" / "plain")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert [p.name for p in find_products(tmp_path)] == ["a/plain"]


def test_mvtec_with_plainly_named_masks_and_with_several_an_image(tmp_path: Path) -> None:
    (product,) = find_products(make_mvtec(tmp_path / "tile", mask="{}.png"))
    assert counts(product) == (6, 3, 3, 3)
    shutil.rmtree(tmp_path / "tile" / "ground_truth")
    parts = tmp_path / "tile" / "ground_truth" / "blot" / "001"
    for number, rows in enumerate([slice(0, 60), slice(60, 96)]):
        half = np.zeros((96, 96), np.uint8)
        half[rows] = blot()[rows]
        save(parts / f"{number:03d}.png", half)
    (product,) = find_products(tmp_path / "tile")
    sample = product.defective[1]
    assert [len(s.masks) for s in product.defective] == [0, 2, 0]
    mask_HW = read_masks(sample.masks, sample.path, (96, 96))
    np.testing.assert_array_equal(mask_HW, blot() > 0)


def test_mvtec_ad_2_with_its_public_test(tmp_path: Path) -> None:
    folder = make_mvtec(tmp_path / "can")
    (folder / "ground_truth").rename(folder / "test" / "ground_truth")
    (folder / "test").rename(folder / "test_public")
    (product,) = find_products(folder)
    assert counts(product) == (6, 3, 3, 3)


@pytest.mark.parametrize("place", ["masks", "masks/bad", "ground_truth", "ground_truth/bad"])
def test_masks_of_a_pair(tmp_path: Path, place: str) -> None:
    make_pair(tmp_path)
    save(tmp_path / place / "dark" / "001.png", blot())
    (product,) = find_products(tmp_path)
    assert [len(sample.masks) for sample in product.defective] == [0, 1, 0]


def test_a_seed_draws_what_is_enrolled(tmp_path: Path) -> None:
    (pair,) = find_products(make_pair(tmp_path / "pair"))
    splits = [pair.split(seed) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]
    for split in splits:
        good = [sample.path for sample in split.test if not sample.defective]
        assert len(split.enrolled) == len(good) == TRAIN // 2
        assert set(split.enrolled) | set(good) == set(pair.good)
    (tile,) = find_products(make_mvtec(tmp_path / "tile"))
    assert tile.split(0) == tile.split(1)
    assert tile.split(0).enrolled == list(tile.train)
    shots = [tuple(tile.split(seed, shots=2).enrolled) for seed in range(8)]
    assert len(set(shots)) > 1
    assert all(len(shot) == 2 and set(shot) <= set(tile.train) for shot in shots)
    again = [tile.split(seed, resplit=True) for seed in range(2)]
    assert again[0] != again[1]
    assert {len(split.enrolled) for split in again} == {TRAIN}
    assert {len(split.test) for split in again} == {GOOD + BAD}


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    folder = make_mvtec(tmp_path / "tile")
    with pytest.raises(EnrolError, match=r"tile: 7 shots are wanted, but only 6 good images"):
        find_products(folder)[0].split(0, shots=7)
    shutil.rmtree(folder / "test" / "good")
    with pytest.raises(ImageError, match=r"tile: no good image is left for the test"):
        find_products(folder)[0].split(0)
    make_parts(folder / "test" / "good", good_part, 1, at=100)
    pair = Product("pair", (), tuple((folder / "test" / "good").iterdir()), (), draws=0)
    with pytest.raises(ImageError, match=r"\Apair: no good image is there to enrol; add some\Z"):
        pair.split(0)
    shutil.rmtree(folder / "test" / "blot")
    with pytest.raises(ImageError, match=r"tile: no defective image is left for the test"):
        find_products(folder)[0].split(0)


def test_packaged_images() -> None:
    cells = solar_cells("mono", 200).split(seed=0)
    assert (len(cells.enrolled), sum(s.defective for s in cells.test)) == (200, 313)
    cloth = textiles("local", 200).split(seed=0)
    assert (len(cloth.enrolled), len(cloth.test)) == (200, 800 + 500)
    assert {s.path.parent.name for s in cloth.test if s.defective} == {"local"}


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_any_number_but_zero_marks_a_defect(tmp_path: Path, mode: str) -> None:
    marked = blot() > 0
    # Transparency is full everywhere in RGBA, and marks nothing.
    image = Image.fromarray(marked) if mode == "1" else Image.fromarray(marked.astype(np.uint8))
    image = Image.fromarray(marked.astype(np.uint16)) if mode == "I;16" else image
    if mode == "P":
        image.putpalette([0, 0, 0] * 256)
    if mode.startswith("RGB"):
        image = image.convert(mode)
    path = tmp_path / "mask.png"
    image.save(path)
    np.testing.assert_array_equal(read_masks([path], Path("part.png"), (96, 96)), marked)


def test_masks_that_cannot_be_used(tmp_path: Path) -> None:
    small = save(tmp_path / "small.png", blot()[:50])
    with pytest.raises(ImageError, match=r"small\.png: the mask is 50 × 96 px, but part\.png is"):
        read_masks([small], Path("part.png"), (96, 96))
    (tmp_path / "broken.png").write_bytes(small.read_bytes()[:-40])
    with pytest.raises(ImageError, match=r"broken\.png: the mask cannot be read"):
        read_masks([tmp_path / "broken.png"], Path("part.png"), (96, 96))
    assert not read_masks([], Path("part.png"), (96, 96)).any()


def test_a_line_is_called_by_what_the_images_show() -> None:
    def called(name: str, shows: str | None = None) -> str:
        return Product(name, (), (), (), shows=shows).line_name

    assert called("MagneticTile/tile") == "tile"
    assert called("MVTec/metal_nut") == "metal-nut"
    assert called("elpv/mono", "solar cell") == "solar-cell"
    assert called("x/" + "a" * 63 + " b") == "a" * 63
    assert called("…") == "part"
