"""Enrols a product line for each object of the benchmark, from its normal images, once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.mmad.data import Benchmark, where_to_get
from benchmarks.mmad.known import knowledge_files
from echo import ProductLine
from echo.progress import Progress
from echo.storage import write_bytes
from experts.errors import BenchmarkError, LineError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_MADE_OF = "made-of"
# A dataset or an object that can be part of a line's name, which may have 64 letters in all.
_PLAIN = re.compile(r"[A-Za-z0-9]\w*(?:-\w+)*", re.ASCII)
_MAX_NAME = 34
_HASH_DIGITS = 8


def enrol_lines(
    benchmark: Benchmark, home: Path, enrolled: int | None = None, *, given: Path | None = None
) -> dict[str, str]:
    """Enrol a line for each object, unless it is there and was made of the same.

    Args:
        benchmark: Its objects, and where their normal images are.
        home: Where lines are kept, also from run to run.
        enrolled: So many normal images of each, spread over the folder; all by default.
        given: Knowledge files of the user's own.

    Returns:
        The name of each object's line.

    Raises:
        BenchmarkError: If objects have no normal image, or the user's own files fit none.
        EchoError: If a line cannot be enrolled.
    """
    knowledge = knowledge_files(benchmark, home / _MADE_OF, given)
    normal = _normal_images(benchmark)
    names: dict[str, str] = {}
    with Progress() as progress, progress.task("Enrolling", len(benchmark.objects)) as advance:
        for name in benchmark.objects:
            line = _line_name(name, enrolled, knowledge.get(name))
            _enrol(line, _spread(normal[name], enrolled), knowledge.get(name), home)
            names[name] = line
            advance(1)
    return names


def _line_name(name: str, enrolled: int | None, knowledge: Path | None) -> str:
    """The object, and what sets its lines apart: how many images, and a hash of its knowledge.

    Thus runs with other settings have lines of their own, and no object has another one's.
    """
    parts = name.split("/")
    line = "--".join(parts)
    if len(line) > _MAX_NAME or not all(map(_PLAIN.fullmatch, parts)):
        readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_MAX_NAME]
        line = f"x{_hash(name.encode())}-{readable}"
    if enrolled is not None:
        line += f"--n{enrolled}"
    return line + (f"--k{_hash(knowledge.read_bytes())}" if knowledge is not None else "")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]


def _enrol(line: str, images: list[Path], knowledge: Path | None, home: Path) -> None:
    made_of = home / _MADE_OF / f"{line}.json"
    now = _fingerprint(images, knowledge)
    if _was_made_of(made_of, now):
        try:
            ProductLine.load(line, home=home)
        except LineError:
            pass
        else:
            return
    ProductLine.enroll(line, images, knowledge, home=home, single=True, progress=False)
    made_of.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(made_of, json.dumps({"sha256": now}).encode())


def _was_made_of(path: Path, now: str) -> bool:
    try:
        return bool(json.loads(path.read_bytes())["sha256"] == now)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fingerprint(images: list[Path], knowledge: Path | None) -> str:
    """Of the files by name, size and time; reading all of them would take longer than enrolling."""
    states = [(str(path), (state := path.stat()).st_size, state.st_mtime_ns) for path in images]
    rules = knowledge.read_bytes() if knowledge else b""
    return hashlib.sha256(json.dumps(states).encode() + rules).hexdigest()


def _normal_images(benchmark: Benchmark) -> dict[str, list[Path]]:
    """Of each object all images of the folders that its templates come from.

    What the benchmark asks about is left out, whether it is asked in this run or not.
    """
    found: dict[str, list[Path]] = {}
    missing: list[str] = []
    for name, folders in _template_folders(benchmark).items():
        images = (path for folder in folders for path in _images_in(folder))
        found[name] = [path for path in images if path not in benchmark.images]
        if not found[name]:
            missing.append(_told(benchmark, name, folders))
    if missing:
        raise BenchmarkError(
            f"{benchmark.root}: normal images are missing; {'; '.join(missing)}; or leave these "
            "out by --object"
        )
    return found


def _template_folders(benchmark: Benchmark) -> dict[str, list[Path]]:
    folders: dict[str, set[Path]] = {}
    for query in benchmark.queries:
        templates = (path for paths in query.templates.values() for path in paths)
        folders.setdefault(query.object, set()).update(path.parent for path in templates)
    return {name: sorted(of_object) for name, of_object in folders.items()}


def _images_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGES)


def _told(benchmark: Benchmark, name: str, folders: list[Path]) -> str:
    """What an object lacks and where to get it; templates may be of another dataset than it is."""
    if not folders:
        return f"{name}: its questions name no template"
    folder = folders[0]
    below = folder.relative_to(benchmark.root) if folder.is_relative_to(benchmark.root) else folder
    return f"{name}: none in {below}, get them {where_to_get(below.parts[0])}"


def _spread(images: list[Path], most: int | None) -> list[Path]:
    if most is None or len(images) <= most:
        return images
    return [images[i * len(images) // most] for i in range(most)]
