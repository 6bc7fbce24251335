from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

from experts.decoder.efficientnet import (
    WEIGHTS_SHA256,
    EfficientNetEncoder,
    find_weights,
    input_size_HW,
)
from experts.decoder.encoder import encoder_names, load_encoder, register_encoder
from experts.errors import WeightsError
from experts.images import read_picture


def picture_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (height, width, 3), np.uint8)


def test_features_equal_timm_s_own_feature_extractor() -> None:
    encoder = EfficientNetEncoder()
    state = torch.load(find_weights(), weights_only=True)
    net = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(3,))
    # Both orders list the same layers, so names can be mapped by position.
    own = net.state_dict()
    values = [v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))]
    assert [v.shape for v in values] == [v.shape for v in own.values()]
    net.load_state_dict(dict(zip(own, values, strict=True)))
    picture = read_picture(picture_of(352, 352))
    batch = torch.from_numpy(picture.rgb_HW3.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        (block4,) = net.eval()(batch)
    expected = torch.nn.functional.normalize(block4, dim=1)[0].permute(1, 2, 0).numpy()
    patches = encoder.encode([picture])[0].patches_HWC
    assert patches[..., 80:192] == pytest.approx(expected, abs=1e-4)


def test_each_layer_of_a_patch_and_the_embedding_have_unit_length() -> None:
    encoder = load_encoder()
    features = encoder.encode([read_picture(picture_of(90, 200))])[0]
    for part in np.split(features.patches_HWC, [80, 192], axis=-1):
        assert np.linalg.norm(part, axis=-1) == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(features.embedding_E) == pytest.approx(1, abs=1e-5)
    assert features.embedding_E.shape == (encoder.embedding_dim,)
    assert features.patches_HWC.shape[-1] == encoder.patch_dim


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((300, 300), (352, 352)),
        ((128, 512), (192, 704)),
        ((1000, 3000), (192, 608)),
        ((20, 4000), (64, 1408)),
    ],
)
def test_input_keeps_the_aspect_ratio(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size_HW(size) == expected


def test_a_batch_of_mixed_sizes_keeps_its_order() -> None:
    encoder = load_encoder()
    shapes = [(120, 120), (60, 200), (130, 130), (61, 201)]
    pictures = [read_picture(picture_of(*s, seed=i)) for i, s in enumerate(shapes)]
    together = encoder.encode(pictures)
    for picture, features in zip(pictures, together, strict=True):
        alone = encoder.encode([picture])[0]
        assert features.patches_HWC == pytest.approx(alone.patches_HWC, abs=1e-4)
        assert features.stride_px == alone.stride_px


def test_patches_look_where_their_centre_says() -> None:
    encoder = load_encoder()
    plain = np.full((256, 256, 3), 128, np.uint8)
    dotted = plain.copy()
    dotted[116:124, 164:172] = 255
    base, spot = encoder.encode([read_picture(plain), read_picture(dotted)])
    change = ((base.patches_HWC - spot.patches_HWC) ** 2).sum(axis=-1)
    rows, columns = np.mgrid[: change.shape[0], : change.shape[1]]
    y = (rows * change).sum() / change.sum() * spot.stride_px[0] + spot.centre_px[0]
    x = (columns * change).sum() / change.sum() * spot.stride_px[1] + spot.centre_px[1]
    assert (y, x) == pytest.approx((119.5, 167.5), abs=8)


def test_wrong_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from experts.decoder import efficientnet

    efficientnet._load_network.cache_clear()
    monkeypatch.setattr(efficientnet, "WEIGHTS_SHA256", "0" * 64)
    try:
        with pytest.raises(
            WeightsError,
            match=f"expected weights with sha256 0{{12}}…, found {WEIGHTS_SHA256[:12]}",
        ):
            EfficientNetEncoder()
    finally:
        efficientnet._load_network.cache_clear()


def test_registry_names_what_it_knows() -> None:
    register_encoder("twin", EfficientNetEncoder)
    assert encoder_names() == ["efficientnet-lite0", "twin"]
    assert load_encoder("twin") is load_encoder("twin")
    with pytest.raises(WeightsError, match="unknown encoder 'nope'; known are efficientnet-lite0"):
        load_encoder("nope")
