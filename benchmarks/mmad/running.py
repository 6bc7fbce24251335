"""Runs the benchmark: each image once, in all ways that are wanted, from where a run broke off."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mmad.answering import Way, answer
from benchmarks.mmad.asking import prompts
from benchmarks.mmad.data import Benchmark, Query, Question
from benchmarks.mmad.journal import ANSWERS, Answer, Journal
from benchmarks.mmad.seeing import Seen, Seer
from echo import __version__
from echo.progress import Progress
from echo.storage import writable_folder, write_bytes
from experts.errors import BenchmarkError, ImageError, InspectionError

SETTINGS = "run.json"
# Of lines that differ, so many are named.
MAX_NAMED = 3


@dataclass
class Spent:
    """Seconds of a run, over all workers.

    Attributes:
        experts: Finding out and answering.
        total: From the first image to the last answer, of each worker.
    """

    experts: float = 0.0
    total: float = 0.0

    @property
    def overhead(self) -> float:
        """What the runner took beside the experts, as a share of their time."""
        return (self.total - self.experts) / self.experts if self.experts else 0.0


class Run:
    """Answers what is not yet answered.

    Args:
        benchmark: What is asked.
        seer: Finds out about images.
        ways: How they are answered; each has a folder of its own.
        out: The folder of those folders.
        lines_given: Whether the product of an image is told, instead of found.

    Attributes:
        spent: What it took.
        failed: Why images have no answers, a sentence each.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        seer: Seer,
        ways: Sequence[Way],
        out: Path,
        *,
        lines_given: bool,
    ) -> None:
        self._benchmark, self._seer, self._ways = benchmark, seer, ways
        self._out, self._lines_given = out, lines_given
        self._object_of = {
            path.parent: query.object
            for query in benchmark.queries
            for paths in query.templates.values()
            for path in paths
        }
        self._counting = threading.Lock()
        self.spent, self.failed = Spent(), list[str]()

    def run(self, workers: int = 1) -> dict[str, dict[str, Answer]]:
        """Answer everything.

        Args:
            workers: So many images at once; more than one helps where a server answers.

        Returns:
            By way the answers, by the id of their question.

        Raises:
            BenchmarkError: If a folder holds a run with other settings, or another run is on.
            MLLMError: If a language model fails; what was answered is kept.
        """
        with contextlib.ExitStack() as stack:
            journals = {way.name: stack.enter_context(self._journal(way)) for way in self._ways}
            # Only whoever has all files to itself may say what the run is.
            for way in self._ways:
                _same_settings(self._out / way.name, self._settings_of(way))
            start = time.perf_counter()
            self._answer_all(journals, workers)
            self.spent.total = workers * (time.perf_counter() - start)
            return {name: dict(journal.answers) for name, journal in journals.items()}

    def _journal(self, way: Way) -> Journal:
        return Journal(writable_folder(self._out / way.name))

    def _settings_of(self, way: Way) -> dict[str, Any]:
        """What answers of a way depend on."""
        model, told = way.model, "templates" if not way.finds_line else "found"
        settings = {
            "echo": __version__,
            "experts": sorted(way.experts) if way.experts is not None else None,
            "line": "given" if self._lines_given else told,
            "templates": way.templates if model is not None else None,
            "shots": way.shots if model is not None else None,
            "mllm": [model.name, model.revision] if model is not None else None,
            "prompts_version": prompts().version if model is not None else None,
        }
        # A model that is asked plainly sees no line.
        return settings | self._seer.lines() if way.experts is not None else settings

    def _answer_all(self, journals: Mapping[str, Journal], workers: int) -> None:
        todo = list(self._todo(journals))
        with (
            Progress() as progress,
            progress.task("Answering", len(todo)) as advance,
            ThreadPoolExecutor(workers) as pool,
        ):
            waiting = [pool.submit(self._one, query, open_, journals) for query, open_ in todo]
            try:
                for future in waiting:
                    future.result()
                    advance(1)
            except BaseException:
                # What has not begun is not begun; the next run goes on there.
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _todo(
        self, journals: Mapping[str, Journal]
    ) -> Iterator[tuple[Query, dict[str, list[Question]]]]:
        """Images with what is open of each way, so that no image is given to two workers."""
        for query in self._benchmark.queries:
            open_ = {
                way.name: [q for q in query.questions if not _is_answered(q, journals[way.name])]
                for way in self._ways
            }
            if any(open_.values()):
                yield query, open_

    def _one(
        self,
        query: Query,
        open_: Mapping[str, Sequence[Question]],
        journals: Mapping[str, Journal],
    ) -> None:
        seen, experts = dict[tuple[str | None, bool], Seen](), 0.0
        for way in self._ways:
            if not open_[way.name]:
                continue
            began = time.perf_counter()
            try:
                answers = answer(query, open_[way.name], self._seen(query, way, seen), way)
            except (ImageError, InspectionError) as error:
                # One image that cannot be read keeps nobody from the others.
                self.failed.append(f"{query.name}: {error}")
                break
            finally:
                experts += time.perf_counter() - began
            journals[way.name].add(answers)
        with self._counting:
            self.spent.experts += experts

    def _seen(
        self, query: Query, way: Way, seen: dict[tuple[str | None, bool], Seen]
    ) -> Seen | None:
        """What was found out about an image, once for all ways that look at it alike."""
        if way.experts is None:
            return None
        told = query.object if self._lines_given else None
        if told is None and not way.finds_line:
            told = self._told_by_templates(query)
        if (told, way.thinks) not in seen:
            seen[told, way.thinks] = self._seer.see(query.path, given=told, thinking=way.thinks)
        return seen[told, way.thinks]

    def _told_by_templates(self, query: Query) -> str | None:
        """The object whose normal images are laid beside an image, as published models are told it.

        So the Reference Extractor can be left out; nothing is read from the image's own path.
        """
        beside = next((path for paths in query.templates.values() for path in paths), None)
        return self._object_of.get(beside.parent) if beside is not None else None


