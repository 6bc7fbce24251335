"""What stored inspections rest on and a line does not keep: rules of then, what it was made of.

Each is kept once, by its hash, in the file that holds the inspections.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from echo.manifest import Manifest

# Those go that the newest inspections do not rest on. One takes some kB, or 16 B an image.
MAX_KEPT = 200
# So many digits of a hash tell the images of a line apart.
DIGITS = 16

# Echos that do not know this table leave it alone, so histories of before need no new format.
_TABLE = "CREATE TABLE IF NOT EXISTS inputs (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL)"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'inputs'"
_PUT = "INSERT OR IGNORE INTO inputs VALUES (?, ?)"
_GET = "SELECT content FROM inputs WHERE sha256 = ?"
_TIDY = (
    "DELETE FROM inputs WHERE sha256 NOT IN (SELECT sha256 FROM "
    "(SELECT knowledge_sha256 AS sha256, id FROM inspections WHERE knowledge_sha256 IS NOT NULL "
    "UNION ALL SELECT learned_sha256, id FROM inspections) "
    "GROUP BY sha256 ORDER BY max(id) DESC LIMIT ?)"
)


def put(database: sqlite3.Connection, inputs: Mapping[str, bytes]) -> None:
    """Keep what the inspection rests on that was just stored, within the same transaction."""
    database.execute(_TABLE)
    database.executemany(_PUT, [(sha256, zlib.compress(raw)) for sha256, raw in inputs.items()])
    database.execute(_TIDY, (MAX_KEPT,))


def get(database: sqlite3.Connection, sha256: str) -> bytes | None:
    """What was kept by this hash; ``None`` if nothing is, or it is damaged."""
    if not database.execute(_IS_THERE).fetchone():
        return None
    row = database.execute(_GET, (sha256,)).fetchone()
    try:
        return zlib.decompress(row[0]) if row else None
    except (zlib.error, TypeError):
        return None


class Roster(BaseModel):
    """What a line was made of, each image by the first digits of its hash.

    Attributes:
        images: Its normal images.
        examples: The kinds of defects that it was shown, and the image of each example.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Roster:
        """What a line is made of."""
        return cls(
            images=tuple(image.sha256[:DIGITS] for image in manifest.images),
            examples=tuple((e.kind, e.sha256[:DIGITS]) for e in manifest.examples),
        )


def changes(then: Roster, now: Roster) -> list[str]:
    """What became of a line, in words that follow its name; never nothing.

    Args:
        then: What it was made of.
        now: What it is made of; the line is known to have changed.
    """
    told = [*_images(set(then.images), set(now.images))]
    kinds_then, kinds_now = (Counter(kind for kind, _ in r.examples) for r in (then, now))
    for kind in sorted(kinds_then | kinds_now):
        before, after = kinds_then[kind], kinds_now[kind]
        if not after:
            told.append(f"forgot the kind {kind!r} since")
        elif set(_shown(kind, then)) != set(_shown(kind, now)):
            told.append(f"was taught the kind {kind!r} since ({before} examples then, {after} now)")
    return told or ["was enrolled anew since from the same images, or shown other masks"]


def _images(then: set[str], now: set[str]) -> list[str]:
    gone, new = len(then - now), len(now - then)
    if gone and new:
        return [
            f"was enrolled anew since: {gone} of its {len(then)} images of then are not among "
            f"its {len(now)} now"
        ]
    if gone:
        return [f"was enrolled anew since without {gone} of its {len(then)} images of then"]
    if new:
        how = "was extended since, or enrolled anew from more images"
        return [f"{how}: {len(then)} then, {len(now)} now"]
    return []


def _shown(kind: str, roster: Roster) -> list[str]:
    return [image for name, image in roster.examples if name == kind]
