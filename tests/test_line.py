from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from echo.inspector import Inspector
from echo.line import BrokenLine, ProductLine
from echo.manifest import FORMAT_VERSION
from echo.report import ReportWriter
from experts.errors import (
    DamagedLineError,
    EnrolError,
    ImageError,
    IncompatibleLineError,
    KnowledgeError,
    LineError,
    UnknownLineError,
    WeightsError,
)
from tests.conftest import bad_part, good_part
from tests.conftest import save as save_image

RULES = """\
product: washer
normal: Upright stripes.
defects:
  - name: pit
    appearance: A small dark hole.
    effect: Corrodes.
    severity: minor
    clauses: [{id: pit.count, quantity: count, at_most: 3}]
"""


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("small-home")
    rules = home / "rules.yaml"
    rules.write_text(RULES)
    ProductLine.enroll("small", [good_part(i) for i in range(3)], rules, home=home)
    return home


@pytest.fixture
def home(tmp_path: Path, small_home: Path) -> Path:
    """A home whose only line, ``small``, may be changed."""
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (0, "no normal image was given, which cannot promise anything about false rejects"),
        (
            1,
            "1 normal image was given, which cannot be compared with another, so nothing can be "
            "promised about false rejects",
        ),
    ],
)
def test_no_line_from_less_than_two_images(tmp_path: Path, count: int, problem: str) -> None:
    needed = (
        "; at least 2 are needed (with 2 the false-reject promise is no better than 33.3%), "
        "and 19 for 5.0%"
    )
    with pytest.raises(EnrolError, match=rf"\A{re.escape(problem + needed)}\Z"):
        ProductLine.enroll("few", [good_part(i) for i in range(count)], home=tmp_path)
    assert ProductLine.list(home=tmp_path) == []


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_alpha_out_of_range(tmp_path: Path, alpha: float) -> None:
    wanted = "expected a false-reject rate from 1e-06 to below 1, such as 0.05"
    sentence = re.escape(f"alpha is {alpha!r}; {wanted}")
    with pytest.raises(EnrolError, match=rf"\A{sentence}\Z"):
        ProductLine.enroll("few", [good_part(0)] * 2, alpha=alpha, home=tmp_path)


def test_what_fails_while_enrolling_leaves_the_old_line(tmp_path: Path, washer_home: Path) -> None:
    home = Path(shutil.copytree(washer_home, tmp_path / "home"))
    before = ProductLine.load("washer", home=home)
    rules = tmp_path / "rules.yaml"
    rules.write_text("product: washer")
    parts = [good_part(i) for i in range(3)]
    with pytest.raises(ImageError, match=r"\Abytes: not an image"):
        ProductLine.enroll("washer", [*parts, b"no image"], home=home)
    with pytest.raises(
        KnowledgeError, match=r"rules.yaml:1: normal: expected this field, got nothing"
    ):
        ProductLine.enroll("washer", parts, rules, home=home)
    with pytest.raises(WeightsError, match="unknown encoder 'nope'"):
        ProductLine.enroll("washer", parts, encoder="nope", home=home)
    assert ProductLine.load("washer", home=home).sha256 == before.sha256
    after = ProductLine.load("washer", home=home)
    for old, new in zip(before.model.banks, after.model.banks, strict=True):
        assert np.array_equal(old.patches_MK, new.patches_MK)


@pytest.mark.usefixtures("small_inputs")
def test_enrolling_again_replaces_the_line(tmp_path: Path) -> None:
    old = ProductLine.enroll("washer", [good_part(i) for i in range(3)], home=tmp_path)
    new = ProductLine.enroll("washer", [good_part(i) for i in range(2)], home=tmp_path, alpha=0.4)
    assert (len(old.manifest.images), len(new.manifest.images)) == (3, 2)
    assert ProductLine.load("washer", home=tmp_path).sha256 == new.sha256 != old.sha256
    assert len(list(new.folder.glob("thumbnails/*.jpg"))) == 2
    assert Inspector(new).inspect(bad_part(0)).verdict == "reject"


@pytest.mark.usefixtures("small_inputs")
def test_copies_do_not_vouch_for_their_originals(tmp_path: Path) -> None:
    parts = [good_part(i) for i in range(3)]
    line = ProductLine.enroll("washer", [*parts, *parts, parts[0]], home=tmp_path)
    assert (len(line.manifest.images), line.manifest.copies) == (3, 4)
    assert line.manifest.calibration_size == 3
    alone = ProductLine.enroll("alone", parts, home=tmp_path)
    assert np.array_equal(line.model.calibration.scores_n, alone.model.calibration.scores_n)
    with pytest.raises(EnrolError, match="1 normal image and 199 copies of it was given"):
        ProductLine.enroll("same", [parts[0]] * 200, home=tmp_path)
    assert [line.name for line in ProductLine.list(home=tmp_path)] == ["alone", "washer"]