def _is_answered(question: Question, journal: Journal) -> bool:
    found = journal.answers.get(question.id)
    return found is not None and found.asked == question.sha256


def read_settings(folder: Path) -> dict[str, Any]:
    """What a run was, but for the hashes of its lines; nothing, if that cannot be read."""
    try:
        settings = dict(json.loads((folder / SETTINGS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
    settings.pop("lines", None)
    return settings


def _same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Note the settings of a run, or make sure that they are those of the run that is there.

    Raises:
        BenchmarkError: If they are not.
    """
    path = folder / SETTINGS
    now = json.dumps(settings, indent=2, sort_keys=True)
    try:
        before = path.read_text("utf-8")
    except FileNotFoundError:
        if (folder / ANSWERS).stat().st_size:
            raise BenchmarkError(
                f"{folder}: has answers, but no {SETTINGS} that tells how they came about; give "
                "another --out, or remove that folder"
            ) from None
        write_bytes(path, now.encode())
        return
    if before == now:
        return
    raise BenchmarkError(
        f"{folder}: holds a run with other settings ({_differing(before, settings)}); give another "
        "--out, or remove that folder"
    )


def _differing(before: str, settings: Mapping[str, Any]) -> str:
    try:
        then = dict(json.loads(before))
    except (ValueError, TypeError):
        return f"{SETTINGS} cannot be read"
    names = [name for name in {**then, **settings} if then.get(name) != settings.get(name)]
    return ", ".join(_difference(name, then.get(name), settings.get(name)) for name in names)


def _difference(name: str, then: Any, now: Any) -> str:
    """What differs; of the lines only which."""
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return f"{name}: {then!r}, now {now!r}"
    others = sorted(key for key in {**then, **now} if then.get(key) != now.get(key))
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return f"{name} of {', '.join(others[:MAX_NAMED])}{more}"
