"""Reads MMAD's questions as they are distributed, and keeps the answers apart from them.

Jiang et al., "MMAD: A Comprehensive Benchmark for Multimodal Large Language Models in Industrial
Anomaly Detection" (ICLR 2025): ``mmad.json`` has, by the path of an image, its questions with
options and answers, the normal images that are shown beside it, and the mask of its defect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from experts.choosing.asking import in_sentences
from experts.choosing.stating import Side, sides_of
from experts.errors import BenchmarkError

Subtask = Literal[
    "Anomaly Detection",
    "Defect Classification",
    "Defect Localization",
    "Defect Description",
    "Defect Analysis",
    "Object Classification",
    "Object Analysis",
]
SUBTASKS: tuple[Subtask, ...] = get_args(Subtask)
# Two types of the benchmark are counted as one subtask.
_COUNTED_AS: Mapping[str, Subtask] = {
    **{subtask: subtask for subtask in SUBTASKS},
    "Object Structure": "Object Analysis",
    "Object Details": "Object Analysis",
}
QUESTIONS = "mmad.json"
KNOWLEDGE = "domain_knowledge.json"
_ARCHIVE = "https://huggingface.co/datasets/jiang-cc/MMAD"
# Where each dataset comes from; the archive has them all.
SOURCES: Mapping[str, str] = {
    "DS-MVTec": "https://huggingface.co/datasets/DefectSpectrum/Defect_Spectrum",
    "MVTec-AD": "https://www.mvtec.com/company/research/datasets/mvtec-ad",
    "MVTec-LOCO": "https://www.mvtec.com/company/research/datasets/mvtec-loco",
    "VisA": "https://github.com/amazon-science/spot-diff",
    "GoodsAD": "https://github.com/jianzhang96/GoodsAD",
}
# So many of what is missing, or cannot be used, are named.
MAX_NAMED = 3


@dataclass(frozen=True)
class Question:
    """A question without its answer; nothing here tells more than the benchmark asks.

    Attributes:
        id: Unique in the benchmark: the image's path and the question's number.
        subtask: What it is counted as.
        text: The question.
        options: By letter, in their order.
    """

    id: str
    subtask: Subtask
    text: str
    options: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of all that is asked; an answer to another wording is no answer to this one."""
        asked = json.dumps([self.subtask, self.text, list(self.options.items())])
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Query:
    """An image and what is asked about it.

    Attributes:
        name: The image's path below the root; it tells the product and the defect, so nothing that
            answers may see it.
        path: The file.
        questions: In their order.
        templates: Normal images of the product, by how they were chosen: ``similar``, ``random``.
    """

    name: str
    path: Path
    questions: tuple[Question, ...]
    templates: Mapping[str, tuple[Path, ...]]

    @property
    def dataset(self) -> str:
        """The dataset that it is of."""
        return self.name.split("/")[0]

    @property
    def object(self) -> str:
        """Dataset and object, for example ``VisA/candle``."""
        return "/".join(self.name.split("/")[:2])


@dataclass(frozen=True)
class Key:
    """What is right; only scoring may see it.

    Attributes:
        answers: The right letter of each question, by its id.
        normal: Names of the images that show no defect: the right answer says so, or, where that
            is not asked, they lie in a folder ``good``.
    """

    answers: Mapping[str, str]
    normal: frozenset[str]


@dataclass(frozen=True)
class Benchmark:
    """All that is asked.

    Attributes:
        root: Folder of ``mmad.json``.
        queries: In the order of the file.
        key: The right answers.
        left_out: Questions that cannot be asked, each in a few words.
        images: All images that the file asks about, also where they are not among ``queries``.
    """

    root: Path
    queries: tuple[Query, ...]
    key: Key = field(repr=False)
    left_out: tuple[str, ...] = ()
    images: frozenset[Path] = frozenset()

    @property
    def questions(self) -> Iterator[tuple[Query, Question]]:
        """Each question with its image."""
        return ((query, question) for query in self.queries for question in query.questions)

    @property
    def objects(self) -> tuple[str, ...]:
        """The objects, in the order of the file."""
        return tuple(dict.fromkeys(query.object for query in self.queries))


def read_benchmark(root: Path, objects: Sequence[str] = (), limit: int | None = None) -> Benchmark:
    """Read the benchmark.

    Args:
        root: The folder of ``mmad.json``.
        objects: Only these, as ``VisA/candle``, ``candle`` or ``VisA``; all if empty.
        limit: At most so many images of each object, spread evenly over the file.

    Raises:
        BenchmarkError: If it cannot be read, has not all of the objects, or images that are asked
            about are missing.
    """
    raw = _raw(root)
    _check_known(root, raw, objects)
    names = [name for name in raw if not objects or any(_is_of(name, o) for o in objects)]
    reading = _Reading(root)
    queries = tuple(q for name in _limited(names, limit) if (q := reading.query(name, raw[name])))
    if not queries:
        raise BenchmarkError(f"{root / QUESTIONS}: has no question that can be asked")
    _check_files(root, queries)
    key = Key(reading.answers, frozenset(reading.normal))
    images = frozenset(root / name for name in raw)
    return Benchmark(root, queries, key, tuple(reading.left_out), images)


