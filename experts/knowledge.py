"""The Knowledge Guide: a line's defects and limits, read from YAML and computed on regions."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from experts.errors import KnowledgeError
from experts.evidence import Clause, ClauseCheck, Region

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Quantity = Literal["count", "area", "length", "width"]
LengthUnit = Literal["px", "mm"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Limit(_Strict):
    """The largest value of a measured quantity that is still allowed.

    ``count`` is the number of places in the image; ``area``, ``length`` and ``width`` are those
    of the largest one. An area in ``mm`` is in mm².
    """

    id: Text
    quantity: Quantity
    at_most: float = Field(ge=0, allow_inf_nan=False)
    unit: LengthUnit | None = None


class DefectKnowledge(_Strict):
    """What is known of one kind of defect."""

    name: Text
    synonyms: list[Text] = []
    appearance: Text
    effect: Text
    severity: Literal["minor", "major", "critical"]
    limits: list[Limit] = []


class KnowledgeFile(_Strict):
    """The schema of a knowledge file."""

    product: Text
    part: Text = "image"
    parts: Text = "images"
    normal: Text
    mm_per_px: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    defects: list[DefectKnowledge] = []


@dataclass(frozen=True)
class Knowledge:
    """A knowledge file that was read and found right.

    Attributes:
        file: Its contents.
        clauses: All limits, in file order, each with its line.
        source: Where it was read from.
    """

    file: KnowledgeFile
    clauses: tuple[Clause, ...]
    source: Path

    def defect_named(self, text: str) -> str | None:
        """The name of the defect that is called so, by name or else by synonym, in any case."""
        wanted = text.casefold()
        for defect in self.file.defects:
            if defect.name.casefold() == wanted:
                return defect.name
        for defect in self.file.defects:
            if wanted in (synonym.casefold() for synonym in defect.synonyms):
                return defect.name
        return None

    @property
    def unlimited(self) -> frozenset[str]:
        """Names of the defects of which no limit says how much is allowed."""
        limited = {clause.defect for clause in self.clauses}
        return frozenset(defect.name for defect in self.file.defects) - limited


class KnowledgeGuide:
    """Computes the clauses of a line on the regions that were found."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._defects = frozenset(defect.name for defect in knowledge.file.defects)

    def check(self, regions: Sequence[Region]) -> tuple[ClauseCheck, ...]:
        """Check the clauses that may apply, each on the regions that may be its defect.

        They come in file order. The kinds of a region say which defects it may be, if the file
        has all of them. As long as nothing tells, or it is of no kind that was shown, or may be
        of a kind that the file does not have, it may be any defect of the file. The strictest of
        its clauses decides.
        """
        found = []
        for clause in self.knowledge.clauses:
            concerned = [region for region in regions if self._may_be(region, clause.defect)]
            if concerned or not regions:
                found.append(_check(clause, concerned))
        return tuple(found)

    def _may_be(self, region: Region, defect: str) -> bool:
        names = region.kinds.names if region.kinds else ()
        is_told = bool(names) and self._defects.issuperset(names)
        return not is_told or defect in names


def _check(clause: Clause, regions: Sequence[Region]) -> ClauseCheck:
    if clause.quantity == "count":
        measured = float(len(regions))
        concerned = tuple(r.id for r in regions)
    else:
        field = f"{clause.quantity}_{clause.unit}".replace("px2", "px")  # area_px, but area_mm2
        values = {r.id: float(getattr(r, field)) for r in regions}
        measured = max(values.values(), default=0.0)
        over = tuple(i for i, value in values.items() if value > clause.maximum)
        concerned = over or tuple(values)
    return ClauseCheck(
        id=f"clause:{clause.id}",
        clause=clause,
        measured=measured,
        # Three pixels of 0.1 mm are 0.30000000000000004 mm, and within 0.3 mm.
        within=measured <= clause.maximum * (1 + 1e-9),
        region_ids=concerned,
    )


def load_knowledge(path: Path) -> Knowledge:
    """Read and check a knowledge file.

    Raises:
        KnowledgeError: With all faults of single fields, or else all between fields, each as
            ``file:line: field: what was expected, what came``.
    """
    document = _parse(path)
    try:
        file = KnowledgeFile.model_validate(document)
    except ValidationError as error:
        faults = [_explain(path, document, dict(fault)) for fault in error.errors()]
        raise KnowledgeError("\n".join(faults)) from None
    faults = _faults_across_fields(path, document, file)
    if faults:
        raise KnowledgeError("\n".join(faults))
    return Knowledge(file, _clauses(path, document, file), path)


