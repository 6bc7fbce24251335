"""The embedded language model, as it comes with Echo."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import SafetensorError

from echo import Inspector, ProductLine, open_mllm
from experts.errors import MLLMUnavailableError
from experts.mllm.base import Question, system, user
from experts.mllm.nano import base
from experts.mllm.nano.loading import SHIPPED, WEIGHTS, load_nano
from experts.mllm.nano.model import NanoMLLM
from experts.mllm.nano.texts import on_sheet, texts, with_options
from experts.sheet import sheet
from tests.conftest import bad_part
from tests.rule_files import WASHER

PAGE = """The product is a spigot ring.
The verdict on this ring is reject.
1 place stands out.
region-1 is a dark line of about 12 × 3 px at the top left.
region-1 is taken for snarl.
Known kinds of defects: snarl, plome."""
SAYABLE = (
    "The ring is rejected.",
    "Is it good? No, the ring is rejected.",
    "Must it be held back? Yes, the ring is rejected.",
    "May it go on? No, the ring is rejected.",
    "region-1 lies at the top left.",
    "region-1 is about 12 × 3 px.",
    "region-1 is taken for snarl.",
    "Cause of snarl: the mandrel ran dry.",
    "Cause of plome: two rings stuck together in the oven.",
    "Effect of snarl: the seal leaks.",
    "That is not known.",
)


def test_the_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 25e6
    assert (SHIPPED / "README.md").is_file()


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Where is it?", ("top left", "bottom right", "centre")),
        ("How large is it?", ("12 × 3 px", "90 × 80 px")),
    ],
)
def test_it_chooses(nano: NanoMLLM, question: str, options: tuple[str, ...]) -> None:
    (choice,) = nano.choose_each(on_sheet(PAGE), [Question(question, options)])
    assert choice.best == options[0]
    assert sum(choice.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What causes plome?", "Cause of plome: two rings stuck together in the oven."),
        ("What does snarl lead to?", "Effect of snarl: the seal leaks."),
        ("Where is it?", "region-1 lies at the top left."),
        ("Can we ship it?", "May it go on? No, the ring is rejected."),
        ("What did the press cost?", "That is not known."),
    ],
)
def test_it_says_what_was_asked_for(nano: NanoMLLM, question: str, said: str) -> None:
    answer = nano.say(on_sheet(PAGE, question), SAYABLE)
    assert (answer.text, answer.finish) == (said, "stop")


def test_options_stand_behind_the_question() -> None:
    (asked,) = with_options([user("Which?")], ["Yes.", "No."])
    assert asked.content == ("Which?", texts().choose.format(options="Yes. | No."))


def test_the_order_of_options_moves_little(nano: NanoMLLM) -> None:
    asked = on_sheet(PAGE, "Where is it?")
    one = nano.choose(asked, ["top left", "bottom"])
    other = nano.choose(asked, ["bottom", "top left"])
    assert one.best == other.best == "top left"


def test_it_sees_no_images(nano: NanoMLLM) -> None:
    image = Image.fromarray(bad_part(1))
    with_image = [system(texts().system), user(image, PAGE, image, "How many places stand out?")]
    without = on_sheet(PAGE, "How many places stand out?")
    assert not nano.sees
    assert nano.generate(with_image, max_tokens=8).text == nano.generate(without, max_tokens=8).text


def test_it_has_one_revision_for_all_its_weights(nano: NanoMLLM, nano_home: Path) -> None:
    assert nano.name == "nano"
    assert len(nano.revision) == 12
    assert load_nano(nano_home, None).revision == base.SHA256[:12] != nano.revision


def test_what_is_loaded_is_shared(nano_home: Path) -> None:
    assert open_mllm("nano", home=nano_home) is open_mllm("NANO", home=nano_home)


def test_an_inspection_is_explained(nano: NanoMLLM, own_home: Path, tmp_path: Path) -> None:
    knowledge = tmp_path / "washer.yaml"
    knowledge.write_text(WASHER)
    line = ProductLine.load("washer", home=own_home)
    inspection = Inspector(line, mllm=nano, keep=False).inspect(bad_part(700))
    assert inspection.faults == ()
    explanation = inspection.explanation
    assert explanation is not None
    assert explanation.model == "nano"
    assert inspection.regions[0].id in explanation.text
    assert "rejected" in explanation.text
    # It has no eyes, so nobody asks what it takes the image for.
    assert inspection.opinion is None
    assert not any(step.by == "nano" for step in inspection.steps)


def test_it_answers_in_a_conversation(nano: NanoMLLM, own_home: Path) -> None:
    line = ProductLine.load("washer", home=own_home)
    inspector = Inspector(line, mllm=nano, keep=False)
    inspection = inspector.inspect(bad_part(700))
    talk = inspector.converse(inspection)
    answer = talk.ask("Can we ship it?")
    assert answer.model == "nano"
    assert "May it go on? No, the part is rejected." in answer.text.splitlines()
    german = talk.ask("Wo liegt die Stelle?")
    assert german.model is None
    assert inspection.regions[0].id in german.text


def test_base_weights_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PACKAGE", "no_such_package")
    said = "nano: its base weights are not installed; run `echo-iad models pull nano`"
    with pytest.raises(MLLMUnavailableError, match=said):
        open_mllm("nano", home=tmp_path)


def test_base_weights_that_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / base.GGUF
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(base, "packed", lambda: file)
    with pytest.raises(MLLMUnavailableError, match="is not the file that Echo knows; install"):
        base.unpacked(tmp_path / "home")
    assert list((tmp_path / "home").rglob("*.safetensors")) == []


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(base, "_unpack", full)
    with pytest.raises(MLLMUnavailableError, match=r"unpacked .+No space left.+; make room or set"):
        base.unpacked(tmp_path)


def test_damaged_adapters_are_named(nano_home: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(SHIPPED, adapter)
    (adapter / WEIGHTS).write_bytes(np.zeros(64, np.uint8).tobytes())
    with pytest.raises(MLLMUnavailableError, match=r"nano: cannot be loaded from .+adapter"):
        load_nano(nano_home, adapter)


def test_a_page_fits(washer_inspections: list[object]) -> None:
    from experts.answers import Known
    from experts.evidence import Inspection

    for inspection in washer_inspections:
        assert isinstance(inspection, Inspection)
        page = sheet(Known(inspection, None, 0.05))
        assert f"The verdict on this part is {inspection.verdict}." in page