def where_to_get(dataset: str) -> str:
    """Where a dataset comes from, as the end of a sentence that begins with "get them"."""
    source = SOURCES.get(dataset)
    return f"from {source} or with all others from {_ARCHIVE}" if source else "into that folder"


def _raw(root: Path) -> dict[str, Any]:
    path = root / QUESTIONS
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchmarkError(
            f"{path}: cannot be read ({reason}); get MMAD from {_ARCHIVE} and give the folder that "
            f"has {QUESTIONS}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(
            f"{path}: is not JSON ({error}); get MMAD anew from {_ARCHIVE} (with git-lfs)"
        ) from error
    if not isinstance(raw, dict) or not raw:
        raise BenchmarkError(
            f"{path}: expected questions by the path of their image, got {type(raw).__name__}; get "
            f"MMAD from {_ARCHIVE}"
        )
    return raw


def _check_known(root: Path, names: Iterable[str], objects: Sequence[str]) -> None:
    own = dict.fromkeys("/".join(name.split("/")[:2]) for name in names)
    unknown = [wanted for wanted in objects if not any(_is_of(name, wanted) for name in own)]
    if unknown:
        known = _listed(sorted(own), 8)
        raise BenchmarkError(
            f"{root / QUESTIONS}: has no object {_listed(unknown)}; it has {known}"
        )


def _is_of(name: str, wanted: str) -> bool:
    """Whether an image is of an object, named with its dataset or without, or of a dataset."""
    parts = name.split("/")
    return wanted in ("/".join(parts[:2]), *parts[:2])


def _limited(names: Sequence[str], limit: int | None) -> list[str]:
    """So many of each object, spread evenly, as images of a kind of defect stand together."""
    if limit is None:
        return list(names)
    by_object: dict[str, list[str]] = {}
    for name in names:
        by_object.setdefault("/".join(name.split("/")[:2]), []).append(name)
    kept = {
        own[i * len(own) // min(limit, len(own))]
        for own in by_object.values()
        for i in range(min(limit, len(own)))
    }
    return [name for name in names if name in kept]


class _Reading:
    """Takes entries of the file apart."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.answers: dict[str, str] = {}
        self.normal: list[str] = []
        self.left_out: list[str] = []

    def query(self, name: str, entry: Any) -> Query | None:
        """An image with the questions that can be asked; ``None`` if there is none."""
        if not isinstance(entry, dict):
            self.left_out.append(f"{name}: no questions")
            return None
        asked = [
            question
            for number, raw in enumerate(_conversation(entry))
            if (question := self._question(name, number, raw)) is not None
        ]
        if not asked:
            return None
        if "good" in name.split("/") and not any(q.subtask == SUBTASKS[0] for q in asked):
            self.normal.append(name)
        templates = {
            which: tuple(self._root / path for path in entry.get(f"{which}_templates") or ())
            for which in ("similar", "random")
        }
        return Query(name, self._root / name, tuple(asked), templates)

    def _question(self, name: str, number: int, raw: Any) -> Question | None:
        """A question, without its answer, which is put into the key."""
        identifier = f"{name}#{number}"
        try:
            options = {str(letter): str(text) for letter, text in raw["Options"].items()}
            question = Question(
                identifier,
                _COUNTED_AS[raw["type"]],
                str(raw["Question"]).strip(),
                options,
            )
            answer = str(raw["Answer"])
        except (KeyError, TypeError, AttributeError) as error:
            self.left_out.append(f"{identifier}: {type(error).__name__} {error}")
            return None
        if answer not in options or len(options) < 2:
            self.left_out.append(f"{identifier}: the answer {answer!r} is none of its options")
            return None
        if question.subtask == "Anomaly Detection":
            side = _side(question, answer)
            if side is None:
                said = f"{options[answer]!r} to {question.text!r}"
                self.left_out.append(f"{identifier}: {said} says neither defective nor normal")
                return None
            if side == "good":
                self.normal.append(name)
        self.answers[identifier] = answer
        return question


def _side(question: Question, letter: str) -> Side | None:
    """What an option says of the part: "yes" calls it normal where that is what is asked."""
    _, asked = in_sentences(question.text)
    sides = sides_of(asked, list(question.options.values()))
    return sides[list(question.options).index(letter)]


def _conversation(entry: Mapping[str, Any]) -> Sequence[Any]:
    """The questions of an image, whatever their field is numbered."""
    found = next((v for name, v in entry.items() if name.startswith("conversation")), None)
    return found if isinstance(found, list) else ()


def _check_files(root: Path, queries: Sequence[Query]) -> None:
    missing: dict[str, list[Path]] = {}
    for query in queries:
        if not query.path.is_file():
            missing.setdefault(query.dataset, []).append(query.path)
    if not missing:
        return
    told = []
    for dataset, paths in missing.items():
        what = "the whole folder" if not (root / dataset).is_dir() else f"{paths[0].name} and so on"
        told.append(
            f"{root / dataset}: {len(paths)} images ({what}); get them {where_to_get(dataset)}"
        )
    raise BenchmarkError(
        f"{root}: images are missing; {'; '.join(told)}; or name what is there by --object"
    )


def _listed(names: Sequence[str], most: int = MAX_NAMED) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
