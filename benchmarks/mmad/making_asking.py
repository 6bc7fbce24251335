"""What is asked about an image, by its label, its mask and the knowledge file of its product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mmad.data import Subtask
from benchmarks.mmad.making_knowledge import (
    Kind,
    Library,
    are_apart,
    is_several,
    kinds_of,
    product_names,
    wrong_kinds,
)
from benchmarks.mmad.making_options import Asker, apart
from benchmarks.mmad.making_places import drawn_apart, place_of, size_of
from benchmarks.mmad.making_texts import option, texts
from experts.knowledge import Knowledge
from experts.knowledge.schema import DefectKnowledge

# A text is asked about beside at least so many others.
OTHER_TEXTS = 2

Question = dict[str, Any]


class ObjectQuestions:
    """Makes the questions about the images of one object.

    Args:
        name: Dataset and object.
        folders: Of its kinds of defects.
        knowledge: Its knowledge file, if one fits.
        library: All that are known, for the other products.
        asker: Makes options of right and wrong texts.
    """

    def __init__(
        self,
        name: str,
        folders: Sequence[str],
        knowledge: Knowledge | None,
        library: Library,
        asker: Asker,
    ) -> None:
        self._kinds = kinds_of(folders, knowledge)
        self._knowledge = knowledge
        self._names = product_names(name, knowledge)
        self._others = list(library.others([*self._names, *name.split("/")]))
        self._asker = asker

    def of_good(self) -> list[Question]:
        """The questions about an image without a defect."""
        return [self._detection("No.", "Yes."), *self._of_product()]

    def of_defective(self, folder: str, mask_HW: NDArray[np.bool_]) -> list[Question]:
        """The questions about an image of a defect.

        Args:
            folder: Of its kind.
            mask_HW: bool, of the size of the image; may be empty.
        """
        asked = [self._detection("Yes.", "No.")]
        if not is_several(folder):
            kind = self._kinds.get(folder)
            described = self._texts("Defect Description", kind, lambda d: d.appearance)
            asked += self._kind(kind)
            asked += self._place(mask_HW)
            asked += described or self._size(mask_HW)
            asked += self._texts("Defect Analysis", kind, lambda d: d.effect)
        return asked + self._of_product()

    def _detection(self, right: str, wrong: str) -> Question:
        return self._asker.ask("Anomaly Detection", texts().stems.detection, right, [wrong])

    def _kind(self, kind: Kind | None) -> list[Question]:
        if kind is None:
            return []
        wrong = wrong_kinds(kind, list(self._kinds.values()), self._knowledge)
        return self._asked("Defect Classification", texts().stems.kind, kind.words, wrong)

    def _place(self, mask_HW: NDArray[np.bool_]) -> list[Question]:
        place = place_of(mask_HW)
        if place is None:
            return []
        shuffled = self._asker.draw(place.wrong, len(place.wrong))
        wrong = drawn_apart(place.right, shuffled)
        return self._asked("Defect Localization", texts().stems.place, place.right, wrong)

    def _size(self, mask_HW: NDArray[np.bool_]) -> list[Question]:
        size = size_of(mask_HW)
        if size is None:
            return []
        wrong = [other.words for other in texts().sizes if other.words != size]
        return self._asked("Defect Description", texts().stems.size, size, wrong)

    def _texts(
        self, subtask: Subtask, kind: Kind | None, text: Callable[[DefectKnowledge], str | None]
    ) -> list[Question]:
        """Which text of the knowledge file is that of the kind."""
        if kind is None or kind.defect is None or self._knowledge is None:
            return []
        right = text(kind.defect)
        if right is None:
            return []
        others = [
            option(found)
            for defect in self._knowledge.file.defects
            if are_apart(kind, Kind.of(defect)) and (found := text(defect))
        ]
        stems = texts().stems
        wording = stems.appearance if subtask == "Defect Description" else stems.effect
        wrong = apart(option(right), others)
        return self._asked(subtask, wording, option(right), wrong, OTHER_TEXTS)

    def _of_product(self) -> list[Question]:
        """What the product is, and what a normal one looks like."""
        asked = []
        if self._names:
            others = [option(other.file.product) for other in self._others]
            right = option(self._names[0])
            stems = texts().stems.product
            asked += self._asked("Object Classification", stems, right, apart(right, others))
        if self._knowledge is not None:
            right = option(self._knowledge.file.normal)
            others = apart(right, [option(other.file.normal) for other in self._others])
            asked += self._asked("Object Analysis", texts().stems.normal, right, others)
        return asked

    def _asked(
        self,
        subtask: Subtask,
        stems: Sequence[str],
        right: str,
        wrong: Sequence[str],
        least: int = 1,
    ) -> list[Question]:
        """The question, if there are enough wrong options."""
        return [self._asker.ask(subtask, stems, right, wrong)] if len(wrong) >= least else []
