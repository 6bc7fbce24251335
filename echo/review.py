"""Inspections that wait for a person, and what the person finds.

An inspection with the verdict review waits as a thread of LangGraph: a graph of two nodes, of which
the first interrupts and shows what a person needs, and the second writes the case (``echo.cases``)
once somebody resumes it. Threads are kept in threads/NAME.sqlite, so they survive any restart.

Between the inspection that is stored and its thread a process may be killed, and between the case
and the end of the thread. So the stored inspections say who waits: those to review that have no
case. Whoever lists or resolves them opens the threads that are missing and ends those that are left
over. Cases are labelled data and never training data; the line stays as it is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from echo.cases import Case, Cases, Judgement, check
from echo.history import Archive, archive_of
from echo.record import Record, split_id
from echo.threads import open_threads, threads_path
from experts.errors import HistoryError
from experts.evidence import Inspection

_PREFIX = "review "
# All threads of the prefix: the space is followed by "!".
_OPENED = "SELECT DISTINCT thread_id FROM checkpoints WHERE thread_id > ? AND thread_id < 'review!'"
# What is shown of a place.
_SHOWN_OF_REGION = {
    *("id", "place", "looks", "box_xyxy", "area_px", "length_px", "width_px"),
    *("area_mm2", "length_mm", "width_mm", "peak_score"),
}


class ReviewState(TypedDict, total=False):
    """The state of a thread: nothing but plain values.

    Attributes:
        shown: What a person needs to see, see ``to_show``.
        answer: What the person found: verdict, by, reason.
        case: Number of the case that was written.
    """

    shown: dict[str, Any]
    answer: dict[str, str]
    case: int


@dataclass(frozen=True)
class Review:
    """A stored inspection as a person looks at it.

    Attributes:
        record: As it is stored.
        cases: What people have found so far, oldest first.
    """

    record: Record
    cases: tuple[Case, ...]

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.record.verdict == "review" and not self.cases

    def inspection(self) -> Inspection:
        """The inspection, but for its map.

        Raises:
            HistoryError: If this Echo cannot read it.
        """
        return self.record.inspection()

    @property
    def shown(self) -> dict[str, Any]:
        """What a person needs to see, in plain values; see ``to_show``."""
        try:
            return to_show(self.inspection())
        except HistoryError:
            return {"id": self.record.id, "image": self.record.image, "reason": self.record.reason}


class Reviews:
    """What waits for a person on a line, and what people found.

    Args:
        line: Name of the line, or its stored inspections.
        home: Echo's home; see ``echo.settings``.

    Attributes:
        fault: What was wrong with the threads when it was last asked who waits, if anything was.

    Raises:
        LineError: If there is neither such a line nor anything stored of it.
    """

    def __init__(self, line: str | Archive, home: str | os.PathLike[str] | None = None) -> None:
        self._archive = line if isinstance(line, Archive) else archive_of(line, home)
        self._cases = Cases(self._archive)
        self._threads = _Keeper(self._archive)
        self.fault: str | None = None

    def waiting(self) -> list[Review]:
        """The inspections that wait for a person, oldest first.

        The stored inspections alone say who waits: threads that cannot be used are a ``fault``.

        Raises:
            HistoryError: If what is stored cannot be read.
        """
        self.fault = None
        try:
            with self._threads.use() as threads:
                # In this order: what begins to wait meanwhile is not taken for what is left over.
                opened = threads.opened()
                waiting = self._waiting()
                for review in waiting:
                    if review.record.id not in opened:
                        threads.open(review.record.id, review.shown)
                for left_over in opened - {review.record.id for review in waiting}:
                    threads.end(left_over)
        except HistoryError as error:
            # If it is the stored inspections that cannot be read, this says so once more.
            waiting = self._waiting()
            self.fault = str(error)
        return waiting

    def _waiting(self) -> list[Review]:
        return [Review(record, ()) for record in self._archive.waiting()]

    def show(self, identifier: str) -> Review:
        """A stored inspection, whether or not it waits for a person.

        Args:
            identifier: The id of the inspection, ``LINE:NUMBER``.

        Raises:
            HistoryError: If it is not there, or cannot be read.
        """
        name, number = split_id(identifier)
        if name != self._archive.name:
            raise HistoryError(f"{identifier}: is no inspection of line {self._archive.name}")
        return Review(self._archive.record(number), tuple(self._cases.of(identifier)))

    def cases(self) -> list[Case]:
        """All that people found on the line, oldest first; errors as ``waiting``."""
        return self._cases.up_to()

    def open(self, inspection: Inspection) -> None:
        """Let an inspection wait that was just stored.

        Args:
            inspection: With its id.

        Raises:
            HistoryError: If it cannot be written. It waits nevertheless, since it is stored.
        """
        with self._threads.use() as threads:
            threads.open(str(inspection.id), to_show(inspection))

    def resolve(
        self, identifier: str, verdict: str, *, by: str, reason: str, again: bool = False
    ) -> Case:
        """Keep what a person found; gives the case.

        An inspection that Echo accepted or rejected can be judged, too: confirmed or overruled.

        Args:
            identifier: The id of the inspection, ``LINE:NUMBER``.
            verdict: ``accept`` or ``reject``.
            by: Name of the person.
            reason: Why, in their words.
            again: Whether it may have been judged before; then this is a further case.

        Raises:
            HistoryError: If it is not there, was judged before, or nothing can be written; or if
                the verdict is another, or the name or the reason is missing.
        """
        judgement = check(verdict, by, reason)
        review = self.show(identifier)
        if not review.waits:
            return self._cases.add(review.record, judgement, again=again)
        # What this Echo cannot read goes on waiting.
        shown = to_show(review.inspection())
        try:
            with self._threads.use() as threads:
                if not threads.waits(identifier, shown):
                    threads.open(identifier, shown)
                threads.resume(identifier, judgement)
                threads.end(identifier)
        except HistoryError:
            # What went wrong once the case was written leaves a thread that is ended later.
            for case in self._cases.of(identifier):
                if (case.verdict, case.by, case.reason) == judgement:
                    return case
            raise
        return self._cases.of(identifier)[0]


class _Threads:
    """The threads of a line's reviews: LangGraph's, by the ids of the inspections."""

    def __init__(self, saver: SqliteSaver, archive: Archive) -> None:
        self._saver = saver
        self._graph = build_review(archive).compile(checkpointer=saver)

    def opened(self) -> set[str]:
        """The inspections that there are threads of."""
        with self._saver.cursor(transaction=False) as cursor:
            found = cursor.execute(_OPENED, (_PREFIX,)).fetchall()
        return {thread.removeprefix(_PREFIX) for (thread,) in found}

    def open(self, identifier: str, shown: dict[str, Any]) -> None:
        """Run the graph up to where it waits; what was there of that name goes."""
        self.end(identifier)
        # Nothing is written but where it waits.
        self._graph.invoke({"shown": shown}, _thread(identifier), durability="exit")

    def waits(self, identifier: str, shown: dict[str, Any]) -> bool:
        """Whether it waits for an answer to this, and none was ever begun.

        A history that was moved away begins with the same numbers again.
        """
        try:
            kept = self._saver.get_tuple(_thread(identifier))
        except sqlite3.Error:
            raise
        except Exception:  # of whatever type: what nobody can read is written anew
            return False
        if kept is None:
            return False
        values = kept.checkpoint["channel_values"]
        begun = {channel for _, channel, _ in kept.pending_writes or ()} - {INTERRUPT}
        return values.get("shown") == shown and "answer" not in values and not begun

    def resume(self, identifier: str, judgement: Judgement) -> int:
        """Go on with what a person found; gives the number of the case.

        Raises:
            HistoryError: If somebody else was faster.
        """
        answer = judgement._asdict()
        try:
            state = self._graph.invoke(
                Command(resume=answer), _thread(identifier), durability="exit"
            )
        except HistoryError:
            self.end(identifier)
            raise
        if state["answer"] != answer:
            raise HistoryError(f"{identifier}: somebody else resolved it at the same moment")
        return int(state["case"])

    def end(self, identifier: str) -> None:
        """Drop the thread, if there is one."""
        self._saver.delete_thread(f"{_PREFIX}{identifier}")


class _Keeper:
    """Keeps the threads of a line open: to close them takes ten times as long as a write.

    As with the history, they are opened again where the file at their path is another by now, and
    neither used nor closed in a process that was forked.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._home = archive.path.parent.parent
        self._lock = threading.Lock()
        self._open: tuple[AbstractContextManager[SqliteSaver], _Threads] | None = None
        self._opened: tuple[int, int] | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[_Threads]:
        """The threads; what goes wrong on disk becomes one sentence."""
        with self._lock:
            keeper, threads = self._current()
        try:
            yield threads
        except (sqlite3.Error, OSError):
            # What opened them tells what is wrong, and closes them.
            with self._lock:
                self._open = None
            keeper.__exit__(*sys.exc_info())
            raise

    def _current(self) -> tuple[AbstractContextManager[SqliteSaver], _Threads]:
        path = threads_path(self._archive.name, self._home)
        if self._open is not None and self._opened is not None:
            pid, inode = self._opened
            if pid != os.getpid():
                _OF_PARENT.append(self._open)
                self._open = None
            elif not path.exists() or path.stat().st_ino != inode:
                self._open[0].__exit__(None, None, None)
                self._open = None
        if self._open is None:
            keeper = open_threads(self._archive.name, self._home)
            self._open = keeper, _Threads(keeper.__enter__(), self._archive)
            self._opened = os.getpid(), path.stat().st_ino
        return self._open


