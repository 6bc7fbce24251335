from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from experts.decoder.clip import CONFIG_NAME, FILE_NAME, OpenClipEncoder
from experts.decoder.encoder import is_known_encoder, load_encoder
from experts.decoder.text import as_text_encoder
from experts.errors import WeightsError
from experts.images import Picture, read_picture
from tests.clip_models import DEVIATION, MEAN, VIT, reference_model, write_model

TEXTS = ["a photo of a washer.", "a photo of a damaged washer.", "washer with crack " * 40]
TRUNK = {"image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False}


def picture_of(height: int, width: int, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return read_picture(rng.integers(0, 255, (height, width, 3), np.uint8))


def batch_of(picture: Picture) -> torch.Tensor:
    """Input of a picture that needs no scaling."""
    pixels_HW3 = (picture.rgb_HW3 / 255 - np.array(MEAN)) / np.array(DEVIATION)
    return torch.from_numpy(pixels_HW3).permute(2, 0, 1)[None].float()


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("clip") / "vit", VIT)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (112, 32)])
def test_features_are_the_tower_s_tokens_at_the_picture_s_shape(
    clip_folder: Path, size: tuple[int, int]
) -> None:
    model = reference_model(clip_folder, size)  # brings the positions to this size on its own
    visual = model.visual
    seen: dict[int, Any] = {}
    for i, block in enumerate(visual.transformer.resblocks):
        block.register_forward_hook(lambda _block, _in, out, i=i: seen.update({i: out}))
    picture = picture_of(*size)
    with torch.inference_mode():
        embedding_D = model.encode_image(batch_of(picture), normalize=True)[0]
        tokens_LTC = torch.stack([visual.ln_post(seen[i][0]) for i in (1, 3, 5, 7)])
    features = OpenClipEncoder(str(clip_folder)).encode([picture])[0]
    assert features.embedding_E == pytest.approx(embedding_D.numpy(), abs=1e-5)
    assert features.projected_LHWD is not None
    rows, columns = size[0] // 16, size[1] // 16
    assert features.patches_HWC.shape == (rows, columns, 4 * 64)
    assert features.projected_LHWD.shape == (4, rows, columns, 32)
    for row in range(rows):
        for column in range(columns):
            tokens_LC = tokens_LTC[:, 1 + row * columns + column].numpy()
            for layer, token_C in enumerate(tokens_LC):
                patch_C = features.patches_HWC[row, column, layer * 64 : (layer + 1) * 64]
                assert patch_C == pytest.approx(token_C / np.linalg.norm(token_C), abs=1e-5)
                projected_D = token_C @ visual.proj.detach().numpy()
                assert features.projected_LHWD[layer, row, column] == pytest.approx(
                    projected_D / np.linalg.norm(projected_D), abs=1e-5
                )
    assert features.stride_px == pytest.approx((16, 16))
    assert features.centre_px == pytest.approx((7.5, 7.5))


def test_positions_follow_the_shape_even_where_the_number_of_patches_does_not(
    clip_folder: Path,
) -> None:
    model = reference_model(clip_folder, (64, 64))
    visual = model.visual
    grid_1CHW = visual.positional_embedding[1:].T.reshape(1, 64, 4, 4)
    grid_1CHW = torch.nn.functional.interpolate(grid_1CHW, (8, 2), mode="bicubic", antialias=True)
    positions_TC = torch.cat([visual.positional_embedding[:1], grid_1CHW.reshape(64, 16).T])
    visual.positional_embedding = torch.nn.Parameter(positions_TC)
    picture = picture_of(128, 32)
    with torch.inference_mode():
        expected_1D = model.encode_image(batch_of(picture), normalize=True)
    found_D = OpenClipEncoder(str(clip_folder)).encode([picture])[0].embedding_E
    assert found_D == pytest.approx(expected_1D[0].numpy(), abs=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        {"timm_pool": "token", "timm_proj": "linear"},  # EVA-CLIP
        {"timm_pool": "avg", "timm_proj": None},
        {"timm_pool": "map", "timm_proj": "none"},  # SigLIP
    ],
)
def test_towers_of_timm_give_tokens_too(tmp_path: Path, head: dict[str, str | None]) -> None:
    embed_dim = 64 if head["timm_proj"] == "none" else 32
    folder = write_model(tmp_path / "m", TRUNK | head, custom_text=True, embed_dim=embed_dim)
    model = reference_model(folder, (160, 160))
    trunk = model.visual.trunk
    seen: list[torch.Tensor] = []
    for i in (0, 2, 3, 5):
        trunk.blocks[i].register_forward_hook(lambda _block, _in, out: seen.append(out))
    picture = picture_of(160, 160)
    with torch.inference_mode():
        embedding_1D = model.encode_image(batch_of(picture), normalize=True)
        tokens_LTC = torch.stack([trunk.norm(out[0, 1:]) for out in seen])
        # Pooling by attention of a single token: attention gives that token all its weight.
        pool = trunk.attn_pool or (lambda tokens_N1C: tokens_N1C[:, 0])
        pooled = torch.stack([pool(tokens_TC[:, None]) for tokens_TC in tokens_LTC])
        projected_LTD = model.visual.head(trunk.head(trunk.fc_norm(pooled)))
    encoder = OpenClipEncoder(str(folder))
    features = encoder.encode([picture])[0]
    assert features.projected_LHWD is not None
    expected = torch.nn.functional.normalize(projected_LTD, dim=-1).reshape(4, 10, 10, -1)
    assert features.projected_LHWD == pytest.approx(expected.numpy(), abs=1e-5)
    assert features.embedding_E == pytest.approx(embedding_1D[0].numpy(), abs=1e-5)
    assert features.patches_HWC.shape == (10, 10, encoder.patch_dim)
    wide = picture_of(80, 320)
    with torch.inference_mode():
        wide_model = reference_model(folder, (80, 320))
        embedding_1D = wide_model.encode_image(batch_of(wide), normalize=True)
    features = encoder.encode([wide])[0]
    assert features.patches_HWC.shape == (5, 20, encoder.patch_dim)
    assert features.embedding_E == pytest.approx(embedding_1D[0].numpy(), abs=1e-5)


