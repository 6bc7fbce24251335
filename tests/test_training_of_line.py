"""Short runs of the real training for a line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from echo import (
    HistoryError,
    Inspection,
    Inspector,
    ProductLine,
    Reviews,
    open_mllm,
    replay_inspection,
)
from echo.manifest import ADAPTER_WEIGHTS
from echo.progress import Progress
from echo.storage import hash_files
from echo.training import adapting, training
from echo.training.adapting import RECIPE_OF_LINE, put_in_line, run_folder, train_line
from echo.training.embedded import invented, train_embedded
from echo.training.of_line import judged_images, lessons_of
from echo.training.recipe import Recipe
from echo.training.training import held
from experts.errors import MLLMUnavailableError, TrainingError
from experts.mllm.nano import base
from experts.mllm.nano.loading import revision
from tests.clip_models import VIT, write_model
from tests.conftest import Command, assert_fails, bad_part, good_part, save
from tests.ruled_lines import LENIENT, STRICT, ruled

TINY = Recipe(
    steps=2, lessons=2, asks=2, rank=2, first_layer=28, warmup=1, checkpoint=1, examined=1
)
WEIGHTS = Path(ADAPTER_WEIGHTS).name


def adapted(line: ProductLine, start: Path) -> ProductLine:
    with Progress(show=False) as bars:
        return train_line(line, TINY, bars, start)


def enrolled(home: Path, first: int = 0) -> ProductLine:
    """The line ``washer`` of four images, which lie in this home beside its rules."""
    for seed in range(first, first + 4):
        save(home / f"good-{first}" / f"{seed}.png", good_part(seed))
    (home / "washer.yaml").write_text(STRICT)
    good, rules = home / f"good-{first}", home / "washer.yaml"
    return ProductLine.enroll("washer", good, rules, alpha=0.4, home=home, progress=False)


@pytest.fixture(scope="module")
def start(nano_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters to begin with."""
    with Progress(show=False) as bars:
        return train_embedded(TINY, tmp_path_factory.mktemp("start"), nano_home, bars)


