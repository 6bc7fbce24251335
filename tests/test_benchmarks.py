"""The benchmarks that commands run: what they measure, write, leave out and refuse."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import growth_line
from benchmarks.anomaly import Settings, _fixed, _task
from benchmarks.growth import jittered
from benchmarks.layouts import find_products
from benchmarks.results import summarise
from benchmarks.versus_anomalib import _export_weights, _figures
from echo import Inspector, ProductLine
from experts.decoder.efficientnet import LAYERS, EfficientNetEncoder
from tests.clip_models import VIT, write_model
from tests.conftest import Command, bad_part, good_part, save
from tests.labelled import BAD, GOOD, blot, make_mvtec, make_pair, make_parts, make_visa


@pytest.fixture
def bench(run: Command) -> Command:
    """Runs ``echo-iad bench``."""
    return lambda *arguments: run("bench", *arguments)


def read_results(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return results


@pytest.mark.usefixtures("small_inputs")
def test_bench_writes_all_results(bench: Command, tmp_path: Path) -> None:
    make_mvtec(tmp_path / "data" / "Tile" / "tile")
    make_pair(tmp_path / "data" / "plain")
    out = tmp_path / "out"
    run = bench("anomaly", tmp_path / "data", "--seeds", 2, "--alpha", 0.2, "--out", out)
    assert (run.code, run.err) == (0, "")
    results = read_results(out)
    tile, plain = results["objects"]["Tile/tile"], results["objects"]["plain"]
    assert results["settings"]["alpha"] == 0.2
    assert results["settings"]["encoder"] == "efficientnet-lite0"
    assert len(results["settings"]["weights_sha256"]) == 64
    # A black blot on stripes is seen by anything that works at all.
    assert tile["image_auroc"] == tile["image_ap"] == tile["image_f1_max"] == 1
    assert tile["pixel_auroc"] > 0.9
    assert tile["boxes_found"] == 1
    assert tile["escapes"] == 0
    assert tile["with_mask"] == 3
    assert [row["seed"] for row in tile["seeds"]] == [0, 1]
    assert {plain[key] for key in ("pixel_auroc", "aupro", "boxes_found")} == {None}
    assert results["average"]["pixel_auroc"] == tile["pixel_auroc"]
    assert set(tile["std"]) == set(results["average"]["std"])
    rows = list(csv.DictReader((out / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["object"] for row in rows] == ["Tile/tile", "plain", "average"]
    assert float(rows[0]["pixel_auroc"]) == tile["pixel_auroc"]
    assert rows[1]["pixel_auroc"] == ""
    with Image.open(out / "results.png") as plot:
        assert plot.format == "PNG"
    assert re.search(r"^plain +1\.000 .* – +– +– ", run.out, re.MULTILINE)


def test_bench_without_images_goes_by_words(bench: Command, tmp_path: Path) -> None:
    encoder = f"open_clip:{write_model(tmp_path / 'vit', VIT)}"
    data, out = make_mvtec(tmp_path / "data" / "tile"), tmp_path / "out"
    run = bench("anomaly", data, "--shots", 0, "--encoder", encoder, "--out", out)
    assert (run.code, run.err) == (0, "")
    tile = read_results(out)["objects"]["tile"]
    assert (tile["enrolled"], tile["good"], tile["defective"]) == (0, GOOD, BAD)
    # Nothing is calibrated, so nothing is accepted and nothing promised.
    assert (tile["overkill"], tile["rejected_good"], tile["escapes"]) == (1, 0, 0)
    assert tile["promised"] == 1
    # The figures are those of a line that is called as the object is.
    line = ProductLine.enroll("tile", None, encoder=encoder, home=tmp_path / "home")
    inspector = Inspector(line)
    good, bad = (
        [inspector.inspect(part).anomaly.score for part in sorted((data / "test" / k).iterdir())]
        for k in ("good", "blot")
    )
    assert tile["image_auroc"] == pytest.approx(np.mean([b > g for b in bad for g in good]))


@pytest.mark.usefixtures("small_inputs")
def test_bench_goes_on_where_it_was_cut_off(bench: Command, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    make_mvtec(data / "a")
    make_mvtec(data / "b")
    broken = data / "b" / "test" / "blot" / "001.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200])
    run = bench("anomaly", data, "--out", out)
    assert run.code == 2
    assert re.fullmatch(rf"echo-iad: {broken}: the image is truncated .*\n", run.err)
    assert not (out / "results.json").exists()
    (first,) = (out / "partial").iterdir()
    # What is there is taken as it is, so a changed figure shows that nothing was measured again.
    row = json.loads(first.read_text(encoding="utf-8"))
    first.write_text(json.dumps({**row, "aupro": 0.123}), encoding="utf-8")
    broken.write_bytes(whole)
    run = bench("anomaly", data, "--out", out)
    assert run.code == 0
    assert "1 of 2 measurements are done already." in run.out
    assert read_results(out)["objects"]["a"]["aupro"] == 0.123
    run = bench("anomaly", data, "--object", "a", "--alpha", 0.1, "--out", out)
    assert "done already" not in run.out
    assert read_results(out)["objects"]["a"]["aupro"] != 0.123
    # An exchanged image is measured again, too.
    save(data / "a" / "train" / "good" / "000.png", good_part(77))
    run = bench("anomaly", data, "--object", "a", "--out", out)
    assert "done already" not in run.out


def test_no_setting_finds_the_rows_of_another(tmp_path: Path) -> None:
    (product,) = find_products(make_mvtec(tmp_path / "tile"))
    base = Settings(alpha=0.05, encoder="efficientnet-lite0", seeds=2)

    def path(settings: Settings, seed: int = 0) -> Path:
        return _task(product, seed, settings, _fixed(settings), tmp_path).path

    assert path(base) == path(replace(base, seeds=5))
    others = [
        replace(base, alpha=0.1),
        replace(base, shots=6),
        replace(base, shots=4),
        replace(base, resplit=True),
    ]
    paths = [path(other) for other in others]
    assert len({path(base), path(base, seed=1), *paths}) == 6


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere"], "nowhere: no such folder; name a folder of labelled images"),
        (["empty"], "empty: no object in it; expected OBJECT/train/good"),
        (["data", "--object", "c"], "data: no object 'c'; there are tile"),
        (["data", "--encoder", "vgg"], "unknown encoder 'vgg'"),
        (
            ["data", "--shots", "0"],
            "no image was given, and the encoder 'efficientnet-lite0' knows",
        ),
        (["data", "--shots", "9"], "tile: 9 shots are wanted, but only 6 good images are there"),
        (["data", "--out", "data/tile/test/good/000.png"], "000.png: cannot be written"),
    ],
)
def test_bench_errors(
    bench: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_mvtec(Path("data/tile"))
    Path("empty").mkdir()
    run = bench("anomaly", "--out", "out", *arguments)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("echo-iad: ")
    assert error in run.err


def test_visa_needs_its_split_file(bench: Command, tmp_path: Path) -> None:
    make_visa(tmp_path)
    table = tmp_path / "split_csv" / "1cls.csv"
    table.write_text("name,use\ncandle,train\n", encoding="utf-8")
    assert "1cls.csv: cannot be read: 'object'; VisA's own split" in bench("anomaly", tmp_path).err
    table.unlink()
    run = bench("anomaly", tmp_path)
    assert run.code == 2
    assert "1cls.csv: No such file or directory; VisA's own split" in run.err


@pytest.mark.parametrize("command", ["textile", "growth"])
def test_help_has_an_example(bench: Command, command: str) -> None:
    run = bench(command, "--help")
    assert run.code == 0
    assert f"Example: echo-iad bench {command}" in run.out


@pytest.mark.parametrize("shots", ["0.5", "few", "-1"])
def test_bad_shots(bench: Command, tmp_path: Path, shots: str) -> None:
    run = bench("anomaly", tmp_path, "--shots", shots)
    assert run.code == 2
    assert "is neither a number from 0 on nor 'all'" in run.err


def test_summary_by_hand() -> None:
    def row(seed: int, auroc: float, aupro: float | None) -> dict[str, float | None]:
        figures = {"image_auroc": auroc, "aupro": aupro, "overkill": 0.06}
        return {"seed": seed, **figures, "promised": 0.05, "good": 50, "compared_with": 98}

    rows = {"a": [row(0, 0.9, 0.5), row(1, 0.7, 0.7)], "b": [row(0, 0.5, None), row(1, 0.5, None)]}
    results = summarise(rows, {"alpha": 0.05})
    first, average = results["objects"]["a"], results["average"]
    assert first["image_auroc"] == pytest.approx(0.8)
    assert first["std"]["image_auroc"] == pytest.approx(0.02**0.5)
    # 98 to compare with and 50 tested, twice: a standard error of 0.0267.
    variance = 0.05 * 0.95 * (1 / 100 + 1 / 50) / 2
    assert first["overkill_limit"] == pytest.approx(0.05 + 2 * variance**0.5)
    assert first["overkill_promise_kept"]
    assert results["objects"]["b"]["aupro"] is None
    assert (average["image_auroc"], average["aupro"]) == pytest.approx((0.65, 0.6))
    # Over objects first, 0.7 and 0.6, then over seeds.
    assert average["std"]["image_auroc"] == pytest.approx(0.005**0.5)


@pytest.mark.usefixtures("small_inputs")
def test_growth_measures_a_line(tmp_path: Path) -> None:
    make_parts(tmp_path / "good", good_part, 4, at=0)
    make_parts(tmp_path / "queries", bad_part, 12, at=50)
    growth_line.main(tmp_path)
    row = json.loads((tmp_path / "row.json").read_text(encoding="utf-8"))
    assert 0 < row["search_ms"] < row["inspect_ms"]
    assert 100 < row["base_mb"] <= row["peak_mb"]
    files = (path.stat().st_size for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert row["folder_mb"] == pytest.approx(sum(files) / 1e6)


def test_jitter_shifts_little_and_never_repeats() -> None:
    grey_HW = good_part(0)[:, :, 0]
    first, second = (jittered(grey_HW, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == grey_HW.shape
    assert not np.array_equal(first, second)
    assert np.abs(first.mean() / grey_HW.mean() - 1) < 0.06


def test_weights_for_the_comparison_show_what_the_network_sees(tmp_path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import load_file

    _export_weights(tmp_path / "weights.safetensors")
    tensors = load_file(tmp_path / "weights.safetensors")
    seen, expected = tensors.pop("check.input"), tensors.pop("check.features")
    network = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=[3])
    network.load_state_dict({key: tensors[key] for key in network.state_dict()})
    with torch.inference_mode():
        (found,) = network.eval()(seen)
    assert found.shape == expected.shape
    torch.testing.assert_close(torch.nn.functional.normalize(found, dim=1), expected)
    assert LAYERS[1] == 4
    assert EfficientNetEncoder.patch_dim > found.shape[1]


def test_maps_of_another_size_are_brought_to_the_image(tmp_path: Path) -> None:
    (product,) = find_products(make_mvtec(tmp_path / "tile"))
    split = product.split(0)
    for number, sample in enumerate(split.test):
        map_HW = blot()[::2, ::2] * np.float32(sample.defective)
        np.save(tmp_path / f"{number}.npy", map_HW.astype(np.float32))
    scores = [float(sample.defective) for sample in split.test]
    result = {"enrol_s": 2.0, "times_ms": [1.0, 9.0, 3.0], "scores": scores, "peak_mb": 5.0}
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    figures = _figures(tmp_path, split)
    assert figures["image_auroc"] == 1
    assert figures["inspect_ms"] == 3
    assert figures["pixel_auroc"] > 0.99