def test_a_batch_of_mixed_sizes_keeps_its_order(clip_folder: Path) -> None:
    encoder = OpenClipEncoder(str(clip_folder))
    shapes = [(40, 40), (30, 120), (41, 41), (31, 121), (120, 30)]
    pictures = [picture_of(*shape, seed=i) for i, shape in enumerate(shapes)]
    for picture, features in zip(pictures, encoder.encode(pictures), strict=True):
        alone = encoder.encode([picture])[0]
        assert features.patches_HWC == pytest.approx(alone.patches_HWC, abs=1e-5)
        assert features.projected_LHWD == pytest.approx(alone.projected_LHWD, abs=1e-5)
        assert features.patches_HWC.shape[-1] == encoder.patch_dim
        assert features.embedding_E.shape == (encoder.embedding_dim,)
    assert encoder.encode(pictures[1:2])[0].patches_HWC.shape[:2] == (2, 8)


def test_texts_are_embedded_as_open_clip_does_it(clip_folder: Path) -> None:
    encoder = OpenClipEncoder(str(clip_folder))
    assert as_text_encoder(encoder) is encoder
    assert as_text_encoder(load_encoder()) is None
    model = reference_model(clip_folder, (64, 64))
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS)
    with torch.inference_mode():
        expected_ND = model.encode_text(tokens)
    expected_ND = expected_ND / expected_ND.norm(dim=-1, keepdim=True)
    found_ND = encoder.encode_texts(TEXTS)
    assert found_ND.dtype == np.float32
    assert found_ND == pytest.approx(expected_ND.numpy(), abs=1e-5)
    many_ND = encoder.encode_texts(TEXTS * 30)  # more than one batch
    assert many_ND == pytest.approx(np.tile(found_ND, (30, 1)), abs=1e-5)
    assert encoder.logit_scale == pytest.approx(1 / 0.07)


def test_name_and_hash_tell_which_weights_they_were(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip_folder.parent)
    encoder = load_encoder(f"open_clip:{clip_folder.name}")
    assert encoder.name == f"open_clip:{clip_folder.resolve()}"
    content = (clip_folder / FILE_NAME).read_bytes()
    assert encoder.weights_sha256 == hashlib.sha256(content).hexdigest()
    assert is_known_encoder(encoder.name)


