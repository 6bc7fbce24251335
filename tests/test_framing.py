"""Parts on a plain background are found, turned and cut out, and maps find their way back."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from echo import Inspector, ProductLine
from experts.decoder.encoder import load_encoder
from experts.decoder.framing import SAMPLE, Framing, choose_framing, find_part, frame_of, see
from experts.decoder.seed import seed_size
from experts.evidence import AnomalyMap
from experts.images import Picture, read_picture
from tests.conftest import Command, save
from tests.pins import BACKGROUND, PART, SIZE_PX, framing_of_pins, pin

Pixels = NDArray[np.uint8]


def fabric(seed: int) -> Picture:
    return read_picture(np.random.default_rng(seed).integers(0, 255, (96, 96, 3), np.uint8))


@pytest.fixture(scope="module")
def framing() -> Framing:
    return framing_of_pins()


@pytest.mark.parametrize("degrees", [0, 35, 90, 155, 180, 270, 300])
def test_a_part_looks_the_same_however_it_lies(framing: Framing, degrees: int) -> None:
    assert framing.turned
    upright = frame_of(pin(0), framing).picture.rgb_HW3.astype(float)
    frame = frame_of(pin(degrees, (-12, 9), seed=7), framing)
    assert frame.found
    assert frame.placement.zoom == 1
    difference = np.abs(frame.picture.rgb_HW3 - upright).max(axis=2)
    # But for edges, which fall between pixels.
    assert np.quantile(difference, 0.9) < 16
    assert frame.picture.rgb_HW3.shape[0] < frame.picture.rgb_HW3.shape[1] < SIZE_PX


def test_aligned_parts_are_not_turned_so_that_a_wrong_way_shows() -> None:
    pins = [pin(angle, (3 * i, -2 * i), i) for i, angle in enumerate((2, -3, 1))]
    framing = choose_framing(pins)
    assert framing is not None
    assert not framing.turned
    upright = frame_of(pin(0), framing).picture.rgb_HW3.astype(float)
    wrong = frame_of(pin(180), framing).picture.rgb_HW3
    assert np.abs(wrong - upright).max(axis=2).mean() > 10
    # Either end may be found first: an axis has no direction.
    both_ends, single = choose_framing([pin(0), pin(180)]), choose_framing([pin(0)])
    assert both_ends is not None
    assert single is not None
    assert (both_ends.turned, single.turned) == (False, True)


def test_dirt_on_the_border_hides_no_part(framing: Framing) -> None:
    rgb = pin(20).rgb_HW3.copy()
    rgb[:12, :12] = 20
    assert find_part(rgb) is not None
    assert frame_of(read_picture(rgb), framing).found


def test_no_more_images_choose_the_frame_than_give_the_seed() -> None:
    for count in range(1, 300):
        size = seed_size(count, 0.05, 2**20)
        assert size == 0 or size >= SAMPLE


def test_points_go_to_the_image_and_back(framing: Framing) -> None:
    placement = frame_of(pin(70, (10, 5)), framing).placement
    points_N2 = np.random.default_rng(0).uniform(0, 50, (20, 2))
    np.testing.assert_allclose(placement.to_frame(placement.to_image(points_N2)), points_N2)


@pytest.mark.parametrize("degrees", [0, 60, 200])
def test_a_map_finds_its_way_back(framing: Framing, degrees: int) -> None:
    """The head is the only red place; a map of red in the frame peaks on it in the image."""
    picture = pin(degrees, (8, -6))
    frame = frame_of(picture, framing)
    red_HW = (frame.picture.rgb_HW3[:, :, 0] > 100) & (frame.picture.rgb_HW3[:, :, 1] < 75)
    cells_HW = red_HW[: red_HW.shape[0] // 8 * 8, : red_HW.shape[1] // 8 * 8]
    cells_HW = cells_HW.reshape(red_HW.shape[0] // 8, 8, -1, 8).mean(axis=(1, 3))
    anomaly = AnomalyMap(
        patch_scores_HW=cells_HW.astype(np.float32),
        patch_stride_px=(8.0, 8.0),
        patch_centre_px=(3.5, 3.5),
        image_size_HW=frame.picture.size_HW,
        score=1.0,
        p_value=0.5,
        channels=(),
        calibration_size=1,
        limit=0.5,
        extent_limit=0.5,
        encoder="none",
    )
    back = frame.in_image(anomaly)
    assert back.image_size_HW == picture.size_HW
    assert back.scores_HW.shape == picture.size_HW
    assert back.scores_HW.max() == pytest.approx(1, abs=0.1)
    head_HW = (picture.rgb_HW3[:, :, 0] > 100) & (picture.rgb_HW3[:, :, 1] < 75)
    found = np.argwhere(back.scores_HW > 0.5).mean(axis=0)
    np.testing.assert_allclose(found, np.argwhere(head_HW).mean(axis=0), atol=2)
    corner = back.scores_HW[:10, :10]
    assert corner.max() == 0


def test_a_box_goes_back_to_its_place(framing: Framing) -> None:
    placement = frame_of(pin(90), framing).placement
    height, width = placement.frame_HW
    left, top, right, bottom = placement.box_in_image((0, 0, width, height))
    x, y = placement.centre_xy
    np.testing.assert_allclose([(left + right) / 2, (top + bottom) / 2], [x, y], atol=1.5)
    assert 0 <= left < right <= SIZE_PX
    assert 0 <= top < bottom <= SIZE_PX


def test_whatever_is_not_background_comes_in(framing: Framing) -> None:
    rgb = pin(20).rgb_HW3.copy()
    rgb[4:14, 4:14] = 20
    frame = frame_of(read_picture(rgb), framing)
    assert frame.found
    assert frame.placement.zoom > 1.2
    shown = frame.placement.to_frame(np.array([[4.0, 4.0], [14.0, 14.0]]))
    assert frame.placement.shows(shown).all()


def test_an_image_without_a_part_is_unlike_any_normal_one(framing: Framing) -> None:
    encoder = load_encoder()
    empty = read_picture(np.full((SIZE_PX, SIZE_PX, 3), BACKGROUND, np.uint8))
    frame = frame_of(empty, framing)
    assert not frame.found
    whole = frame.placement.to_frame(np.array([[0.0, 0.0], [SIZE_PX - 1.0, SIZE_PX - 1.0]]))
    assert frame.placement.shows(whole).all()
    normal, other, missing = see([pin(0), pin(45, seed=3), empty], encoder, framing)

    def distance(patches_HWC: NDArray[np.float32]) -> float:
        columns = normal.patches_HWC.shape[2]
        bank_MC = normal.patches_HWC.reshape(-1, columns)
        pairs = patches_HWC.reshape(-1, 1, columns) - bank_MC
        return float((pairs**2).sum(axis=2).min(axis=1).max())

    assert distance(missing.patches_HWC[:2]) > 3 * distance(other.patches_HWC[:2])


def test_other_products_get_no_frame() -> None:
    assert choose_framing([fabric(0), fabric(1)]) is None
    assert choose_framing([read_picture(np.full((64, 64, 3), 128, np.uint8))]) is None


def test_a_frame_goes_with_the_resolution(framing: Framing) -> None:
    picture = pin(50)
    half = read_picture(np.asarray(Image.fromarray(picture.rgb_HW3).reduce(2)))
    whole_HW = frame_of(picture, framing).placement.frame_HW
    half_HW = frame_of(half, framing).placement.frame_HW
    np.testing.assert_allclose(np.array(whole_HW) / 2, half_HW, atol=0.6)


def test_parts_of_two_sizes_or_in_pieces_get_no_frame() -> None:
    short = pin(0).rgb_HW3.copy()
    short[:, 120:] = BACKGROUND
    assert choose_framing([pin(0), read_picture(short)]) is None
    split = pin(0).rgb_HW3.copy()
    split[:, 110:125] = BACKGROUND
    assert choose_framing([read_picture(split)]) is None


def test_a_round_part_is_not_turned() -> None:
    image = Image.new("RGB", (200, 200), BACKGROUND)
    ImageDraw.Draw(image).ellipse((60, 40, 140, 120), fill=PART)
    framing = choose_framing([read_picture(image)])
    assert framing is not None
    assert not framing.turned
    frame = frame_of(read_picture(image), framing)
    assert frame.placement.angle == 0
    np.testing.assert_allclose(frame.placement.centre_xy, (100, 80), atol=1)


def test_a_shaded_background_is_still_plain() -> None:
    rgb = pin(30).rgb_HW3.astype(float)
    shaded = rgb * np.linspace(0.8, 1.1, SIZE_PX)[None, :, None]
    part = find_part(shaded.clip(0, 255).astype(np.uint8))
    plain = find_part(pin(30).rgb_HW3)
    assert part is not None
    assert plain is not None
    assert part.angle == pytest.approx(plain.angle, abs=0.02)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> ProductLine:
    pins = [pin(37 * i, (5 * i % 11, -4 * i % 9), i).rgb_HW3 for i in range(5)]
    home = tmp_path_factory.mktemp("home")
    return ProductLine.enroll("pin", pins, alpha=0.2, home=home, progress=False)


@pytest.fixture
def own(line: ProductLine, tmp_path: Path) -> ProductLine:
    """A copy of the line, which may be changed."""
    shutil.copytree(line.folder, tmp_path / "lines" / "pin")
    return ProductLine.load("pin", home=tmp_path)


def scratched(degrees: float) -> tuple[Picture, tuple[float, float]]:
    """A pin with a bright spot on its bar, and where it is (x, y)."""
    rgb = pin(degrees, seed=11).rgb_HW3.copy()
    angle = np.deg2rad(degrees)
    # The bar runs through the image's middle.
    x, y = SIZE_PX / 2 + 25 * np.cos(angle), SIZE_PX / 2 - 25 * np.sin(angle)
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    rgb[(rows - y) ** 2 + (columns - x) ** 2 < 25] = (230, 230, 60)
    return read_picture(rgb), (float(x), float(y))


@pytest.mark.parametrize("degrees", [15, 100, 230])
def test_a_line_of_free_parts_sees_them_in_their_frame(line: ProductLine, degrees: int) -> None:
    assert line.look.framing is not None
    assert line.look.framing.turned
    assert not line.manifest.twins
    inspector = Inspector(ProductLine.load("pin", home=line.folder.parent.parent))
    good = inspector.inspect(pin(degrees, seed=12).rgb_HW3)
    picture, (x, y) = scratched(degrees)
    bad = inspector.inspect(picture.rgb_HW3)
    assert bad.anomaly.score > 2 * good.anomaly.score
    assert bad.verdict != "accept"
    scores_HW = bad.anomaly.scores_HW
    assert scores_HW.shape == picture.size_HW
    row, column = np.unravel_index(scores_HW.argmax(), scores_HW.shape)
    assert np.hypot(column - x, row - y) < 16
    left, top, right, bottom = bad.regions[0].box_xyxy
    assert left - 8 <= x <= right + 8
    assert top - 8 <= y <= bottom + 8


EMPTY = np.full((SIZE_PX, SIZE_PX, 3), BACKGROUND, np.uint8)


def test_a_missing_part_goes_to_review_and_is_called_so(line: ProductLine) -> None:
    inspection = Inspector(line).inspect(EMPTY)
    assert inspection.verdict == "review"
    assert inspection.regions == ()
    assert "nothing stands out from the background" in inspection.decision.reason
    assert inspection.anomaly.p_value == pytest.approx(1 / 6)


def test_an_image_without_a_part_teaches_nothing(line: ProductLine, own: ProductLine) -> None:
    """Else a missing part would be normal from then on."""
    grown = own.add([EMPTY], progress=False)
    assert len(grown.manifest.images) == len(line.manifest.images) + 1
    for before, after in zip(line.model.banks, grown.model.banks, strict=True):
        assert np.array_equal(before.patches_MK, after.patches_MK)
    other = np.full((SIZE_PX, SIZE_PX, 3), (190, 205, 200), np.uint8)
    expected = Inspector(line).inspect(other).anomaly.score
    assert Inspector(grown).inspect(other).anomaly.score == pytest.approx(expected)


def test_enrolling_names_images_without_a_part(run: Command, tmp_path: Path) -> None:
    """Beyond those that choose the frame; among these, one takes the frame away."""
    for number, place in enumerate(np.random.default_rng(0).permutation(SAMPLE + 2)):
        last = number == SAMPLE + 1
        image = EMPTY if last else pin(25 * number, (number % 7, 0), number).rgb_HW3
        save(tmp_path / "good" / f"{place:02d}.png", image)
    result = run("enroll", "pin", tmp_path / "good", "--home", tmp_path / "home")
    assert result.code == 0
    assert f"No part stands out from the background of {place:02d}.png;" in result.out


def test_what_is_stray_is_what_the_map_shows(line: ProductLine) -> None:
    rgb = pin(60, seed=12).rgb_HW3.copy()
    rgb[8:24, 200:216] = (20, 20, 120)
    inspection = Inspector(line).inspect(rgb)
    assert inspection.verdict != "accept"
    (region,) = inspection.regions
    left, _, _, bottom = region.box_xyxy
    assert left > 180
    assert bottom < 44


def test_boxes_of_the_audit_lie_in_the_image(line: ProductLine) -> None:
    for image in line.manifest.images:
        assert image.left_out is not None
        assert image.left_out.size_HW == (SIZE_PX, SIZE_PX)
        left, top, right, bottom = image.left_out.box_xyxy
        assert 0 <= left < right <= SIZE_PX
        assert 0 <= top < bottom <= SIZE_PX


def test_further_images_are_seen_in_the_same_frame(line: ProductLine, own: ProductLine) -> None:
    grown = own.add([pin(77, seed=20).rgb_HW3], progress=False)
    assert grown.look == line.look
    assert len(grown.model.calibration.scores_n) == 6
    before = line.model.calibration.scores_n.max()
    # Of a frame that was not the line's, the patches would lie far from all others.
    assert grown.model.calibration.scores_n.max() < 3 * before
