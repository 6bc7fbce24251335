from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from echo.line import ProductLine
from experts.decoder.encoder import is_known_encoder, load_encoder
from experts.decoder.inputs import Recipe, spread_layers
from experts.decoder.vit import FILE_NAME, TimmEncoder
from experts.errors import WeightsError
from experts.images import Picture, read_picture

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

Weights = Callable[[str], Path]


def picture_of(height: int, width: int, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return read_picture(rng.integers(0, 255, (height, width, 3), np.uint8))


def random_net(model: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(model, pretrained=False).eval()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A folder with random weights of a model of timm."""
    home = tmp_path_factory.mktemp("timm")

    def folder_of(model: str) -> Path:
        folder = home / model
        if not folder.exists():
            folder.mkdir()
            save_file(random_net(model).state_dict(), folder / FILE_NAME)
        return folder

    return folder_of


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, and no way to the hub."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def normed(layer_C: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(layer_C / np.sqrt((layer_C.astype(np.float64) ** 2).sum()), np.float32)


# A class token; one more kind of pooling without any; registers and rotary positions.
@pytest.mark.parametrize(
    ("model", "side", "patch", "layers", "recipe"),
    [
        ("test_vit", 160, 16, (0, 2, 3, 5), HALF),
        ("test_vit4", 160, 16, (1, 3, 5, 8), HALF),
        ("vit_small_patch16_dinov3", 256, 16, (2, 5, 8, 11), IMAGENET),
        ("vit_small_patch14_reg4_dinov2", 518, 14, (2, 5, 8, 11), IMAGENET),
    ],
)
def test_features_are_the_tokens_of_four_blocks(
    weights: Weights,
    model: str,
    side: int,
    patch: int,
    layers: tuple[int, ...],
    recipe: tuple[tuple[float, ...], tuple[float, ...]],
) -> None:
    net = random_net(model)
    picture = picture_of(side, side)
    mean_3, deviation_3 = recipe
    pixels_HW3 = (picture.rgb_HW3 / 255 - np.array(mean_3)) / np.array(deviation_3)
    batch = torch.from_numpy(pixels_HW3).permute(2, 0, 1)[None].float()
    seen: dict[int, Any] = {}
    for i, block in enumerate(net.blocks):
        block.register_forward_hook(lambda _block, _in, out, i=i: seen.update({i: out}))
    with torch.inference_mode():
        pooled_E = net.forward_head(net.forward_features(batch), pre_logits=True)[0].numpy()
        tokens_LTC = [net.norm(seen[i])[0].numpy() for i in layers]
    features = TimmEncoder(f"{model}@{weights(model)}").encode([picture])[0]
    grid = side // patch
    assert features.patches_HWC.shape[:2] == (grid, grid)
    for row, column in [(0, 0), (3, 5), (grid - 1, 2), (grid - 1, grid - 1)]:
        # Whatever stands before the patches, they are the last tokens, row by row.
        t = row * grid + column - grid * grid
        expected_C = np.concatenate([normed(tokens_TC[t]) for tokens_TC in tokens_LTC])
        assert features.patches_HWC[row, column] == pytest.approx(expected_C, abs=2e-5)
    assert features.embedding_E == pytest.approx(normed(pooled_E), abs=2e-5)
    assert features.stride_px == pytest.approx((patch, patch))
    assert features.centre_px == pytest.approx(((patch - 1) / 2, (patch - 1) / 2))
    assert features.projected_LHWD is None


def test_layers_are_spread_up_to_the_last() -> None:
    assert spread_layers(24) == [5, 11, 17, 23]
    assert spread_layers(12) == [2, 5, 8, 11]
    assert spread_layers(4) == [0, 1, 2, 3]
    assert spread_layers(2) == [0, 1]
    assert spread_layers(1) == [0]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((300, 300), (518, 518)),
        ((128, 512), (252, 1036)),
        ((512, 128), (1036, 252)),
        ((20, 4000), (42, 2072)),
    ],
)
def test_input_keeps_aspect_ratio_and_area(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    recipe = Recipe(518 * 518, (14, 14), *IMAGENET, "bicubic")
    assert recipe.input_size_HW(size) == expected


def test_patches_tile_the_picture_and_see_what_lies_in_them(weights: Weights) -> None:
    encoder = TimmEncoder(f"test_vit@{weights('test_vit')}")
    height, width = 150, 420
    plain = np.full((height, width, 3), 128, np.uint8)
    dotted = plain.copy()
    dotted[101:105, 290:294] = 255
    base, spot = encoder.encode([read_picture(plain), read_picture(dotted)])
    for axis, size in enumerate([height, width]):
        count = base.patches_HWC.shape[axis]
        first = base.centre_px[axis]
        last = first + (count - 1) * base.stride_px[axis]
        assert count * base.stride_px[axis] == pytest.approx(size)
        assert first == pytest.approx(size - 1 - last)
    change_HW = ((base.patches_HWC - spot.patches_HWC) ** 2).sum(axis=-1)
    row, column = divmod(int(change_HW.argmax()), change_HW.shape[1])
    y = base.centre_px[0] + row * base.stride_px[0]
    x = base.centre_px[1] + column * base.stride_px[1]
    assert abs(y - 102.5) <= base.stride_px[0] / 2
    assert abs(x - 291.5) <= base.stride_px[1] / 2


@pytest.mark.parametrize("model", ["test_vit", "eva02_tiny_patch14_224"])
def test_a_batch_of_mixed_sizes_keeps_its_order(weights: Weights, model: str) -> None:
    encoder = TimmEncoder(f"{model}@{weights(model)}")
    shapes = [(40, 40), (60, 200), (41, 41)]
    pictures = [picture_of(*shape, seed=i) for i, shape in enumerate(shapes)]
    for picture, features in zip(pictures, encoder.encode(pictures), strict=True):
        alone = encoder.encode([picture])[0]
        assert features.patches_HWC == pytest.approx(alone.patches_HWC, abs=1e-4)
        assert features.embedding_E == pytest.approx(alone.embedding_E, abs=1e-4)
        assert features.stride_px == alone.stride_px
        assert features.patches_HWC.shape[-1] == encoder.patch_dim
        assert features.embedding_E.shape == (encoder.embedding_dim,)


def test_name_and_hash_tell_which_weights_they_were(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = weights("test_vit")
    file = folder / FILE_NAME
    monkeypatch.chdir(folder.parent)
    encoder = load_encoder(f"timm:test_vit@{folder.name}")
    assert load_encoder(f"timm:test_vit@{folder.name}") is encoder
    assert encoder.name == f"timm:test_vit@{folder.resolve()}"
    assert encoder.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    single = TimmEncoder(f"test_vit@{file}")
    assert single.name == f"timm:test_vit@{file.resolve()}"
    assert single.weights_sha256 == encoder.weights_sha256
    assert is_known_encoder(encoder.name)
    assert not is_known_encoder("timm")
    assert not is_known_encoder("tim:test_vit")


def test_a_file_fetched_before_is_used_without_asking_the_hub(
    weights: Weights, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "the hub was asked"
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_: pytest.fail(asked))
    repository = offline / "models--timm--test_vit.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    shutil.copy(weights("test_vit") / FILE_NAME, snapshot)
    encoder = TimmEncoder("test_vit")
    assert encoder.name == "timm:test_vit"
    local = TimmEncoder(f"test_vit@{weights('test_vit')}")
    assert encoder.weights_sha256 == local.weights_sha256
    picture = picture_of(50, 70)
    found, expected = encoder.encode([picture])[0], local.encode([picture])[0]
    assert found.patches_HWC == pytest.approx(expected.patches_HWC, abs=1e-6)


def test_a_line_can_be_made_with_it(weights: Weights, good_folder: Path, tmp_path: Path) -> None:
    name = f"timm:test_vit@{weights('test_vit').resolve()}"
    ProductLine.enroll("washer", good_folder, home=tmp_path, encoder=name, progress=False)
    line = ProductLine.load("washer", home=tmp_path)
    assert line.manifest.encoder == name
    assert len(line.model.banks[0].projection.mean_C) == line.encoder.patch_dim


def test_without_a_connection_it_says_what_to_do(offline: Path) -> None:
    with pytest.raises(
        WeightsError,
        match=r"model\.safetensors of timm/vit_small_patch14_dinov2\.lvd142m cannot be fetched "
        r"from the hub \(.+\); put model\.safetensors in a folder and use "
        r"timm:vit_small_patch14_dinov2@FOLDER$",
    ):
        load_encoder("timm:vit_small_patch14_dinov2")
    with pytest.raises(WeightsError, match=r"timm:test_vit4: no weights of it are published"):
        load_encoder("timm:test_vit4")


def test_unknown_models_get_near_names() -> None:
    with pytest.raises(
        WeightsError, match=r"timm has no model 'vit_small_patch14_dinov'; did you mean .*dinov2"
    ):
        load_encoder("timm:vit_small_patch14_dinov")
    with pytest.raises(WeightsError, match="timm has no model 'qqqqqqqq'; check its spelling"):
        load_encoder("timm:qqqqqqqq")
    with pytest.raises(WeightsError, match=r"unknown encoder 'timm'; .* timm:MODEL"):
        load_encoder("timm")


@pytest.mark.parametrize("model", ["test_resnet", "test_vit_relpos"])
def test_other_networks_are_refused(weights: Weights, model: str) -> None:
    with pytest.raises(WeightsError, match=f"timm:{model}: is no plain vision transformer"):
        TimmEncoder(f"{model}@{weights(model)}")


def test_other_weights_are_refused(weights: Weights, tmp_path: Path) -> None:
    tensors = random_net("test_vit").state_dict()
    complete = tmp_path / "complete.safetensors"
    without_head = {k: v for k, v in tensors.items() if not k.startswith("head.")}
    save_file(without_head, complete)
    TimmEncoder(f"test_vit@{complete}")
    faults = {
        "Missing key": {k: v for k, v in tensors.items() if k != "blocks.3.mlp.fc1.weight"},
        "Unexpected key": tensors | {"neck.weight": torch.zeros(3)},
        "size mismatch": tensors | {"norm.weight": torch.zeros(3)},
    }
    for fault, changed in faults.items():
        file = tmp_path / f"{fault.replace(' ', '-')}.safetensors"
        save_file(changed, file)
        with pytest.raises(WeightsError) as caught:
            TimmEncoder(f"test_vit@{file}")
        assert str(caught.value).startswith(f"{file}: is no weights of timm's test_vit ({fault}")
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="is no weights of timm's vit_small_patch16_dinov3"):
        TimmEncoder(f"vit_small_patch16_dinov3@{weights('test_vit')}")


def test_files_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere: there is no such file or folder; check"):
        TimmEncoder(f"test_vit@{tmp_path / 'nowhere'}")
    with pytest.raises(WeightsError, match=r"holds no model\.safetensors; put the weights there"):
        TimmEncoder(f"test_vit@{tmp_path}")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(WeightsError, match=r"notes\.txt: expected a \.safetensors file or a"):
        TimmEncoder(f"test_vit@{text}")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 100)
    with pytest.raises(WeightsError, match="is not a valid safetensors file; fetch it again"):
        TimmEncoder(f"test_vit@{broken}")
    pickle = tmp_path / "pytorch_model.bin"
    torch.save(random_net("test_vit").state_dict(), pickle)
    for place in (pickle, tmp_path):
        with pytest.raises(WeightsError, match=r"pytorch_model\.bin: is a pickle, which can run"):
            TimmEncoder(f"test_vit@{place}")
