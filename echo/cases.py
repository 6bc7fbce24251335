"""What people judged of a line's parts: labelled data, for calibration and for audit.

A case is never training data. Nothing here reaches a memory bank or the kinds of defects that a
line was shown; a person who wants that enrols or teaches the line. Who trains the language model
for a line (``echo.training.of_line``) has the images of its cases inspected again, and uses nothing
that people said of them. Cases stand in the file that holds the inspections (``echo.history``).
They are numbered from 1 and only ever added, so "the cases up to number N" says at any time what
was known when an inspection was made.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pydantic import ValidationError

from experts.clock import local_time
from experts.errors import HistoryError
from experts.evidence import Evidence, Inspection, Verdict

if TYPE_CHECKING:
    from echo.history import Archive
    from echo.record import Record

Finding = Literal["accept", "reject"]

# Echos that do not know this table leave it alone, so histories of before need no new format.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cases (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    "inspection INTEGER NOT NULL, judged TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS cases_by_inspection ON cases (inspection)",
    "CREATE TRIGGER IF NOT EXISTS cases_stay BEFORE DELETE ON cases "
    "BEGIN SELECT RAISE(ABORT, 'cases are never deleted'); END",
    "CREATE TRIGGER IF NOT EXISTS cases_stay_as_they_are BEFORE UPDATE ON cases "
    "BEGIN SELECT RAISE(ABORT, 'cases are never changed'); END",
)
_HAVE_ROOM = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cases'"
_COUNT = "SELECT max(number) FROM cases"
_UP_TO = "SELECT number, judged FROM cases WHERE number <= ? ORDER BY number"
_OF = "SELECT number, judged FROM cases WHERE inspection = ? ORDER BY number"
_INSERT = "INSERT INTO cases VALUES (NULL, ?, ?)"


def have_room(database: sqlite3.Connection) -> bool:
    """Whether the file has a place for cases."""
    return database.execute(_HAVE_ROOM).fetchone() is not None


class Judgement(NamedTuple):
    """What a person says of a part: the verdict, who says so, and why."""

    verdict: Finding
    by: str
    reason: str


class OpinionThen(Evidence):
    """What a language model took the part for.

    Attributes:
        model: Name of the model.
        revision: Which state of it.
        prompts_version: Of the texts that asked it.
        no_defect: Its probability of no defect.
        from_logits: Whether this is the model's own; if not, it named one candidate, which has 1.
        candidates: What it could choose from.
    """

    model: str
    revision: str
    prompts_version: int
    no_defect: float
    from_logits: bool
    candidates: tuple[str, ...] = ()


class Case(Evidence):
    """A part that a person judged, and what Echo had said of it.

    Attributes:
        number: Among the cases of the line, from 1, ascending.
        inspection: Id of the inspection, ``LINE:NUMBER``.
        image: Name of the image.
        verdict: What the person found.
        by: Who.
        reason: Why.
        time: When, UTC.
        verdict_then: What the inspection had come to.
        deciding_clause: Id of the clause that had decided, if one had.
        p_value: Of the image.
        alpha: The false-reject rate that was promised.
        calibration_size: How many normal images the p-value was taken against.
        image_sha256: Of the pixels.
        learned_sha256: Of the line but for its rules, see ``echo.history.learned_sha256``.
        opinion: Of a language model, if one was asked.
    """

    number: int
    inspection: str
    image: str
    verdict: Finding
    by: str
    reason: str
    time: datetime
    verdict_then: Verdict
    deciding_clause: str | None
    p_value: float
    alpha: float
    calibration_size: int
    image_sha256: str
    learned_sha256: str
    opinion: OpinionThen | None

    @property
    def agrees(self) -> bool | None:
        """Whether the person found what Echo had; ``None`` if Echo had left it to them."""
        return None if self.verdict_then == "review" else self.verdict == self.verdict_then


def newest(cases: Iterable[Case]) -> list[Case]:
    """Of each inspection the newest case: what people say of it by now; in the order of numbers.

    Args:
        cases: In the order of numbers.
    """
    last = {case.inspection: case for case in cases}
    return sorted(last.values(), key=lambda case: case.number)


class Cases:
    """The cases of a line.

    Args:
        archive: The stored inspections of the line.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        """The highest number; asking costs next to nothing.

        Raises:
            HistoryError: If the file cannot be read.
        """
        rows = self._archive.rows(_COUNT)
        return int(rows[0][0] or 0) if rows else 0

    def up_to(self, number: int | None = None) -> list[Case]:
        """All cases, or those up to a number, oldest first; errors as ``len``."""
        return self._read(_UP_TO, 2**62 if number is None else number)

    def of(self, identifier: str) -> list[Case]:
        """All cases of an inspection, oldest first; errors as ``len``."""
        return self._read(_OF, _number(identifier))

    def add(self, record: Record, judgement: Judgement, *, again: bool = False) -> Case:
        """Keep what a person judged.

        However many write and whenever one is killed, an inspection has one case, or those that
        were asked for.

        Args:
            record: The inspection.
            judgement: What the person found.
            again: Whether it may have been judged before.

        Raises:
            HistoryError: If it was judged before, or cannot be read or kept.
        """
        stored = record.inspection()
        number = _number(record.id)
        with self._archive.writing() as database:
            before = database.execute(_OF, (number,)).fetchall()
            if before and not again:
                raise HistoryError(_already(self._case(*before[-1])))
            judged = _judged(record, stored, judgement)
            written = database.execute(_INSERT, (number, json.dumps(judged))).lastrowid or 0
        return self._case(written, json.dumps(judged))

    def _read(self, query: str, value: int) -> list[Case]:
        return [self._case(*row) for row in self._archive.rows(query, value)]

    def _case(self, number: int, judged: str) -> Case:
        try:
            return Case.model_validate({"number": number, **json.loads(judged)})
        except (ValidationError, ValueError, TypeError) as error:
            raise HistoryError(
                f"{self._archive.path}: its case {number} cannot be read by this Echo; update Echo"
            ) from error


