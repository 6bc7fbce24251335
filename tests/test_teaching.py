from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from echo import storage
from echo.inspector import Inspector
from echo.line import ProductLine
from echo.report import ReportWriter
from echo.teaching import lesson_in_words, load_kinds
from experts.decoder.descriptor import describe_place, place_of_region
from experts.errors import DamagedLineError, EnrolError, ImageError, LineError, OutputError
from tests.conftest import SIDE_PX, good_part
from tests.conftest import save as save_image
from tests.test_storage import names_in, run_killed

Pixels = NDArray[np.uint8]
SHOWN = 3
RULES = """\
product: washer
part: washer
parts: washers
normal: Upright stripes.
defects:
  - name: pit
    synonyms: [Dark Hole]
    appearance: A small dark hole.
    effect: None.
    severity: minor
    clauses: [{id: pit.size, quantity: length, at_most: 90, unit: px}]
  - name: scratch
    appearance: A bright line.
    effect: Leaks.
    severity: critical
    clauses: [{id: scratch.any, quantity: count, at_most: 0}]
"""


def scratched(seed: int, part: Pixels | None = None) -> Pixels:
    """A good part, or another, with a bright line across its upper half."""
    pixels = good_part(seed) if part is None else part.copy()
    top, left = np.random.default_rng(seed).integers([12, 8], [36, 30]).tolist()
    pixels[top : top + 4, left : left + 50] = 240
    return pixels


def pitted(seed: int, part: Pixels | None = None) -> Pixels:
    """A good part, or another, with a dark blot in its lower half."""
    pixels = good_part(seed) if part is None else part.copy()
    centre_y, centre_x = np.random.default_rng(seed).integers([58, 25], [72, 70]).tolist()
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    pixels[(y - centre_y) ** 2 + (x - centre_x) ** 2 <= 10**2] = 15
    return pixels


PITS = [pitted(200 + i) for i in range(SHOWN)]
SCRATCHES = [scratched(100 + i) for i in range(SHOWN)]
# Other parts with a defect as on one that was shown.
PIT, SCRATCH = pitted(200, good_part(300)), scratched(100, good_part(301))


