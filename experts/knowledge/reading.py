"""Reads a knowledge file, and names all of its faults at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    ScalarEvent,
)

from experts.errors import KnowledgeError
from experts.evidence import Clause
from experts.knowledge.faults import Place, across_fields, explain, in_words, salvage
from experts.knowledge.schema import ClauseRule, DefectKnowledge, KnowledgeFile, View

# What takes longest to parse takes about a second for each 10,000 entries, or for 10,000 lines
# of comments; 500 kinds of defects need half of this.
MAX_FILE_BYTES = 500_000
MAX_LINES = 20_000
MAX_ENTRIES = 20_000
MAX_DEPTH = 20
# More are not told at once.
MAX_FAULTS = 100


@dataclass(frozen=True)
class Knowledge:
    """A knowledge file that was read and found right.

    Attributes:
        file: Its contents.
        clauses: All rules in file order, those for any place last, each with its line.
    """

    file: KnowledgeFile
    clauses: tuple[Clause, ...]

    def defect_named(self, text: str) -> str | None:
        """The name of the defect that is called so, by name or else by synonym.

        In any case, and with underscores for blanks, as folders are called.
        """
        wanted = _plain(text)
        for defect in self.file.defects:
            if _plain(defect.name) == wanted:
                return defect.name
        for defect in self.file.defects:
            if wanted in map(_plain, defect.synonyms):
                return defect.name
        return None

    def view_named(self, name: str) -> View | None:
        """The view of that name."""
        return next((view for view in self.file.views if view.name == name), None)


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ")


def load_knowledge(path: Path) -> Knowledge:
    """Read and check a knowledge file.

    Raises:
        KnowledgeError: With all faults, each as ``file:line: field: what was expected, what came,
            what to do``.
    """
    return parse_knowledge(read_file(path), path)


def read_file(path: Path) -> bytes:
    """The contents of a knowledge file, or as much of them as shows that it is too large.

    Raises:
        KnowledgeError: If it cannot be read.
    """
    try:
        # A pipe would be waited for.
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no file"
            raise KnowledgeError(f"{path}: cannot be read (it is {kind}); check the path")
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnowledgeError(f"{path}: cannot be read ({reason}); check the path") from error


def parse_knowledge(raw: bytes, path: Path) -> Knowledge:
    """As ``load_knowledge``, of a file that was read already.

    Args:
        raw: Its contents.
        path: What messages call it.
    """
    document = parse_document(raw, path)
    try:
        file = KnowledgeFile.model_validate(document)
    except ValidationError as error:
        found = [(fault["loc"], explain(dict(fault))) for fault in error.errors()]
        raise _faulty(path, document, [*found, *across_fields(salvage(document))]) from None
    if across := list(across_fields(file)):
        raise _faulty(path, document, across)
    return Knowledge(file, tuple(_clauses(path, document, file)))


def _faulty(
    path: Path, document: CommentedMap, faults: Sequence[tuple[Place, str]]
) -> KnowledgeError:
    lines = [
        f"{path}:{line_of(document, place)}: {'.'.join(map(str, place))}: {text}"
        for place, text in faults[:MAX_FAULTS]
    ]
    if len(faults) > MAX_FAULTS:
        lines.append(f"{path}: has {len(faults) - MAX_FAULTS} faults more")
    return KnowledgeError("\n".join(lines))


def parse_document(raw: bytes, path: Path) -> CommentedMap:
    """The YAML of a file with its comments and lines; its fields are not checked yet.

    Raises:
        KnowledgeError: If it is no mapping of plain YAML.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise KnowledgeError(
            f"{path}: is too large; a knowledge file has at most {MAX_FILE_BYTES:,} bytes; "
            "split it into one file for each product"
        )
    try:
        text = raw.decode("utf-8")
        _refuse_bombs(path, text)
        yaml = YAML(typ="rt")
        yaml.preserve_quotes = True
        document = yaml.load(text)
    except UnicodeDecodeError as error:
        raise KnowledgeError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except YAMLError as error:
        raise KnowledgeError(_broken(path, error)) from error
    except KnowledgeError:
        raise
    except Exception as error:
        # Values that look like a date and are none, directives of other versions: the library
        # stumbles over them in many ways, and a line must not.
        raise KnowledgeError(
            f"{path}: not valid YAML: {error}; put the value into quotes, and write no directives "
            "(%)"
        ) from error
    if not isinstance(document, CommentedMap):
        kinds = {type(None): "nothing", CommentedSeq: "a list"}
        got = kinds.get(type(document)) or in_words(document)
        raise KnowledgeError(
            f"{path}: expected fields such as 'product:' and 'defects:', got {got}; "
            "begin with: echo-iad knowledge new NAME"
        )
    return document


