"""Makes knowledge files of the texts of MMAD, which say how products and their defects look.

Jiang et al., "MMAD: A Comprehensive Benchmark for Multimodal Large Language Models in Industrial
Anomaly Detection" (ICLR 2025). Its domain_knowledge.json has dataset → object → kind → text; the
kind ``good`` tells what is normal.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import FoldedScalarString

from experts.errors import KnowledgeError
from experts.knowledge.faults import in_words
from experts.knowledge.reading import parse_knowledge

GOOD = "good"
# Lines may be longer than this by one word.
WIDTH = 84

_HEADER = """\
# Text: MMAD, domain_knowledge.json ({dataset}, {name}); its licence holds.
# No clause is invented, and without clauses nothing that stands out is allowed: add your own.
"""
_ADVICE = "give MMAD's domain_knowledge.json (dataset, object, kind, text)"

# A text has one block, or one for each of several defects of the kind.
_TITLE = re.compile(r"<([^<>\n]+)>\s*Description:\s*")
_MARKDOWN = (
    (re.compile(r"^[ \t]*(?:#{1,6}|[-*+•>]|\d{1,2}[.)])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),
    (re.compile(r"(\*\*|__|`)(.+?)\1"), r"\2"),
    (re.compile(r"(?<![\w*])([*_])(\S(?:[^\n]*?\S)?)\1(?![\w*])"), r"\2"),
)


def read_domain_knowledge(path: Path) -> dict[str, str]:
    """As ``import_domain_knowledge``, of a file.

    Raises:
        KnowledgeError: Also if it cannot be read or is no JSON.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnowledgeError(f"{path}: cannot be read ({reason}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(f"{path}: is not JSON ({error}); {_ADVICE}") from error
    return import_domain_knowledge(raw, str(path))


def import_domain_knowledge(raw: Any, source: str) -> dict[str, str]:
    """One knowledge file for each object, without clauses, each found right by the reader.

    Args:
        raw: Parsed JSON: dataset → object → kind → text.
        source: What messages call it.

    Returns:
        By file name, such as ``mvtec_zipper.yaml``, the YAML text.

    Raises:
        KnowledgeError: If it is not in that layout.
    """
    texts: dict[str, str] = {}
    for dataset, objects in _entries(raw, source, "a dataset"):
        for name, kinds in _entries(objects, f"{source}: {_line(dataset)}", "an object"):
            where = f"{source}: {_line(dataset)}, {_line(name)}"
            file_name = f"{_slug(f'{dataset} {name}')}.yaml"
            if file_name in texts:
                raise KnowledgeError(f"{where}: would be a second {file_name}; rename one of them")
            text = _yaml(dataset, name, dict(_entries(kinds, where, "a kind")), where)
            texts[file_name] = _checked(text, file_name, where)
    return texts


def _entries(value: Any, where: str, what: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        raise KnowledgeError(f"{where}: expected {what}, got {in_words(value)}; {_ADVICE}")
    yield from value.items()


def _yaml(dataset: str, name: str, kinds: dict[str, Any], where: str) -> str:
    if GOOD not in kinds:
        raise KnowledgeError(f"{where}: has no text for {GOOD!r}; add one that says what is normal")
    blocks = {kind: _blocks(text, f"{where}, {_line(kind)}") for kind, text in kinds.items()}
    document: dict[str, Any] = {
        "product": _plain(name),
        "normal": FoldedScalarString(_joined(blocks.pop(GOOD))),
    }
    if blocks:
        document["defects"] = _defects(blocks)
    yaml = YAML(typ="rt")
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return _HEADER.format(dataset=_line(dataset), name=_line(name)) + stream.getvalue()


def _defects(blocks: dict[str, list[tuple[str, str]]]) -> list[dict[str, Any]]:
    """One defect for each kind; a title that names another one already is left out."""
    taken = {_plain(kind).casefold() for kind in blocks}
    defects = []
    for kind, found in blocks.items():
        defect: dict[str, Any] = {"name": _plain(kind)}
        for title, _ in found:
            if title and title.casefold() not in taken:
                defect.setdefault("synonyms", []).append(title)
                taken.add(title.casefold())
        defect["appearance"] = FoldedScalarString(_joined(found))
        defect["severity"] = "major"
        defects.append(defect)
    return defects


def _blocks(text: Any, where: str) -> list[tuple[str, str]]:
    """Title and text of each block; the title is empty where there is none."""
    if not isinstance(text, str):
        raise KnowledgeError(f"{where}: expected a text, got {in_words(text)}; {_ADVICE}")
    # Before the first title, between titles, and after the last: text, title, text, title, text.
    before, *parts = _TITLE.split(text)
    pairs = zip(["", *parts[::2]], [before, *parts[1::2]], strict=True)
    blocks = [(_line(title), _without_markdown(body)) for title, body in pairs]
    blocks = [(title, body) for title, body in blocks if body]
    if not blocks:
        raise KnowledgeError(f"{where}: expected a text, got {in_words(text)}; write one")
    return blocks


def _joined(blocks: list[tuple[str, str]]) -> str:
    """Several blocks, each after its title; one without."""
    if len(blocks) == 1:
        return blocks[0][1]
    return " ".join(f"{title}: {body}" if title else body for title, body in blocks)


def _without_markdown(text: str) -> str:
    for pattern, kept in _MARKDOWN:
        text = pattern.sub(kept, text)
    return _line(text)


def _line(text: str) -> str:
    """All in one line, with single blanks."""
    return " ".join(text.split())


def _plain(name: str) -> str:
    return _line(name.replace("_", " "))


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def _checked(text: str, file_name: str, where: str) -> str:
    try:
        parse_knowledge(text.encode(), Path(file_name))
    except (KnowledgeError, UnicodeEncodeError, YAMLError) as error:
        first = str(error).splitlines()[0]
        raise KnowledgeError(f"{where}: makes no right file ({first}); correct it there") from error
    return text
