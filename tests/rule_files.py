"""Knowledge files to be spoilt, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from experts.errors import KnowledgeError
from experts.knowledge import load_knowledge

SOLAR_CELL = Path(__file__).parent.parent / "knowledge" / "solar_cell.yaml"

WASHER = """\
product: washer
part: washer
parts: washers
normal: A bright ring.
mm_per_px: 0.5
defects:
  - name: pit
    appearance: A small dark hole.
    effect: Corrodes.
    severity: minor
    clauses:
      - {id: pit.count, quantity: count, at_most: 2}
      - {id: pit.area, quantity: area, at_most: 48, unit: px}
      - {id: pit.area_mm, quantity: area, at_most: 12, unit: mm}
  - name: scratch
    appearance: A bright line.
    effect: Only looks bad.
    severity: major
    clauses:
      - {id: scratch.length, quantity: length, at_most: 10.5, unit: px}
      - {id: scratch.length_mm, quantity: length, at_most: 4.8, unit: mm}
      - {id: scratch.width, quantity: width, at_most: 5, unit: px}
      - {id: scratch.width_mm, quantity: width, at_most: 3, unit: mm}
"""


def change(path: Path, **replacements: str) -> dict[str, int]:
    """Replace lines by what begins them; gives the line of each, from 1."""
    lines = path.read_text().splitlines()
    numbers = {}
    for start, new in replacements.items():
        numbers[start] = next(
            n for n, text in enumerate(lines) if text.strip(" -{").startswith(start)
        )
        lines[numbers[start]] = new
    path.write_text("\n".join(lines) + "\n")
    return {start: number + 1 for start, number in numbers.items()}


def assert_faults(path: Path, *faults: str) -> None:
    """The message consists of exactly these lines, each after the file's name."""
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(path)
    assert str(caught.value).splitlines() == [f"{path}:{fault}" for fault in faults]
