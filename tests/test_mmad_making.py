"""Questions made from labelled images: each answer is checked against the labels once more."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.mmad.data import read_benchmark
from benchmarks.mmad.making import make_questions, write_questions
from benchmarks.mmad.making_knowledge import Library, kinds_of, wrong_kinds
from benchmarks.mmad.making_tree import read_tree
from tests.factory import KINDS, make_washers, write_knowledge

Entries = dict[str, dict[str, Any]]
MINI = Path(__file__).parents[2] / "shared" / "data" / "mmad_mini"
PRODUCT = {"Object Classification", "Object Analysis"}
NINE = (
    ("Top left.", "Top.", "Top right."),
    ("Left.", "Center.", "Right."),
    ("Bottom left.", "Bottom.", "Bottom right."),
)


def make(root: Path, knowledge: Path | None = None, seed: int = 0) -> Entries:
    return dict(make_questions(read_tree(root), Library(knowledge), seed, False).entries)


def right_texts(entry: dict[str, Any]) -> dict[str, str]:
    """The right option of each question of an image, by its subtask."""
    asked = entry["conversation"]
    texts = {question["type"]: question["Options"][question["Answer"]] for question in asked}
    assert len(texts) == len(asked), "a subtask is asked twice"
    return texts


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """A data set with one object, and what is known of it beside."""
    make_washers(tmp_path / "Acme" / "washer")
    write_knowledge(tmp_path / "washer.yaml")
    return tmp_path


@pytest.fixture
def entries(factory: Path, small_inputs: None) -> Entries:
    return make(factory / "Acme", factory / "washer.yaml")


def test_each_answer_is_that_of_the_labels(factory: Path, entries: Entries) -> None:
    assert len(entries) == 4 + 15
    for name, entry in entries.items():
        folder = name.split("/")[3]
        right = right_texts(entry)
        assert right.pop("Object Classification") == "Ring washer."
        normal = right.pop("Object Analysis")
        assert normal == "A flat ring with upright stripes and an even grey."
        assert right.pop("Anomaly Detection") == ("No." if folder == "good" else "Yes.")
        if folder in ("good", "combined"):
            assert right == {}
            continue
        mask = np.asarray(Image.open(factory / "Acme/washer/test" / entry["mask_path"])) > 0
        place = right.pop("Defect Localization", None)
        if place is not None:
            row, column = next((r, c) for r in range(3) for c in range(3) if NINE[r][c] == place)
            cell = mask[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            assert cell.sum() == mask.sum(), name
        if folder == "bad":  # of 22 by 22 px, 5 % of the image
            assert right == {"Defect Description": "About a twentieth of the image."}
            continue
        kind, appearance, effect = KINDS[folder]
        known = {"Defect Classification": kind, "Defect Description": appearance}
        assert right == known | ({"Defect Analysis": effect} if effect else {})


def test_places_are_asked_where_they_are_clear(entries: Entries) -> None:
    places = {
        "/".join(name.split("/")[3:]): right_texts(entry).get("Defect Localization")
        for name, entry in entries.items()
    }
    asked = {name: place for name, place in places.items() if place is not None}
    assert asked == {
        "pore/000.png": "Top left.",
        "pore/001.png": "Top.",
        "pore/002.png": "Bottom right.",
        "pore/003.png": "Center.",
        "scratch/000.png": "Left.",
        "scratch/001.png": "Right.",
        "scratch/002.png": "Bottom left.",
        "Burr/000.png": "Top right.",
        "Burr/001.png": "Bottom.",
        "bad/000.png": "Bottom right.",
    }


def test_letters_are_spread_and_no_option_stands_twice(entries: Entries) -> None:
    letters: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for entry in entries.values():
        for question in entry["conversation"]:
            options = question["Options"]
            folded = {text.casefold() for text in options.values()}
            assert len(folded) == len(options) >= 2
            assert list(options) == list("ABCD"[: len(options)])
            letters[question["type"], len(options)].update(question["Answer"])
    assert letters[("Anomaly Detection", 2)].total() == 19
    for (_, count), dealt in letters.items():
        times = [dealt["ABCD"[number]] for number in range(count)]
        assert max(times) - min(times) <= 1


def test_the_wording_varies_and_is_known_by_the_seed(
    factory: Path, entries: Entries, small_inputs: None
) -> None:
    stems = {entry["conversation"][0]["Question"] for entry in entries.values()}
    assert "Is there any defect in the object?" in stems
    assert len(stems) > 1
    again = make(factory / "Acme", factory / "washer.yaml")
    assert json.dumps(again) == json.dumps(entries)
    other = make(factory / "Acme", factory / "washer.yaml", seed=1)
    assert json.dumps(other) != json.dumps(entries)
    right = [{name: right_texts(e) for name, e in made.items()} for made in (entries, other)]
    assert right[0] == right[1]


def test_the_benchmark_reads_all_of_it(factory: Path, small_inputs: None) -> None:
    tree = read_tree(factory / "Acme")
    made = make_questions(tree, Library(factory / "washer.yaml"), progress=False)
    write_questions(made, tree.base / "mmad.json")
    benchmark = read_benchmark(factory)
    assert benchmark.left_out == ()
    assert benchmark.objects == ("Acme/washer",)
    assert len(list(benchmark.questions)) == made.objects[0].questions.total()
    assert benchmark.key.normal == {f"Acme/washer/test/good/{n:03d}.png" for n in range(4)}
    for query in benchmark.queries:
        for paths in query.templates.values():
            assert len(set(paths)) == 8
            assert all(path.is_file() and "train/good" in path.as_posix() for path in paths)


def test_the_most_similar_template_comes_first(entries: Entries) -> None:
    # Good test images are the very parts 3 to 6 of those that are enrolled.
    for number in range(4):
        first = entries[f"Acme/washer/test/good/{number:03d}.png"]["similar_templates"][0]
        assert first == f"Acme/washer/train/good/{number + 3:03d}.png"


@pytest.mark.parametrize("below", ["Acme/washer", "Acme", ""])
def test_names_are_data_set_and_object_wherever_one_starts(factory: Path, below: str) -> None:
    tree = read_tree(factory / below)
    assert tree.base == factory.resolve()
    assert [part.name for part in tree.objects] == ["Acme/washer"]
    assert tree.objects[0].kinds == ["Burr", "bad", "combined", "pore", "scratch", "tarnish"]


def test_several_masks_of_an_image_count_together(factory: Path, small_inputs: None) -> None:
    marks = factory / "Acme/washer/ground_truth/pore"
    whole = np.asarray(Image.open(marks / "000_mask.png"))
    (marks / "000_mask.png").unlink()
    (marks / "000").mkdir()
    for number, columns in enumerate([slice(0, 14), slice(14, 96)]):
        part = np.zeros_like(whole)
        part[:, columns] = whole[:, columns]
        Image.fromarray(part).save(marks / "000" / f"{number}.png")
    entry = make(factory / "Acme")["Acme/washer/test/pore/000.png"]
    assert entry["mask_path"] == "../ground_truth/pore/000"
    assert right_texts(entry)["Defect Localization"] == "Top left."


def test_the_file_of_a_product_is_found_by_name() -> None:
    library = Library()
    expected = {
        "MagneticTile/tile": "magnetic_tile.yaml",
        "mvtec/tile": "tile.yaml",
        "DeepPCB/pcb": "printed_circuit_board.yaml",
        "x/MetalNut": "metal_nut.yaml",
        "VisA/capsules": None,
        "x/line_3": None,
    }
    found = {name: library.fitting(name, only=True) for name in expected}
    assert {name: path and path.name for name, path in found.items()} == expected


def test_no_other_product_can_be_taken_for_it() -> None:
    library = Library()

    def others(*names: str) -> set[str]:
        return {knowledge.file.product for knowledge in library.others(names)}

    everything = others("gasket")
    assert len(everything) == 19
    assert everything - others("capsules") == {"capsule", "pill"}
    assert everything - others("drink_bottle") == {"bottle"}
    assert "tile" not in others("magnetic tile", "ferrite segment")


@pytest.mark.parametrize(
    ("folders", "right", "wrong"),
    [
        (["scratches"], "scratches", ["Crack.", "Hole.", "Stain."]),
        (["kratzer"], "kratzer", ["Crack.", "Hole.", "Stain."]),
        (["scratch", "scratch_head", "nick"], "scratch", ["Nick.", "Crack.", "Stain."]),
        (["crack_and_hole", "hole", "defect_1"], "hole", ["Crack.", "Scratch.", "Stain."]),
        (["zorb"], "zorb", []),
        (["zorb", "blip"], "zorb", ["Blip."]),
    ],
)
def test_few_kinds_are_filled_up_by_what_cannot_be_right(
    folders: list[str], right: str, wrong: list[str]
) -> None:
    kinds = kinds_of(folders, None)
    assert wrong_kinds(kinds[right], list(kinds.values()), None) == wrong


def test_kinds_that_the_file_knows_fill_up_first(tmp_path: Path) -> None:
    path = write_knowledge(tmp_path / "washer.yaml")
    knowledge = Library(path)[path]
    kinds = kinds_of(["pore"], knowledge)
    assert kinds["pore"].words == "Deep pit."
    assert wrong_kinds(kinds["pore"], list(kinds.values()), knowledge) == [
        "Scratch.",
        "Burr.",
        "Tarnish.",
    ]


@pytest.mark.skipif(not MINI.is_dir(), reason="the images of mmad_mini are not here")
def test_places_agree_with_those_that_others_made(tmp_path: Path, small_inputs: None) -> None:
    """Of the images that both ask about; the others' questions were made from the same masks."""
    theirs: Entries = json.loads((MINI / "mmad.json").read_bytes())
    asked = [MINI / name for name in theirs if "/good/" not in name]
    goods = [path for name in ("MagneticTile/tile", "DeepPCB/pcb") for path in few(MINI / name)]
    masks = [
        path.parents[2] / theirs[name_of(path)]["mask_path"].removeprefix("../") for path in asked
    ]
    for path in [*asked, *goods, *masks]:
        copy = tmp_path / path.relative_to(MINI)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
    places = [
        (ours, right_texts(theirs[name])["Defect Localization"])
        for name, entry in make(tmp_path).items()
        if (ours := right_texts(entry).get("Defect Localization")) is not None
    ]
    assert len(places) > 100
    assert all(ours == other for ours, other in places)


def name_of(path: Path) -> str:
    return path.relative_to(MINI).as_posix()


def few(folder: Path) -> list[Path]:
    """Two good images to enrol and one to test."""
    train = sorted((folder / "train" / "good").iterdir())[:2]
    return [*train, sorted((folder / "test" / "good").iterdir())[0]]
