"""What flows along the edges of the graph, how its nodes are watched, and what comes of it all."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping
from typing import Annotated, Any, Protocol, TypedDict

from experts.decoder.encoder import Features
from experts.errors import EchoError, InspectionError
from experts.evidence import (
    AnomalyMap,
    Cause,
    ClauseCheck,
    Decision,
    Explanation,
    Inspection,
    Look,
    Opinion,
    Reference,
    Region,
    Sight,
    Step,
    Unruled,
    Versions,
)
from experts.images import Picture
from experts.knowledge import Excerpt
from experts.plain_text import fault_of, without
from experts.thinking import Thinking


def added(before: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """Timings of nodes that ran several times add up."""
    return {**before, **{name: before.get(name, 0.0) + ms for name, ms in more.items()}}


class InspectionState(TypedDict, total=False):
    """The state of one inspection; every field is written by exactly one kind of node.

    Attributes:
        picture: The image; given.
        features: Its features, from the line's encoder; given.
        sight: How the rules look at it; given, and by ``knowledge`` if the rules fail.
        versions: What all of it rests on; given.
        references: Most similar normal images; by ``reference``.
        anomaly: Map, score, p-value; by ``decode``.
        regions: Places that stand out; by ``decode``, only for a suspicious image.
        clause_checks: Limits computed on the regions; by ``knowledge``.
        unruled: What no clause says anything about; by ``knowledge``.
        excerpt: What of the knowledge file matters; by ``knowledge``.
        steps: The reasoning over evidence; appended to by ``reason``, ``cause`` and ``look``.
        cause: What becomes of the anomaly once the regions are made normal; by ``cause``.
        thinking: How far a language model has come; by ``think`` and ``look``.
        looks: The closer looks that it took; by ``look``.
        opinion: What it takes the image for; by ``think``, or given when a stored one is heard.
        decision: The verdict; by ``decide``.
        closing: The last steps, which say what the verdict rests on; by ``decide``.
        explanation: The model's words, checked; by ``explain``.
        thoughts: What is left of its thoughts, as steps; by ``explain``.
        faults: What else went wrong; given, and appended to by any node that can be spared.
        timings_ms: Milliseconds per node; added to by each.
    """

    picture: Picture
    features: Features
    sight: Sight
    versions: Versions
    references: tuple[Reference, ...]
    anomaly: AnomalyMap
    regions: tuple[Region, ...]
    clause_checks: tuple[ClauseCheck, ...]
    unruled: tuple[Unruled, ...]
    excerpt: Excerpt
    steps: Annotated[tuple[Step, ...], operator.add]
    cause: Cause | None
    thinking: Thinking
    looks: tuple[Look, ...]
    opinion: Opinion | None
    decision: Decision
    closing: tuple[Step, ...]
    explanation: Explanation | None
    thoughts: tuple[Step, ...]
    faults: Annotated[tuple[str, ...], operator.add]
    timings_ms: Annotated[dict[str, float], added]


NOTHING = Excerpt((), (), (), 0)


def inspection_of(state: InspectionState) -> Inspection:
    """The inspection that a state has come to."""
    return Inspection(
        image=state["picture"].name,
        size_HW=state["picture"].size_HW,
        references=state["references"],
        anomaly=state["anomaly"],
        regions=state["regions"],
        clause_checks=state["clause_checks"],
        steps=(*state["steps"], *state.get("thoughts", ()), *state["closing"]),
        decision=state["decision"],
        opinion=state.get("opinion"),
        looks=state.get("looks", ()),
        cause=state.get("cause"),
        explanation=state.get("explanation"),
        sight=state["sight"],
        faults=state["faults"],
        versions=state["versions"],
        timings_ms=state["timings_ms"],
    )


class Node(Protocol):
    """A node of the graph; LangGraph hands the state over by this name."""

    def __call__(self, state: InspectionState) -> dict[str, Any]:
        """Do the node's work; what it returns is written into the state."""
        ...


def watched(name: str, node: Node) -> Node:
    """Let a node report how many milliseconds it took, and go on without it where that is safe.

    What Echo raises on purpose goes through. If an expert fails in another way, an inspection goes
    on without references or reasons, and without rules it goes to a person; without a map or a
    decision there is none.
    """

    def run(state: InspectionState) -> dict[str, Any]:
        start = time.perf_counter()
        try:
            update = node(state)
        except EchoError as error:
            # Without a test of the cause an inspection is as good as most are.
            if name != "cause":
                raise
            update = _without(name, state, error)
        except Exception as error:
            update = _without(name, state, error)
        # What a part of it took stands beside it.
        parts_ms = update.get("timings_ms", {})
        own_ms = (time.perf_counter() - start) * 1e3 - sum(parts_ms.values())
        return {**update, "timings_ms": {name: own_ms, **parts_ms}}

    return run


def _without(node: str, state: InspectionState, error: Exception) -> dict[str, Any]:
    """What stands in for a node that failed.

    Raises:
        InspectionError: If nothing can.
    """
    faults = (without(node, error),)
    if node == "reference":
        return {"references": (), "faults": faults}
    if node == "knowledge":
        sight = state["sight"].model_copy(update={"fault": fault_of(error)})
        return {"clause_checks": (), "unruled": (), "excerpt": NOTHING, "sight": sight}
    if node in {"reason", "cause", "explain"}:
        return {"faults": faults}
    raise InspectionError(
        f"{state['picture'].name}: could not be inspected, since {node} failed "
        f"({fault_of(error)}); this is a fault of echo-iad, please report it"
    ) from error
