"""Lines of the MMAD benchmark: made once of the training images, with what is known of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.mmad.data import KNOWLEDGE, QUESTIONS, Benchmark, read_benchmark
from benchmarks.mmad.lines import enrol_lines
from benchmarks.mmad.seeing import UNNAMED, Seer
from echo import ProductLine
from experts.decoder import efficientnet
from experts.errors import BenchmarkError
from tests.conftest import bad_part, good_part, save
from tests.mmad_run import INPUT_AREA_PX, board

NUT = "DS-MVTec/metal_nut"
TILE = "MagneticTile/tile"
ASKED = {
    "Question": "Is there any defect in the object?",
    "Answer": "A",
    "Options": {"A": "Yes.", "B": "No."},
    "type": "Anomaly Detection",
}


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with patch.object(efficientnet, "INPUT_AREA_PX", INPUT_AREA_PX):
        yield


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    """As it is distributed: of one dataset the normal images lie in another folder."""
    entries = {}
    for name, good, part, train in (
        (f"{NUT}/image/bent/000.png", "MVTec-AD/metal_nut/train/good", good_part, bad_part),
        (f"{TILE}/test/crack/000.png", f"{TILE}/train/good", board, board),
    ):
        save(tmp_path / name, train(7))
        for number in range(8):
            save(tmp_path / good / f"{number:03d}.png", part(number))
        templates = [f"{good}/{number:03d}.png" for number in (1, 2)]
        entries[name] = {
            "conversation": [ASKED],
            "similar_templates": templates,
            "random_templates": templates[::-1],
        }
    (tmp_path / QUESTIONS).write_text(json.dumps(entries), "utf-8")
    known = {"MVTec": {"metal_nut": {"good": "A nut of MMAD.", "bent": "A bent nut."}}}
    (tmp_path / KNOWLEDGE).write_text(json.dumps(known), "utf-8")
    return read_benchmark(tmp_path)


def test_a_line_is_made_of_all_training_images_and_knows_its_object(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    home = tmp_path / "lines"
    names = enrol_lines(benchmark, home)
    assert names == {NUT: "DS-MVTec-metal_nut", TILE: "MagneticTile-tile"}
    nut, tile = (ProductLine.load(line, home=home) for line in names.values())
    assert len(nut.manifest.images) == len(tile.manifest.images) == 8
    assert nut.knowledge is not None
    assert tile.knowledge is not None
    # What the benchmark itself says comes first; of a tile it says nothing, but Echo does.
    assert nut.knowledge.file.normal == "A nut of MMAD."
    assert tile.knowledge.file.product == "magnetic tile"
    seer = Seer(names, home)
    for query in benchmark.queries:
        seen = seer.see(query.path)
        assert names[query.object] == seen.line.name
        assert (seen.picture.name, seen.inspection.image) == (UNNAMED, UNNAMED)


def test_a_line_is_enrolled_once(benchmark: Benchmark, tmp_path: Path) -> None:
    home = tmp_path / "lines"
    names = enrol_lines(benchmark, home)
    with patch.object(ProductLine, "enroll", wraps=ProductLine.enroll) as enroll:
        assert enrol_lines(benchmark, home) == names
        assert not enroll.called
        # Of other images, or fewer of them, it is made anew.
        save(tmp_path / TILE / "train" / "good" / "008.png", board(8))
        enrol_lines(benchmark, home)
        assert [call.args[0] for call in enroll.call_args_list] == [names[TILE]]
        enrol_lines(benchmark, home, 5)
        assert enroll.call_count == 3
    assert len(ProductLine.load(names[TILE], home=home).manifest.images) == 5


def test_an_object_without_normal_images_is_named(benchmark: Benchmark, tmp_path: Path) -> None:
    for path in (tmp_path / TILE / "train" / "good").iterdir():
        path.unlink()
    with pytest.raises(BenchmarkError, match=f"has no normal image of {TILE}; get the dataset"):
        enrol_lines(benchmark, tmp_path / "lines")
