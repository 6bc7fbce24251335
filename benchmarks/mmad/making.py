"""Makes questions in MMAD's format from labelled images, so that every factory has its own MMAD.

Every answer comes from a label, a mask or a knowledge file that a person wrote, and no model makes
or judges any, as in DDQA: "EIAD: Explainable Industrial Anomaly Detection Via Multi-Modal Large
Language Models" (2025), https://arxiv.org/abs/2503.14162.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.masks import read_masks
from benchmarks.mmad.data import QUESTIONS
from benchmarks.mmad.making_asking import ObjectQuestions
from benchmarks.mmad.making_knowledge import Library
from benchmarks.mmad.making_options import Asker
from benchmarks.mmad.making_templates import most_similar
from benchmarks.mmad.making_tree import Labelled, LabelledObject, Tree, mask_path
from echo.progress import Progress
from echo.storage import write_bytes
from experts.errors import OutputError
from experts.images import read_picture

# So many templates of each sort are named, as in MMAD.
TEMPLATES = 8
# Every entry bears this, so that the file is known as one that may be made anew.
MADE_BY: Mapping[str, str] = {"made_by": "echo-iad bench make-questions"}

Entry = dict[str, Any]


@dataclass
class MadeObject:
    """What became of an object.

    Attributes:
        name: Dataset and object.
        knowledge: The file that fits it.
        images: How many are asked about.
        defective: How many of them show a defect.
        questions: How many of each subtask.
        no_mark: Names of defective images whose masks mark nothing.
    """

    name: str
    knowledge: Path | None
    images: int
    defective: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    no_mark: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """All questions, by the path of their image, and what became of each object."""

    entries: Mapping[str, Entry]
    objects: tuple[MadeObject, ...]


def make_questions(
    tree: Tree, library: Library, seed: int = 0, progress: bool | None = None
) -> Made:
    """Make the questions of a tree; the same tree, library and seed give the same questions.

    Args:
        tree: The labelled images.
        library: What is known of products.
        seed: Of all that is drawn.
        progress: Whether to draw a bar; by default on a terminal.

    Raises:
        ImageError: If an image or a mask cannot be read.
        BenchmarkError: If the user's own knowledge file fits no object.
        WeightsError: If the encoder's weights are not there.
    """
    fitting = [library.fitting(o.name, only=len(tree.objects) == 1) for o in tree.objects]
    library.check_used(fitting)
    entries: dict[str, Entry] = {}
    made = []
    with Progress(progress) as bars:
        for labelled, path in zip(tree.objects, fitting, strict=True):
            making = _Making(tree.base, labelled, library, path, seed)
            with bars.task(labelled.name, 2 * len(labelled.images) + len(labelled.normal)) as step:
                entries |= making.entries(step)
            made.append(making.made)
    return Made(entries, tuple(made))


def write_questions(made: Made, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        OutputError: If it cannot be written.
    """
    text = json.dumps(made.entries, indent=1, ensure_ascii=False)
    write_bytes(path, f"{text}\n".encode())


def check_overwrites_own(path: Path, *, force: bool) -> None:
    """Make sure that nothing is lost where the questions go.

    Raises:
        OutputError: If something stands there that is not made by this command, unless ``force``.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file, such as {path / QUESTIONS}")
    if path.exists() and not force and not _is_own(path):
        raise OutputError(
            f"{path}: is there already, and was not made by this command; name another file by "
            "--out, or overwrite it by --force"
        )


def _is_own(path: Path) -> bool:
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    entries = list(raw.values()) if isinstance(raw, dict) else []
    return bool(entries) and all(
        isinstance(entry, dict) and MADE_BY.items() <= entry.items() for entry in entries
    )


class _Making:
    """Makes the entries of one object."""

    def __init__(
        self, base: Path, labelled: LabelledObject, library: Library, path: Path | None, seed: int
    ) -> None:
        knowledge = None if path is None else library[path]
        name, kinds = labelled.name, labelled.kinds
        self._base = base
        self._object = labelled
        self._asker = Asker(seed, name)
        self._ask = ObjectQuestions(name, kinds, knowledge, library, self._asker)
        self.made = MadeObject(name, path, len(labelled.images))

    def entries(self, step: Callable[[float], None]) -> dict[str, Entry]:
        """The questions by the path of their image.

        Args:
            step: Told how many images were looked at; twice each, and once each normal one.
        """
        asked = [self._questions(image, step) for image in self._object.images]
        paths = [image.path for image in self._object.images]
        similar = most_similar(paths, self._object.normal, TEMPLATES, step)
        rows = zip(self._object.images, asked, similar, strict=True)
        return {self._name(row[0].path): self._entry(*row) for row in rows}

    def _entry(self, image: Labelled, asked: list[Entry], similar: Sequence[Path]) -> Entry:
        normal = [self._name(path) for path in self._object.normal]
        return {
            "image_path": self._name(image.path),
            **({"mask_path": mask_path(image, self._object.test)} if image.masks else {}),
            "conversation": asked,
            "similar_templates": [self._name(path) for path in similar],
            "random_templates": self._asker.draw(normal, TEMPLATES),
            **MADE_BY,
        }

    def _questions(self, image: Labelled, step: Callable[[float], None]) -> list[Entry]:
        if image.kind is None:
            asked = self._ask.of_good()
        else:
            mask_HW = read_masks(image.masks, image.path, read_picture(image.path).size_HW)
            if not mask_HW.any():
                self.made.no_mark.append(self._name(image.path))
            asked = self._ask.of_defective(image.kind, mask_HW)
            self.made.defective += 1
        self.made.questions.update(question["type"] for question in asked)
        step(1)
        return asked

    def _name(self, path: Path) -> str:
        return path.relative_to(self._base).as_posix()