def test_all_unreadable_images_are_named_at_once(tmp_path: Path) -> None:
    sentence = "2 of 4 images cannot be used: bytes: .+; bytes: .+"
    with pytest.raises(ImageError, match=sentence):
        ProductLine.enroll("w", [good_part(0), b"no", b"image", good_part(1)], home=tmp_path)
    many = r"12 of 12 images cannot be used: (bytes: [^;]+; .*){10}and 2 more\Z"
    with pytest.raises(ImageError, match=many):
        ProductLine.enroll("w", [b"no"] * 12, home=tmp_path)


@pytest.mark.usefixtures("small_inputs")
def test_enrolling_twice_gives_the_same_line(tmp_path: Path) -> None:
    parts = [good_part(i) for i in range(3)]
    lines = [ProductLine.enroll("washer", parts, home=tmp_path / h) for h in "ab"]
    assert lines[0].manifest == lines[1].manifest


@pytest.mark.usefixtures("small_inputs")
def test_list_names_every_line_that_opens(tmp_path: Path) -> None:
    assert ProductLine.list(home=tmp_path) == []
    for name in ("b.1", "a_2", "C-3"):
        ProductLine.enroll(name, [good_part(i) for i in range(2)], home=tmp_path)
    (tmp_path / "lines" / "empty").mkdir()
    assert [line.name for line in ProductLine.list(home=tmp_path)] == ["C-3", "a_2", "b.1"]
    with pytest.raises(UnknownLineError, match=r"'d' in .+; enrolled are C-3, a_2, b\.1; "):
        ProductLine.load("d", home=tmp_path)


