"""Lines with rules: enrolled with them from a few images, or given others later."""

from __future__ import annotations

import shutil
from pathlib import Path

from echo import ProductLine
from echo.rules import put_in_line
from experts.knowledge import load_knowledge
from tests.conftest import good_part

RULES = """\
product: washer
part: washer
parts: washers
normal: Upright stripes.
mm_per_px: 0.1
defects:
  - name: pit
    appearance: A small dark hole.
    effect: Corrodes.
    severity: minor
    clauses:
      - {id: pit.count, quantity: count, at_most: %d}
      - {id: pit.size, quantity: length, at_most: %g, unit: mm}
"""
LENIENT = RULES % (20, 100)
STRICT = RULES % (20, 0.5)


def line_with(rules: str, folder: Path) -> ProductLine:
    """The line ``washer`` of four images, which can promise alpha = 0.4, in this home."""
    path = folder / "washer.yaml"
    path.write_text(rules)
    parts = [good_part(i) for i in range(4)]
    return ProductLine.enroll("washer", parts, path, alpha=0.4, home=folder, progress=False)


def ruled(line: ProductLine, rules: str) -> ProductLine:
    """The line by these rules, which take the place of any that it had."""
    path = line.folder.parent.parent / "washer.yaml"
    path.write_text(rules)
    load_knowledge(path)
    put_in_line(line, path.read_bytes(), path)
    return ProductLine.at(line.folder)


def copied(home: Path, folder: Path, rules: str) -> ProductLine:
    """The line ``washer`` of a home, in a home below this folder, by these rules."""
    own = shutil.copytree(home / "lines", folder / "home" / "lines").parent
    return ruled(ProductLine.load("washer", home=own), rules)
