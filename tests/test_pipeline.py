from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from echo import Failure, Inspection, Inspector, ProductLine
from experts.errors import ImageError
from tests.conftest import ENROLLED, bad_part, good_part, save
from tests.ruled_lines import LENIENT, STRICT, copied, line_with


@pytest.fixture(scope="module")
def inspector(washer_home: Path) -> Inspector:
    return Inspector(ProductLine.load("washer", home=washer_home))


def everything_but_time(inspection: Inspection | Failure) -> str:
    return inspection.model_dump_json(exclude={"timings_ms"})


def test_a_good_part_is_accepted_without_reasoning(inspector: Inspector) -> None:
    inspection = inspector.inspect(good_part(1000))
    assert inspection.verdict == "accept"
    assert (inspection.regions, inspection.clause_checks) == ((), ())
    assert [step.looked_at for step in inspection.steps] == ["all evidence"]
    assert list(inspection.timings_ms) == ["read", "encode", "reference", "decode", "decide"]
    assert inspection.decision.reason.startswith("Accepted: ")


def test_a_bad_part_is_rejected_where_its_blot_is(inspector: Inspector) -> None:
    inspection = inspector.inspect(bad_part(1000))
    assert inspection.verdict == "reject"
    left, top, right, bottom = inspection.regions[0].box_xyxy
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((60, 60), abs=16)
    assert inspection.regions[0].looks == "dark spot"
    assert inspection.anomaly.p_value == pytest.approx(1 / (ENROLLED + 1))
    assert inspection.anomaly.scores_HW.shape == inspection.size_HW == (96, 96)
    assert inspection.decision.reason.endswith("; the line has no knowledge file.")
    stages = ["read", "encode", "reference", "decode", "knowledge", "reason", "decide"]
    assert list(inspection.timings_ms) == stages
    assert min(inspection.timings_ms.values()) >= 0


def test_the_broken_clause_decides_and_is_cited(strict_home: Path) -> None:
    line = ProductLine.load("washer", home=strict_home)
    inspection = Inspector(line, keep=False).inspect(bad_part(1000))
    assert (inspection.verdict, inspection.decision.deciding_clause) == ("reject", "pit.size")
    assert re.fullmatch(
        r"Rejected: a dark spot of about \S+ × \S+ mm .+ scores beyond all 4 normal washers "
        r"\(p = 0\.2\); clause `pit\.size` allows length up to 0\.5 mm, measured [\d.]+ mm\.",
        inspection.decision.reason,
    )
    assert "clause:pit.size" in inspection.steps[-1].evidence_ids
    cited = {i for step in inspection.steps for i in step.evidence_ids}
    ids = {"anomaly", *(reference.id for reference in inspection.references)}
    ids |= {region.id for region in inspection.regions}
    assert cited == ids | {check.id for check in inspection.clause_checks}
    assert inspection.versions.knowledge_sha256 == line.manifest.parts["knowledge.yaml"]


def test_a_blot_within_the_limits_is_accepted(strict_home: Path, tmp_path: Path) -> None:
    inspection = Inspector(copied(strict_home, tmp_path, LENIENT)).inspect(bad_part(1000))
    assert inspection.verdict == "accept"
    assert inspection.regions
    assert inspection.decision.reason.endswith("but it is within every limit that may apply.")


@pytest.mark.usefixtures("small_inputs")
def test_the_rules_of_a_line_stay_when_the_file_goes(tmp_path: Path) -> None:
    line_with(STRICT, tmp_path)
    (tmp_path / "washer.yaml").unlink()
    knowledge = ProductLine.load("washer", home=tmp_path).knowledge
    assert knowledge is not None
    assert [clause.id for clause in knowledge.clauses] == ["pit.count", "pit.size"]


def test_two_runs_differ_in_time_only(inspector: Inspector, washer_home: Path) -> None:
    again = Inspector(ProductLine.load("washer", home=washer_home))
    for part in (good_part(1001), bad_part(1001)):
        first = everything_but_time(inspector.inspect(part))
        assert everything_but_time(inspector.inspect(part)) == first
        assert everything_but_time(again.inspect(part)) == first


def test_one_by_one_and_many_agree(inspector: Inspector) -> None:
    parts = [good_part(2000 + i) if i % 3 else bad_part(2000 + i) for i in range(10)]
    many = list(inspector.inspect_many(iter(parts)))
    assert len(many) == len(parts)
    for part, together in zip(parts, many, strict=True):
        alone = inspector.inspect(part)
        assert isinstance(together, Inspection)
        assert together.anomaly.score == pytest.approx(alone.anomaly.score, abs=1e-4)
        assert together.verdict == alone.verdict
        assert together.versions == alone.versions


