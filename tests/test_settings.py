from __future__ import annotations

from pathlib import Path

import pytest

from echo.settings import MLLM_VARIABLE, home_folder, lines_folder, mllm_setting
from experts.errors import MLLMSettingError, MLLMUnavailableError
from experts.mllm.nano import base
from experts.mllm.setting import MAX_PIXELS, MLLMSetting, open_mllm

WRITTEN = """\
mllm: http://cluster:8000/v1
mllm_precision: int8
lines:
  washer:
    mllm: qwen2.5-vl-3b   # small parts
  nut: {mllm_max_pixels: 50000}
"""


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MLLM_VARIABLE, raising=False)


def test_without_any_setting_it_is_the_embedded_one_where_that_is_here(tmp_path: Path) -> None:
    assert mllm_setting(tmp_path, "washer") == MLLMSetting(mllm="nano")


def test_without_any_setting_and_weights_there_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "packed", lambda: None)
    setting = mllm_setting(tmp_path, "washer")
    assert setting == MLLMSetting(mllm="none", mllm_precision=None, mllm_max_pixels=MAX_PIXELS)
    assert open_mllm(setting, tmp_path) is None


def test_a_line_may_have_its_own(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(WRITTEN)
    general = mllm_setting(tmp_path)
    assert (general.mllm, general.mllm_precision) == ("http://cluster:8000/v1", "int8")
    assert mllm_setting(tmp_path, "bolt") == general
    washer = mllm_setting(tmp_path, "washer")
    assert (washer.mllm, washer.mllm_precision) == ("qwen2.5-vl-3b", "int8")
    nut = mllm_setting(tmp_path, "nut")
    assert (nut.mllm, nut.mllm_max_pixels) == ("http://cluster:8000/v1", 50_000)


def test_the_variable_goes_before_the_file_and_a_call_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.yaml").write_text(WRITTEN)
    monkeypatch.setenv(MLLM_VARIABLE, "auto")
    assert mllm_setting(tmp_path, "washer").mllm == "auto"
    assert mllm_setting(tmp_path, "washer").mllm_precision == "int8"
    assert mllm_setting(tmp_path, "washer", "none").mllm == "none"
    assert mllm_setting(tmp_path, "washer", Path("models/tiny")).mllm == "models/tiny"
    assert mllm_setting(tmp_path, "washer", " ") == mllm_setting(tmp_path)
    monkeypatch.setenv(MLLM_VARIABLE, " ")
    assert mllm_setting(tmp_path, "washer").mllm == "qwen2.5-vl-3b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "mllm: [a]",
            r": mllm: Input should be a valid string, got \['a'\]; the fields are mllm, ",
        ),
        ("mllm:", r": mllm: Input should be a valid string, got None; the fields are mllm, "),
        ("mlm: auto", r": mlm: Extra inputs are not permitted, got 'auto'; the fields are mllm, "),
        ("mllm_precision: fp4", r": mllm_precision: Input should be 'nf4', 'int8' or 'bf16', got "),
        ("mllm_max_pixels: 3", r": mllm_max_pixels: Input should be greater than or equal to 1024"),
        ("lines: {nut: {mlm: 1}}", r": lines\.nut\.mlm: Extra inputs are not permitted, got 1; "),
        ("- mllm", r": the file: Input should be a valid dictionary .+; the fields are mllm, "),
        ("a: 1\nb: [", r":2: not valid YAML; look at this line and the one above it\Z"),
        ("mllm: !!python/object:os.system x", r": ?.*not valid YAML; "),
        ("mllm: a\nmllm: b", r":2: not valid YAML; "),
        ("#" * 200_000, r": is too large for settings; see README\.md, A language model\Z"),
        ("[" * 50_000, ": not valid YAML; "),
        (f"mllm: [{'a, ' * 30_000}]", ": mllm: Input should be a valid string, got .{,200}; the"),
    ],
)
def test_a_broken_file_is_told_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(MLLMSettingError, match=rf"\A{path}{sentence}") as failed:
        mllm_setting(tmp_path)
    assert "\n" not in str(failed.value)


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_bytes(b"mllm: \xff")
    with pytest.raises(MLLMSettingError, match="is not UTF-8 text; save it as UTF-8"):
        mllm_setting(tmp_path)
    (tmp_path / "settings.yaml").unlink()
    (tmp_path / "settings.yaml").mkdir()
    with pytest.raises(MLLMSettingError, match=r"cannot be read \(Is a directory\); "):
        mllm_setting(tmp_path)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("# mllm: auto\n")
    assert mllm_setting(tmp_path) == mllm_setting(tmp_path / "nowhere")


def test_echo_lives_where_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_IAD_HOME", str(tmp_path / "a"))
    assert home_folder() == tmp_path / "a"
    assert lines_folder(tmp_path / "b") == tmp_path / "b" / "lines"
    monkeypatch.delenv("ECHO_IAD_HOME")
    assert home_folder() == Path.home() / ".echo-iad"


@pytest.mark.parametrize("word", ["None", "NONE", " none "])
def test_none_is_none_however_it_is_written(tmp_path: Path, word: str) -> None:
    assert open_mllm(MLLMSetting(mllm=word), tmp_path) is None


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MLLMUnavailableError, match="echo-iad models pull Qwen"):
        open_mllm(MLLMSetting(mllm="qwen2.5-vl-3b"), tmp_path)
    with pytest.raises(MLLMUnavailableError, match="there is no such folder; check the path"):
        open_mllm(MLLMSetting(mllm=str(tmp_path / "gone")), tmp_path)
    with pytest.raises(MLLMSettingError, match="'what is this' is no model's name; "):
        open_mllm(MLLMSetting(mllm="what is this"), tmp_path)
