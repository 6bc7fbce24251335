"""Enrols a product line for each object of the benchmark, from its normal images, once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.mmad.data import KNOWLEDGE, Benchmark
from benchmarks.mmad.making_knowledge import Library
from echo import ProductLine
from echo.progress import Progress
from echo.storage import write_bytes
from experts.errors import BenchmarkError, LineError
from experts.knowledge.mmad import read_domain_knowledge

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
# The benchmark's own file calls one dataset by another name.
_CALLED = {"DS-MVTec": "MVTec", "MVTec-AD": "MVTec"}
_MADE_OF = "made-of"


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
        BenchmarkError: If an object has no normal image.
        EchoError: If a line cannot be enrolled.
    """
    knowledge = _knowledge_files(benchmark, home, given)
    names: dict[str, str] = {}
    with Progress() as progress, progress.task("Enrolling", len(benchmark.objects)) as advance:
        for name in benchmark.objects:
            images = _spread(list(_normal_images(benchmark, name)), enrolled)
            names[name] = _enrolled(name, images, knowledge.get(name), home)
            advance(1)
    return names


def _enrolled(name: str, images: list[Path], knowledge: Path | None, home: Path) -> str:
    line = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    made_of = home / _MADE_OF / f"{line}.json"
    now = _fingerprint(images, knowledge)
    if _was_made_of(made_of, now):
        try:
            ProductLine.load(line, home=home)
        except LineError:
            pass
        else:
            return line
    ProductLine.enroll(line, images, knowledge, home=home, single=True, progress=False)
    made_of.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(made_of, json.dumps({"sha256": now}).encode())
    return line


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


def _normal_images(benchmark: Benchmark, name: str) -> Iterator[Path]:
    """All images of the folders that an object's templates come from; none is asked about."""
    of_object = [query for query in benchmark.queries if query.object == name]
    asked = {query.path for query in of_object}
    templates = [
        path for query in of_object for paths in query.templates.values() for path in paths
    ]
    folders = sorted({path.parent for path in templates})
    found = [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGES and path not in asked
    ]
    if not found:
        where = (
            ", ".join(map(str, folders[:3])) or f"{benchmark.root / name} (no template is named)"
        )
        raise BenchmarkError(
            f"{where}: has no normal image of {name}; get the dataset's training images, or leave "
            "the object out by --object"
        )
    return iter(found)


def _spread(images: list[Path], most: int | None) -> list[Path]:
    if most is None or len(images) <= most:
        return images
    return [images[i * len(images) // most] for i in range(most)]


def _knowledge_files(benchmark: Benchmark, home: Path, given: Path | None) -> Mapping[str, Path]:
    """What is known of each object: the user's own file, the benchmark's, or one of Echo's."""
    own = Library(given)
    texts = _benchmarks_own(benchmark.root / KNOWLEDGE)
    found: dict[str, Path] = {}
    for name in benchmark.objects:
        only = len(benchmark.objects) == 1
        dataset, _, object_name = name.partition("/")
        slug = _slug(f"{_CALLED.get(dataset, dataset)} {object_name}")
        if slug in texts and not given:
            path = home / _MADE_OF / f"{slug}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, texts[slug].encode())
            found[name] = path
        elif (fitting := own.fitting(name, only=only)) is not None:
            found[name] = fitting
    return found


def _benchmarks_own(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {Path(name).stem: text for name, text in read_domain_knowledge(path).items()}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
