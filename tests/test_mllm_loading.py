"""How a folder becomes a model, in which precision, and what is told if it breaks down."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experts.errors import MLLMAnswerError, MLLMUnavailableError
from experts.mllm import user, with_question
from tests.shown import OPTIONS, QUESTIONS, noise, opened, shown
from tests.tiny_models import FAMILIES


@pytest.mark.parametrize("precision", ["nf4", "int8"])
def test_quantized_models_do_the_same(tiny_model: Callable[[str], Path], precision: str) -> None:
    for family in FAMILIES:
        model = opened(tiny_model(family), precision=precision)
        whole_model = opened(tiny_model(family))
        kinds = {type(module).__name__ for module in model._model.modules()}
        assert {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[precision] in kinds
        messages = with_question(shown(), QUESTIONS[0].text)
        choices = [m.choose(messages, OPTIONS) for m in (model, whole_model)]
        assert choices[0].probabilities != choices[1].probabilities
        again = model.choose_each(shown(), QUESTIONS)[0]
        # Eight bits are rounded by what stands in a row beside each other.
        assert again.probabilities == pytest.approx(choices[0].probabilities, abs=0.1)
        assert model.generate(messages, max_tokens=4).cost.answer_tokens > 0


def test_layers_that_cannot_be_quantized_on_a_processor_stay_whole(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModelForImageTextToText

    folder = shutil.copytree(tiny_model("qwen2_5_vl"), tmp_path / "odd")
    config = AutoConfig.from_pretrained(folder)
    # As 3,420 in the image encoder of Qwen2.5-VL: neither whole blocks nor rows by 32.
    config.vision_config.intermediate_size = 80
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config).bfloat16().save_pretrained(folder)
    image = noise(5)
    features = []
    for precision in ("bf16", "nf4"):
        model = opened(folder, precision=precision)._model
        batch = opened(folder)._prompter.read([user(image)]).visual
        with torch.inference_mode():
            seen = model.get_image_features(
                batch["pixel_values"].bfloat16(), batch["image_grid_thw"]
            )
        features.append(torch.cat(list(seen.pooler_output)).float())
    plain = {type(m) for n, m in model.named_modules() if n.endswith((".down_proj", ".up_proj"))}
    assert len(plain) == 2
    # NF4 costs a tenth of a layer's output; scales of other blocks cost a quarter and more.
    error = (features[1] - features[0]).norm() / features[0].norm()
    assert error < 0.2


def test_a_model_that_breaks_down_says_so_and_goes_on(tiny_model: Callable[[str], Path]) -> None:
    model = opened(tiny_model("smolvlm"))
    expected = model.choose(shown(), OPTIONS).probabilities

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    handle = model._model.lm_head.register_forward_pre_hook(fail)
    said = r"smolvlm: broke down \(RuntimeError: CUDA error: .+\); take another model"
    for ask in (lambda: model.choose(shown(5), OPTIONS), lambda: model.generate(shown(6))):
        with pytest.raises(MLLMUnavailableError, match=said):
            ask()
    handle.remove()
    assert model.choose(shown(), OPTIONS).probabilities == expected


def test_what_is_no_number_is_no_answer(tiny_model: Callable[[str], Path]) -> None:
    model = opened(tiny_model("smolvlm"))

    def overflow(_: object, __: object, logits_NTV: torch.Tensor) -> torch.Tensor:
        return logits_NTV * torch.nan

    model._model.lm_head.register_forward_hook(overflow)
    with pytest.raises(MLLMAnswerError, match="smolvlm: weighs its answers with what is no number"):
        model.choose(shown(), OPTIONS)


def test_what_stream_raises_reaches_its_author(tiny_model: Callable[[str], Path]) -> None:
    class EnoughError(Exception):
        pass

    def stop(_: str) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        opened(tiny_model("smolvlm")).generate(shown(), max_tokens=8, stream=stop)


def spoilt(folder: Path, target: Path, how: str) -> Path:
    shutil.copytree(folder, target)
    weights = target / "model.safetensors"
    if how == "no weights":
        weights.unlink()
    elif how == "pickled weights":
        weights.unlink()
        torch.save({}, target / "pytorch_model.bin")
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "lacking weights":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        del tensors[next(name for name in sorted(tensors) if "mlp" in name)]
        save_file(tensors, weights, metadata={"format": "pt"})
    elif how == "no template":
        (target / "chat_template.jinja").unlink()
    elif how == "broken configuration":
        (target / "config.json").write_text("{")
    elif how == "no configuration":
        (target / "config.json").unlink()
    elif how == "unknown architecture":
        (target / "config.json").write_text('{"model_type": "none_such"}')
    return target


@pytest.mark.parametrize(
    "how",
    [
        "no weights",
        "pickled weights",
        "cut weights",
        "lacking weights",
        "no template",
        "broken configuration",
        "no configuration",
        "unknown architecture",
    ],
)
def test_a_folder_that_is_no_model_is_told_in_a_sentence(
    tiny_model: Callable[[str], Path], tmp_path: Path, how: str
) -> None:
    folder = spoilt(tiny_model("qwen2_5_vl"), tmp_path / "model", how)
    with pytest.raises(MLLMUnavailableError) as failed:
        opened(folder)
    sentence = str(failed.value)
    assert str(folder) in sentence
    assert "; " in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600