@pytest.fixture(scope="module")
def new_home(nano_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes homes that share the unpacked base weights."""

    def make(name: str) -> Path:
        home = tmp_path_factory.mktemp(name)
        (home / "nano").mkdir()
        unpacked = base.unpacked(nano_home)
        (home / "nano" / unpacked.name).symlink_to(unpacked)
        return home

    return make


@pytest.fixture(scope="module")
def untrained(new_home: Callable[[str], Path]) -> ProductLine:
    """A line that no test changes."""
    return enrolled(new_home("untrained"))


@pytest.fixture(scope="module")
def trained(untrained: ProductLine, start: Path, new_home: Callable[[str], Path]) -> ProductLine:
    """The same line, trained for, beside another; no test changes it."""
    home = copied(untrained, new_home("trained")).home
    shutil.copytree(untrained.folder, home / "lines" / "nut")
    manifest = home / "lines" / "nut" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"washer"', '"nut"', 1))
    Inspector(ProductLine.load("washer", home=home)).inspect(home / "bad.png")
    return adapted(ProductLine.load("washer", home=home), start)


def copied(line: ProductLine, home: Path) -> ProductLine:
    """The line in another home, with all that lies beside it but its run."""
    (home / "nano").mkdir(exist_ok=True)
    for weights in (line.home / "nano").iterdir():
        if weights.is_symlink() and not (home / "nano" / weights.name).exists():
            (home / "nano" / weights.name).symlink_to(weights.resolve())
    for folder in ("lines", "history"):
        if (line.home / folder).exists():
            shutil.copytree(line.home / folder, home / folder)
    save(home / "bad.png", bad_part(60))
    rules = home / "washer.yaml"
    rules.write_text(STRICT)
    return ProductLine.load("washer", home=home)


@pytest.fixture
def own(trained: ProductLine, tmp_path: Path) -> ProductLine:
    """The line that was trained for, to be changed."""
    return copied(trained, tmp_path)


def has_adapters(line: ProductLine) -> bool:
    return ADAPTER_WEIGHTS in ProductLine.at(line.folder).manifest.parts


def test_the_line_gets_adapters_and_others_do_not(
    trained: ProductLine, untrained: ProductLine, start: Path
) -> None:
    adapters = trained.adapters
    assert adapters is not None
    assert revision(adapters.folder) == trained.language_revision != revision(start)
    trained_parts, parts = trained.manifest.parts, untrained.manifest.parts
    assert set(trained_parts) - set(parts) == {
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors"
    }  # fmt: skip
    assert parts.items() <= trained_parts.items()
    nut = ProductLine.load("nut", home=trained.home)
    assert (nut.adapters, nut.language_revision) == (None, None)
    # What the run leaves behind tells how it went, and is not gone on with.
    left = {path.name for path in run_folder(trained).iterdir() if not path.name.startswith(".")}
    assert left == {"losses.jsonl", "losses.png", "run.json"}


def test_its_explanations_come_from_its_own_adapters(trained: ProductLine) -> None:
    inspection = Inspector(trained, keep=False, mllm="nano").inspect(trained.home / "bad.png")
    assert inspection.faults == ()
    assert inspection.explanation is not None
    assert inspection.explanation.revision == trained.language_revision
    model = open_mllm("nano", line="washer", home=trained.home)
    assert model is open_mllm("nano", line="washer", home=trained.home)
    assert model is not None
    assert model.revision == trained.language_revision


def test_teaching_adding_and_other_rules_keep_them(own: ProductLine) -> None:
    before = own.adapters
    for changed in (
        own.teach("pit", [bad_part(i) for i in range(60, 63)], progress=False),
        ruled(ProductLine.at(own.folder), LENIENT),
        ProductLine.at(own.folder).add([good_part(80)], progress=False),
        ProductLine.at(own.folder).forget("pit"),
    ):
        assert changed.adapters == before is not None


def test_who_opened_the_line_before_goes_on(untrained: ProductLine, tmp_path: Path) -> None:
    opened = copied(untrained, tmp_path)
    inspector = Inspector(opened)
    inspector.inspect(opened.home / "bad.png")
    adapter = tmp_path / "some"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / WEIGHTS).write_bytes(b"weights")
    put_in_line(opened, adapter)
    assert inspector.inspect(opened.home / "bad.png").faults == ()
    assert has_adapters(opened.teach("pit", [bad_part(i) for i in range(60, 63)], progress=False))


def test_enrolling_anew_drops_them_and_replays_go_on(own: ProductLine) -> None:
    (identifier,) = (record.id for record in Reviews("washer", own.home)._archive.records())
    assert replay_inspection(identifier, own.home / "bad.png", own.home).reproduced
    anew = enrolled(own.home)
    assert (anew.adapters, has_adapters(own)) == (None, False)


def test_removing_images_drops_them(own: ProductLine) -> None:
    assert has_adapters(own)
    assert own.remove([1], progress=False).adapters is None


def test_a_run_that_was_cut_off_goes_on(
    trained: ProductLine,
    untrained: ProductLine,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = copied(untrained, tmp_path)
    before, steps, learn = hash_files(line.folder), [], training._Run.learn

    def cut_off(run: training._Run, step: int) -> training.Point:
        steps.append(step)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return learn(run, step)

    monkeypatch.setattr(training._Run, "learn", cut_off)
    with pytest.raises(KeyboardInterrupt):
        adapted(line, start)
    assert hash_files(line.folder) == before
    done = adapted(line, start)
    assert steps == [0, 1, 1]
    found, expected = (load_file(at.folder / ADAPTER_WEIGHTS) for at in (done, trained))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_a_line_that_is_another_by_now_does_not_get_them(
    untrained: ProductLine, start: Path, tmp_path: Path
) -> None:
    line = copied(untrained, tmp_path)
    enrolled(tmp_path, first=10)
    said = (
        rf"line 'washer' was changed or removed while its adapters were trained, so it does not "
        rf"get them; they stay in {start}; to train for the line as it is now: "
        r"echo-iad train nano --line washer$"
    )
    with pytest.raises(TrainingError, match=said):
        put_in_line(line, start)
    assert not has_adapters(line)
    shutil.rmtree(line.folder)
    with pytest.raises(TrainingError, match=said):
        put_in_line(line, start)
    assert not line.folder.exists()


def test_a_run_of_another_line_is_forgotten(
    untrained: ProductLine, start: Path, tmp_path: Path
) -> None:
    line = copied(untrained, tmp_path)
    folder = run_folder(line)
    folder.mkdir(parents=True)
    adapting._begin(folder, line, start)
    checkpoint = folder / training.CHECKPOINT
    checkpoint.write_bytes(b"steps")
    adapting._begin(folder, ruled(line, LENIENT), start)
    assert checkpoint.exists()
    adapting._begin(folder, enrolled(tmp_path, first=10), start)
    assert not checkpoint.exists()
    checkpoint.write_bytes(b"steps")
    (folder / adapting.BEGUN).write_bytes(b"\xff")
    adapting._begin(folder, line, start)
    assert not checkpoint.exists()


def test_adapters_to_begin_with_that_lack_their_weights_are_named(
    untrained: ProductLine, start: Path, tmp_path: Path
) -> None:
    line, lacking = copied(untrained, tmp_path), tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "adapter_config.json").write_bytes((start / "adapter_config.json").read_bytes())
    with pytest.raises(MLLMUnavailableError, match=r"lacking/adapter_model.+: cannot be read"):
        adapted(line, lacking)


def test_damaged_adapters_leave_inspections_without_language_model(own: ProductLine) -> None:
    path = own.folder / ADAPTER_WEIGHTS
    path.unlink()
    path.write_bytes(b"others")
    inspection = Inspector(own, keep=False, mllm="nano").inspect(own.home / "bad.png")
    assert (inspection.verdict, inspection.explanation) == ("reject", None)
    assert inspection.faults == (
        f"without language model: line 'washer' is damaged: {path}: its contents are not those "
        "that were enrolled; enrol the line again",
    )


def test_every_other_lesson_is_of_the_line(untrained: ProductLine) -> None:
    recipe = TINY.model_copy(update={"asks": 18})
    source = lessons_of(untrained, recipe)
    own = [source(number) for number in range(1, 16, 2)]
    assert [lesson.line for lesson in own] == ["washer"] * 8
    assert all("The product is a washer." in lesson.sheet for lesson in own)
    verdicts = {lesson.sheet.split("The verdict on this washer is ")[1][:6] for lesson in own}
    assert "reject" in verdicts
    assert len(verdicts) > 1
    assert all(len(lesson.asks) > 9 for lesson in own)
    others = invented(recipe)
    assert all(source(number) == others(number) for number in range(0, 6, 2))
    again = lessons_of(ProductLine.at(untrained.folder), recipe)
    assert [again(number) for number in (1, 5)] == [own[0], own[2]]


def judged(line: ProductLine, *images: Path) -> None:
    for inspection in Inspector(line, mllm="none").inspect_many(images):
        assert isinstance(inspection, Inspection)
        reviews = Reviews(line.name, line.home)
        reviews.resolve(str(inspection.id), "reject", by="Ada", reason="a hole")


def test_parts_that_people_judged_are_learned_from(
    untrained: ProductLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = copied(untrained, tmp_path)
    images = [save(tmp_path / f"{seed}.png", bad_part(seed)) for seed in range(50, 54)]
    judged(line, *images, images[0].with_name("bad.png"))
    images[1].unlink()
    Image.open(images[2]).rotate(90).save(images[2])
    found = [image.name for image in judged_images(line)]
    assert found == [str(images[0]), str(images[3]), str(tmp_path / "bad.png")]
    monkeypatch.setattr("experts.simulating.simulate.simulate", None)
    monkeypatch.setattr("echo.training.of_line.UNTOUCHED", 1)
    source = lessons_of(line, TINY)
    sheets = [source(number).sheet for number in range(1, 24, 2)]
    rejected = sum("The verdict on this washer is reject." in sheet for sheet in sheets)
    # Normal images stay as they are here, so these come from judged ones: a third at most.
    assert 1 <= rejected <= 8
    assert not any("Ada" in sheet for sheet in sheets)


def test_a_line_without_images_learns_from_judged_parts_alone(tmp_path: Path) -> None:
    encoder = f"open_clip:{write_model(tmp_path / 'vit', VIT)}"
    line = ProductLine.enroll("washer", None, encoder=encoder, home=tmp_path, progress=False)
    with pytest.raises(TrainingError, match=r"was enrolled without images, and no image of a part"):
        lessons_of(line, TINY)
    part = save(tmp_path / "part.png", bad_part(3))
    judged(line, part)
    source = lessons_of(line, TINY)
    lesson = source(1)
    assert lesson.line == "washer"
    assert "The verdict on this part is review." in lesson.sheet
    part.unlink()
    with pytest.raises(TrainingError, match=r"the judged images of line 'washer' are gone"):
        source(3)


def test_the_recipe_for_lines_takes_over_what_the_adapters_have(start: Path) -> None:
    recipe = Recipe.read(RECIPE_OF_LINE)
    fitted = adapting.fitting(recipe, start)
    assert (fitted.rank, fitted.first_layer) == (2, 28)
    assert fitted.model_copy(update={"rank": 32, "first_layer": 8}) == recipe
    other = Recipe(rank=4)
    with pytest.raises(TrainingError, match=r"rank: 4, but .+ have 2; leave rank out"):
        adapting.fitting(other, start)
    with pytest.raises(TrainingError, match="no adapters to begin with; install Echo again"):
        adapting.fitting(recipe, start / "gone")


def test_another_process_waits(untrained: ProductLine, start: Path, tmp_path: Path) -> None:
    line = copied(untrained, tmp_path)
    folder = adapting.run_folder(line)
    with held(folder, "it"), pytest.raises(TrainingError, match="another process trains for"):
        adapted(line, start)


def test_from_the_command_line(
    run: Command,
    untrained: ProductLine,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = copied(untrained, tmp_path)
    monkeypatch.setattr(adapting, "SHIPPED", start)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("\n".join(f"{k}: {v}" for k, v in TINY.model_dump().items()))
    command = ("train", "nano", "--line", "washer", "--recipe", recipe, "--home", tmp_path)
    done = run(*command, "--json")
    assert (done.code, done.err) == (0, "")
    now = ProductLine.at(line.folder).language_revision
    curves = tmp_path / "nano" / "runs" / "washer" / "losses.png"
    assert json.loads(done.out) == {"line": "washer", "revision": now, "losses": str(curves)}
    assert curves.is_file()
    (listed,) = json.loads(run("lines", "--home", tmp_path, "--json").out)
    assert listed["nano"] == now
    assert f"│ {now} │" in run("lines", "--home", tmp_path).out
    again = run("enroll", "washer", *(untrained.home / "good-0").iterdir(), "--alpha", "0.4",
                "--home", tmp_path)  # fmt: skip
    lost = "Its own language model is lost, train it again: echo-iad train nano --line washer"
    assert lost in again.out.splitlines()
    assert "own nano" not in run("lines", "--home", tmp_path).out


def test_what_the_command_refuses(run: Command, tmp_path: Path) -> None:
    assert_fails(
        run("train", "nano", "--line", "nut"), r"no line 'nut' in .+; none is enrolled; .+"
    )
    both = run("train", "nano", "--line", "nut", "--out", tmp_path)
    assert both.code == 2
    assert "Give --out or --line, not both." in both.err
    assert "Example: echo-iad train nano --line washer" in run("train", "nano", "--help").out


def test_what_cannot_be_read_is_said(untrained: ProductLine, start: Path, tmp_path: Path) -> None:
    line = copied(untrained, tmp_path)
    (tmp_path / "history").mkdir(exist_ok=True)
    (tmp_path / "history" / "washer.sqlite").write_bytes(b"no database, only text" * 50)
    with pytest.raises(HistoryError, match=r"washer\.sqlite: "):
        adapted(line, start)
