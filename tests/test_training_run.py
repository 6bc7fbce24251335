"""Short runs of the real training of the real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from echo import open_mllm
from echo.progress import Progress
from echo.training.checkpoint import save_checkpoint
from echo.training.embedded import SHIPPED_RECIPE, train_embedded
from echo.training.recipe import Recipe
from echo.training.training import CHECKPOINT, CURVES, LOG, held, learning_rate
from experts.errors import MLLMUnavailableError, TrainingError
from experts.mllm.base import user
from experts.mllm.nano.loading import load_nano
from tests.conftest import Command, assert_fails

# So fast that two steps show, though the weights are rounded to bfloat16.
SHORT = Recipe(
    steps=2,
    lessons=1,
    asks=2,
    rank=2,
    first_layer=28,
    learning_rate=0.02,
    warmup=1,
    checkpoint=1,
    examined=1,
)
WEIGHTS = "adapter_model.safetensors"


def trained(recipe: Recipe, folder: Path, home: Path) -> Path:
    with Progress(show=False) as bars:
        return train_embedded(recipe, folder, home, bars)


@pytest.fixture(scope="module")
def whole(nano_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    trained(SHORT, folder, nano_home)
    return folder


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    whole: Path, nano_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from echo.training import training

    class CutOffError(Exception):
        pass

    learn = training._Run.learn

    def cut_off(run: training._Run, step: int) -> training.Point:
        if step == 1:
            raise CutOffError
        return learn(run, step)

    monkeypatch.setattr(training._Run, "learn", cut_off)
    with pytest.raises(CutOffError):
        trained(SHORT, tmp_path, nano_home)
    monkeypatch.setattr(training._Run, "learn", learn)
    adapter = trained(SHORT, tmp_path, nano_home)
    expected = load_file(whole / "adapter" / WEIGHTS)
    found = load_file(adapter / WEIGHTS)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert (tmp_path / LOG).read_text() == (whole / LOG).read_text()


def test_a_run_that_was_cut_off_at_its_checkpoint_has_no_gap(
    whole: Path, nano_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from echo.training import training

    def cut_off(*given: Any) -> None:
        save_checkpoint(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "save_checkpoint", cut_off)
        with pytest.raises(KeyboardInterrupt):
            trained(SHORT, tmp_path, nano_home)
    trained(SHORT, tmp_path, nano_home)
    assert (tmp_path / LOG).read_text() == (whole / LOG).read_text()


def test_another_process_that_trains_into_the_folder_is_told(
    nano_home: Path, tmp_path: Path
) -> None:
    with held(tmp_path, "it"), pytest.raises(TrainingError, match="another process trains into"):
        trained(SHORT, tmp_path, nano_home)


def test_a_run_changes_the_weights_and_tells_its_course(whole: Path) -> None:
    weights = load_file(whole / "adapter" / WEIGHTS)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert any(bool(tensor.any()) for name, tensor in weights.items() if "lora_B" in name)
    points = [json.loads(line) for line in (whole / LOG).read_text().splitlines()]
    assert [(p["step"], p["examined"]) for p in points] == [
        (0, False), (0, True), (1, False), (1, True)
    ]  # fmt: skip
    assert all(0 < p["writing"] < 10 for p in points)
    with Image.open(whole / CURVES) as curves:
        assert curves.size[0] > 500


def test_trained_adapters_can_be_loaded(whole: Path, nano_home: Path) -> None:
    model = load_nano(nano_home, whole / "adapter")
    base = load_nano(nano_home, None)
    asked = [user("Is 7 more than 5?")]
    assert model.revision != base.revision
    ours, theirs = (m.choose(asked, ["Yes", "No"]).probabilities for m in (model, base))
    assert ours != theirs
    assert ours == pytest.approx(theirs, abs=0.4)


def test_trained_adapters_can_be_set(whole: Path, nano_home: Path, tmp_path: Path) -> None:
    own = load_nano(nano_home, whole / "adapter")
    for setting in (whole, whole / "adapter"):
        model = open_mllm(setting, home=nano_home)
        assert model is not None
        assert model.revision == own.revision
    (tmp_path / "adapter_config.json").write_bytes(
        (whole / "adapter" / "adapter_config.json").read_bytes()
    )
    with pytest.raises(MLLMUnavailableError, match=r"adapter_model\.safetensors: cannot be read"):
        open_mllm(tmp_path, home=nano_home)


def test_another_recipe_does_not_go_on(whole: Path, nano_home: Path) -> None:
    with pytest.raises(
        TrainingError, match="of a run by another recipe or on other lessons; delete it, or"
    ):
        trained(SHORT.model_copy(update={"seed": 1}), whole, nano_home)


def test_a_damaged_checkpoint_is_named(nano_home: Path, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"no weights")
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors: cannot be read"):
        trained(SHORT, tmp_path, nano_home)


def test_a_damaged_checkpoint_that_lacks_weights_is_named(
    whole: Path, nano_home: Path, tmp_path: Path
) -> None:
    path = tmp_path / CHECKPOINT
    with safe_open(whole / CHECKPOINT, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(whole / CHECKPOINT)
    save_file({n: t for n, t in tensors.items() if "lora_B" not in n}, path, metadata=metadata)
    with pytest.raises(TrainingError, match=r"cannot be read \(.+lora_B.+ is missing\); delete"):
        trained(SHORT, tmp_path, nano_home)


def test_a_damaged_log_is_named(whole: Path, nano_home: Path, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes((whole / CHECKPOINT).read_bytes())
    (tmp_path / LOG).write_text('{"step": 0\n')
    with pytest.raises(TrainingError, match=r"losses\.jsonl: cannot be read .+; delete it"):
        trained(SHORT, tmp_path, nano_home)


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(steps=100, warmup=10, learning_rate=1e-3)
    rates = [learning_rate(step, recipe) for step in range(100)]
    assert max(rates) == rates[9] == pytest.approx(1e-3)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4, rel=0.01)


def test_the_shipped_recipe_is_the_default() -> None:
    assert Recipe.read(SHIPPED_RECIPE) == Recipe()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: 0", r".+recipe\.yaml: steps: Input should be greater than or equal to 1; the .+"),
        ("pace: 1", r".+recipe\.yaml: pace: Extra inputs are not permitted; the fields are .+"),
        ("a: [", r".+recipe\.yaml: is no YAML text; see .+"),
    ],
)
def test_a_faulty_recipe_is_told(run: Command, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert_fails(run("train", "nano", "--recipe", path, "--out", tmp_path / "out"), said)


def test_a_recipe_that_is_not_there(run: Command, tmp_path: Path) -> None:
    said = r".+gone\.yaml: cannot be read \(No such file or directory\); name a recipe"
    assert_fails(run("train", "nano", "--recipe", tmp_path / "gone.yaml"), said)


def test_training_from_the_command_line(run: Command, nano_home: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    path.write_text("\n".join(f"{k}: {v}" for k, v in SHORT.model_dump().items()))
    done = run("train", "nano", "--recipe", path, "--out", out, "--home", nano_home, "--json")
    assert (done.code, json.loads(done.out)["adapter"]) == (0, str(out / "adapter"))
    assert (out / "adapter" / WEIGHTS).is_file()


def test_a_first_layer_behind_the_last_one(nano_home: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="first_layer is 30, but the model has 30 layers; "):
        trained(SHORT.model_copy(update={"first_layer": 30}), tmp_path, nano_home)


def test_a_file_is_no_folder_to_train_into(run: Command, nano_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    done = run("train", "nano", "--out", out, "--home", nano_home)
    assert (done.code, done.out, out.read_text()) == (2, "", "mine")
    assert str(out) in done.err
    assert "Traceback" not in done.err
