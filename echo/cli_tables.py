"""Tables of inspections in which the reason has room, however narrow the window is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

# A narrower window has no room for the reason beside all other columns.
WIDE = 120
EMPTY = "–"
REASON = "reason"


class Listing:
    """Rows of cells, one of which is a reason: whole sentences.

    A column in which nothing stands is left out. In a narrow window the other cells of a row stand
    below each other, beside the reason.

    Args:
        columns: What they are called; one of them ``reason``.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._rows: list[Sequence[str]] = []

    def add(self, *cells: str) -> None:
        """Add a row.

        Args:
            cells: One for each column, in rich's markup; ``EMPTY`` where there is nothing.
        """
        self._rows.append(cells)

    def __len__(self) -> int:
        return len(self._rows)

    def table(self, width: int) -> Table:
        """All rows, for a window of so many characters."""
        filled = [
            i for i, _ in enumerate(self._columns) if any(row[i] != EMPTY for row in self._rows)
        ]
        if width >= WIDE:
            table = Table(*(self._columns[i] for i in filled))
            for row in self._rows:
                table.add_row(*(row[i] for i in filled))
            return table
        reason = self._columns.index(REASON)
        others = [i for i in filled if i != reason]
        table = Table(show_lines=True)
        table.add_column("part", max_width=max(1, width // 3), overflow="fold")
        table.add_column(REASON, overflow="fold")
        for row in self._rows:
            table.add_row("\n".join(self._named(i, row[i]) for i in others), row[reason])
        return table

    def show(self) -> None:
        """Print it."""
        console = Console()
        console.print(self.table(console.width))

    def _named(self, column: int, cell: str) -> str:
        """A cell that stands below others; a number says what it is."""
        name = self._columns[column]
        return f"{name} = {cell}" if name == "p" else cell
