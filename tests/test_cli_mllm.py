"""Language models on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from echo import ProductLine
from tests.conftest import Command, bad_part, good_part, save
from tests.tiny_models import build

RULES = """\
product: washer
part: washer
parts: washers
normal: Upright stripes.
alpha: 0.2
defects:
  - {name: blot, appearance: A round dark disc., severity: major}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("smolvlm", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def washer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the line ``washer``."""
    home = tmp_path_factory.mktemp("home")
    rules = home / "washer.yaml"
    rules.write_text(RULES)
    # In 4 bits a processor takes minutes for so many words.
    (home / "settings.yaml").write_text("mllm_precision: bf16\n")
    ProductLine.enroll("washer", [good_part(n) for n in range(4)], rules, home=home, progress=False)
    return home


@pytest.fixture
def photos(run: Command, washer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bad and a good part; the line ``washer`` is enrolled."""
    monkeypatch.setenv("ECHO_IAD_HOME", str(washer))
    save(tmp_path / "new" / "bad.png", bad_part(1))
    save(tmp_path / "new" / "good.png", good_part(0))
    return tmp_path / "new"


def test_inspect_asks_the_model_that_is_named(run: Command, photos: Path, model: Path) -> None:
    done = run("inspect", "washer", photos, "--mllm", model, "--json")
    bad, good = map(json.loads, done.out.splitlines())
    assert done.code == 1
    assert bad["opinion"]["model"] == str(model)
    assert bad["opinion"]["candidates"] == ["blot", "no defect", "other"]
    assert bad["faults"] == good["faults"] == []
    assert good["opinion"] is None


def test_the_variable_sets_it(
    run: Command, photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ECHO_IAD_MLLM", str(model))
    out = tmp_path / "report"
    assert run("inspect", "washer", photos, "--out", out).code == 1
    assert f"what {model} sees" in (out / "report.html").read_text()
    none = run("inspect", "washer", photos / "bad.png", "--mllm", "none", "--json")
    assert json.loads(none.out)["opinion"] is None


def test_a_failing_model_is_told_once_and_changes_no_exit_code(
    run: Command, photos: Path, tmp_path: Path
) -> None:
    save(photos / "bad2.png", bad_part(2))
    gone = tmp_path / "gone"
    done = run("inspect", "washer", photos, "--mllm", gone, "--out", tmp_path / "report")
    assert done.code == 1
    sentence = f"without language model: {gone}: there is no such folder; check the path"
    assert done.err.count(sentence) == 1
    assert (tmp_path / "report" / "report.html").read_text().count(sentence) == 2


def test_prompts_are_proposed_by_the_model_too(
    run: Command, photos: Path, model: Path, tmp_path: Path
) -> None:
    alone = run("knowledge", "prompts", "washer")
    done = run("knowledge", "prompts", "washer", "--mllm", model)
    assert done.code == 0
    # A model of random weights has nothing to say that names a washer.
    assert done.out == alone.out
    failed = run("knowledge", "prompts", "washer", "--mllm", tmp_path / "gone")
    assert (failed.code, failed.out) == (2, "")
    assert failed.err == f"echo-iad: {tmp_path / 'gone'}: there is no such folder; check the path\n"


@pytest.mark.parametrize(
    ("setting", "ok", "found", "remedy"),
    [
        ("none", True, "mllm: none (inspections go without)", ""),
        ("auto", True, "mllm: auto (", ""),
        ("{model}", True, "mllm: {model} ({model}, nf4)", ""),
        ("/gone", False, "/gone: there is no such folder", "check the path"),
        ("gemma-3-4b", False, "is not on this machine", "run: echo-iad models pull google/gemma"),
        ("http://127.0.0.1:9/v1#m", False, "http://127.0.0.1:9/v1", ""),
        ("nano", True, "mllm: nano (the embedded one)", ""),
        ("[", False, "settings.yaml:2: not valid YAML", "look at this line"),
    ],
)
def test_the_doctor_looks_at_the_setting(
    run: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    setting: str,
    ok: bool,
    found: str,
    remedy: str,
) -> None:
    monkeypatch.delenv("ECHO_IAD_MLLM")
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.yaml").write_text(f"mllm: {setting.format(model=model)}\n")
    rows = json.loads(run("doctor", "--json").out)
    row = next(row for row in rows if row["subject"] == "language model")
    assert row["ok"] is ok
    assert found.format(model=model) in row["found"]
    assert remedy in row["remedy"]


@pytest.mark.parametrize("words", [["nano", "--revision", "abc"], ["nano@abc"]])
def test_the_embedded_model_has_one_revision(run: Command, words: list[str]) -> None:
    done = run("models", "pull", *words)
    assert done.code == 2
    assert "pull it without one" in done.err


def test_the_embedded_models_base_is_unpacked(run: Command, nano_home: Path) -> None:
    done = run("models", "pull", "nano", "--home", nano_home)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Here already: the base weights of nano, in {nano_home}")