def test_a_tower_that_pools_by_attention_has_patches_but_none_beside_texts(tmp_path: Path) -> None:
    vision = VIT | {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
    coca = {"context_length": 76, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    folder = write_model(
        tmp_path / "coca", vision, custom_text=True, multimodal_cfg=coca | {"attn_pooler_heads": 2}
    )
    encoder = OpenClipEncoder(str(folder))
    assert as_text_encoder(encoder) is None
    features = encoder.encode([picture_of(64, 64)])[0]
    assert features.projected_LHWD is None
    assert features.patches_HWC.shape == (4, 4, 4 * 64)


@pytest.mark.parametrize(
    "vision",
    [
        {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        {"image_size": 160, "timm_model_name": "test_convnext", "timm_proj": "linear"},
    ],
)
def test_towers_without_tokens_are_refused(tmp_path: Path, vision: dict[str, Any]) -> None:
    folder = write_model(tmp_path / "m", vision)
    with pytest.raises(WeightsError, match="its image tower has no patch tokens; take a model"):
        OpenClipEncoder(str(folder))


@pytest.mark.parametrize(
    ("arch", "tag", "repository", "quick_gelu"),
    [
        ("ViT-B-32", "openai", "timm/vit_base_patch32_clip_224.openai", True),
        ("ViT-B-16-SigLIP2", "webli", "timm/ViT-B-16-SigLIP2", False),
    ],
)
def test_published_weights_that_were_fetched_before_need_no_connection(
    tmp_path: Path,
    offline: Path,
    monkeypatch: pytest.MonkeyPatch,
    arch: str,
    tag: str,
    repository: str,
    quick_gelu: bool,
) -> None:
    """A small architecture of the user's own, under weights that are known to be published."""
    folder = write_model(tmp_path / "m", VIT, quick_gelu=quick_gelu)
    config = json.loads((folder / CONFIG_NAME).read_text())["model_cfg"] | {"quick_gelu": False}
    (tmp_path / "archs").mkdir()
    (tmp_path / "archs" / f"{arch}.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [tmp_path / "archs"])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {arch: config})
    with pytest.raises(
        WeightsError,
        match=rf"^open_clip_model\.safetensors of {repository} cannot be fetched from the hub "
        r"\(.+\); put open_clip_model\.safetensors and open_clip_config\.json in a folder and "
        r"use open_clip:FOLDER$",
    ):
        load_encoder(f"open_clip:{arch}/{tag}")
    cache = offline / f"models--{repository.replace('/', '--')}"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40)
    (cache / "snapshots" / ("0" * 40)).mkdir(parents=True)
    shutil.copy(folder / FILE_NAME, cache / "snapshots" / ("0" * 40))
    encoder = OpenClipEncoder(f"{arch}/{tag}")
    assert encoder.name == f"open_clip:{arch}/{tag}"
    # The tag's own normalisation and activation, not the architecture's.
    picture = picture_of(64, 64)
    published = open_clip.get_pretrained_cfg(arch, tag)
    scaled_HW3 = picture.rgb_HW3 / 255 - np.array(published["mean"])
    batch = torch.from_numpy(scaled_HW3 / np.array(published["std"])).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected_D = reference_model(folder, (64, 64)).encode_image(batch.float(), normalize=True)
    found = encoder.encode([picture])[0].embedding_E
    assert found == pytest.approx(expected_D[0].numpy(), abs=1e-5)


def test_unknown_names_get_near_ones() -> None:
    cases = {
        "ViT-B-33/openai": r"has no model 'ViT-B-33'; did you mean .*ViT-B-32",
        "ViT-B-32/openia": r"there are no such weights of ViT-B-32; did you mean openai\?",
        "ViT-B-32": r"name its weights too, open_clip:ViT-B-32/TAG \(openai, ",
        "no/such/folder": r"there is no such folder, and open_clip has no model 'no/such'; check",
        "/no/such/folder": "/no/such/folder: there is no such file or folder; check the path",
    }
    for spec, message in cases.items():
        with pytest.raises(WeightsError, match=message):
            load_encoder(f"open_clip:{spec}")


def test_folders_at_fault_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    with pytest.raises(WeightsError, match=r"holds no open_clip_model\.safetensors; put"):
        OpenClipEncoder(str(folder))
    torch.save({}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"open_clip_pytorch_model\.bin: is a pickle, which can"):
        OpenClipEncoder(str(folder))
    shutil.copy(clip_folder / FILE_NAME, folder)
    with pytest.raises(WeightsError, match=r"holds no open_clip_config\.json; name the folder"):
        OpenClipEncoder(str(folder))
    (folder / CONFIG_NAME).write_text("{}")
    with pytest.raises(WeightsError, match=r"cannot be built \(.+\); check its open_clip_config"):
        OpenClipEncoder(str(folder))
    shutil.copy(clip_folder / CONFIG_NAME, folder)
    (folder / FILE_NAME).write_bytes(b"\x00" * 100)
    with pytest.raises(WeightsError, match="is not a valid safetensors file; fetch it again"):
        OpenClipEncoder(str(folder))


def test_other_weights_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    tensors = load_file(clip_folder / FILE_NAME)
    shutil.copy(clip_folder / CONFIG_NAME, tmp_path)
    faults = {
        "Missing key": {k: v for k, v in tensors.items() if k != "visual.ln_post.weight"},
        "Unexpected key": tensors | {"neck.weight": torch.zeros(3)},
        "size mismatch": tensors | {"visual.proj": torch.zeros(64, 8)},
    }
    for fault, changed in faults.items():
        save_file(changed, tmp_path / FILE_NAME)
        with pytest.raises(WeightsError) as caught:
            OpenClipEncoder(str(tmp_path))
        assert f"is no weights of open_clip:{tmp_path} ({fault}" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_tokenizer_that_is_not_there_is_named(clip_folder: Path, tmp_path: Path) -> None:
    shutil.copy(clip_folder / FILE_NAME, tmp_path)
    document = json.loads((clip_folder / CONFIG_NAME).read_text())
    document["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "timm/ViT-B-16-SigLIP2"
    (tmp_path / CONFIG_NAME).write_text(json.dumps(document))
    encoder = OpenClipEncoder(str(tmp_path))
    with pytest.raises(WeightsError, match=r"its tokenizer cannot be loaded \(.+\); it needs the"):
        encoder.encode_texts(TEXTS)
