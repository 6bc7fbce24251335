"""Models are fetched from a real server on this machine, whole and verified, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from experts.errors import MLLMError, MLLMSettingError, MLLMUnavailableError, OutputError
from experts.mllm.finding import RECORD, Record, find_model, folder_of
from experts.mllm.pulling import Pulled, _bar, ask_hub, pull
from tests.hub import COMMIT, Hub, serve

WEIGHTS = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = {"weight_map": {"a.weight": WEIGHTS[0], "b.weight": WEIGHTS[1]}}
FILES = {
    "config.json": b'{"model_type": "qwen2_5_vl"}',
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    WEIGHTS[0]: bytes(range(256)) * 800,
    WEIGHTS[1]: bytes(range(255, -1, -1)) * 900,
    "chat_template.jinja": b"{{ messages }}",
    "merges.txt": b"a b\n",
    "tokenizer.model": b"\x0a\x05",
}
# What a repository may hold besides, none of which is wanted.
OTHERS = {
    "pytorch_model.bin": b"pickle",
    "model.fp16.safetensors": b"a copy",
    "consolidated.safetensors": b"a copy",
    "modeling_tiny.py": b"import os",
    "onnx/model.onnx": b"graph",
    "original/model.safetensors": b"a copy",
    "tiny.gguf": b"GGUF",
    "README.md": b"# Tiny",
    # Names that would lead elsewhere, or into the way of what a pull notes.
    "../evil.json": b"{}",
    "/evil.json": b"{}",
    "a\\evil.json": b"{}",
    "echo-model.json": b"{}",
    "model-\u0661-of-\u0662.safetensors": b"a copy",
}
SECRET = "hf_" + 26 * "x"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve({**FILES, **OTHERS}) as hub:
        yield hub


def fetch(hub: Hub, home: Path, revision: str | None = None) -> Pulled:
    return pull(ask_hub(hub.model, revision, hub.url), home)


def test_a_model_is_fetched_with_what_it_needs_and_nothing_else(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    moved: list[int] = []
    listing = ask_hub(hub.model, endpoint=hub.url)
    pulled = pull(listing, tmp_path, moved.append)
    assert pulled == Pulled(tmp_path / "models" / "acme--tiny", COMMIT, len(FILES))
    assert sum(moved) == listing.size == sum(map(len, FILES.values()))
    # The token is for the hub, and not for where it sends the client.
    assert {(path.startswith("/cdn/"), token) for _, path, _, token in hub.asked} == {
        (False, f"Bearer {SECRET}"),
        (True, None),
    }
    held = {p.name: p.read_bytes() for p in pulled.folder.iterdir()}
    record = Record.model_validate_json(held.pop(RECORD))
    assert held == FILES
    assert (record.id, record.revision, record.commit) == (hub.model, "main", COMMIT)
    assert set(record.files) == set(FILES)
    assert [p.name for p in (tmp_path / "models").iterdir() if p.is_dir()] == ["acme--tiny"]
    found = find_model(hub.model, tmp_path)
    assert (found.folder, found.name, found.revision) == (pulled.folder, hub.model, COMMIT)
    for pinned in (COMMIT, COMMIT[:7], "main"):
        assert find_model(f"{hub.model}@{pinned}", tmp_path) == found


def test_a_second_pull_verifies_what_is_there(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path).folder
    hub.asked.clear()
    assert fetch(hub, tmp_path) == Pulled(folder, COMMIT, 0)
    assert hub.downloads() == []
    # A bit that fell over is found, and this file alone is fetched again.
    damaged = folder / WEIGHTS[1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    hub.asked.clear()
    assert fetch(hub, tmp_path) == Pulled(folder, COMMIT, 1)
    assert set(hub.downloads()) == {WEIGHTS[1]}
    assert damaged.read_bytes() == FILES[WEIGHTS[1]]


def test_another_commit_takes_the_place_of_the_old_one(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.commit, hub.files["config.json"] = COMMIT[::-1], b'{"model_type": "gemma3"}'
    pulled = fetch(hub, tmp_path, "v1")
    assert pulled.commit == COMMIT[::-1]
    assert (pulled.folder / "config.json").read_bytes() == b'{"model_type": "gemma3"}'
    assert find_model(hub.model, tmp_path).revision == COMMIT[::-1]
    sentence = (
        f"acme/tiny@{COMMIT} is not on this machine, only its commit {COMMIT[::-1][:12]} is; run: "
        f"echo-iad models pull acme/tiny --revision {COMMIT}"
    )
    with pytest.raises(MLLMUnavailableError) as failure:
        find_model(f"{hub.model}@{COMMIT}", tmp_path)
    assert str(failure.value) == sentence


@pytest.mark.parametrize("name", [WEIGHTS[0], "config.json"])
def test_what_came_damaged_is_thrown_away(hub: Hub, tmp_path: Path, name: str) -> None:
    """Of the right size, so that only the hash tells."""
    hub.sent[name] = b"x" * len(FILES[name])
    with pytest.raises(MLLMUnavailableError, match=rf"\Aacme/tiny: {name} came damaged, "):
        fetch(hub, tmp_path)
    assert not folder_of(hub.model, tmp_path).exists()
    with pytest.raises(MLLMUnavailableError, match="is not on this machine; run: echo-iad models"):
        find_model(hub.model, tmp_path)
    hub.sent.clear()
    hub.asked.clear()
    fetch(hub, tmp_path)
    assert name in hub.downloads()
    assert folder_of(hub.model, tmp_path).is_dir()


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    weights = hub.files[WEIGHTS[0]] = bytes(range(256)) * 46_000
    hub.cuts[WEIGHTS[0]] = [11_000_000]
    pulled = fetch(hub, tmp_path)
    assert (pulled.folder / WEIGHTS[0]).read_bytes() == weights
    # The client hands on ten mebibytes at a time.
    ranges = [asked for _, path, asked, _ in hub.asked if path.endswith(WEIGHTS[0]) and asked]
    assert ranges == [f"bytes={10 * 2**20}-"]


def test_what_was_whole_before_the_hub_failed_is_kept(hub: Hub, tmp_path: Path) -> None:
    listing = ask_hub(hub.model, endpoint=hub.url)
    hub.sent[WEIGHTS[1]] = b"short"
    with pytest.raises(MLLMUnavailableError, match=r"acme/tiny: 127\.0\.0\.1 sent less than it"):
        pull(listing, tmp_path)
    hub.sent.clear()
    hub.asked.clear()
    assert pull(listing, tmp_path).fetched < len(FILES)
    assert WEIGHTS[0] not in hub.downloads()


def test_progress_goes_on_with_what_is_there(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    moved: list[int] = []
    (folder_of(hub.model, tmp_path) / WEIGHTS[0]).unlink()
    listing = ask_hub(hub.model, endpoint=hub.url)
    pull(listing, tmp_path, moved.append)
    assert sum(moved) == listing.size


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"pickle"}, "holds no model in safetensors"),
        ({"model.safetensors": b"weights"}, "holds no model in safetensors with a config.json"),
    ],
)
def test_a_repository_without_a_safe_model(
    files: dict[str, bytes], sentence: str, tmp_path: Path
) -> None:
    with serve(files) as hub, pytest.raises(MLLMUnavailableError, match=sentence):
        fetch(hub, tmp_path)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("denied", "sentence"),
    [
        (
            (401, "GatedRepo"),
            "acme/tiny: is only given to those who accepted its licence at 127.0.0.1/acme/tiny; do "
            "so, and set HF_TOKEN to a token of yours",
        ),
        (
            (403, "GatedRepo"),
            "acme/tiny: is only given to those who accepted its licence at 127.0.0.1/acme/tiny; do "
            "so, and set HF_TOKEN to a token of yours",
        ),
        (
            (403, ""),
            "acme/tiny: 127.0.0.1 refuses it (HTTP 403); check that HF_TOKEN is valid and may read "
            "it",
        ),
        ((418, ""), "acme/tiny: 127.0.0.1 answers HTTP 418; try again later"),
    ],
)
def test_a_hub_that_refuses(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    denied: tuple[int, str],
    sentence: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    hub.denied = denied
    with pytest.raises(MLLMUnavailableError) as failure:
        fetch(hub, tmp_path)
    assert str(failure.value) == sentence
    # The token was used, on what is the hub's own.
    assert {token for _, _, _, token in hub.asked} == {f"Bearer {SECRET}"}
    assert not folder_of(hub.model, tmp_path).exists()


def test_what_the_hub_does_not_know(hub: Hub) -> None:
    unknown = r"\Aacme/huge: 127\.0\.0\.1 knows no such model, or hides it; check its name, or set"
    with pytest.raises(MLLMUnavailableError, match=unknown):
        ask_hub("acme/huge", endpoint=hub.url)
    with pytest.raises(MLLMUnavailableError, match=r"knows no revision 'v9' of it; give a branch"):
        ask_hub(hub.model, "v9", hub.url)
    for name in ("tiny", "../tiny", "a/b/c", "acme/..", ""):
        with pytest.raises(MLLMSettingError, match=r" is no model's name; give one as ORG/NAME, "):
            ask_hub(name, endpoint=hub.url)


def test_a_hub_that_is_not_there_or_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({}) as hub:
        pass
    with pytest.raises(MLLMUnavailableError, match=r"127\.0\.0\.1 cannot be reached, or the conne"):
        ask_hub("acme/tiny", endpoint=hub.url)
    with serve(FILES) as hub:
        monkeypatch.setattr(hub, "listing", lambda: ["no", "listing"])
        with pytest.raises(
            MLLMUnavailableError, match="does not answer as a hub does; check HF_EN"
        ):
            ask_hub(hub.model, endpoint=hub.url)


@pytest.mark.parametrize("odd", [{"rfilename": 5}, {"size": "5"}, {"size": None}, {"size": 1.5}])
def test_a_listing_that_makes_no_sense(
    hub: Hub, odd: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = hub.listing()
    listing["siblings"][0] |= odd
    monkeypatch.setattr(hub, "listing", lambda: listing)
    with pytest.raises(MLLMUnavailableError, match="does not answer as a hub does; check HF_EN"):
        ask_hub(hub.model, endpoint=hub.url)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MLLMUnavailableError, match="acme/tiny: nonsense cannot be reached, or the"):
        ask_hub("acme/tiny", endpoint="nonsense")


def test_a_disk_without_room(hub: Hub, tmp_path: Path) -> None:
    hub.listed[WEIGHTS[0]] = 10**18
    with pytest.raises(OutputError, match=r"\Aacme/tiny takes 1,000,000,000\.0 GB more, but only "):
        fetch(hub, tmp_path)
    assert hub.downloads() == []


def test_a_folder_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder")
    with pytest.raises(OutputError, match=r"acme--tiny: cannot be written \(File exists\); check "):
        fetch(hub, tmp_path)


def test_two_pulls_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.pause_s = 0.05
    listing = ask_hub(hub.model, endpoint=hub.url)
    outcomes: list[str] = []

    def one() -> None:
        try:
            pull(listing, tmp_path)
            outcomes.append("done")
        except OutputError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    busy = "acme--tiny: another process is fetching this model; wait until it is done"
    assert sorted(outcome.rsplit("/", 1)[-1] for outcome in outcomes) == [busy, "done"]


def test_bytes_of_the_hubs_own_protocol_count_once() -> None:
    """Of large files on the real hub, what comes and what is written are reported apart."""
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

    moved: list[int] = []
    bars = XetDownloadProgressReporter(
        reconstruction_desc="", total=100, log_level=0, tqdm_class=_bar(moved.append)
    )
    with bars as reporter:
        for done in (30, 100):
            report = SimpleNamespace(
                total_bytes=100,
                total_bytes_completed=done,
                total_transfer_bytes_completed=done // 2,
                total_bytes_completion_rate=1.0,
                total_transfer_bytes_completion_rate=1.0,
            )
            reporter.update_progress(report)
    assert moved == [30, 70]


def command(hub: Hub, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": SECRET,
        "ECHO_IAD_HOME": str(home),
        "COLUMNS": "300",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "echo.cli", "models", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_in_the_middle_and_pulled_again(hub: Hub, tmp_path: Path) -> None:
    hub.pause_s = 0.2
    first = command(hub, tmp_path, "pull", hub.model)
    staging = tmp_path / "models" / ".acme--tiny~part"
    end = time.monotonic() + 30
    while not (staging / WEIGHTS[0]).exists() and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)  # until the second one is under way
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert staging.is_dir()
    assert not folder_of(hub.model, tmp_path).exists()
    with pytest.raises(MLLMError, match="is not on this machine"):
        find_model(hub.model, tmp_path)
    hub.pause_s = 0
    hub.asked.clear()
    second = command(hub, tmp_path, "pull", hub.model)
    out, err = second.communicate()
    folder = folder_of(hub.model, tmp_path)
    expected = f"Fetched acme/tiny (0.0 GB, commit {COMMIT[:12]}) into {folder}.\n"
    assert (second.returncode, out, err) == (0, expected, "")
    assert WEIGHTS[0] not in hub.downloads()
    assert WEIGHTS[1] in hub.downloads()
    assert {p.name for p in folder.iterdir()} == {*FILES, RECORD}
    assert not staging.exists()


def test_the_command(hub: Hub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path).folder
    again = command(hub, tmp_path, "pull", hub.model)
    out, err = again.communicate()
    assert (again.returncode, err) == (0, "")
    assert out == (
        f"acme/tiny (0.0 GB, commit {COMMIT[:12]}) is in {folder} already; all 7 files are "
        "intact.\n"
    )
    hub.denied = (401, "GatedRepo")
    (folder / "config.json").unlink()
    gated = command(hub, tmp_path, "pull", hub.model)
    out, err = gated.communicate()
    assert (gated.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("echo-iad: acme/tiny: is only given to those who accepted its licence")
    assert SECRET not in err
