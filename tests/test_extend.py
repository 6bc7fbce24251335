from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from echo import enrolment
from echo.inspector import Inspector
from echo.line import ProductLine
from experts.decoder.conformal import p_value
from experts.decoder.coreset import greedy_coreset
from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.fit import DecoderFit
from experts.decoder.memory_bank import MAX_SHARES, ROUNDING, SCALES, image_score, pool_patches
from experts.decoder.model import DecoderModel
from experts.errors import EnrolError, ImageError, LineError
from tests.conftest import bad_part, good_part, save
from tests.test_memory_bank import features_of, learn, normal_images, picture_of

pytestmark = pytest.mark.usefixtures("small_inputs")

FloatArray = NDArray[np.float32]
# So many are learned in no further views, which would take long.
ENROLLED = 17


def extend(model: DecoderModel, images: list[FloatArray], alpha: float) -> DecoderModel:
    with DecoderFit(len(images), alpha, earlier=model) as fit:
        for image in images:
            fit.add(features_of(image), picture_of(image).grey_HW)
        return fit.finish()


@pytest.fixture
def line(tmp_path: Path) -> ProductLine:
    """A line of files below ``tmp_path``, which may be changed."""
    files = [save(tmp_path / "good" / f"{i:02d}.png", good_part(i)) for i in range(ENROLLED)]
    return ProductLine.enroll("washer", files, home=tmp_path / "home", alpha=0.1)


@pytest.mark.parametrize(("count", "size"), [(8, 80), (110, 440)])
def test_further_images_contribute_as_the_definition_says(count: int, size: int) -> None:
    images = normal_images(count + 6, seed=2)
    model = learn(images[:count], 0.1, size=size)
    grown = extend(model, images[count:], 0.1)
    expected = np.zeros((6, 25))
    for before, bank in zip(model.banks, grown.banks, strict=True):
        core_MK = before.patches_MK[: before.growth.core_size]
        shares = MAX_SHARES if len(core_MK) else 1
        radius = max(before.growth.radius, ROUNDING)
        pooled = [pool_patches(image, bank.projection.pool) for image in images[count:]]
        brought = [
            p[greedy_coreset(p, shares * before.growth.fair_share, core_MK, radius).indices]
            for p in pooled
        ]
        assert np.array_equal(bank.patches_MK, np.concatenate([before.patches_MK, *brought]))
        assert bank.growth == before.growth
        for i, patches in enumerate(pooled):
            others = [before.patches_MK, *(b for j, b in enumerate(brought) if j != i)]
            rest = np.concatenate(others).astype(float)
            gaps = [float(((patch - rest) ** 2).sum(axis=1).min()) for patch in patches]
            if before.projection.pool == 1:  # of few images, this bank alone scores the image
                expected[i] = SCALES[1].weight * np.array(gaps)
    assert len(grown.calibration.scores_n) == len(model.calibration.scores_n) + 6
    if model.statistics is None:
        scores = [image_score(row.astype(np.float32)) for row in expected]
        both = np.sort(np.concatenate([model.calibration.scores_n, scores]))
        assert grown.calibration.scores_n == pytest.approx(both, rel=1e-3)
    else:
        assert grown.statistics is model.statistics


@pytest.mark.parametrize(("count", "size"), [(12, 10_000), (100, 400)])
def test_promise_holds_on_an_extended_line(count: int, size: int) -> None:
    alpha, held_back, tested, further = 0.1, 0, 0, 20
    for seed in range(4):
        images = normal_images(count + further + 20, seed=seed, side=4)
        model = learn(images[:count], alpha, size)
        grown = extend(model, images[count : count + further], alpha)
        decoders = [AnomalyDecoder(m, alpha, "test") for m in (model, grown)]
        for image in images[count + further :]:
            before, after = (d.decode(picture_of(image), features_of(image)) for d in decoders)
            assert after.score <= before.score * (1 + 1e-4) + ROUNDING
            assert after.p_value == p_value(after.score, grown.calibration.scores_n)
            held_back += after.p_value <= alpha
            tested += 1
    spread = np.sqrt(alpha * (1 - alpha) * (1 / tested + 1 / (4 * 0.5 * (count + further))))
    assert held_back / tested <= alpha + 3 * spread


