"""How much memory a process has taken; needs nothing but Python, so any environment can ask."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB of 10⁶ bytes.

    On Linux from ``/proc``: there ``ru_maxrss`` of a process begins at what its parent held when
    it started it. Elsewhere it is all there is, in bytes on macOS and in KiB on other systems.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (s for s in status.read_text().splitlines() if s.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
