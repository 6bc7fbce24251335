"""What flows along the edges of the graph, and the experts that sit in its nodes."""

from __future__ import annotations

import operator
import time
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypedDict

from echo.language import Language
from experts.decision import DecisionMaker
from experts.decoder.decoder import AnomalyDecoder
from experts.decoder.encoder import Features
from experts.decoder.regions import MAX_REGIONS
from experts.decoder.twins import TwinFinder
from experts.errors import MLLMError
from experts.evidence import (
    AnomalyMap,
    ClauseCheck,
    Decision,
    Opinion,
    Reference,
    Region,
    Sight,
    Step,
    Unruled,
)
from experts.images import Picture
from experts.knowledge import Excerpt, Findings, KnowledgeGuide, Scene
from experts.naming import KindExpert
from experts.opinion import OpinionExpert, opinion_step
from experts.reasoning import ReasoningExpert
from experts.reference import ReferenceExtractor

# Of why there is no language model, so many letters are told.
MAX_FAULT = 500


class InspectionState(TypedDict, total=False):
    """The state of one inspection; every field is written by exactly one kind of node.

    Attributes:
        picture: The image; given.
        features: Its features, from the line's encoder; given.
        sight: How the rules look at it; given.
        references: Most similar normal images; by ``reference``.
        anomaly: Map, score, p-value; by ``decode``.
        regions: Places that stand out; by ``decode``, only for a suspicious image.
        clause_checks: Limits computed on the regions; by ``knowledge``.
        unruled: What no clause says anything about; by ``knowledge``.
        excerpt: What of the knowledge file matters; by ``knowledge``.
        steps: The reasoning so far; appended to by ``reason`` and ``decide``.
        opinion: What a language model takes the image for; by ``reason``, if one is set.
        faults: What else went wrong; by ``reason``.
        decision: The verdict; by ``decide``.
        timings_ms: Milliseconds per node; added to by each.
    """

    picture: Picture
    features: Features
    sight: Sight
    references: tuple[Reference, ...]
    anomaly: AnomalyMap
    regions: tuple[Region, ...]
    clause_checks: tuple[ClauseCheck, ...]
    unruled: tuple[Unruled, ...]
    excerpt: Excerpt
    steps: Annotated[tuple[Step, ...], operator.add]
    opinion: Opinion | None
    faults: tuple[str, ...]
    decision: Decision
    timings_ms: Annotated[dict[str, float], operator.or_]


@dataclass(frozen=True)
class Experts:
    """The experts of one product line, and what they need to know of it.

    Attributes:
        extractor: ``None`` for a line without images.
        finder: ``None`` for a line without images.
        namer: ``None`` for a line that was shown no kinds of defects.
        guide: ``None`` for a line without a knowledge file.
        language: Opens the language model that is set, if one is.
        alpha: The false-reject rate that the line promises.
    """

    extractor: ReferenceExtractor | None
    finder: TwinFinder | None
    decoder: AnomalyDecoder
    namer: KindExpert | None
    guide: KnowledgeGuide | None
    reasoner: ReasoningExpert
    language: Language
    opinion: OpinionExpert
    maker: DecisionMaker
    alpha: float

    def apply_rules(self, state: InspectionState) -> Findings:
        """What the line's rules say of the regions; nothing, without a knowledge file."""
        if self.guide is None:
            return Findings((), (), Excerpt((), (), (), 0))
        regions, limit = state["regions"], state["anomaly"].limit
        crowded = len(regions) >= MAX_REGIONS
        scene = Scene(state["picture"].size_HW, state["sight"], limit, crowded)
        return self.guide.check(regions, scene)

    def ask_model(self, state: InspectionState) -> dict[str, Any]:
        """What a language model takes the image for; nothing, if none is set.

        Whatever goes wrong in there becomes a fault of the inspection, which stands without it.
        """
        try:
            if (model := self.language.model()) is None:
                return {}
            opinion, seconds = self.opinion.ask(
                model, state["picture"], state["references"], state["regions"]
            )
            steps = (opinion_step(opinion),)
        # Users bring models of their own: what these raise cannot be foreseen.
        except Exception as error:
            why = str(error) if isinstance(error, MLLMError) else f"{type(error).__name__}: {error}"
            return {"faults": (f"without language model: {' '.join(why.split())}"[:MAX_FAULT],)}
        return {"opinion": opinion, "steps": steps, "timings_ms": {"mllm": seconds * 1e3}}


class Node(Protocol):
    """A node of the graph; LangGraph hands the state over by this name."""

    def __call__(self, state: InspectionState) -> dict[str, Any]:
        """Do the node's work; what it returns is written into the state."""
        ...


def timed(name: str, node: Node) -> Node:
    """Let a node report how many milliseconds it took."""

    def run(state: InspectionState) -> dict[str, Any]:
        start = time.perf_counter()
        update = node(state)
        # What a part of it took stands beside it.
        parts_ms = update.get("timings_ms", {})
        own_ms = (time.perf_counter() - start) * 1e3 - sum(parts_ms.values())
        return {**update, "timings_ms": {name: own_ms, **parts_ms}}

    return run