def test_adding_extends_every_part(line: ProductLine, tmp_path: Path) -> None:
    further = [save(tmp_path / "more" / f"{i}.png", good_part(50 + i)) for i in range(4)]
    grown = line.add([*further, further[0], tmp_path / "good" / "03.png"])
    assert [i.path for i in grown.manifest.images[ENROLLED:]] == [str(f) for f in further]
    assert grown.manifest.copies == 2
    assert grown.manifest.calibration_size == ENROLLED + 4
    assert grown.sketches.sketches_Nss.shape[0] == ENROLLED + 4
    before = line.folder / "manifest.json"
    assert set(grown.manifest.parts) == {
        p.relative_to(line.folder).as_posix()
        for p in line.folder.rglob("*")
        if p.is_file() and p != before
    }
    inspection = Inspector(grown).inspect(further[2])
    assert inspection.verdict == "accept"
    assert inspection.references[0].path == further[2]
    assert Inspector(grown).inspect(bad_part(80)).anomaly.p_value == 1 / (ENROLLED + 5)
    assert grown.thumbnail(inspection.references[0]).size == (96, 96)


def test_adding_keeps_the_views_and_the_kinds(tmp_path: Path) -> None:
    turned = [np.rot90(good_part(i), k=i % 2).copy() for i in range(4)]
    line = ProductLine.enroll("ring", turned, home=tmp_path, alpha=0.2)
    views = line.manifest.views
    assert views
    line = line.teach("blot", [bad_part(20), bad_part(21)])
    grown = line.add([good_part(30)])
    assert grown.manifest.views == views
    assert grown.kinds == {"blot": 2}
    assert grown.kind_model is not None
    share = grown.model.banks[0].growth.fair_share
    sizes = [len(one.model.banks[0].patches_MK) for one in (line, grown)]
    patches = Inspector(grown).inspect(good_part(31)).anomaly.patch_scores_HW.size
    assert patches < sizes[1] - sizes[0] <= share


def test_what_cannot_be_added(line: ProductLine, tmp_path: Path) -> None:
    taught = line.teach("blot", [bad_part(20), bad_part(21)])
    digest = taught.sha256
    with pytest.raises(EnrolError, match="2 of 2 images are in line 'washer' already; give others"):
        taught.add([good_part(0), good_part(0)])
    with pytest.raises(EnrolError, match="was shown to line 'washer' as 'blot'; leave it out"):
        taught.add([good_part(40), bad_part(20)])
    with pytest.raises(ImageError, match="nowhere"):
        taught.add([good_part(40), tmp_path / "nowhere.png"])
    with pytest.raises(LineError, match="was replaced since it was opened"):
        line.add([good_part(40)])
    assert ProductLine.load("washer", home=tmp_path / "home").sha256 == digest
    assert [p.name for p in line.folder.parent.iterdir() if p.is_dir()] == ["washer"]


def test_removing_equals_enrolling_without(line: ProductLine, tmp_path: Path) -> None:
    added = line.add([save(tmp_path / "more.png", good_part(70))])
    smaller = added.remove(["03.png"])
    rest = [Path(i.path) for i in added.manifest.images if not i.path.endswith("03.png")]
    anew = ProductLine.enroll("washer", rest, home=tmp_path / "other", alpha=0.1)
    assert smaller.manifest == anew.manifest
    assert smaller.sha256 == anew.sha256


def test_what_cannot_be_removed(line: ProductLine, tmp_path: Path) -> None:
    with pytest.raises(EnrolError, match="no image 99; its images are 1 to 17"):
        line.remove([99])
    with pytest.raises(EnrolError, match=r"x\.png: is no image of line 'washer'"):
        line.remove(["x.png"])
    with pytest.raises(EnrolError, match="1 normal image was given"):
        line.remove(range(1, ENROLLED))
    save(tmp_path / "good" / "05.png", good_part(90))
    with pytest.raises(ImageError, match=r"05\.png: was changed since it was enrolled"):
        line.remove([1])
    (tmp_path / "good" / "05.png").unlink()
    with pytest.raises(ImageError, match=r"05\.png: is not there any more"):
        line.remove([1])
    assert len(line.remove([1, 6]).manifest.images) == ENROLLED - 2


def test_two_images_of_one_name_need_the_whole_path(tmp_path: Path) -> None:
    files = [save(tmp_path / str(i) / "part.png", good_part(i)) for i in range(4)]
    line = ProductLine.enroll("ring", files, home=tmp_path / "home", alpha=0.3)
    with pytest.raises(EnrolError, match=r"has 4 images of that name.*give the whole path"):
        line.remove(["part.png"])
    assert len(line.remove([files[1]]).manifest.images) == 3


def test_a_line_is_left_as_it_was_when_learning_fails(
    line: ProductLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "broken disk")

    monkeypatch.setattr(enrolment, "write_manifest", fail)
    with pytest.raises(OSError, match="broken disk"):
        line.add([good_part(60)])
    assert ProductLine.load("washer", home=tmp_path / "home").sha256 == line.sha256
