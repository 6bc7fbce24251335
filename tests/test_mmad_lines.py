"""Lines of the MMAD benchmark: made once of the training images, with what is known of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks.mmad.data import (
    KNOWLEDGE,
    QUESTIONS,
    SOURCES,
    Benchmark,
    Key,
    Query,
    read_benchmark,
)
from benchmarks.mmad.known import knowledge_files
from benchmarks.mmad.lines import enrol_lines
from benchmarks.mmad.seeing import UNNAMED, Seer
from echo import ProductLine
from experts.choosing import Grounds, weigh
from experts.decoder import efficientnet
from experts.errors import BenchmarkError
from experts.knowledge import load_knowledge
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
    assert list(names) == [NUT, TILE]
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
        # Of other images it is made anew.
        save(tmp_path / TILE / "train" / "good" / "008.png", board(8))
        enrol_lines(benchmark, home)
        assert [call.args[0] for call in enroll.call_args_list] == [names[TILE]]


def test_lines_of_other_settings_lie_beside_each_other(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    home = tmp_path / "lines"
    whole = enrol_lines(benchmark, home)
    few = enrol_lines(benchmark, home, 5)
    own = enrol_lines(benchmark, home, 5, given=knowledge_of(tmp_path, "tile", "tile"))
    assert few[NUT] == own[NUT] != whole[NUT]
    assert len({whole[TILE], few[TILE], own[TILE]}) == 3
    sizes = [len(ProductLine.load(n[TILE], home=home).manifest.images) for n in (whole, few, own)]
    assert sizes == [8, 5, 5]
    with patch.object(ProductLine, "enroll", wraps=ProductLine.enroll) as enroll:
        assert enrol_lines(benchmark, home) == whole
        assert not enroll.called


def test_no_object_has_the_line_of_another(tmp_path: Path) -> None:
    plain = ("A/b-c", "A-b/c", "A-/b", "A/-b", "A/b c", "A/b_c", "A/b.c")
    objects = (*plain, *(f"A/{'b' * 99}{number}" for number in range(2)))
    entries = {}
    for name in objects:
        save(tmp_path / name / "test" / "0.png", board(0))
        save(tmp_path / name / "good" / "0.png", board(1))
        templates = [f"{name}/good/0.png"]
        entries[f"{name}/test/0.png"] = {"conversation": [ASKED], "random_templates": templates}
    (tmp_path / QUESTIONS).write_text(json.dumps(entries), "utf-8")
    with patch.object(ProductLine, "enroll") as enroll:
        names = enrol_lines(read_benchmark(tmp_path), tmp_path / "lines", 1000)
    assert list(names) == list(objects)
    assert len({line.casefold() for line in names.values()}) == len(objects)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", line) for line in names.values())
    assert [call.args[0] for call in enroll.call_args_list] == list(names.values())


def test_no_image_of_the_benchmark_is_enrolled(benchmark: Benchmark, tmp_path: Path) -> None:
    # The folder of the templates has images that are asked about, one of them not in this run.
    entries = json.loads((tmp_path / QUESTIONS).read_text("utf-8"))
    (entry,) = (entry for name, entry in entries.items() if name.startswith(TILE))
    entries |= {f"{TILE}/train/good/{number:03d}.png": entry for number in (3, 4, 5)}
    (tmp_path / QUESTIONS).write_text(json.dumps(entries), "utf-8")
    limited = read_benchmark(tmp_path, [TILE], limit=1)
    assert len(limited.queries) == 1
    home = tmp_path / "lines"
    line = ProductLine.load(enrol_lines(limited, home)[TILE], home=home)
    enrolled = {Path(image.path).name for image in line.manifest.images}
    assert enrolled == {f"{number:03d}.png" for number in (0, 1, 2, 6, 7)}


def test_all_objects_without_normal_images_are_named_with_where_to_get_them(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    for folder in ("MVTec-AD/metal_nut/train/good", f"{TILE}/train/good"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
    with pytest.raises(BenchmarkError) as found:
        enrol_lines(benchmark, tmp_path / "lines")
    said = str(found.value)
    # Its queries are of DS-MVTec, but its normal images are of MVTec-AD.
    assert re.search(
        rf"{NUT}: none in MVTec-AD/metal_nut/train/good, .*{SOURCES['MVTec-AD']}", said
    )
    assert f"{TILE}: none in {TILE}/train/good, get them into that folder" in said
    assert "--object" in said


def test_without_templates_no_line_can_be_made(benchmark: Benchmark, tmp_path: Path) -> None:
    entries = json.loads((tmp_path / QUESTIONS).read_text("utf-8"))
    for entry in entries.values():
        del entry["similar_templates"], entry["random_templates"]
    (tmp_path / QUESTIONS).write_text(json.dumps(entries), "utf-8")
    with pytest.raises(BenchmarkError, match=f"{NUT}: its questions name no template"):
        enrol_lines(read_benchmark(tmp_path), tmp_path / "lines")


# What is known of objects


def knowledge_of(folder: Path, product: str, alias: str) -> Path:
    path = folder / f"{product}.yaml"
    path.write_text(f"product: {product}\naliases: [{alias}]\nnormal: As I say.\n", "utf-8")
    return path


def test_own_knowledge_is_of_the_object_that_it_fits(benchmark: Benchmark, tmp_path: Path) -> None:
    of_nut = knowledge_of(tmp_path, "clip", "metal nut")
    of_tile = knowledge_of(tmp_path, "ferrite", "tile")
    normal = {
        given: {
            name: load_knowledge(path).file.normal
            for name, path in knowledge_files(benchmark, tmp_path / "made", given).items()
        }
        for given in (None, of_nut, of_tile)
    }
    assert normal[None][NUT] == "A nut of MMAD."
    assert normal[of_nut] == {NUT: "As I say.", TILE: normal[None][TILE]}
    assert normal[of_tile] == {NUT: "A nut of MMAD.", TILE: "As I say."}


def test_own_knowledge_that_fits_no_object_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    given = knowledge_of(tmp_path, "zeppelin", "airship")
    with pytest.raises(BenchmarkError, match=r"zeppelin\.yaml: fits no object"):
        enrol_lines(benchmark, tmp_path / "lines", given=given)


@pytest.mark.parametrize(
    ("name", "option", "others"),
    [
        ("VisA/pcb1", "A printed circuit board.", ("A candle.", "A cashew nut.", "Pasta.")),
        ("VisA/fryum", "A fried snack.", ("A candle.", "A circuit board.", "A capsule.")),
        ("VisA/macaroni1", "Macaroni.", ("A candle.", "A cashew nut.", "Chewing gum.")),
        ("VisA/chewinggum", "A piece of chewing gum.", ("A candle.", "A nut.", "Pasta.")),
        ("DS-MVTec/grid", "A metal mesh.", ("A carpet.", "A metal nut.", "A sheet of leather.")),
        ("MVTec-LOCO/pushpins", "Thumbtacks.", ("A juice bottle.", "Screws.", "A lunch box.")),
        ("GoodsAD/drink_can", "A can.", ("A drink bottle.", "A box.", "A carton.")),
    ],
)
def test_products_are_known_by_their_everyday_names(
    tmp_path: Path, name: str, option: str, others: tuple[str, ...]
) -> None:
    dataset, object_name = name.split("/")
    known = {dataset.removeprefix("DS-"): {object_name: {"good": "As it should be."}}}
    (tmp_path / KNOWLEDGE).write_text(json.dumps(known), "utf-8")
    asked = Query(f"{name}/test/0.png", tmp_path / "0.png", (), {})
    beside = Query("Other/thing/test/0.png", tmp_path / "1.png", (), {})
    found = knowledge_files(
        Benchmark(tmp_path, (asked, beside), Key({}, frozenset())), tmp_path, None
    )
    text = found[name].read_text("utf-8")
    assert text.startswith("# Text: MMAD")
    file = load_knowledge(found[name]).file
    assert (file.product, file.normal) == (object_name.replace("_", " "), "As it should be.")
    grounds = Grounds((9, 9), products=(file.product, *file.aliases))
    weighed = weigh("What kind of product is displayed?", (*others, option), grounds)
    assert np.argmax(weighed.probabilities) == len(others)
    assert weighed.probabilities[-1] > 0.5
