"""Which language models there are, which of them are on a machine, and which suits it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from experts.errors import MLLMError, MLLMSettingError, MLLMUnavailableError
from experts.mllm.catalog import Entry, catalogue, hub_id
from experts.mllm.finding import (
    MAX_PARAMETERS_ON_CPU,
    RECORD,
    Record,
    RecordedFile,
    best_fit,
    find_model,
    folder_of,
    revision_of,
)
from experts.mllm.memory import PRECISIONS, Device, need, shape_of_config
from tests.conftest import Command
from tests.hub import COMMIT, serve
from tests.tiny_models import build

# As published with the weights, to the last one.
PUBLISHED = {
    "qwen2.5-vl-3b": 3_754_622_976,
    "qwen2.5-vl-7b": 8_292_166_656,
    "qwen2.5-vl-32b": 33_452_718_336,
    "qwen3-vl-2b": 2_127_532_032,
    "qwen3-vl-4b": 4_437_815_808,
    "qwen3-vl-8b": 8_767_123_696,
    "qwen3-vl-32b": 33_357_390_064,
    "smolvlm2-256m": 256_484_928,
    "smolvlm2-2.2b": 2_246_784_880,
    "gemma-3-4b": 4_300_079_472,
    "gemma-3-12b": 12_187_325_040,
    "gemma-3-27b": 27_432_406_640,
}
GB = 10**9


def entry_of(short: str) -> Entry:
    return next(entry for entry in catalogue() if entry.short == short)


@pytest.mark.parametrize("short", [entry.short for entry in catalogue()])
def test_the_catalogue_holds_what_is_counted_on_the_real_architecture(short: str) -> None:
    entry = entry_of(short)
    assert shape_of_config(entry.config) == entry.shape
    assert entry.shape.parameters == PUBLISHED.get(short, entry.shape.parameters)


def test_names_are_told_apart_and_found() -> None:
    assert len({name for entry in catalogue() for name in (entry.id, entry.short)}) == 36
    assert hub_id("Qwen2.5-VL-7B") == hub_id("Qwen/Qwen2.5-VL-7B-Instruct") == catalogue()[1].id


def pretend(short: str, home: Path) -> Path:
    """A folder as a pull leaves it, with little in it."""
    identifier = entry_of(short).id
    folder = folder_of(identifier, home)
    folder.mkdir(parents=True)
    held = {"config.json": b"{}", "model.safetensors": b"weights"}
    files = {name: RecordedFile(size=len(data), sha256="") for name, data in held.items()}
    for name, data in held.items():
        (folder / name).write_bytes(data)
    record = Record(id=identifier, revision="main", commit=COMMIT, files=files)
    (folder / RECORD).write_text(record.model_dump_json())
    return folder


def gpu(gigabytes: float) -> Device:
    return Device("GPU", int(gigabytes * GB), is_gpu=True)


def test_the_best_fit(tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def best(device: Device) -> tuple[str, str] | None:
        fit = best_fit(tmp_path, device=device, cache=cache)
        return None if fit is None else (fit.entry.short, fit.precision)

    assert best(gpu(80)) is None
    pretend("qwen2.5-vl-3b", tmp_path)
    pretend("smolvlm2-256m", tmp_path)
    large = pretend("qwen2.5-vl-7b", tmp_path)
    assert best(gpu(80)) == ("qwen2.5-vl-7b", "bf16")
    assert best(gpu(12)) == ("qwen2.5-vl-7b", "int8")
    # Four bits of the larger one before sixteen of the smaller one.
    assert best(gpu(8.5)) == ("qwen2.5-vl-7b", "nf4")
    assert best(gpu(6)) == ("qwen2.5-vl-3b", "int8")
    assert best(gpu(1)) == ("smolvlm2-256m", "bf16")
    assert best(gpu(0.1)) is None
    # A processor would take minutes for the larger one.
    assert best(Device("CPU", 80 * GB, is_gpu=False)) == ("qwen2.5-vl-3b", "bf16")
    assert entry_of("qwen2.5-vl-7b").shape.parameters > MAX_PARAMETERS_ON_CPU
    # What is not whole is no choice.
    (large / "model.safetensors").write_bytes(b"cut")
    assert best(gpu(80)) == ("qwen2.5-vl-3b", "bf16")
    with pytest.raises(
        MLLMUnavailableError, match=r"model\.safetensors: is missing or cut off; ru"
    ):
        find_model("qwen2.5-vl-7b", tmp_path)


def local(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = build("qwen2_5_vl", tmp_path / "model")
    found = find_model(str(folder), tmp_path / "home")
    assert (found.folder, found.name) == (folder, str(folder))
    assert found.revision.startswith("files-")


INDEX = b'{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "x.safetensors"}}'


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"model.safetensors": b""}, "holds no config.json; it must hold a model's files as the"),
        ({"config.json": b""}, "holds neither model.safetensors nor model.safetensors.index.json"),
        (
            {"config.json": b"", "pytorch_model.bin": b""},
            "pytorch_model.bin: is a pickle, which ca",
        ),
        (
            {"config.json": b"", "model.safetensors.index.json": INDEX},
            "lacks model-00001-of-00002.safetensors, which its model.safetensors.index.json names;",
        ),
        *(
            (
                {"config.json": b"", "model.safetensors.index.json": index},
                "index.json: does not say which file holds which weight; fetch it again",
            )
            for index in (
                b"[]",
                b'{"weight_map": {}}',
                b'{"weight_map": {"a": 5}}',
                b'{"weight_map": {"a": "../../other/model.safetensors"}}',
                b'{"weight_map": {"a": "%b"}}' % (300 * b"n"),
                100_000 * b"[",
            )
        ),
    ],
)
def test_a_folder_that_holds_no_whole_model(
    files: dict[str, bytes], sentence: str, tmp_path: Path
) -> None:
    folder = local(tmp_path / "model", files)
    with pytest.raises(MLLMUnavailableError) as failure:
        find_model(str(folder), tmp_path)
    assert str(failure.value).startswith(str(folder))
    assert sentence in str(failure.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MLLMUnavailableError) as failure:
        find_model("Qwen2.5-VL-7B@v1", tmp_path, cache=tmp_path)
    assert str(failure.value) == (
        "Qwen2.5-VL-7B@v1 is not on this machine; run: echo-iad models pull "
        "Qwen/Qwen2.5-VL-7B-Instruct --revision v1"
    )
    with pytest.raises(MLLMUnavailableError, match=r"nowhere: there is no such folder; check the"):
        find_model(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(MLLMSettingError, match="'best' is no model's name; give one as ORG/NAME, "):
        find_model("best", tmp_path)


@pytest.mark.parametrize("setting", ["~nobody-of-this-name/model", 300 * "x", "a/" + 5000 * "b"])
def test_what_can_be_neither_a_folder_nor_a_model(setting: str, tmp_path: Path) -> None:
    with pytest.raises(MLLMSettingError, match=r" can be neither a folder nor a model \(.*\); che"):
        find_model(setting, tmp_path)


def test_a_model_in_the_cache_of_the_hubs_own_client(tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download

    cache = tmp_path / "cache"
    with serve({"config.json": b"{}", "model.safetensors": b"weights"}) as hub:
        hf_hub_download(hub.model, "config.json", endpoint=hub.url, cache_dir=cache)
        with pytest.raises(MLLMUnavailableError, match="holds neither model"):
            find_model(hub.model, tmp_path, cache=cache)
        hf_hub_download(hub.model, "model.safetensors", endpoint=hub.url, cache_dir=cache)
        asked = len(hub.asked)
        found = find_model(hub.model, tmp_path, cache=cache)
        assert (found.name, found.revision) == (hub.model, COMMIT)
        assert find_model(f"{hub.model}@{COMMIT}", tmp_path, cache=cache) == found
        with pytest.raises(MLLMError, match="is not on this machine"):
            find_model(f"{hub.model}@{COMMIT[::-1]}", tmp_path, cache=cache)
        assert len(hub.asked) == asked, "nothing is asked of the hub"
    # The folder itself says so, too.
    assert revision_of(found.folder) == COMMIT


def test_the_revision_of_a_folder_tells_its_states_apart(tmp_path: Path) -> None:
    size = 3 << 20
    files = {"config.json": b"{}", "model.safetensors": bytes(size), "chat_template.jinja": b"a"}
    folder = local(tmp_path / "a", files)
    states = [revision_of(folder), revision_of(Path(shutil.copytree(folder, tmp_path / "b")))]
    assert states[0] == states[1]
    for name, data in {
        "model.safetensors": bytes(size - 1) + b"\1",
        "config.json": b"[]",
        "chat_template.jinja": b"b",
        "tokenizer.json": b"{}",
    }.items():
        (folder / name).write_bytes(data)
        states.append(revision_of(folder))
    (folder / "notes.md").write_text("not part of the model")
    assert revision_of(folder) == states[-1]
    assert len(set(states)) == 5


def test_the_command_lists_models(run: Command, tmp_path: Path) -> None:
    pretend("smolvlm2-256m", tmp_path)
    told = run("models", "--home", tmp_path)
    assert (told.code, told.err) == (0, "")
    lines = [line.split() for line in told.out.splitlines()]
    (seven,) = [line for line in lines if line[:1] == ["qwen2.5-vl-7b"]]
    assert seven[1:3] == ["8.3", "B"]
    assert seven[-2:] == ["–", "Apache-2.0"]
    (small,) = [line for line in lines if line[:1] == ["smolvlm2-256m"]]
    assert small[-2] == "yes"
    assert "GB that are free on" in told.out
    assert (
        run("models", "list", "--home", tmp_path).out.splitlines()[:40]
        == (told.out.splitlines()[:40])
    )


def test_the_command_for_programs(run: Command, tmp_path: Path) -> None:
    told = run("models", "--json", "--home", tmp_path)
    document = json.loads(told.out)
    assert document["device"]["free_bytes"] > 0
    assert [row["id"] for row in document["models"]] == [entry.id for entry in catalogue()]
    row = document["models"][1]
    assert row["parameters"] == 8_292_166_656
    shape, on_gpu = entry_of("qwen2.5-vl-7b").shape, torch.cuda.is_available()
    assert row["bytes"] == {p: need(shape, p, on_gpu=on_gpu).total for p in PRECISIONS}
    assert row["revision"] is None


def test_the_command_fits_an_ordinary_window(
    run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run("models", "--home", tmp_path).out
    assert max(map(len, out.splitlines())) == 80
    assert "…" not in out
    assert "qwen2.5-vl-72b" in out
    for arguments, example in (
        (["models"], "echo-iad models"),
        (["models", "list"], "echo-iad models list --json"),
        (["models", "pull"], "echo-iad models pull qwen2.5-vl-7b"),
    ):
        assert f"Example: {example}" in run(*arguments, "--help").out


def test_options_before_the_command_are_not_ignored(run: Command, tmp_path: Path) -> None:
    for options in (["--json"], ["--home", tmp_path]):
        told = run("models", *options, "list")
        assert (told.code, told.out) == (2, "")
        assert "options stand behind the command" in told.err


def test_the_command_on_what_is_no_name(run: Command) -> None:
    told = run("models", "pull", "best")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("echo-iad: 'best' is no model's name; give one as ORG/NAME")
    assert told.err.count("\n") == 1
