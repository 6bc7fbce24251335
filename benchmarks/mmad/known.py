"""What is known of each object: the knowledge file that its line is enrolled with."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import RootModel
from ruamel.yaml import YAML

from benchmarks.mmad.data import KNOWLEDGE, Benchmark
from benchmarks.mmad.making_knowledge import Library
from echo.storage import write_bytes
from experts.knowledge import Knowledge
from experts.knowledge.mmad import WIDTH, read_domain_knowledge
from experts.mllm.texts import read_texts

# The benchmark's own file calls one dataset by another name.
_CALLED = {"DS-MVTec": "MVTec", "MVTec-AD": "MVTec"}


class _Names(RootModel[dict[str, dict[str, tuple[str, ...]]]]):
    """What objects are called, by dataset and object."""


def knowledge_files(benchmark: Benchmark, folder: Path, given: Path | None) -> Mapping[str, Path]:
    """What is known of each object: by the user's own file, else the benchmark's, else one of ours.

    Args:
        benchmark: Its objects, and the folder that may have its ``domain_knowledge.json``.
        folder: Files that are made of the benchmark's texts are written into it.
        given: A file or a folder of the user's own.

    Returns:
        The file of each object; objects of which nothing is known are left out.

    Raises:
        KnowledgeError: If a file is at fault.
        BenchmarkError: If what the user gave fits no object.
    """
    library = Library(given)
    texts = _benchmarks_own(benchmark.root / KNOWLEDGE)
    only = len(benchmark.objects) == 1
    found: dict[str, Path] = {}
    for name in benchmark.objects:
        fitting = library.fitting(name, only=only)
        slug = _slug(name)
        if fitting is not None and _is_given(fitting, given):
            found[name] = fitting
        elif slug in texts:
            starter = library[fitting] if fitting is not None else None
            found[name] = folder / f"{slug}.yaml"
            folder.mkdir(parents=True, exist_ok=True)
            write_bytes(found[name], _also_called(texts[slug], _names(name, starter)).encode())
        elif fitting is not None:
            found[name] = fitting
    library.check_used(list(found.values()))
    return found


def _is_given(path: Path, given: Path | None) -> bool:
    return given is not None and given in (path, path.parent)


def _names(name: str, starter: Knowledge | None) -> list[str]:
    """What an object is called besides its folder, by a file of ours and in plain words."""
    dataset, _, object_name = name.partition("/")
    known = [starter.file.product, *starter.file.aliases] if starter is not None else []
    return [*known, *_everyday_names().get(dataset, {}).get(object_name, ())]


@lru_cache(maxsize=1)
def _everyday_names() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    return read_texts("names.yaml", _Names, "benchmarks.mmad").root


def _also_called(text: str, names: Sequence[str]) -> str:
    """A knowledge file with names as aliases of its product, which it has none of yet."""
    yaml = YAML(typ="rt")
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    product = document["product"].casefold()
    aliases = [name for name in dict.fromkeys(names) if name.casefold() != product]
    if not aliases:
        return text
    document.insert(1, "aliases", aliases)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _benchmarks_own(path: Path) -> dict[str, str]:
    """The benchmark's texts as knowledge files, by dataset and object."""
    if not path.is_file():
        return {}
    return {Path(name).stem: text for name, text in read_domain_knowledge(path).items()}


def _slug(name: str) -> str:
    """Dataset and object as the benchmark's texts are filed under."""
    dataset, _, object_name = name.partition("/")
    called = f"{_CALLED.get(dataset, dataset)} {object_name}"
    return re.sub(r"[\W_]+", "_", called.casefold()).strip("_")