def check(verdict: str, by: str, reason: str) -> Judgement:
    """What a person says, if it can be kept.

    Raises:
        HistoryError: If the verdict is none, or the name or the reason is missing or broken.
    """
    if verdict not in get_args(Finding):
        raise HistoryError(f"{verdict!r} is no verdict of a person; expected accept or reject")
    for what, said in (("by whom", by), ("for what reason", reason)):
        if not said.strip():
            raise HistoryError(f"nothing says {what} it was judged; give a name and a reason")
        try:
            said.encode()
        except UnicodeEncodeError as error:
            raise HistoryError(f"{said!r} has broken characters; write it without them") from error
    found: Finding = "accept" if verdict == "accept" else "reject"
    return Judgement(found, by.strip(), reason.strip())


def _already(case: Case) -> str:
    return (
        f"{case.inspection}: is resolved already by {case.by} on {local_time(case.time)}: "
        f"{case.verdict} ({case.reason}); to judge it once more: --again"
    )


def _judged(record: Record, stored: Inspection, judgement: Judgement) -> dict[str, Any]:
    """A case as it is written, without its number."""
    opinion = stored.opinion
    case = Case(
        number=0,
        inspection=record.id,
        image=record.image,
        **judgement._asdict(),
        time=datetime.now(UTC),
        verdict_then=record.verdict,
        deciding_clause=stored.decision.deciding_clause,
        p_value=stored.anomaly.p_value,
        alpha=record.alpha,
        calibration_size=stored.anomaly.calibration_size,
        image_sha256=record.image_sha256,
        learned_sha256=record.learned_sha256,
        opinion=OpinionThen(
            model=opinion.model,
            revision=opinion.revision,
            prompts_version=opinion.prompts_version,
            no_defect=opinion.no_defect,
            from_logits=opinion.from_logits,
            candidates=opinion.candidates,
        )
        if opinion
        else None,
    )
    return case.model_dump(mode="json", exclude={"number"})


def _number(identifier: str) -> int:
    return int(identifier.rpartition(":")[2])
