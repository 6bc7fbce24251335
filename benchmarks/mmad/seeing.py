"""Finds out about an image once, for all of its questions and all ways to answer them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from echo import Inspection, Inspector, LineFinder, ProductLine
from echo.rules import Rules
from experts.album import Album
from experts.album import Seen as AlbumSeen
from experts.answers import Known
from experts.choosing import Grounds
from experts.confidence import Confidence
from experts.decoder.regions import find_regions
from experts.errors import EchoError, LineError
from experts.evidence import AnomalyMap, Region
from experts.images import Picture, read_picture
from experts.knowledge import Excerpt, Knowledge
from experts.mllm import MLLM, Content
from experts.sheet import sheet
from experts.tools.scene import Equipment, Scene

Expert = Literal["reference", "decoder", "knowledge", "reasoning", "decision"]
EXPERTS: tuple[Expert, ...] = get_args(Expert)
# What those who answer know the image as: its file's name tells the defect.
UNNAMED = "the image"


@dataclass(frozen=True)
class Seen:
    """What was found out about an image.

    Attributes:
        picture: Its pixels, without the name of its file.
        object: The object of the benchmark that it was taken for.
        line: The line of that object, by which it was inspected.
        equipment: What the line looks with.
        knowledge: What that line's file says.
        inspection: All evidence.
        region: The place that stands out most, whatever the limits.
        defective: Probability that the part is defective.
    """

    picture: Picture
    object: str
    line: ProductLine
    equipment: Equipment
    knowledge: Knowledge | None
    inspection: Inspection
    region: Region | None
    defective: float

    def products(self, experts: frozenset[Expert]) -> tuple[str, ...]:
        """What the line's product is called; nothing, where nobody says which product it is."""
        if "reference" not in experts:
            return ()
        if "knowledge" in experts and self.knowledge is not None:
            return (self.knowledge.file.product, *self.knowledge.file.aliases)
        return (" ".join(self.object.replace("/", " ").replace("_", " ").split()),)

    def shown(self, experts: frozenset[Expert]) -> Iterator[Content]:
        """Headings and images that a language model sees: those of the experts that are asked."""
        if "decoder" not in experts:
            return
        gear, scene = self.equipment, self.scene
        # The album's headings name the product as the knowledge file does.
        if not {"knowledge", "reference"} <= experts:
            gear = replace(gear, knowledge=None)
        if "reference" not in experts:
            gear = replace(gear, extractor=None, finder=None)
            alone = scene.anomaly.model_copy(update={"twin": None})
            scene = replace(scene, references=(), anomaly=alone)
        yield from Album(gear).of(AlbumSeen(scene, (), Excerpt((), (), (), 0), ()))

    @cached_property
    def scene(self) -> Scene:
        """The image as closer looks take it; where nothing stands out, with its strongest place."""
        (features,) = self.line.see([self.picture])
        strongest = (self.region,) if self.region is not None else ()
        return Scene(
            picture=self.picture,
            features=features,
            sight=self.inspection.sight,
            references=self.inspection.references,
            anomaly=self.inspection.anomaly,
            regions=self.inspection.regions or strongest,
        )

    @cached_property
    def page(self) -> str:
        """What a model reads that sees nothing; the strongest place is always told."""
        inspection = self.inspection
        if not inspection.regions and self.region is not None:
            inspection = inspection.model_copy(update={"regions": (self.region,)})
        return sheet(Known(inspection, self.knowledge, self.line.alpha))

    def grounds(self, experts: frozenset[Expert]) -> Grounds:
        """What an answer can rest on if only these experts are asked."""
        grounds = Grounds(self.inspection.size_HW)
        if "reference" in experts:
            grounds = replace(grounds, products=self.products(experts))
        if "decoder" in experts:
            anomaly = self.inspection.anomaly
            # Without the Decision Maker there is only the line's promise.
            plain = float(anomaly.p_value <= self.line.alpha)
            sure = self.defective if "decision" in experts else plain
            kinds = next((r.kinds for r in self.inspection.regions if r.kinds is not None), None)
            grounds = replace(
                grounds,
                anomaly=anomaly,
                defective=sure,
                region=self.region,
                kinds=kinds.probabilities if kinds is not None else None,
            )
        if "knowledge" in experts and self.knowledge is not None:
            grounds = replace(grounds, knowledge=self.knowledge.file)
        return replace(grounds, weighs="reasoning" in experts)


