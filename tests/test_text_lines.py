"""Lines whose encoder knows texts: with few images, with many, and with none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from echo.inspector import Inspector
from echo.line import ProductLine
from echo.report import ReportWriter
from experts.decoder.text import TextBranch, as_text_encoder
from experts.errors import EchoError, EnrolError, ImageError, IncompatibleLineError
from experts.evidence import Inspection
from experts.images import read_picture
from experts.knowledge import load_knowledge
from experts.prompts import prompts_for
from tests.clip_models import VIT, write_model
from tests.conftest import Command, bad_part, good_part, save
from tests.test_line import RULES, rewrite

MANY = 105


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny random model that knows texts."""
    return f"open_clip:{write_model(tmp_path_factory.mktemp('lines') / 'vit', VIT)}"


@pytest.fixture(scope="module")
def many(clip: str, tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    """Of parts at half size, which are quickly learned."""
    parts = [good_part(i)[::2, ::2] for i in range(MANY)]
    home = tmp_path_factory.mktemp("many")
    return ProductLine.enroll("many", parts, encoder=clip, alpha=0.1, home=home)


@pytest.fixture
def blind(clip: str, tmp_path: Path) -> ProductLine:
    """A line without images."""
    return ProductLine.enroll("steel_washer.1", None, encoder=clip, home=tmp_path)


def texts_of(line: ProductLine) -> list[bytes]:
    assert line.model.text is not None
    return [line.model.text.normal_D.tobytes(), line.model.text.abnormal_D.tobytes()]


def expected_texts(line: ProductLine, product: str, rules: Path | None = None) -> list[bytes]:
    file = load_knowledge(rules).file if rules else None
    encoder = as_text_encoder(line.encoder)
    assert encoder is not None
    branch = TextBranch.from_prompts(encoder, prompts_for(product, file))
    return [branch.normal_D.tobytes(), branch.abnormal_D.tobytes()]


def test_the_product_is_named_by_the_knowledge_file_or_by_the_line(
    blind: ProductLine, clip: str, tmp_path: Path
) -> None:
    assert texts_of(blind) == expected_texts(blind, "steel washer 1")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    ruled = ProductLine.enroll("other", None, rules, encoder=clip, home=tmp_path)
    assert texts_of(ruled) == expected_texts(ruled, "washer", rules)
    assert ruled.knowledge is not None
    again = ProductLine.load("other", home=tmp_path)
    assert texts_of(again) == texts_of(ruled)


def test_an_encoder_without_texts_learns_none(washer_home: Path) -> None:
    line = ProductLine.load("washer", home=washer_home)
    assert line.model.text is None
    assert not [name for name in line.model.to_tensors() if name.startswith("text.")]


def test_two_images_and_texts(clip: str, tmp_path: Path) -> None:
    files = [save(tmp_path / f"{i}.png", good_part(i)) for i in range(3)]
    line = ProductLine.enroll("few", files[:2], encoder=clip, home=tmp_path)
    inspection = Inspector(line).inspect(bad_part(0))
    anomaly = inspection.anomaly
    assert inspection.verdict == "review"
    assert [channel.name for channel in anomaly.channels] == ["patches", "text"]
    assert inspection.references != ()
    # A further image is one more to compare with, by the same sum.
    grown = line.add(files[2:])
    assert texts_of(grown) == texts_of(line)
    assert Inspector(grown).inspect(files[2]).anomaly.calibration_size == 3
    # The texts alone give half and more of the score.
    assert grown.model.calibration.scores_n.min() > 0.4
    shrunk = grown.remove([3])
    assert len(shrunk.manifest.images) == 2
    assert texts_of(shrunk) == texts_of(line)


def test_many_images_and_texts(many: ProductLine) -> None:
    assert many.model.statistics is not None
    assert many.model.statistics.text_limit is not None
    inspection = Inspector(many).inspect(bad_part(0)[::2, ::2])
    channels = inspection.anomaly.channels
    assert [c.name for c in channels] == ["patches", "texture", "overall", "text"]
    assert all(channel.surprise is not None for channel in channels)
    assert inspection.verdict == "reject"
    assert Inspector(many).inspect(good_part(0)[::2, ::2]).verdict == "accept"


def test_texts_of_another_encoder(many: ProductLine) -> None:
    from safetensors.numpy import load
    from safetensors.numpy import save as to_bytes

    home = many.folder.parent.parent

    def narrow(raw: bytes) -> bytes:
        tensors = load(raw)
        return bytes(to_bytes({**tensors, "text.normal": tensors["text.normal"][:5]}))

    (home / "lines" / "small").mkdir()
    for path in many.folder.iterdir():
        if path.is_file():
            text = path.read_bytes().replace(b'"name": "many"', b'"name": "small"')
            (home / "lines" / "small" / path.name).write_bytes(text)
    rewrite(home, "decoder.safetensors", narrow)
    sentence = r"\Aline 'small' holds texts of 5 numbers, the encoder '.+' makes 32; enrol it again"
    with pytest.raises(IncompatibleLineError, match=sentence):
        Inspector(ProductLine.load("small", home=home))


def test_without_images_every_part_goes_to_review(blind: ProductLine) -> None:
    assert sorted(blind.manifest.parts) == ["decoder.safetensors"]
    picture = read_picture(bad_part(0))
    inspection = Inspector(blind).inspect(bad_part(0))
    assert blind.model.text is not None
    (features,) = blind.encoder.encode([picture])
    scores = blind.model.text.decode(features)
    assert np.array_equal(inspection.anomaly.patch_scores_HW, scores.patch_scores_HW)
    assert inspection.anomaly.score == scores.score
    assert inspection.anomaly.p_value == 1
    assert not inspection.references
    assert not inspection.regions
    assert inspection.verdict == "review"
    assert inspection.decision.reason == (
        "To review: the image as a whole has nothing to be compared with, since no normal image "
        "was enrolled."
    )
    assert [step.found for step in inspection.steps[:2]] == [
        "No normal image was enrolled.",
        f"It scores {scores.score:.3f} between normal (0) and defective (1) by words alone; no "
        "normal image tells how high good ones score.",
    ]
    assert blind.promise == (
        "no normal image tells how high good parts score, so every part goes to review; for 5.0% "
        "enrol at least 19"
    )
    again = Inspection.model_validate_json(inspection.model_dump_json())
    assert again.anomaly.limit == again.anomaly.extent_limit == np.inf
    assert again.model_dump_json() == inspection.model_dump_json()


def test_a_report_without_a_normal_image(blind: ProductLine, tmp_path: Path) -> None:
    path = save(tmp_path / "part.png", bad_part(0))
    inspection = Inspector(blind).inspect(path)
    writer = ReportWriter(tmp_path, "title", blind)
    with Image.open(writer.add(inspection)) as sheet:
        assert 1.5 * sheet.height < sheet.width < 2.5 * sheet.height
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    # The map's highest place is red, its lowest as grey as the part.
    panel = pixels[26:386, 376:736]
    redness = panel[..., 0] - panel[..., 2]
    assert redness.max() > 80
    assert abs(redness.min()) <= 2
    assert 'alt="Input and anomaly map"' in writer.finish().read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (lambda line: line.audit(), "there is none to audit"),
        (lambda line: line.add([good_part(0)]), "further ones have nothing to join"),
        (lambda line: line.remove([1]), "there is none to remove"),
        (
            lambda line: line.teach("pit", [bad_part(0)]),
            "there is nothing normal to tell a defect from",
        ),
    ],
)
def test_what_cannot_be_done_without_images(
    blind: ProductLine, act: Callable[[ProductLine], object], problem: str
) -> None:
    sentence = (
        f"line 'steel_washer.1' was enrolled without images, so {problem}; enrol it from images of "
        f"good parts: echo-iad enroll steel_washer.1 FOLDER --encoder {blind.manifest.encoder}"
    )
    with pytest.raises(EnrolError, match=rf"\A{re.escape(sentence)}\Z"):
        act(blind)
    assert ProductLine.load(blind.name, home=blind.folder.parent.parent).sha256 == blind.sha256


