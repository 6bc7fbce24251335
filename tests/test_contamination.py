from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from benchmarks.contamination import (
    Contaminated,
    bench_contamination,
    contaminate,
    figures,
    shown_again,
)
from benchmarks.layouts import find_products
from benchmarks.products import Product
from echo.audit import Audit, NearDuplicate, Suspicious
from experts.errors import EnrolError
from tests.conftest import save

NORMAL = 30
KINDS = ("dot", "bar")


def mottled(seed: int) -> NDArray[np.uint8]:
    """Light and dark patches, uint8 (96, 96, 3), which a copy shows again."""
    rng = np.random.default_rng(seed)
    patches_HW = ndimage.zoom(rng.normal(140, 15, (6, 6)), 16, order=1)
    grey_HW = np.clip(patches_HW + rng.normal(0, 4, (96, 96)), 0, 255).astype(np.uint8)
    return np.repeat(grey_HW[:, :, None], 3, axis=2)


def marked(seed: int, kind: str) -> NDArray[np.uint8]:
    """A mottled part with a defect at a place that depends on the seed."""
    part_HW3 = mottled(seed)
    top, left = np.random.default_rng(seed).integers(4, 60, 2)
    height, width = (20, 20) if kind == "dot" else (6, 30)
    part_HW3[top : top + height, left : left + width] = 15 if kind == "dot" else 250
    return part_HW3


@pytest.fixture
def product(tmp_path: Path) -> Product:
    folder = tmp_path / "data" / "ring"
    for i in range(NORMAL):
        save(folder / "train" / "good" / f"{i:02d}.png", mottled(i))
    save(folder / "test" / "good" / "00.png", mottled(90))
    for number, kind in enumerate(KINDS):
        for i in range(3):
            part = marked(100 + 10 * number + i, kind)
            save(folder / "test" / kind / f"{i:02d}.png", part)
    (found,) = find_products(tmp_path / "data")
    return found


def test_a_seed_draws_what_slips_in(product: Product, tmp_path: Path) -> None:
    draws = [contaminate(product, 0.02, seed, tmp_path) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for drawn in draws:
        assert (len(drawn.good), len(drawn.kinds), len(drawn.originals)) == (NORMAL, 3, 3)
        assert set(drawn.kinds.values()) <= set(KINDS)
        assert set(drawn.originals.values()) <= set(drawn.good)
        assert all(path.is_file() for path in drawn.images)
    assert len(contaminate(product, 0.13, 0, tmp_path).kinds) == 4
    with pytest.raises(EnrolError, match="ring: 15 defective and 15 normal images are to be drawn"):
        contaminate(product, 0.5, 0, tmp_path)


def test_a_near_duplicate_lies_a_pixel_off_and_is_brighter() -> None:
    part_HW3 = mottled(0)
    again_HW3 = shown_again(part_HW3)
    assert again_HW3.shape == part_HW3.shape
    expected_HW3 = np.rint(1.05 * part_HW3[:-1, :-1]).clip(0, 255)
    np.testing.assert_array_equal(again_HW3[1:, 1:], expected_HW3)
    assert shown_again(np.full((4, 4, 3), 255, np.uint8)).min() == 255


def suspicious(path: Path) -> Suspicious:
    return Suspicious(number=1, path=path, chance=0.001, box_xyxy=(0, 0, 1, 1), size_HW=(2, 2))


def pair(a: Path, b: Path) -> NearDuplicate:
    return NearDuplicate(numbers=(1, 2), paths=(a, b), similarity=0.9, place_ltrb=None)


def test_figures_by_hand() -> None:
    good = tuple(Path(f"good-{i}") for i in range(8))
    bad = {Path("x"): "dot", Path("y"): "bar"}
    copies = {Path("again-0"): good[0], Path("again-1"): good[1]}
    audit = Audit(
        images=12,
        suspicious=(suspicious(Path("x")), suspicious(good[3])),
        near_duplicates=(pair(good[0], Path("again-0")), pair(good[1], good[2])),
        gain=None,
        sentences=(),
    )
    # One good image looks more suspicious than y, none more than x.
    chance = dict.fromkeys([*good, *copies], 5.0) | {
        Path("x"): 0.001,
        good[3]: 0.002,
        Path("y"): 1.0,
    }
    row = figures(Contaminated(good, bad, copies), audit, chance)
    assert row.pop("rank") == pytest.approx((0 + 1 / 10) / 2)
    assert row == {
        "found": 0.5,
        "named_good": 0.1,
        "precision": 0.5,
        "copies_found": 0.5,
        "other_pairs": 1,
        "kinds": {"bar": [1, 0], "dot": [1, 1]},
    }
    silent = audit.model_copy(update={"suspicious": (), "near_duplicates": ()})
    row = figures(Contaminated(good, bad, copies), silent, chance)
    assert (row["found"], row["precision"], row["copies_found"]) == (0, None, 0)


def test_plain_defects_and_duplicates_are_found(
    product: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = bench_contamination([product], 0.02, 1, tmp_path / "out", Console(width=200))["ring"]
    written = json.loads((tmp_path / "out" / "contamination.json").read_text(encoding="utf-8"))
    assert written == {"share": 0.02, "objects": {"ring": [row]}}
    assert row["rank"] == 0
    assert row["found"] > 0
    assert row["copies_found"] == row["precision"] == 1
    assert row["other_pairs"] == row["named_good"] == 0
    out = capsys.readouterr().out
    assert "found of each kind" in out
    assert "1.000 ± 0.000" in out
