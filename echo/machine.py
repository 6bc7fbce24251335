"""The machine that Echo computes on, as far as it decides how numbers are rounded."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from experts.evidence import Machine

CPU_INFO = Path("/proc/cpuinfo")


def this_machine() -> Machine:
    """What is computed on, by the thread that asks."""
    return Machine(
        processor=_processor(), threads=torch.get_num_threads(), torch=str(torch.__version__)
    )


@contextlib.contextmanager
def as_many_threads_as(machine: Machine | None) -> Iterator[None]:
    """Share work among as many threads as an inspection of before did; it decides the last digits.

    Args:
        machine: What the inspection was computed on; if that is not known, nothing changes.
    """
    before = torch.get_num_threads()
    if machine is None or machine.threads == before:
        yield
        return
    torch.set_num_threads(machine.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _processor() -> str:
    name = f"{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"
    return f"{name}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else name


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for row in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            field, _, name = row.partition(":")
            if field.strip() == "model name":
                return name.strip()
    return platform.processor() or platform.machine()
