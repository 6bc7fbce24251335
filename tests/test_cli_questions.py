"""``echo-iad bench make-questions`` as its users call it, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mmad.data import SUBTASKS, read_benchmark
from tests.conftest import Command, assert_fails, save
from tests.factory import make_washers, write_knowledge
from tests.labelled import make_pair

WASHER = Path("Acme") / "washer"


@pytest.fixture
def factory(tmp_path: Path, small_inputs: None) -> Path:
    make_washers(tmp_path / WASHER)
    return tmp_path


def test_it_writes_a_file_that_the_benchmark_reads(run: Command, factory: Path) -> None:
    knowledge = write_knowledge(factory / "washer.yaml")
    result = run("bench", "make-questions", factory / "Acme", "--knowledge", knowledge)
    assert (result.code, result.err) == (0, "")
    assert re.search(r"Acme/washer +│ 19 +│ 15 +│ 103 +│ washer.yaml", result.out)
    benchmark = read_benchmark(factory)
    asked = [question.subtask for _, question in benchmark.questions]
    counted = ", ".join(f"{subtask} {asked.count(subtask)}" for subtask in SUBTASKS)
    assert f"Wrote {factory / 'mmad.json'}: 103 questions. {counted}." in result.out
    assert set(asked) == set(SUBTASKS)


def test_its_results_for_programs(run: Command, factory: Path) -> None:
    result = run("bench", "make-questions", factory, "--json")
    assert result.code == 0
    told = json.loads(result.out)
    assert told["file"] == str(factory / "mmad.json")
    assert told["objects"]["Acme/washer"]["knowledge"] is None
    asked = [question.subtask for _, question in read_benchmark(factory).questions]
    counts = {subtask: asked.count(subtask) for subtask in set(asked)}
    assert told["objects"]["Acme/washer"]["questions"] == counts
    assert "Defect Analysis" not in counts
    assert result.err.startswith("Acme/washer: no knowledge file fits, so effects and")


def test_only_its_own_file_is_made_anew(run: Command, factory: Path) -> None:
    path = factory / "mmad.json"

    def make(*options: object) -> None:
        assert run("bench", "make-questions", factory, *options).code == 0

    make()
    first = path.read_bytes()
    make("--seed", 1)
    assert path.read_bytes() != first
    entries = json.loads(first)
    for foreign in ("{}", "no JSON", json.dumps({**entries, "other.png": {"conversation": []}})):
        path.write_text(foreign, encoding="utf-8")
        assert_fails(
            run("bench", "make-questions", factory),
            rf"{path}: is there already, and was not made by this command; name another file by "
            "--out, or overwrite it by --force",
        )
        assert path.read_text(encoding="utf-8") == foreign
    make("--force")
    assert path.read_bytes() == first
    assert [p.name for p in factory.iterdir()] == ["Acme", "mmad.json"]


def test_a_file_elsewhere_says_where_it_belongs(run: Command, factory: Path) -> None:
    out = factory / "elsewhere.json"
    result = run("bench", "make-questions", factory / WASHER, "--out", out, "--object", "washer")
    assert result.code == 0
    assert f"below {factory.resolve()}: to ask the questions, put it there as mmad.json" in (
        result.err
    )
    out.rename(factory / "mmad.json")
    assert len(read_benchmark(factory).queries) == 19


def test_masks_that_mark_nothing_are_told(run: Command, factory: Path) -> None:
    save(factory / WASHER / "ground_truth/pore/000_mask.png", np.zeros((96, 96), np.uint8))
    result = run("bench", "make-questions", factory)
    assert result.code == 0
    name = "Acme/washer/test/pore/000.png"
    assert f"Acme/washer: no place is asked of {name}, whose masks mark nothing.\n" in result.err
    asked = json.loads((factory / "mmad.json").read_bytes())[name]["conversation"]
    assert "Defect Localization" not in {question["type"] for question in asked}


def no_test(root: Path) -> None:
    shutil.rmtree(root / WASHER / "test")


def no_train(root: Path) -> None:
    shutil.rmtree(root / WASHER / "train")


def no_masks(root: Path) -> None:
    shutil.rmtree(root / WASHER / "ground_truth" / "pore")


def no_good(root: Path) -> None:
    shutil.rmtree(root / WASHER / "test" / "good")


def only_good(root: Path) -> None:
    for folder in (root / WASHER / "test").iterdir():
        if folder.name != "good":
            shutil.rmtree(folder)


def broken_mask(root: Path) -> None:
    (root / WASHER / "ground_truth" / "pore" / "001_mask.png").write_text("no image")


def small_mask(root: Path) -> None:
    save(root / WASHER / "ground_truth" / "pore" / "001_mask.png", np.ones((48, 48), np.uint8))


def broken_image(root: Path) -> None:
    (root / WASHER / "train" / "good" / "002.png").write_text("no image")


def pair(root: Path) -> None:
    make_pair(root / "Acme" / "plain")


def depths(root: Path) -> None:
    make_washers(root / "washer")


def empty(root: Path) -> None:
    shutil.rmtree(root / "Acme")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_test, "ROOT/Acme/washer: has train/good, but no folder test; put defective images .*"),
        (no_train, "ROOT/Acme/washer: has test images, but no folder train/good; put normal .*"),
        (no_masks, r"ROOT/.*/test/pore/000.png: has no mask of its defect, and so have 3 more .*"),
        (no_good, "ROOT/Acme/washer: has no good test image; put some into ROOT/.*/test/good"),
        (only_good, "ROOT/Acme/washer: has no defective test image; put some into ROOT/.*/KIND"),
        (broken_mask, r"ROOT/.*/pore/001_mask.png: the mask cannot be read \(.*\); export it .*"),
        (small_mask, "ROOT/.*/pore/001_mask.png: the mask is 48 × 48 px, but .* is 96 × 96 px; .*"),
        (broken_image, "ROOT/.*/train/good/002.png: .*"),
        (pair, r"ROOT/Acme/plain: expected the layout of MVTec AD .*; convert it, or leave .*"),
        (depths, "ROOT: its objects do not all lie in it, or all in data sets in it; name one .*"),
        (empty, "ROOT: no object in it; expected .*"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_trees_get_one_sentence(
    run: Command, factory: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(factory)
    result = run("bench", "make-questions", factory)
    assert_fails(result, sentence.replace("ROOT", re.escape(str(factory))))
    assert not (factory / "mmad.json").exists()


def test_bad_names_and_knowledge_get_one_sentence(run: Command, factory: Path) -> None:
    def fails(sentence: str, *options: object) -> None:
        assert_fails(run("bench", "make-questions", *options), sentence)

    fails(f"{factory}: no object 'nut'; there are Acme/washer", factory, "--object", "nut")
    fails(f"{factory / 'x'}: no such folder; .*", factory / "x")
    rules = factory / "rules"
    rules.mkdir()
    fails(f"{rules}: has no knowledge file .*; write one .*", factory, "--knowledge", rules)
    fails(f"{rules}: is a folder; name a file, .*", factory, "--out", rules)
    nut = write_knowledge(rules / "nut.yaml")
    nut.write_text(nut.read_text().replace("washer", "nut"))
    write_knowledge(rules / "gear.yaml").write_text("product: gear\nnormal: Round.\n")
    fails(f"{rules}: fits no object; write the name .*", factory, "--knowledge", rules)
    nut.write_text("product: nut\n")
    fails(f"{nut}:1: normal: .*", factory, "--knowledge", nut)