def test_survey_names_the_lines_too_that_do_not_open(home: Path) -> None:
    lines = home / "lines"
    for name in ("copy", "dinov9", "empty"):
        shutil.copytree(lines / "small", lines / name)
    (lines / "empty" / "manifest.json").unlink()
    manifest = json.loads((lines / "dinov9" / "manifest.json").read_text())
    manifest |= {"name": "dinov9", "encoder": "dinov9"}
    (lines / "dinov9" / "manifest.json").write_text(json.dumps(manifest))
    found = {line.name: line for line in ProductLine.survey(home=home)}
    assert list(found) == ["copy", "dinov9", "empty", "small"]
    errors = {name: b.error for name, b in found.items() if isinstance(b, BrokenLine)}
    assert errors["copy"] == (
        f"line 'copy' is damaged: {lines}/copy/manifest.json: is that of the line 'small'; "
        "rename the folder to small, or enrol the line again"
    )
    assert errors["dinov9"].startswith("line 'dinov9' was made by the encoder 'dinov9', which is ")
    assert errors["empty"].startswith("line 'empty' is damaged: ")
    assert [line.name for line in ProductLine.list(home=home)] == ["small"]
    with pytest.raises(DamagedLineError, match=rf"\A{re.escape(errors['copy'])}\Z"):
        ProductLine.load("copy", home=home)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "", ".", "..", ".hidden", "x..y", "-x", "x\n", "ä", "x" * 65]
)
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    sentence = rf"\Aline name {re.escape(repr(name))}: expected 1 to 64 letters, digits, .+"
    with pytest.raises(LineError, match=sentence):
        ProductLine.load(name, home=tmp_path)
    with pytest.raises(LineError, match=sentence):
        ProductLine.enroll(name, [good_part(0)] * 2, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def damaged(path: Path, why: str) -> str:
    return rf"\Aline 'small' is damaged: {re.escape(str(path))}: {why}; enrol the line again\Z"


@pytest.mark.parametrize("harm", [cut, flip, empty, Path.unlink])
@pytest.mark.parametrize("part", ["decoder.safetensors", "embeddings.faiss", "knowledge.yaml"])
def test_a_damaged_part_is_named(home: Path, part: str, harm: Callable[[Path], None]) -> None:
    path = home / "lines" / "small" / part
    harm(path)
    line = ProductLine.load("small", home=home)
    why = "its contents are not those that were enrolled"
    missing = "No such file or directory"
    with pytest.raises(DamagedLineError, match=damaged(path, why if path.exists() else missing)):
        Inspector(line)


@pytest.mark.parametrize("part", ["model", "extractor", "knowledge"])
def test_a_line_that_is_replaced_before_a_part_is_used(home: Path, part: str) -> None:
    line = ProductLine.load("small", home=home)
    rules = home / "other.yaml"
    rules.write_text(RULES.replace("3", "4"))
    ProductLine.enroll("small", [good_part(i) for i in range(7, 9)], rules, home=home)
    sentence = r"\Aline 'small' was replaced since it was opened; load it again\Z"
    with pytest.raises(LineError, match=sentence):
        getattr(line, part)


@pytest.mark.parametrize("harm", [cut, empty, Path.unlink])
def test_a_damaged_manifest_is_named(home: Path, harm: Callable[[Path], None]) -> None:
    path = home / "lines" / "small" / "manifest.json"
    harm(path)
    why = "not a valid manifest" if path.exists() else "No such file or directory"
    with pytest.raises(DamagedLineError, match=damaged(path, why)):
        ProductLine.load("small", home=home)
    assert ProductLine.list(home=home) == []


@pytest.mark.parametrize("harm", [cut, flip, empty, Path.unlink])
def test_a_damaged_thumbnail_is_named_where_it_is_drawn(
    home: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    image = save_image(tmp_path / "part.png", good_part(0))
    line = ProductLine.load("small", home=home)
    inspection = Inspector(line).inspect(image)
    path = inspection.references[0].thumbnail
    harm(path)
    with pytest.raises(DamagedLineError, match=damaged(path, ".+")):
        ReportWriter(tmp_path, "title", line).add(inspection)


def test_clauses_cite_the_file_that_was_enrolled_and_its_revision(home: Path) -> None:
    line = ProductLine.load("small", home=home)
    assert line.knowledge is not None
    digest = hashlib.sha256(RULES.encode()).hexdigest()
    (clause,) = line.knowledge.clauses
    assert (clause.source, clause.line) == (f"rules.yaml, revision {digest[:8]}", 8)
    steps = Inspector(line).inspect(bad_part(0)).steps
    cited = f"clause pit.count (rules.yaml, revision {digest[:8]}, line 8)"
    assert cited in [step.looked_at for step in steps]


def rewrite(home: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """Change a part of the line and let the manifest agree."""
    folder = home / "lines" / "small"
    raw = change((folder / part).read_bytes())
    (folder / part).write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["parts"][part] = hashlib.sha256(raw).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / part


def without_scores(raw: bytes) -> bytes:
    tensors = load(raw)
    del tensors["calibration.scores"]
    return bytes(save(tensors))


def narrow(raw: bytes) -> bytes:
    tensors = load(raw)
    return bytes(save({**tensors, "bank.1.mean": tensors["bank.1.mean"][:5]}))


@pytest.mark.parametrize(
    ("part", "change", "why"),
    [
        ("decoder.safetensors", lambda raw: b"junk" * 9, ".+"),
        ("decoder.safetensors", without_scores, "'calibration.scores'"),
        ("embeddings.faiss", lambda raw: b"junk" * 9, "not a FAISS index"),
    ],
)
def test_a_part_that_its_hash_fits_but_not_its_content(
    home: Path, part: str, change: Callable[[bytes], bytes], why: str
) -> None:
    path = rewrite(home, part, change)
    with pytest.raises(DamagedLineError, match=damaged(path, why)):
        Inspector(ProductLine.load("small", home=home))


def test_patches_of_another_encoder(home: Path) -> None:
    rewrite(home, "decoder.safetensors", narrow)
    sentence = (
        r"\Aline 'small' holds patches of 5 numbers, the encoder 'efficientnet-lite0' makes 384; "
        r"enrol it again\Z"
    )
    with pytest.raises(IncompatibleLineError, match=sentence):
        Inspector(ProductLine.load("small", home=home))


def set_in_manifest(home: Path, **fields: Any) -> None:
    path = home / "lines" / "small" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_another_encoder(home: Path) -> None:
    set_in_manifest(home, encoder="dinov9")
    sentence = (
        r"\Aline 'small' was made by the encoder 'dinov9', which is not available "
        r"\(known: efficientnet-lite0.*\); enrol it again\Z"
    )
    with pytest.raises(IncompatibleLineError, match=sentence):
        ProductLine.load("small", home=home)


def test_other_weights(home: Path) -> None:
    set_in_manifest(home, weights_sha256="0" * 64)
    sentence = (
        r"\Aline 'small' was made with other weights of 'efficientnet-lite0' "
        r"\(0{12}…, installed 579344248a93…\); enrol it again\Z"
    )
    with pytest.raises(IncompatibleLineError, match=sentence):
        Inspector(ProductLine.load("small", home=home))


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, str(FORMAT_VERSION), None])
def test_another_format_version(home: Path, version: object) -> None:
    set_in_manifest(home, format_version=version)
    sentence = (
        rf"\Aline 'small' has format version {version!r}, this Echo reads {FORMAT_VERSION}; "
        r"enrol it again\Z"
    )
    with pytest.raises(IncompatibleLineError, match=sentence):
        ProductLine.load("small", home=home)


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = rf"\A{tmp_path}/file/lines/washer: cannot be written \(.+\); check the folder's"
    with pytest.raises(LineError, match=sentence):
        ProductLine.enroll("washer", [good_part(i) for i in range(2)], home=tmp_path / "file")


def test_the_home_comes_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_IAD_HOME", str(home))
    assert [line.folder for line in ProductLine.list()] == [home / "lines" / "small"]
    monkeypatch.delenv("ECHO_IAD_HOME")
    monkeypatch.setenv("HOME", str(home))
    (home / "lines").rename(home / "other")
    with pytest.raises(UnknownLineError, match=rf"in {home}/\.echo-iad/lines; none is enrolled"):
        ProductLine.load("small")