@pytest.fixture(scope="module")
def taught_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the line ``washer``, which has rules and knows pits and scratches."""
    home = tmp_path_factory.mktemp("taught")
    (home / "washer.yaml").write_text(RULES)
    parts = [good_part(i) for i in range(20)]
    line = ProductLine.enroll("washer", parts, home / "washer.yaml", home=home)
    line.teach("Dark hole", PITS).teach("scratch", SCRATCHES)
    return home


@pytest.fixture
def line(tmp_path: Path, taught_home: Path) -> ProductLine:
    """A line that may be changed."""
    return ProductLine.load("washer", home=shutil.copytree(taught_home, tmp_path / "home"))


def again(line: ProductLine) -> ProductLine:
    return ProductLine.load(line.name, home=line.folder.parent.parent)


def test_regions_of_a_suspicious_image_are_named(taught_home: Path, tmp_path: Path) -> None:
    line = ProductLine.load("washer", home=taught_home)
    inspector = Inspector(line)
    for part, kind in ((PIT, "pit"), (SCRATCH, "scratch")):
        inspection = inspector.inspect(save_image(tmp_path / f"{kind}.png", part))
        kinds = inspection.regions[0].kinds
        assert kinds is not None
        assert kinds.names == (kind,)
        assert kinds.coverage == pytest.approx(SHOWN / (SHOWN + 1))
        assert f", taken for {kind}" in inspection.decision.reason
        step = next(s for s in inspection.steps if s.looked_at == "region-1")
        assert f"It is taken for {kind}; of places of the kinds that were shown at " in step.found
        assert "than the surroundings, " in step.found
        assert '"names":["' + kind + '"]' in inspection.model_dump_json()
        page = ReportWriter(tmp_path, "Washers", line)
        page.add(inspection)
        text = page.finish().read_text()
        assert f"<td>{kind}</td>" in text
        assert inspection.regions[0].traits is not None
        assert f"<td>{inspection.regions[0].traits.in_words}</td>" in text
    assert inspector.inspect(good_part(302)).regions == ()


def test_an_example_is_described_as_an_inspection_describes_it(taught_home: Path) -> None:
    line = ProductLine.load("washer", home=taught_home)
    for number, part in ((0, PITS[0]), (SHOWN, SCRATCHES[0])):
        found = Inspector(line).inspect(part)
        place = place_of_region(found.regions[0], found.anomaly)
        normal = np.asarray(line.thumbnail(found.references[0]))
        slow_D = describe_place(part, place, normal, line.encoder)
        assert model_of(line).descriptors_ND[number] == pytest.approx(slow_D, abs=1e-5)
        assert line.manifest.examples[number].box_xyxy == place.box_xyxy


def test_the_limits_of_the_kind_decide(taught_home: Path) -> None:
    inspector = Inspector(ProductLine.load("washer", home=taught_home))
    pit, scratch = inspector.inspect(PIT), inspector.inspect(SCRATCH)
    assert [check.clause.id for check in pit.clause_checks] == ["pit.size"]
    assert pit.verdict == "accept"
    assert pit.decision.reason.endswith("but it is within every limit that may apply.")
    assert (scratch.verdict, scratch.decision.deciding_clause) == ("reject", "scratch.any")
    assert [(d.name, d.candidates) for d in scratch.decision.defects] == [("scratch", ("scratch",))]


def test_what_is_of_no_kind_has_the_strictest_limit(taught_home: Path) -> None:
    pixels = good_part(303)
    pixels[:, 40:] = 255 - pixels[:, 40:] // 3
    inspection = Inspector(ProductLine.load("washer", home=taught_home)).inspect(pixels)
    kinds = inspection.regions[0].kinds
    assert kinds is not None
    assert kinds.unknown
    assert ", of no kind that was shown, " in inspection.decision.reason
    assert (inspection.verdict, inspection.decision.deciding_clause) == ("reject", "scratch.any")
    assert inspection.decision.defects[0].name == "unknown"


def test_a_line_that_was_shown_nothing_names_nothing(washer_home: Path) -> None:
    line = ProductLine.load("washer", home=washer_home)
    assert (line.kinds, line.kind_model, line.namer) == ({}, None, None)
    inspection = Inspector(line).inspect(PIT)
    assert [region.kinds for region in inspection.regions] == [None] * len(inspection.regions)
    assert "taken for" not in inspection.decision.reason


def test_what_was_learnt_is_kept_and_said(line: ProductLine) -> None:
    assert line.kinds == {"pit": SHOWN, "scratch": SHOWN}
    assert [example.kind for example in line.manifest.examples] == ["pit"] * 3 + ["scratch"] * 3
    left, top, right, bottom = line.manifest.examples[0].box_xyxy
    dark_y, dark_x = np.nonzero(PITS[0][..., 0] < 40)
    assert left <= np.median(dark_x) < right
    assert top <= np.median(dark_y) < bottom
    assert lesson_in_words(line) == [
        "Examples of each kind: pit 3, scratch 3. Of places of these kinds at least 75.0% have "
        "their own kind named, alone or among others."
    ]
    strange = line.teach("dent", [pitted(400), pitted(401)]).forget("scratch")
    assert lesson_in_words(strange)[1:] == [
        "Not in washer.yaml, so all its limits apply to such places: dent.",
        "Not shown yet, so a place of such a kind may be taken for another: scratch.",
    ]


def test_an_image_counts_once_and_for_one_kind(line: ProductLine) -> None:
    same = line.teach("PIT", [PITS[0], PITS[0], PITS[1]])
    assert same.kinds == line.kinds
    assert np.array_equal(model_of(same).descriptors_ND, model_of(line).descriptors_ND)
    more = same.teach("pit", [pitted(400), pitted(400)])
    assert more.kinds == {"pit": SHOWN + 1, "scratch": SHOWN}
    sentence = (
        r"\Aarray: was shown as 'pit' before; leave it out, or forget that kind first: "
        r"echo-iad teach washer --forget 'pit'\Z"
    )
    with pytest.raises(EnrolError, match=sentence):
        more.teach("scratch", [PITS[0]])
    with pytest.raises(EnrolError, match=r"\Aarray: is one of the normal images of line 'washer'"):
        more.teach("pit", [good_part(0)])
    assert again(line).sha256 == more.sha256


def model_of(line: ProductLine) -> Any:
    assert line.kind_model is not None
    return line.kind_model


def test_forgetting_a_kind(line: ProductLine) -> None:
    before = {name: (line.folder / name).read_bytes() for name in line.manifest.parts}
    one = line.forget("dark hole")
    assert one.kinds == {"scratch": SHOWN}
    assert model_of(one).names == ("scratch",)
    with pytest.raises(EnrolError, match=r"\Aline 'washer' was never shown 'pit'; it was shown sc"):
        one.forget("pit")
    none = one.forget("scratch")
    assert (none.kinds, none.namer) == ({}, None)
    assert lesson_in_words(none) == ["It knows no kind of defect now."]
    assert set(names_in(none.folder)) == {"manifest.json", "thumbnails"} | {
        name for name in none.manifest.parts if "/" not in name
    }
    assert set(before) - set(none.manifest.parts) == {"kinds.safetensors"}
    for name in none.manifest.parts:
        assert (none.folder / name).read_bytes() == before[name]
    with pytest.raises(EnrolError, match="it was shown no kind"):
        none.forget("pit")


@pytest.mark.parametrize("suffix", ["_mask", ""])
def test_a_mask_says_which_place_is_meant(line: ProductLine, tmp_path: Path, suffix: str) -> None:
    parts = [scratched(400 + i, pitted(400 + i)) for i in range(2)]
    for grey, middle_y in ((240, 24), (15, 65)):
        for i, part in enumerate(parts):
            save_image(tmp_path / "parts" / f"{i}.png", part)
            mask_HW = (part[..., 0] == grey).astype(np.uint8)
            save_image(tmp_path / "masks" / f"{i}{suffix}.png", mask_HW)
        taught = line.teach(f"kind {grey}", tmp_path / "parts", tmp_path / "masks")
        for i, example in enumerate(taught.manifest.examples[-2:]):
            assert example.path == str(tmp_path / "parts" / f"{i}.png")
            top, bottom = example.box_xyxy[1::2]
            assert (top + bottom) / 2 == pytest.approx(middle_y, abs=14)
        line = taught.forget(f"kind {grey}")


def test_masks_that_are_given_in_order(line: ProductLine) -> None:
    parts = [scratched(400 + i, pitted(400 + i)) for i in range(2)]
    masks = [part[..., 0] == 15 for part in parts]
    taught = line.teach("pit", parts, masks)
    assert all(example.box_xyxy[1] > 40 for example in taught.manifest.examples[-2:])
    with pytest.raises(ImageError, match=r"\A1 masks for 2 images; give each image its own\Z"):
        line.teach("pit", parts, masks[:1])


def test_masks_at_fault_are_named(line: ProductLine, tmp_path: Path) -> None:
    image = save_image(tmp_path / "a.png", pitted(400))
    full = np.full((SIDE_PX, SIDE_PX), 255, np.uint8)
    small = save_image(tmp_path / "small" / "a_mask.png", full[:50])
    empty = save_image(tmp_path / "empty" / "a.png", full * 0)
    save_image(tmp_path / "other" / "b_mask.png", full)
    save_image(tmp_path / "two" / "1" / "a_mask.png", full)
    save_image(tmp_path / "two" / "2" / "a_mask.png", full)
    faults = {
        "small": rf"\A{small}: the mask is 96 × 50 px, but {image} is 96 × 96 px; ",
        "empty": rf"\A{empty}: the mask marks no pixel; mark the defect, or leave the masks out\Z",
        "other": rf"\A{image}: none of the 1 masks belongs to it; draw a_mask\.png, or leave the ",
        "two": rf"\A{image}: \S+a_mask\.png and \S+a_mask\.png may both be its mask; ",
        "none": rf"\A{tmp_path}/none: no such folder or file, ",
    }
    for folder, sentence in faults.items():
        with pytest.raises(ImageError, match=sentence):
            line.teach("pit", [image], tmp_path / folder)
    with pytest.raises(ImageError, match=r"\Aarray: none of the 1 masks belongs to it; "):
        line.teach("pit", [pitted(400)], tmp_path / "other")
    assert again(line).sha256 == line.sha256


@pytest.mark.parametrize("kind", ["", "  ", "x" * 61, "a\x00b", "Unknown", "unknown  kind"])
def test_names_that_are_refused(line: ProductLine, kind: str) -> None:
    with pytest.raises(EnrolError, match=r"kind .*called"):
        line.teach(kind, PITS)


def test_a_name_keeps_the_case_that_it_was_first_given(line: ProductLine) -> None:
    taught = line.teach(" Big  Dent", [pitted(400), pitted(401)])
    assert taught.teach("big dent", [pitted(402)]).kinds["Big Dent"] == 3


def test_one_example_is_too_few_and_leaves_the_line(line: ProductLine) -> None:
    with pytest.raises(EnrolError, match=r"\Aonly 1 example of the kind 'dent'; show at least 2"):
        line.teach("dent", [pitted(400)])
    with pytest.raises(ImageError, match="not an image"):
        line.teach("pit", [pitted(400), b"no image"])
    assert again(line).sha256 == line.sha256


def test_killed_halfway_the_old_line_stands(line: ProductLine) -> None:
    code = "from echo.line import ProductLine\nstorage._swap = die\n"
    code += "ProductLine.load('washer', home=sys.argv[1]).forget('pit')"
    run_killed(code, line.folder.parent.parent)
    assert again(line).sha256 == line.sha256
    assert again(line).forget("pit").kinds == {"scratch": SHOWN}
    assert [name for name in names_in(line.folder.parent) if "new" in name] == []


def test_what_cannot_be_written_leaves_the_old_line(
    line: ProductLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, data: bytes) -> None:
        raise OutputError(f"{path}: cannot be written")

    monkeypatch.setattr(storage, "write_bytes", fail)
    with pytest.raises(OutputError, match=r"kinds\.safetensors: cannot be written"):
        line.forget("pit")
    assert again(line).kinds == line.kinds
    assert model_of(again(line)).names == ("pit", "scratch")


def test_a_line_that_changed_since_it_was_opened_is_not_overwritten(line: ProductLine) -> None:
    newer = line.forget("pit")
    with pytest.raises(LineError, match=r"\Aline 'washer' was replaced since it was opened; load"):
        line.forget("scratch")
    assert again(line).sha256 == newer.sha256


def test_a_damaged_part_is_named(line: ProductLine) -> None:
    path = line.folder / "kinds.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    sentence = rf"\Aline 'washer' is damaged: {re.escape(str(path))}: its contents are not those"
    with pytest.raises(DamagedLineError, match=sentence):
        Inspector(line)
    with pytest.raises(DamagedLineError, match=sentence):
        line.teach("pit", [pitted(400)])


def one_kind_less(raw: bytes) -> bytes:
    tensors = load(raw)
    return bytes(save({**tensors, "names": tensors["names"][:0]}))


def narrow(raw: bytes) -> bytes:
    tensors = load(raw)
    cut = np.ascontiguousarray(tensors["descriptors"][:, :60])
    return bytes(save({**tensors, "descriptors": cut}))


@pytest.mark.parametrize("change", [lambda raw: b"junk" * 9, one_kind_less, narrow])
def test_examples_that_are_none(line: ProductLine, change: Callable[[bytes], bytes]) -> None:
    raw = (line.folder / "kinds.safetensors").read_bytes()
    load_kinds(raw, 2 * SHOWN, line.encoder)
    with pytest.raises(ValueError, match=r".+"):
        load_kinds(change(raw), 2 * SHOWN, line.encoder)
    with pytest.raises(ValueError, match=r"holds \(6, \d+\) numbers, expected \(7, \d+\)"):
        load_kinds(raw, 7, line.encoder)


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "sub" / "a").write_text("text")
    storage.link_files(tmp_path / "old", ["sub/a"], tmp_path / "linked")
    assert (tmp_path / "linked" / "sub" / "a").samefile(tmp_path / "old" / "sub" / "a")

    def no_links(self: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    storage.link_files(tmp_path / "old", ["sub/a"], tmp_path / "copied")
    assert (tmp_path / "copied" / "sub" / "a").read_text() == "text"
    assert not (tmp_path / "copied" / "sub" / "a").samefile(tmp_path / "old" / "sub" / "a")
    with pytest.raises(LineError, match=rf"\A{tmp_path}/old/b: cannot be copied \(No such file"):
        storage.link_files(tmp_path / "old", ["b"], tmp_path / "copied")
