"""Keeps answers as they come: one line each, so that a run that broke off goes on where it was."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from experts.errors import BenchmarkError, OutputError

ANSWERS = "answers.jsonl"


class Answer(BaseModel):
    """An answer, as it is kept.

    Attributes:
        id: Of the question.
        asked: Its ``sha256``, so that an answer to another wording does not count.
        options: By letter, as they were asked.
        answer: The letter; ``None`` if what came back names no option.
        probabilities: One for each letter, adding up to 1; ``None`` where only a text came back.
        raw: What a language model wrote, or the letter that it chose, or why it gave no answer;
            empty where none was asked.
        evidence_ids: What it rests on.
        by: Who answered: ``evidence``, ``knowledge``, or the name of a language model.
        seconds: What this question alone took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    asked: str
    options: Mapping[str, str]
    answer: str | None
    probabilities: Mapping[str, float] | None = None
    raw: str = ""
    evidence_ids: tuple[str, ...] = ()
    by: str
    seconds: float


class Journal:
    """The answers of a run, in a file that nobody else writes to at the same time.

    Used in a ``with`` block. Several threads may add answers.

    Args:
        folder: Where ``answers.jsonl`` is; made if it is not there.

    Attributes:
        answers: What is there, by the id of its question.

    Raises:
        BenchmarkError: On entering, if another run writes to it, or a line of it is none of ours.
        OutputError: If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ANSWERS
        self.answers: dict[str, Answer] = {}
        self._adding = threading.Lock()
        self._alone = FileLock(folder / f".{ANSWERS}.lock", timeout=0)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Journal:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._alone.acquire()
        except Timeout:
            raise BenchmarkError(
                f"{self.path}: another run writes to it; wait for it, or give another --out"
            ) from None
        except OSError as error:
            raise _cannot_be_written(self.path, error) from error
        try:
            self.answers = {answer.id: answer for answer in self._mended()}
            self._file = self.path.open("ab")
        except OSError as error:
            self._alone.release()
            raise _cannot_be_written(self.path, error) from error
        except BenchmarkError:
            self._alone.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._alone.release()

    def add(self, answers: Iterable[Answer]) -> None:
        """Write answers, so that they are there whatever becomes of this process.

        Raises:
            OutputError: If they cannot be written.
        """
        found = list(answers)
        lines = b"".join(answer.model_dump_json().encode() + b"\n" for answer in found)
        with self._adding:
            if self._file is None:
                raise RuntimeError("a journal is written to within its with block")
            try:
                self._file.write(lines)
                self._file.flush()
            except OSError as error:
                raise _cannot_be_written(self.path, error) from error
            self.answers |= {answer.id: answer for answer in found}

    def _mended(self) -> list[Answer]:
        """What is there; the rest of a line that was not written to its end is cut off."""
        if not self.path.exists():
            return []
        raw = self.path.read_bytes()
        end = raw.rfind(b"\n") + 1
        answers = list(read_lines(raw[:end], self.path))
        if end < len(raw):
            os.truncate(self.path, end)
        return answers


def read_answers(folder: Path) -> dict[str, Answer]:
    """The answers of a run, by the id of their question; of several the last one.

    Raises:
        BenchmarkError: If there are none, or a line is none of ours.
    """
    path = folder / ANSWERS
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchmarkError(
            f"{path}: cannot be read ({reason}); run the benchmark first"
        ) from error
    return {answer.id: answer for answer in read_lines(raw[: raw.rfind(b"\n") + 1], path)}


def read_lines(raw: bytes, path: Path) -> Iterator[Answer]:
    """The answers of a file; a line that was not written to its end is left out by the caller."""
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            yield Answer.model_validate(json.loads(line))
        except (ValueError, ValidationError) as error:
            raise BenchmarkError(
                f"{path}: line {number} is no answer of this benchmark ({type(error).__name__}); "
                "mend or remove the line, or give another --out"
            ) from error


def _cannot_be_written(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); free space or give another --out")