# Files that were opened before a fork, kept so that nothing closes them.
_OF_PARENT: list[object] = []


def _thread(identifier: str) -> RunnableConfig:
    return {"configurable": {"thread_id": f"{_PREFIX}{identifier}"}}


def build_review(archive: Archive) -> StateGraph[Any, Any, Any, Any]:
    """Show, wait, write: what a review is."""

    def ask(state: ReviewState) -> dict[str, Any]:
        if "shown" not in state:
            raise HistoryError("the review has just ended; see what came of it, or try again")
        return {"answer": interrupt(state["shown"])}

    def write(state: ReviewState) -> dict[str, Any]:
        shown = state["shown"]
        record = archive.record(split_id(shown["id"])[1])
        if record.image_sha256 != shown["image_sha256"]:
            raise HistoryError(
                f"{record.id}: is another inspection by now, since the history was begun anew; "
                "look at it again"
            )
        case = Cases(archive).add(record, check(**state["answer"]))
        return {"case": case.number}

    graph = StateGraph(ReviewState)
    graph.add_node("ask", ask)
    graph.add_node("write", write)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "write")
    graph.add_edge("write", END)
    return graph


def to_show(inspection: Inspection) -> dict[str, Any]:
    """What a person needs to see of an inspection, in plain values.

    Args:
        inspection: With its id, as it was made or as it is stored.
    """
    anomaly, opinion, explanation = inspection.anomaly, inspection.opinion, inspection.explanation
    return {
        "id": inspection.id,
        "image": inspection.image,
        "image_sha256": inspection.versions.image_sha256,
        "verdict": inspection.verdict,
        "reason": inspection.decision.reason,
        "deciding_clause": inspection.decision.deciding_clause,
        "clause_checks": [check.model_dump(mode="json") for check in inspection.clause_checks],
        "p_value": anomaly.p_value,
        "calibration_size": anomaly.calibration_size,
        "references": [str(reference.path) for reference in inspection.references],
        "regions": [
            region.model_dump(mode="json", include=_SHOWN_OF_REGION)
            for region in inspection.regions
        ],
        "steps": [step.model_dump(mode="json") for step in inspection.steps],
        "opinion": opinion.model_dump(mode="json") if opinion else None,
        "explanation": explanation.text if explanation else None,
    }
