"""Where Echo keeps things; one environment variable, one default."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "ECHO_IAD_HOME"


def lines_folder(home: str | os.PathLike[str] | None = None) -> Path:
    """Folder of the product lines: ``home``, else ``$ECHO_IAD_HOME``, else ``~/.echo-iad``."""
    chosen = home or os.environ.get(HOME_VARIABLE) or Path.home() / ".echo-iad"
    return Path(chosen).expanduser() / "lines"
