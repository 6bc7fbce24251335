"""A vision model behind transformers' own server: images arrive as they are, in their order."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from experts.errors import MLLMError
from experts.mllm import user
from experts.mllm.base import Content
from experts.mllm.server import ServerMLLM, breaker
from tests.tiny_models import build

MAX_TOKENS = 16
START_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, whose every answer depends on all that it is shown."""
    return build("qwen2_5_vl", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("cache")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("transformers"))
    process = subprocess.Popen(
        [program, "serve", str(folder), "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health", process)
        yield address
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            assert httpx2.get(url, trust_env=False).is_success
            return
        except httpx2.TransportError:  # not there yet, or too busy to answer
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < end, "the server did not start in time"
            time.sleep(0.1)


@pytest.fixture
def model(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerMLLM]:
    monkeypatch.setattr(breaker, "_breakers", {})
    found = ServerMLLM(f"{url}/v1#{folder}")
    yield found
    found.close()


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (56, 84, 3), np.uint8))


def directly(folder: Path, content: Sequence[Content]) -> str:
    """What the same model says when nothing stands between it and the images."""
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    loaded = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    parts = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in content
    ]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
    )
    images = [part for part in content if not isinstance(part, str)]
    read = processor(text=[prompt], images=images, return_tensors="pt")
    with torch.inference_mode():
        ids = loaded.generate(**read, max_new_tokens=MAX_TOKENS, do_sample=False)
    return str(processor.decode(ids[0, read["input_ids"].shape[1] :], skip_special_tokens=True))


def test_images_arrive_as_they_are_and_in_their_order(model: ServerMLLM, folder: Path) -> None:
    one, other = noise(1), noise(2)
    contents = [
        ("A good one:", one, "This one:", other, "What is it?"),
        ("A good one:", other, "This one:", one, "What is it?"),
    ]
    said = [model.generate([user(*content)], max_tokens=MAX_TOKENS).text for content in contents]
    assert said == [directly(folder, content) for content in contents]
    assert said[0] != said[1]


def test_a_stream_is_the_whole(model: ServerMLLM) -> None:
    pieces: list[str] = []
    asked = [user(noise(1), "What is it?")]
    whole = model.generate(asked, max_tokens=MAX_TOKENS)
    streamed = model.generate(asked, max_tokens=MAX_TOKENS, stream=pieces.append)
    assert "".join(pieces) == streamed.text == whole.text
    assert (streamed.finish, whole.finish) == ("length", "length")
    assert streamed.cost.prompt_tokens == whole.cost.prompt_tokens > 0


def test_a_server_without_probabilities_is_asked_for_the_answer(model: ServerMLLM) -> None:
    """Random weights name none; what they say instead may even be what no server can read back."""
    model.check()
    with pytest.raises(MLLMError):
        model.choose([user(noise(1), "Which?")], ["A", "B"])
    assert model._session.lacks == {"logprobs"}