def _broken(path: Path, error: YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    where = f":{mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    advice = "look at this line and the one above it for a missing colon, quote or bracket"
    if "\\t" in problem:
        advice = "replace the tab by spaces"
    elif "another document" in problem:
        advice = "write one document, without --- in the middle"
    elif "duplicate key" in problem:
        advice = "keep one of the two"
    return f"{path}{where}: not valid YAML: {problem}; {advice}"


def _refuse_bombs(path: Path, text: str) -> None:
    """Refuse what makes a small file endless or slow, and what no knowledge file needs."""
    if (lines := len(text.splitlines())) > MAX_LINES:
        raise KnowledgeError(
            f"{path}: has {lines:,} lines; a knowledge file has at most {MAX_LINES:,}; split it "
            "into one file for each product"
        )
    depth = 0
    for number, event in enumerate(YAML(typ="rt").parse(text)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if fault := _needless(event, depth, number):
            raise KnowledgeError(f"{path}:{event.start_mark.line + 1}: {fault}")


def _needless(event: Any, depth: int, number: int) -> str | None:
    """What no knowledge file needs, and what to do instead."""
    if isinstance(event, AliasEvent):
        return "uses a YAML alias (*name); write the text out instead"
    if getattr(event, "anchor", None) is not None:
        return f"uses a YAML anchor (&{event.anchor}); remove it, or put the value into quotes"
    if getattr(event, "tag", None) is not None:
        return f"uses a YAML tag ({event.tag}); remove it, or put the value into quotes"
    if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
        return "uses a YAML merge key (<<); write the fields out instead"
    if depth > MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} levels deep; write it flatter"
    if number > MAX_ENTRIES:
        return f"has more than {MAX_ENTRIES:,} entries; split it into one file for each product"
    return None


def line_of(document: Any, place: Sequence[str | int]) -> int:
    """Line, from 1, of the deepest part of ``place`` that the document has."""
    line = int(document.lc.line)
    for key in place:
        if isinstance(document, CommentedMap) and key in document:
            line = int(document.lc.key(key)[0])
        elif isinstance(document, CommentedSeq) and isinstance(key, int) and key < len(document):
            line = int(document.lc.item(key)[0])
        else:
            break
        document = document[key]
    return line + 1


def _clauses(path: Path, document: CommentedMap, file: KnowledgeFile) -> Iterator[Clause]:
    for i, defect in enumerate(file.defects):
        for j, rule in enumerate(defect.clauses):
            line = line_of(document, ("defects", i, "clauses", j))
            yield _clause(rule, defect, path, line)
    for j, rule in enumerate(file.clauses):
        yield _clause(rule, None, path, line_of(document, ("clauses", j)))


def _clause(rule: ClauseRule, defect: DefectKnowledge | None, path: Path, line: int) -> Clause:
    quantity = rule.quantity or "count"
    limit = rule.at_least if rule.at_least is not None else rule.at_most
    return Clause(
        id=rule.id,
        defect=defect.name if defect else None,
        zone=rule.zone,
        quantity=quantity,
        # None allowed is a count of at most zero.
        limit=limit if limit is not None else 0.0,
        unit=rule.unit or "",
        severity=defect.severity if defect else "major",
        then=rule.then,
        note=rule.note,
        source=path.name,
        line=line,
    )