def _parse(path: Path) -> CommentedMap:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnowledgeError(f"{path}: cannot be read ({reason}); check the path") from error
    if len(raw) > MAX_FILE_BYTES:
        raise KnowledgeError(f"{path}: {len(raw)} bytes; a knowledge file has at most 1 MB")
    try:
        text = raw.decode("utf-8")
        _refuse_bombs(path, text)
        document = YAML(typ="rt").load(text)
    except UnicodeDecodeError as error:
        raise KnowledgeError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise KnowledgeError(f"{path}{where}: not valid YAML: {problem}") from error
    except ValueError as error:  # from a value that looks like a date and is none
        raise KnowledgeError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(document, CommentedMap):
        kinds = {type(None): "nothing", CommentedSeq: "a list"}
        got = kinds.get(type(document), repr(document))
        raise KnowledgeError(
            f"{path}: expected fields such as 'product:' and 'defects:', got {got}"
        )
    return document


def _refuse_bombs(path: Path, text: str) -> None:
    """Refuse what makes a small file endless or slow, and what no knowledge file needs."""
    depth = 0
    for event in YAML(typ="rt").parse(text):
        if isinstance(event, AliasEvent):
            raise KnowledgeError(f"{path}: uses a YAML alias (*name); write the text out instead")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise KnowledgeError(
                f"{path}: is nested more than {MAX_DEPTH} levels deep; write it flatter"
            )


def line_of(document: Any, location: Sequence[str | int]) -> int:
    """Line, from 1, of the deepest part of ``location`` that the document has."""
    line = int(document.lc.line)
    for key in location:
        if isinstance(document, CommentedMap) and key in document:
            line = int(document.lc.key(key)[0])
        elif isinstance(document, CommentedSeq) and isinstance(key, int) and key < len(document):
            line = int(document.lc.item(key)[0])
        else:
            break
        document = document[key]
    return line + 1


def _explain(path: Path, document: CommentedMap, fault: dict[str, Any]) -> str:
    location = fault["loc"]
    field = ".".join(str(part) for part in location)
    message = fault["msg"][0].lower() + fault["msg"][1:]
    if fault["type"] == "extra_forbidden":
        message = f"unknown field{_suggestion(location)}"
    elif fault["type"] != "missing":
        message += f", got {fault['input']!r}"
    return f"{path}:{line_of(document, location)}: {field}: {message}"


def _suggestion(location: Sequence[str | int]) -> str:
    depth = sum(isinstance(part, int) for part in location)
    model = (KnowledgeFile, DefectKnowledge, Limit)[min(depth, 2)]
    close = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _faults_across_fields(path: Path, document: CommentedMap, file: KnowledgeFile) -> list[str]:
    faults = []
    seen: set[str] = set()
    for i, defect in enumerate(file.defects):
        for j, limit in enumerate(defect.limits):
            where = f"{path}:{line_of(document, ('defects', i, 'limits', j))}: {limit.id}"
            if limit.id in seen:
                faults.append(f"{where}: this id is taken; give each limit its own")
            seen.add(limit.id)
            if limit.quantity == "count" and limit.unit is not None:
                faults.append(f"{where}: a count has no unit, got {limit.unit!r}; remove it")
            if limit.quantity != "count" and limit.unit is None:
                faults.append(f"{where}: {limit.quantity} needs a unit; add 'unit: px' or 'mm'")
            if limit.unit == "mm" and file.mm_per_px is None:
                faults.append(
                    f"{where}: a limit in mm needs the scale; add 'mm_per_px:' at the top"
                )
    return faults


def _clauses(path: Path, document: CommentedMap, file: KnowledgeFile) -> tuple[Clause, ...]:
    clauses = []
    for i, defect in enumerate(file.defects):
        for j, limit in enumerate(defect.limits):
            square = "2" if limit.quantity == "area" else ""
            clauses.append(
                Clause(
                    id=limit.id,
                    defect=defect.name,
                    quantity=limit.quantity,
                    maximum=limit.at_most,
                    unit=f"{limit.unit}{square}" if limit.unit else "",
                    severity=defect.severity,
                    source=path.name,
                    line=line_of(document, ("defects", i, "limits", j)),
                )
            )
    return tuple(clauses)
