"""Progress bars on the error stream, for people; nothing where nobody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress


class Progress:
    """Bars with counts, elapsed and remaining time.

    Args:
        show: Whether to draw them; by default if the error stream is a terminal.
    """

    def __init__(self, show: bool | None = None) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not (sys.stderr.isatty() if show is None else show),
        )

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    @contextlib.contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[float], None]]:
        """Show a bar; yields the function that moves it on."""
        task = self._bars.add_task(description, total=total)
        yield lambda count: self._bars.advance(task, count)
