"""The pipeline: nine nodes and their edges, nothing else.

reference ─▶ decode ─▶ knowledge ─▶ reason ─▶ cause ─▶ think ─▶ decide ─▶ explain ─▶ end
                │                      │        │      │  ▲ ▲│     ▲ │               ▲
                │                      │        │      ▼  │ └┘     │ └ no model ─────┘
                │                      │        │     look        │
                └── clearly normal ────┴────────┴─── no model ────┘

A model thinks one stage at a time, and may ask for a closer look between two of them. What waits
for a person afterwards, and how people ask back, are graphs of their own: ``echo.review`` and
``echo.dialogue``.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from echo.state import InspectionState, watched
from echo.team import Experts
from experts.decision import is_suspicious
from experts.decoder.regions import find_regions

# No route is longer: a model examines at most as many places as there can be, in a stage each.
MAX_STEPS = 64


def build_graph(experts: Experts) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Wire the experts of a line into the graph of one inspection."""
    graph, nodes, routes = StateGraph(InspectionState), Nodes(experts), Routes(experts)
    for name in (
        "reference", "decode", "knowledge", "reason", "cause", "think", "look", "decide", "explain"
    ):  # fmt: skip
        graph.add_node(name, watched(name, getattr(nodes, name)))
    graph.add_edge(START, "reference")
    graph.add_edge("reference", "decode")
    graph.add_conditional_edges("decode", routes.after_decode)
    graph.add_edge("knowledge", "reason")
    graph.add_conditional_edges("reason", routes.after_reason)
    graph.add_conditional_edges("cause", routes.after_cause)
    graph.add_conditional_edges("think", routes.after_think)
    graph.add_edge("look", "think")
    graph.add_conditional_edges("decide", routes.after_decide)
    graph.add_edge("explain", END)
    return graph.compile().with_config(recursion_limit=MAX_STEPS)


class Nodes:
    """What each node writes into the state."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts

    def reference(self, state: InspectionState) -> dict[str, Any]:
        """The most similar normal images."""
        extractor = self._experts.equipment.extractor
        embedding_E = state["features"].embedding_E
        return {"references": extractor.retrieve(embedding_E) if extractor else ()}

    def decode(self, state: InspectionState) -> dict[str, Any]:
        """Map, score and p-value; the places that stand out, with their kinds."""
        experts, picture, features = self._experts, state["picture"], state["features"]
        gear = experts.equipment
        laid = gear.finder.find(picture) if gear.finder else None
        anomaly = gear.decoder.decode(picture, features, laid)
        if not (is_suspicious(anomaly, experts.alpha) and anomaly.part_found):
            return {"anomaly": anomaly, "regions": ()}
        regions = find_regions(anomaly, picture.grey_HW, state["sight"].mm_per_px)
        if experts.namer is not None:
            regions = experts.namer.name(picture, state["references"], anomaly, regions)
        return {"anomaly": anomaly, "regions": regions}

    def knowledge(self, state: InspectionState) -> dict[str, Any]:
        """The line's rules, computed on these places."""
        checks, unruled, excerpt = self._experts.apply_rules(state)
        return {"clause_checks": checks, "unruled": unruled, "excerpt": excerpt}

    def reason(self, state: InspectionState) -> dict[str, Any]:
        """The reasoning from evidence alone, step by step."""
        steps = self._experts.reasoner.reason(
            state["references"],
            state["anomaly"],
            state["regions"],
            state["clause_checks"],
            state["excerpt"],
            state["sight"].view,
        )
        return {"steps": steps}

    def cause(self, state: InspectionState) -> dict[str, Any]:
        """Whether these places are why: they are made normal, and the image is scored again."""
        return self._experts.test_cause(state)

    def think(self, state: InspectionState) -> dict[str, Any]:
        """A language model's next stage of thinking."""
        return self._experts.think(state)

    def look(self, state: InspectionState) -> dict[str, Any]:
        """The closer look that it asked for."""
        return self._experts.look(state)

    def decide(self, state: InspectionState) -> dict[str, Any]:
        """The verdict, in code; an opinion may send a part to a person, and no text reaches it."""
        decision, steps = self._experts.maker.decide(
            state["anomaly"],
            state["regions"],
            state["clause_checks"],
            state["unruled"],
            state["sight"].fault,
            state.get("opinion"),
        )
        return {"decision": decision, "closing": steps}

    def explain(self, state: InspectionState) -> dict[str, Any]:
        """The model's words, checked against all of this."""
        return self._experts.explain(state)


class Routes:
    """Where the state goes next."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts

    def after_decode(self, state: InspectionState) -> Literal["knowledge", "decide"]:
        """What is clearly normal needs no reasons."""
        suspicious = is_suspicious(state["anomaly"], self._experts.alpha)
        return "knowledge" if suspicious else "decide"

    def after_reason(self, _: InspectionState) -> Literal["cause", "decide"]:
        """Further evidence is for those who asked for it, and for language models."""
        return "cause" if self._experts.causes or self._experts.language.wanted else "decide"

    def after_cause(self, _: InspectionState) -> Literal["think", "decide"]:
        """Without a language model the evidence decides."""
        return "think" if self._experts.language.wanted else "decide"

    def after_think(self, state: InspectionState) -> Literal["think", "look", "decide"]:
        """One stage at a time, with closer looks in between."""
        thinking = state["thinking"]
        if thinking.done:
            return "decide"
        return "look" if thinking.call else "think"

    def after_decide(self, state: InspectionState) -> Literal["explain", "__end__"]:
        """A model that was of help explains the end."""
        thinking = state.get("thinking")
        return "explain" if thinking and thinking.speaks and not thinking.failed else "__end__"