class Seer:
    """Inspects images with the line that they are of; several threads may ask it.

    Args:
        lines: By object the name of its line.
        home: Where the lines are kept.
        model: Thinks along, if there is one.

    Raises:
        LineError: If a line cannot be opened.
    """

    def __init__(self, lines: Mapping[str, str], home: Path, model: MLLM | None = None) -> None:
        self._lines = {name: ProductLine.load(line, home=home) for name, line in lines.items()}
        self._object_of = {line: name for name, line in lines.items()}
        self._finder = LineFinder(self._lines.values())
        if self._finder.left_out:
            # Its images would be taken for another object's.
            raise LineError(self._finder.left_out[0])
        self._rules = {name: _rules_of(line) for name, line in self._lines.items()}
        self._model = model
        # An inspector serves one thread; lines are only read.
        self._own = threading.local()

    def lines(self) -> dict[str, dict[str, Any]]:
        """The state of each object's line, and of how many normal images it was made."""
        lines = self._lines.items()
        return {
            "lines": {name: line.sha256 for name, line in lines},
            "normal_images": {name: len(line.manifest.images) for name, line in lines},
        }

    def find_object(self, picture: Picture) -> str:
        """The object whose normal images are most similar; each image is of some object."""
        return self._object_of[self._finder.which(picture.rgb_HW3).matches[0].line]

    def see(self, path: Path, *, given: str | None = None, thinking: bool = False) -> Seen:
        """Inspect an image.

        Args:
            path: The file.
            given: The object that it is of, if that is told; else it is found.
            thinking: Whether the language model reasons about it.

        Raises:
            EchoError: If it cannot be read or inspected.
        """
        picture = Picture(UNNAMED, read_picture(path).rgb_HW3)
        name = given if given is not None else self.find_object(picture)
        inspector = self._inspector(name, thinking=thinking)
        inspection = inspector.inspect_picture(picture)
        anomaly = inspection.anomaly
        return Seen(
            picture=picture,
            object=name,
            line=inspector.line,
            equipment=inspector.equipment,
            knowledge=self._rules[name],
            inspection=inspection,
            region=_core(anomaly, picture, self._twin(anomaly, picture)),
            defective=Confidence().defective(anomaly.p_value, anomaly.calibration_size),
        )

    def _inspector(self, name: str, *, thinking: bool) -> Inspector:
        own: dict[tuple[str, bool], Inspector] = self._own.__dict__.setdefault("inspectors", {})
        asks = thinking and self._model is not None
        if (name, asks) not in own:
            model: MLLM | str | None = self._model if asks else "none"
            own[name, asks] = Inspector(self._lines[name], keep=False, mllm=model)
        return own[name, asks]

    def _twin(self, anomaly: AnomalyMap, picture: Picture) -> Picture | None:
        """The normal image that shows the very same part, if there is one of the same size."""
        if anomaly.twin is None:
            return None
        try:
            twin = read_picture(anomaly.twin.path)
        except EchoError:
            return None
        return twin if twin.size_HW == picture.size_HW else None


def _rules_of(line: ProductLine) -> Knowledge | None:
    rules = Rules(line)
    rules.refresh()
    return rules.knowledge


def _core(anomaly: AnomalyMap, picture: Picture, twin: Picture | None) -> Region | None:
    """The strongest place, from its peak half-way down to what is normal.

    A question may say that there is a defect, so there is a place even where none stands out; and
    how it looks is told by its core, as on a map of patches its flanks are wide.
    """
    scores_HW = anomaly.scores_HW
    peak = float(scores_HW.max())
    normal = anomaly.extent_limit if anomaly.extent_limit < peak else float(np.median(scores_HW))
    half = (normal + peak) / 2
    lowered = anomaly.model_copy(update={"limit": half, "extent_limit": half})
    reference_HW = twin.grey_HW if twin is not None else None
    regions = find_regions(lowered, picture.grey_HW, None, reference_HW)
    return regions[0] if regions else None
