"""What is installed, which weights are found, what would be used, and how to close each gap."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from echo.settings import HOME_VARIABLE, home_folder, lines_folder, mllm_setting
from experts.errors import EchoError

DISTRIBUTION = "echo-iad"


class Finding(BaseModel):
    """One line of the examination.

    Attributes:
        subject: What was looked at.
        ok: Whether Echo can work with what was found.
        found: What was found.
        remedy: What to do about a gap, empty if there is none.
    """

    subject: str
    ok: bool
    found: str
    remedy: str = ""


def examine(home: Path | None = None) -> list[Finding]:
    """Look at packages, weights, hardware and the folder of lines."""
    return [*_packages(), _weights(), _hardware(), _language(home), *_lines(home), _demo_images()]


def _packages() -> Iterator[Finding]:
    yield Finding(subject="python", ok=True, found=platform.python_version())
    remedy = f"pip install {DISTRIBUTION}"
    try:
        names = _required(importlib.metadata.requires(DISTRIBUTION) or [])
    except importlib.metadata.PackageNotFoundError:
        yield Finding(subject=DISTRIBUTION, ok=False, found="not installed", remedy=remedy)
        return
    for name in names:
        try:
            yield Finding(subject=name, ok=True, found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(subject=name, ok=False, found="not installed", remedy=remedy)


def _required(requirements: Iterable[str]) -> list[str]:
    """Names of the packages that are needed in any case."""
    always = [requirement for requirement in requirements if "extra ==" not in requirement]
    return [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in always]


def _weights() -> Finding:
    from experts.decoder.encoder import DEFAULT_ENCODER, load_encoder

    subject = f"encoder {DEFAULT_ENCODER}"
    try:
        encoder = load_encoder(DEFAULT_ENCODER)
    except EchoError as error:
        problem, _, remedy = str(error).partition("; ")
        return Finding(subject=subject, ok=False, found=problem, remedy=remedy)
    except ImportError as error:
        return Finding(subject=subject, ok=False, found=str(error), remedy="pip install echo-iad")
    return Finding(
        subject=subject, ok=True, found=f"weights found, sha256 {encoder.weights_sha256[:12]}…"
    )


def _hardware() -> Finding:
    import torch

    cores = f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_name(0)
        cores += f"; a GPU is here too ({gpu}), the embedded encoder does not need it"
    return Finding(subject="hardware", ok=True, found=cores)


def _language(home: Path | None) -> Finding:
    """The language model that is set for all lines; its weights are not loaded."""
    from experts.mllm.nano.base import Embedded
    from experts.mllm.setting import Local, look_up

    subject, folder = "language model", home_folder(home)
    try:
        setting = mllm_setting(folder)
        wanted = look_up(setting, folder)
        if wanted is None:
            found = "inspections go without"
        elif isinstance(wanted, Local):
            found = f"{wanted.found.folder}, {wanted.precision}"
        elif isinstance(wanted, Embedded):
            found = "the embedded one"
        else:
            wanted.check()
            found = wanted.name
    except EchoError as error:
        problem, _, remedy = str(error).rpartition("; ")
        return Finding(subject=subject, ok=False, found=problem, remedy=remedy)
    return Finding(subject=subject, ok=True, found=f"mllm: {setting.mllm} ({found})")


def _lines(home: Path | None) -> Iterator[Finding]:
    from echo.line import BrokenLine, ProductLine

    folder = lines_folder(home)
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield Finding(
            subject="lines",
            ok=False,
            found=f"{folder} cannot be written",
            remedy=f"set {HOME_VARIABLE} to a folder of yours",
        )
        return
    lines = ProductLine.survey(home=home)
    broken = [line for line in lines if isinstance(line, BrokenLine)]
    count = len(lines) - len(broken)
    yield Finding(subject="lines", ok=True, found=f"{count} enrolled in {folder}")
    for line in broken:
        problem, _, remedy = line.error.partition("; ")
        yield Finding(subject=f"line {line.name}", ok=False, found=problem, remedy=remedy)


def _demo_images() -> Finding:
    try:
        version = importlib.metadata.version("elpv-dataset")
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            subject="demo images",
            ok=True,
            found="not installed (only the demo needs them)",
            remedy='pip install "echo-iad[demo]"',
        )
    return Finding(subject="demo images", ok=True, found=f"elpv-dataset {version}")