def test_a_bad_image_among_good_ones(inspector: Inspector, tmp_path: Path) -> None:
    broken = tmp_path / "shift 2: broken.png"
    broken.write_text("no image")
    missing = tmp_path / "missing.png"
    good = save(tmp_path / "good.png", good_part(7))
    sources = [good, broken, *[good] * 8, missing, good]
    results = list(inspector.inspect_many(sources))
    assert [r.image for r in results] == [str(s) for s in sources]
    failures = {i: r.error for i, r in enumerate(results) if isinstance(r, Failure)}
    assert list(failures) == [1, 10]
    assert failures[1].startswith(f"{broken}: not an image that can be read; ")
    assert failures[10] == f"{missing}: there is no such file; check the path"
    scores = {round(r.anomaly.score, 4) for r in results if isinstance(r, Inspection)}
    assert len(scores) == 1


def test_a_file_name_that_is_not_utf_8(inspector: Inspector, tmp_path: Path) -> None:
    path = save(tmp_path / os.fsdecode(b"gr\xfcn.png"), good_part(7))
    text = inspector.inspect(path).model_dump_json()
    assert Inspection.model_validate_json(text).verdict == "accept"
    (failure,) = inspector.inspect_many([tmp_path / os.fsdecode(b"gr\xfcner.png")])
    assert "there is no such file" in failure.model_dump_json()


def test_only_bad_images_and_no_images(inspector: Inspector) -> None:
    (failure,) = inspector.inspect_many([b"no image"])
    assert isinstance(failure, Failure)
    assert list(inspector.inspect_many([])) == []
    with pytest.raises(ImageError, match=r"\Abytes: not an image that can be read; "):
        inspector.inspect(b"no image")


@pytest.mark.parametrize("part", [good_part(5), bad_part(5)], ids=["good", "bad"])
def test_an_inspection_comes_back_from_json(inspector: Inspector, part: NDArray[np.uint8]) -> None:
    inspection = inspector.inspect(part)
    text = inspection.model_dump_json()
    back = Inspection.model_validate_json(text)
    assert back.model_dump_json() == text
    assert (back.anomaly.scores_HW == inspection.anomaly.scores_HW).all()
    assert back.anomaly.patch_scores_HW.dtype == np.float32
    for mine, theirs in zip(back.regions, inspection.regions, strict=True):
        assert (mine.mask == theirs.mask).all()
        assert json.loads(text)["regions"][0]["looks"] == inspection.regions[0].looks


def test_an_inspection_cannot_be_altered(inspector: Inspector) -> None:
    inspection = inspector.inspect(bad_part(5))
    with pytest.raises(ValueError, match="frozen"):
        inspection.__setattr__("image", "other")
    for array in (inspection.anomaly.patch_scores_HW, inspection.regions[0].mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_every_way_to_give_an_image_gives_one_result(inspector: Inspector, tmp_path: Path) -> None:
    pixels = bad_part(6)
    path = save(tmp_path / "part.png", pixels)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    sources: list[Any] = [path, str(path), Image.fromarray(pixels), pixels, pixels[..., 0]]
    results = [inspector.inspect(source) for source in [*sources, stream.getvalue()]]
    assert len({r.anomaly.score for r in results}) == 1
    assert len({r.versions.image_sha256 for r in results}) == 1
    assert [r.image for r in results] == [str(path), str(path), "image", "array", "array", "bytes"]


def test_too_few_images_ask_for_more(tmp_path: Path) -> None:
    line = ProductLine.enroll("few", [good_part(i) for i in range(3)], home=tmp_path)
    assert line.promise == (
        "3 calibration images cannot promise fewer false rejects than 25.0%, so nothing is "
        "rejected, only sent to review; reviews for a difference from a twin come on top; for 5.0% "
        "enrol at least 19"
    )
    inspection = Inspector(line).inspect(bad_part(9))
    assert inspection.verdict == "review"
    assert inspection.decision.reason.endswith(
        "but 3 normal images cannot promise fewer false rejects than 25.0%; "
        "for 5.0% enrol at least 19."
    )


def test_the_promise_of_enough_images(inspector: Inspector) -> None:
    promise = f"on average at most 5.0% of good parts are held back ({ENROLLED} calibration images"
    assert inspector.line.promise.startswith(promise)


def test_embeddings_find_the_image_itself(inspector: Inspector, good_folder: Path) -> None:
    path = good_folder / "good-05.png"
    (reference,) = inspector.inspect(path).references
    assert reference.path == path
    assert reference.similarity == pytest.approx(1, abs=1e-4)
    with Image.open(reference.thumbnail) as thumbnail:
        assert thumbnail.size == (96, 96)