@pytest.mark.parametrize(
    ("images", "kind", "sentence"),
    [
        (None, EnrolError, r"no image was given, and the encoder 'efficientnet-lite0' knows no te"),
        ([], EnrolError, "no normal image was given, which cannot promise anything"),
        ("empty", ImageError, "empty: the folder holds no image"),
    ],
)
def test_an_encoder_without_texts_needs_images(
    tmp_path: Path, images: Iterable[str] | None, kind: type[EchoError], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    source = tmp_path / images if isinstance(images, str) else images
    with pytest.raises(kind, match=sentence):
        ProductLine.enroll("none", source, home=tmp_path)
    assert ProductLine.list(home=tmp_path) == []


def test_no_images_on_the_command_line(run: Command, clip: str, tmp_path: Path) -> None:
    enrolled = run("enroll", "washer", "--encoder", clip)
    promise = "no normal image tells how high good parts score, so every part goes to review"
    assert enrolled.code == 0
    assert enrolled.out.splitlines() == [
        f"Enrolled washer without images: {promise}; for 5.0% enrol at least 19.",
        "Next: echo-iad inspect washer IMAGE...",
    ]
    assert re.search(rf"washer +│ 0 +│ no +│ {promise}", run("lines").out)
    path = save(tmp_path / "part.png", bad_part(0))
    inspected = run("inspect", "washer", path, "--out", tmp_path / "out")
    assert (inspected.code, "since no normal image was" in inspected.out) == (1, True)
    assert (tmp_path / "out" / "part.png").exists()
    refused = run("enroll", "washer")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("echo-iad: no image was given, and the encoder ")
    audited = run("enroll", "washer", "--encoder", clip, "--audit")
    assert audited.code == 2
    assert "Give --audit with images only." in audited.err
