"""Which further views of a few normal images are learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from echo import Inspector, ProductLine
from experts.decoder.encoder import load_encoder
from experts.decoder.poses import (
    ALL_VIEWS,
    MAX_IMAGES,
    TURNED,
    View,
    choose_views,
    turned,
    view_patches,
)
from experts.images import Picture, read_picture


def key(angle: float, seed: int, *, mirrored: bool = False, broken: bool = False) -> Image.Image:
    """A part that is no mirror image of itself, on a plain ground, at some angle."""
    image = Image.new("RGB", (160, 160), (70, 70, 75))
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 74, 130, 86), fill=(200, 190, 150))
    draw.ellipse((18, 62, 58, 98), fill=(200, 190, 150))
    draw.rectangle((104, 86, 114, 112), fill=(200, 190, 150))
    if broken:
        draw.rectangle((76, 74, 86, 86), fill=(70, 70, 75))
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=(70, 70, 75))
    noise = np.random.default_rng(seed).normal(0, 3, (160, 160, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def keys(angles: list[float], **kwargs: bool) -> list[Picture]:
    return [read_picture(key(angle, i, **kwargs)) for i, angle in enumerate(angles)]


ANGLES = [5.0, 80.0, 145.0, 250.0, 320.0]


def test_an_aligned_product_is_learned_as_it_is() -> None:
    assert choose_views(keys([0, 1, -1, 2, 0]), load_encoder()) == ()


def test_a_product_at_any_angle_is_turned_but_not_mirrored() -> None:
    assert choose_views(keys(ANGLES), load_encoder()) == TURNED[1:]


def test_a_product_that_comes_in_both_hands_is_mirrored_too() -> None:
    pictures = keys(ANGLES[:3]) + keys(ANGLES[2:], mirrored=True)
    assert choose_views(pictures, load_encoder()) == ALL_VIEWS[1:]


def capsule(seed: int) -> Picture:
    """Red on the left, blue on the right, the same above as below; nearly upright."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 160), (210, 210, 205))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((30, 62, 130, 98), 18, fill=(160, 40, 40))
    draw.rounded_rectangle((80, 62, 130, 98), 18, fill=(40, 50, 160))
    image = image.rotate(rng.uniform(-2, 2), Image.Resampling.BILINEAR, fillcolor=(210, 210, 205))
    noisy = np.asarray(image) + rng.normal(0, 3, (160, 160, 3))
    return read_picture(noisy.clip(0, 255).astype(np.uint8))


def test_an_aligned_product_is_learned_only_in_views_that_look_the_same() -> None:
    views = choose_views([capsule(seed) for seed in range(4)], load_encoder())
    # Half a turn of its mirror image: upside down, with its colours where they were.
    assert set(views) <= {View(180, True)}


def test_a_single_image_is_turned_and_many_are_not() -> None:
    encoder = load_encoder()
    assert choose_views(keys([0]), encoder) == TURNED[1:]
    assert choose_views(keys(ANGLES[:1] * (MAX_IMAGES + 1)), encoder) == ()


@pytest.mark.parametrize("size", [(20, 30), (31, 31), (16, 90)])
@pytest.mark.parametrize("view", [View(180, False), View(0, True), View(180, True)])
def test_half_a_turn_and_a_mirror_are_exact(size: tuple[int, int], view: View) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = rgb[:, ::-1] if view.mirrored else rgb
    expected = expected[::-1, ::-1] if view.degrees else expected
    assert np.array_equal(turned(Picture("made", rgb), view).rgb_HW3, expected)


def test_a_slanted_view_keeps_the_size_and_mirrors_at_the_corners() -> None:
    rgb = np.full((40, 70, 3), 9, np.uint8)
    assert np.array_equal(turned(Picture("made", rgb), View(30, False)).rgb_HW3, rgb)


def test_views_come_one_by_one_in_order() -> None:
    encoder = load_encoder()
    picture = keys([0])[0]
    patches = view_patches(picture, TURNED, encoder)
    assert len(patches) == len(TURNED)
    alone = encoder.encode([turned(picture, TURNED[7])])[0].patches_HWC
    assert patches[7] == pytest.approx(alone, abs=1e-4)


def test_a_line_of_one_image_tells_a_broken_part_at_another_angle(tmp_path: Path) -> None:
    line = ProductLine.enroll("key", [key(0, 0)], home=tmp_path, single=True)
    inspector = Inspector(line)
    good = [inspector.inspect(key(angle, 7)) for angle in ANGLES]
    bad = [inspector.inspect(key(angle, 8, broken=True)) for angle in ANGLES]
    assert all(inspection.verdict == "review" for inspection in good + bad)
    assert all(inspection.anomaly.p_value == 1 for inspection in good + bad)
    assert min(b.anomaly.score for b in bad) > max(g.anomaly.score for g in good)


def test_strips_and_large_images_cost_no_more_than_they_are_worth() -> None:
    encoder = load_encoder()
    strip = Picture("strip", np.full((20, 200, 3), 9, np.uint8))
    assert choose_views([strip], encoder) == ()
    large = Picture("large", np.full((1500, 3000, 3), 9, np.uint8))
    assert view_patches(large, TURNED[:2], encoder)[1].shape[2] == encoder.patch_dim


def test_a_single_image_has_no_limits_to_weigh_a_twin_with(tmp_path: Path) -> None:
    line = ProductLine.enroll("key", [key(0, 0)], home=tmp_path, single=True)
    anomaly = Inspector(line).inspect(key(0, 0, broken=True)).anomaly
    assert anomaly.twin is None
    assert np.isfinite(anomaly.score)
    assert np.isfinite(anomaly.patch_scores_HW).all()
